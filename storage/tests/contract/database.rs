//! The database around the store: schema, files, backups, restarts, news from other processes.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::audit::{ChainHash, ChainVerifier};
use domain::role::Role;
use domain::scope::Level;
use storage::{CredentialFilter, IfMissing, Location, StoreError};

use crate::fixture::{Fixture, at, credential, event, execute_at, key_id, new, session};

pub async fn a_new_database_is_migrated_once(fixture: &Fixture) {
    let store = &fixture.store;
    store.ping().await.unwrap();
    assert!(store.is_migrated().await.unwrap());
    fixture.add_superuser(1).await;
    store.migrate().await.unwrap();
    assert!(store.has_users().await.unwrap());
    let fresh = storage::connect("sqlite::memory:").await.unwrap();
    assert!(!fresh.is_migrated().await.unwrap());
    fresh.ping().await.unwrap();
}

pub async fn waiting_for_a_change_ends(fixture: &Fixture) {
    let patience = Duration::from_millis(300);
    // The first time may return at once.
    fixture.store.wait_for_change(patience).await.unwrap();
    let began = Instant::now();
    fixture.store.wait_for_change(patience).await.unwrap();
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_millis(150) && waited < Duration::from_secs(5),
        "{waited:?}"
    );
}

pub async fn parallel_migrations_are_safe(fixture: &Fixture) {
    let empty = if fixture.url.starts_with("postgres") {
        let everything = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
        fixture.execute(everything).await.unwrap();
        fixture.location.clone()
    } else {
        Location::File(fixture.folder().join("empty.db"))
    };
    let mut processes = Vec::new();
    for _ in 0..6 {
        let store = storage::open(&empty, IfMissing::Make).await.unwrap();
        assert!(!store.is_migrated().await.unwrap());
        processes.push(store);
    }
    let mut migrations = tokio::task::JoinSet::new();
    for store in processes {
        migrations.spawn(async move { store.migrate().await.map(|()| store) });
    }
    while let Some(migration) = migrations.join_next().await {
        assert!(migration.unwrap().unwrap().is_migrated().await.unwrap());
    }
}

async fn expect_schema_error(fixture: &Fixture, words: &str) {
    let store = fixture.connect_again().await;
    for outcome in [store.migrate().await, store.is_migrated().await.map(|_| ())] {
        let Err(StoreError::Schema(problem)) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(problem.contains(words), "{problem}");
    }
}

pub async fn a_newer_schema_is_refused(fixture: &Fixture) {
    fixture
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum,
                 execution_time)
             SELECT 9999, 'future', installed_on, success, checksum, 0 FROM _sqlx_migrations
             WHERE version = 1",
        )
        .await
        .unwrap();
    expect_schema_error(fixture, "newer version").await;
}

pub async fn another_text_of_a_migration_is_refused(fixture: &Fixture) {
    let hash = if fixture.url.starts_with("postgres") {
        "'\\x00'::bytea"
    } else {
        "x'00'"
    };
    let statement = format!("UPDATE _sqlx_migrations SET checksum = {hash}");
    fixture.execute(&statement).await.unwrap();
    expect_schema_error(fixture, "migration 1").await;
}

pub async fn a_value_that_cannot_be_names_its_column(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    fixture.issue(&credential(1, mara.id)).await;
    store.create_session(session(1, None)).await.unwrap();
    let key = key_id(1);
    for (statement, table, column) in [
        ("UPDATE users SET name = ' '", "users", "name"),
        (
            "UPDATE users SET name = 'x', email = 'nobody'",
            "users",
            "email",
        ),
        (
            "UPDATE credentials SET purpose = ''",
            "credentials",
            "purpose",
        ),
        (
            "UPDATE credentials SET purpose = 'x', access_kind = 'custom', access_levels = '{\"A\":1}'",
            "credentials",
            "access_levels",
        ),
        (
            "UPDATE credentials SET access_kind = 'full', expires_at = 9223372036854775806",
            "credentials",
            "expires_at",
        ),
        (
            "UPDATE credentials SET expires_at = NULL, limits = '{\"per_day\":1}'",
            "credentials",
            "limits",
        ),
    ] {
        fixture.execute(statement).await.unwrap();
        let errors = match table {
            "users" => vec![
                store.find_user(mara.id).await.map(|_| ()),
                store
                    .list_users(storage::UserQuery {
                        limit: 1,
                        ..Default::default()
                    })
                    .await
                    .map(|_| ()),
            ],
            _ => vec![
                store.find_credential(key).await.map(|_| ()),
                store.find_live_credential(key).await.map(|_| ()),
                store
                    .list_credentials(crate::fixture::query(CredentialFilter::default()))
                    .await
                    .map(|_| ()),
            ],
        };
        for outcome in errors {
            let Err(StoreError::Inconsistent {
                table: t,
                column: c,
                problem,
            }) = outcome
            else {
                panic!("{statement}: {outcome:?}");
            };
            assert_eq!((t, c), (table, column), "{problem}");
        }
    }
}

pub async fn everything_is_there_after_a_restart(fixture: &Fixture) {
    let mara = fixture.add_superuser(1).await;
    let issued = credential(1, mara.id);
    fixture.issue(&issued).await;
    let store = fixture.connect_again().await;
    assert!(store.is_migrated().await.unwrap());
    assert_eq!(
        store
            .find_credential(issued.key_id)
            .await
            .unwrap()
            .unwrap()
            .credential,
        issued
    );
    assert_eq!(
        store.audit_head().await.unwrap(),
        fixture.store.audit_head().await.unwrap()
    );
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

pub async fn check_91_files_are_private(fixture: &Fixture) {
    fixture.add_superuser(1).await;
    let folder = fixture.path().parent().unwrap().to_owned();
    assert_eq!(mode(&folder), 0o700);
    let mut files = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    files.sort();
    assert_eq!(files, ["keyrack.db", "keyrack.db-shm", "keyrack.db-wal"]);
}

pub async fn check_91_a_backup_under_load_is_whole_and_private(fixture: &Fixture) {
    let owner = fixture.add_superuser(1).await.id;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4_u64 {
        let (store, stop) = (fixture.store.clone(), stop.clone());
        writers.spawn(async move {
            let mut written = 0;
            while !stop.load(Ordering::Relaxed) {
                let number = writer * 1_000_000 + written;
                store
                    .issue_credential(new(&credential(number, owner)), event())
                    .await
                    .unwrap();
                written += 1;
            }
            written
        });
    }
    let mut backups = Vec::new();
    for number in 0..3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let path = fixture.folder().join(format!("backup-{number}.db"));
        fixture.store.backup(&path, event()).await.unwrap();
        assert_eq!(mode(&path), 0o600);
        backups.push(path);
    }
    stop.store(true, Ordering::Relaxed);
    let mut written = 0;
    while let Some(writer) = writers.join_next().await {
        written += writer.unwrap();
    }
    assert!(written > 0);

    let mut sizes = Vec::new();
    for path in backups {
        let copy = storage::connect(&format!("sqlite://{}", path.display()))
            .await
            .unwrap();
        assert!(copy.is_migrated().await.unwrap());
        let log = copy.list_audit(0, 1_000_000).await.unwrap();
        let mut verifier = ChainVerifier::default();
        for entry in &log {
            verifier.take(entry).unwrap();
        }
        verifier.finish(copy.audit_head().await.unwrap()).unwrap();
        // Credentials and the events of their issue are from the same moment.
        let all = copy.count_credentials(at(0)).await.unwrap().all;
        assert_eq!(log.len() as u64, 1 + all + sizes.len() as u64);
        copy.issue_credential(new(&credential(9_999_999, owner)), event())
            .await
            .unwrap();
        sizes.push(all);
    }
    assert!(sizes.is_sorted() && sizes[0] > 0, "{sizes:?}");
}

pub async fn a_backup_overwrites_nothing(fixture: &Fixture) {
    let folder = fixture.folder();
    let taken = folder.join("taken");
    fs::write(&taken, "mine").unwrap();
    for path in [taken.clone(), folder.join("no/such/folder/backup.db")] {
        let refused = fixture.store.backup(&path, event()).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
    }
    assert_eq!(fs::read_to_string(taken).unwrap(), "mine");
    let unaudited = folder.join("unaudited.db");
    fixture
        .store
        .backup(&unaudited, crate::fixture::refused_event())
        .await
        .unwrap_err();
    assert!(!unaudited.exists());
    assert!(fixture.audit_log().await.is_empty());
}

pub async fn a_look_at_the_writer_writes_only_now_and_then(fixture: &Fixture) {
    let store = &fixture.store;
    for moment in 0..3 {
        store.can_write(at(moment)).await.unwrap();
    }
    // The migration was no write of this store: the first look was.
    let looked_at = store.setting_or_insert("last_look", "never").await;
    assert_eq!(looked_at.unwrap(), at(0).timestamp_millis().to_string());
}

/// A disk of eight megabytes.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Nothing where nobody may mount one; there `server/tests/it/bad_disk.rs` is alone.
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]);
        let mounted = mount.arg(&at).stderr(Stdio::null()).status();
        mounted.is_ok_and(|done| done.success()).then_some(Self(at))
    }

    /// Leaves no room.
    fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = fs::File::create(&ballast).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

pub async fn check_102_a_disk_that_was_full_for_a_moment_stops_no_later_write(fixture: &Fixture) {
    let Some(disk) = SmallDisk::mount(fixture.folder().join("small")) else {
        return;
    };
    let url = format!("sqlite://{}", disk.0.join("keyrack.db").display());
    let store = storage::connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let owner = crate::fixture::person(1, Role::Superuser);
    let hash = Some("hash".to_owned());
    let added = store.add_user(owner.clone(), hash, None, event());
    added.await.unwrap();
    let mine = new(&credential(1, owner.id));
    store.issue_credential(mine, event()).await.unwrap();
    let usage = || vec![crate::gate::usage(1, 0, "data", Level::Read, (1, 1))];
    for round in 0..2 {
        store.can_write(at(0)).await.unwrap();
        // What the log of SQLite has room for already is no room any more.
        execute_at(&url, "PRAGMA wal_checkpoint(TRUNCATE)")
            .await
            .unwrap();
        let ballast = disk.fill();
        // What the server writes by itself is enough to meet it.
        let refused = store.add_usage(usage()).await;
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
        let refused = store.append_audit(event()).await;
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
        let refused = store.can_write(at(round + 10)).await;
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
        store.ping().await.unwrap();
        let live = store.find_live_credential(key_id(1)).await;
        assert!(live.unwrap().is_some());
        fs::remove_file(ballast).unwrap();
        store.can_write(at(round + 20)).await.unwrap();
        store.append_audit(event()).await.unwrap();
        store.add_usage(usage()).await.unwrap();
    }
    assert_eq!(store.list_audit(0, 10).await.unwrap().len(), 4);
}

pub async fn a_change_wakes_the_other_process(fixture: &Fixture) {
    let other = fixture.connect_again().await;
    // The first time it begins to listen, and returns so that the caller looks.
    other
        .wait_for_change(Duration::from_secs(30))
        .await
        .unwrap();
    for _ in 0..3 {
        let store = fixture.store.clone();
        let change = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            store.append_audit(event()).await.unwrap();
        });
        let began = Instant::now();
        other
            .wait_for_change(Duration::from_secs(30))
            .await
            .unwrap();
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
        change.await.unwrap();
    }
    let heard = other.changes_after((0, ChainHash::START)).await.unwrap();
    assert_eq!(heard.unwrap().len(), 3);
}

pub async fn a_lost_listener_is_reported_once(fixture: &Fixture) {
    let patience = Duration::from_secs(30);
    fixture.store.wait_for_change(patience).await.unwrap();
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    fixture.execute(end_all).await.unwrap();
    let lost = fixture.store.wait_for_change(patience).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    fixture.store.wait_for_change(patience).await.unwrap();
    fixture.store.append_audit(event()).await.unwrap();
    fixture.store.wait_for_change(patience).await.unwrap();
}

pub async fn a_backup_is_left_to_the_tools_of_postgresql(fixture: &Fixture) {
    let path = std::env::temp_dir().join("keyrack-backup-that-is-never-written.db");
    let refused = fixture.store.backup(&path, event()).await;
    assert!(
        matches!(refused, Err(StoreError::Unsupported(_))),
        "{refused:?}"
    );
    assert!(!path.exists());
    assert!(fixture.audit_log().await.is_empty());
}

/// Only connections that begin after the setting was made can't write: so those show themselves.
pub async fn connections_from_before_are_not_used_again(fixture: &Fixture) {
    let store = &fixture.store;
    store.append_audit(event()).await.unwrap();
    fixture
        .set_on_postgres("SET default_transaction_read_only = on")
        .await;
    store.append_audit(event()).await.unwrap();
    // Until it is back in its pool: while it is not, whoever writes gets a new one anyway.
    tokio::time::sleep(Duration::from_millis(100)).await;
    store.connect_anew().await.unwrap();
    let refused = store.append_audit(event()).await;
    assert!(
        matches!(refused, Err(StoreError::ReadOnly(_))),
        "{refused:?}"
    );
    fixture
        .set_on_postgres("RESET default_transaction_read_only")
        .await;
    store.append_audit(event()).await.unwrap();
}

/// They were used a moment ago, so none is asked whether it is alive.
pub async fn the_gate_reads_on_though_all_its_connections_are_ended(fixture: &Fixture) {
    for _ in 0..3 {
        let (one, two, three) = tokio::join!(
            fixture.store.ping(),
            fixture.store.ping(),
            fixture.store.ping()
        );
        for answered in [one, two, three] {
            answered.unwrap();
        }
        fixture.end_sessions_on_postgres().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn a_database_that_was_read_only_takes_writes_again(fixture: &Fixture) {
    let owner = fixture.add_superuser(1).await.id;
    fixture.issue(&credential(1, owner)).await;
    let store = &fixture.store;
    let write_at_once = async || {
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let store = store.clone();
            writers.spawn(async move { store.append_audit(event()).await });
        }
        writers.join_all().await
    };
    for _ in 0..2 {
        fixture
            .set_on_postgres("SET default_transaction_read_only = on")
            .await;
        fixture.end_sessions_on_postgres().await;
        for refused in write_at_once().await {
            assert!(
                matches!(refused, Err(StoreError::ReadOnly(_))),
                "{refused:?}"
            );
        }
        let refused = store.can_write(at(0)).await;
        assert!(
            matches!(refused, Err(StoreError::ReadOnly(_))),
            "{refused:?}"
        );
        store.ping().await.unwrap();
        assert!(
            store
                .find_live_credential(key_id(1))
                .await
                .unwrap()
                .is_some()
        );
        // Who begins now finds that nothing has to be written first.
        assert!(fixture.connect_again().await.is_migrated().await.unwrap());
        fixture
            .set_on_postgres("RESET default_transaction_read_only")
            .await;
        for written in write_at_once().await {
            written.unwrap();
        }
        store.can_write(at(0)).await.unwrap();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

pub async fn a_backup_has_its_name_only_when_it_is_whole(fixture: &Fixture) {
    fixture.add_superuser(1).await;
    let folder = fixture.folder().join("backups");
    fs::create_dir(&folder).unwrap();
    let to = folder.join("backup.db");
    let (store, path) = (fixture.store.clone(), to.clone());
    // What a copy that is killed half-way leaves is what is there while it is made.
    let backup = tokio::spawn(async move { store.backup(&path, event()).await });
    let mut seen = std::collections::BTreeSet::new();
    while !backup.is_finished() {
        for name in names(&folder) {
            if name == "backup.db" {
                let copy = storage::connect(&format!("sqlite://{}", to.display())).await;
                assert!(copy.unwrap().has_users().await.unwrap());
            }
            seen.insert(name);
        }
        tokio::task::yield_now().await;
    }
    backup.await.unwrap().unwrap();
    let unfinished = seen.iter().find(|name| name.ends_with(".incomplete"));
    assert!(unfinished.is_some(), "{seen:?}");
    assert!(!names(&folder).contains(unfinished.unwrap()));
}

pub async fn an_orderly_end_leaves_nothing_in_the_log(fixture: &Fixture) {
    for round in 0..20 {
        let store = fixture.connect_again().await;
        store.append_audit(event()).await.unwrap();
        // The store of the fixture would be the last one to close.
        if round == 0 {
            fixture.store.close().await.unwrap();
        }
        store.close().await.unwrap();
        assert_eq!(names(fixture.path().parent().unwrap()), ["keyrack.db"]);
    }
}

pub async fn a_log_that_grew_behind_a_long_reader_is_cut_again(fixture: &Fixture) {
    let log = fixture.path().with_extension("db-wal");
    let length = || log.metadata().unwrap().len();
    let reader = fixture.hold("BEGIN; SELECT seq FROM audit_head").await;
    let limit = 64 * 1024 * 1024;
    while length() <= limit {
        let mut long = event();
        long.detail = format!("{{\"x\":\"{}\"}}", "x".repeat(4_000_000));
        fixture.store.append_audit(long).await.unwrap();
    }
    // Whoever reads is not disturbed, and nobody waits for them.
    fixture.store.tidy().await.unwrap();
    assert!(length() > limit, "{}", length());
    reader.let_go().await;
    // The first write moves all of it into the database, and the next one begins the log anew.
    for _ in 0..2 {
        fixture.store.append_audit(event()).await.unwrap();
    }
    assert!(length() <= limit, "{}", length());
    fixture.store.tidy().await.unwrap();
    assert_eq!(length(), 0);
    fixture.audit_log().await;
}

pub async fn a_file_that_was_removed_or_replaced_is_noticed(fixture: &Fixture) {
    let owner = fixture.add_superuser(1).await.id;
    fixture.issue(&credential(1, owner)).await;
    let (store, path) = (&fixture.store, fixture.path());
    let (aside, other) = (path.with_extension("aside"), path.with_extension("other"));
    store.backup(&other, event()).await.unwrap();
    fs::rename(&path, &aside).unwrap();
    for round in ["removed", "replaced"] {
        if round == "replaced" {
            fs::copy(&other, &path).unwrap();
        }
        for outcome in [
            store.ping().await,
            store.can_write(at(0)).await,
            store.append_audit(event()).await,
            store.find_live_credential(key_id(1)).await.map(|_| ()),
            store.changes_after((0, ChainHash::START)).await.map(|_| ()),
            store.find_user(owner).await.map(|_| ()),
        ] {
            assert!(
                matches!(outcome, Err(StoreError::Moved(_))),
                "{round}: {outcome:?}"
            );
        }
    }
    fs::rename(&aside, &path).unwrap();
    store.append_audit(event()).await.unwrap();
    assert_eq!(fixture.audit_log().await.len(), 4);
}

pub async fn a_database_without_a_schema_is_none(fixture: &Fixture) {
    let (location, files) = if fixture.url.starts_with("postgres") {
        let everything = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
        fixture.execute(everything).await.unwrap();
        (fixture.url.parse().unwrap(), None)
    } else {
        let folder = fixture.folder().join("empty");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("keyrack.db"), "").unwrap();
        let location = Location::File(folder.join("keyrack.db"));
        (location, Some(folder.join("keyrack.db")))
    };
    let is_refused = async || {
        let refused = storage::open(&location, IfMissing::Refuse).await;
        let Err(StoreError::NoDatabase(place)) = refused else {
            panic!("{refused:?}");
        };
        let password = fixture.url.rsplit_once('@').map(|(head, _)| head);
        let password = password.and_then(|head| head.rsplit_once(':'));
        assert!(
            password.is_none_or(|(_, password)| !place.contains(password)),
            "{place}"
        );
    };
    is_refused().await;
    // Nothing was begun.
    if let Some(path) = &files {
        assert_eq!(fs::read(path).unwrap(), b"");
    }
    // A start that was broken off before its first migration has left as little.
    let made = storage::open(&location, IfMissing::Make).await.unwrap();
    is_refused().await;
    let begun = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY)";
    let url = files.map_or(fixture.url.clone(), |path| {
        format!("sqlite://{}", path.display())
    });
    execute_at(&url, begun).await.unwrap();
    is_refused().await;
    execute_at(&url, "DROP TABLE _sqlx_migrations")
        .await
        .unwrap();
    made.migrate().await.unwrap();
    let found = storage::open(&location, IfMissing::Refuse).await.unwrap();
    assert!(found.is_migrated().await.unwrap());
}

pub async fn a_missing_file_is_made_only_where_that_is_wanted(fixture: &Fixture) {
    let path = fixture.folder().join("no/such/keyrack.db");
    let location = Location::File(path.clone());
    let refused = storage::open(&location, IfMissing::Refuse).await;
    assert!(
        matches!(refused, Err(StoreError::NoDatabase(_))),
        "{refused:?}"
    );
    assert!(!fixture.folder().join("no").exists());
    let made = storage::open(&location, IfMissing::Make).await.unwrap();
    made.migrate().await.unwrap();
    let found = storage::open(&location, IfMissing::Refuse).await.unwrap();
    assert!(found.is_migrated().await.unwrap());
}

pub async fn a_path_is_taken_by_the_letter(fixture: &Fixture) {
    for name in ["100% mine", "what?mode=memory", "50%25", "a#b", "file:x"] {
        let path = fixture.folder().join(name).join("keyrack.db");
        let location = Location::File(path.clone());
        let store = storage::open(&location, IfMissing::Make).await.unwrap();
        store.migrate().await.unwrap();
        store.append_audit(event()).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(names(path.parent().unwrap()), ["keyrack.db"], "{name}");
        let copy = path.with_file_name("copy?x=1%.db");
        let store = storage::open(&location, IfMissing::Refuse).await.unwrap();
        store.backup(&copy, event()).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(
            names(path.parent().unwrap()),
            ["copy?x=1%.db", "keyrack.db"]
        );
    }
}

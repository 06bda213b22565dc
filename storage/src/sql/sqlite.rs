//! SQLite: one connection that writes, some that read, and the statements that only SQLite has.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, Pool, Row as _, SqliteConnection};
use tempfile::NamedTempFile;

use super::{migrations, unavailable};
use crate::{IfMissing, SharedStore, StoreError, StoreResult};

mod search;
#[path = "store/mod.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "one text for two drivers, see sql/mod.rs"
)]
mod store;

use search::{Search, push_from, push_has};

type Db = sqlx::Sqlite;
type Connection = SqliteConnection;
type Row = sqlx::sqlite::SqliteRow;

/// Takes the write lock at once: a transaction that reads first and then wants to write may be
/// refused without waiting (`SQLITE_BUSY_SNAPSHOT`).
const BEGIN: &str = "BEGIN IMMEDIATE";
/// The write lock is the lock on the audit log as well.
const LOCK_AUDIT_HEAD: &str = "SELECT seq, hash FROM audit_head";
/// A connection can't be dead.
const IS_REMOTE: bool = false;
const LOOK_TIME: Duration = BUSY_TIMEOUT;
const READ_TIME: Duration = BUSY_TIMEOUT;
/// It has this machine's.
const DATABASE_TIME: Option<&str> = None;
/// The write lock is the lock on the rows as well.
const LOCK_ROWS: &str = "";

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// For what people read; the gate has as many of its own, and the feed one.
const READERS: u32 = 4;
const FEED_READERS: u32 = 1;
/// One connection writes: others can only wait for it. Writes for people take turns before they ask for
/// it, so that one of a program waits for one of them at most.
const PEOPLE_AT_ONCE: usize = 1;
/// How long one waits for a connection, or for its turn.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long [`Handle::wait_for_change`] waits: other processes can't tell us of their changes.
const POLL: Duration = Duration::from_millis(200);
/// How long the log (`-wal`) may stay when nobody needs what is in it any more, in bytes: a reader that
/// took long once made it longer.
const LOG_KEPT: &str = "67108864";

#[derive(Debug)]
struct Handle {
    writer: Pool<Db>,
    readers: Pool<Db>,
    gate: Pool<Db>,
    feed: Pool<Db>,
    /// What a database in memory, which has only one connection, does not have.
    file: Option<OpenFile>,
}

/// The file that is open.
#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    /// Its file system and its number there.
    identity: (u64, u64),
    /// Opens one more connection.
    options: SqliteConnectOptions,
}

pub(super) async fn connect(path: Option<&Path>, missing: IfMissing) -> StoreResult<SharedStore> {
    let handle = match path {
        Some(path) => open(path, missing).await?,
        None if missing == IfMissing::Refuse => {
            return Err(StoreError::NoDatabase("sqlite::memory:".to_owned()));
        }
        None => open_in_memory().await?,
    };
    Ok(Arc::new(store::SqlStore::new(handle)))
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .pragma("temp_store", "memory")
        .pragma("journal_size_limit", LOG_KEPT)
        .disable_statement_logging()
}

async fn open_in_memory() -> StoreResult<Handle> {
    let only = pool(1, "memory", false);
    let only = only.connect_with(options().in_memory(true)).await?;
    Ok(Handle {
        writer: only.clone(),
        readers: only.clone(),
        gate: only.clone(),
        feed: only,
        file: None,
    })
}

async fn open(path: &Path, missing: IfMissing) -> StoreResult<Handle> {
    // SQLite takes a name that begins with `file:` for something else.
    let path = &std::path::absolute(path).map_err(unavailable)?;
    let none = || StoreError::NoDatabase(path.display().to_string());
    match missing {
        // Opening an empty file makes a database of it.
        IfMissing::Refuse if path.metadata().map_or(true, |file| file.len() == 0) => {
            return Err(none());
        }
        IfMissing::Refuse => {}
        IfMissing::Make => create_private_file(path).map_err(unavailable)?,
    }
    let options = options()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal);
    let writer = pool(1, "wal", false).connect_with(options.clone()).await?;
    let reader = options.clone().pragma("query_only", "ON");
    let readers = |size| pool(size, "wal", true);
    let handle = Handle {
        writer,
        readers: readers(READERS).connect_with(reader.clone()).await?,
        gate: readers(READERS)
            .min_connections(0)
            .connect_lazy_with(reader.clone()),
        feed: readers(FEED_READERS)
            .min_connections(0)
            .connect_lazy_with(reader),
        file: Some(OpenFile {
            identity: identity(path).map_err(unavailable)?,
            path: path.to_owned(),
            options,
        }),
    };
    if missing == IfMissing::Refuse && !handle.has_schema().await? {
        handle.close().await?;
        return Err(none());
    }
    Ok(handle)
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let file = path.metadata()?;
    Ok((file.dev(), file.ino()))
}

/// Makes the file before SQLite does, which would let the umask decide who may read it. SQLite gives
/// the files beside it (`-wal`, `-shm`) the same mode.
fn create_private_file(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A pool that keeps its connections, and refuses one whose settings are not what it asked for.
fn pool(size: u32, journal_mode: &'static str, query_only: bool) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .min_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .after_connect(move |db, _| {
            Box::pin(async move {
                let settings = settings(db).await?;
                let wanted = Settings {
                    journal_mode: journal_mode.to_owned(),
                    synchronous: 2,
                    foreign_keys: 1,
                    busy_timeout: 10_000,
                    query_only: i64::from(query_only),
                };
                if settings == wanted {
                    Ok(())
                } else {
                    let problem = format!("SQLite took {settings:?} instead of {wanted:?}");
                    Err(sqlx::Error::Configuration(problem.into()))
                }
            })
        })
}

/// What makes a connection safe to use.
#[derive(Debug, PartialEq, Eq)]
struct Settings {
    journal_mode: String,
    synchronous: i64,
    foreign_keys: i64,
    busy_timeout: i64,
    query_only: i64,
}

async fn settings(db: &mut Connection) -> sqlx::Result<Settings> {
    let row = sqlx::query(
        "SELECT journal_mode, synchronous, foreign_keys, timeout, query_only
         FROM pragma_journal_mode, pragma_synchronous, pragma_foreign_keys, pragma_busy_timeout,
             pragma_query_only",
    )
    .fetch_one(db)
    .await?;
    Ok(Settings {
        journal_mode: row.try_get(0)?,
        synchronous: row.try_get(1)?,
        foreign_keys: row.try_get(2)?,
        busy_timeout: row.try_get(3)?,
        query_only: row.try_get(4)?,
    })
}

impl Handle {
    fn writer(&self) -> &Pool<Db> {
        &self.writer
    }

    fn readers(&self) -> &Pool<Db> {
        &self.readers
    }

    fn gate(&self) -> &Pool<Db> {
        &self.gate
    }

    fn feed(&self) -> &Pool<Db> {
        &self.feed
    }

    #[expect(clippy::unused_self, reason = "the same call as for PostgreSQL")]
    const fn begin(&self) -> &'static str {
        BEGIN
    }

    /// A file is where it is; [`Self::check`] looks whether it still is.
    #[expect(clippy::unused_self, reason = "the same call as for PostgreSQL")]
    const fn connect_anew(&self) {}

    #[expect(clippy::unused_async, reason = "the same call as for PostgreSQL")]
    async fn is_there(&self) -> bool {
        true
    }

    /// Refuses to go on with a file that is not the one at its path any more: nobody else sees what is
    /// in it, and what is written to it is lost.
    fn check(&self) -> StoreResult<()> {
        match &self.file {
            Some(file) if identity(&file.path).ok() != Some(file.identity) => {
                Err(StoreError::Moved(file.path.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Moves what the log holds into the database and cuts the log, as far as that goes without waiting
    /// for anybody.
    async fn tidy(&self) -> StoreResult<()> {
        if let Some(file) = &self.file {
            let options = file.options.clone().busy_timeout(Duration::ZERO);
            let mut db = options.connect().await?;
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(&mut db)
                .await?;
            db.close().await?;
        }
        Ok(())
    }

    /// Whoever closes the file as the last moves what the log holds into the database.
    async fn close(&self) -> StoreResult<()> {
        for pool in [&self.feed, &self.gate, &self.readers, &self.writer] {
            pool.close().await;
        }
        Ok(())
    }

    async fn migrate(&self) -> StoreResult<()> {
        // SQLite has no lock of its own for this: a second process waits for the transaction, and
        // then finds everything done.
        store::transaction(&self.writer, BEGIN, |db| {
            Box::pin(async move {
                migrations::migrator(migrations::SQLITE)
                    .run_direct(None, db, false)
                    .await
                    .map_err(migrations::schema_error)
            })
        })
        .await
    }

    /// Whether any migration has been run.
    async fn has_schema(&self) -> StoreResult<bool> {
        let table = "SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations'";
        let table = sqlx::query(table).fetch_optional(&self.readers).await?;
        if table.is_none() {
            return Ok(false);
        }
        let migration = "SELECT 1 FROM _sqlx_migrations LIMIT 1";
        let migration = sqlx::query(migration).fetch_optional(&self.readers).await?;
        Ok(migration.is_some())
    }

    async fn is_migrated(&self) -> StoreResult<bool> {
        if !self.has_schema().await? {
            return Ok(false);
        }
        let applied = sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations")
            .fetch_all(&self.readers)
            .await?;
        migrations::is_complete(migrations::SQLITE, &applied)
    }

    /// Copies the database to a file beside the one that is wanted, which has its name only when it is
    /// whole.
    async fn backup(&self, to: &Path) -> StoreResult<Backup> {
        let to = std::path::absolute(to).map_err(unavailable)?;
        if to.symlink_metadata().is_ok() {
            return Err(unavailable(format!("{} is there already", to.display())));
        }
        self.check()?;
        // `VACUUM INTO` takes an empty file, and leaves its mode alone, which is for the owner only.
        let copy = tempfile::Builder::new()
            .prefix(".keyrack-backup-")
            .suffix(".incomplete")
            .tempfile_in(folder_of(&to))
            .map_err(unavailable)?;
        let target = copy.path().to_str().ok_or(StoreError::Unsupported(
            "a backup needs a file name in UTF-8",
        ))?;
        let vacuum = sqlx::query("VACUUM INTO $1").bind(target.to_owned());
        match &self.file {
            // A connection of its own: readers may not do this, and the writer has other work.
            Some(file) => {
                let mut db = file.options.connect().await?;
                vacuum.execute(&mut db).await?;
                db.close().await?;
            }
            None => {
                vacuum.execute(&self.writer).await?;
            }
        }
        copy.as_file().sync_all().map_err(unavailable)?;
        Ok(Backup { copy, to })
    }

    /// Nobody listens.
    #[expect(clippy::unused_self, reason = "the same call as for PostgreSQL")]
    const fn listen_anew(&self) {}

    async fn wait_for_change(&self, patience: Duration) -> StoreResult<()> {
        tokio::time::sleep(patience.min(POLL)).await;
        Ok(())
    }
}

/// A whole copy that does not have its name yet; dropped, it is removed.
struct Backup {
    copy: NamedTempFile,
    to: PathBuf,
}

impl Backup {
    /// Gives it its name, for good.
    fn keep(self) -> StoreResult<()> {
        self.copy
            .persist_noclobber(&self.to)
            .map_err(|failed| unavailable(failed.error))?;
        let folder = File::open(folder_of(&self.to)).map_err(unavailable)?;
        folder.sync_all().map_err(unavailable)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Other processes look by themselves.
async fn notify(_: &mut Connection) -> StoreResult<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn handle(folder: &Path) -> Handle {
        let path = folder.join("keyrack.db");
        open(&path, IfMissing::Make).await.unwrap()
    }

    #[tokio::test]
    async fn each_connection_is_durable_and_checks_foreign_keys() {
        let folder = tempfile::tempdir().unwrap();
        let handle = handle(folder.path()).await;
        let safe = |query_only| Settings {
            journal_mode: "wal".to_owned(),
            synchronous: 2,
            foreign_keys: 1,
            busy_timeout: 10_000,
            query_only,
        };
        let mut writer = handle.writer.acquire().await.unwrap();
        assert_eq!(settings(&mut writer).await.unwrap(), safe(0));
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let mut reader = handle.readers.acquire().await.unwrap();
            assert_eq!(settings(&mut reader).await.unwrap(), safe(1));
            readers.push(reader);
        }
        let write = sqlx::query("CREATE TABLE t (a)")
            .execute(&mut *readers[0])
            .await;
        assert!(write.is_err(), "a reader wrote");
    }

    #[tokio::test]
    async fn what_was_stored_before_a_migration_fits_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let handle = handle(folder.path()).await;
        let mut db = handle.writer.acquire().await.unwrap();
        migrations::migrator(&migrations::SQLITE[..1])
            .run_direct(None, &mut *db, false)
            .await
            .unwrap();
        sqlx::raw_sql(
            "INSERT INTO signing_keys VALUES ('kid', '{}', x'00', 42);
             INSERT INTO users VALUES ('1', 'm@example.com', 'M', 'm', 'superuser', NULL, NULL, 0, 0);
             INSERT INTO credentials (key_id, name, purpose, owner_id, flow, access_kind,
                 access_levels, readable_scopes, standing, created_at, created_by, updated_at,
                 search_facts, name_key)
             VALUES ('KR', 'n', 'p', '1', 'legacy', 'full', '{}', ',', 'active', 0, 'M', 0, '', '');
             INSERT INTO credential_public_keys VALUES ('KR', 'thumbprint', '{}', 'ES256', 0)",
        )
        .execute(&mut *db)
        .await
        .unwrap();
        drop(db);
        handle.migrate().await.unwrap();
        let row = sqlx::query(
            "SELECT used_from, limits, k.name FROM signing_keys, credentials, credential_public_keys k",
        )
        .fetch_one(&handle.readers)
        .await
        .unwrap();
        assert_eq!(row.get::<i64, _>(0), 42);
        assert_eq!(row.get::<String, _>(1), "{}");
        assert_eq!(row.get::<String, _>(2), "");
    }

    #[tokio::test]
    async fn a_full_database_stops_no_later_write() {
        let folder = tempfile::tempdir().unwrap();
        let handle = handle(folder.path()).await;
        let write = |sql: &'static str| {
            store::transaction(&handle.writer, BEGIN, move |db| {
                Box::pin(async move {
                    sqlx::query(sql).execute(db).await?;
                    Ok(())
                })
            })
        };
        write("CREATE TABLE t (a)").await.unwrap();
        let mut db = handle.writer.acquire().await.unwrap();
        let limit = "PRAGMA max_page_count = 1";
        sqlx::query(limit).execute(&mut *db).await.unwrap();
        drop(db);
        let full = write("INSERT INTO t VALUES (zeroblob(1000000))").await;
        assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
        write("INSERT INTO t VALUES (zeroblob(1000000))")
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_panic_in_a_transaction_ends_its_connection_and_stops_no_later_write() {
        let folder = tempfile::tempdir().unwrap();
        let handle = handle(folder.path()).await;
        // By this the connection would be known again.
        let mark = "PRAGMA cache_size = 7";
        sqlx::query(mark).execute(&handle.writer).await.unwrap();
        let writer = handle.writer.clone();
        let panicked = tokio::spawn(async move {
            store::transaction(&writer, BEGIN, |db| {
                Box::pin(async move {
                    sqlx::query("CREATE TABLE t (a)").execute(db).await?;
                    panic!("a bug")
                })
            })
            .await
            .map(|(): ()| ())
        });
        assert!(panicked.await.unwrap_err().is_panic());
        let again = store::transaction(&handle.writer, BEGIN, |db| {
            Box::pin(async move {
                sqlx::query("CREATE TABLE t (a)").execute(db).await?;
                Ok(())
            })
        });
        again.await.unwrap();
        let size = sqlx::query_scalar("PRAGMA cache_size").fetch_one(&handle.writer);
        let size: i64 = size.await.unwrap();
        assert_ne!(size, 7, "the connection is the same");
    }

    #[tokio::test]
    async fn a_connection_with_other_settings_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let options = handle(folder.path()).await.file.unwrap().options;
        for unsafe_options in [
            options.clone().synchronous(SqliteSynchronous::Normal),
            options.clone().foreign_keys(false),
            options.clone().busy_timeout(Duration::ZERO),
        ] {
            let opened = pool(1, "wal", false)
                .acquire_timeout(Duration::from_secs(1))
                .connect_with(unsafe_options)
                .await;
            assert!(opened.is_err());
        }
    }
}

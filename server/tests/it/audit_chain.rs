//! `keyrack audit verify` on a real file that somebody has tampered with, past its triggers.

use std::path::Path;
use std::process::{Command, Output};

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::TempDir;

fn keyrack(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyrack"));
    command.args(arguments).current_dir(folder);
    command.env("KEYRACK_DATA_DIR", folder);
    command.output().unwrap()
}

/// A log of three entries and more.
fn with_a_log() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["mara", "jon", "nina"] {
        let email = format!("{name}@example.com");
        let who = ["user", "add", "--email", &email, "--name", name];
        let added = keyrack(
            folder.path(),
            &[&who[..], &["--role", "superuser"]].concat(),
        );
        assert!(added.status.success(), "{added:?}");
    }
    folder
}

async fn tamper(folder: &Path, how: &str) {
    let url = format!("sqlite://{}/keyrack.db", folder.display());
    let mut db = SqliteConnection::connect(&url).await.unwrap();
    let all = format!(
        "DROP TRIGGER audit_events_are_never_changed; DROP TRIGGER audit_events_are_never_deleted;
         DROP TRIGGER audit_events_are_never_replaced; {how}"
    );
    let done = sqlx::raw_sql(AssertSqlSafe(all)).execute(&mut db).await;
    done.unwrap();
    db.close().await.unwrap();
}

#[tokio::test]
async fn check_89_verify_names_the_place_where_somebody_tampered() {
    let whole = with_a_log();
    let verified = keyrack(whole.path(), &["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
    let changed = "audit entry 2 does not match its hash";
    for (how, place) in [
        (
            "UPDATE audit_events SET actor_name = 'X' || substr(actor_name, 2) WHERE seq = 2",
            changed,
        ),
        (
            "DELETE FROM audit_events WHERE seq = 2",
            "audit entry 2 is missing: the next one found is 3",
        ),
        (
            "UPDATE audit_events SET seq = 1000000 WHERE seq = 2;
             UPDATE audit_events SET seq = 2 WHERE seq = 3;
             UPDATE audit_events SET seq = 3 WHERE seq = 1000000",
            changed,
        ),
    ] {
        let folder = with_a_log();
        tamper(folder.path(), how).await;
        let verified = keyrack(folder.path(), &["audit", "verify"]);
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(!verified.status.success(), "{how}: {verified:?}");
        assert!(said.contains(place), "{how}: {said}");
    }
}

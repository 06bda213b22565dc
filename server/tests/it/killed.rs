//! Processes that are killed while they write, again and again: what they said was done is done, and
//! the audit log is whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use domain::audit::Action;
use serde_json::Value;
use service::MasterKey;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::app::{Key, Needs, READ, TestApp};
use crate::commands::Host;

const OWNER: &str = "olu@example.com";
/// How often each of the two kills.
const KILLS: u32 = 100;

fn keyrack(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyrack"));
    command.args(arguments).arg("--json").current_dir(folder);
    command.env("KEYRACK_DATA_DIR", folder);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// What a process said, if that is whole.
fn said(process: Child) -> Option<Value> {
    let said = process.wait_with_output().unwrap().stdout;
    serde_json::from_slice(&said).ok()
}

/// Somebody who runs commands, and kills most of them.
#[derive(Default)]
struct Killer {
    runs: u32,
    kills: u32,
    /// How long the last one took that was let live.
    whole: Duration,
    /// What was said to be done.
    issued: Vec<Key>,
    revoked: Vec<Key>,
}

impl Killer {
    /// Runs a command, which dies at its very beginning, a little after its usual end, or anywhere
    /// between; each eighth is let live.
    fn run(&mut self, folder: &Path, arguments: &[&str]) -> Option<Value> {
        let (lives, death) = (
            self.runs.is_multiple_of(8),
            self.whole * (self.runs % 33) / 24,
        );
        self.runs += 1;
        let mut process = keyrack(folder, arguments);
        let began = Instant::now();
        while process.try_wait().unwrap().is_none() {
            if !lives && began.elapsed() >= death {
                process.kill().unwrap();
                self.kills += 1;
                break;
            }
            thread::sleep(Duration::from_micros(500));
        }
        if lives {
            self.whole = began.elapsed();
        }
        said(process)
    }

    fn issue(&mut self, folder: &Path) {
        let who = ["credential", "issue", "--owner", OWNER, "--name", "worker"];
        let what = [
            "--purpose",
            "Moves cash",
            "--flow",
            "legacy",
            "--expires",
            "never",
        ];
        let all = [&who[..], &what, &["--access", "full"]].concat();
        if let Some(said) = self.run(folder, &all) {
            let text = |name: &str| said[name].as_str().unwrap().to_owned();
            let (id, secret) = (text("key_id"), text("secret"));
            self.issued.push(Key { id, secret });
        }
    }

    /// Revokes the last credential. Without a word it may be revoked or not.
    fn revoke(&mut self, folder: &Path) {
        let Some(key) = self.issued.pop() else { return };
        if self
            .run(folder, &["credential", "revoke", &key.id])
            .is_some()
        {
            self.revoked.push(key);
        }
    }

    fn work(folder: &Path) -> Self {
        let mut killer = Self::default();
        while killer.kills < KILLS {
            killer.issue(folder);
            if killer.issued.len() > killer.revoked.len() {
                killer.revoke(folder);
            }
        }
        killer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_90_what_a_killed_process_said_was_done_is_done() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let who = [
        "user",
        "add",
        "--email",
        OWNER,
        "--name",
        "Olu",
        "--role",
        "superuser",
    ];
    said(keyrack(path, &who)).expect("an owner");
    let killers = thread::scope(|scope| {
        let killers = [(); 2].map(|()| scope.spawn(|| Killer::work(path)));
        killers.map(|killer| killer.join().unwrap())
    });

    let listed = said(keyrack(path, &["credential", "list"])).unwrap();
    let listed = listed.as_array().unwrap().iter();
    let listed = listed.map(|row| row["key_id"].as_str().unwrap().to_owned());
    let listed: BTreeSet<_> = listed.collect();
    let master = fs::read_to_string(path.join("master.key")).unwrap();
    let app = TestApp::open(Needs {
        database: format!("sqlite://{}/keyrack.db", path.display()),
        master: MasterKey::from_text(&master).unwrap(),
        ..Needs::default()
    });
    let app = app.await;
    for Killer {
        issued, revoked, ..
    } in killers
    {
        assert!(
            !issued.is_empty() && !revoked.is_empty(),
            "nothing was done"
        );
        for key in issued {
            app.ask_gate(READ, &[("Authorization", &key.basic())])
                .await
                .ok();
        }
        for key in revoked {
            let answer = app.ask_gate(READ, &[("Authorization", &key.basic())]).await;
            answer.gate_refuses(401, "invalid_credentials");
        }
    }
    app.services.verify_audit(&app.host).await.unwrap().unwrap();
    let log = app.audit_log().await.into_iter();
    let made = log.filter(|event| event.action == Action::CredentialIssued);
    let audited: BTreeSet<_> = made.filter_map(|event| event.object_id).collect();
    assert_eq!(audited, listed);
}

/// How long the whole copy of a database will be.
const BALLAST: u64 = 8_000_000;

/// What an interrupted backup has left in a folder.
fn incomplete(folder: &Path) -> Option<PathBuf> {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    names
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "incomplete"))
}

#[tokio::test]
async fn a_killed_backup_leaves_nothing_under_its_name_and_can_be_made_again() {
    let (host, _) = Host::with_credential();
    let url = format!("sqlite://{}/keyrack.db", host.path().display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    let ballast = format!("CREATE TABLE ballast AS SELECT zeroblob({BALLAST})");
    // No backup ends while somebody else writes: its audit event goes before its name.
    for sql in [&*ballast, "BEGIN IMMEDIATE"] {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        sql.execute(&mut database).await.unwrap();
    }
    let copies = host.path().join("copies");
    fs::create_dir(&copies).unwrap();
    let copy = copies.join("copy.db");
    let back_up = ["db", "backup", copy.to_str().unwrap()];
    // At its very beginning, in the middle, and when only the name is missing.
    for copied in [0, BALLAST / 2, BALLAST] {
        let mut process = host.start(&back_up);
        let began = Instant::now();
        let left = loop {
            let left = incomplete(&copies);
            let left = left.filter(|left| left.metadata().is_ok_and(|file| file.len() >= copied));
            if let Some(left) = left {
                break left;
            }
            assert!(process.try_wait().unwrap().is_none(), "it has ended");
            assert!(began.elapsed() < Duration::from_secs(30), "{copied} bytes");
            thread::sleep(Duration::from_millis(1));
        };
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(!copy.exists(), "{copied} bytes");
        fs::remove_file(left).unwrap();
    }
    database.close().await.unwrap();
    host.json(&back_up, "");
    assert!(incomplete(&copies).is_none());
    let restored = Host::new();
    fs::copy(&copy, restored.path().join("keyrack.db")).unwrap();
    fs::copy(
        host.path().join("master.key"),
        restored.path().join("master.key"),
    )
    .unwrap();
    let listed = restored.json(&["credential", "list"], "");
    assert_eq!(listed.as_array().unwrap().len(), 1);
    restored.json(&["audit", "verify"], "");
}

//! What is in the data folder, what happens when a part of it is missing, and what is left there.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use server::serve::Background;

use crate::app::{TestApp, basic};
use crate::commands::{Host, KEYRACK, refs};
use crate::read_only::{Database, end};

/// What works on what is there, and never makes a database.
const WORK: &[&str] = &[
    "credential list",
    "audit verify",
    "user list",
    "db backup x.db",
    "clock accept",
];
/// What may be the first step of an installation.
const ADD: &str = "user add --email olu@example.com --name Olu --role developer";
const MIGRATE: &str = "db migrate";
const SERVE: &str = "serve";

#[track_caller]
fn finds_no_database(host: &Host, command: &str) {
    // A server that finds one would go on.
    let mut limited = Command::new("timeout");
    limited.args(["20", KEYRACK]).args(command.split(' '));
    let output = host.spawn(&mut limited).wait_with_output().unwrap();
    let refused = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{command}: {refused}");
    assert!(output.stdout.is_empty(), "{command}: {refused}");
    for words in ["there is no database at", "db migrate --new-database"] {
        assert!(refused.contains(words), "{command}: {refused}");
    }
}

#[test]
fn nothing_makes_a_database_in_place_of_one_that_is_gone_unless_it_is_told_to() {
    let (host, _) = Host::with_credential();
    let file = host.path().join("keyrack.db");
    // An empty file is what a full disk leaves of a copy, say.
    for left in [None, Some("")] {
        fs::remove_file(&file).unwrap();
        if let Some(left) = left {
            fs::write(&file, left).unwrap();
        }
        let files = host.files();
        for command in WORK.iter().chain(&[ADD, MIGRATE, SERVE]) {
            finds_no_database(&host, command);
            assert_eq!(host.files(), files, "{command}");
            assert_eq!(fs::read_to_string(&file).ok().as_deref(), left, "{command}");
        }
        let told = host.run(&["db", "migrate", "--new-database"], "");
        let said = String::from_utf8(told.stderr).unwrap();
        assert!(
            told.status.success() && said.contains("a new one is made"),
            "{said}"
        );
        assert_eq!(host.json(&["user", "list"], ""), serde_json::json!([]));
    }
}

#[test]
fn what_works_on_an_installation_makes_none() {
    for key in [None, Some("ab".repeat(32))] {
        let host = Host::new().keyed(key.clone());
        for command in WORK {
            finds_no_database(&host, command);
            assert!(host.files().is_empty(), "{command}");
        }
        // Whoever configures a key may have a database somewhere.
        if key.is_some() {
            finds_no_database(&host, ADD);
            assert!(host.files().is_empty());
        }
        let first = if key.is_some() { MIGRATE } else { ADD };
        let words: Vec<_> = first.split(' ').collect();
        let made = host.run(&words, "");
        let said = String::from_utf8(made.stderr).unwrap();
        assert!(
            made.status.success() && said.contains("a new one is made"),
            "{said}"
        );
        host.json(
            &ADD.replace("olu", "mara").split(' ').collect::<Vec<_>>(),
            "",
        );
    }
}

#[test]
fn an_empty_database_of_postgresql_is_none() {
    let database = Database::make();
    let key = Some("ab".repeat(32));
    let host = Host::with_database(database.url()).keyed(key);
    for command in WORK.iter().chain(&[ADD]) {
        finds_no_database(&host, command);
    }
    let server = host.start(&["serve"]);
    host.wait_until_ready();
    end(server);
    host.json(&ADD.split(' ').collect::<Vec<_>>(), "");
    database.remove();
}

#[test]
fn no_other_master_key_is_made_beside_a_database_that_has_one() {
    let (host, _) = Host::with_credential();
    let (key, aside) = (host.path().join("master.key"), host.path().join("aside"));
    fs::rename(&key, &aside).unwrap();
    for command in [["credential", "list"], ["user", "list"]] {
        let refused = host.refusal(&command);
        assert!(refused.contains("put that file back"), "{refused}");
        assert!(!key.exists());
    }
    let server = host.start(&["serve"]).wait_with_output().unwrap();
    assert!(!server.status.success() && !key.exists());
    fs::rename(&aside, &key).unwrap();
    host.json(&["credential", "list"], "");
}

#[test]
fn a_data_folder_may_have_any_name() {
    for name in ["100% mine", "what?mode=memory", "50%25"] {
        let host = Host::with_data_in(name);
        let [key_id, _] = host.add_credential();
        let shown = host.json(&["credential", "show", &key_id], "");
        assert_eq!(shown["state"], "active");
        assert_eq!(host.files(), ["keyrack.db", "master.key"], "{name}");
        // Beside it is the folder with the dashboard's files alone.
        let beside = host.path().parent().unwrap();
        assert_eq!(fs::read_dir(beside).unwrap().count(), 2, "{name}");
    }
}

/// SQLite takes such a name for a URL.
#[test]
fn a_relative_path_is_taken_by_the_letter() {
    let host = Host::with_database("sqlite:file:x.db".to_owned());
    host.add_credential();
    assert_eq!(host.files(), ["file:x.db", "master.key"]);
}

#[test]
fn a_command_leaves_everything_in_the_database_itself() {
    let host = Host::new();
    host.add_mara();
    for _ in 0..10 {
        host.json(&refs(&Host::issue(&["--access", "full"])), "");
        assert_eq!(host.files(), ["keyrack.db", "master.key"]);
    }
}

#[test]
fn a_server_whose_database_is_removed_stops_letting_calls_through_and_says_so() {
    let (host, [key_id, secret]) = Host::with_credential();
    let mut server = host.start(&["serve"]);
    host.wait_until_ready();
    let ask = || host.ask_gate(&basic(&key_id, &secret));
    assert_eq!(ask(), 200);
    let (path, aside) = (host.path().join("keyrack.db"), host.path().join("aside"));
    fs::rename(&path, &aside).unwrap();
    let (status, text) = host.get("/readyz");
    assert_eq!(status, 503);
    assert!(text.contains("removed or replaced"), "{text}");
    assert!(host.log_in() >= 500);
    let began = Instant::now();
    while ask() == 200 {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "calls go through"
        );
        sleep(Duration::from_millis(50));
    }
    fs::rename(&aside, &path).unwrap();
    assert_eq!(host.get("/readyz"), (200, "ready\n".to_owned()));
    assert_eq!((ask(), host.log_in()), (200, 303));
    server.kill().unwrap();
    server.wait().unwrap();
}

#[tokio::test]
async fn a_server_clears_away_and_puts_its_files_in_order_by_itself() {
    let app = TestApp::new().await;
    let _background = Background::start(&app.services);
    let mut wanted = vec!["tidy", "note_time", "delete_expired", "trim_decisions"];
    let began = Instant::now();
    while !wanted.is_empty() {
        let calls = app.store.take_calls();
        wanted.retain(|call| !calls.contains(call));
        assert!(began.elapsed() < Duration::from_secs(30), "{wanted:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

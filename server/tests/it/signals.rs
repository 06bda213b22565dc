//! What the operating system's signals do to the real program.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};

use crate::app::basic;
use crate::commands::Host;

fn send(process: &Child, signal: &str) {
    let mut kill = Command::new("kill");
    let sent = kill
        .args(["-s", signal, &process.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Everything that a process that has ended has logged.
fn log(process: Child) -> String {
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// What a process logs, line by line.
pub fn lines(process: &mut Child) -> Receiver<String> {
    let (lines, logged) = mpsc::channel();
    let stderr = process.stderr.take().unwrap();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines() {
            let _ = lines.send(line.unwrap());
        }
    });
    logged
}

/// Waits for a line with these words.
#[track_caller]
pub fn wait_for(log: &Receiver<String>, words: &str) {
    let patience = Duration::from_secs(30);
    while !log.recv_timeout(patience).expect(words).contains(words) {}
}

#[test]
fn each_signal_that_asks_for_the_end_gets_an_orderly_one() {
    let (host, [key_id, secret]) = Host::with_credential();
    assert!(host.refusal(&["healthcheck"]).contains("no server listens"));
    let mut last_used = Value::Null;
    for signal in ["TERM", "INT", "QUIT", "ALRM", "VTALRM", "PROF", "XCPU"] {
        let server = host.start(&["serve"]);
        host.wait_until_ready();
        // It writes every fifteen seconds; this call falls between.
        assert_eq!(host.ask_gate(&basic(&key_id, &secret)), 200);
        send(&server, signal);
        let log = log(server);
        assert!(log.contains("Keyrack has ended"), "{signal}: {log}");
        // Nothing that was acknowledged is in the log of SQLite alone.
        assert_eq!(host.files(), ["keyrack.db", "master.key"], "{signal}");
        let shown = host.json(&["credential", "show", &key_id], "");
        assert_ne!(shown["last_used_at"], last_used, "{signal}: {shown}");
        last_used = shown["last_used_at"].clone();
    }
}

#[test]
fn a_server_without_a_catalogue_goes_on_after_signals_that_ask_for_no_end() {
    let (host, [key_id, secret]) = Host::with_credential();
    let server = host.start(&["serve"]);
    host.wait_until_ready();
    // The last two are a pause and its end.
    for signal in [
        "HUP", "USR1", "USR2", "HUP", "IO", "XFSZ", "PIPE", "TSTP", "CONT",
    ] {
        send(&server, signal);
        if signal == "TSTP" {
            continue;
        }
        assert_eq!(host.ask_gate(&basic(&key_id, &secret)), 200, "{signal}");
    }
    send(&server, "TERM");
    let log = log(server);
    for words in [
        "SIGHUP: the configuration is read again",
        "SIGUSR1 means nothing",
        "SIGUSR2",
    ] {
        assert!(log.contains(words), "{log}");
    }
}

#[test]
fn a_second_signal_ends_the_waiting_for_requests_and_not_the_writing() {
    let (host, [key_id, secret]) = Host::with_credential();
    let mut server = host.start(&["serve"]);
    host.wait_until_ready();
    let log = lines(&mut server);
    assert_eq!(host.ask_gate(&basic(&key_id, &secret)), 200);
    // A form that does not end holds the server up.
    let _form = host.begin_form();
    send(&server, "TERM");
    wait_for(&log, "Keyrack ends when open requests have their answers");
    send(&server, "INT");
    wait_for(&log, "some requests were broken off");
    wait_for(&log, "Keyrack has ended");
    assert!(server.wait().unwrap().success());
    let shown = host.json(&["credential", "show", &key_id], "");
    assert!(shown["last_used_at"].is_string(), "{shown}");
}

/// What waits for a database that somebody else has locked.
#[tokio::test]
async fn a_server_that_is_still_starting_ends_when_it_is_asked_to() {
    let host = Host::new();
    let url = format!("sqlite://{}/keyrack.db", host.path().display());
    let store = storage::connect(&url).await.unwrap();
    let mut holder = SqliteConnection::connect(&url).await.unwrap();
    let lock = sqlx::raw_sql("BEGIN IMMEDIATE");
    lock.execute(&mut holder).await.unwrap();
    let mut server = host.start(&["serve"]);
    let log = lines(&mut server);
    wait_for(&log, "a new one is made");
    send(&server, "TERM");
    assert!(server.wait().unwrap().success());
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut holder)
        .await
        .unwrap();
    assert!(!store.is_migrated().await.unwrap());
}

#[test]
fn a_server_goes_on_when_nobody_reads_what_it_says() {
    let start = |host: &Host| {
        let mut server = host.start(&["serve"]);
        drop((server.stdout.take(), server.stderr.take()));
        host.wait_until_ready();
        server
    };
    // The link for setting it up goes to standard output.
    let nobody = Host::new();
    let mut server = start(&nobody);
    send(&server, "TERM");
    assert!(server.wait().unwrap().success());
    let (host, [key_id, secret]) = Host::with_credential();
    let mut server = start(&host);
    // Each is logged.
    for signal in ["HUP", "USR1"] {
        send(&server, signal);
        assert_eq!(host.log_in(), 303);
        assert_eq!(host.ask_gate(&basic(&key_id, &secret)), 200);
    }
    send(&server, "TERM");
    assert!(server.wait().unwrap().success());
}

#[test]
fn a_reload_takes_up_what_can_change_and_names_what_needs_a_restart() {
    let host = Host::new();
    let file = host.path().join("keyrack.toml");
    let configure = |text: &str| fs::write(&file, text).unwrap();
    configure("log = \"info\"\n[tokens]\nminutes = 15\n");
    let mut server = host.start(&["serve"]);
    let logged = lines(&mut server);
    let wait_for = |words: &str| wait_for(&logged, words);
    wait_for("Keyrack is ready");
    for (text, words) in [
        (
            "log = \"info\"\n[tokens]\nminutes = 20\n",
            "the setting tokens.minutes has changed, which needs a restart",
        ),
        (
            "log = \"nonsense=nonsense\"\n",
            "the configuration can't be used, so nothing changes",
        ),
        (
            "log = \"info,keyrack=debug\"\n",
            "the setting log is info,keyrack=debug now",
        ),
    ] {
        configure(text);
        send(&server, "HUP");
        wait_for(words);
    }
    send(&server, "TERM");
    wait_for("Keyrack has ended");
    assert!(server.wait().unwrap().success());
}

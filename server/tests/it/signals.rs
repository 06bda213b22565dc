//! What the operating system's signals do to the real program.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

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

#[test]
fn each_signal_that_asks_for_the_end_gets_an_orderly_one() {
    for signal in ["TERM", "INT", "QUIT"] {
        let (host, [key_id, secret]) = Host::with_credential();
        assert!(host.refusal(&["healthcheck"]).contains("no server listens"));
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
        assert!(shown["last_used_at"].is_string(), "{signal}: {shown}");
    }
}

#[test]
fn a_server_without_a_catalogue_goes_on_after_signals_that_ask_for_no_end() {
    let (host, [key_id, secret]) = Host::with_credential();
    let server = host.start(&["serve"]);
    host.wait_until_ready();
    for signal in ["HUP", "USR1", "USR2", "HUP"] {
        send(&server, signal);
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
fn a_reload_takes_up_what_can_change_and_names_what_needs_a_restart() {
    let host = Host::new();
    let file = host.path().join("keyrack.toml");
    let configure = |text: &str| fs::write(&file, text).unwrap();
    configure("log = \"info\"\n[tokens]\nminutes = 15\n");
    let mut server = host.start(&["serve"]);
    let (lines, logged) = mpsc::channel();
    let stderr = server.stderr.take().unwrap();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines() {
            let _ = lines.send(line.unwrap());
        }
    });
    let wait_for = |words: &str| {
        let patience = Duration::from_secs(30);
        while !logged.recv_timeout(patience).expect(words).contains(words) {}
    };
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

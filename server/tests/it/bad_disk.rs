//! A disk that is full, or keeps only a part of what it was given: what was said to be done is done, what
//! was not is said clearly, and the audit log is whole.

use std::fs;
use std::process::{Child, Command, Output};

use serde_json::Value;

use crate::app::basic;
use crate::commands::{Host, KEYRACK, refs};

const ISSUED: &[&str] = &["--access", "full", "--json"];

/// How many credentials there are; fails if the audit log is not whole, or tells of other ones.
fn credentials(host: &Host) -> usize {
    host.json(&["audit", "verify"], "");
    let listed = host.json(&["credential", "list"], "");
    let log = host.path().join("log.jsonl");
    let _ = fs::remove_file(&log);
    let exported = host.run(&["audit", "export", "--out", "log.jsonl"], "");
    assert!(exported.status.success(), "{exported:?}");
    let issued = fs::read_to_string(log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &Value| event["action"] == "credential.issued")
        .count();
    let listed = listed.as_array().unwrap().len();
    assert_eq!(issued, listed, "credentials and their audit events");
    listed
}

/// Runs a command whose files may not grow beyond so many bytes. Only the soft limit is set, which can be
/// lifted again.
fn within(host: &Host, bytes: &str, arguments: &[&str]) -> Child {
    let mut limited = Command::new("prlimit");
    limited.args([&format!("--fsize={bytes}:"), KEYRACK]);
    host.spawn(limited.args(arguments))
}

/// Issues a credential where no file may grow beyond so many bytes.
fn issue_within(host: &Host, bytes: u64) -> Output {
    let issue = Host::issue(ISSUED);
    let process = within(host, &bytes.to_string(), &refs(&issue));
    process.wait_with_output().unwrap()
}

fn limit(process: &Child, bytes: &str) {
    let mut limit = Command::new("prlimit");
    limit.args(["--pid", &process.id().to_string()]);
    let limited = limit.arg(format!("--fsize={bytes}:")).status();
    assert!(limited.unwrap().success());
}

#[test]
fn check_102_a_disk_that_was_full_for_a_moment_stops_no_later_write() {
    let (host, [key_id, secret]) = Host::with_credential();
    let mut server = within(&host, "unlimited", &["serve"]);
    host.wait_until_ready();
    assert_eq!(host.get("/readyz"), (200, "ready\n".to_owned()));
    for _ in 0..2 {
        assert_eq!(host.log_in(), 303);
        limit(&server, "0");
        let refused = host.log_in();
        assert!(refused >= 500, "{refused}");
        let (status, text) = host.get("/readyz");
        assert_eq!(status, 200);
        let told = "nothing can be changed: the files of the database can't be written";
        assert!(text.contains(told), "{text}");
        assert_eq!(host.ask_gate(&basic(&key_id, &secret)), 200);
        limit(&server, "unlimited");
        assert_eq!(host.get("/readyz"), (200, "ready\n".to_owned()));
    }
    assert_eq!(host.log_in(), 303);
    server.kill().unwrap();
    server.wait().unwrap();
    credentials(&host);
}

#[test]
fn check_90_a_full_disk_is_a_clear_error_and_leaves_nothing_half_written() {
    let host = Host::new();
    host.add_mara();
    let (mut done, mut refused) = (0, 0);
    for kilobytes in [0, 4, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 2048] {
        let output = issue_within(&host, kilobytes * 1024);
        let problem = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            done += 1;
        } else {
            refused += 1;
            assert!(output.stdout.is_empty(), "within {kilobytes} kB");
            let is_clear = problem.starts_with("error: ") || problem.contains("keyrack:");
            assert!(
                is_clear && !problem.contains("panicked"),
                "within {kilobytes} kB: {problem}"
            );
        }
        assert_eq!(credentials(&host), done, "within {kilobytes} kB: {problem}");
    }
    assert!(done > 0 && refused > 0, "{done} done, {refused} refused");
}

/// The database as it is found after the power went, with the last part of its log missing or torn.
fn torn(host: &Host, keep: usize, tear: bool) -> Host {
    let found = Host::new();
    for name in ["keyrack.db", "keyrack.db-wal", "master.key"] {
        fs::copy(host.path().join(name), found.path().join(name)).unwrap();
    }
    let log = found.path().join("keyrack.db-wal");
    let mut bytes = fs::read(&log).unwrap();
    if tear {
        bytes[keep..].fill(0xA5);
    } else {
        bytes.truncate(keep);
    }
    fs::write(&log, bytes).unwrap();
    found
}

#[tokio::test]
async fn check_90_a_torn_log_loses_at_most_its_end() {
    let host = Host::new();
    host.add_mara();
    // Whoever has the database open keeps its log from being folded in.
    let url = format!("sqlite://{}/keyrack.db", host.path().display());
    let open = storage::connect(&url).await.unwrap();
    assert!(open.has_users().await.unwrap());
    let issued = 5;
    for _ in 0..issued {
        host.json(&refs(&Host::issue(&["--access", "full"])), "");
    }
    let whole = fs::read(host.path().join("keyrack.db-wal")).unwrap().len();
    assert!(whole > 0, "there is no log to tear");
    let mut least = 0;
    for part in 0..=8 {
        let keep = whole * part / 8;
        for tear in [false, true] {
            let found = torn(&host, keep, tear);
            let count = credentials(&found);
            assert!(
                (least..=issued).contains(&count),
                "{count} with {keep} bytes"
            );
            if tear {
                least = count;
            }
        }
    }
    assert_eq!(least, issued);
}

//! What is in the data folder, what happens when a part of it is missing, and what is left there.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::app::basic;
use crate::commands::{Host, refs};

#[test]
fn a_command_makes_no_database_in_place_of_one_that_is_gone() {
    let (host, _) = Host::with_credential();
    fs::remove_file(host.path().join("keyrack.db")).unwrap();
    let add = "user add --email olu@example.com --name Olu --role developer";
    for command in [
        "credential list",
        "audit verify",
        "db migrate",
        "user list",
        add,
    ] {
        let words: Vec<_> = command.split(' ').collect();
        let refused = host.refusal(&words);
        assert!(refused.contains("there is no database at"), "{refused}");
        assert!(refused.contains("keyrack.db"), "{refused}");
        assert_eq!(host.files(), ["master.key"], "{command}");
    }
    let nowhere = Host::new();
    nowhere.refusal(&["credential", "list"]);
    assert!(nowhere.files().is_empty());
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
        let beside = host.path().parent().unwrap();
        assert_eq!(fs::read_dir(beside).unwrap().count(), 1, "{name}");
    }
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

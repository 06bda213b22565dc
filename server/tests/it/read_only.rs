//! A PostgreSQL that takes no writes for a while: the gate goes on, and all else comes back by itself.

use std::fs;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::app::basic;
use crate::commands::Host;
use crate::signals::{lines, wait_for};

/// A database of its own on the server that `tools/postgres.sh start` started.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    pub fn make() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("KEYRACK_TEST_POSTGRES")
            .expect("KEYRACK_TEST_POSTGRES names a server: eval \"$(tools/postgres.sh start)\"");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("server_{}_{number}", std::process::id());
        let made = Self { server, name };
        made.run(&format!("CREATE DATABASE {}", made.name));
        made
    }

    /// Removes that of a test that succeeded.
    pub fn remove(self) {
        let name = &self.name;
        self.run(&format!("DROP DATABASE {name} WITH (FORCE)"));
    }

    /// Runs a statement beside it.
    fn run(&self, sql: &str) {
        let psql = Command::new("psql")
            .args([&self.server, "-qc", sql])
            .status();
        assert!(psql.unwrap().success(), "{sql}");
    }

    pub fn url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').unwrap();
        format!("{base}/{}", self.name)
    }

    /// As after a failover: every session ends, and new ones are like this.
    fn turn(&self, setting: &str) {
        let name = &self.name;
        self.run(&format!("ALTER DATABASE {name} {setting}"));
        self.end_sessions();
    }

    fn end_sessions(&self) {
        let name = &self.name;
        self.run(&format!(
            "DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = '{name}'; END $$"
        ));
    }
}

pub fn end(mut server: Child) {
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn check_102_a_server_starts_and_serves_the_gate_on_a_read_only_database_and_comes_back_by_itself()
{
    let database = Database::make();
    let host = Host::with_database(database.url());
    let [key_id, secret] = host.add_credential();
    let ask = || host.ask_gate(&basic(&key_id, &secret));
    // What is made at the very first start is there.
    let server = host.start(&["serve"]);
    host.wait_until_ready();
    end(server);

    database.turn("SET default_transaction_read_only = on");
    // Another catalogue, which can't be noted among its versions now.
    let catalogue = include_str!("../../../catalogue/alpaca-broker.toml");
    let other = catalogue.replacen("version = \"", "version = \"other-", 1);
    fs::write(host.path().join("other.toml"), other).unwrap();
    fs::write(
        host.path().join("keyrack.toml"),
        "catalogue = \"other.toml\"",
    )
    .unwrap();
    let server = host.start(&["serve"]);
    host.wait_until_ready();
    assert_eq!(ask(), 200);
    assert!(host.log_in() >= 500);
    let (status, text) = host.get("/readyz");
    assert_eq!(status, 200);
    assert!(text.contains("the database is read-only"), "{text}");
    // The sessions that are open keep the setting for as long as they live.
    let name = &database.name;
    database.run(&format!(
        "ALTER DATABASE {name} RESET default_transaction_read_only"
    ));
    for _ in 0..20 {
        assert_eq!(host.log_in(), 303);
    }
    assert_eq!(host.get("/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(ask(), 200);
    end(server);
    database.remove();
}

#[test]
fn a_server_starts_on_a_read_only_database_where_nobody_is_yet() {
    let database = Database::make();
    let host = Host::with_database(database.url());
    let server = host.start(&["serve"]);
    host.wait_until_ready();
    end(server);
    database.turn("SET default_transaction_read_only = on");
    let mut server = host.start(&["serve"]);
    wait_for(&lines(&mut server), "no link for setting up Keyrack");
    let (status, text) = host.get("/readyz");
    assert_eq!(status, 200);
    assert!(text.contains("the database is read-only"), "{text}");
    end(server);
    database.remove();
}

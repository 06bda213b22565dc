//! The database goes back, or becomes another one, under a running node: a failover that lost events,
//! a restored backup. Nothing of before is believed any more.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use domain::audit::Action;
use service::{AuditQuery, GatewayDraft, IssuedCredential, Services, Token};

use crate::gateways::revoke;
use crate::harness::{Team, call_with_secret, call_with_token, open, postgres, psql, token};

/// A database that can be copied and put back while nodes are connected to it.
enum Database {
    File(tempfile::TempDir),
    Postgres(String),
}

impl Database {
    fn url(&self, name: &str) -> String {
        match self {
            Self::File(folder) => format!("sqlite://{}/{name}.db", folder.path().display()),
            Self::Postgres(url) if name == "live" => url.clone(),
            Self::Postgres(url) => format!("{url}_{name}"),
        }
    }

    fn path(folder: &tempfile::TempDir, name: &str) -> PathBuf {
        folder.path().join(format!("{name}.db"))
    }

    /// Puts one in the place of another, as an administrator would.
    fn copy(&self, from: &str, to: &str) {
        match self {
            Self::File(folder) => {
                let [from, to] = [from, to].map(|name| Self::path(folder, name));
                let copy =
                    "import sqlite3, sys; a, b = map(sqlite3.connect, sys.argv[1:]); a.backup(b)";
                let copied = Command::new("python3")
                    .args(["-c", copy])
                    .args([from, to])
                    .status();
                assert!(copied.unwrap().success());
            }
            Self::Postgres(_) => {
                let [from, to] = [from, to].map(|name| self.url(name));
                let [from, to] = [&from, &to].map(|url| url.rsplit_once('/').unwrap().1);
                psql(&format!("ALTER DATABASE {from} ALLOW_CONNECTIONS false"));
                for name in [from, to] {
                    psql(&format!(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
                    ));
                }
                psql(&format!("DROP DATABASE IF EXISTS {to} WITH (FORCE)"));
                psql(&format!("CREATE DATABASE {to} TEMPLATE {from}"));
                psql(&format!("ALTER DATABASE {from} ALLOW_CONNECTIONS true"));
            }
        }
    }
}

/// Makes one test of each function for each kind of database.
macro_rules! on_every_database {
    ($($test:ident)*) => { $(
        mod $test {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                let folder = tempfile::tempdir().unwrap();
                super::$test(super::Database::File(folder)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgresql() {
                super::$test(super::Database::Postgres(crate::harness::postgres())).await;
            }
        }
    )* };
}

on_every_database! {
    check_103_what_the_database_lost_is_not_believed
    check_103_what_a_longer_log_says_is_believed
    check_103_a_credential_that_nobody_told_of_is_found
}

/// The node hears, once it has found its way back to the database.
async fn hears(node: &Services) {
    for _ in 0..50 {
        if node.catch_up().await.is_ok() {
            return;
        }
    }
    node.catch_up().await.unwrap();
}

async fn gets_through(node: &Services, issued: &IssuedCredential) -> bool {
    let called = call_with_secret(node, issued, "GET", "/v1/assets").await;
    called.is_ok()
}

async fn knows(node: &Services, gateway: &Token) -> bool {
    let known = node.authenticate_gateway(gateway.expose(), None).await;
    known.unwrap().is_some()
}

/// How often nodes have found the log broken off, as the log tells.
async fn told(team: &Team) -> usize {
    let query = AuditQuery {
        action: Some(Action::AuditBroken),
        limit: 10,
        ..AuditQuery::default()
    };
    let told = team.services.audit_entries(&team.host, query).await;
    told.unwrap().len()
}

async fn check_103_what_the_database_lost_is_not_believed(database: Database) {
    let team = Team::at(&database.url("live")).await;
    let kept = team.issue("legacy", &[("data", "read")]).await;
    let quiet = team.issue("legacy", &[("data", "read")]).await;
    database.copy("live", "before");
    hears(&team.services).await;
    let node = open(
        service::connect(&database.url("live")).await.unwrap(),
        team.clock.clone(),
    )
    .await;
    let breaks = node.feed().breaks;

    let lost = team.issue("legacy", &[("data", "read")]).await;
    let draft = GatewayDraft {
        audiences: String::new(),
        name: "edge".into(),
        kind: "nginx".into(),
        addresses: String::new(),
    };
    let gateway = team.services.add_gateway(&team.host, &draft).await;
    let (_, gateway) = gateway.unwrap();
    let jwks = node.jwks().await.unwrap();
    team.services.rotate_signing_key(&team.host).await.unwrap();
    let program = team.issue("client_secret", &[("data", "read")]).await;
    let of_lost = token(&team.services, &program).await.unwrap();
    let key_id = quiet.credential.key_id;
    let disabled = team.services.disable_credential(&team.host, key_id, "test");
    disabled.await.unwrap();
    hears(&node).await;
    assert!(gets_through(&node, &kept).await && gets_through(&node, &lost).await);
    assert!(!gets_through(&node, &quiet).await);
    assert!(knows(&node, &gateway).await);
    let call = async || call_with_token(&node, &of_lost, "GET", "/v1/assets").await;
    call().await.unwrap();

    database.copy("before", "live");
    hears(&node).await;
    assert_eq!(node.feed().breaks, breaks + 1, "it says so");
    assert!(gets_through(&node, &kept).await);
    assert!(!gets_through(&node, &lost).await, "it was never issued");
    assert!(gets_through(&node, &quiet).await, "as the database has it");
    assert!(!knows(&node, &gateway).await);
    assert_eq!(node.jwks().await.unwrap(), jwks);
    call().await.unwrap_err();
    hears(&node).await;
    assert_eq!(node.feed().breaks, breaks + 1, "once");
    while told(&team).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The database that takes the place of the other has another story, and a longer one: there the
/// credential was revoked.
async fn check_103_what_a_longer_log_says_is_believed(database: Database) {
    let team = Team::at(&database.url("live")).await;
    let issued = team.issue("legacy", &[("data", "read")]).await;
    database.copy("live", "other");
    let elsewhere = open(
        service::connect(&database.url("other")).await.unwrap(),
        team.clock.clone(),
    )
    .await;
    let key_id = issued.credential.key_id;
    for why in ["first", "second", "third"] {
        let disabled = elsewhere.disable_credential(&team.host, key_id, why).await;
        disabled.unwrap();
        elsewhere
            .enable_credential(&team.host, key_id, why)
            .await
            .unwrap();
    }
    let revoked = elsewhere.revoke_credential(&team.host, key_id, "test");
    revoked.await.unwrap();

    hears(&team.services).await;
    team.issue("legacy", &[("data", "read")]).await;
    hears(&team.services).await;
    assert!(gets_through(&team.services, &issued).await);
    let breaks = team.services.feed().breaks;
    drop(elsewhere);
    database.copy("other", "live");
    hears(&team.services).await;
    assert!(!gets_through(&team.services, &issued).await);
    assert_eq!(team.services.feed().breaks, breaks + 1);
}

/// The other database has a credential that this node, which knows which key ids there are, never heard of.
async fn check_103_a_credential_that_nobody_told_of_is_found(database: Database) {
    let team = Team::at(&database.url("live")).await;
    database.copy("live", "other");
    let store = service::connect(&database.url("other")).await.unwrap();
    let elsewhere = open(store, team.clock.clone()).await;
    let draft = team.draft("legacy", &[("data", "read")]);
    let issued = elsewhere.issue_credential(&team.host, &draft, None).await;
    let issued = issued.unwrap();
    let follower = {
        let node = team.services.clone();
        tokio::spawn(async move { node.follow_changes().await })
    };
    while !team.services.knows_key_ids() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(!gets_through(&team.services, &issued).await);
    drop(elsewhere);
    database.copy("other", "live");
    let began = std::time::Instant::now();
    while !gets_through(&team.services, &issued).await {
        assert!(began.elapsed().as_secs() < 10, "it is not found");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    follower.abort();
}

/// Between two looks at the feed a node reads a credential that the failover then loses. The log goes
/// on from what it has read, so only the lost connection tells.
#[tokio::test(flavor = "multi_thread")]
async fn check_103_a_lost_connection_makes_a_node_read_anew() {
    let url = &postgres();
    let database = Database::Postgres(url.clone());
    let team = Team::at(url).await;
    database.copy("live", "before");
    let store = service::connect(url).await.unwrap();
    let node = open(store.clone(), team.clock.clone()).await;
    store.wait_for_change(Duration::ZERO).await.unwrap();
    hears(&node).await;
    hears(&team.services).await;
    let lost = team.issue("legacy", &[("data", "read")]).await;
    assert!(gets_through(&node, &lost).await);
    database.copy("before", "live");
    let follower = {
        let node = node.clone();
        tokio::spawn(async move { node.follow_changes().await })
    };
    let began = std::time::Instant::now();
    while gets_through(&node, &lost).await {
        assert!(began.elapsed().as_secs() < 5, "it was never issued");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    follower.abort();
    assert_eq!(node.feed().breaks, 0);
}

#[tokio::test]
async fn a_revoked_token_stays_revoked_when_the_database_loses_it() {
    let database = Database::File(tempfile::tempdir().unwrap());
    let team = Team::at(&database.url("live")).await;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    let token = token(&team.services, &issued).await.unwrap();
    database.copy("live", "before");
    revoke(&team.services, &issued, &token).await.unwrap();
    hears(&team.services).await;
    database.copy("before", "live");
    hears(&team.services).await;
    assert_eq!(team.services.feed().breaks, 1);
    let called = call_with_token(&team.services, &token, "GET", "/v1/assets").await;
    called.unwrap_err();
}

#[tokio::test]
async fn a_node_that_slept_while_the_log_was_trimmed_reads_anew_without_alarm() {
    let database = Database::File(tempfile::tempdir().unwrap());
    let team = Team::at(&database.url("live")).await;
    let issued = team.issue("legacy", &[("data", "read")]).await;
    hears(&team.services).await;
    assert!(gets_through(&team.services, &issued).await);
    let settings = service::Settings {
        audit_kept: Some(chrono::TimeDelta::days(1)),
        ..crate::harness::settings()
    };
    let store = service::connect(&database.url("live")).await.unwrap();
    let other = crate::harness::open_with(store, team.clock.clone(), settings).await;
    let key_id = issued.credential.key_id;
    let disabled = other.disable_credential(&team.host, key_id, "test");
    disabled.await.unwrap();
    team.clock.advance(chrono::TimeDelta::days(3));
    other.trim_audit().await.unwrap();
    other.sweep().await.unwrap();
    hears(&team.services).await;
    assert!(!gets_through(&team.services, &issued).await);
    assert_eq!((team.services.feed().breaks, told(&team).await), (0, 0));
}

//! PostgreSQL over TLS, on a server that takes nothing else, with an authority of its own: what is
//! trusted, and what an error tells.

use sqlx::{Connection as _, PgConnection, Row as _};
use storage::StoreError;

use crate::fixture::{Fixture, certificate, tls_server, variable};

/// Why a store at the TLS server, under another host or account maybe, does not open.
async fn refusal(host: &str, account: &str, parameters: &[(&str, &str)]) -> String {
    let server = tls_server();
    let server = server
        .replace("@localhost:", &format!("@{host}:"))
        .replace("//keyrack:", &format!("//{account}:"));
    let parameters: Vec<String> = parameters
        .iter()
        .map(|(name, value)| match value.strip_prefix("file:") {
            Some(file) => format!("{name}={}", certificate(file)),
            None => format!("{name}={value}"),
        })
        .collect();
    let opened = storage::connect(&format!("{server}?{}", parameters.join("&"))).await;
    match opened {
        Ok(_) => "none".to_owned(),
        Err(StoreError::Unavailable(cause)) => cause.to_string(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn only_the_authority_that_is_named_vouches_for_the_server() {
    for (host, mode, root, expected) in [
        ("localhost", "verify-full", "file:authority.pem", "none"),
        ("localhost", "verify-ca", "file:authority.pem", "none"),
        ("localhost", "require", "file:authority.pem", "none"),
        ("127.0.0.1", "verify-ca", "file:authority.pem", "none"),
        // Its certificate is for localhost.
        (
            "127.0.0.1",
            "verify-full",
            "file:authority.pem",
            "another host",
        ),
        (
            "localhost",
            "verify-full",
            "file:another.pem",
            "name the file of the server's own authority",
        ),
        (
            "localhost",
            "verify-ca",
            "file:another.pem",
            "name the file of the server's own authority",
        ),
        (
            "localhost",
            "require",
            "file:another.pem",
            "name the file of the server's own authority",
        ),
        (
            "localhost",
            "verify-full",
            "system",
            "name the file of the server's own authority",
        ),
    ] {
        let refusal = refusal(host, "keyrack", &[("sslmode", mode), ("sslrootcert", root)]).await;
        assert!(
            refusal.contains(expected),
            "{host} {mode} {root}: {refusal}"
        );
    }
}

#[tokio::test]
async fn a_server_that_wants_tls_and_one_that_has_none_are_told_apart() {
    let plain = refusal("localhost", "keyrack", &[("sslmode", "disable")]).await;
    assert!(plain.contains("over TLS alone"), "{plain}");
    let url = variable("KEYRACK_TEST_POSTGRES");
    let refused = storage::connect(&format!("{url}?sslmode=require")).await;
    let Err(StoreError::Unavailable(cause)) = refused else {
        panic!("{refused:?}")
    };
    assert!(cause.to_string().contains("sslmode=disable"), "{cause}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_asked_for() {
    let root = ("sslrootcert", "file:authority.pem");
    let own = |certificate, key| [root, ("sslcert", certificate), ("sslkey", key)];
    let account = "needs_certificate";
    let without = refusal("localhost", account, &[root]).await;
    assert!(without.contains("with sslcert and sslkey"), "{without}");
    for (certificate, key, expected) in [
        ("file:client.pem", "file:client.key", "none"),
        (
            "file:another.pem",
            "file:another.key",
            "does not accept the client certificate",
        ),
        (
            "file:client.pem",
            "file:another.key",
            "not the key of the certificate",
        ),
        (
            "file:missing.pem",
            "file:client.key",
            "missing.pem can't be read",
        ),
        (
            "file:client.pem",
            "file:missing.key",
            "missing.key can't be read",
        ),
        ("file:client.pem", "file:client.pem", "holds no private key"),
        ("file:client.key", "file:client.key", "holds no certificate"),
    ] {
        let refusal = refusal("localhost", account, &own(certificate, key)).await;
        assert!(refusal.contains(expected), "{certificate} {key}: {refusal}");
    }
}

/// All pools, the one that listens and the one that migrates.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_is_encrypted() {
    let fixture = Fixture::postgres_tls().await;
    let store = &fixture.store;
    store.ping().await.unwrap();
    store.has_users().await.unwrap();
    store.audit_head().await.unwrap();
    store.append_audit(crate::fixture::event()).await.unwrap();
    store
        .wait_for_change(std::time::Duration::ZERO)
        .await
        .unwrap();
    let mut db = PgConnection::connect(&fixture.url).await.unwrap();
    let row = sqlx::query(
        "SELECT count(*) AS all, count(*) FILTER (WHERE ssl) AS encrypted
         FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
         WHERE datname = current_database() AND application_name = 'keyrack'",
    )
    .fetch_one(&mut db)
    .await
    .unwrap();
    let (all, encrypted): (i64, i64) = (row.get("all"), row.get("encrypted"));
    assert!(all >= 5 && all == encrypted, "{encrypted} of {all}");
    fixture.remove().await;
}

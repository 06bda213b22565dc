//! What a node keeps in memory is read anew twice at once, and the older answer of the store comes last.

use std::time::Duration;

use axum::http::StatusCode;
use domain::catalogue::Catalogue;
use domain::limits::LimitsDraft;
use service::GatewayDraft;
use tokio::sync::oneshot;

use crate::app::{READ, TestApp, default_catalogue};
use crate::faulty::Health;

fn draft(name: &str) -> GatewayDraft {
    GatewayDraft {
        audiences: String::new(),
        name: name.to_owned(),
        kind: "nginx".to_owned(),
        addresses: String::new(),
    }
}

/// Waits until the store was asked this.
async fn asked(app: &TestApp, call: &str) {
    while !app.store.take_calls().contains(&call) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Lets the first answer come after the second had every chance to overtake it.
async fn release(late: oneshot::Sender<()>) {
    tokio::time::sleep(Duration::from_millis(50)).await;
    late.send(()).unwrap();
}

#[tokio::test]
async fn check_100_the_newer_gateways_stay() {
    let app = TestApp::new().await;
    let services = app.services.clone();
    let (gateway, token) = services
        .add_gateway(&app.host, &draft("edge"))
        .await
        .unwrap();
    let knows = async || {
        let known = services.authenticate_gateway(token.expose(), None).await;
        known.unwrap().is_some()
    };
    assert!(knows().await);
    app.store.take_calls();
    let late = app.store.hold("list_gateways");
    let other = draft("another");
    let adding = services.add_gateway(&app.host, &other);
    let removing = async {
        asked(&app, "list_gateways").await;
        let removed = services.remove_gateway(&app.host, gateway.id).await;
        removed.unwrap();
        late.send(()).unwrap();
    };
    let (added, ()) = tokio::join!(adding, removing);
    added.unwrap();
    assert!(!knows().await, "what was removed came back");
}

#[tokio::test]
async fn check_100_the_newer_signing_keys_stay() {
    let app = TestApp::new().await;
    let services = app.services.clone();
    app.store.take_calls();
    let late = app.store.hold("list_signing_keys");
    let second = async {
        asked(&app, "list_signing_keys").await;
        let second = services.rotate_signing_key(&app.host);
        tokio::join!(second, release(late)).0.unwrap();
    };
    let (first, ()) = tokio::join!(services.rotate_signing_key(&app.host), second);
    first.unwrap();
    let published: serde_json::Value =
        serde_json::from_str(&services.jwks().await.unwrap()).unwrap();
    assert_eq!(published["keys"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn check_100_the_catalogue_that_came_last_stays() {
    let app = TestApp::new().await;
    let services = app.services.clone();
    let named = |version: &str| -> Catalogue {
        let mut file = serde_json::to_value(default_catalogue().file()).unwrap();
        file["version"] = version.into();
        serde_json::from_value(file).unwrap()
    };
    app.store.take_calls();
    let late = app.store.hold("take_up_catalogue");
    let second = async {
        asked(&app, "take_up_catalogue").await;
        let second = services.take_up_catalogue(named("second"));
        tokio::join!(second, release(late)).0.unwrap();
    };
    let (first, ()) = tokio::join!(services.take_up_catalogue(named("first")), second);
    first.unwrap();
    assert_eq!(services.catalogue().version(), "second");
}

#[tokio::test]
async fn check_100_a_credential_that_was_read_before_its_change_is_not_kept() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "accounts=read").await;
    app.services.catch_up().await.unwrap();
    app.store.take_calls();
    let late = app.store.hold("find_live_credential");
    let basic = key.basic();
    let headers = [("authorization", basic.as_str())];
    let call = async || app.ask_gate(READ, &headers).await.status;
    let quarantining = async {
        asked(&app, "find_live_credential").await;
        app.quarantine(&key).await;
        late.send(()).unwrap();
    };
    let (under_way, ()) = tokio::join!(call(), quarantining);
    assert_eq!(under_way, StatusCode::OK, "it was asked for before");
    assert_eq!(call().await, StatusCode::UNAUTHORIZED);
}

/// Limits that were read late don't begin the counts of newer ones anew.
#[tokio::test]
async fn check_100_limits_that_were_read_before_their_change_are_not_kept() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "accounts=read").await;
    let limit = |per_minute: &str| LimitsDraft {
        per_minute: per_minute.to_owned(),
        ..LimitsDraft::default()
    };
    app.limit(&key, &limit("100")).await;
    app.services.catch_up().await.unwrap();
    app.store.take_calls();
    let late = app.store.hold("find_live_credential");
    let basic = key.basic();
    let headers = [("authorization", basic.as_str())];
    let call = async || app.ask_gate(READ, &headers).await.status;
    let limiting = async {
        asked(&app, "find_live_credential").await;
        app.limit(&key, &limit("1")).await;
        assert_eq!(call().await, StatusCode::OK);
        late.send(()).unwrap();
    };
    let (under_way, ()) = tokio::join!(call(), limiting);
    assert_eq!(under_way, StatusCode::OK, "it was asked for before");
    // It is read once more.
    app.quarantine(&key).await;
    let released = app
        .services
        .enable_credential(&app.host, key.key_id(), "found");
    released.await.unwrap();
    app.ask_gate(READ, &headers)
        .await
        .gate_refuses(403, "rate_limited");
}

/// Counts that were on their way when all was forgotten may be those of another database.
#[tokio::test]
async fn check_100_counts_from_before_a_break_are_not_kept() {
    let app = TestApp::new().await;
    app.services.catch_up().await.unwrap();
    app.store.take_calls();
    let late = app.store.hold("count_credentials");
    let count = async || app.services.count_credentials(&app.host).await.unwrap();
    let breaking = async {
        asked(&app, "count_credentials").await;
        app.store.set(Health::Failing);
        app.services.catch_up().await.unwrap_err();
        app.store.set(Health::Well);
        app.services.catch_up().await.unwrap();
        late.send(()).unwrap();
    };
    tokio::join!(count(), breaking);
    for (is_counted, when) in [(true, "after the break"), (false, "as nothing has changed")] {
        app.store.take_calls();
        count().await;
        let calls = app.store.take_calls();
        assert_eq!(calls.contains(&"count_credentials"), is_counted, "{when}");
    }
}

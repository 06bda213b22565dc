//! What a node keeps in memory is read anew twice at once, and the older answer of the store comes last.

use std::time::Duration;

use domain::catalogue::Catalogue;
use service::GatewayDraft;
use tokio::sync::oneshot;

use crate::app::{TestApp, default_catalogue};

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

//! Signing keys as people and programs meet them: the button that ends one, and the key set.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use domain::role::Role;
use serde_json::Value;

use crate::app::{READ, TestApp, jwt_part};
use crate::dashboard::{Dashboard, text};
use crate::faulty::Health;

async fn kids(app: &TestApp) -> Vec<String> {
    let request = Request::get("/v1/oauth2/keys").body(Body::empty()).unwrap();
    let answer = app.call(request).await.ok();
    let set: Value = serde_json::from_slice(&answer.body).unwrap();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_ends_a_signing_key_and_with_it_what_it_signed() {
    let dashboard = Dashboard::new().await;
    let (app, cookie) = (&dashboard.app, dashboard.log_in(Role::Superuser).await);
    let cookie = Some(cookie.as_str());
    let token = app.token(&dashboard.key).await;
    app.ask_with_token(READ, &token).await.ok();
    let kid = jwt_part(&token, 0)["kid"].as_str().unwrap().to_owned();
    let form = format!("/signing-keys/{kid}/end");
    let page = text(&dashboard.get("/gateways", cookie).await.ok());
    assert!(page.contains(&format!("action=\"{form}\"")), "{page}");

    let without_reason = dashboard.post(&form, cookie, "reason=").await;
    assert_eq!(without_reason.status, StatusCode::UNPROCESSABLE_ENTITY);
    app.ask_with_token(READ, &token).await.ok();

    let ended = dashboard.post(&form, cookie, "reason=on+a+laptop").await;
    assert_eq!(
        ended.headers[header::LOCATION],
        "/gateways?done=signing-key-ended"
    );
    let refused = app.ask_with_token(READ, &token).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let kids = kids(app).await;
    assert!(kids.len() == 1 && kids[0] != kid, "{kids:?}");
    let new = app.token(&dashboard.key).await;
    assert_eq!(jwt_part(&new, 0)["kid"], *kids[0]);
    app.ask_with_token(READ, &new).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_set_is_given_out_while_an_end_could_go_unheard() {
    let app = TestApp::new().await;
    assert_eq!(kids(&app).await.len(), 1);
    app.store.set(Health::Failing);
    // Longer than what was heard counts as fresh.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let request = Request::get("/v1/oauth2/keys").body(Body::empty()).unwrap();
    let answer = app.call(request).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    app.store.set(Health::Well);
    assert_eq!(kids(&app).await.len(), 1);
}

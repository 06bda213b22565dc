//! What is served beside pages and endpoints: the dashboard's files, and the metrics.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use leptos::config::LeptosOptions;
use server::http::Front;
use server::state::Shared;
use storage::StoreError;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::app::{Answer, READ, TestApp};
use crate::faulty::Health;

async fn fetch(app: &TestApp, path: &str, encoding: &str) -> Answer {
    let request = Request::get(path).header("Accept-Encoding", encoding);
    app.call(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn hashed_files_are_kept_for_ever_and_come_compressed() {
    let site = TempDir::new().unwrap();
    let package = site.path().join("pkg");
    std::fs::create_dir(&package).unwrap();
    std::fs::write(package.join("keyrack.Ab12.wasm"), "plain").unwrap();
    std::fs::write(package.join("keyrack.Ab12.wasm.br"), "brotli").unwrap();
    std::fs::write(site.path().join("favicon.svg"), "<svg/>").unwrap();
    let mut app = TestApp::new().await;
    let leptos = LeptosOptions::builder()
        .output_name("keyrack")
        .site_root(site.path().display().to_string());
    let shared = Shared {
        leptos: leptos.build(),
        ..Shared::clone(&app.state)
    };
    app.front = Front::new(shared.into());

    let plain = fetch(&app, "/pkg/keyrack.Ab12.wasm", "identity").await.ok();
    assert_eq!(plain.body, b"plain");
    assert_eq!(plain.header("content-type"), Some("application/wasm"));
    let immutable = "public, max-age=31536000, immutable";
    assert_eq!(plain.header("cache-control"), Some(immutable));
    let small = fetch(&app, "/pkg/keyrack.Ab12.wasm", "gzip, br").await.ok();
    assert_eq!(small.body, b"brotli");
    assert_eq!(small.header("content-encoding"), Some("br"));
    assert_eq!(small.header("cache-control"), Some(immutable));
    // The name of a file of another version is no page that anybody keeps.
    let gone = fetch(&app, "/pkg/keyrack.Cd34.wasm", "br").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert_eq!(gone.header("cache-control"), Some("no-store"));
    for path in [
        "/pkg/../favicon.svg",
        "/pkg/%2e%2e/favicon.svg",
        "/pkg/..%2ffavicon.svg",
    ] {
        assert_eq!(
            fetch(&app, path, "").await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let icon = fetch(&app, "/favicon.svg", "").await.ok();
    assert_eq!(icon.header("content-type"), Some("image/svg+xml"));
}

/// What the metrics say now.
async fn metrics(app: &TestApp) -> String {
    let metrics = server::serve::metrics_router(app.metrics.clone(), app.services.clone());
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let answer = metrics.oneshot(request).await.unwrap();
    let text = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(text.to_vec()).unwrap()
}

#[tokio::test]
async fn metrics_say_at_once_what_the_database_can_do() {
    let app = TestApp::new().await;
    let says = async |readable: u8, writable: u8| {
        let text = metrics(&app).await;
        for line in [
            format!("keyrack_database_readable {readable}"),
            format!("keyrack_database_writable {writable}"),
        ] {
            assert!(text.lines().any(|known| known == line), "{line}: {text}");
        }
    };
    says(1, 1).await;
    app.store
        .refuse_writes(Some(|| StoreError::Full("a test".into())));
    says(1, 0).await;
    app.store.refuse_writes(None);
    says(1, 1).await;
    app.store.set(Health::Failing);
    says(0, 0).await;
    app.store.set(Health::Well);
    says(1, 1).await;
}

#[tokio::test]
async fn metrics_count_what_the_gate_and_the_issuer_did() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    let token = app.token(&key).await;
    app.ask_with_token(READ, &token).await.ok();
    app.ask_gate(READ, &[]).await;
    let metrics = server::serve::metrics_router(app.metrics.clone(), app.services.clone());
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let answer = metrics.clone().oneshot(request).await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    for line in [
        "keyrack_gate_allowed_total 1",
        "keyrack_gate_unauthenticated_total 1",
        "keyrack_tokens_issued_total 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}: {text}");
    }
    assert!(!text.contains(&key.id) && !text.contains(&token));
    let request = Request::get("/").body(Body::empty()).unwrap();
    let other = metrics.oneshot(request).await.unwrap();
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
}

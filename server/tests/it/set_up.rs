//! The first start over HTTP: set-up is a page until there is somebody, and never again.

use std::sync::Arc;

use axum::http::StatusCode;
use domain::outbound::OutboundRule;
use server::http::Front;
use server::outbound::HttpOutbound;
use server::state::Shared;
use service::{MasterKey, Services, Settings};

use crate::app::{Answer, ISSUER, PASSWORD, TestApp, default_catalogue};
use crate::dashboard::{Dashboard, form, text};

/// Keyrack with nobody in it.
async fn fresh() -> Dashboard {
    let mut dashboard = Dashboard::new().await;
    let store = storage::connect("sqlite::memory:").await.unwrap();
    store.migrate().await.unwrap();
    let app: &mut TestApp = &mut dashboard.app;
    let master = MasterKey::new([7; 32]);
    let services = Services::open(
        store,
        &master,
        default_catalogue(),
        Settings::usual(ISSUER),
        app.clock.clone(),
        Arc::new(HttpOutbound::new(OutboundRule::default())),
    );
    app.services = services.await.unwrap();
    let services = app.services.clone();
    let shared = Shared::clone(&app.state);
    app.state = Shared { services, ..shared }.into();
    app.front = Front::new(app.state.clone());
    dashboard
}

async fn set_up(dashboard: &Dashboard, token: &str) -> Answer {
    let body = form(&[
        ("token", token),
        ("name", "Mara Okafor"),
        ("email", "mara@example.com"),
        ("password", PASSWORD),
    ]);
    dashboard.post("/setup", None, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn check_64_set_up_is_a_page_until_there_is_somebody_and_then_not_found() {
    let dashboard = fresh().await;
    let services = &dashboard.app.services;
    let ended = services.offer_set_up().await.unwrap().unwrap();
    dashboard.app.clock.advance(chrono::TimeDelta::hours(24));
    for token in ["wrong", ended.expose()] {
        let path = format!("/setup?token={token}");
        let page = text(&dashboard.get(&path, None).await.ok());
        assert!(page.contains("Create the superuser"), "{page}");
        let refused = set_up(&dashboard, token).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        let page = text(&refused);
        assert!(page.contains("this link is no longer valid"), "{page}");
    }

    let token = services.offer_set_up().await.unwrap().unwrap();
    let done = set_up(&dashboard, token.expose()).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", text(&done));

    let path = format!("/setup?token={}", token.expose());
    for gone in [
        dashboard.get(&path, None).await,
        dashboard.get("/setup", None).await,
        set_up(&dashboard, token.expose()).await,
        dashboard.post("/setup", None, "").await,
    ] {
        assert_eq!(gone.status, StatusCode::NOT_FOUND);
        let page = text(&gone);
        assert!(page.contains("There is no such page"), "{page}");
        assert!(page.contains("href=\"/\""), "{page}");
        assert!(!page.contains("Create the superuser"), "{page}");
    }
    assert!(dashboard.app.audit_log().await.len() < 10);
}

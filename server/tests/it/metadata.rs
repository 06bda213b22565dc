//! Metadata, public keys and health.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;
use service::StoreError;

use crate::app::{Answer, ISSUER, PUBLIC_URL, TestApp};
use crate::faulty::Health;

const METADATA: [&str; 2] = [
    "/.well-known/oauth-authorization-server/v1",
    "/v1/.well-known/oauth-authorization-server",
];

async fn get(app: &TestApp, path: &str) -> Answer {
    app.call(Request::get(path).body(Body::empty()).unwrap())
        .await
}

#[tokio::test]
async fn check_40_and_41_metadata_is_true_at_both_addresses() {
    let app = TestApp::new().await;
    for path in METADATA {
        let answer = get(&app, path).await.ok();
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let mut body = answer.json();
        let scopes = body
            .as_object_mut()
            .unwrap()
            .remove("scopes_supported")
            .unwrap();
        let scopes = scopes.as_array().unwrap();
        assert_eq!(scopes.len(), 20, "read and write of the ten scopes");
        assert!(scopes.contains(&json!("sse_events:read")));
        let methods = [
            "client_secret_post",
            "client_secret_basic",
            "private_key_jwt",
        ];
        let algorithms = ["ES256", "ES384", "RS256", "PS256", "EdDSA", "Ed25519"];
        let expected = json!({
            "issuer": ISSUER,
            "token_endpoint": format!("{PUBLIC_URL}/v1/oauth2/token"),
            "jwks_uri": format!("{PUBLIC_URL}/v1/oauth2/keys"),
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint": format!("{PUBLIC_URL}/v1/oauth2/introspect"),
            "introspection_endpoint_auth_methods_supported": ["Bearer", "client_secret_basic"],
            "revocation_endpoint": format!("{PUBLIC_URL}/v1/oauth2/revoke"),
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        });
        assert_eq!(body, expected);
        assert_eq!(
            app.services.settings().issuer,
            ISSUER,
            "tokens have the same issuer"
        );
    }
}

#[tokio::test]
async fn check_42_no_header_changes_an_address() {
    let app = TestApp::new().await;
    for path in METADATA {
        let plain = get(&app, path).await.ok();
        let request = Request::get(path)
            .header("Host", "evil.example")
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Forwarded-Proto", "http")
            .header("Forwarded", "host=evil.example;proto=http");
        let spoofed = app.call(request.body(Body::empty()).unwrap()).await.ok();
        assert_eq!(plain.body, spoofed.body);
    }
}

#[tokio::test]
async fn check_43_the_key_set_has_public_members_only() {
    let app = TestApp::new().await;
    let answer = get(&app, "/v1/oauth2/keys").await.ok();
    assert_eq!(
        answer.header("content-type"),
        Some("application/jwk-set+json")
    );
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let body = answer.json();
    let keys = body["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let mut members: Vec<_> = keys[0].as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!(
        (&keys[0]["alg"], &keys[0]["use"]),
        (&json!("ES256"), &json!("sig"))
    );
}

#[tokio::test]
async fn check_82_only_reading_is_allowed() {
    let app = TestApp::new().await;
    for path in METADATA
        .into_iter()
        .chain(["/v1/oauth2/keys", "/healthz", "/readyz"])
    {
        let head = app
            .call(Request::head(path).body(Body::empty()).unwrap())
            .await;
        assert_eq!(
            (head.status, head.body.len()),
            (StatusCode::OK, 0),
            "{path}"
        );
        let post = app
            .call(Request::post(path).body(Body::empty()).unwrap())
            .await;
        assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(post.header("allow"), Some("GET,HEAD"), "{path}");
    }
}

#[tokio::test]
async fn readiness_needs_the_database_and_liveness_does_not() {
    let app = TestApp::new().await;
    for health in [Health::Well, Health::Failing, Health::Hanging, Health::Well] {
        app.store.set(health);
        get(&app, "/healthz").await.ok();
        let ready = get(&app, "/readyz").await;
        let expected = if health == Health::Well { 200 } else { 503 };
        assert_eq!(ready.status, expected, "{health:?}");
        assert!(!String::from_utf8_lossy(&ready.body).contains("SECRET-CAUSE"));
        assert_eq!(ready.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn a_node_that_can_only_read_is_ready_for_the_gate_and_says_what_is_not_possible() {
    let app = TestApp::new().await;
    let full = || StoreError::Full("SECRET-CAUSE".into());
    let read_only = || StoreError::ReadOnly("SECRET-CAUSE".into());
    let unwritable = || StoreError::Unwritable("SECRET-CAUSE".into());
    let other = || StoreError::Unavailable("SECRET-CAUSE".into());
    for (problem, words) in [
        (
            full as fn() -> StoreError,
            "the disk of the database is full",
        ),
        (read_only, "the database is read-only"),
        (
            unwritable,
            "the files of the database can't be written: look at the limit on the size of files (ulimit -f), \
             at quotas, and at the disk",
        ),
        (other, "the database takes no writes"),
    ] {
        app.store.refuse_writes(Some(problem));
        let ready = get(&app, "/readyz").await;
        let text = String::from_utf8(ready.body).unwrap();
        let expected = format!("ready to check calls, but nothing can be changed: {words}\n");
        assert_eq!((ready.status.as_u16(), text), (200, expected));
    }
    app.store.refuse_writes(None);
    let ready = get(&app, "/readyz").await;
    assert_eq!(ready.body, b"ready\n");
}

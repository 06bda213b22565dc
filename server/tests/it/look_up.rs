//! Whatever is refused with an `X-Request-ID` can be looked up by it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use chrono::TimeDelta;
use domain::limits::LimitsDraft;
use server::state::GateMode;
use service::{GatewayDraft, ServiceError};
use storage::{DecisionRow, Store as _};

use crate::app::{Answer, Key, READ, TestApp, WRITE, default_catalogue};
use crate::faulty::Health;

const FORM: &str = "application/x-www-form-urlencoded";

/// The header by which nginx says that it asks a second time.
const AGAIN: (&str, &str) = ("X-Keyrack-Again", "1");

impl TestApp {
    async fn post_form(&self, path: &str, kind: &str, form: &str, key: Option<&Key>) -> Answer {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, kind);
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, key.basic());
        }
        let request = request.body(Body::from(form.to_owned())).unwrap();
        self.call(request).await
    }

    async fn look_up(&self, answer: &Answer) -> Result<DecisionRow, ServiceError> {
        let id = answer.header("x-request-id").unwrap();
        self.services.decision(&self.host, id).await
    }

    /// What is found of a refusal: where it was decided, and why.
    async fn finds(&self, answer: &Answer, surface: &str, reason: &str) -> DecisionRow {
        let found = self.look_up(answer).await;
        let found = found.unwrap_or_else(|error| panic!("{reason}: {error}"));
        assert!(!found.allowed, "{found:?}");
        assert_eq!(
            (found.surface.as_str(), found.reason.as_str()),
            (surface, reason)
        );
        found
    }

    /// What was counted of a key: allowed and refused.
    async fn counted(&self, key: &Key) -> (u64, u64) {
        self.services.flush_usage().await.unwrap();
        let since = self.services.now() - TimeDelta::days(1);
        let rows = self.services.usage_of(&self.host, key.key_id(), since);
        let add =
            |sum: (u64, u64), row: storage::UsageRow| (sum.0 + row.allowed, sum.1 + row.refused);
        rows.await.unwrap().into_iter().fold((0, 0), add)
    }
}

#[tokio::test]
async fn a_token_request_that_is_no_good_can_be_looked_up() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "full").await;
    let path = "/v1/oauth2/token";
    let grant = "grant_type=client_credentials";
    let two = format!("{grant}&client_id={}&client_secret=x", key.id);
    let (by_basic, nobody) = (Some(&key), None);
    for (path, kind, form, key, reason) in [
        (path, FORM, grant, nobody, "invalid_client"),
        (path, FORM, &*two, by_basic, "invalid_request"),
        (path, FORM, "scope=x", by_basic, "invalid_request"),
        (path, FORM, "scope=x&scope=x", by_basic, "invalid_request"),
        (
            "/v1/oauth2/token?x",
            FORM,
            grant,
            by_basic,
            "invalid_request",
        ),
        (path, "text/plain", grant, by_basic, "invalid_request"),
        (
            path,
            FORM,
            "grant_type=x",
            by_basic,
            "unsupported_grant_type",
        ),
    ] {
        let answer = app.post_form(path, kind, form, key).await;
        assert!(!answer.status.is_success());
        app.finds(&answer, "token", reason).await;
    }
}

#[tokio::test]
async fn a_refused_revocation_can_be_looked_up() {
    let app = TestApp::new().await;
    let (key, other) = (
        app.issue("client_secret", "full").await,
        app.issue("client_secret", "full").await,
    );
    let of_another = format!("token={}", app.token(&other).await);
    let wrong = Key {
        secret: other.secret.clone(),
        ..key.clone()
    };
    for (form, by, reason, is_known) in [
        ("token=x", None, "invalid_client", false),
        ("", Some(&key), "invalid_request", false),
        ("token=x", Some(&wrong), "wrong_secret", true),
        (&*of_another, Some(&key), "foreign_token", true),
    ] {
        let answer = app.post_form("/v1/oauth2/revoke", FORM, form, by).await;
        let found = app.finds(&answer, "revoke", reason).await;
        assert_eq!(found.key_id, is_known.then(|| key.key_id()), "{reason}");
    }
}

#[tokio::test]
async fn a_refused_introspection_can_be_looked_up() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "full").await;
    for (by, reason) in [(None, "invalid_client"), (Some(&key), "access_denied")] {
        let answer = app.post_form("/v1/oauth2/introspect", FORM, "token=x", by);
        app.finds(&answer.await, "introspect", reason).await;
    }
}

#[tokio::test]
async fn a_question_to_the_gate_that_gets_no_decision_can_be_looked_up() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "full").await;
    let basic = key.basic();
    let of_nobody = [("Authorization", "Nonsense x")];
    let answer = app.ask_gate(READ, &of_nobody).await;
    let found = app.finds(&answer, "gate", "unclear_credentials").await;
    assert_eq!(found.template.as_deref(), Some(READ.1));
    assert_eq!(found.method, READ.0);
    // What was remembered is trusted for less than a second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (health, headers) in [
        (Health::Hanging, &[("Authorization", &*basic)][..]),
        (Health::Failing, &[("X-Keyrack-Gateway", "krg_unknown")]),
    ] {
        app.store.set(health);
        let answer = app.ask_gate(READ, headers).await;
        answer.gate_refuses(403, "temporarily_unavailable");
        app.store.set(Health::Well);
        let found = app.finds(&answer, "gate", "unavailable").await;
        assert_eq!(found.template.as_deref(), Some(READ.1));
    }
}

#[tokio::test]
async fn a_decision_that_could_not_be_written_is_written_later() {
    let app = TestApp::new().await;
    let answer = app.ask_gate(READ, &[]).await;
    app.store.set(Health::Failing);
    for _ in 0..2 {
        assert!(app.services.flush_usage().await.is_err());
    }
    app.store.set(Health::Well);
    app.finds(&answer, "gate", "no_credentials").await;
}

#[tokio::test]
async fn a_last_use_that_could_not_be_written_is_written_later() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "full").await;
    let other = app.issue("client_secret", "full").await;
    let gateway = GatewayDraft {
        name: "edge".to_owned(),
        kind: "nginx".to_owned(),
        addresses: "127.0.0.0/8".to_owned(),
        ..GatewayDraft::default()
    };
    let (_, token) = app.services.add_gateway(&app.host, &gateway).await.unwrap();
    let headers = [
        ("Authorization", &*key.basic()),
        ("X-Keyrack-Gateway", token.expose()),
    ];
    app.ask_gate(READ, &headers).await.ok();
    app.token(&other).await;
    let used_at = app.services.now();
    for _ in 0..2 {
        app.store.set(Health::Failing);
        assert!(app.services.flush_usage().await.is_err());
        app.store.set(Health::Well);
        app.clock.advance(TimeDelta::minutes(1));
    }
    // What comes after a failure is newer, and stays so.
    app.token(&other).await;
    let again_at = app.services.now();
    app.services.flush_usage().await.unwrap();
    for (key, at) in [(&key, used_at), (&other, again_at)] {
        let record = app.services.credential(&app.host, key.key_id()).await;
        let last_use = record.unwrap().last_use;
        assert_eq!(last_use.map(|used| used.at), Some(at), "{}", key.id);
    }
    let gateways = app.store.list_gateways().await.unwrap();
    let seen = gateways.first().and_then(|known| known.last_seen.clone());
    assert_eq!(seen.map(|seen| seen.at), Some(used_at));
}

#[tokio::test]
async fn a_path_that_could_be_another_call_is_looked_up_with_its_reason() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "accounts=read").await;
    let basic = key.basic();
    for (path, reason, words) in [
        ("/v1/accounts/Positions", "path_variant", "another spelling"),
        ("/v1/accounts/41f2", "path_value", "not of the kind"),
        ("/v1/nowhere", "path_not_allowed", "doesn't have this path"),
    ] {
        let answer = app
            .ask_gate(("GET", path), &[("Authorization", &basic)])
            .await;
        let found = app.finds(&answer, "gate", reason).await;
        assert!(found.detail.contains(words), "{}", found.detail);
        assert_eq!(found.key_id, Some(key.key_id()));
    }
}

#[tokio::test]
async fn strangers_do_not_push_out_what_the_team_looks_for() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "accounts=read").await;
    let mut last = app.ask_gate(READ, &[]).await;
    for _ in 0..1_500 {
        last = app.ask_gate(READ, &[]).await;
    }
    let basic = key.basic();
    let answer = app.ask_gate(WRITE, &[("Authorization", &basic)]).await;
    app.finds(&answer, "gate", "insufficient_scope").await;
    let lost = app.look_up(&last).await;
    assert!(matches!(lost, Err(ServiceError::NotFound(_))), "{lost:?}");
    // There is room again once the others are written.
    let answer = app.ask_gate(READ, &[]).await;
    app.finds(&answer, "gate", "no_credentials").await;
}

#[tokio::test]
async fn a_sample_of_the_token_requests_that_went_well_is_kept() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "full").await;
    // What is heard of a change forgets when a sample was taken last.
    app.services.catch_up().await.unwrap();
    for (seconds, is_kept) in [(0, true), (59, false), (1, true), (0, false)] {
        app.clock.advance(TimeDelta::seconds(seconds));
        let answer = app.post_token(&key, "").await.ok();
        match app.look_up(&answer).await {
            Ok(found) => {
                assert!(is_kept && found.allowed, "{found:?}");
                assert_eq!(
                    (found.surface.as_str(), found.reason.as_str()),
                    ("token", "allowed")
                );
                assert_eq!(found.key_id, Some(key.key_id()));
            }
            Err(error) => assert!(!is_kept, "{error}"),
        }
    }
}

/// A limit of two calls a minute.
async fn limited(app: &TestApp) -> Key {
    let key = app.issue("legacy", "accounts=read").await;
    let draft = LimitsDraft {
        per_minute: "2".into(),
        ..LimitsDraft::default()
    };
    let (services, host) = (&app.services, &app.host);
    let read = services.credential(host, key.key_id()).await.unwrap();
    let read = read.credential.updated_at;
    let set = services.limit_credential(host, key.key_id(), &draft, read);
    set.await.unwrap();
    key
}

#[tokio::test]
async fn the_second_question_of_nginx_counts_nothing_and_lets_nothing_through() {
    let app = TestApp::new().await;
    let key = limited(&app).await;
    let basic = key.basic();
    let by = ("Authorization", &*basic);
    app.ask_gate(WRITE, &[by])
        .await
        .gate_refuses(403, "insufficient_scope");
    let again = app.ask_gate(WRITE, &[by, AGAIN]).await;
    again.gate_refuses(403, "insufficient_scope");
    let found = app.finds(&again, "gate", "insufficient_scope").await;
    assert!(found.detail.contains("asked_again"), "{}", found.detail);
    assert_eq!(app.counted(&key).await, (0, 1));
    assert_eq!(app.metrics.gate_forbidden.get(), 1);
    // A client that is not cleaned up after, of an older configuration, gains nothing by it.
    for _ in 0..5 {
        app.ask_gate(READ, &[by, AGAIN])
            .await
            .gate_refuses(403, "asked_again");
    }
    // It has used nothing up.
    for _ in 0..2 {
        app.ask_gate(READ, &[by]).await.ok();
    }
    app.ask_gate(READ, &[by])
        .await
        .gate_refuses(403, "rate_limited");
    app.clock.advance(TimeDelta::seconds(10));
    let again = app.ask_gate(READ, &[by, AGAIN]).await;
    again.gate_refuses(403, "rate_limited");
    assert_eq!(again.header("retry-after"), Some("20"));
    assert_eq!(app.counted(&key).await, (2, 2));
}

#[tokio::test]
async fn only_nginx_asks_twice_and_only_who_is_trusted_is_believed() {
    let app = TestApp::with(GateMode::Caddy, default_catalogue()).await;
    let key = app.issue("legacy", "accounts=read").await;
    let request = || {
        Request::get("/v1/verify")
            .header("X-Forwarded-Method", READ.0)
            .header("X-Forwarded-Uri", READ.1)
            .header("Authorization", key.basic())
            .header(AGAIN.0, AGAIN.1)
            .body(Body::empty())
            .unwrap()
    };
    // What a client of Caddy sends arrives as it is.
    app.call(request()).await.ok();
    let answer = app.call_from("192.0.2.1:1", request()).await;
    answer.gate_refuses(403, "untrusted_gateway");
    assert_eq!(app.metrics.gate_forbidden.get(), 1);
    assert_eq!(app.counted(&key).await, (1, 0));
}

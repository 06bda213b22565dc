//! `/v1/oauth2/introspect` and `/v1/oauth2/revoke`, as other people's gateways and clients call them.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, header};
use chrono::TimeDelta;
use domain::limits::LimitsDraft;
use serde_json::json;
use service::GatewayDraft;

use crate::app::{Answer, Key, Needs, READ, TestApp, basic};
use crate::faulty::Health;

const INTROSPECT: &str = "/v1/oauth2/introspect";
const REVOKE: &str = "/v1/oauth2/revoke";
const FORM: &str = "application/x-www-form-urlencoded";

async fn post(app: &TestApp, path: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, FORM);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.call(request.body(Body::from(form.to_owned())).unwrap())
        .await
}

/// The token of a gateway.
async fn gateway(app: &TestApp, kind: &str) -> String {
    let draft = GatewayDraft {
        audiences: String::new(),
        name: format!("edge {kind}"),
        kind: kind.to_owned(),
        addresses: String::new(),
    };
    let (_, token) = app.services.add_gateway(&app.host, &draft).await.unwrap();
    token.expose().to_owned()
}

async fn introspect(app: &TestApp, gateway: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {gateway}");
    let form = format!("token={token}");
    post(app, INTROSPECT, &form, &[("Authorization", &bearer)]).await
}

async fn revoke(app: &TestApp, key: &Key, token: &str) -> Answer {
    let form = format!("token={token}");
    post(app, REVOKE, &form, &[("Authorization", &key.basic())]).await
}

#[tokio::test]
async fn check_32_only_gateways_introspect() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "full").await;
    let token = app.token(&key).await;
    let form = format!("token={token}");
    let gateway = gateway(&app, "introspection").await;
    let wrong = format!("Bearer {gateway}x");
    let for_the_gate = format!("Bearer {}", self::gateway(&app, "nginx").await);
    let as_basic = basic("anything", &gateway);
    let nobody = basic(&key.id, "krs_wrong");
    for (authorization, status, error) in [
        (None, 401, Some("invalid_client")),
        (Some(wrong.as_str()), 401, Some("invalid_client")),
        (Some("Bearer "), 401, Some("invalid_client")),
        (Some("Digest x"), 401, Some("invalid_client")),
        (Some(nobody.as_str()), 401, Some("invalid_client")),
        (Some(&key.basic()), 403, Some("access_denied")),
        (Some(for_the_gate.as_str()), 403, Some("access_denied")),
        (Some(&as_basic), 200, None),
    ] {
        let headers: Vec<_> = authorization
            .iter()
            .map(|value| ("Authorization", *value))
            .collect();
        let answer = post(&app, INTROSPECT, &form, &headers).await;
        match error {
            Some(error) => answer.refuses(status, error),
            None => assert_eq!(answer.ok().json()["active"], true),
        }
        if status == 401 {
            let answer = post(&app, INTROSPECT, &form, &headers).await;
            assert!(answer.header("www-authenticate").is_some());
        }
    }
}

/// RFC 6749 section 2.3.1, as oauth4webapi does it.
#[tokio::test]
async fn check_32_a_gateway_may_form_encode_its_token_before_basic() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "full").await;
    let form = format!("token={}", app.token(&key).await);
    let gateway = gateway(&app, "introspection").await;
    let encoded = gateway.replace('_', "%5F").replace('-', "%2D");
    for (secret, status) in [(&*encoded, 200), (&gateway, 200), ("krg%5", 401)] {
        let authorization = basic("edge%2D1", secret);
        let answer = post(
            &app,
            INTROSPECT,
            &form,
            &[("Authorization", &authorization)],
        )
        .await;
        assert_eq!(answer.status, status, "{secret}");
    }
    // A credential that authenticates well is told so in this spelling, too.
    let client = basic(&key.id, &key.secret.replace('_', "%5F"));
    let answer = post(&app, INTROSPECT, &form, &[("Authorization", &client)]).await;
    answer.refuses(403, "access_denied");
}

#[tokio::test]
async fn check_33_an_active_token_is_described_in_full() {
    let app = TestApp::new().await;
    let gateway = gateway(&app, "introspection").await;
    let key = app.issue("client_secret", "accounts=read").await;
    let token = app.token(&key).await;
    let answer = introspect(&app, &gateway, &token).await.ok();
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let claims = crate::app::jwt_part(&token, 1);
    let mut expected = json!({ "active": true, "token_type": "Bearer" });
    for name in [
        "scope",
        "client_id",
        "sub",
        "aud",
        "iss",
        "exp",
        "iat",
        "jti",
    ] {
        expected[name] = claims[name].clone();
    }
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn check_34_of_every_other_token_nothing_is_told() {
    let app = TestApp::new().await;
    let gateway = gateway(&app, "introspection").await;
    let key = app.issue("client_secret", "full").await;
    let other = TestApp::new().await;
    let foreign = other
        .token(&other.issue("client_secret", "full").await)
        .await;
    let (expired, revoked, stopped) = (
        app.token(&key).await,
        app.token(&key).await,
        app.issue("client_secret", "full").await,
    );
    let of_stopped = app.token(&stopped).await;
    app.quarantine(&stopped).await;
    revoke(&app, &key, &revoked).await.ok();
    let long = "x".repeat(60_000);
    for token in [
        "x",
        "a.b.c",
        &key.secret,
        &gateway,
        &long,
        &foreign,
        &revoked,
        &of_stopped,
        &expired[..expired.len() - 2],
    ] {
        let answer = introspect(&app, &gateway, token).await.ok();
        assert_eq!(answer.json(), json!({ "active": false }), "{token:.20}");
    }
    assert_eq!(
        introspect(&app, &gateway, &expired).await.json()["active"],
        true
    );
    app.clock.advance(TimeDelta::minutes(15));
    let answer = introspect(&app, &gateway, &expired).await.ok();
    assert_eq!(answer.json(), json!({ "active": false }));
}

#[tokio::test]
async fn check_35_the_form_of_the_question_is_strict() {
    let app = TestApp::new().await;
    let gateway = gateway(&app, "introspection").await;
    let bearer = format!("Bearer {gateway}");
    let authorized = [("Authorization", bearer.as_str())];
    let key = app.issue("client_secret", "full").await;
    let token = app.token(&key).await;
    for form in ["", "token=", "tokens=x", "token_type_hint=access_token"] {
        post(&app, INTROSPECT, form, &authorized)
            .await
            .refuses(400, "invalid_request");
    }
    let twice = format!("token={token}&token={token}");
    post(&app, INTROSPECT, &twice, &authorized)
        .await
        .refuses(400, "invalid_request");
    for hint in ["refresh_token", "nonsense", "access_token"] {
        let form = format!("token={token}&token_type_hint={hint}");
        let answer = post(&app, INTROSPECT, &form, &authorized).await;
        assert_eq!(answer.ok().json()["active"], true, "{hint}");
    }
    let in_query = format!("{INTROSPECT}?token={token}");
    post(&app, &in_query, "", &authorized)
        .await
        .refuses(400, "invalid_request");
    for path in [INTROSPECT, REVOKE] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let request = Request::builder().method(method).uri(path);
            let answer = app.call(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, 405);
            assert_eq!(answer.header("allow"), Some("POST"));
        }
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        let answer = app.call(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.status, 415);
    }
}

#[tokio::test]
async fn check_37_a_client_ends_its_own_token() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "full").await;
    let token = app.token(&key).await;
    app.ask_with_token(READ, &token).await.ok();
    for form in [
        format!(
            "token={token}&client_id={}&client_secret={}",
            key.id, key.secret
        ),
        format!(
            "token={token}&client_id={}&client_secret={}",
            key.id, key.secret
        ),
        format!("token=x&client_id={}&client_secret={}", key.id, key.secret),
    ] {
        let answer = post(&app, REVOKE, &form, &[]).await.ok();
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    app.ask_with_token(READ, &token)
        .await
        .gate_refuses(401, "invalid_token");
}

#[tokio::test]
async fn check_38_a_client_ends_no_token_of_others() {
    let app = TestApp::new().await;
    let (mine, theirs) = (
        app.issue("client_secret", "full").await,
        app.issue("client_secret", "full").await,
    );
    let token = app.token(&mine).await;
    revoke(&app, &theirs, &token)
        .await
        .refuses(400, "unauthorized_client");
    let wrong = Key {
        secret: theirs.secret.clone(),
        ..mine.clone()
    };
    revoke(&app, &wrong, &token)
        .await
        .refuses(401, "invalid_client");
    let form = format!("token={token}");
    post(&app, REVOKE, &form, &[])
        .await
        .refuses(401, "invalid_client");
    post(&app, REVOKE, "", &[("Authorization", &mine.basic())])
        .await
        .refuses(400, "invalid_request");
    app.ask_with_token(READ, &token).await.ok();
}

/// RFC 7009 section 2.2.1: not now, and the token goes on.
#[tokio::test]
async fn a_client_revokes_so_many_tokens_an_hour_and_is_told_when_to_come_back() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "read_only").await;
    for _ in 0..300 {
        revoke(&app, &key, &app.token(&key).await).await.ok();
    }
    let token = app.token(&key).await;
    let answer = revoke(&app, &key, &token).await;
    answer.refuses(503, "temporarily_unavailable");
    let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(&*app.decision(&answer).await.reason, "too_many_revoked");
    app.ask_with_token(READ, &token).await.ok();
    app.clock.advance(TimeDelta::seconds(wait));
    revoke(&app, &key, &app.token(&key).await).await.ok();
}

#[tokio::test]
async fn check_39_a_store_that_fails_revokes_nothing_and_says_so() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "full").await;
    let token = app.token(&key).await;
    let gateway = gateway(&app, "introspection").await;
    app.store.set(Health::Failing);
    let answer = revoke(&app, &key, &token).await;
    assert_eq!(answer.header("retry-after"), Some("1"));
    answer.refuses(503, "temporarily_unavailable");
    // What is in memory is believed for less than a second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    introspect(&app, &gateway, &token)
        .await
        .refuses(503, "temporarily_unavailable");
    app.store.set(Health::Well);
    app.ask_with_token(READ, &token).await.ok();
    let answer = introspect(&app, &gateway, &token).await.ok();
    assert_eq!(answer.json()["active"], true);
}

#[tokio::test]
async fn check_50_a_gateway_asks_in_the_way_of_its_kind() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "accounts=read").await;
    let (caddy, introspection) = (
        gateway(&app, "caddy").await,
        gateway(&app, "introspection").await,
    );
    let ask = async |peer: &str, token: Option<&str>, family: [&str; 2]| {
        let mut request = Request::get("/v1/verify")
            .header(family[0], READ.0)
            .header(family[1], READ.1)
            .header("Authorization", key.basic());
        if let Some(token) = token {
            request = request.header("X-Keyrack-Gateway", token);
        }
        let request = request.body(Body::empty()).unwrap();
        app.call_from(peer, request).await.status.as_u16()
    };
    let nginx = ["X-Original-Method", "X-Original-URI"];
    let forwarded = ["X-Forwarded-Method", "X-Forwarded-Uri"];
    let far = "203.0.113.9:4000";
    assert_eq!(ask("127.0.0.1:4000", None, nginx).await, 200);
    assert_eq!(ask(far, None, nginx).await, 403, "not a trusted address");
    assert_eq!(ask(far, Some(&caddy), forwarded).await, 200);
    assert_eq!(ask(far, Some(&caddy), nginx).await, 403, "another family");
    assert_eq!(ask(far, Some("krg_x"), forwarded).await, 403);
    assert_eq!(ask(far, Some(&introspection), forwarded).await, 403);
    assert_eq!(
        ask("127.0.0.1:4000", Some("krg_x"), nginx).await,
        403,
        "a wrong token is not made good by the address"
    );
}

/// Where things are when gateways ask by the public URL: the proxy in front of Keyrack is the peer
/// and adds the address of whoever asked it.
const PROXY: &str = "10.0.0.1:4000";
const EDGE: &str = "203.0.113.9";
const CALLER: &str = "192.0.2.7";

async fn behind_a_proxy() -> TestApp {
    TestApp::open(Needs {
        proxies: vec!["10.0.0.1/32".parse().unwrap()],
        ..Needs::default()
    })
    .await
}

/// The token of a gateway that may only be at this address.
async fn gateway_at(app: &TestApp, kind: &str, addresses: &str) -> String {
    let draft = GatewayDraft {
        audiences: String::new(),
        name: format!("{kind} at one address"),
        kind: kind.to_owned(),
        addresses: addresses.to_owned(),
    };
    let (_, token) = app.services.add_gateway(&app.host, &draft).await.unwrap();
    token.expose().to_owned()
}

/// Where the only gateway was seen last.
async fn seen_at(app: &TestApp) -> String {
    app.services.flush_usage().await.unwrap();
    let gateways = app.services.list_gateways(&app.host).await.unwrap();
    let seen = gateways.into_iter().next().unwrap().last_seen;
    seen.map(|seen| seen.address).unwrap_or_default()
}

#[tokio::test]
async fn a_gateway_that_introspects_through_a_trusted_proxy_counts_by_its_own_address() {
    let app = behind_a_proxy().await;
    let key = app.issue("client_secret", "full").await;
    let form = format!("token={}", app.token(&key).await);
    let token = gateway_at(&app, "introspection", EDGE).await;
    let ask = async |peer: &str, forwarded: &str| {
        let request = Request::post(INTROSPECT)
            .header(header::CONTENT_TYPE, FORM)
            .header("Authorization", format!("Bearer {token}"))
            .header("X-Forwarded-For", forwarded);
        let request = request.body(Body::from(form.clone())).unwrap();
        app.call_from(peer, request).await.status.as_u16()
    };
    assert_eq!(ask(PROXY, EDGE).await, 200);
    assert_eq!(seen_at(&app).await, EDGE);
    assert_eq!(
        ask(PROXY, "203.0.113.9, 198.51.100.1").await,
        401,
        "invented"
    );
    assert_eq!(
        ask("198.51.100.1:4000", EDGE).await,
        401,
        "no trusted proxy"
    );
    assert_eq!(
        ask("203.0.113.9:4000", "198.51.100.1").await,
        200,
        "directly"
    );
}

#[tokio::test]
async fn a_gateway_that_asks_the_gate_through_a_trusted_proxy_is_not_the_caller() {
    let app = behind_a_proxy().await;
    let key = app.issue("legacy", "full").await;
    let token = gateway_at(&app, "nginx", EDGE).await;
    let ask = async |peer: &str, forwarded: &str| {
        let request = Request::get("/v1/verify")
            .header("X-Original-Method", READ.0)
            .header("X-Original-URI", READ.1)
            .header("X-Forwarded-For", forwarded)
            .header("X-Keyrack-Gateway", &token)
            .header("Authorization", key.basic());
        let request = request.body(Body::empty()).unwrap();
        app.call_from(peer, request).await.status.as_u16()
    };
    for forwarded in ["192.0.2.7, 203.0.113.9", "1.1.1.1, 192.0.2.7, 203.0.113.9"] {
        assert_eq!(ask(PROXY, forwarded).await, 200, "{forwarded}");
        assert_eq!(seen_at(&app).await, EDGE);
        let record = app.services.credential(&app.host, key.key_id()).await;
        assert_eq!(record.unwrap().last_use.unwrap().address, CALLER);
    }
    assert_eq!(
        ask(PROXY, "203.0.113.9, 198.51.100.1").await,
        403,
        "invented"
    );
    assert_eq!(ask(PROXY, "").await, 403, "the proxy says nothing");
    assert_eq!(
        ask("198.51.100.1:4000", "192.0.2.7, 203.0.113.9").await,
        403,
        "no trusted proxy"
    );
    assert_eq!(ask("203.0.113.9:4000", CALLER).await, 200, "directly");
}

/// The page fills its configuration with the public URL, and a credential may be bound to addresses.
#[tokio::test]
async fn a_credentials_addresses_are_held_against_the_caller_behind_gateway_and_proxy() {
    let app = behind_a_proxy().await;
    let key = app.issue("legacy", "full").await;
    let record = app.services.credential(&app.host, key.key_id()).await;
    let read = record.unwrap().credential.updated_at;
    let limits = LimitsDraft {
        addresses: CALLER.to_owned(),
        ..LimitsDraft::default()
    };
    app.services
        .limit_credential(&app.host, key.key_id(), &limits, read)
        .await
        .unwrap();
    let token = gateway_at(&app, "nginx", "").await;
    let ask = async |forwarded: &str| {
        let request = Request::get("/v1/verify")
            .header("X-Original-Method", READ.0)
            .header("X-Original-URI", READ.1)
            .header("X-Forwarded-For", forwarded)
            .header("X-Keyrack-Gateway", &token)
            .header("Authorization", key.basic());
        let request = request.body(Body::empty()).unwrap();
        app.call_from(PROXY, request).await.status.as_u16()
    };
    assert_eq!(ask("192.0.2.7, 203.0.113.9").await, 200);
    assert_ne!(ask("192.0.2.8, 203.0.113.9").await, 200);
    assert_ne!(
        ask("192.0.2.7, 192.0.2.8, 203.0.113.9").await,
        200,
        "invented"
    );
}

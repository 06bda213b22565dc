//! `/v1/verify`, as each kind of gateway asks it.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request};
use chrono::TimeDelta;
use domain::catalogue::Catalogue;
use domain::expiry::rfc3339;
use domain::limits::{LimitKind, LimitsDraft};
use proptest::prelude::*;
use serde_json::json;
use server::state::GateMode;

use crate::app::{Answer, Key, READ, TestApp, UNKNOWN, WRITE, basic, default_catalogue, jwt_part};
use crate::faulty::Health;

/// The id of something in the API.
const UUID: &str = "0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69";

/// The legacy pair of headers.
fn pair(key: &Key) -> [(&str, &str); 2] {
    [
        ("APCA-API-KEY-ID", &key.id),
        ("APCA-API-SECRET-KEY", &key.secret),
    ]
}

#[tokio::test]
async fn check_31_a_token_that_is_not_whole_and_ours_is_refused() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "full").await;
    let token = app.token(&key).await;
    app.ask_with_token(READ, &token).await.ok();
    for (at, old) in token.char_indices() {
        let new = if old == 'A' { "B" } else { "A" };
        let mut changed = token.clone();
        changed.replace_range(at..=at, new);
        app.ask_with_token(READ, &changed)
            .await
            .gate_refuses(401, "invalid_token");
    }
    for cut in 0..token.len() {
        app.ask_with_token(READ, &token[..cut])
            .await
            .gate_refuses(401, "invalid_token");
    }
    let parts: Vec<_> = token.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    for forged in [
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{token}."),
        format!("{token}A"),
        format!(".{token}"),
        format!("{token}={}", parts[2]),
        format!("\"{token}\""),
    ] {
        app.ask_with_token(READ, &forged)
            .await
            .gate_refuses(401, "invalid_token");
    }
    // Another issuer's token has the right form.
    let other = TestApp::new().await;
    let foreign = other
        .token(&other.issue("client_secret", "full").await)
        .await;
    app.ask_with_token(READ, &foreign)
        .await
        .gate_refuses(401, "invalid_token");
}

#[tokio::test]
async fn check_31_a_token_ends_at_its_instant() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "full").await;
    let token = app.token(&key).await;
    app.clock.advance(TimeDelta::seconds(899));
    app.ask_with_token(READ, &token).await.ok();
    app.clock.advance(TimeDelta::seconds(1));
    app.ask_with_token(READ, &token)
        .await
        .gate_refuses(401, "invalid_token");
}

#[tokio::test]
async fn check_44_a_legacy_key_works_by_basic_and_by_its_pair_of_headers() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "accounts=read").await;
    let other = app.issue("legacy", "accounts=read").await;
    let by_basic = app
        .ask_gate(READ, &[("Authorization", &key.basic())])
        .await
        .ok();
    let by_pair = app.ask_gate(READ, &pair(&key)).await.ok();
    for answer in [by_basic, by_pair] {
        assert_eq!(answer.header("x-keyrack-key-id"), Some(&*key.id));
        assert_eq!(answer.header("x-keyrack-scope"), Some("accounts:read"));
    }
    let wrong = app
        .ask_gate(READ, &[("Authorization", &basic(&key.id, &other.secret))])
        .await;
    wrong.gate_refuses(401, "invalid_credentials");
    let challenge = r#"Basic realm="keyrack", charset="UTF-8""#;
    assert_eq!(wrong.header("www-authenticate"), Some(challenge));
    for (id, secret) in [
        ("KRAAAAAAAAAAAAAAAAAAAA", &*other.secret),
        (&*key.id, "nonsense"),
        (&*key.id, ""),
        ("", &*key.secret),
        (&*key.id.to_lowercase(), &*key.secret),
        (&*format!(" {}", key.id), &*key.secret),
        (&*key.id, &*format!("{}:", key.secret)),
        (&*key.id, &*format!("{}\0", key.secret)),
        (&*key.id, &*format!("{}\n", key.secret)),
        // Not form-decoded: this is RFC 7617, not RFC 6749.
        (&*key.id, &*key.secret.replace('_', "%5F")),
    ] {
        let answer = app
            .ask_gate(READ, &[("Authorization", &basic(id, secret))])
            .await;
        assert_eq!(without_id(&answer), without_id(&wrong), "{id:?} {secret:?}");
    }
    for header in ["Basic", "Basic !", "Basic YWJj"] {
        let answer = app.ask_gate(READ, &[("Authorization", header)]).await;
        assert_eq!(without_id(&answer), without_id(&wrong), "{header}");
    }
    let (id, secret) = (&*key.id, &*other.secret);
    let wrong_pair = [("APCA-API-KEY-ID", id), ("APCA-API-SECRET-KEY", secret)];
    let answer = app.ask_gate(READ, &wrong_pair).await;
    answer.gate_refuses(401, "invalid_credentials");
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Bearer realm="keyrack""#)
    );
}

fn without_id(answer: &Answer) -> (u16, Option<&str>, serde_json::Value) {
    let mut body = answer.json();
    body["request_id"] = "…".into();
    (
        answer.status.as_u16(),
        answer.header("www-authenticate"),
        body,
    )
}

#[tokio::test]
async fn check_45_an_oauth_client_does_not_work_as_legacy() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "full").await;
    let answer = app.ask_gate(READ, &[("Authorization", &key.basic())]).await;
    answer.gate_refuses(401, "invalid_credentials");
    app.ask_gate(READ, &pair(&key))
        .await
        .gate_refuses(401, "invalid_credentials");
}

#[tokio::test]
async fn check_46_read_access_reads_and_nothing_else() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "journaling=read").await;
    let token = app.token(&key).await;
    for method in ["GET", "HEAD", "OPTIONS"] {
        app.ask_with_token((method, "/v1/journals?limit=5"), &token)
            .await
            .ok();
    }
    let journal = format!("/v1/journals/{UUID}");
    for call in [("POST", "/v1/journals"), ("DELETE", &*journal)] {
        let answer = app.ask_with_token(call, &token).await;
        answer.gate_refuses(403, "insufficient_scope");
        let body = answer.json();
        assert_eq!(
            body["message"],
            "needs journaling:write, this key has journaling:read"
        );
        assert_eq!(body["required"], json!(["journaling:write"]));
        assert_eq!(body["have"], json!(["journaling:read"]));
        let challenge =
            r#"Bearer realm="keyrack", error="insufficient_scope", scope="journaling:write""#;
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
    }
    for method in [
        "PUT", "PATCH", "get", "Get", "FOO", "TRACE", "CONNECT", "POST,GET",
    ] {
        let answer = app.ask_with_token((method, "/v1/journals"), &token).await;
        answer.gate_refuses(403, "path_not_allowed");
    }
    // A call that only looks like a write.
    let key = app.issue("client_secret", "trading=read").await;
    let token = app.token(&key).await;
    let orders = &*format!("/v1/trading/accounts/{UUID}/orders");
    app.ask_with_token(("POST", &format!("{orders}/estimation")), &token)
        .await
        .ok();
    app.ask_with_token(("POST", orders), &token)
        .await
        .gate_refuses(403, "insufficient_scope");
}

#[tokio::test]
async fn check_47_without_credentials_nobody_is_accused() {
    let app = TestApp::new().await;
    let nothing = app.ask_gate(READ, &[]).await;
    nothing.gate_refuses(401, "no_credentials");
    assert_eq!(
        nothing.header("www-authenticate"),
        Some(r#"Bearer realm="keyrack""#)
    );
    // The path is not told to strangers.
    app.ask_gate(UNKNOWN, &[])
        .await
        .gate_refuses(401, "no_credentials");
    for bearer in ["Bearer", "Bearer ", "Bearer x", "bearer a.b.c"] {
        let bad = app.ask_gate(READ, &[("Authorization", bearer)]).await;
        bad.gate_refuses(401, "invalid_token");
        let challenge = r#"Bearer realm="keyrack", error="invalid_token""#;
        assert_eq!(bad.header("www-authenticate"), Some(challenge));
    }
    let token = app.token(&app.issue("client_secret", "full").await).await;
    let uri = format!("/v1/accounts?access_token={token}");
    app.ask_gate(("GET", &uri), &[])
        .await
        .gate_refuses(401, "no_credentials");
}

#[tokio::test]
async fn credentials_of_two_kinds_or_sent_twice_are_refused() {
    let app = TestApp::new().await;
    let token = format!(
        "Bearer {}",
        app.token(&app.issue("client_secret", "full").await).await
    );
    let legacy = app.issue("legacy", "full").await;
    let (bearer, by_basic) = (
        ("Authorization", &*token),
        ("Authorization", &*legacy.basic()),
    );
    let [id, secret] = pair(&legacy);
    let unclear: [&[(&str, &str)]; 10] = [
        &[bearer, bearer],
        &[bearer, by_basic],
        &[bearer, id, secret],
        &[by_basic, id, secret],
        &[bearer, id],
        &[id],
        &[secret],
        &[id, id, secret],
        &[id, secret, secret],
        &[("Authorization", "Digest x")],
    ];
    for headers in unclear {
        let answer = app.ask_gate(READ, headers).await;
        answer.gate_refuses(401, "unclear_credentials");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer ")
        );
    }
}

#[tokio::test]
async fn check_48_what_the_catalogue_or_the_matrix_lacks_is_refused() {
    let app = TestApp::new().await;
    let token = app.token(&app.issue("client_secret", "full").await).await;
    for path in [
        "/v1/nowhere",
        "/",
        "/v1",
        "/v1/accounts/a/b/c/d",
        "/v1/verify",
        "/V1/accounts",
    ] {
        app.ask_with_token(("GET", path), &token)
            .await
            .gate_refuses(403, "path_not_allowed");
    }
    let token = app
        .token(&app.issue("client_secret", "accounts=write").await)
        .await;
    for (path, code) in [
        ("/v1/accounts/positions", "insufficient_scope"),
        ("/v1/accounts/Positions", "path_variant"),
        ("/v1/accounts/POSITIONS", "path_variant"),
        ("/v1/accounts/positions.json", "path_variant"),
        ("/v1/accounts/positions%2Ejson", "path_variant"),
        ("/v1/accounts/positions/cip", "path_value"),
        ("/v1/accounts/41f2", "path_value"),
    ] {
        let answer = app.ask_with_token(("GET", path), &token).await;
        answer.gate_refuses(403, code);
    }
    let answer = app.ask_with_token(("GET", "/v1/journals"), &token).await;
    answer.gate_refuses(403, "insufficient_scope");
    let body = answer.json();
    assert_eq!(
        body["message"],
        "needs journaling:read, this key has no access to journaling"
    );
    assert_eq!(
        (&body["required"], &body["have"]),
        (&json!(["journaling:read"]), &json!([]))
    );
}

#[tokio::test]
async fn check_49_paths_that_could_be_read_in_two_ways_are_refused() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "full").await;
    let long = format!("/v1/accounts/{}", "a".repeat(9_000));
    let twisted = [
        "/v1/../v1/accounts",
        "/v1/./accounts",
        "/v1/journals/..",
        "/v1/%2e%2e/accounts",
        "/v1/%2E./accounts",
        "/v1%2faccounts",
        "/v1%5Caccounts",
        "/v1\\accounts",
        "//v1/accounts",
        "/v1//accounts",
        "/v1/accounts/",
        "/v1/accounts;x=1",
        "/v1/accounts%3Bx",
        "/v1/accounts%00",
        "/v1/accounts%",
        "/v1/accounts%zz",
        "/v1/accounts%4",
        "/v1/%EF%BD%81ccounts",
        "/v1/accounts%0d%0a",
        "/v1/%2561ccounts",
        "/v1/accounts#x",
        "https://api.example.com/v1/accounts",
        "v1/accounts",
        "*",
        "?/v1/accounts",
        &long,
    ];
    for path in twisted {
        let answer = app.ask_gate(("GET", path), &pair(&key)).await;
        answer.gate_refuses(403, "path_not_allowed");
        assert!(
            !answer.json()["message"].as_str().unwrap().contains("v1"),
            "it echoes {path}"
        );
    }
    for path in [
        "/v1/accounts",
        "/v1/%61ccounts",
        "/v1/accounts?a=/../&b=%00;//",
        "/v1/accounts?",
        "/v1/assets/BTC%2FUSD",
        "/v1/assets/J%C3%BCrgen%20100%25",
    ] {
        app.ask_gate(("GET", path), &pair(&key)).await.ok();
    }
}

/// A question of a gateway, header by header.
async fn ask(app: &TestApp, uri: &str, key: &Key, headers: &[(&str, &[u8])]) -> Answer {
    let mut request = Request::get(uri).header("Authorization", key.basic());
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    app.call(request.body(Body::empty()).unwrap()).await
}

const NGINX: [(&str, &[u8]); 2] = [
    ("X-Original-Method", b"GET"),
    ("X-Original-URI", b"/v1/accounts"),
];
const FORWARDED: [(&str, &[u8]); 2] = [
    ("X-Forwarded-Method", b"GET"),
    ("X-Forwarded-Uri", b"/v1/accounts"),
];

#[tokio::test]
async fn check_50_only_the_configured_family_of_headers_counts() {
    for mode in [
        GateMode::Nginx,
        GateMode::Caddy,
        GateMode::Traefik,
        GateMode::Envoy,
    ] {
        let app = TestApp::with(mode, default_catalogue()).await;
        let key = app.issue("legacy", "accounts=read").await;
        let (ours, other) = match mode {
            GateMode::Nginx => (NGINX, FORWARDED),
            _ => (FORWARDED, NGINX),
        };
        let evil = [
            (other[0].0, b"POST".as_slice()),
            (other[1].0, b"/v1/journals"),
        ];
        if mode == GateMode::Envoy {
            let everything = [ours, evil].concat();
            ask(&app, "/v1/verify/v1/accounts?x=1", &key, &everything)
                .await
                .ok();
            for uri in [
                "/v1/verify",
                "/v1/verify/",
                "/v1/verify/v1/nowhere",
                "/v1/verify//v1/accounts",
            ] {
                ask(&app, uri, &key, &everything)
                    .await
                    .gate_refuses(403, "path_not_allowed");
            }
            continue;
        }
        ask(&app, "/v1/verify", &key, &ours).await.ok();
        ask(&app, "/v1/verify", &key, &[ours, evil].concat())
            .await
            .ok();
        let [method, uri] = ours;
        let unclear: [&[(&str, &[u8])]; 9] = [
            &[],
            &other,
            &[method],
            &[uri],
            &[method, method, uri],
            &[method, uri, uri],
            &[method, (uri.0, b"")],
            &[(method.0, b""), uri],
            &[method, (uri.0, b"/v1/\xef\xbd\x81ccounts")],
        ];
        for headers in unclear {
            ask(&app, "/v1/verify", &key, headers)
                .await
                .gate_refuses(403, "unclear_call");
        }
        // Only Envoy appends a path.
        for uri in ["/v1/verify/", "/v1/verify/v1/accounts"] {
            ask(&app, uri, &key, &ours)
                .await
                .gate_refuses(403, "unclear_call");
        }
    }
}

#[tokio::test]
async fn check_50_method_overrides_and_the_questions_own_method_do_not_count() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "journaling=read").await;
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
    ] {
        let mut headers = pair(&key).to_vec();
        headers.push((name, "GET"));
        app.ask_gate(WRITE, &headers)
            .await
            .gate_refuses(403, "insufficient_scope");
        headers.last_mut().unwrap().1 = "POST";
        app.ask_gate(("GET", "/v1/journals"), &headers).await.ok();
    }
    for method in [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::HEAD,
    ] {
        for (original, expected) in [("GET", 200), ("POST", 403)] {
            let request = Request::builder()
                .method(method.clone())
                .uri("/v1/verify")
                .header("Authorization", key.basic())
                .header("X-Original-Method", original)
                .header("X-Original-URI", "/v1/journals")
                .body(Body::empty())
                .unwrap();
            assert_eq!(
                app.call(request).await.status,
                expected,
                "{method} {original}"
            );
        }
    }
}

#[tokio::test]
async fn check_51_only_trusted_gateways_may_ask() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "full").await;
    for (peer, expected) in [
        ("127.0.0.1:1", 200),
        ("127.9.9.9:1", 200),
        ("[::1]:1", 200),
        ("[::ffff:127.0.0.1]:1", 200),
        ("192.0.2.1:1", 403),
        ("[::ffff:192.0.2.1]:1", 403),
        ("[::2]:1", 403),
        ("[2001:db8::1]:1", 403),
        ("0.0.0.0:1", 403),
    ] {
        let request = Request::get("/v1/verify")
            .header("Authorization", key.basic())
            .header("X-Original-Method", "GET")
            .header("X-Original-URI", "/v1/accounts")
            .header("X-Forwarded-For", "127.0.0.1")
            .header("X-Real-IP", "127.0.0.1");
        let answer = app
            .call_from(peer, request.body(Body::empty()).unwrap())
            .await;
        assert_eq!(answer.status, expected, "{peer}");
        if expected == 403 {
            answer.gate_refuses(403, "untrusted_gateway");
        }
    }
}

#[tokio::test]
async fn check_51_the_query_of_the_question_has_no_effect() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "accounts=read").await;
    let write = [NGINX[1], ("X-Original-Method", b"POST".as_slice())];
    for query in [
        "?scope=accounts:write",
        "?X-Original-Method=GET",
        "?/v1/accounts",
        "?",
    ] {
        let uri = format!("/v1/verify{query}");
        ask(&app, &uri, &key, &NGINX).await.ok();
        ask(&app, &uri, &key, &write)
            .await
            .gate_refuses(403, "insufficient_scope");
    }
}

#[tokio::test]
async fn check_52_an_allowed_call_names_its_caller_in_ascii() {
    let app = TestApp::new().await;
    let key = app.issue("client_secret", "accounts=read data=read").await;
    let record = app
        .services
        .credential(&app.host, key.key_id())
        .await
        .unwrap()
        .credential;
    let draft = domain::draft::CredentialDraft {
        name: "Größe 100%".to_owned(),
        purpose: record.purpose.to_string(),
        owner: record.owner.to_string(),
        expires: "keep".to_owned(),
        access: "custom".to_owned(),
        levels: [("accounts", "read"), ("data", "read")]
            .map(|(scope, level)| (scope.to_owned(), level.to_owned()))
            .into(),
        ..Default::default()
    };
    let change = service::CredentialChange {
        draft,
        read: record.updated_at,
    };
    app.services
        .edit_credential(&app.host, key.key_id(), &change)
        .await
        .unwrap();
    let answer = app.ask_with_token(READ, &app.token(&key).await).await.ok();
    assert_eq!(answer.header("x-keyrack-key-id"), Some(&*key.id));
    assert_eq!(
        answer.header("x-keyrack-name"),
        Some("Gr%C3%B6%C3%9Fe 100%25")
    );
    assert_eq!(
        answer.header("x-keyrack-scope"),
        Some("accounts:read data:read")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("x-request-id").is_some());
    assert!(answer.body.is_empty());
    assert_eq!(app.metrics.gate_allowed.get(), 1);
}

#[tokio::test]
async fn check_53_a_store_that_fails_or_hangs_lets_nobody_through() {
    for mode in [GateMode::Nginx, GateMode::Caddy] {
        let app = TestApp::with(mode, default_catalogue()).await;
        let expected = if mode == GateMode::Nginx { 403 } else { 503 };
        for health in [Health::Failing, Health::Hanging] {
            // What was remembered is trusted for less than a second.
            let key = app.issue("legacy", "full").await;
            let token = app.token(&app.issue("client_secret", "full").await).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            app.store.set(health);
            for authorization in [key.basic(), format!("Bearer {token}")] {
                let request = Request::get("/v1/verify")
                    .header("Authorization", authorization)
                    .header(NGINX[0].0, "GET")
                    .header(NGINX[1].0, "/v1/accounts")
                    .header(FORWARDED[0].0, "GET")
                    .header(FORWARDED[1].0, "/v1/accounts");
                let began = Instant::now();
                let answer = app.call(request.body(Body::empty()).unwrap()).await;
                assert!(began.elapsed() < Duration::from_secs(2), "{health:?}");
                answer.gate_refuses(expected, "temporarily_unavailable");
                assert_eq!(answer.header("retry-after"), Some("5"));
                assert!(!String::from_utf8_lossy(&answer.body).contains("SECRET-CAUSE"));
            }
            app.store.set(Health::Well);
        }
        assert_eq!(app.metrics.gate_unavailable.get(), 4);
    }
}

#[tokio::test]
async fn what_is_done_to_a_credential_bites_on_the_next_call() {
    let app = TestApp::new().await;
    let oauth = app.issue("client_secret", "accounts=write").await;
    let legacy = app.issue("legacy", "accounts=write").await;
    let token = app.token(&oauth).await;
    app.ask_with_token(READ, &token).await.ok();
    app.ask_gate(READ, &pair(&legacy)).await.ok();
    app.quarantine(&oauth).await;
    app.quarantine(&legacy).await;
    app.ask_with_token(READ, &token)
        .await
        .gate_refuses(401, "invalid_token");
    app.ask_gate(READ, &pair(&legacy))
        .await
        .gate_refuses(401, "invalid_credentials");
}

#[tokio::test]
async fn check_87_a_legacy_key_is_dead_at_its_instant() {
    let app = TestApp::new().await;
    let end = app.services.now() + TimeDelta::hours(2);
    let key = app.issue_until("legacy", "full", &rfc3339(end)).await;
    app.clock
        .advance(TimeDelta::hours(2) - TimeDelta::seconds(1));
    app.ask_gate(READ, &pair(&key)).await.ok();
    app.clock.advance(TimeDelta::seconds(1));
    app.ask_gate(READ, &pair(&key))
        .await
        .gate_refuses(401, "invalid_credentials");
}

#[tokio::test]
async fn the_last_use_has_the_callers_address_as_the_gateway_saw_it() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "full").await;
    let mut headers = pair(&key).to_vec();
    headers.push(("X-Forwarded-For", "10.6.6.6, 192.0.2.44"));
    app.ask_gate(("GET", &format!("/v1/accounts/{UUID}?x=1")), &headers)
        .await
        .ok();
    app.services.flush_usage().await.unwrap();
    let record = app
        .services
        .credential(&app.host, key.key_id())
        .await
        .unwrap();
    let last_use = record.last_use.unwrap();
    assert_eq!(last_use.address, "192.0.2.44");
    assert_eq!(last_use.endpoint, "GET /v1/accounts/{account_id:uuid}");
}

#[tokio::test]
async fn a_deployments_own_catalogue_goes_from_issue_to_token_to_gate() {
    let catalogue: Catalogue = toml::from_str(
        r#"
        name = "Library"
        version = "1"
        [[scope]]
        name = "books"
        title = "Books"
        description = "The shelves."
        endpoints = [
            { method = "GET", path = "/books", summary = "List" },
            { method = "PUT", path = "/books/{isbn}", summary = "Shelve" },
        ]
        [[scope]]
        name = "loans"
        title = "Loans"
        description = "Who has what."
        endpoints = [{ method = "POST", path = "/loans", summary = "Lend" }]
        [[scope]]
        name = "opening_hours"
        title = "Opening hours"
        description = "When to come."
        endpoints = [{ method = "GET", path = "/hours", summary = "Show" }]
        "#,
    )
    .unwrap();
    let app = TestApp::with(GateMode::Nginx, catalogue).await;
    let key = app
        .issue("client_secret", "books=write opening_hours=read")
        .await;
    let token = app.token(&key).await;
    assert_eq!(
        jwt_part(&token, 1)["scope"],
        "books:read books:write opening_hours:read"
    );
    let calls = [
        ("GET", "/books", 200),
        ("PUT", "/books/978", 200),
        ("GET", "/hours", 200),
        ("POST", "/loans", 403),
        ("GET", "/v1/accounts", 403),
    ];
    for (method, path, expected) in calls {
        assert_eq!(
            app.ask_with_token((method, path), &token).await.status,
            expected,
            "{path}"
        );
    }
    let refused = app.ask_with_token(("POST", "/loans"), &token).await.json();
    assert_eq!(refused["required"], json!(["loans:write"]));
}

/// One app for all cases of the property below.
static ENDLESS: LazyLock<(tokio::runtime::Runtime, TestApp, Key)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (app, key) = runtime.block_on(async {
        let app = TestApp::new().await;
        let key = app.issue("legacy", "full").await;
        let basic = key.basic();
        let headers = [("authorization", basic.as_str())];
        app.ask_gate(READ, &headers).await.ok();
        (app, key)
    });
    (runtime, app, key)
});

fn a_piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "v1",
        "accounts",
        "journals",
        "assets",
        "trading",
        "orders",
        UUID,
        "positions",
        "Positions",
        "positions.json",
        "a.b",
        "..",
        ".",
        "%2e",
        "%2E%2e",
        "%2f",
        "%5c",
        "\\",
        ";",
        "%3b",
        "%00",
        "%",
        "%z",
        "%61ccounts",
        "?",
        "#",
        " ",
        "",
        "ａ",
        "//",
        "*",
        "http:",
        "@",
        ":",
        "&",
        "=",
        "+",
        "\t",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => "[ -~]{0,6}", 1 => "\\PC{0,3}"]
}

/// Whether a target is in plain form and in the catalogue with this method, worked out naively.
fn is_plain_and_known(catalogue: &Catalogue, method: &str, target: &str) -> bool {
    let path = target.split('?').next().unwrap();
    let Ok(decoded) = percent_encoding::percent_decode_str(path).decode_utf8() else {
        return false;
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte);
    let segments: Vec<_> = decoded.split('/').skip(1).collect();
    if !path.starts_with('/')
        || path.matches('/').count() != segments.len()
        || !segments
            .iter()
            .all(|s| !matches!(*s, "" | "." | "..") && s.bytes().all(is_plain))
    {
        return false;
    }
    let fits = |template: &str| {
        let template: Vec<_> = template.split('/').skip(1).collect();
        let mut both = template.iter().zip(&segments);
        template.len() == segments.len()
            && both.all(|(t, s)| {
                let is_value = t.starts_with('{') && (!t.ends_with(":uuid}") || *s == UUID);
                is_value || t == s
            })
    };
    let mut endpoints = catalogue.scopes().iter().flat_map(|scope| &scope.endpoints);
    endpoints.any(|endpoint| {
        let name = endpoint.method.as_str();
        let same = name == method || method == "OPTIONS" || (method == "HEAD" && name == "GET");
        same && fits(&endpoint.path)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// A full-access key, so that only the path decides.
    #[test]
    fn no_twisted_call_gets_through(
        method in prop_oneof![
            6 => prop::sample::select(vec!["GET", "POST", "DELETE", "HEAD", "OPTIONS"])
                .prop_map(str::to_owned),
            1 => "[A-Za-z ]{0,8}",
        ],
        pieces in prop::collection::vec(a_piece(), 0..7),
        separators in prop::collection::vec(prop::sample::select(vec!["/", "/", "/", "/", "//", ""]), 8),
    ) {
        let target: String =
            separators.iter().zip(&pieces).flat_map(|(s, p)| [*s, p.as_str()]).collect();
        let (runtime, app, key) = &*ENDLESS;
        let header = |text: &str| HeaderValue::from_bytes(text.as_bytes()).ok();
        let (Some(method_header), Some(target_header)) = (header(&method), header(&target)) else {
            // Not even a header.
            return Ok(());
        };
        let request = Request::get("/v1/verify")
            .header("Authorization", key.basic())
            .header(HeaderName::from_static("x-original-method"), method_header)
            .header(HeaderName::from_static("x-original-uri"), target_header)
            .body(Body::empty())
            .unwrap();
        let answer = runtime.block_on(app.call(request));
        if answer.status == 200 {
            let catalogue = app.services.catalogue();
            prop_assert!(is_plain_and_known(&catalogue, &method, &target), "{method} {target}");
        } else {
            prop_assert_eq!(answer.status, 403);
        }
    }
}

/// The limit of the next test, in the words of the headers.
const POLICY: &str = "\"calls\";q=2;w=60";

#[tokio::test]
async fn a_limit_on_calls_is_told_in_headers_and_refuses_in_every_mode() {
    for (mode, status) in [(GateMode::Nginx, 403), (GateMode::Caddy, 429)] {
        let app = TestApp::with(mode, default_catalogue()).await;
        let key = app.issue("legacy", "accounts=read").await;
        let draft = LimitsDraft {
            per_minute: "2".into(),
            ..Default::default()
        };
        app.limit(&key, &draft).await;
        let family = match mode {
            GateMode::Nginx => ["X-Original-Method", "X-Original-URI"],
            _ => ["X-Forwarded-Method", "X-Forwarded-Uri"],
        };
        let ask = async || {
            let request = Request::get("/v1/verify")
                .header(family[0], READ.0)
                .header(family[1], READ.1)
                .header("Authorization", key.basic());
            app.call(request.body(Body::empty()).unwrap()).await
        };
        for (left, whole_in) in [(1, 30), (0, 60)] {
            let answer = ask().await.ok();
            let expected = format!("\"calls\";r={left};t={whole_in}");
            assert_eq!(answer.header("ratelimit"), Some(expected.as_str()));
            assert_eq!(answer.header("ratelimit-policy"), Some(POLICY));
            assert_eq!(answer.header("retry-after"), None);
        }
        // The client has to wait a whole second for a part of one.
        app.clock.advance(TimeDelta::milliseconds(100));
        let answer = ask().await;
        answer.gate_refuses(status, "rate_limited");
        assert_eq!(answer.header("retry-after"), Some("30"));
        assert_eq!(answer.header("ratelimit"), Some("\"calls\";r=0;t=30"));
        assert_eq!(answer.header("ratelimit-policy"), Some(POLICY));
    }
}

#[tokio::test]
async fn a_limit_on_calls_that_only_reports_lets_them_through_and_is_not_told() {
    let app = TestApp::new().await;
    let key = app.issue("legacy", "accounts=read").await;
    let draft = LimitsDraft {
        addresses: "203.0.113.0/24".into(),
        per_minute: "1".into(),
        report_only: [LimitKind::Calls].into(),
        ..Default::default()
    };
    app.limit(&key, &draft).await;
    let basic = key.basic();
    let ask = async |from: &str| {
        let headers = [("Authorization", &*basic), ("X-Forwarded-For", from)];
        app.ask_gate(READ, &headers).await
    };
    ask("203.0.113.7").await.ok();
    let beyond = ask("203.0.113.7").await.ok();
    assert_eq!(beyond.header("ratelimit"), None);
    let decision = app.decision(&beyond).await;
    assert_eq!(
        (decision.allowed, &*decision.reason),
        (true, "rate_limited")
    );
    // The other limit is one that refuses.
    let outside = ask("192.0.2.7").await;
    outside.gate_refuses(403, "address_not_allowed");
    assert_eq!(outside.header("retry-after"), None);
}

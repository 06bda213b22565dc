//! Traefik and Envoy as people may configure them otherwise than `docs/gateways` does: what each sends for a
//! call, header by header as its documentation says, and what the gate makes of it.

use axum::body::Body;
use axum::http::{Request, header};
use domain::limits::LimitsDraft;
use server::state::GateMode;

use crate::app::{Key, TestApp, default_catalogue};
use crate::gateways::SPOOFED;

/// Where the client is, as the gateway sees it.
const CLIENT: &str = "203.0.113.7";
/// Where Envoy is.
const ENVOY: &str = "10.0.0.2";

/// A call that a client makes of the gateway.
struct Call<'a> {
    method: &'a str,
    target: &'a str,
    headers: Vec<(&'a str, &'a str)>,
}

/// Traefik's ForwardAuth copies the client's headers, and sets `X-Forwarded-*` over them:
/// <https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/forwardauth/>.
/// It asks by GET, or with `preserveRequestMethod` by the method of the call.
fn traefik(call: &Call<'_>, preserves_method: bool) -> Request<Body> {
    let method = if preserves_method { call.method } else { "GET" };
    let mut request = Request::builder().method(method).uri("/v1/verify");
    let set = [
        ("X-Forwarded-Method", call.method),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "api.example.com"),
        ("X-Forwarded-Uri", call.target),
        ("X-Forwarded-For", CLIENT),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Server", "edge-1"),
        ("X-Real-Ip", CLIENT),
    ];
    let is_set = |name: &str| set.iter().any(|(set, _)| set.eq_ignore_ascii_case(name));
    let copied = call.headers.iter().filter(|(name, _)| !is_set(name));
    for (name, value) in copied.chain(&set) {
        request = request.header(*name, *value);
    }
    let request = request
        .header(header::HOST, "127.0.0.1:3000")
        .header(header::ACCEPT_ENCODING, "gzip");
    request.body(Body::empty()).unwrap()
}

/// Which of the client's headers Envoy sends along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// Those of `docs/gateways/envoy.yaml`.
    AsDocumented,
    /// All: somebody's `allowed_headers` has a pattern for every name.
    All,
}

/// Envoy's `ext_authz` over HTTP keeps the method and appends the target to `path_prefix`; of the
/// headers it sends `Host`, `Content-Length: 0`, `Authorization`, and those of `allowed_headers`:
/// <https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto>.
/// With `use_remote_address` it puts the client last into `X-Forwarded-For`.
fn envoy(call: &Call<'_>, allowed: Allowed) -> Request<Body> {
    let mut request = Request::builder()
        .method(call.method)
        .uri(format!("/v1/verify{}", call.target))
        .header(header::HOST, "api.example.com")
        .header(header::CONTENT_LENGTH, "0")
        .header("x-envoy-internal", "true")
        .header("x-envoy-expected-rq-timeout-ms", "2000");
    let mut chain = Vec::new();
    for (name, value) in &call.headers {
        let name = name.to_ascii_lowercase();
        let is_documented = matches!(
            &*name,
            "authorization" | "apca-api-key-id" | "apca-api-secret-key"
        );
        if name == "x-forwarded-for" {
            chain.push(*value);
        } else if is_documented || allowed == Allowed::All {
            request = request.header(name, *value);
        }
    }
    chain.push(CLIENT);
    let request = request.header("x-forwarded-for", chain.join(","));
    request.body(Body::empty()).unwrap()
}

/// Calls with a key that reads accounts and journals: what the gate says to each.
const CALLS: [(&str, &str, Result<(), &str>); 14] = [
    ("GET", "/v1/accounts", Ok(())),
    ("GET", "/v1/accounts?a=%2F..//&scope=x", Ok(())),
    ("GET", "/v1/%61ccounts", Ok(())),
    ("HEAD", "/v1/accounts", Ok(())),
    ("POST", "/v1/journals", Err("insufficient_scope")),
    (
        "DELETE",
        "/v1/accounts/0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69",
        Err("insufficient_scope"),
    ),
    ("GET", "/v1/accounts/Positions", Err("path_variant")),
    ("GET", "/v1/accounts/41f2", Err("path_value")),
    ("GET", "/v1/nowhere", Err("path_not_allowed")),
    ("GET", "/v1/x/../accounts", Err("path_not_allowed")),
    ("GET", "/v1//accounts", Err("path_not_allowed")),
    ("GET", "/v1/accounts/", Err("path_not_allowed")),
    ("GET", "/v1%2faccounts", Err("path_not_allowed")),
    ("get", "/v1/accounts", Err("path_not_allowed")),
];

/// More that a client may send to pass for somebody else, or for another call.
const SPOOFED_TOO: [(&str, &str); 6] = [
    ("X-Envoy-Original-Path", "/v1/accounts"),
    ("X-Envoy-External-Address", "10.0.0.1"),
    ("X-Rewrite-Url", "/v1/accounts"),
    ("X-Forwarded-Prefix", "/v1"),
    ("X-Real-Ip", "10.0.0.1"),
    ("Forwarded", "for=10.0.0.1;host=evil.example"),
];

/// Sends every call, plain and with everything spoofed, and by each kind of credentials.
async fn decides_each_call(mode: GateMode, ask: impl Fn(&Call<'_>) -> Request<Body>) {
    let app = TestApp::with(mode, default_catalogue()).await;
    let access = "accounts=read journaling=read";
    let oauth = app.issue("client_secret", access).await;
    let bearer = format!("Bearer {}", app.token(&oauth).await);
    let legacy = app.issue("legacy", access).await;
    let basic = legacy.basic();
    let credentials: [&[(&str, &str)]; 3] = [
        &[("Authorization", &bearer)],
        &[("Authorization", &basic)],
        &[
            ("APCA-API-KEY-ID", &legacy.id),
            ("APCA-API-SECRET-KEY", &legacy.secret),
        ],
    ];
    for (method, target, expected) in CALLS {
        for spoofed in [vec![], [&SPOOFED[..], &SPOOFED_TOO].concat()] {
            for credentials in credentials {
                let headers = [credentials, &spoofed].concat();
                let call = Call {
                    method,
                    target,
                    headers,
                };
                let answer = app.call(ask(&call)).await;
                match expected {
                    Ok(()) => assert_eq!(answer.status, 200, "{method} {target}"),
                    Err(code) => answer.gate_refuses(403, code),
                }
            }
            let call = Call {
                method,
                target,
                headers: spoofed,
            };
            assert_eq!(app.call(ask(&call)).await.status, 401, "{method} {target}");
        }
    }
    for key in [oauth, legacy] {
        assert_eq!(last_address(&app, &key).await, CLIENT);
    }
}

async fn last_address(app: &TestApp, key: &Key) -> String {
    app.services.flush_usage().await.unwrap();
    let record = app.services.credential(&app.host, key.key_id()).await;
    record.unwrap().last_use.unwrap().address
}

#[tokio::test]
async fn check_50_traefik_asks_as_its_documents_say() {
    for preserves_method in [false, true] {
        decides_each_call(GateMode::Traefik, |call| traefik(call, preserves_method)).await;
    }
}

#[tokio::test]
async fn check_50_envoy_asks_as_its_documents_say() {
    for allowed in [Allowed::AsDocumented, Allowed::All] {
        decides_each_call(GateMode::Envoy, |call| envoy(call, allowed)).await;
    }
}

/// Envoy before 1.28 puts its own address behind the client's in the question, so a list with the
/// client's address refuses the call: closed, not open.
#[tokio::test]
async fn an_envoy_that_names_itself_as_the_client_is_taken_at_its_word() {
    let app = TestApp::with(GateMode::Envoy, default_catalogue()).await;
    let key = app.issue("legacy", "accounts=read").await;
    let basic = key.basic();
    let call = Call {
        method: "GET",
        target: "/v1/accounts",
        headers: vec![("Authorization", &basic)],
    };
    let limits = LimitsDraft {
        addresses: CLIENT.to_owned(),
        ..LimitsDraft::default()
    };
    app.limit(&key, &limits).await;
    app.call(envoy(&call, Allowed::AsDocumented)).await.ok();
    let mut older = envoy(&call, Allowed::AsDocumented);
    let chain = format!("{CLIENT},{ENVOY}").parse().unwrap();
    older.headers_mut().insert("x-forwarded-for", chain);
    app.call(older)
        .await
        .gate_refuses(403, "address_not_allowed");
}

//! Real nginx, Caddy, Traefik and Envoy with the configurations of `docs/gateways`, as they are and with the
//! files that the page "Gateways" gives, a Keyrack behind, and an API that says what reached it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ::app::features::gateways::configuration;
use domain::gateway::GatewayKind;
use domain::limits::LimitsDraft;
use domain::scope::Level;
use serde_json::json;
use server::state::GateMode;
use service::GatewayDraft;

use crate::app::{Answer, Needs, TestApp, default_catalogue};
use crate::faulty::Health;
use crate::proxies::{Proxy, alike, fill, start_echo};
use crate::wire;

const NGINX: &str = include_str!("../../../docs/gateways/nginx.conf");
const CADDYFILE: &str = include_str!("../../../docs/gateways/Caddyfile");
const TRAEFIK: &str = include_str!("../../../docs/gateways/traefik.yaml");
const ENVOY: &str = include_str!("../../../docs/gateways/envoy.yaml");

/// A gateway with what is behind it.
pub struct Gateway {
    pub app: TestApp,
    mode: GateMode,
    pub address: SocketAddr,
    /// How many calls the API got.
    calls: Arc<AtomicU32>,
    proxy: Proxy,
}

impl Gateway {
    /// One that is trusted for its address.
    pub async fn start(mode: GateMode) -> Self {
        let app = TestApp::with(mode, default_catalogue()).await;
        let keyrack = app.serve().await;
        let site = match mode {
            GateMode::Nginx => NGINX,
            GateMode::Caddy => CADDYFILE,
            GateMode::Traefik => TRAEFIK,
            GateMode::Envoy => ENVOY,
        };
        let site = fill(site, &[("127.0.0.1:3000", &keyrack.to_string())]);
        Self::run(app, mode, &site).await
    }

    /// One that shows a token, with the configuration that the page "Gateways" gives. Its address is not
    /// trusted, and nor is its kind the configured one.
    async fn start_by_token(kind: GatewayKind) -> Self {
        let mode = GateMode::of(kind).unwrap();
        let another = match mode {
            GateMode::Envoy => GateMode::Nginx,
            _ => GateMode::Envoy,
        };
        let app = TestApp::open(Needs {
            mode: another,
            gateways: vec!["192.0.2.1/32".parse().unwrap()],
            ..Needs::default()
        })
        .await;
        let keyrack = app.serve().await;
        let draft = GatewayDraft {
            audiences: String::new(),
            name: "edge".to_owned(),
            kind: kind.as_str().to_owned(),
            addresses: "127.0.0.1".to_owned(),
        };
        let (_, token) = app.services.add_gateway(&app.host, &draft).await.unwrap();
        let site = configuration(kind, &format!("http://{keyrack}"), token.expose());
        Self::run(app, mode, &site).await
    }

    async fn run(app: TestApp, mode: GateMode, site: &str) -> Self {
        let (api, calls) = start_echo().await;
        let with_api = || fill(site, &[("127.0.0.1:8080", &api.to_string())]);
        let proxy = match mode {
            GateMode::Nginx => Proxy::nginx(&with_api()).await,
            GateMode::Caddy => Proxy::caddy(&with_api()).await,
            GateMode::Traefik => Proxy::traefik(&with_api()).await,
            GateMode::Envoy => Proxy::envoy(site, api).await,
        };
        Self {
            app,
            mode,
            address: proxy.address,
            calls,
            proxy,
        }
    }

    /// Sends a call as a client would.
    async fn call(&self, line: &str, headers: &[(&str, &str)]) -> Answer {
        wire::send(self.address, line, headers, "").await
    }

    /// Sends a call that must not reach the API.
    #[track_caller]
    fn refused(&self, line: &str, headers: &[(&str, &str)]) -> impl Future<Output = Answer> {
        let place = std::panic::Location::caller();
        async move {
            let before = self.calls.load(Ordering::SeqCst);
            let answer = self.call(line, headers).await;
            assert!(
                !answer.status.is_success(),
                "{place}: {line} got through: {answer:?}"
            );
            assert_eq!(
                self.calls.load(Ordering::SeqCst),
                before,
                "{place}: {line} arrived"
            );
            answer
        }
    }
}

/// What a client would send to pass for somebody else, or for another call.
pub const SPOOFED: [(&str, &str); 19] = [
    ("X-Keyrack-Again", "1"),
    ("X_Keyrack_Again", "1"),
    ("X-Keyrack-Key-Id", "KREVILEVILEVILEVILEVIL"),
    ("x-keyrack-name", "evil"),
    ("X-Keyrack-Scope", "journaling:write"),
    ("X_Keyrack_Key_Id", "KREVILEVILEVILEVILEVIL"),
    ("X_Keyrack_Name", "evil"),
    ("x_keyrack_scope", "journaling:write"),
    ("X-Keyrack_Key-Id", "KREVILEVILEVILEVILEVIL"),
    ("X_KEYRACK-SCOPE", "journaling:write"),
    ("X.Keyrack.Key.Id", "KREVILEVILEVILEVILEVIL"),
    ("X-Original-Method", "GET"),
    ("X-Original-URI", "/v1/accounts"),
    ("X-Forwarded-Method", "GET"),
    ("X-Forwarded-Uri", "/v1/accounts"),
    ("X-Forwarded-For", "203.0.113.66"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-HTTP-Method-Override", "GET"),
    ("X_Original_URI", "/v1/accounts"),
];

/// What a client would send to pass for a gateway.
const TOKENS: [(&str, &str); 3] = [
    ("X-Keyrack-Gateway", "krg_evil"),
    ("X_Keyrack_Gateway", "krg_evil"),
    ("X.Keyrack.Gateway", "krg_evil"),
];

/// Checks 52 and 54, and what else a gateway must do; the same for each.
async fn protects(gateway: &Gateway) {
    let app = &gateway.app;
    let key = app
        .issue("client_secret", "accounts=read journaling=read")
        .await;
    let token = format!("Bearer {}", app.token(&key).await);
    let bearer = ("Authorization", &*token);

    for extra in [&[][..], &SPOOFED, &TOKENS] {
        let headers = [&[bearer], extra].concat();
        let line = "GET /v1/accounts?a=%2F..//&scope=x";
        let seen = gateway.call(line, &headers).await.ok().json();
        assert_eq!(seen["method"], "GET");
        assert!(
            seen["target"]
                .as_str()
                .unwrap()
                .ends_with("/v1/accounts?a=%2F..//&scope=x")
        );
        assert_eq!(alike(&seen, "x-keyrack-key-id"), [&key.id]);
        assert_eq!(alike(&seen, "x-keyrack-name"), ["settlement-worker"]);
        assert_eq!(
            alike(&seen, "x-keyrack-scope"),
            ["accounts:read journaling:read"]
        );
        assert_eq!(alike(&seen, "authorization"), [""; 0]);
        assert_eq!(
            gateway.call("HEAD /v1/accounts", &headers).await.status,
            200
        );

        let answer = gateway.refused("POST /v1/journals", &headers).await;
        assert_eq!(answer.status, 403);
        let body = answer.json();
        assert_eq!(body["code"], "insufficient_scope", "{body}");
        assert_eq!(
            body["message"],
            "needs journaling:write, this key has journaling:read"
        );
        assert!(body["request_id"].is_string());
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.contains(r#"scope="journaling:write""#),
            "{challenge}"
        );

        let answer = gateway.refused("GET /v1/nowhere", &headers).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (403, &json!("path_not_allowed"))
        );
        let answer = gateway.refused("GET /v1/accounts", extra).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (401, &json!("no_credentials"))
        );
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"Bearer realm="keyrack""#)
        );
    }
    let answer = gateway
        .refused("GET /v1/accounts", &[("Authorization", "Bearer x")])
        .await;
    let challenge = r#"Bearer realm="keyrack", error="invalid_token""#;
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    gateway.refused("GET /v1/accounts", &[bearer, bearer]).await;

    // What the API itself refuses is not rewritten.
    let answer = gateway.call("GET /v1/accounts?refuse", &[bearer]).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["method"]),
        (403, &json!("GET"))
    );

    app.quarantine(&key).await;
    let answer = gateway.refused("GET /v1/accounts", &[bearer]).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["code"]),
        (401, &json!("invalid_token"))
    );
}

/// What clients say about their connection in the hope that the gateway does it to the API's: names of headers
/// to be taken away (RFC 9110 section 7.6.1), and other protocols to go on in.
const TRICKS: [&[(&str, &str)]; 8] = [
    &[(
        "Connection",
        "close, X-Keyrack-Key-Id, X-Keyrack-Name, X-Keyrack-Scope",
    )],
    &[
        ("Connection", "x-keyrack-key-id"),
        ("Connection", "x-keyrack-name,x-keyrack-scope"),
    ],
    &[
        ("Connection", "close, X-Keyrack-Key-Id"),
        ("Keep-Alive", "X-Keyrack-Key-Id"),
        ("Proxy-Connection", "X-Keyrack-Key-Id"),
        ("TE", "trailers, X-Keyrack-Key-Id"),
    ],
    // What the question says.
    &[(
        "Connection",
        "X-Original-Method, X-Original-URI, X-Forwarded-Method, X-Forwarded-Uri, X-Forwarded-For, \
         X-Keyrack-Again, X-Keyrack-Gateway",
    )],
    &[
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
    ],
    &[
        ("Connection", "upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ],
    &[
        ("Connection", "Upgrade, X-Keyrack-Key-Id"),
        ("Upgrade", "anything/1.0"),
    ],
    &[("Upgrade", "h2c")],
];

/// Each call arrives with what the gate says of it, once, and as a call like any other.
async fn hands_on_what_the_gate_says(gateway: &Gateway) {
    let key = gateway.app.issue("legacy", "accounts=read").await;
    let basic = key.basic();
    for trick in TRICKS {
        // Envoy asks nobody about tunnels, nor where a client names X-Forwarded-… in Connection.
        let is_refused_by_envoy = |(name, value): &(&str, &str)| {
            (*name == "Upgrade" && *value != "h2c") || value.contains("X-Forwarded-")
        };
        if gateway.mode == GateMode::Envoy && trick.iter().any(is_refused_by_envoy) {
            let headers = [&[("Authorization", &*basic)], trick].concat();
            let answer = gateway.refused("GET /v1/accounts", &headers).await;
            assert!([400, 403].contains(&answer.status.as_u16()), "{trick:?}");
            continue;
        }
        for spoofed in [&[][..], &SPOOFED, &TOKENS] {
            let headers = [&[("Authorization", &*basic)], trick, spoofed].concat();
            let answer = gateway.call("GET /v1/accounts", &headers).await;
            assert_eq!(answer.status, 200, "{trick:?}: {answer:?}");
            let seen = answer.json();
            for (name, value) in [
                ("x-keyrack-key-id", &*key.id),
                ("x-keyrack-name", "settlement-worker"),
                ("x-keyrack-scope", "accounts:read"),
            ] {
                assert_eq!(alike(&seen, name), [value], "{trick:?}: {seen}");
            }
            for name in ["authorization", "upgrade", "x-keyrack-gateway"] {
                assert_eq!(alike(&seen, name), [""; 0], "{trick:?}: {seen}");
            }
            let refused = gateway.refused("POST /v1/journals", &headers).await;
            assert_eq!(refused.json()["code"], "insufficient_scope", "{trick:?}");
        }
        let nobody = gateway.refused("GET /v1/accounts", trick).await;
        assert_eq!(nobody.status, 401, "{trick:?}");
    }
}

async fn passes_bodies_and_legacy_credentials(gateway: &Gateway) {
    let app = &gateway.app;
    let key = app.issue("legacy", "journaling=write").await;
    let basic = key.basic();
    let by_basic = [("Authorization", &*basic)];
    let by_pair = [
        ("APCA-API-KEY-ID", &*key.id),
        ("APCA-API-SECRET-KEY", &*key.secret),
    ];
    let body = r#"{"amount":"1.00"}"#;
    for headers in [&by_basic[..], &by_pair] {
        let answer = wire::send(gateway.address, "POST /v1/journals", headers, body).await;
        let seen = answer.ok().json();
        assert_eq!(
            (&seen["method"], &seen["body"]),
            (&json!("POST"), &json!(body))
        );
        for name in ["authorization", "apca-api-key-id", "apca-api-secret-key"] {
            assert_eq!(alike(&seen, name), [""; 0], "{name}");
        }
        assert!(!seen.to_string().contains(&key.secret));
    }
    let both = [by_basic[0], by_pair[0], by_pair[1]];
    assert_eq!(
        gateway.refused("POST /v1/journals", &both).await.status,
        401
    );
    app.services.flush_usage().await.unwrap();
    let record = app
        .services
        .credential(&app.host, key.key_id())
        .await
        .unwrap();
    // For a client on its own machine Envoy names another address of that machine.
    if gateway.mode != GateMode::Envoy {
        assert_eq!(record.last_use.unwrap().address, "127.0.0.1");
    }
}

/// The client reads how much is left, and what a refusal for too many calls says.
async fn tells_clients_of_limits(gateway: &Gateway, too_many: u16) {
    let key = gateway.app.issue("legacy", "accounts=read").await;
    let draft = LimitsDraft {
        per_minute: "2".into(),
        ..LimitsDraft::default()
    };
    gateway.app.limit(&key, &draft).await;
    let basic = key.basic();
    // Nobody but Keyrack says what is left.
    let headers = [
        ("Authorization", &*basic),
        ("RateLimit", "\"calls\";r=9;t=9"),
    ];
    let policy = Some("\"calls\";q=2;w=60");
    for state in ["\"calls\";r=1;t=30", "\"calls\";r=0;t=60"] {
        let answer = gateway.call("GET /v1/accounts", &headers).await.ok();
        // Traefik hands on what an allowed call is answered to the API alone.
        let told = gateway.mode != GateMode::Traefik;
        assert_eq!(answer.header("ratelimit"), told.then_some(state));
        assert_eq!(answer.header("ratelimit-policy"), policy.filter(|_| told));
        assert_eq!(answer.header("retry-after"), None);
    }
    let answer = gateway.refused("GET /v1/accounts", &headers).await;
    assert_eq!(answer.status, too_many);
    assert_eq!(answer.json()["code"], "rate_limited");
    assert_eq!(answer.header("ratelimit"), Some("\"calls\";r=0;t=30"));
    assert_eq!(answer.header("ratelimit-policy"), policy);
    assert_eq!(answer.header("retry-after"), Some("30"));
    // Who has no limit is told of none.
    let basic = gateway.app.issue("legacy", "accounts=read").await.basic();
    let headers = [("Authorization", &*basic), headers[1]];
    let answer = gateway.call("GET /v1/accounts", &headers).await.ok();
    for header in ["ratelimit", "ratelimit-policy", "retry-after"] {
        assert_eq!(answer.header(header), None, "{header}");
    }
}

/// nginx asks twice about a refused call, and says so; what a client says about that never arrives.
async fn counts_a_refused_call_once(gateway: &Gateway) {
    let app = &gateway.app;
    let key = app.issue("legacy", "accounts=read").await;
    let basic = key.basic();
    for extra in [&[][..], &SPOOFED] {
        let headers = [&[("Authorization", &*basic)], extra].concat();
        let answer = gateway.refused("POST /v1/journals", &headers).await;
        let id = answer.json()["request_id"].as_str().unwrap().to_owned();
        let found = app.services.decision(&app.host, &id).await.unwrap();
        assert_eq!(found.reason, "insufficient_scope");
        gateway.call("GET /v1/accounts", &headers).await.ok();
    }
    app.services.flush_usage().await.unwrap();
    let since = app.services.now() - chrono::TimeDelta::days(1);
    let rows = app.services.usage_of(&app.host, key.key_id(), since).await;
    let rows = rows.unwrap();
    let count = |of: fn(&storage::UsageRow) -> u64| rows.iter().map(of).sum::<u64>();
    assert_eq!(count(|row| row.refused), 2, "one for each refused call");
    assert_eq!(count(|row| row.allowed), 2);
}

async fn lets_no_twisted_path_through(gateway: &Gateway) {
    let key = gateway.app.issue("legacy", "full").await;
    let basic = key.basic();
    let headers = [&[("Authorization", &*basic)], &SPOOFED[..]].concat();
    for path in [
        "/v1/../v1/accounts",
        "/v1/./accounts",
        "/v1/%2e%2e/v1/accounts",
        "/v1/accounts/%2E%2E/journals",
        "/v1/accounts/..%2fjournals",
        "/v1%2faccounts",
        "//v1/accounts",
        "/v1//accounts",
        "/v1/accounts/",
        "/v1/accounts;x=1",
        "/v1/accounts%00",
        "/v1/accounts%3b",
        "/v1\\accounts",
        "/v1/accounts#x",
        "/v1/accounts/Positions",
        "/v1/accounts/positions.json",
        "/v1/instant_funding/Limits",
        "/v1/accounts%2Factivities",
        "/v1/assets/fixed_income%2Fus_treasuries",
        "/v1/assets/..%2Faccounts",
        "/v1/assets/BTC%252FUSD",
        "/v1/assets/BTC%5CUSD",
        "/.keyrack/verify",
        "/v1/verify",
    ] {
        let line = format!("GET {path}");
        if gateway.mode != GateMode::Traefik {
            gateway.refused(&line, &headers).await;
            continue;
        }
        // Traefik cleans some of them up before it asks: what arrives is what was asked about.
        let answer = gateway.call(&line, &headers).await;
        if answer.status.is_success() {
            let seen = answer.json();
            let target = seen["target"].as_str().unwrap();
            let clean = ["/v1/accounts", "/v1/journals"];
            assert!(clean.contains(&target), "{path}: {target}");
        }
    }
    for method in ["get", "FOO", "TRACE", "PROPFIND"] {
        gateway
            .refused(&format!("{method} /v1/accounts"), &headers)
            .await;
    }
    // The checked path is the path that arrives.
    for path in [
        "/v1/%61ccounts",
        "/v1/assets/a%2Db",
        "/v1/assets/BTC:USD",
        "/v1/assets/BTC%2FUSD",
        "/v1/assets/J%C3%BCrgen",
        "/v1/assets/a%20b",
        "/v1/assets/100%25",
    ] {
        let seen = gateway
            .call(&format!("GET {path}"), &headers)
            .await
            .ok()
            .json();
        let path = match gateway.mode {
            GateMode::Traefik => path.replace("%61", "a").replace("%2D", "-"),
            _ => path.to_owned(),
        };
        assert!(seen["target"].as_str().unwrap().ends_with(&path), "{seen}");
    }
}

/// What browsers and meshes add to a call is no reason to refuse it.
async fn passes_many_headers(gateway: &Gateway) {
    let basic = gateway.app.issue("legacy", "accounts=read").await.basic();
    let names: Vec<_> = (0..80).map(|number| format!("X-Trace-{number}")).collect();
    let value = "x".repeat(300);
    let mut headers = vec![("Authorization", &*basic)];
    headers.extend(names.iter().map(|name| (&**name, &*value)));
    gateway.call("GET /v1/accounts", &headers).await.ok();
    gateway.refused("POST /v1/journals", &headers).await;
}

async fn enforces_every_row_of_the_catalogue(gateway: &Gateway) {
    let app = &gateway.app;
    let full = app.issue("legacy", "full").await.basic();
    let read = app.issue("legacy", "read_only").await.basic();
    for endpoint in default_catalogue()
        .scopes()
        .iter()
        .flat_map(|scope| &scope.endpoints)
    {
        let filled: Vec<_> = endpoint
            .path
            .split('/')
            .map(|segment| match segment {
                _ if segment.ends_with(":uuid}") => "0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69",
                _ if segment.starts_with('{') => "x1",
                literal => literal,
            })
            .collect();
        let line = format!("{} {}", endpoint.method, filled.join("/"));
        gateway.call(&line, &[("Authorization", &full)]).await.ok();
        let answer = gateway.call(&line, &[("Authorization", &read)]).await;
        let expected = if endpoint.level == Level::Read {
            200
        } else {
            403
        };
        assert_eq!(answer.status, expected, "{line}");
    }
}

async fn lets_nobody_through_without_a_decision(gateway: &Gateway) {
    let basic = gateway.app.issue("legacy", "full").await.basic();
    // What the gate remembers is good for less than a second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for health in [Health::Failing, Health::Hanging] {
        gateway.app.store.set(health);
        gateway
            .refused("GET /v1/accounts", &[("Authorization", &basic)])
            .await;
    }
}

/// What must hold of a gateway that is trusted for its token alone.
async fn asks_by_token(kind: GatewayKind) {
    let gateway = Gateway::start_by_token(kind).await;
    let app = &gateway.app;
    let basic = app.issue("legacy", "accounts=read").await.basic();
    let headers = [&[("Authorization", &*basic)], &SPOOFED[..]].concat();
    let seen = gateway.call("GET /v1/accounts", &headers).await.ok().json();
    assert_eq!(
        alike(&seen, "x-keyrack-gateway"),
        [""; 0],
        "the API learns no token"
    );
    assert_eq!(alike(&seen, "x-keyrack-scope"), ["accounts:read"]);
    let answer = gateway.refused("POST /v1/journals", &headers).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["code"]),
        (403, &json!("insufficient_scope"))
    );
    let answer = gateway.refused("GET /v1/accounts", &SPOOFED).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["code"]),
        (401, &json!("no_credentials"))
    );
    let gateways = app.services.list_gateways(&app.host).await.unwrap();
    let id = gateways[0].gateway.id;
    app.services.remove_gateway(&app.host, id).await.unwrap();
    gateway.refused("GET /v1/accounts", &headers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_54_nginx_with_the_configuration_of_the_page_is_trusted_for_its_token() {
    asks_by_token(GatewayKind::Nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_54_caddy_with_the_configuration_of_the_page_is_trusted_for_its_token() {
    asks_by_token(GatewayKind::Caddy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_54_traefik_with_the_configuration_of_the_page_is_trusted_for_its_token() {
    asks_by_token(GatewayKind::Traefik).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_54_envoy_with_the_configuration_of_the_page_is_trusted_for_its_token() {
    asks_by_token(GatewayKind::Envoy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_96_nginx_hands_on_what_the_gate_says_and_opens_no_tunnel() {
    hands_on_what_the_gate_says(&Gateway::start(GateMode::Nginx).await).await;
    hands_on_what_the_gate_says(&Gateway::start_by_token(GatewayKind::Nginx).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_96_caddy_hands_on_what_the_gate_says_and_opens_no_tunnel() {
    hands_on_what_the_gate_says(&Gateway::start(GateMode::Caddy).await).await;
    hands_on_what_the_gate_says(&Gateway::start_by_token(GatewayKind::Caddy).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_96_traefik_hands_on_what_the_gate_says_and_opens_no_tunnel() {
    hands_on_what_the_gate_says(&Gateway::start(GateMode::Traefik).await).await;
    hands_on_what_the_gate_says(&Gateway::start_by_token(GatewayKind::Traefik).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_96_envoy_hands_on_what_the_gate_says_and_opens_no_tunnel() {
    hands_on_what_the_gate_says(&Gateway::start(GateMode::Envoy).await).await;
    hands_on_what_the_gate_says(&Gateway::start_by_token(GatewayKind::Envoy).await).await;
}

async fn check_54(mode: GateMode) {
    let gateway = Gateway::start(mode).await;
    let too_many = if mode == GateMode::Nginx { 403 } else { 429 };
    tells_clients_of_limits(&gateway, too_many).await;
    protects(&gateway).await;
    passes_bodies_and_legacy_credentials(&gateway).await;
    passes_many_headers(&gateway).await;
    counts_a_refused_call_once(&gateway).await;
    lets_no_twisted_path_through(&gateway).await;
    enforces_every_row_of_the_catalogue(&gateway).await;
    lets_nobody_through_without_a_decision(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_54_nginx_enforces_what_the_gate_says() {
    check_54(GateMode::Nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_54_caddy_enforces_what_the_gate_says() {
    check_54(GateMode::Caddy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_54_traefik_enforces_what_the_gate_says() {
    check_54(GateMode::Traefik).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_54_envoy_enforces_what_the_gate_says() {
    check_54(GateMode::Envoy).await;
}

/// Traefik warns where its configuration leaves something open that it should not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traefik_has_nothing_to_warn_about() {
    let gateway = Gateway::start(GateMode::Traefik).await;
    gateway.refused("GET /v1/accounts", &[]).await;
    assert_eq!(gateway.proxy.log(), "");
}

//! Calls without credentials that are meant to go through: public endpoints and browsers' preflights;
//! and connections that outlive the question. With the recipes of `docs/gateways`, behind real nginx and Caddy.

use std::net::SocketAddr;
use std::time::Duration;

use domain::catalogue::Catalogue;
use serde_json::json;
use server::state::{GateMode, Preflights};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::app::{Answer, Needs, TestApp};
use crate::proxies::{Proxy, alike, fill, start_echo};
use crate::wire;

const NGINX: &str = include_str!("../../../docs/gateways/nginx.conf");
const CADDYFILE: &str = include_str!("../../../docs/gateways/Caddyfile");
const BROWSERS: &str = include_str!("../../../docs/gateways/browsers.md");
const STREAMS: &str = include_str!("../../../docs/gateways/streams.md");

const CATALOGUE: &str = r#"
name = "Library"
version = "1"

[[scope]]
name = "books"
title = "Books"
description = ""
endpoints = [
    { method = "GET", path = "/v1/status", summary = "", access = "public" },
    { method = "POST", path = "/v1/status", summary = "" },
    { method = "GET", path = "/v1/covers/{id}", summary = "", access = "public" },
    { method = "GET", path = "/v1/covers/drafts", summary = "", reserved = true },
    { method = "GET", path = "/v1/books", summary = "" },
    { method = "POST", path = "/v1/books", summary = "" },
    { method = "GET", path = "/v1/own", summary = "" },
    { method = "OPTIONS", path = "/v1/own", summary = "" },
    { method = "GET", path = "/v1/stream", summary = "" },
    { method = "GET", path = "/v1/events", summary = "" },
]

[[scope]]
name = "members"
title = "Members"
description = ""
endpoints = [{ method = "GET", path = "/v1/members", summary = "" }]
"#;

/// What a browser sends before a call with `Authorization`.
const PREFLIGHT: [(&str, &str); 3] = [
    ("Origin", "https://app.example.com"),
    ("Access-Control-Request-Method", "POST"),
    ("Access-Control-Request-Headers", "authorization"),
];

const IDENTITY: [&str; 3] = ["x-keyrack-key-id", "x-keyrack-name", "x-keyrack-scope"];

fn catalogue() -> Catalogue {
    Catalogue::read(CATALOGUE).catalogue.unwrap()
}

async fn app(mode: GateMode, preflights: Preflights) -> TestApp {
    TestApp::open(Needs {
        mode,
        preflights,
        catalogue: catalogue(),
        ..Needs::default()
    })
    .await
}

#[track_caller]
fn goes_through_as_nobodys(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    for name in IDENTITY {
        assert_eq!(answer.header(name), Some(""), "{name}");
    }
}

#[tokio::test]
async fn a_public_endpoint_needs_no_credentials_and_every_other_one_does() {
    let app = app(GateMode::Nginx, Preflights::Refuse).await;
    for call in [
        ("GET", "/v1/status"),
        ("HEAD", "/v1/status?q=1"),
        ("OPTIONS", "/v1/status"),
        ("GET", "/v1/covers/7"),
    ] {
        goes_through_as_nobodys(&app.ask_gate(call, &[]).await);
    }
    for call in [
        ("POST", "/v1/status"),
        ("PUT", "/v1/status"),
        ("get", "/v1/status"),
        ("GET", "/v1/status/"),
        ("GET", "/v1/Status"),
        ("GET", "/v1/status/x"),
        ("GET", "/v1/x/../status"),
        ("GET", "/v1//status"),
        ("GET", "/v1/status;x"),
        ("GET", "/v1/covers/drafts"),
        ("GET", "/v1/covers/Drafts"),
        ("GET", "/v1/covers/drafts.json"),
        ("GET", "/v1/covers/7%2Fdrafts"),
        ("GET", "/v1/covers/%252e"),
        ("GET", "/v1/books"),
        ("GET", "/v1/nowhere"),
    ] {
        let answer = app.ask_gate(call, &[]).await;
        answer.gate_refuses(401, "no_credentials");
    }
}

#[tokio::test]
async fn credentials_at_a_public_endpoint_must_be_right_and_say_who_calls() {
    let app = app(GateMode::Nginx, Preflights::Allow).await;
    let key = app.issue("legacy", "members=read").await;
    let basic = key.basic();
    let status = ("GET", "/v1/status");
    let by_key = app.ask_gate(status, &[("Authorization", &basic)]).await;
    assert_eq!(by_key.ok().header("x-keyrack-key-id"), Some(&*key.id));
    app.ask_gate(("GET", "/v1/books"), &[("Authorization", &basic)])
        .await
        .gate_refuses(403, "insufficient_scope");
    app.quarantine(&key).await;
    for (wrong, code) in [
        (&*basic, "invalid_credentials"),
        ("Bearer x", "invalid_token"),
        ("Digest x", "unclear_credentials"),
    ] {
        let answer = app.ask_gate(status, &[("Authorization", wrong)]).await;
        answer.gate_refuses(401, code);
        let headers = [&PREFLIGHT[..], &[("Authorization", wrong)]].concat();
        let answer = app.ask_gate(("OPTIONS", "/v1/books"), &headers).await;
        answer.gate_refuses(401, code);
    }
}

#[tokio::test]
async fn calls_without_credentials_leave_nothing_behind_but_a_count() {
    let app = app(GateMode::Nginx, Preflights::Allow).await;
    for number in 0..3 {
        let path = format!("/v1/covers/{number}");
        let public = app.ask_gate(("GET", &path), &[]).await;
        let preflight = app.ask_gate(("OPTIONS", "/v1/books"), &PREFLIGHT).await;
        for answer in [public, preflight] {
            goes_through_as_nobodys(&answer);
            let id = answer.header("x-request-id").unwrap();
            let found = app.services.decision(&app.host, id).await;
            assert!(found.is_err(), "{found:?}");
        }
    }
    assert_eq!(app.metrics.gate_allowed.get(), 6);
}

#[tokio::test]
async fn a_preflight_goes_through_where_it_is_allowed_and_the_call_is_known() {
    let books = ("OPTIONS", "/v1/books");
    let refusing = app(GateMode::Nginx, Preflights::Refuse).await;
    let answer = refusing.ask_gate(books, &PREFLIGHT).await;
    answer.gate_refuses(401, "no_credentials");

    let app = app(GateMode::Nginx, Preflights::Allow).await;
    goes_through_as_nobodys(&app.ask_gate(books, &PREFLIGHT).await);
    let [origin, method, _] = PREFLIGHT;
    let put = ("Access-Control-Request-Method", "PUT");
    let refused: [(_, &[_]); 9] = [
        (books, &[]),
        (books, &[origin]),
        (books, &[method]),
        (books, &[origin, method, method]),
        (books, &[origin, put]),
        (("GET", "/v1/books"), &PREFLIGHT),
        (("POST", "/v1/books"), &PREFLIGHT),
        (("OPTIONS", "/v1/nowhere"), &PREFLIGHT),
        // Listed as a call of its own.
        (
            ("OPTIONS", "/v1/own"),
            &[origin, ("Access-Control-Request-Method", "GET")],
        ),
    ];
    for (call, headers) in refused {
        let answer = app.ask_gate(call, headers).await;
        answer.gate_refuses(401, "no_credentials");
    }
}

/// The n-th block of a language in a guide.
fn block(guide: &str, language: &str, n: usize) -> String {
    let fence = format!("```{language}\n");
    let after = guide.split(&fence).nth(n + 1).unwrap();
    after.split("```").next().unwrap().to_owned()
}

/// The documented file with the recipes of both guides in the places that they name.
fn site(mode: GateMode) -> String {
    if mode == GateMode::Caddy {
        let ask = "\troute {\n";
        let hand_on = "\t\treverse_proxy 127.0.0.1:8080 {\n";
        let browsers = block(BROWSERS, "caddyfile", 0);
        let streams = block(STREAMS, "caddyfile", 0);
        return fill(
            CADDYFILE,
            &[
                (ask, &format!("{ask}{browsers}")),
                (hand_on, &format!("{streams}{hand_on}")),
            ],
        );
    }
    let server = "\nserver {\n";
    let location = "    location / {\n";
    let tunnel = "        proxy_set_header Upgrade           \"\";\n        proxy_set_header Connection        \"\";\n";
    fill(
        NGINX,
        &[
            (server, &format!("\n{}{server}", block(STREAMS, "nginx", 0))),
            (
                location,
                &format!("{}\n{location}", block(BROWSERS, "nginx", 0)),
            ),
            (tunnel, &block(STREAMS, "nginx", 1)),
        ],
    )
}

async fn gateway(app: &TestApp, mode: GateMode, api: SocketAddr) -> Proxy {
    let keyrack = app.serve().await;
    let site = fill(
        &site(mode),
        &[
            ("127.0.0.1:3000", &keyrack.to_string()),
            ("127.0.0.1:8080", &api.to_string()),
        ],
    );
    match mode {
        GateMode::Nginx => Proxy::nginx(&site).await,
        _ => Proxy::caddy(&site).await,
    }
}

async fn browsers_can_call(mode: GateMode) {
    let app = app(mode, Preflights::Allow).await;
    let (api, _) = start_echo().await;
    let proxy = gateway(&app, mode, api).await;
    let call = async |line: &str, headers: &[(&str, &str)]| {
        wire::send(proxy.address, line, headers, "").await
    };
    // What the API is told of nobody, whatever the client says.
    let spoofed = [
        ("X-Keyrack-Key-Id", "KREVILEVILEVILEVILEVIL"),
        ("X-Keyrack-Scope", "books:write"),
    ];
    for (line, headers) in [
        ("GET /v1/status", &spoofed[..]),
        ("OPTIONS /v1/books", &[&PREFLIGHT[..], &spoofed].concat()),
    ] {
        let seen = call(line, headers).await.ok().json();
        assert_eq!(seen["method"], line.split(' ').next().unwrap());
        for name in IDENTITY {
            // Caddy hands an empty one on.
            assert!(
                alike(&seen, name).iter().all(|value| value.is_empty()),
                "{seen}"
            );
        }
    }
    let origin = PREFLIGHT[0];
    let refused = call("GET /v1/books", &[origin]).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["code"]),
        (401, &json!("no_credentials"))
    );
    let key = app.issue("legacy", "members=read").await;
    let basic = key.basic();
    let forbidden = call("GET /v1/books", &[origin, ("Authorization", &basic)]).await;
    assert_eq!(forbidden.status, 403);
    for refusal in [refused, forbidden] {
        let allowed = refusal.header("access-control-allow-origin");
        assert_eq!(allowed, Some("https://app.example.com"));
        let exposed = refusal.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("WWW-Authenticate"), "{exposed}");
        assert_eq!(refusal.header("vary"), Some("Origin"));
    }
}

/// An API that echoes in tunnels, and whose events come one by one, each when something was sent to `next`.
async fn start_streams(next: tokio::sync::watch::Receiver<u32>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_stream(stream, next.clone()));
        }
    });
    address
}

async fn answer_stream(mut stream: TcpStream, mut next: tokio::sync::watch::Receiver<u32>) {
    let head = read_head(&mut stream).await.to_ascii_lowercase();
    if head.starts_with("get /v1/events") {
        let begin = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n\
                     Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 0\n\n\r\n";
        stream.write_all(begin.as_bytes()).await.unwrap();
        while next.changed().await.is_ok() {
            let event = format!("9\r\ndata: {}\n\n\r\n", *next.borrow_and_update());
            if stream.write_all(event.as_bytes()).await.is_err() {
                return;
            }
        }
    } else if head.contains("\r\nupgrade: websocket") {
        let begin =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(begin.as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    } else {
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(plain.as_bytes()).await;
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Asks for a tunnel, or for anything else that goes on, and reads the head of the answer.
async fn open(
    to: SocketAddr,
    path: &str,
    authorization: &str,
    upgrade: &str,
) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: {authorization}\r\n{upgrade}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    (head, stream)
}

/// Reads on until the text came.
async fn read_until(stream: &mut TcpStream, text: &str) {
    let mut read = String::new();
    let waited = tokio::time::timeout(Duration::from_secs(5), async {
        while !read.contains(text) {
            read.push(char::from(stream.read_u8().await.unwrap()));
        }
    });
    assert!(waited.await.is_ok(), "{text:?} did not come");
}

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn streams_outlive_the_question(mode: GateMode) {
    let app = app(mode, Preflights::Refuse).await;
    let (next, events) = tokio::sync::watch::channel(0);
    let api = start_streams(events).await;
    let proxy = gateway(&app, mode, api).await;
    let key = app.issue("legacy", "full").await;
    let basic = key.basic();

    let (head, mut tunnel) = open(proxy.address, "/v1/stream", &basic, WEBSOCKET).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let (head, mut stream) = open(proxy.address, "/v1/events", &basic, "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    read_until(&mut stream, "data: 0\n\n").await;
    assert_eq!(
        app.metrics.gate_allowed.get(),
        2,
        "each is asked about once"
    );

    // No other path, and no other protocol.
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n";
    let (head, _) = open(proxy.address, "/v1/books", &basic, WEBSOCKET).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (head, _) = open(proxy.address, "/v1/books", &basic, h2c).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");

    app.quarantine(&key).await;
    for number in 1..4 {
        next.send(number).unwrap();
        read_until(&mut stream, &format!("data: {number}\n\n")).await;
        let text = format!("number {number}");
        tunnel.write_all(text.as_bytes()).await.unwrap();
        read_until(&mut tunnel, &text).await;
    }
    for path in ["/v1/stream", "/v1/events"] {
        let (head, _) = open(proxy.address, path, &basic, WEBSOCKET).await;
        assert!(head.starts_with("HTTP/1.1 401"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_can_call_through_nginx() {
    browsers_can_call(GateMode::Nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_can_call_through_caddy() {
    browsers_can_call(GateMode::Caddy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_through_nginx_outlive_the_question() {
    streams_outlive_the_question(GateMode::Nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_through_caddy_outlive_the_question() {
    streams_outlive_the_question(GateMode::Caddy).await;
}

//! Public keys by URL, from real hosts on the loopback address: those that behave, and those that
//! hang, redirect, send too much or something else.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use domain::outbound::OutboundRule;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use service::KeySetRow;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::app::{Answer, ISSUER, Key, TestApp};

/// A host whose paths answer in different ways.
#[derive(Clone)]
struct Host {
    address: SocketAddr,
    key_set: Arc<Mutex<String>>,
    heads: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicUsize>,
}

impl Host {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Self {
            address: listener.local_addr().unwrap(),
            key_set: Arc::default(),
            heads: Arc::default(),
            sent: Arc::default(),
        };
        let serving = host.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let host = serving.clone();
                tokio::spawn(async move { host.answer(stream).await });
            }
        });
        host
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn publish(&self, programs: &[&Program]) {
        let keys: Vec<&Value> = programs.iter().map(|program| &program.jwk).collect();
        *self.key_set.lock().unwrap() = json!({ "keys": keys }).to_string();
    }

    /// How often it was asked for something.
    fn asked(&self) -> usize {
        self.heads.lock().unwrap().len()
    }

    async fn answer(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                // The beginning of TLS, which this host doesn't speak.
                Ok(0x16) | Err(_) => return,
                Ok(byte) => head.push(byte),
            }
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        self.heads.lock().unwrap().push(head);
        let key_set = self.key_set.lock().unwrap().clone();
        let secret = "TOP-SECRET of the host";
        match path.as_str() {
            "/jwks" => send(&mut stream, "200 OK", &key_set).await,
            "/moved" => send(&mut stream, "302 Found\r\nLocation: /jwks", secret).await,
            "/gone" => send(&mut stream, "404 Not Found", secret).await,
            "/html" => send(&mut stream, "200 OK", &format!("<html>{secret}</html>")).await,
            "/private" => {
                let key = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"TOP-SECRET"}]}"#;
                send(&mut stream, "200 OK", key).await;
            }
            "/none" => send(&mut stream, "200 OK", r#"{"keys":[]}"#).await,
            "/large" => {
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n";
                let mut wrote = stream.write_all(head.as_bytes()).await;
                while wrote.is_ok() && self.sent.load(Ordering::SeqCst) < 10_485_760 {
                    wrote = stream.write_all(&[b' '; 4096]).await;
                    self.sent.fetch_add(4096, Ordering::SeqCst);
                }
            }
            "/drip" => {
                let mut wrote = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while wrote.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    wrote = stream.write_all(b" ").await;
                }
            }
            "/cut" => {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";
                let _ = stream.write_all(head).await;
            }
            "/noise" => {
                let _ = stream.write_all(b"220 mail.example.com ESMTP\r\n").await;
            }
            // Takes the question and never answers.
            _ => tokio::time::sleep(Duration::from_mins(1)).await,
        }
    }
}

async fn send(stream: &mut TcpStream, status: &str, body: &str) {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
    // Who asked may have gone away.
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// A program with its key.
struct Program {
    kid: &'static str,
    key: EncodingKey,
    jwk: Value,
}

impl Program {
    fn new(kid: &'static str) -> Self {
        let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Self {
            kid,
            key: EncodingKey::from_ed_der(private.as_ref()),
            jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid }),
        }
    }

    async fn ask_token(&self, app: &TestApp, key: &Key) -> Answer {
        let now = app.services.now().timestamp();
        let claims = json!({
            "iss": key.id, "sub": key.id, "aud": ISSUER, "exp": now + 60,
            "jti": service::Token::generate().expose(),
        });
        let header = Header {
            kid: Some(self.kid.to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let assertion = jsonwebtoken::encode(&header, &claims, &self.key).unwrap();
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = format!(
            "grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}"
        );
        app.ask_token(&form, &[]).await
    }
}

/// Keyrack that may ask this machine.
async fn open_app() -> TestApp {
    let loopback = vec!["127.0.0.0/8".parse().unwrap()];
    TestApp::reaching(OutboundRule::new(loopback)).await
}

/// What the credential's page has to say after its URL was set.
async fn outcome(app: &TestApp, key: &Key, url: &str) -> KeySetRow {
    let services = &app.services;
    services
        .set_key_url(&app.host, key.key_id(), url)
        .await
        .unwrap();
    let record = services.credential(&app.host, key.key_id()).await.unwrap();
    record.key_set.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_72_a_key_that_changes_at_its_host_works_without_a_change_here() {
    let (app, host) = (open_app().await, Host::start().await);
    let (old, new) = (Program::new("old"), Program::new("new"));
    host.publish(&[&old]);
    let key = app.issue("private_key_jwt", "accounts=read").await;
    let shown = outcome(&app, &key, &host.url("/jwks")).await;
    assert_eq!((shown.problem, shown.keys.len()), (None, 1));
    // What is heard of the change has the host asked once more.
    app.services.catch_up().await.unwrap();
    old.ask_token(&app, &key).await.ok();
    new.ask_token(&app, &key)
        .await
        .refuses(401, "invalid_client");

    host.publish(&[&new]);
    app.clock.advance(TimeDelta::seconds(30));
    new.ask_token(&app, &key).await.ok();
    old.ask_token(&app, &key)
        .await
        .refuses(401, "invalid_client");
    assert_eq!(host.asked(), 3);
    // Nothing of ours goes along.
    for head in host.heads.lock().unwrap().iter() {
        let head = head.to_lowercase();
        for header in ["cookie:", "authorization:", "referer:", "accept-encoding:"] {
            assert!(!head.contains(header), "{head}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_71_a_host_that_misbehaves_costs_a_bounded_time_and_is_named_with_what_it_did() {
    let (app, host) = (open_app().await, Host::start().await);
    host.publish(&[&Program::new("one")]);
    let key = app.issue("private_key_jwt", "accounts=read").await;
    for (path, words) in [
        (
            "/moved",
            "127.0.0.1 answered 302, a redirect, which is not followed: give the URL that it leads to",
        ),
        ("/gone", "127.0.0.1 answered 404 where 200 was expected"),
        (
            "/html",
            "127.0.0.1 answered with something that is not a set of public keys (JWKS)",
        ),
        (
            "/private",
            "127.0.0.1 publishes a private or a symmetric key: take it down, and treat it as leaked",
        ),
        (
            "/none",
            "127.0.0.1 needs 1 to 10 keys for signatures in its key set, each once: P-256, P-384, Ed25519 or RSA",
        ),
        ("/large", "127.0.0.1 answered with more than 64 KiB"),
        ("/cut", "127.0.0.1 broke off its answer"),
        ("/noise", "127.0.0.1 broke off its answer"),
        ("/drip", "127.0.0.1 took too long to answer"),
        ("/hang", "127.0.0.1 took too long to answer"),
    ] {
        let (asked, began) = (host.asked(), Instant::now());
        let shown = outcome(&app, &key, &host.url(path)).await;
        assert_eq!(shown.problem.as_deref(), Some(words), "{path}");
        assert_eq!(shown.keys, [], "{path}");
        assert_eq!(host.asked(), asked + 1, "{path}");
        assert!(
            began.elapsed() < Duration::from_secs(7),
            "{path}: {:?}",
            began.elapsed()
        );
    }
    // What was on its way when the reading ended: far from ten megabytes.
    let sent = host.sent.load(Ordering::SeqCst);
    assert!(sent < 9_000_000, "{sent}");
    // Nobody listens there.
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let shown = outcome(&app, &key, &format!("http://{closed}/jwks")).await;
    let words = "127.0.0.1 can't be reached, or has no certificate that this server trusts";
    assert_eq!(shown.problem.as_deref(), Some(words));
    let plain = host.url("/jwks").replace("http:", "https:");
    let shown = outcome(&app, &key, &plain).await;
    assert_eq!(shown.problem.as_deref(), Some(words));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_71_a_name_that_stands_for_a_private_address_is_not_connected_to() {
    let (app, host) = (TestApp::new().await, Host::start().await);
    let key = app.issue("private_key_jwt", "accounts=read").await;
    let port = host.address.port();
    for name in ["localhost", "LOCALHOST"] {
        let shown = outcome(&app, &key, &format!("https://{name}:{port}/jwks")).await;
        let problem = shown.problem.unwrap();
        let words = "has no public address: ask who runs Keyrack to allow it with the setting \
                     outbound.allow_private_addresses";
        assert!(problem.ends_with(words), "{problem}");
    }
    assert_eq!(host.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_connected_to_at_its_allowed_addresses_only() {
    let (app, host) = (open_app().await, Host::start().await);
    host.publish(&[&Program::new("one")]);
    let key = app.issue("private_key_jwt", "accounts=read").await;
    // On many systems this name stands for ::1 too, which was not allowed.
    let port = host.address.port();
    let shown = outcome(&app, &key, &format!("http://localhost:{port}/jwks")).await;
    assert_eq!((shown.problem, shown.keys.len()), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_request_waits_for_a_hanging_host_once_and_then_no_more() {
    let (app, host) = (open_app().await, Host::start().await);
    let program = Program::new("one");
    let key = app.issue("private_key_jwt", "accounts=read").await;
    outcome(&app, &key, &host.url("/gone")).await;
    let url = host.url("/hang");
    let services = &app.services;
    services
        .set_key_url(&app.host, key.key_id(), &url)
        .await
        .unwrap();
    let began = Instant::now();
    let answer = program.ask_token(&app, &key).await;
    answer.refuses(401, "invalid_client");
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(host.asked(), 2);
}

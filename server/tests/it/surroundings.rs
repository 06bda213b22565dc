//! What Keyrack meets where it is set up: proxies that write addresses in their own way, browsers that open it at
//! another address, or over plain http.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use server::http::Front;
use server::http::layers::forwarded::ForwardedHeader;
use server::state::{HttpSettings, Shared};

use crate::app::{Answer, Needs, PASSWORD, PUBLIC_URL, TestApp};
use crate::dashboard::{FORM, form};

const PLAIN: &str = "http://keys.lan:3000";

/// The same with other settings of HTTP.
fn changed(mut app: TestApp, change: impl FnOnce(&mut HttpSettings)) -> TestApp {
    let mut shared = Shared::clone(&app.state);
    change(&mut shared.http);
    app.state = shared.into();
    app.front = Front::new(app.state.clone());
    app
}

async fn at(public_url: &str) -> TestApp {
    changed(TestApp::new().await, |http| {
        http.public_url = public_url.parse().unwrap();
    })
}

async fn open(app: &TestApp, host: &str, path: &str, cookie: &str) -> Answer {
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::ACCEPT, "text/html,application/xhtml+xml")
        .header(header::COOKIE, cookie);
    app.call(request.body(Body::empty()).unwrap()).await
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_has_one_address_whatever_the_proxy_calls_it() {
    let proxies = || vec!["10.0.0.0/8".parse().unwrap()];
    for (header, name, value, expected) in [
        (
            ForwardedHeader::XForwardedFor,
            "x-forwarded-for",
            "192.0.2.7:54321",
            "192.0.2.7",
        ),
        (
            ForwardedHeader::XForwardedFor,
            "x-forwarded-for",
            "192.0.2.7, 10.0.0.2:443",
            "192.0.2.7",
        ),
        (
            ForwardedHeader::XForwardedFor,
            "x-forwarded-for",
            "[2001:db8::1]:443",
            "2001:db8::1",
        ),
        (
            ForwardedHeader::XForwardedFor,
            "forwarded",
            "for=192.0.2.7",
            "10.0.0.1",
        ),
        (
            ForwardedHeader::Forwarded,
            "forwarded",
            "for=\"[2001:db8::1]:443\";proto=https",
            "2001:db8::1",
        ),
        (
            ForwardedHeader::Forwarded,
            "forwarded",
            "for=192.0.2.7, for=10.0.0.2",
            "192.0.2.7",
        ),
        (
            ForwardedHeader::Forwarded,
            "x-forwarded-for",
            "192.0.2.7",
            "10.0.0.1",
        ),
    ] {
        let app = TestApp::open(Needs {
            proxies: proxies(),
            ..Needs::default()
        })
        .await;
        let app = changed(app, |http| http.forwarded_header = header);
        let key = app.issue("client_secret", "read_only").await;
        let request = Request::post("/v1/oauth2/token")
            .header(name, value)
            .header(header::AUTHORIZATION, format!("{}x", key.basic()))
            .header(header::CONTENT_TYPE, FORM)
            .body(Body::from("grant_type=client_credentials"));
        let answer = app.call_from("10.0.0.1:4000", request.unwrap()).await;
        let decision = app.decision(&answer).await;
        assert_eq!(
            decision.address.as_deref(),
            Some(expected),
            "{name}: {value}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_at_another_address_is_led_to_the_public_one_and_nowhere_else() {
    let app = TestApp::new().await;
    for path in [
        "/",
        "/login?next=/users",
        "/credentials?q=a%20b",
        "/setup?token=x",
        "/sso/x/callback?code=y",
    ] {
        for host in [
            "10.0.0.5:3000",
            "localhost",
            "keys.example.com.evil.example",
            "evil.example",
        ] {
            let answer = open(&app, host, path, "").await;
            assert_eq!(
                answer.status,
                StatusCode::TEMPORARY_REDIRECT,
                "{host} {path}"
            );
            assert_eq!(
                answer.header("location"),
                Some(&*format!("{PUBLIC_URL}{path}"))
            );
            // A proxy that says another name than the browser did leads nobody in circles.
            let cookie = answer.cookie().unwrap();
            let again = open(&app, host, path, &cookie).await;
            assert_ne!(
                again.status,
                StatusCode::TEMPORARY_REDIRECT,
                "{host} {path}"
            );
        }
        let here = open(&app, "keys.example.com", path, "").await;
        assert_ne!(here.status, StatusCode::TEMPORARY_REDIRECT, "{path}");
    }
    // What programs, gateways and monitors ask for, and what is nothing, is answered where it is asked.
    for path in [
        "/healthz",
        "/readyz",
        "/v1/verify",
        "/v1/oauth2/keys",
        "/v1/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/v1",
        "/pkg/keyrack.js",
        "/favicon.svg",
        "/nowhere",
        "//evil.example",
        "/\\evil.example",
        "/%2f%2fevil.example/login",
    ] {
        let there = open(&app, "10.0.0.5:3000", path, "").await;
        let here = open(&app, "keys.example.com", path, "").await;
        assert_eq!(there.status, here.status, "{path}");
        assert_eq!(there.header("location"), None, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_may_not_reach_the_public_address_is_told_of_it() {
    let app = at("http://127.0.0.1:3000").await;
    let near = open(&app, "localhost:3000", "/login", "").await;
    assert_eq!(near.header("location"), Some("http://127.0.0.1:3000/login"));
    for host in ["192.168.1.5:3000", "nas.local:3000", "localhost:8080"] {
        let answer = open(&app, host, "/login", "").await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        let page = text(&answer);
        assert!(
            page.contains("Keyrack is set up for http://127.0.0.1:3000"),
            "{page}"
        );
        assert!(page.contains("href=\"http://127.0.0.1:3000\""), "{page}");
        assert!(!page.contains(host), "{page}");
    }
    // A form that was filled in there all the same says where to go, in a page.
    let request = Request::post("/login")
        .header(header::HOST, "192.168.1.5:3000")
        .header(header::ORIGIN, "http://192.168.1.5:3000")
        .header(header::ACCEPT, "text/html")
        .header(header::CONTENT_TYPE, FORM);
    let answer = app.call(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let page = text(&answer);
    assert!(page.contains("href=\"http://127.0.0.1:3000\""), "{page}");
}

/// Logs in over plain http; the cookies of the answer, without their attributes.
async fn log_in(app: &TestApp) -> Vec<String> {
    let request = Request::post("/login")
        .header(header::ORIGIN, app.state.http.link(""))
        .header(header::CONTENT_TYPE, FORM)
        .body(Body::from(form(&[
            ("email", "mara@example.com"),
            ("password", PASSWORD),
            ("next", ""),
        ])));
    cookies(&app.call(request.unwrap()).await)
}

fn cookies(answer: &Answer) -> Vec<String> {
    let cookies = answer.headers.get_all(header::SET_COOKIE).iter();
    let pairs = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    pairs.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_does_not_keep_the_session_over_plain_http_is_told_instead_of_led_in_circles()
 {
    let app = at(PLAIN).await;
    let given = log_in(&app).await;
    let probe = given
        .iter()
        .find(|cookie| cookie.starts_with("keyrack-probe="))
        .unwrap();
    let session = given
        .iter()
        .find(|cookie| cookie.starts_with("__Host-keyrack="))
        .unwrap();
    let answer = open(&app, "keys.lan:3000", "/", probe).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        text(&answer).contains("will not keep the session over plain http"),
        "{}",
        text(&answer)
    );
    // Told once; the next try is one from the beginning.
    assert_eq!(cookies(&answer), ["keyrack-probe="]);
    // One that keeps it, as on the machine itself, never hears of it.
    let both = format!("{session}; {probe}");
    let answer = open(&app, "keys.lan:3000", "/credentials", &both)
        .await
        .ok();
    assert!(
        cookies(&answer).contains(&"keyrack-probe=".to_owned()),
        "{answer:?}"
    );
    assert_eq!(
        cookies(&open(&app, "keys.lan:3000", "/login", "").await),
        Vec::<String>::new()
    );
    // Nor does anybody over TLS.
    let given = log_in(&TestApp::new().await).await;
    assert!(
        given.iter().all(|cookie| cookie.starts_with("__Host-")),
        "{given:?}"
    );
}

//! What every answer carries, whatever comes of the request.

use std::collections::HashSet;

use domain::role::Role;

use crate::app::Answer;
use crate::dashboard::{Dashboard, text};
use crate::faulty::Health;

/// What everything but a page may load.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
/// What a page without scripts may load.
const NO_SCRIPT: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const YEAR: u64 = 365 * 24 * 60 * 60;

/// The headers that are the same for every answer.
#[track_caller]
fn carries_the_headers(answer: &Answer, what: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
        ),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what}: {name}");
    }
    assert_eq!(answer.header("access-control-allow-origin"), None, "{what}");
    assert!(answer.header("x-request-id").is_some(), "{what}");
    let hsts = answer.header("strict-transport-security").unwrap();
    let (age, scope) = hsts.split_once("; ").unwrap();
    let age: u64 = age.strip_prefix("max-age=").unwrap().parse().unwrap();
    assert!(age >= YEAR, "{what}: {hsts}");
    assert_eq!(scope, "includeSubDomains", "{what}");
}

/// The nonce of a page whose policy is exactly ours.
#[track_caller]
fn nonce<'a>(answer: &'a Answer, what: &str) -> &'a str {
    let policy = answer.header("content-security-policy").unwrap();
    let (_, rest) = policy.split_once("'nonce-").unwrap();
    let (nonce, _) = rest.split_once('\'').unwrap();
    let expected = format!(
        "default-src 'self'; script-src 'nonce-{nonce}' 'strict-dynamic' 'wasm-unsafe-eval'; \
         style-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
         frame-ancestors 'none'; form-action 'self'"
    );
    assert_eq!(policy, expected, "{what}");
    assert!(nonce.len() >= 22, "{what}: 128 bits in base64");
    nonce
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_79_and_80_every_answer_carries_the_security_headers() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Superuser).await;
    let mut nonces = HashSet::new();
    for (path, status) in [
        ("/credentials", 200),
        ("/login", 200),
        ("/credentials/new", 200),
        ("/account", 200),
        ("/credentials/KRAAAAAAAAAAAAAAAAAAAA", 404),
    ] {
        let answer = dashboard.get(path, Some(&cookie)).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        carries_the_headers(&answer, path);
        let nonce = nonce(&answer, path);
        assert!(nonces.insert(nonce.to_owned()), "a nonce came twice");
        let page = text(&answer);
        assert!(page.contains(&format!("nonce=\"{nonce}\"")), "{path}");
        assert!(
            !page.contains("<script>") && !page.contains(" style=\""),
            "{path}"
        );
    }
    for cookie in [None, Some(cookie.as_str())] {
        let answer = dashboard.get("/nowhere", cookie).await;
        assert_eq!(answer.status.as_u16(), 404);
        carries_the_headers(&answer, "the page for what is not found");
        assert_eq!(answer.header("content-security-policy"), Some(NO_SCRIPT));
    }
    for (path, status) in [
        ("/v1/nowhere", 404),
        ("/healthz", 200),
        ("/audit/export.csv", 200),
        ("/_fn/users/list", 405),
    ] {
        let answer = dashboard.get(path, Some(&cookie)).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        carries_the_headers(&answer, path);
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, Some(NOTHING), "{path}");
    }
    let function = dashboard.call_function("/_fn/users/list", Some(&cookie), r#"{"params":{}}"#);
    carries_the_headers(&function.await.ok(), "a function");
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_79_and_80_an_error_carries_the_security_headers() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Superuser).await;
    for (health, status) in [(Health::Panicking, 500), (Health::Failing, 503)] {
        dashboard.app.store.set(health);
        for path in ["/credentials", "/account"] {
            let what = format!("{health:?} {path}");
            let answer = dashboard.get(path, Some(&cookie)).await;
            assert_eq!(answer.status.as_u16(), status, "{what}");
            carries_the_headers(&answer, &what);
            let policy = answer.header("content-security-policy");
            assert_eq!(policy, Some(NOTHING), "{what}");
        }
    }
}

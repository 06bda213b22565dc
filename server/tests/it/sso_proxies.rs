//! Real nginx with the files of `docs/sso`, which say who somebody is: what a client forges gets through
//! nowhere, asked or unasked.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::app::Answer;
use crate::dashboard::text;
use crate::proxies::{Proxy, alike, fill, start_echo};
use crate::wire;

const BY_PASSWORD: &str = include_str!("../../../docs/sso/nginx.conf");
const BY_OAUTH2_PROXY: &str = include_str!("../../../docs/sso/oauth2-proxy.conf");

/// The headers in which the first file names somebody.
const OWN: [&str; 4] = [
    "x-auth-user",
    "x-auth-email",
    "x-auth-name",
    "x-auth-groups",
];
/// Those of oauth2-proxy.
const REQUEST: [&str; 4] = [
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-preferred-username",
    "x-auth-request-groups",
];

/// A path that needs somebody.
const ASKED: &str = "/users";
/// Paths that both files let through, and spellings of them.
const UNASKED: [&str; 8] = [
    "/v1/oauth2/token",
    "/v1/x\\..\\..\\users",
    "/v1/..%5c..%5cusers",
    "/v1//users",
    "/.well-known/oauth-authorization-server/v1",
    "/.well-known/..\\users",
    "/healthz",
    "/healthz?x=/../users",
];

/// Bob has come by, as oauth2-proxy would say; his cookie is the word itself.
async fn oauth2_proxy() -> String {
    async fn answer(request: Request) -> Response {
        let headers = request.headers();
        let forged = REQUEST.iter().any(|name| headers.contains_key(*name));
        assert!(!forged, "it is told who somebody is");
        let is_bob = headers.get("cookie").is_some_and(|cookie| cookie == "bob");
        match request.uri().path() {
            "/oauth2/auth" if is_bob => {
                let said = [
                    ("x-auth-request-user", "bob"),
                    ("x-auth-request-email", "bob@example.com"),
                    ("x-auth-request-groups", "ops"),
                ];
                (StatusCode::ACCEPTED, said).into_response()
            }
            "/oauth2/auth" => StatusCode::UNAUTHORIZED.into_response(),
            _ => (StatusCode::FORBIDDEN, "the sign-in page").into_response(),
        }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer);
    tokio::spawn(server::serve::serve(
        listener,
        router,
        std::future::pending(),
    ));
    address.to_string()
}

/// Sends what is one's own, and every name of a family in every spelling.
async fn ask(proxy: &Proxy, path: &str, own: &[(&str, &str)], family: &[&str]) -> Answer {
    let spellings = |name: &&str| {
        [
            name.to_string(),
            name.replace('-', "_"),
            name.to_uppercase(),
        ]
    };
    let forged: Vec<_> = family.iter().flat_map(spellings).collect();
    let forged = forged.iter().map(|name| (name.as_str(), "mallory"));
    let headers: Vec<_> = own.iter().copied().chain(forged).collect();
    wire::send(proxy.address, &format!("GET {path}"), &headers, "").await
}

/// What must hold of each file. It names somebody in the headers of a family; `bob` is how Bob shows who he
/// is, and `expected` what comes of it.
async fn lets_nobody_name_themselves(
    proxy: &Proxy,
    family: &[&str; 4],
    bob: (&str, &str),
    expected: [&[&str]; 4],
) {
    let stranger = ask(proxy, ASKED, &[], family).await;
    assert!(!stranger.status.is_success(), "{}", text(&stranger));
    let said = |seen: &Value| family.map(|name| alike(seen, name).join("|"));
    for path in UNASKED {
        for own in [&[][..], &[bob]] {
            let seen = ask(proxy, path, own, family).await.ok().json();
            assert_eq!(said(&seen), [""; 4], "{path}: {seen}");
        }
    }
    let seen = ask(proxy, ASKED, &[bob], family).await.ok().json();
    assert_eq!(
        said(&seen),
        expected.map(|values| values.join("|")),
        "{seen}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_93_nginx_that_asks_for_passwords_passes_no_forged_header() {
    let (keyrack, _) = start_echo().await;
    let folder = tempfile::tempdir().unwrap();
    let passwords = folder.path().join("htpasswd");
    std::fs::write(&passwords, "bob:{PLAIN}secret\n").unwrap();
    let site = fill(
        BY_PASSWORD,
        &[
            ("127.0.0.1:3000", &keyrack.to_string()),
            ("/etc/nginx/keyrack.htpasswd", passwords.to_str().unwrap()),
        ],
    );
    let proxy = Proxy::nginx(&site).await;
    let basic = format!("Basic {}", STANDARD.encode("bob:secret"));
    let bob = ("Authorization", basic.as_str());
    let expected: [&[&str]; 4] = [&["bob"], &["bob@example.com"], &[], &["staff"]];
    lets_nobody_name_themselves(&proxy, &OWN, bob, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_93_nginx_that_asks_oauth2_proxy_passes_no_forged_header() {
    let (keyrack, _) = start_echo().await;
    let site = fill(
        BY_OAUTH2_PROXY,
        &[
            ("127.0.0.1:3000", &keyrack.to_string()),
            ("127.0.0.1:4180", &oauth2_proxy().await),
        ],
    );
    let proxy = Proxy::nginx(&site).await;
    let expected: [&[&str]; 4] = [&["bob"], &["bob@example.com"], &[], &["ops"]];
    lets_nobody_name_themselves(&proxy, &REQUEST, ("Cookie", "bob"), expected).await;
}

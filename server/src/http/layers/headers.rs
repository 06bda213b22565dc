//! Security headers on every answer, errors included, but for those of the gate, which gateways read.

use std::sync::LazyLock;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::state::AppState;

/// What everything but a page may load: nothing.
const NOTHING: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
/// What a page without scripts may load: its style and its icon.
pub const PLAIN_PAGE: &str = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; \
    base-uri 'none'; form-action 'none'";
/// Two years, the least that browsers' preload lists take.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");
/// Whatever is in an address is for this origin only.
pub const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
);

/// `cargo leptos watch` tells pages to load again by a web socket of its own.
static CONNECT: LazyLock<&str> = LazyLock::new(|| match std::env::var_os("LEPTOS_WATCH") {
    Some(_) => "connect-src 'self' ws:; ",
    None => "",
});

/// The policy of a page: its scripts by nonce, and everything else from here.
#[must_use]
pub fn page_policy(nonce: &str) -> String {
    // `strict-dynamic` lets the script that has the nonce load the WASM's script; browsers that
    // don't know it fall back to 'self'.
    format!(
        "default-src 'self'; script-src 'nonce-{nonce}' 'strict-dynamic' 'wasm-unsafe-eval'; \
         style-src 'self'; {}img-src 'self' data:; object-src 'none'; base-uri 'none'; \
         frame-ancestors 'none'; form-action 'self'",
        *CONNECT
    )
}

/// Whether a path is that of a page whose address holds a one-time token which still works while the
/// page is shown. Nothing may learn of that address, and no page but this one is reached from it.
/// The addresses of other pages hold at most what is used up once they are shown.
#[must_use]
pub fn is_one_time_link(path: &str) -> bool {
    matches!(path, "/welcome" | "/setup")
}

/// The layer. What a handler has set itself stays.
pub async fn secure(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let is_link = is_one_time_link(request.uri().path());
    let mut response = next.run(request).await;
    // A page that says "not found" leads on to others, whose forms would come without their origin.
    let referrer = if is_link && response.status() != StatusCode::NOT_FOUND {
        HeaderValue::from_static("no-referrer")
    } else {
        SAME_ORIGIN
    };
    set(&state, &mut response, referrer);
    response
}

/// Room for what is set here and an id for the request.
const HEADERS: usize = 10;
/// When whoever got a 503 may try again, in seconds: most of what causes one is over by then.
pub const RETRY: HeaderValue = HeaderValue::from_static("5");

/// What the layer sets. What is there already stays.
pub fn set(state: &AppState, response: &mut Response, referrer: HeaderValue) {
    let is_unavailable = response.status() == StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    let mut default = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    if is_unavailable {
        default(RETRY_AFTER, RETRY);
    }
    default(CONTENT_SECURITY_POLICY, NOTHING);
    default(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    default(REFERRER_POLICY, referrer);
    default(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    default(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    default(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    if state.http.is_https() {
        default(STRICT_TRANSPORT_SECURITY, HSTS);
    }
    // Nothing that depends on who asks is kept anywhere; files with a hash in their name say so.
    default(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

//! Browsers keep our cookies over TLS only, or on their own machine: all have the prefix `__Host-`. Over plain http
//! a log-in would lead back to the log-in for ever. So whoever is given the first of them over plain http gets one
//! more that any browser keeps; if that one comes back alone, they are told.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Response};
use http::header::{CONTENT_SECURITY_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::headers::PLAIN_PAGE;
use super::host::has_cookie;
use crate::state::AppState;

/// What the names of all our cookies begin with that matter.
const OURS: &str = "__Host-keyrack";
const PROBE: &str = "keyrack-probe=1";
const SET: HeaderValue =
    HeaderValue::from_static("keyrack-probe=1; Max-Age=60; Path=/; HttpOnly; SameSite=Lax");
const END: HeaderValue =
    HeaderValue::from_static("keyrack-probe=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax");

/// The layer. Over TLS it does nothing.
pub async fn tell(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if state.http.is_https() {
        return next.run(request).await;
    }
    let is_kept = has_cookie(request.headers(), OURS);
    let was_probed = has_cookie(request.headers(), PROBE);
    let is_lost = was_probed && !is_kept && request.method() == Method::GET;
    let mut answer = if is_lost {
        let page = app::not_kept(state.leptos.clone(), &state.http.link(""));
        let policy = [(CONTENT_SECURITY_POLICY, PLAIN_PAGE)];
        (StatusCode::FORBIDDEN, policy, Html(page)).into_response()
    } else {
        next.run(request).await
    };
    if !is_kept && gives_one(answer.headers()) {
        answer.headers_mut().append(SET_COOKIE, SET);
    } else if was_probed {
        // It has said what it can say.
        answer.headers_mut().append(SET_COOKIE, END);
    }
    answer
}

/// Whether an answer gives a cookie of ours, and not the end of one.
fn gives_one(headers: &HeaderMap) -> bool {
    let mut cookies = headers.get_all(SET_COOKIE).iter();
    cookies.any(|cookie| {
        let pair = cookie
            .to_str()
            .ok()
            .and_then(|cookie| cookie.split(';').next());
        let pair = pair.and_then(|pair| pair.split_once('='));
        pair.is_some_and(|(name, value)| name.starts_with(OURS) && !value.is_empty())
    })
}

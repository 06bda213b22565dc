//! Addresses that lead nowhere: one page for people, one error for programs. Neither shows anything by the
//! path, reads who asks, or touches a session.

use std::sync::OnceLock;

use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse as _, Response};
use http::StatusCode;
use http::header::CONTENT_SECURITY_POLICY;
use service::RequestFacts;

use super::layers::headers::PLAIN_PAGE;
use super::oauth;
use crate::state::AppState;

/// Whether software could take a path for another one: after `..` or `.`, an empty segment, or a backslash,
/// plain or percent-encoded. Only what has one reading comes to the router, so that nothing behind it can
/// decide a path a second time. No address of ours looks like that.
pub fn is_twisted(path: &str) -> bool {
    let is_twisted = |segment: &str| {
        matches!(segment, "" | "." | "..") || segment.contains('\\') || has_encoded(segment)
    };
    path != "/" && path.split('/').skip(1).any(is_twisted)
}

/// Whether a dot, a slash or a backslash is percent-encoded in a segment.
fn has_encoded(segment: &str) -> bool {
    let codes = segment.split('%').skip(1).filter_map(|rest| rest.get(..2));
    let mut codes = codes.map(str::as_bytes);
    codes.any(|code| {
        matches!(
            code,
            [b'2', b'e' | b'E' | b'f' | b'F'] | [b'5', b'c' | b'C']
        )
    })
}

/// 404, by whatever method.
pub async fn not_found(State(state): State<AppState>, request: Request) -> Response {
    static PAGE: OnceLock<String> = OnceLock::new();
    if is_for_programs(request.uri().path()) {
        let facts = request.extensions().get::<RequestFacts>();
        return oauth::no_endpoint(facts.and_then(|facts| facts.request_id.as_deref()));
    }
    let page = PAGE.get_or_init(|| app::not_found(state.leptos.clone()));
    let policy = [(CONTENT_SECURITY_POLICY, PLAIN_PAGE)];
    (StatusCode::NOT_FOUND, policy, Html(page.as_str())).into_response()
}

/// Whether whoever asks reads JSON. It decides about nothing else.
fn is_for_programs(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    matches!(segments.next(), Some("v1" | ".well-known"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_94_a_path_that_can_be_read_in_two_ways_is_twisted() {
        for path in [
            "//",
            "//users",
            "/users/",
            "/users//x",
            "/.",
            "/..",
            "/./users",
            "/v1/../users",
            "/users/..",
            "/\\users",
            "/v1/x\\..\\..\\users",
            "/users\\",
            "/%2e%2e/users",
            "/x/%2E./users",
            "/x/.%2e",
            "/x%2Fusers",
            "/x%2fusers",
            "/x%5Cusers",
            "/x%5c",
            "/%zz%2e",
            "/%%2e",
        ] {
            assert!(is_twisted(path), "{path}");
        }
        for path in [
            "/",
            "*",
            "",
            "/users",
            "/.well-known/oauth-authorization-server/v1",
            "/pkg/keyrack.Ab12.wasm",
            "/audit/export.csv",
            "/x..y/...",
            "/a%20b%2",
            "/a%",
            "/%252e%252e/users",
            "/é%e2%82",
        ] {
            assert!(!is_twisted(path), "{path}");
        }
    }
}

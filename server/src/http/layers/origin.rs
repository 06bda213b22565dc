//! Refuses changes that another site's page asks for (cross-site request forgery).
//!
//! Browsers say where a request comes from, in `Origin` and `Sec-Fetch-Site`; a change is made
//! only for our own pages. It lies around the dashboard alone: what programs ask knows no cookies.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN, REFERER};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::headers::{PLAIN_PAGE, is_one_time_link};
use super::host::reads_pages;
use crate::state::AppState;

/// The layer.
pub async fn same_origin(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    if !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        // The pages behind one-time links send no referrer, and browsers then say `Origin: null`. Their
        // forms hold the token of the link, which another site's page does not have.
        let may_be_null =
            request.method() == Method::POST && is_one_time_link(request.uri().path());
        if !is_ours(request.headers(), &state.http.public_url, may_be_null) {
            return refuse(&state, request.headers());
        }
        // Server functions take JSON too: no other site's page can send it unasked.
        let is_function = request.uri().path().starts_with("/_fn/");
        if !(is_form(request.headers()) || is_function && is_json(request.headers())) {
            let text = "Send a form (application/x-www-form-urlencoded).";
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
        }
    }
    // Server functions redirect forms back to where they came from: only ever to a page of ours.
    let comes_from_us = request
        .headers()
        .get(REFERER)
        .and_then(|value| Url::parse(value.to_str().ok()?).ok())
        .is_some_and(|url| url.origin() == state.http.public_url.origin());
    if !comes_from_us {
        request.headers_mut().remove(REFERER);
    }
    next.run(request).await
}

/// Tells where forms are sent from: in a page to those who read pages.
fn refuse(state: &AppState, headers: &HeaderMap) -> Response {
    let url = state.http.link("");
    if reads_pages(headers) {
        let page = app::not_our_form(state.leptos.clone(), &url);
        let policy = [(CONTENT_SECURITY_POLICY, PLAIN_PAGE)];
        return (StatusCode::FORBIDDEN, policy, Html(page)).into_response();
    }
    let text = format!("This form was not sent from {url}. Open that address and try again.");
    (StatusCode::FORBIDDEN, text).into_response()
}

fn is_ours(headers: &HeaderMap, public_url: &Url, may_be_null: bool) -> bool {
    let site = headers
        .get("sec-fetch-site")
        .map(http::HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin") {
        return false;
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) if origin.as_bytes() == b"null" => may_be_null,
        (Some(origin), None) => {
            // Compared as scheme, host and port: a longer host that ends alike is another.
            origin
                .to_str()
                .ok()
                .and_then(|origin| Url::parse(origin).ok())
                .is_some_and(|origin| origin.origin() == public_url.origin())
        }
        (None, _) => site.is_some(),
        _ => false,
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    is_kind(headers, "application/x-www-form-urlencoded")
}

fn is_json(headers: &HeaderMap) -> bool {
    is_kind(headers, "application/json")
}

fn is_kind(headers: &HeaderMap, expected: &str) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_78_only_our_own_pages_may_ask_for_changes() {
        let ours = Url::parse("https://keys.example.com/").unwrap();
        let table: [(&[(&str, &str)], bool); 11] = [
            (&[("origin", "https://keys.example.com")], true),
            (
                &[
                    ("origin", "https://keys.example.com"),
                    ("sec-fetch-site", "same-origin"),
                ],
                true,
            ),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[], false),
            (&[("origin", "null")], false),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "https://badkeys.example.com")], false),
            (&[("origin", "http://keys.example.com")], false),
            (&[("origin", "https://keys.example.com:8443")], false),
            (
                &[
                    ("origin", "https://keys.example.com"),
                    ("sec-fetch-site", "same-site"),
                ],
                false,
            ),
            (
                &[
                    ("origin", "https://keys.example.com"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
            ),
        ];
        for (pairs, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(is_ours(&headers, &ours, false), expected, "{pairs:?}");
            // Where `null` will do, everything else is as elsewhere.
            let expected = expected || pairs == [("origin", "null")];
            assert_eq!(is_ours(&headers, &ours, true), expected, "{pairs:?}");
        }
        let mut doubled = HeaderMap::new();
        doubled.append("origin", "https://keys.example.com".parse().unwrap());
        doubled.append("origin", "https://evil.example".parse().unwrap());
        assert!(!is_ours(&doubled, &ours, true));
    }

    #[test]
    fn check_63_a_form_without_an_origin_is_taken_from_our_own_page_only() {
        let ours = Url::parse("https://keys.example.com/").unwrap();
        for (site, expected) in [
            (None, true),
            (Some("same-origin"), true),
            (Some("same-site"), false),
            (Some("cross-site"), false),
            (Some("none"), false),
        ] {
            let mut headers = HeaderMap::from_iter([(ORIGIN, "null".parse().unwrap())]);
            if let Some(site) = site {
                headers.insert("sec-fetch-site", site.parse().unwrap());
            }
            assert_eq!(is_ours(&headers, &ours, true), expected, "{site:?}");
            assert!(!is_ours(&headers, &ours, false), "{site:?}");
        }
    }

    #[test]
    fn check_78_only_forms_are_read() {
        let with = |kind: &str| HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
        assert!(is_form(&with("application/x-www-form-urlencoded")));
        assert!(is_form(&with(
            "application/x-www-form-urlencoded; charset=UTF-8"
        )));
        for kind in [
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/json",
            "",
        ] {
            assert!(!is_form(&with(kind)), "{kind}");
        }
        assert!(!is_form(&HeaderMap::new()));
    }
}

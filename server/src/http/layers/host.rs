//! Browsers that open Keyrack at another address than `public_url`, such as localhost in place of 127.0.0.1: its
//! forms could not be sent from there. They are led home where that is sure to help, else told.
//!
//! The answer never leads anywhere but to `public_url`. It lies around pages alone: programs, gateways and
//! health checks call by whatever name they like.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use url::Url;

use super::headers::PLAIN_PAGE;
use crate::state::{AppState, is_loopback};

/// What a browser keeps for some seconds after it was led home. If it comes by a strange name again with that, it
/// is home: a proxy in between says another name than the browser did, and to lead on would go round in circles.
const LED: &str = "keyrack-led=1";
const LED_COOKIE: HeaderValue =
    HeaderValue::from_static("keyrack-led=1; Max-Age=10; Path=/; HttpOnly; SameSite=Lax");

/// What to do about a request.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// It is at home, or who asks is no browser that opens a page.
    Here,
    /// It goes to `public_url`.
    Home,
    /// The browser may not reach `public_url`: whoever sits there decides.
    Told,
}

/// The layer.
pub async fn lead_home(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let home = &state.http.public_url;
    match way(home, request.method(), request.uri(), request.headers()) {
        Way::Here => next.run(request).await,
        Way::Home => {
            let here = request.uri().path_and_query();
            let path = here.map_or("/", |here| here.as_str());
            let mut answer = Redirect::temporary(&state.http.link(path)).into_response();
            answer.headers_mut().append(SET_COOKIE, LED_COOKIE);
            answer
        }
        Way::Told => {
            let page = app::elsewhere(state.leptos.clone(), &state.http.link(""));
            let policy = [(CONTENT_SECURITY_POLICY, PLAIN_PAGE)];
            (StatusCode::MISDIRECTED_REQUEST, policy, Html(page)).into_response()
        }
    }
}

fn way(home: &Url, method: &Method, uri: &Uri, headers: &HeaderMap) -> Way {
    let opens_page = matches!(*method, Method::GET | Method::HEAD) && reads_pages(headers);
    // A whole URL in the request line goes before the header (RFC 9112 section 3.2.2).
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = uri.authority().map(http::uri::Authority::as_str).or(host);
    let asked = host.and_then(|host| Url::parse(&format!("{}://{host}", home.scheme())).ok());
    let Some(asked) = asked.filter(|asked| opens_page && asked.origin() != home.origin()) else {
        return Way::Here;
    };
    // What is this machine to the browser need not be this one.
    let is_near =
        is_loopback(&asked) && asked.port_or_known_default() == home.port_or_known_default();
    if is_loopback(home) && !is_near {
        Way::Told
    } else if has_cookie(headers, LED) {
        Way::Here
    } else {
        Way::Home
    }
}

/// Whether whoever asks shows pages to somebody.
pub fn reads_pages(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter();
    accepted.any(|accept| {
        accept
            .to_str()
            .is_ok_and(|accept| accept.contains("text/html"))
    })
}

/// Whether a cookie came along, as `name=value` or as the beginning of it.
pub fn has_cookie(headers: &HeaderMap, begin: &str) -> bool {
    let cookies = headers.get_all(COOKIE).iter();
    let mut cookies = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'));
    cookies.any(|cookie| cookie.trim().starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_at_another_address_is_led_home_or_told() {
        let near = "http://127.0.0.1:3000";
        let far = "https://keys.example.com";
        for (home, host, expected) in [
            (near, "127.0.0.1:3000", Way::Here),
            (near, "localhost:3000", Way::Home),
            (near, "LOCALHOST:3000", Way::Home),
            (near, "keyrack.localhost:3000", Way::Home),
            (near, "[::1]:3000", Way::Home),
            // A port that is forwarded, and a machine that is not the browser's.
            (near, "localhost:8080", Way::Told),
            (near, "localhost", Way::Told),
            (near, "192.168.1.5:3000", Way::Told),
            (near, "nas.local:3000", Way::Told),
            (far, "keys.example.com", Way::Here),
            (far, "Keys.Example.com:443", Way::Here),
            (far, "keys.example.com:8443", Way::Home),
            (far, "192.168.1.5:3000", Way::Home),
            (far, "keys.example.com.evil.example", Way::Home),
            (far, "", Way::Here),
            (far, "a b", Way::Here),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            let home = Url::parse(home).unwrap();
            let uri = Uri::from_static("/login");
            let way_of = |method: &Method, headers: &HeaderMap| way(&home, method, &uri, headers);
            // Programs that read no pages are left alone.
            assert_eq!(way_of(&Method::GET, &headers), Way::Here, "{host}");
            headers.insert(ACCEPT, "text/html,*/*;q=0.8".parse().unwrap());
            assert_eq!(way_of(&Method::GET, &headers), expected, "{home} {host}");
            assert_eq!(way_of(&Method::HEAD, &headers), expected, "{home} {host}");
            assert_eq!(way_of(&Method::POST, &headers), Way::Here, "{home} {host}");
            // Nobody is led in circles by a proxy that says another name.
            headers.insert(COOKIE, "a=b; keyrack-led=1".parse().unwrap());
            let again = if expected == Way::Home {
                Way::Here
            } else {
                expected
            };
            assert_eq!(way_of(&Method::GET, &headers), again, "{home} {host}");
        }
    }
}

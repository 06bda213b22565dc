//! The call that the gateway asks about. Each kind of gateway says it in one way, and only that
//! of the configured kind is read: gateways pass the other headers on as their clients sent them. The
//! query of the call decides nothing, so it is cut off, whatever bytes it has.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use super::PATH;
use crate::state::GateMode;

static ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
static ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
static FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
static FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// Method and raw path of the original call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Original<'a> {
    pub method: &'a str,
    pub path: &'a str,
}

impl<'a> Original<'a> {
    /// The call, if the gateway says clearly what it was.
    pub fn of(parts: &'a Parts, mode: GateMode) -> Option<Self> {
        let (method, target) = match mode {
            GateMode::Nginx => (&ORIGINAL_METHOD, &ORIGINAL_URI),
            GateMode::Caddy | GateMode::Traefik => (&FORWARDED_METHOD, &FORWARDED_URI),
            GateMode::Envoy => {
                // Envoy keeps the method, and appends path and query to the prefix.
                return Some(Self {
                    method: parts.method.as_str(),
                    path: parts.uri.path().strip_prefix(PATH)?,
                });
            }
        };
        if parts.uri.path() != PATH {
            return None;
        }
        Some(Self {
            method: std::str::from_utf8(stated(&parts.headers, method)?)
                .ok()
                .filter(|method| is_plain(method))?,
            path: path(stated(&parts.headers, target)?)?,
        })
    }
}

/// The value of a header that must be there once. A request line has no blanks in method or
/// target: one here would mean that two values were joined.
fn stated<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.as_bytes();
    let is_one = values.next().is_none()
        && !value.is_empty()
        && !value.iter().any(|byte| matches!(byte, b' ' | b'\t'));
    is_one.then_some(value)
}

/// The path of a target.
fn path(target: &[u8]) -> Option<&str> {
    let end = target.iter().position(|byte| *byte == b'?');
    let path = &target[..end.unwrap_or(target.len())];
    std::str::from_utf8(path).ok().filter(|path| is_plain(path))
}

/// Whether a text is visible ASCII.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, Request};

    fn parts(uri: &str, headers: &[(&'static str, &[u8])]) -> Parts {
        let (mut parts, ()) = Request::post(uri).body(()).unwrap().into_parts();
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value).unwrap();
            parts.headers.append(HeaderName::from_static(name), value);
        }
        parts
    }

    const NGINX: [(&str, &[u8]); 2] = [("x-original-method", b"PUT"), ("x-original-uri", b"/n?q")];
    const CADDY: [(&str, &[u8]); 2] = [("x-forwarded-method", b"GET"), ("x-forwarded-uri", b"/c")];

    #[test]
    fn check_50_only_the_configured_family_is_read() {
        let both = parts(PATH, &[NGINX, CADDY].concat());
        let nginx = Original {
            method: "PUT",
            path: "/n",
        };
        let caddy = Original {
            method: "GET",
            path: "/c",
        };
        assert_eq!(Original::of(&both, GateMode::Nginx), Some(nginx));
        assert_eq!(Original::of(&both, GateMode::Caddy), Some(caddy));
        assert_eq!(Original::of(&both, GateMode::Traefik), Some(caddy));
        assert_eq!(Original::of(&parts(PATH, &CADDY), GateMode::Nginx), None);
        assert_eq!(Original::of(&parts(PATH, &NGINX), GateMode::Caddy), None);
        assert_eq!(
            Original::of(&parts("/v1/verify/c", &CADDY), GateMode::Caddy),
            None
        );
    }

    #[test]
    fn check_50_missing_doubled_or_unclear_headers_say_nothing() {
        let uri = ("x-original-uri", b"/v1/accounts".as_slice());
        let method = ("x-original-method", b"GET".as_slice());
        let unclear: [&[(&'static str, &'static [u8])]; 13] = [
            &[],
            &[uri],
            &[method],
            &[uri, uri, method],
            &[uri, method, method],
            &[uri, ("x-original-method", b"")],
            &[("x-original-uri", b""), method],
            &[("x-original-uri", b"/v1/a, /v1/b"), method],
            &[("x-original-uri", b"/v1/\xc3\xa4"), method],
            &[("x-original-uri", b"/v1/a\tb"), method],
            &[("x-original-uri", b"/v1/a?b, /v1/c"), method],
            &[uri, ("x-original-method", b"GE\xc3\x84T")],
            &[uri, ("x-original-method", b"GET POST")],
        ];
        for headers in unclear {
            assert_eq!(
                Original::of(&parts(PATH, headers), GateMode::Nginx),
                None,
                "{headers:?}"
            );
        }
        assert!(Original::of(&parts(PATH, &[uri, method]), GateMode::Nginx).is_some());
    }

    #[test]
    fn check_50_the_query_says_nothing_whatever_it_has() {
        for query in [
            b"q=1".as_slice(),
            b"",
            b"q=M\xc3\xbcller",
            b"q=\xff\xfe",
            b"a=<b>&c=\"d\"&{e}|^`",
            b"q=1?q=2#x",
            b"x=/v1/../admin",
        ] {
            let uri = [b"/v1/accounts?", query].concat();
            let parts = parts(
                PATH,
                &[("x-original-uri", &uri), ("x-original-method", b"GET")],
            );
            let call = Original::of(&parts, GateMode::Nginx);
            assert_eq!(call.map(|call| call.path), Some("/v1/accounts"), "{uri:?}");
        }
    }

    #[test]
    fn envoy_appends_the_raw_path() {
        let table = [
            ("/v1/verify", ""),
            ("/v1/verify?x=/v1/accounts", ""),
            ("/v1/verify/", "/"),
            ("/v1/verify/v1/accounts?q=1", "/v1/accounts"),
            ("/v1/verify//v1/accounts", "//v1/accounts"),
            ("/v1/verify/v1/%2e%2E/../x", "/v1/%2e%2E/../x"),
        ];
        for (uri, path) in table {
            let parts = parts(uri, &[NGINX, CADDY].concat());
            let expected = Some(Original {
                method: "POST",
                path,
            });
            assert_eq!(Original::of(&parts, GateMode::Envoy), expected, "{uri}");
        }
    }
}

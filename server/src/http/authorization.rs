//! The `Authorization` header, read strictly: once, one scheme, no second spelling of the same
//! credentials. What the credentials mean is for the endpoint that reads them.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The challenge for Basic (RFC 7617 section 2.1).
pub const BASIC_CHALLENGE: HeaderValue =
    HeaderValue::from_static(r#"Basic realm="keyrack", charset="UTF-8""#);

/// A header is there more than once, or its value is not visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous;

/// The value of a header that may be there once; with two, nobody knows which one counts.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Ambiguous> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Ambiguous);
    }
    value.to_str().map(Some).map_err(|_| Ambiguous)
}

/// What an `Authorization` header says.
#[derive(Debug, PartialEq, Eq)]
pub enum Authorization<'a> {
    /// A Bearer token (RFC 6750 section 2.1).
    Bearer(&'a str),
    /// Basic, decoded; `None` when it can't be.
    Basic(Option<Basic>),
    /// A scheme that is not understood here.
    Other,
}

impl<'a> Authorization<'a> {
    /// Reads the header, if there is one.
    pub fn of(headers: &'a HeaderMap) -> Result<Option<Self>, Ambiguous> {
        Ok(single(headers, &header::AUTHORIZATION)?.map(Self::parse))
    }

    fn parse(value: &'a str) -> Self {
        let (scheme, credentials) = value.split_once(' ').unwrap_or((value, ""));
        let credentials = credentials.trim_start_matches(' ');
        // Schemes are case-insensitive (RFC 9110 section 11.1).
        if scheme.eq_ignore_ascii_case("bearer") {
            Self::Bearer(credentials)
        } else if scheme.eq_ignore_ascii_case("basic") {
            Self::Basic(Basic::decode(credentials))
        } else {
            Self::Other
        }
    }
}

/// User id and password of Basic, as RFC 7617 sends them.
#[derive(PartialEq, Eq)]
pub struct Basic {
    text: String,
    colon: usize,
}

impl Basic {
    fn decode(credentials: &str) -> Option<Self> {
        let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
        if text.contains(char::is_control) {
            return None;
        }
        Some(Self {
            colon: text.find(':')?,
            text,
        })
    }

    /// What stands before the first colon.
    pub fn user(&self) -> &str {
        &self.text[..self.colon]
    }

    /// What stands after it, further colons included.
    pub fn password(&self) -> &str {
        &self.text[self.colon + 1..]
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Basic(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(text: &[u8]) -> Authorization<'static> {
        let value = format!("Basic {}", STANDARD.encode(text));
        Authorization::parse(Box::leak(value.into_boxed_str()))
    }

    #[test]
    fn check_44_the_first_colon_splits() {
        let Authorization::Basic(Some(pair)) = basic(b"KR:se:cret") else {
            panic!("it is Basic")
        };
        assert_eq!((pair.user(), pair.password()), ("KR", "se:cret"));
    }

    #[test]
    fn check_44_control_characters_and_broken_text_are_refused() {
        let broken: [&[u8]; 6] = [
            b"no colon",
            b"a:\x00",
            b"a\x1f:b",
            b"a:b\x7f",
            b"a:b\r\nX: y",
            b"\xff:b",
        ];
        for text in broken {
            assert_eq!(basic(text), Authorization::Basic(None), "{text:?}");
        }
        for credentials in [
            "",
            "YTpi=",
            "YTpi ",
            "YTp",
            "YTo",
            "YTpiYw",
            "Y\u{221}pi",
            "YTpj YTpj",
        ] {
            assert_eq!(Basic::decode(credentials), None, "{credentials:?}");
        }
    }

    #[test]
    fn schemes_are_read_in_any_case_and_nothing_else_is() {
        assert_eq!(
            Authorization::parse("bEARER  x.y"),
            Authorization::Bearer("x.y")
        );
        assert!(matches!(
            Authorization::parse("BASIC YTpi"),
            Authorization::Basic(Some(_))
        ));
        for other in ["Digest x", "Bearer=x", "", "Bearer\tx", "x.y", "Negotiate"] {
            assert_eq!(
                Authorization::parse(other),
                Authorization::Other,
                "{other:?}"
            );
        }
    }

    #[test]
    fn a_header_that_is_there_twice_is_ambiguous() {
        let mut headers = HeaderMap::new();
        assert_eq!(single(&headers, &header::AUTHORIZATION), Ok(None));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("a"));
        assert_eq!(single(&headers, &header::AUTHORIZATION), Ok(Some("a")));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("a"));
        assert_eq!(single(&headers, &header::AUTHORIZATION), Err(Ambiguous));
    }

    #[test]
    fn a_password_is_never_in_debug_output() {
        assert_eq!(
            format!("{:?}", basic(b"KR:secret")),
            "Basic(Some(Basic(…)))"
        );
    }
}

//! Client authentication at the token endpoint (RFC 6749 section 2.3): exactly one method, by
//! Basic, by a secret in the form, or by a signed assertion.

use std::borrow::Cow;

use axum::http::HeaderMap;
use percent_encoding::percent_decode_str;
use service::ClientProof;

use super::error::OAuthFailure;
use super::form::Form;
use crate::http::authorization::{Authorization, Basic};

/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What the client shows of itself. Whether it is right is not known yet.
pub enum Client<'a> {
    /// By Basic.
    Header { id: String, secret: String },
    /// Key id and secret in the form.
    Secret { id: &'a str, secret: &'a str },
    /// A signed assertion in the form.
    Assertion {
        id: Option<&'a str>,
        assertion: &'a str,
    },
}

impl<'a> Client<'a> {
    /// The one client that the request authenticates.
    pub fn of(headers: &HeaderMap, form: &'a Form<'_>) -> Result<Self, OAuthFailure> {
        let header = Authorization::of(headers).map_err(|_| {
            OAuthFailure::InvalidRequest("The Authorization header is there more than once")
        })?;
        let asserts = form.client_assertion.is_some() || form.client_assertion_type.is_some();
        let methods = [header.is_some(), form.client_secret.is_some(), asserts];
        if methods.iter().filter(|used| **used).count() > 1 {
            return Err(OAuthFailure::InvalidRequest(
                "Use one way to authenticate, not several",
            ));
        }
        let id = form.client_id.as_deref();
        if let Some(header) = header {
            return Self::by_basic(&header, id);
        }
        if asserts {
            return match (
                &form.client_assertion,
                form.client_assertion_type.as_deref(),
            ) {
                (Some(assertion), Some(ASSERTION_TYPE)) => Ok(Self::Assertion { id, assertion }),
                _ => Err(OAuthFailure::InvalidRequest(
                    "Send client_assertion and, as client_assertion_type, urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                )),
            };
        }
        match (id, &form.client_secret) {
            (Some(id), Some(secret)) => Ok(Self::Secret { id, secret }),
            _ => Err(OAuthFailure::InvalidClient { by_header: false }),
        }
    }

    fn by_basic(header: &Authorization<'_>, named: Option<&str>) -> Result<Self, OAuthFailure> {
        let wrong = OAuthFailure::InvalidClient { by_header: true };
        let Authorization::Basic(Some(basic)) = header else {
            return Err(wrong);
        };
        let (id, secret) = form_decoded(basic).ok_or(wrong)?;
        if named.is_some_and(|named| named != id) {
            return Err(OAuthFailure::InvalidRequest(
                "client_id is not the one of the header",
            ));
        }
        Ok(Self::Header { id, secret })
    }

    /// The same, as the use cases take it.
    pub fn proof(&self) -> ClientProof<'_> {
        match self {
            Self::Header { id, secret } => ClientProof::Secret {
                client_id: id,
                secret,
            },
            Self::Secret { id, secret } => ClientProof::Secret {
                client_id: id,
                secret,
            },
            Self::Assertion { id, assertion } => ClientProof::Assertion {
                client_id: *id,
                assertion,
            },
        }
    }

    /// Whether it came in the `Authorization` header, so that a refusal must name a scheme.
    pub const fn by_header(&self) -> bool {
        matches!(self, Self::Header { .. })
    }
}

/// RFC 6749 section 2.3.1 form-encodes id and secret before they become Basic. Ours have no `%` and
/// no `+`, so clients that leave it out are understood, too.
pub(super) fn form_decoded(basic: &Basic) -> Option<(String, String)> {
    Some((form_decode(basic.user())?, form_decode(basic.password())?))
}

fn form_decode(text: &str) -> Option<String> {
    let mut escapes = text.split('%').skip(1).map(str::as_bytes);
    if !escapes.all(|rest| rest.len() > 1 && rest[..2].iter().all(u8::is_ascii_hexdigit)) {
        return None;
    }
    let text = text.replace('+', " ");
    percent_decode_str(&text)
        .decode_utf8()
        .ok()
        .map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_03_basic_is_form_decoded() {
        let table = [
            ("KR", Some("KR")),
            ("a%3Ab", Some("a:b")),
            ("a+b%2B", Some("a b+")),
            ("gr%C3%B6%C3%9Fe", Some("größe")),
            ("%zz", None),
            ("%4", None),
            ("%", None),
            ("a%%41", None),
            ("%+1", None),
            ("%FF", None),
        ];
        for (text, expected) in table {
            assert_eq!(form_decode(text).as_deref(), expected, "{text}");
        }
    }
}

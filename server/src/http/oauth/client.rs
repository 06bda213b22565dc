//! Client authentication at the token endpoint (RFC 6749 section 2.3): exactly one method, by
//! Basic or in the form.

use std::borrow::Cow;

use axum::http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::error::TokenFailure;
use super::form::Form;
use crate::http::authorization::Authorization;

/// Key id and secret, and how they came. Whether they are right is not known yet.
pub struct Client<'a> {
    pub id: Cow<'a, str>,
    pub secret: Cow<'a, str>,
    pub by_header: bool,
}

impl<'a> Client<'a> {
    /// The one client that the request authenticates.
    pub fn of(headers: &HeaderMap, form: &'a Form<'_>) -> Result<Self, TokenFailure> {
        let header = Authorization::of(headers).map_err(|_| {
            TokenFailure::InvalidRequest("The Authorization header is there more than once")
        })?;
        let asserts = form.client_assertion.is_some() || form.client_assertion_type.is_some();
        let methods = [header.is_some(), form.client_secret.is_some(), asserts];
        if methods.iter().filter(|used| **used).count() > 1 {
            return Err(TokenFailure::InvalidRequest(
                "Use one way to authenticate, not several",
            ));
        }
        match (header, &form.client_id, &form.client_secret) {
            (Some(header), named, _) => Self::by_basic(&header, named.as_deref()),
            (None, Some(id), Some(secret)) => {
                let (id, secret) = (Cow::Borrowed(&**id), Cow::Borrowed(&**secret));
                Ok(Self {
                    id,
                    secret,
                    by_header: false,
                })
            }
            // Nothing, half of it, or an assertion, which this endpoint does not take.
            (None, ..) => Err(TokenFailure::InvalidClient { by_header: false }),
        }
    }

    fn by_basic(header: &Authorization<'_>, named: Option<&str>) -> Result<Self, TokenFailure> {
        let wrong = TokenFailure::InvalidClient { by_header: true };
        let Authorization::Basic(Some(basic)) = header else {
            return Err(wrong);
        };
        let (Some(id), Some(secret)) = (form_decode(basic.user()), form_decode(basic.password()))
        else {
            return Err(wrong);
        };
        if named.is_some_and(|named| named != id) {
            return Err(TokenFailure::InvalidRequest(
                "client_id is not the one of the header",
            ));
        }
        Ok(Self {
            id: id.into(),
            secret: secret.into(),
            by_header: true,
        })
    }
}

/// RFC 6749 section 2.3.1 form-encodes id and secret before they become Basic. Ours have no
/// character that this changes, so clients that leave it out are understood, too.
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

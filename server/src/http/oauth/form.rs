//! The form of a request to the issuer (RFC 6749 section 3.2): in the body, each parameter at most
//! once, an empty one counts as absent, one that we don't know is ignored.

use std::borrow::Cow;
use std::collections::HashSet;
use std::error::Error as _;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::LengthLimitError;

use super::error::OAuthFailure;
use crate::http::layers::limits::BODY_BYTES;

/// Takes in the body of a request that must be a form, and must say nothing in its URL.
pub async fn receive(request: Request) -> Result<(Parts, Bytes), OAuthFailure> {
    let (parts, body) = request.into_parts();
    if parts.uri.query().is_some() {
        return Err(OAuthFailure::InvalidRequest(
            "Send the parameters in the body, not the URL",
        ));
    }
    if !is_form(&parts.headers) {
        return Err(OAuthFailure::UnsupportedMediaType);
    }
    let body = read(body).await?;
    Ok((parts, body))
}

/// The parameters that we know.
#[derive(Default)]
pub struct Form<'a> {
    pub grant_type: Option<Cow<'a, str>>,
    pub client_id: Option<Cow<'a, str>>,
    pub client_secret: Option<Cow<'a, str>>,
    pub client_assertion: Option<Cow<'a, str>>,
    pub client_assertion_type: Option<Cow<'a, str>>,
    pub scope: Option<Cow<'a, str>>,
    /// The one that may be there several times (RFC 8707 section 2).
    pub resources: Vec<Cow<'a, str>>,
    pub token: Option<Cow<'a, str>>,
}

impl<'a> Form<'a> {
    /// Reads a body.
    pub fn parse(body: &'a [u8]) -> Result<Self, OAuthFailure> {
        let mut form = Self::default();
        let mut seen = HashSet::new();
        for (name, value) in parameters(body) {
            if name == "resource" {
                if !value.is_empty() {
                    form.resources.push(value);
                }
                continue;
            }
            if let Some(field) = form.field(&name)
                && !value.is_empty()
            {
                *field = Some(value);
            }
            if !seen.insert(name) {
                return Err(OAuthFailure::InvalidRequest(
                    "A parameter is there more than once",
                ));
            }
        }
        Ok(form)
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        match name {
            "grant_type" => Some(&mut self.grant_type),
            "client_id" => Some(&mut self.client_id),
            "client_secret" => Some(&mut self.client_secret),
            "client_assertion" => Some(&mut self.client_assertion),
            "client_assertion_type" => Some(&mut self.client_assertion_type),
            "scope" => Some(&mut self.scope),
            "token" => Some(&mut self.token),
            _ => None,
        }
    }
}

/// The parameters of a body. One with nothing to decode, as those with tokens are, is only cut up: decoding
/// goes over it byte by byte.
fn parameters(body: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    // To the end, whatever it finds on the way: that is done for many bytes at once.
    let is_plain = body.iter().fold(true, |is_plain, byte| {
        is_plain & byte.is_ascii() & !matches!(byte, b'%' | b'+')
    });
    let plain = std::str::from_utf8(body).ok().filter(|_| is_plain);
    let pairs = plain.unwrap_or_default().split('&');
    let cut = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.into(), value.into())
    });
    let decoded = form_urlencoded::parse(if plain.is_some() { b"" } else { body });
    cut.chain(decoded)
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return false;
    };
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split_once(';').map_or(kind, |(essence, _)| essence);
    essence
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

async fn read(body: Body) -> Result<Bytes, OAuthFailure> {
    to_bytes(body, BODY_BYTES).await.map_err(|error| {
        let mut cause = error.source();
        while let Some(error) = cause {
            if error.is::<LengthLimitError>() {
                return OAuthFailure::TooLarge;
            }
            cause = error.source();
        }
        OAuthFailure::InvalidRequest("The body did not arrive whole")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_body_is_read_as_the_standard_says(body in "[ab=&%2+é]{0,12}") {
            let ours: Vec<_> = parameters(body.as_bytes()).collect();
            let theirs: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn check_10_empty_is_absent_and_unknown_is_ignored() {
        let form = Form::parse(b"grant_type=client_credentials&scope=&foo=bar&client_id=A%20b+c")
            .unwrap_or_default();
        assert_eq!(form.grant_type.as_deref(), Some("client_credentials"));
        assert_eq!(form.scope, None);
        assert_eq!(form.client_id.as_deref(), Some("A b c"));
    }

    #[test]
    fn check_10_no_parameter_is_there_twice() {
        for body in [
            "scope=a&scope=a",
            "scope=&scope=a",
            "scope=a&sc%6Fpe=b",
            "foo&foo",
            "&=&=",
        ] {
            assert!(Form::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_body_full_of_parameters_is_read_in_no_time() {
        let body = (0..9_000)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join("&");
        let began = std::time::Instant::now();
        assert!(Form::parse(body.as_bytes()).is_ok());
        assert!(began.elapsed().as_millis() < 50);
    }
}

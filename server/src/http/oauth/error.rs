//! Every way in which the issuer's endpoints say no (RFC 6749 section 5.2), and the one place that
//! turns it into an answer. The texts are fixed: nothing that was sent comes back.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use service::{Cause, Kept, Quota, RequestFacts, Rule, ServiceError, Services, TokenError};

use crate::http::rate_limit;

/// Clients that read the challenge and not the body find the error in it.
const CHALLENGE: HeaderValue =
    HeaderValue::from_static(r#"Basic realm="keyrack", charset="UTF-8", error="invalid_client""#);

/// Why there is no token, or no answer about one.
#[derive(Debug)]
pub enum OAuthFailure {
    /// The request is malformed; the text says how.
    InvalidRequest(&'static str),
    /// The body is no form.
    UnsupportedMediaType,
    /// The body is over the limit.
    TooLarge,
    /// No client authentication, or a wrong or unsupported one: which, is not said.
    InvalidClient {
        /// Whether it came in the `Authorization` header, so that the answer must name a scheme.
        by_header: bool,
    },
    /// An assertion that breaks a rule. Which, is said to whoever has shown that the key is theirs.
    InvalidAssertion(Rule),
    /// Another grant than client credentials.
    UnsupportedGrantType,
    /// A scope that is malformed, unknown, or more than the client has.
    InvalidScope,
    /// A resource that this issuer makes no tokens for.
    InvalidTarget,
    /// The client may not be used from the caller's address.
    AddressNotAllowed,
    /// The token to be revoked is another client's.
    ForeignToken,
    /// The caller has authenticated, but is no gateway.
    NoGateway,
    /// No endpoint has this address.
    NoEndpoint,
    /// Too many failures of this client from this network.
    Throttled(Duration),
    /// The client has revoked too many tokens: this one goes on (RFC 7009 section 2.2.1).
    TooManyRevoked(Duration),
    /// The client has used up its limit on tokens.
    RateLimited(Quota),
    /// The store, or signing, failed; the cause is for the log.
    Unavailable(ServiceError),
}

/// To whom nothing more is said: it would tell strangers which credentials there are.
const AUTHENTICATE: &str = "Authenticate as an active credential in the way of its flow: by secret, in the body or by Basic, or by an assertion. Why it failed, your team finds in Keyrack under the request_id";

/// What an assertion must be. The rules after that of the signature are checked only if it is right, and a
/// malformed one names nobody: what is said of them tells strangers nothing.
const fn broken(rule: Rule) -> &'static str {
    match rule {
        Rule::Client | Rule::Algorithm | Rule::Signature => AUTHENTICATE,
        Rule::Form => {
            "The assertion must be a signed JWT: three parts with dots between, 8 KiB at most"
        }
        Rule::Type => {
            "The typ of the assertion must be client-authentication+jwt or JWT, or left out"
        }
        Rule::Critical => "The assertion must have no crit",
        Rule::Audience => {
            "The aud of the assertion must be the issuer alone, as the metadata names it"
        }
        Rule::Expiry => {
            "The exp of the assertion must be a time from now on, within an hour: is the clock right?"
        }
        Rule::Beginning => {
            "The nbf and iat of the assertion must not be in the future: is the clock right?"
        }
        Rule::Id => "The assertion must have a jti of 1 to 256 bytes",
        Rule::SingleUse => "The assertion was used before: make a new one for each request",
    }
}

impl OAuthFailure {
    /// What the use case answered, to a client that authenticated by header or in the body.
    pub fn of(error: TokenError, by_header: bool) -> Self {
        match error {
            TokenError::InvalidClient(denial) => match *denial.cause {
                Cause::Assertion(rule) => Self::InvalidAssertion(rule),
                _ => Self::InvalidClient { by_header },
            },
            TokenError::InvalidScope => Self::InvalidScope,
            TokenError::InvalidTarget => Self::InvalidTarget,
            TokenError::AddressNotAllowed => Self::AddressNotAllowed,
            TokenError::ForeignToken => Self::ForeignToken,
            TokenError::RateLimited(quota) => Self::RateLimited(quota),
            TokenError::Throttled { wait, .. } => Self::Throttled(wait),
            TokenError::TooManyRevoked(wait) => Self::TooManyRevoked(wait),
            TokenError::Unavailable(cause) => Self::Unavailable(cause),
        }
    }

    /// Status, error code and description. A description holds only what RFC 6749 section 5.2
    /// lets it: visible ASCII without `"` and `\`.
    ///
    /// The standard has no code for "not now" at this endpoint; `temporarily_unavailable`, which
    /// it defines for the authorization endpoint, is what clients show best.
    const fn describe(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidRequest(how) => (StatusCode::BAD_REQUEST, "invalid_request", how),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "invalid_request",
                "Send the parameters as application/x-www-form-urlencoded",
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "invalid_request",
                "The body is over 64 KiB",
            ),
            Self::InvalidClient { .. } => {
                (StatusCode::UNAUTHORIZED, "invalid_client", AUTHENTICATE)
            }
            Self::InvalidAssertion(rule) => {
                (StatusCode::UNAUTHORIZED, "invalid_client", broken(*rule))
            }
            Self::UnsupportedGrantType => (
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "The only grant type is client_credentials",
            ),
            Self::InvalidScope => (
                StatusCode::BAD_REQUEST,
                "invalid_scope",
                "The scope is malformed, unknown, or more than this client has",
            ),
            Self::InvalidTarget => (
                StatusCode::BAD_REQUEST,
                "invalid_target",
                "This server issues no tokens for that resource",
            ),
            Self::AddressNotAllowed => (
                StatusCode::FORBIDDEN,
                "access_denied",
                "This client may not be used from this address",
            ),
            Self::ForeignToken => (
                StatusCode::BAD_REQUEST,
                "unauthorized_client",
                "This token was issued to another client",
            ),
            Self::NoGateway => (
                StatusCode::FORBIDDEN,
                "access_denied",
                "Only gateways of the kind token introspection may ask this",
            ),
            Self::NoEndpoint => (
                StatusCode::NOT_FOUND,
                "invalid_request",
                "There is no such endpoint: the metadata lists those that there are",
            ),
            Self::RateLimited(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "temporarily_unavailable",
                "This client has used up its limit on tokens: wait as long as Retry-After says",
            ),
            Self::Throttled(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "temporarily_unavailable",
                "Too many failed tries of this client: wait as long as Retry-After says",
            ),
            Self::TooManyRevoked(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "This client has revoked 300 tokens within an hour, this one still works: wait as long as Retry-After says, or let it end by itself",
            ),
            Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "The server can't do this at the moment",
            ),
        }
    }

    /// Keeps a refusal that no use case has seen, so that it can be looked up; gives it back.
    pub fn kept(self, services: &Services, surface: &'static str, facts: &RequestFacts) -> Self {
        let (_, reason, words) = self.describe();
        let words = match self {
            Self::InvalidClient { .. } if surface == "introspect" => {
                "no token of a gateway was sent"
            }
            _ => words,
        };
        let kept = Kept {
            surface,
            method: "POST",
            key_id: None,
            template: None,
            allowed: false,
            reason,
            detail: json!({ "words": words }),
        };
        services.keep_decision(kept, facts);
        self
    }

    /// The answer.
    pub fn respond(&self, request_id: Option<&str>) -> Response {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'static str,
            error_description: &'static str,
            request_id: Option<&'a str>,
        }
        let (status, error, error_description) = self.describe();
        let body = Json(Body {
            error,
            error_description,
            request_id,
        });
        let mut response = (status, [(header::CACHE_CONTROL, "no-store")], body).into_response();
        let headers = response.headers_mut();
        match self {
            // RFC 6749 section 5.2: only who tried a header gets a challenge. Clients that sent a
            // form would take it for a question and not read the error.
            Self::InvalidClient { by_header: true } => {
                headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
            }
            Self::Throttled(wait) | Self::TooManyRevoked(wait) => {
                rate_limit::tell_wait(headers, *wait);
            }
            Self::RateLimited(quota) => rate_limit::tell_used_up(headers, "tokens", quota),
            Self::Unavailable(cause) => {
                tracing::error!(
                    request_id,
                    error = cause as &dyn std::error::Error,
                    "the issuer could not answer"
                );
                headers.insert(header::RETRY_AFTER, HeaderValue::from(1_u64));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_13_descriptions_hold_only_what_the_standard_lets_them() {
        let rules = Rule::ALL.map(OAuthFailure::InvalidAssertion);
        let all = [
            OAuthFailure::InvalidRequest(""),
            OAuthFailure::UnsupportedMediaType,
            OAuthFailure::TooLarge,
            OAuthFailure::InvalidClient { by_header: true },
            OAuthFailure::UnsupportedGrantType,
            OAuthFailure::InvalidScope,
            OAuthFailure::InvalidTarget,
            OAuthFailure::AddressNotAllowed,
            OAuthFailure::ForeignToken,
            OAuthFailure::NoGateway,
            OAuthFailure::NoEndpoint,
            OAuthFailure::Throttled(Duration::ZERO),
            OAuthFailure::TooManyRevoked(Duration::ZERO),
            OAuthFailure::RateLimited(Quota {
                limit: 1,
                window: 3600,
                remaining: 0,
                reset: Duration::ZERO,
            }),
            OAuthFailure::Unavailable(ServiceError::Busy),
        ];
        for failure in all.into_iter().chain(rules) {
            let (_, code, description) = failure.describe();
            for byte in [code, description].concat().bytes() {
                assert!(
                    matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e),
                    "{failure:?}"
                );
            }
        }
    }
}

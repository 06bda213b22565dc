//! Every way in which the gate says no, and the one place that turns it into an answer.
//!
//! The body is JSON for whoever wrote the calling program: `code` is for machines, `message` for
//! people. It never repeats what was sent.

use std::net::IpAddr;
use std::sync::Once;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::scope::{AccessLevel, Level};
use serde::Serialize;
use service::Refusal;

use super::CALLS;
use crate::http::authorization::BASIC_CHALLENGE;
use crate::http::layers::headers::RETRY;
use crate::http::rate_limit;
use crate::state::GateMode;

/// Why a call does not go through.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Somebody else than a configured gateway asks.
    #[error("this address may not ask the gate: gate.trusted does not list it")]
    UntrustedPeer(Option<IpAddr>),
    /// The gateway does not say, or not clearly, what the call was.
    #[error("the gateway did not say clearly what was called: is gate.mode the right one?")]
    UnclearCall(GateMode),
    /// More than one kind of credentials, one of them twice, or of an unknown kind.
    #[error("send one kind of credentials, once: a Bearer token, Basic, or the pair of headers")]
    UnclearCredentials,
    /// The use case refuses.
    #[error(transparent)]
    Decided(Refusal),
    /// There was no decision in time.
    #[error("the server can't check credentials at the moment")]
    TooSlow,
    /// The decision panicked.
    #[error("the server can't check credentials at the moment")]
    Panicked,
    /// The caller's name or scope does not fit into a header.
    #[error("the server can't check credentials at the moment")]
    Unnameable,
}

/// A refusal, and how the caller tried to log in.
#[derive(Debug)]
pub struct GateRefusal {
    pub reason: Reason,
    pub by_basic: bool,
    /// Whether the use case has kept it for looking up, with all that it knows.
    pub is_kept: bool,
}

impl Reason {
    /// The word under which a refusal is kept.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UntrustedPeer(_) => "untrusted_gateway",
            Self::UnclearCall(_) => "unclear_call",
            Self::UnclearCredentials => "unclear_credentials",
            Self::Decided(refusal) => refusal.code(),
            Self::TooSlow | Self::Panicked | Self::Unnameable => "unavailable",
        }
    }
}

impl From<Reason> for GateRefusal {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            by_basic: false,
            is_kept: false,
        }
    }
}

/// The body.
#[derive(Serialize)]
struct Body<'a> {
    code: &'static str,
    message: String,
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    have: Option<Vec<String>>,
}

impl GateRefusal {
    /// The same, of a caller who tried Basic.
    pub fn by_basic(self, by_basic: bool) -> Self {
        Self { by_basic, ..self }
    }

    /// The status, in every mode that lets each one pass.
    pub fn status(&self) -> StatusCode {
        self.describe().0
    }

    /// Status and code.
    const fn describe(&self) -> (StatusCode, &'static str) {
        use Refusal::{
            AddressNotAllowed, AskedAgain, InsufficientScope, InvalidSecret, InvalidToken,
            NoCredentials, Path, RateLimited, Unavailable,
        };
        match &self.reason {
            Reason::UntrustedPeer(_) => (StatusCode::FORBIDDEN, "untrusted_gateway"),
            Reason::UnclearCall(_) => (StatusCode::FORBIDDEN, "unclear_call"),
            Reason::UnclearCredentials => (StatusCode::UNAUTHORIZED, "unclear_credentials"),
            Reason::Decided(NoCredentials) => (StatusCode::UNAUTHORIZED, "no_credentials"),
            Reason::Decided(InvalidToken(_)) => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Reason::Decided(InvalidSecret(_)) => (StatusCode::UNAUTHORIZED, "invalid_credentials"),
            Reason::Decided(AddressNotAllowed) => (StatusCode::FORBIDDEN, "address_not_allowed"),
            Reason::Decided(AskedAgain) => (StatusCode::FORBIDDEN, "asked_again"),
            Reason::Decided(RateLimited(_)) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Reason::Decided(Path(refusal)) => (StatusCode::FORBIDDEN, refusal.code()),
            Reason::Decided(InsufficientScope { .. }) => {
                (StatusCode::FORBIDDEN, "insufficient_scope")
            }
            Reason::Decided(Unavailable(_))
            | Reason::TooSlow
            | Reason::Panicked
            | Reason::Unnameable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        }
    }

    /// The challenge (RFC 6750 section 3): every 401 has one, and of the 403 the one that a wider
    /// token would help.
    fn challenge(&self) -> Option<HeaderValue> {
        if let Reason::Decided(Refusal::InsufficientScope { required, .. }) = &self.reason {
            let text = format!(
                r#"Bearer realm="keyrack", error="insufficient_scope", scope="{required}""#
            );
            return HeaderValue::try_from(text).ok();
        }
        if self.status() != StatusCode::UNAUTHORIZED {
            return None;
        }
        Some(match &self.reason {
            _ if self.by_basic => BASIC_CHALLENGE,
            Reason::UnclearCredentials => {
                HeaderValue::from_static(r#"Bearer realm="keyrack", error="invalid_request""#)
            }
            Reason::Decided(Refusal::InvalidToken(_)) => {
                HeaderValue::from_static(r#"Bearer realm="keyrack", error="invalid_token""#)
            }
            _ => HeaderValue::from_static(r#"Bearer realm="keyrack""#),
        })
    }

    /// The answer.
    pub fn respond(&self, request_id: Option<&str>) -> Response {
        self.log(request_id);
        let (status, code) = self.describe();
        let (required, have) = match &self.reason {
            Reason::Decided(Refusal::InsufficientScope { required, have }) => {
                let has = match have {
                    AccessLevel::None => vec![],
                    AccessLevel::Read => vec![required.scope.at(Level::Read).to_string()],
                    AccessLevel::Write => vec![required.scope.at(Level::Write).to_string()],
                };
                (Some([required.to_string()]), Some(has))
            }
            _ => (None, None),
        };
        let body = Body {
            code,
            message: self.reason.to_string(),
            request_id,
            required,
            have,
        };
        let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        let mut response = (status, headers, Json(body)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY);
        }
        if let Some(challenge) = self.challenge() {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Reason::Decided(Refusal::RateLimited(quota)) = &self.reason {
            rate_limit::tell_used_up(response.headers_mut(), CALLS, quota);
        }
        response
    }

    /// Failures of the server are logged. What a wrong set-up causes is warned of once, as it
    /// would come with every call; the rest is the caller's affair and only counted.
    fn log(&self, request_id: Option<&str>) {
        static UNTRUSTED: Once = Once::new();
        static UNCLEAR: Once = Once::new();
        match &self.reason {
            Reason::UntrustedPeer(peer) => UNTRUSTED.call_once(|| {
                tracing::warn!(
                    request_id,
                    ?peer,
                    "refused a question to the gate: {}",
                    self.reason
                );
            }),
            Reason::UnclearCall(mode) => UNCLEAR.call_once(|| {
                tracing::warn!(
                    request_id,
                    ?mode,
                    "refused a question to the gate: {}",
                    self.reason
                );
            }),
            Reason::Decided(Refusal::Unavailable(cause)) => {
                let error = cause as &dyn std::error::Error;
                tracing::error!(request_id, error, "the gate could not decide");
            }
            Reason::TooSlow => tracing::error!(request_id, "the gate took too long to decide"),
            Reason::Unnameable => {
                tracing::error!(request_id, "a credential's name does not fit into a header");
            }
            // What panicked was logged with its cause.
            Reason::UnclearCredentials | Reason::Decided(_) | Reason::Panicked => {}
        }
    }
}

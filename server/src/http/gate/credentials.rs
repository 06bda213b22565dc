//! What the caller of the API presents: a Bearer token, Basic, or the legacy pair of headers; one
//! of them, once.

use axum::http::{HeaderMap, HeaderName};
use service::{Cause, Denial, Presented, Refusal};

use super::refusal::{GateRefusal, Reason};
use crate::http::authorization::{Authorization, Basic, single};
use crate::state::GateSettings;

/// The credentials of one call. Whether they are right is not known yet.
#[derive(Debug)]
pub enum Credentials<'a> {
    Nothing,
    Bearer(&'a str),
    Basic(Basic),
    Pair { key_id: &'a str, secret: &'a str },
}

impl<'a> Credentials<'a> {
    /// Reads them.
    pub fn of(headers: &'a HeaderMap, settings: &GateSettings) -> Result<Self, GateRefusal> {
        let find =
            |name: &HeaderName| single(headers, name).map_err(|_| Reason::UnclearCredentials);
        let authorization = Authorization::of(headers).map_err(|_| Reason::UnclearCredentials)?;
        let pair = (
            find(&settings.key_id_header)?,
            find(&settings.secret_header)?,
        );
        match (authorization, pair) {
            (None, (None, None)) => Ok(Self::Nothing),
            (None, (Some(key_id), Some(secret))) => Ok(Self::Pair { key_id, secret }),
            (Some(Authorization::Bearer(token)), (None, None)) => Ok(Self::Bearer(token)),
            (Some(Authorization::Basic(Some(basic))), (None, None)) => Ok(Self::Basic(basic)),
            (Some(Authorization::Basic(None)), (None, None)) => {
                let unclear = Refusal::InvalidSecret(Denial::new(None, Cause::Unclear));
                Err(GateRefusal::from(Reason::Decided(unclear)).by_basic(true))
            }
            // Half a pair, two kinds at once, or a scheme that nobody knows.
            _ => Err(Reason::UnclearCredentials.into()),
        }
    }

    /// The same as the use case takes it.
    pub fn presented(&self) -> Presented<'_> {
        match self {
            Self::Nothing => Presented::Nothing,
            Self::Bearer(token) => Presented::Bearer(token),
            Self::Basic(basic) => Presented::Secret {
                key_id: basic.user(),
                secret: basic.password(),
            },
            Self::Pair { key_id, secret } => Presented::Secret { key_id, secret },
        }
    }

    /// Whether they came by Basic, so that a refusal asks for Basic.
    pub fn is_basic(&self) -> bool {
        matches!(self, Self::Basic(_))
    }
}

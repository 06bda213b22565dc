//! Why a program was not let in. The caller is told little of it; the team sees all of it when they
//! look the request up.

use std::sync::Arc;

use domain::Instant;
use domain::audience::TokenAudience;
use domain::credential::{Credential, Flow, State, state_at};
use domain::expiry::rfc3339;
use domain::key_id::KeyId;

use crate::assertion::Rule;

/// What is wrong with what was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Nothing was presented.
    Nothing,
    /// More than one kind of credentials, one of them twice, or none that is known.
    Unclear,
    /// No credential has this key id.
    UnknownKey,
    /// The secret is not the credential's.
    WrongSecret,
    /// The credential proves itself in another way.
    OtherFlow(Flow),
    /// The credential ended by time.
    Expired(Instant),
    /// The credential is quarantined.
    Disabled {
        /// By whom.
        by: String,
        /// Since when.
        at: Instant,
    },
    /// The credential was revoked.
    Revoked {
        /// By whom.
        by: String,
        /// When.
        at: Instant,
    },
    /// An assertion broke a rule.
    Assertion(Rule),
    /// No key fits an assertion, as the host of the keys gave none: what went wrong there.
    KeyHost(String),
    /// The token was not issued here, is not for this API, or was changed.
    ForeignToken,
    /// The token was signed by a key that is at its end, or was ended because somebody else may have it.
    SigningKeyEnded,
    /// The token ended by time.
    TokenEnded(Instant),
    /// The token was revoked by its client.
    TokenRevoked,
    /// The token is for this audience, and the gateway that asked is not.
    OtherAudience(TokenAudience),
    /// A secret is for no audience, and the gateway that asked is for some.
    NoAudience,
}

impl Cause {
    /// What stands against a credential at an instant; nothing against an active one.
    pub(crate) fn of_state(credential: &Credential, now: Instant) -> Option<Self> {
        let mark = credential.standing.mark();
        match state_at(&credential.standing, credential.expires_at, now) {
            State::Active => None,
            State::Expired => credential.expires_at.map(Self::Expired),
            State::Disabled => mark.map(|mark| Self::Disabled {
                by: mark.by.clone(),
                at: mark.at,
            }),
            State::Revoked => mark.map(|mark| Self::Revoked {
                by: mark.by.clone(),
                at: mark.at,
            }),
        }
    }

    /// The word under which it is stored and counted; it never changes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Nothing => "no_credentials",
            Self::Unclear => "unclear_credentials",
            Self::UnknownKey => "unknown_key",
            Self::WrongSecret => "wrong_secret",
            Self::OtherFlow(_) => "other_flow",
            Self::Expired(_) => "expired",
            Self::Disabled { .. } => "quarantined",
            Self::Revoked { .. } => "revoked",
            Self::Assertion(_) => "assertion",
            Self::KeyHost(_) => "key_host",
            Self::ForeignToken => "foreign_token",
            Self::SigningKeyEnded => "signing_key_ended",
            Self::TokenEnded(_) => "token_ended",
            Self::TokenRevoked => "token_revoked",
            Self::OtherAudience(_) => "other_audience",
            Self::NoAudience => "no_audience",
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("no credentials were sent"),
            Self::Unclear => {
                f.write_str("more than one kind of credentials was sent, or none that is known")
            }
            Self::UnknownKey => f.write_str("no credential has this key id"),
            Self::WrongSecret => f.write_str("the secret is not the one of this key"),
            Self::OtherFlow(flow) => {
                write!(f, "this key proves itself in another way: {}", flow.label())
            }
            Self::Expired(at) => write!(f, "this key expired at {}", rfc3339(*at)),
            Self::Disabled { by, at } => {
                write!(f, "this key was quarantined by {by} at {}", rfc3339(*at))
            }
            Self::Revoked { by, at } => {
                write!(f, "this key was revoked by {by} at {}", rfc3339(*at))
            }
            Self::Assertion(rule) => write!(f, "the assertion fails at: {}", rule.label()),
            Self::KeyHost(problem) => {
                write!(f, "no key fits the assertion’s signature: {problem}")
            }
            Self::ForeignToken => {
                f.write_str("the token was not issued here, is for another API, or was changed")
            }
            Self::SigningKeyEnded => f.write_str("the key that signed the token was ended"),
            Self::TokenEnded(at) => write!(f, "the token ended at {}", rfc3339(*at)),
            Self::TokenRevoked => f.write_str("the token was revoked by its client"),
            Self::OtherAudience(audience) => write!(
                f,
                "the token is for {audience}, and the gateway that asked lets none of these through"
            ),
            Self::NoAudience => f.write_str(
                "the gateway that asked is limited to audiences, and lets through tokens for these only, no \
                 keys with their secret",
            ),
        }
    }
}

/// A cause, and whose credential it was, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The credential that was named. It need not exist.
    pub key_id: Option<KeyId>,
    /// What is wrong. Shared, because refusals are remembered.
    pub cause: Arc<Cause>,
}

impl Denial {
    /// A denial.
    #[must_use]
    pub fn new(key_id: Option<KeyId>, cause: Cause) -> Self {
        let cause = Arc::new(cause);
        Self { key_id, cause }
    }
}

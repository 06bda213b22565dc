//! The gate: whether one call of the protected API goes through.

use std::net::IpAddr;
use std::sync::Arc;

use domain::catalogue;
use domain::credential::{Flow, State};
use domain::key_id::KeyId;
use domain::scope::{AccessLevel, WireScope};

use crate::Services;
use crate::error::ServiceError;
use crate::live::Live;
use crate::tokens::Effective;

/// What the caller of the API presented.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// Nothing.
    Nothing,
    /// A Bearer token (RFC 6750 section 2.1).
    Bearer(&'a str),
    /// Key id and secret, by Basic or by the legacy pair of headers.
    Secret {
        /// The key id.
        key_id: &'a str,
        /// The secret.
        secret: &'a str,
    },
}

/// One call of the protected API.
#[derive(Clone, Copy)]
pub struct GateRequest<'a> {
    /// The method, as the gateway got it.
    pub method: &'a str,
    /// Path and query, raw, as the gateway got them.
    pub path: &'a str,
    /// What the caller presented.
    pub presented: Presented<'a>,
    /// The caller's address.
    pub address: Option<IpAddr>,
}

/// A call that goes through, with what the gateway tells the API about the caller.
#[derive(Debug)]
pub struct Allowed {
    live: Arc<Live>,
    token: Option<Arc<Effective>>,
}

impl Allowed {
    /// Whose call it is.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.live.stored.credential.key_id
    }

    /// The credential's name, in ASCII.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.live.header_name
    }

    /// Everything that the caller may do: the token's scopes that the credential still has, or
    /// all of the credential's.
    #[must_use]
    pub fn scope(&self) -> &str {
        self.token
            .as_ref()
            .map_or(&self.live.scope_text, |token| &token.text)
    }
}

/// Why a call does not go through.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nothing was presented.
    #[error("no credentials were sent")]
    NoCredentials,
    /// The token is not ours, has ended, or its credential has.
    #[error("the access token is not valid, has ended, or its key has been stopped")]
    InvalidToken,
    /// Key id and secret don't fit, or the credential has ended.
    #[error("key id and secret don't match, or the key has ended or been stopped")]
    InvalidSecret,
    /// The catalogue does not know the call.
    #[error("{0}")]
    Path(catalogue::Refusal),
    /// The caller has too little access.
    #[error("{}", explain(.required, *.have))]
    InsufficientScope {
        /// What the call needs.
        required: WireScope,
        /// What the caller has on that scope.
        have: AccessLevel,
    },
    /// The store failed: nobody goes through.
    #[error("the server can't check credentials at the moment")]
    Unavailable(#[source] ServiceError),
}

fn explain(required: &WireScope, have: AccessLevel) -> String {
    match have {
        AccessLevel::None => {
            format!(
                "needs {required}, this key has no access to {}",
                required.scope
            )
        }
        level => format!(
            "needs {required}, this key has {}:{}",
            required.scope,
            level.as_str()
        ),
    }
}

impl Services {
    /// Decides about one call.
    ///
    /// # Errors
    /// Why it does not go through.
    pub async fn decide(&self, request: GateRequest<'_>) -> Result<Allowed, Refusal> {
        let allowed = self.authenticate(request.presented).await?;
        let needed = self
            .0
            .catalogue
            .find(request.method, request.path)
            .map_err(Refusal::Path)?;
        let scopes = allowed
            .token
            .as_ref()
            .map_or(&allowed.live.scopes, |token| &token.scopes);
        let scope = &needed.scope.name;
        if !scopes.allows(scope, needed.level) {
            let (required, have) = (scope.at(needed.level), scopes.level_of(scope));
            return Err(Refusal::InsufficientScope { required, have });
        }
        self.0
            .usage
            .note_call(&allowed.live, self.now(), request.address, || {
                format!("{} {}", request.method, needed.template)
            });
        Ok(allowed)
    }

    async fn authenticate(&self, presented: Presented<'_>) -> Result<Allowed, Refusal> {
        match presented {
            Presented::Nothing => Err(Refusal::NoCredentials),
            Presented::Secret { key_id, secret } => {
                let key_id = key_id.parse().map_err(|_| Refusal::InvalidSecret)?;
                let live = self.check_secret(key_id, secret, Flow::Legacy).await;
                let live = live
                    .map_err(Refusal::Unavailable)?
                    .ok_or(Refusal::InvalidSecret)?;
                Ok(Allowed { live, token: None })
            }
            Presented::Bearer(token) => {
                let now = self.now();
                let (id, verified) = self
                    .0
                    .tokens
                    .check(token, &self.0.signer, &self.0.settings, now)
                    .ok_or(Refusal::InvalidToken)?;
                let live = self.0.live.find(verified.key_id).await;
                let live = live
                    .map_err(|error| Refusal::Unavailable(error.into()))?
                    .filter(|live| live.state(now) == State::Active && live.flow() != Flow::Legacy)
                    .ok_or(Refusal::InvalidToken)?;
                let token = self.0.tokens.effective(id, &verified, &live);
                Ok(Allowed {
                    live,
                    token: Some(token),
                })
            }
        }
    }

    /// Answers "can this key call …?" for people, from the same rules.
    ///
    /// # Errors
    /// Why not: the path, or too little access.
    pub fn could_call<'a>(
        &'a self,
        access: &domain::access::Access,
        method: &str,
        path: &str,
    ) -> Result<catalogue::Requirement<'a>, Refusal> {
        let needed = self.0.catalogue.find(method, path).map_err(Refusal::Path)?;
        let have = access.level(&needed.scope.name);
        if have.allows(needed.level) {
            Ok(needed)
        } else {
            Err(Refusal::InsufficientScope {
                required: needed.scope.name.at(needed.level),
                have,
            })
        }
    }
}

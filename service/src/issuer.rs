//! The token endpoint's use case: from a client's proof to an access token (RFC 6749 section 4.4).

use std::sync::Arc;
use std::time::Duration;

use domain::credential::{Flow, State};
use domain::key_id::KeyId;
use domain::scope::ScopeSet;
use domain::secret::Secret;
use storage::SecretHash;

use crate::actor::RequestFacts;
use crate::crypto::Keys;
use crate::error::ServiceError;
use crate::live::Live;
use crate::tokens::{Claims, new_jti};
use crate::{ServiceResult, Services};

/// What a client shows of itself: its id and its secret, however they came.
#[derive(Clone, Copy)]
pub struct ClientProof<'a> {
    /// The key id.
    pub client_id: &'a str,
    /// The secret.
    pub secret: &'a str,
}

/// A request for a token.
#[derive(Clone, Copy)]
pub struct TokenRequest<'a> {
    /// Who asks.
    pub proof: ClientProof<'a>,
    /// The scopes that it asks for; all it has, if none are named.
    pub scope: Option<&'a str>,
    /// The resource that the token is for (RFC 8707).
    pub resource: Option<&'a str>,
}

/// A token.
pub struct IssuedToken {
    /// The JWT.
    pub access_token: String,
    /// How long it lives, in seconds.
    pub expires_in: i64,
    /// What it may do.
    pub scope: String,
}

/// Why there is no token; each has its code in the standards.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Unknown, wrong, of another flow, expired, quarantined or revoked: which, is not said.
    #[error("client authentication failed")]
    InvalidClient,
    /// Malformed, unknown, or more than the credential has.
    #[error("the scope is malformed, unknown, or more than this client has")]
    InvalidScope,
    /// No resource that this issuer makes tokens for.
    #[error("this server issues no tokens for that resource")]
    InvalidTarget,
    /// Too many failures of this client from this address.
    #[error("too many failed tries, wait before the next one")]
    Throttled(Duration),
    /// The store, or signing, failed.
    #[error("the server can't issue tokens at the moment")]
    Unavailable(#[source] ServiceError),
}

impl From<ServiceError> for TokenError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Throttled(wait) => Self::Throttled(wait),
            other => Self::Unavailable(other),
        }
    }
}

impl Services {
    /// Trades a client's proof for an access token.
    ///
    /// # Errors
    /// Why there is none; see [`TokenError`].
    pub async fn issue_token(
        &self,
        request: TokenRequest<'_>,
        facts: &RequestFacts,
    ) -> Result<IssuedToken, TokenError> {
        let now = self.now();
        let key_id: KeyId = request
            .proof
            .client_id
            .parse()
            .map_err(|_| TokenError::InvalidClient)?;
        let address = facts
            .address
            .map(|a| a.to_canonical().to_string())
            .unwrap_or_default();
        let limit_key = format!("{key_id} {address}");
        self.0.client_limits.begin(&limit_key, now)?;
        let live = self
            .check_secret(key_id, request.proof.secret, Flow::ClientSecret)
            .await?
            .ok_or(TokenError::InvalidClient)?;
        self.0.client_limits.succeeded(&limit_key);
        let scopes = requested(request.scope, &live.scopes)?;
        let settings = &self.0.settings;
        let audience = match request.resource {
            None => settings.audiences.first(),
            Some(asked) => settings.audiences.iter().find(|known| *known == asked),
        };
        let issued_at = now.timestamp();
        let longest = issued_at + settings.token_life.num_seconds();
        // A credential ends on a whole second, so a token never outlives it.
        let expires_at = live
            .stored
            .credential
            .expires_at
            .map_or(longest, |end| longest.min(end.timestamp()));
        let scope = scopes.to_string();
        let access_token = self.0.signer.sign(&Claims {
            iss: settings.issuer.clone(),
            sub: key_id.to_string(),
            client_id: key_id.to_string(),
            aud: audience.ok_or(TokenError::InvalidTarget)?.clone(),
            iat: issued_at,
            exp: expires_at,
            jti: new_jti(),
            scope: scope.clone(),
        })?;
        self.0
            .usage
            .note(&live, now, facts.address, "token request".to_owned());
        Ok(IssuedToken {
            access_token,
            expires_in: expires_at - issued_at,
            scope,
        })
    }

    /// The active credential of a flow whose secret this is. An unknown key id takes the same path
    /// as a wrong secret.
    pub(crate) async fn check_secret(
        &self,
        key_id: KeyId,
        secret: &str,
        flow: Flow,
    ) -> ServiceResult<Option<Arc<Live>>> {
        // The checksum refuses typos and other systems' secrets before anything is looked up.
        let Ok(secret) = secret.parse::<Secret>() else {
            return Ok(None);
        };
        let presented = self.0.keys.hash_secret(&secret);
        let live = self.0.live.find(key_id).await?;
        let nobody = [SecretHash([0; 32])];
        let stored = live
            .as_ref()
            .map_or(nobody.as_slice(), |live| &live.stored.secrets);
        let is_right = Keys::is_one_of(&presented, stored);
        let now = self.now();
        Ok(live.filter(|live| is_right && live.flow() == flow && live.state(now) == State::Active))
    }

    /// The public signing keys as a JWK set.
    #[must_use]
    pub fn jwks(&self) -> Arc<str> {
        self.0.signer.jwks()
    }
}

/// What a token gets: exactly what was asked for, or everything; never something else.
fn requested(asked: Option<&str>, has: &ScopeSet) -> Result<ScopeSet, TokenError> {
    let Some(asked) = asked else {
        return Ok(has.clone());
    };
    let asked: ScopeSet = asked.parse().map_err(|_| TokenError::InvalidScope)?;
    if asked.iter().all(|item| has.allows(&item.scope, item.level)) {
        Ok(asked)
    } else {
        Err(TokenError::InvalidScope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_12_a_token_gets_exactly_what_was_asked() {
        let has: ScopeSet = "accounts:read journaling:read journaling:write"
            .parse()
            .unwrap();
        let table = [
            (None, Some("accounts:read journaling:read journaling:write")),
            (Some("journaling:write"), Some("journaling:write")),
            (
                Some("journaling:read accounts:read"),
                Some("accounts:read journaling:read"),
            ),
            (Some("accounts:write"), None),
            (Some("data:read"), None),
            (Some("accounts:read data:read"), None),
            (Some(""), None),
            (Some("accounts:read  journaling:read"), None),
        ];
        for (asked, expected) in table {
            let got = requested(asked, &has).ok().map(|set| set.to_string());
            assert_eq!(got.as_deref(), expected, "{asked:?}");
        }
    }
}

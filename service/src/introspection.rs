//! Asking about a token (RFC 7662) and ending one before its time (RFC 7009).

use std::sync::Arc;

use domain::Instant;
use domain::audience::TokenAudience;
use domain::audit::{Action, ObjectKind, Outcome};
use domain::key_id::KeyId;
use serde::Serialize;
use serde_json::json;
use storage::RevokedToken;

use crate::Services;
use crate::actor::{Object, RequestFacts, program_event};
use crate::error::{ServiceError, ServiceResult};
use crate::gateways::Introspector;
use crate::issuer::{Client, ClientProof, TokenError};
use crate::tokens::{Effective, Verified};

/// An active token.
#[derive(Debug)]
pub struct Introspection {
    verified: Arc<Verified>,
    effective: Arc<Effective>,
}

/// What a gateway learns of an active token (RFC 7662 section 2.2).
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ActiveToken<'a> {
    /// `true`: of any other token nothing is said.
    pub active: bool,
    /// What it may still do: the token's scopes that its credential still has.
    pub scope: &'a str,
    /// The credential's key id.
    pub client_id: &'a str,
    /// The same: a program acts for itself.
    pub sub: &'a str,
    /// The resource that it is for, or several.
    pub aud: &'a TokenAudience,
    /// This issuer.
    pub iss: &'a str,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// Its id.
    pub jti: &'a str,
    /// `Bearer`.
    pub token_type: &'static str,
}

impl Introspection {
    /// What is told of it.
    #[must_use]
    pub fn told(&self) -> ActiveToken<'_> {
        let claims = &self.verified.claims;
        ActiveToken {
            active: true,
            scope: &self.effective.grant.text,
            client_id: &claims.client_id,
            sub: &claims.sub,
            aud: &claims.aud,
            iss: &claims.iss,
            exp: claims.exp,
            iat: claims.iat,
            jti: &claims.jti,
            token_type: "Bearer",
        }
    }
}

impl Services {
    /// What a token is worth at this moment to a gateway; nothing, if it is not active, not a token of
    /// ours, or for an audience that the gateway does not stand for (RFC 7662 section 2.2).
    pub async fn introspect(
        &self,
        by: &Introspector,
        token: &str,
    ) -> ServiceResult<Option<Introspection>> {
        let checked = self.check_token(token, by.audiences(), self.now()).await?;
        Ok(checked.ok().map(|(verified, effective)| Introspection {
            verified,
            effective,
        }))
    }

    /// Ends one of the client's own tokens. What is no token, or has ended, needs no ending.
    ///
    /// # Errors
    /// The client is not who it says, the token is another client's, or the store fails: then the
    /// token is as it was.
    pub async fn revoke_token(
        &self,
        proof: ClientProof<'_>,
        token: &str,
        facts: &RequestFacts,
    ) -> Result<(), TokenError> {
        let mut known = None;
        let ended = self.end_token(proof, token, facts, &mut known).await;
        ended.inspect_err(|refusal| self.keep_answer("revoke", known, Some(refusal), false, facts))
    }

    async fn end_token(
        &self,
        proof: ClientProof<'_>,
        token: &str,
        facts: &RequestFacts,
        known: &mut Option<KeyId>,
    ) -> Result<(), TokenError> {
        let Client { live, .. } = self.authenticate_client(proof, facts).await?;
        *known = Some(live.key_id());
        let now = self.now();
        let ring = self.key_ring().await?;
        let checked = self.0.tokens.check(token, &ring, &self.0.settings, now);
        drop(ring);
        let Ok(verified) = checked else {
            return Ok(());
        };
        if verified.key_id != live.key_id() {
            return Err(TokenError::ForeignToken);
        }
        self.may_revoke(live.key_id(), now)?;
        let jti = verified.claims.jti.clone();
        let event = program_event(
            now,
            &live.stored.credential,
            Action::TokenRevoked,
            Outcome::Done,
            Object::new(ObjectKind::Token, &jti, "access token"),
            facts,
            json!({ "key_id": live.key_id() }),
        );
        let revoked = RevokedToken {
            jti: jti.clone(),
            key_id: live.key_id(),
            expires_at: verified.expires_at,
        };
        self.store()
            .revoke_token(revoked, event)
            .await
            .map_err(ServiceError::from)?;
        self.0.tokens.revoked.note(jti, verified.expires_at);
        Ok(())
    }

    /// Counts a revocation. Each is an event that every replica must hear of, and is kept in memory until
    /// the token would have ended: so a credential has so many an hour, and all together so many at once.
    fn may_revoke(&self, key_id: KeyId, now: Instant) -> Result<(), TokenError> {
        if self.0.tokens.revoked.is_full() {
            return Err(ServiceError::Busy.into());
        }
        match self.0.revocations.count(&key_id, now) {
            Err(ServiceError::Throttled(wait)) => Err(TokenError::TooManyRevoked(wait)),
            counted => Ok(counted?),
        }
    }
}

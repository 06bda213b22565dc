//! The token endpoint's use case: from a client's proof to an access token (RFC 6749 section 4.4).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use domain::Instant;
use domain::audience::TokenAudience;
use domain::credential::Flow;
use domain::key_id::KeyId;
use domain::limits::LimitKind;
use domain::scope::ScopeSet;
use domain::secret::Secret;
use serde_json::json;
use storage::SecretHash;

use crate::actor::RequestFacts;
use crate::assertion::{Assertion, Rule};
use crate::crypto::Keys;
use crate::denial::{Cause, Denial};
use crate::error::ServiceError;
use crate::limiter::Quota;
use crate::live::Live;
use crate::tokens::{Claims, new_jti};
use crate::usage::Kept;
use crate::{ServiceResult, Services};

/// What a client shows of itself, however it came.
#[derive(Clone, Copy)]
pub enum ClientProof<'a> {
    /// Its id and its secret (RFC 6749 section 2.3.1).
    Secret {
        /// The key id.
        client_id: &'a str,
        /// The secret.
        secret: &'a str,
    },
    /// An assertion that it signed (RFC 7523 section 2.2).
    Assertion {
        /// The key id, where it is named beside the assertion.
        client_id: Option<&'a str>,
        /// The assertion, a JWT.
        assertion: &'a str,
    },
}

/// A client that has authenticated.
#[derive(Debug)]
pub(crate) struct Client {
    pub live: Arc<Live>,
    /// The thumbprint of the key that it signed with.
    pub public_key: Option<String>,
}

/// A request for a token.
#[derive(Clone, Copy)]
pub struct TokenRequest<'a> {
    /// Who asks.
    pub proof: ClientProof<'a>,
    /// The scopes that it asks for; all it has, if none are named.
    pub scope: Option<&'a str>,
    /// The resources that the token is for (RFC 8707); the first that is configured, if none are named.
    pub resources: &'a [Cow<'a, str>],
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
    /// Unknown, wrong, of another flow, expired, quarantined or revoked: which, the client is not
    /// told.
    #[error("client authentication failed")]
    InvalidClient(Denial),
    /// Malformed, unknown, or more than the credential has.
    #[error("the scope is malformed, unknown, or more than this client has")]
    InvalidScope,
    /// No resource that this issuer makes tokens for.
    #[error("this server issues no tokens for that resource")]
    InvalidTarget,
    /// The credential may not be used from the caller's address.
    #[error("this client may not be used from this address")]
    AddressNotAllowed,
    /// The credential has used up its limit on tokens.
    #[error("this client has used up its limit on tokens")]
    RateLimited(Quota),
    /// The token to be revoked is another client's.
    #[error("this token is not one of this client's")]
    ForeignToken,
    /// The client has revoked as many tokens as it may for now: this one goes on.
    #[error("this client has revoked too many tokens, wait before the next one")]
    TooManyRevoked(Duration),
    /// Too many failures of this client from this network.
    #[error("too many failed tries, wait before the next one")]
    Throttled {
        /// How long.
        wait: Duration,
        /// Which client, if there is one of that id.
        client: Option<KeyId>,
    },
    /// The store, or signing, failed.
    #[error("the server can't issue tokens at the moment")]
    Unavailable(#[source] ServiceError),
}

impl TokenError {
    /// The word under which a refusal is stored; it never changes.
    fn code(&self) -> &'static str {
        match self {
            Self::InvalidClient(denial) => denial.cause.code(),
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::RateLimited(_) => "rate_limited",
            Self::ForeignToken => "foreign_token",
            Self::TooManyRevoked(_) => "too_many_revoked",
            Self::Throttled { .. } => "too_many_failures",
            Self::Unavailable(_) => "unavailable",
        }
    }

    const fn denial(&self) -> Option<&Denial> {
        match self {
            Self::InvalidClient(denial) => Some(denial),
            _ => None,
        }
    }

    /// Whom a request concerned that got no further than this.
    fn client(&self) -> Option<KeyId> {
        match self {
            Self::Throttled { client, .. } => *client,
            other => other.denial().and_then(|denial| denial.key_id),
        }
    }
}

impl From<Denial> for TokenError {
    fn from(denial: Denial) -> Self {
        Self::InvalidClient(denial)
    }
}

impl From<ServiceError> for TokenError {
    fn from(error: ServiceError) -> Self {
        Self::Unavailable(error)
    }
}

/// What a token is for: the resources that were asked for, if this issuer has all of them.
fn targets(asked: &[Cow<'_, str>], known: &[String]) -> Result<TokenAudience, TokenError> {
    if asked.is_empty() {
        let first = known.first().ok_or(TokenError::InvalidTarget)?;
        return Ok(TokenAudience::One(first.clone()));
    }
    let find = |asked: &Cow<'_, str>| {
        let found = known.iter().find(|known| *known == asked);
        found.cloned().ok_or(TokenError::InvalidTarget)
    };
    asked.iter().map(find).collect()
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
        let mut known = None;
        let mut reported = None;
        let mut is_sample = false;
        let issued = self
            .exchange(request, facts, &mut known, &mut reported, &mut is_sample)
            .await;
        let (allowed, refusal) = match &issued {
            Ok(_) => (true, reported.as_ref()),
            Err(error) => (false, Some(error)),
        };
        if refusal.is_some() || is_sample {
            self.keep_answer("token", known, refusal, allowed, facts);
        }
        issued
    }

    /// Keeps what a client was answered, with what stood or would have stood against it, for looking up.
    pub(crate) fn keep_answer(
        &self,
        surface: &'static str,
        known: Option<KeyId>,
        refusal: Option<&TokenError>,
        allowed: bool,
        facts: &RequestFacts,
    ) {
        let denial = refusal.and_then(TokenError::denial);
        let words = match (refusal, denial) {
            (_, Some(denial)) => denial.cause.to_string(),
            (Some(refusal), None) => refusal.to_string(),
            (None, None) => "it was as it must be".to_owned(),
        };
        let kept = Kept {
            surface,
            method: "POST",
            key_id: known.or(refusal.and_then(TokenError::client)),
            template: None,
            allowed,
            reason: refusal.map_or("allowed", TokenError::code),
            detail: json!({ "words": words, "report_only": allowed && refusal.is_some() }),
        };
        self.keep_decision(kept, facts);
    }

    async fn exchange(
        &self,
        request: TokenRequest<'_>,
        facts: &RequestFacts,
        known: &mut Option<KeyId>,
        reported: &mut Option<TokenError>,
        is_sample: &mut bool,
    ) -> Result<IssuedToken, TokenError> {
        // First: what is refused for the clock uses no assertion up.
        self.certain()?;
        let Client { live, public_key } = self.authenticate_client(request.proof, facts).await?;
        let (now, key_id) = (self.now(), live.key_id());
        *known = Some(key_id);
        let limits = &live.stored.credential.limits;
        let mut limit = |kind, refusal| {
            if limits.only_reports(kind) {
                reported.get_or_insert(refusal);
                Ok(())
            } else {
                Err(refusal)
            }
        };
        if !limits.addresses.allows_caller(facts.address) {
            limit(LimitKind::Addresses, TokenError::AddressNotAllowed)?;
        }
        let scopes = requested(request.scope, &live.grant.scopes)?;
        let settings = &self.0.settings;
        let audience = targets(request.resources, &settings.audiences)?;
        let issued_at = now.timestamp();
        let longest = issued_at + settings.token_life.num_seconds();
        // A credential ends on a whole second, so a token never outlives it.
        let expires_at = live
            .stored
            .credential
            .expires_at
            .map_or(longest, |end| longest.min(end.timestamp()));
        let scope = scopes.to_string();
        // Last, so that requests which are refused anyway use nothing up.
        if let Some(Err(full)) = live.limiter.as_ref().map(|limiter| limiter.token()) {
            limit(LimitKind::Tokens, TokenError::RateLimited(full))?;
        }
        let claims = Claims {
            iss: settings.issuer.clone(),
            sub: key_id.to_string(),
            client_id: key_id.to_string(),
            aud: audience,
            iat: issued_at,
            exp: expires_at,
            jti: new_jti(),
            scope: scope.clone(),
        };
        let access_token = self.key_ring().await?.sign(&claims, now)?;
        *is_sample = self
            .0
            .usage
            .note_token(&live, now, facts.address, public_key);
        Ok(IssuedToken {
            access_token,
            expires_in: expires_at - issued_at,
            scope,
        })
    }

    /// The client, if its proof holds. Failures of one client from one address are limited.
    pub(crate) async fn authenticate_client(
        &self,
        proof: ClientProof<'_>,
        facts: &RequestFacts,
    ) -> Result<Client, TokenError> {
        let unknown = |key_id| Denial::new(key_id, Cause::UnknownKey);
        let assertion = match proof {
            ClientProof::Secret { .. } => None,
            ClientProof::Assertion { assertion, .. } => {
                let parsed = Assertion::parse(assertion);
                Some(parsed.map_err(|_| Denial::new(None, Cause::Assertion(Rule::Form)))?)
            }
        };
        let key_id = match (proof, &assertion) {
            (ClientProof::Secret { client_id, .. }, _) => client_id.parse().ok(),
            (ClientProof::Assertion { client_id, .. }, assertion) => assertion
                .as_ref()
                .and_then(Assertion::client)
                .filter(|subject| client_id.is_none_or(|named| named == subject.as_str())),
        };
        let key_id = key_id.ok_or_else(|| unknown(None))?;
        let counted_by = (key_id, facts.network());
        let tried = self.0.client_limits.attempt(&counted_by, self.now());
        let attempt = match tried.await {
            Ok(attempt) => attempt,
            Err(ServiceError::Throttled(wait)) => {
                return Err(self.throttled(key_id, wait).await);
            }
            Err(error) => return Err(error.into()),
        };
        let client = match (proof, assertion) {
            (ClientProof::Secret { secret, .. }, _) => {
                let flow = Flow::ClientSecret;
                let live = self.check_secret(key_id, secret, flow, self.now()).await?;
                live.map(|live| Client {
                    live,
                    public_key: None,
                })
            }
            (_, Some(assertion)) => self.check_assertion(key_id, &assertion).await?,
            (_, None) => Err(unknown(Some(key_id))),
        };
        Ok(client.inspect_err(|_| attempt.failed())?)
    }

    /// The refusal of a client that must wait. It names the client to whoever looks it up, but not ids
    /// that strangers made up.
    async fn throttled(&self, key_id: KeyId, wait: Duration) -> TokenError {
        let live = self.find_live(key_id).await;
        let client = live.ok().flatten().map(|live| live.key_id());
        TokenError::Throttled { wait, client }
    }

    /// Whether a client authenticates well, without giving it anything.
    pub async fn is_client(
        &self,
        proof: ClientProof<'_>,
        facts: &RequestFacts,
    ) -> ServiceResult<bool> {
        match self.authenticate_client(proof, facts).await {
            Ok(_) => Ok(true),
            Err(TokenError::Throttled { wait, .. }) => Err(ServiceError::Throttled(wait)),
            Err(TokenError::Unavailable(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// The active credential of a flow whose secret this is. An unknown key id takes the same path
    /// as a wrong secret.
    pub(crate) async fn check_secret(
        &self,
        key_id: KeyId,
        secret: &str,
        flow: Flow,
        now: Instant,
    ) -> ServiceResult<Result<Arc<Live>, Denial>> {
        let denied = |cause| Ok(Err(Denial::new(Some(key_id), cause)));
        // The checksum refuses typos and other systems' secrets before anything is looked up.
        let Ok(secret) = secret.parse::<Secret>() else {
            return denied(Cause::WrongSecret);
        };
        let presented = self.0.keys.hash_secret(&secret);
        let live = self.find_live(key_id).await?;
        let nobody = [SecretHash([0; 32])];
        let stored = live
            .as_ref()
            .map_or(nobody.as_slice(), |live| &live.stored.secrets);
        let is_right = Keys::is_one_of(&presented, stored);
        let Some(live) = live else {
            return denied(Cause::UnknownKey);
        };
        if live.flow() != flow {
            return denied(Cause::OtherFlow(live.flow()));
        }
        if !is_right {
            return denied(Cause::WrongSecret);
        }
        match live.denial(now) {
            Some(denial) => Ok(Err(denial)),
            None => Ok(Ok(live)),
        }
    }

    /// The active credential whose key signed this assertion; the assertion is used up.
    async fn check_assertion(
        &self,
        key_id: KeyId,
        assertion: &Assertion<'_>,
    ) -> ServiceResult<Result<Client, Denial>> {
        let denied = |cause| Ok(Err(Denial::new(Some(key_id), cause)));
        let Some(live) = self.find_live(key_id).await? else {
            return denied(Cause::UnknownKey);
        };
        if live.flow() != Flow::PrivateKeyJwt {
            return denied(Cause::OtherFlow(live.flow()));
        }
        let now = self.now();
        if let Some(denial) = live.denial(now) {
            return Ok(Err(denial));
        }
        let examined = self.examine(&live, assertion).await;
        if let Some(broken) = examined.findings.iter().find(|finding| !finding.passed) {
            let rule = broken.rule;
            return denied(
                examined
                    .host_problem
                    .map_or(Cause::Assertion(rule), Cause::KeyHost),
            );
        }
        let Some((id, until)) = examined.id else {
            return denied(Cause::Assertion(Rule::Id));
        };
        if !self
            .store()
            .use_assertion_id(key_id, id, until, now)
            .await?
        {
            return denied(Cause::Assertion(Rule::SingleUse));
        }
        Ok(Ok(Client {
            live,
            public_key: examined.thumbprint,
        }))
    }
}

/// What a token gets: exactly what was asked for, or everything; never something else.
fn requested(asked: Option<&str>, has: &ScopeSet) -> Result<ScopeSet, TokenError> {
    // Everything that it had may be gone from the catalogue.
    if has.is_empty() {
        return Err(TokenError::InvalidScope);
    }
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
        assert!(
            requested(None, &ScopeSet::default()).is_err(),
            "it has nothing"
        );
    }
}

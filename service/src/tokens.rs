//! Access tokens: JWTs after RFC 9068, signed with ES256 by one of the `signing_keys`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use domain::Instant;
use domain::audience::TokenAudience;
use domain::credential::Flow;
use domain::key_id::KeyId;
use domain::scope::{ScopeSet, WireScope};
use serde::{Deserialize, Serialize};

use crate::Settings;
use crate::clock::random_bytes;
use crate::crypto::hash_token;
use crate::denial::{Cause, Denial};
use crate::error::ServiceResult;
use crate::live::{self, Grant, Live, LiveCredentials};
use crate::memory::{CacheMemory, OVERHEAD, Share, Weighed, Weighted, weighted};
use crate::signing_keys::KeyRing;

/// RFC 9068 section 2.1.
pub(crate) const TYPE: &str = "at+jwt";

/// The claims of an access token (RFC 9068 section 2.2).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub iss: String,
    pub sub: String,
    pub client_id: String,
    pub aud: TokenAudience,
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
    pub scope: String,
}

/// A new token id: 128 random bits.
pub(crate) fn new_jti() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<16>())
}

/// A token that was verified, and what it may do with the credential as it was seen last.
#[derive(Debug)]
pub(crate) struct Verified {
    pub key_id: KeyId,
    /// All of it but the signature.
    signed: Box<str>,
    /// The number of the signing keys that it was verified by.
    ring: u64,
    pub expires_at: Instant,
    pub scopes: ScopeSet,
    pub claims: Claims,
    /// What it came to when it was last asked for.
    effective: ArcSwapOption<Effective>,
}

/// About what a token weighs here, with what is known of its credential, and one scope in a tree.
const ABOUT: usize = 3_500;
const SCOPE: usize = 64;

impl Weighed for Arc<Verified> {
    fn weight(&self) -> usize {
        // The claims are in what is signed, too, where base64 makes them longer.
        let texts = 2 * self.signed.len();
        // No scope with its level is shorter than eight characters.
        let scopes = self.claims.scope.len() / 8 * SCOPE;
        let credential = size_of::<Effective>() + live::ABOUT;
        size_of::<Verified>() + 8 * OVERHEAD + texts + scopes + credential
    }
}

impl Verified {
    /// What it came to, if nothing can have changed since.
    fn known(&self, credentials: &LiveCredentials) -> Option<Arc<Effective>> {
        let known = self.effective.load_full()?;
        let is_current = credentials.is_current(&known.live, known.generation);
        is_current.then_some(known)
    }

    /// The token with its credential, and the scopes that this one still has; why not, if it has ended
    /// or is not one for tokens.
    pub(crate) async fn effective(
        &self,
        credentials: &LiveCredentials,
        now: Instant,
    ) -> ServiceResult<Result<Arc<Effective>, Denial>> {
        let effective = if let Some(known) = self.known(credentials) {
            known
        } else {
            let denied = |cause| Ok(Err(Denial::new(Some(self.key_id), cause)));
            let generation = credentials.generation();
            let Some(live) = credentials.find(self.key_id).await? else {
                return denied(Cause::UnknownKey);
            };
            if live.flow() == Flow::Legacy {
                return denied(Cause::OtherFlow(Flow::Legacy));
            }
            let still = |item: &&WireScope| live.grant.scopes.allows(&item.scope, item.level);
            let grant = self.scopes.iter().filter(still).cloned().collect();
            let effective = Arc::new(Effective {
                grant: credentials.grants.of(grant),
                live,
                generation,
            });
            self.effective.store(Some(effective.clone()));
            effective
        };
        Ok(match effective.live.denial(now) {
            Some(denial) => Err(denial),
            None => Ok(effective),
        })
    }
}

/// Tokens whose signature was checked already: checking takes fifty times as long as looking up.
/// Only the token's own facts are kept; whether its credential still stands is asked every time. When
/// the signing keys change, each is checked anew. Otherwise a key counts for its tokens up to their ends.
#[derive(Debug)]
pub(crate) struct VerifiedTokens {
    tokens: Weighted<[u8; 32], Arc<Verified>>,
    pub revoked: RevokedTokens,
}

/// With so many revoked tokens in memory no more are revoked: those live for minutes, so there is room soon.
const MOST_REVOKED: usize = 100_000;

/// The tokens that their clients revoked before their end, by `jti`. All of them are in memory: a
/// token lives for minutes, and a client may revoke only so many.
#[derive(Debug, Default)]
pub(crate) struct RevokedTokens {
    ends: RwLock<HashMap<String, Instant>>,
    /// How many they are. Mostly none: then nobody waits for the lock.
    count: AtomicUsize,
}

impl RevokedTokens {
    fn has(&self, jti: &str) -> bool {
        self.count.load(Ordering::SeqCst) > 0
            && self
                .ends
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .contains_key(jti)
    }

    /// Whether no more can be taken. Those that others have revoked are.
    pub(crate) fn is_full(&self) -> bool {
        self.count.load(Ordering::SeqCst) >= MOST_REVOKED
    }

    fn change(&self, how: impl FnOnce(&mut HashMap<String, Instant>)) {
        let mut ends = self.ends.write().unwrap_or_else(PoisonError::into_inner);
        how(&mut ends);
        self.count.store(ends.len(), Ordering::SeqCst);
    }

    /// Notes that a token is revoked; `until` is when it would have ended.
    pub(crate) fn note(&self, jti: String, until: Instant) {
        self.change(|ends| {
            ends.insert(jti, until);
        });
    }

    /// Forgets those that have ended anyway.
    pub(crate) fn forget_ended(&self, now: Instant) {
        self.change(|ends| ends.retain(|_, until| *until > now));
    }
}

/// What a token comes to under one state of its credential.
#[derive(Debug)]
pub(crate) struct Effective {
    pub live: Arc<Live>,
    pub grant: Arc<Grant>,
    /// How much had been forgotten of credentials when this one was found.
    generation: u64,
}

impl VerifiedTokens {
    pub(crate) fn new(memory: CacheMemory) -> Self {
        Self {
            tokens: weighted(memory, Share::TOKENS, ABOUT),
            revoked: RevokedTokens::default(),
        }
    }

    /// How many are in memory, and what they weigh in bytes.
    pub(crate) fn load(&self) -> (usize, u64) {
        (self.tokens.len(), self.tokens.weight())
    }

    /// The token's facts if it is ours, within its time and not revoked. No leeway: the clock that
    /// signed it is the clock that checks it, give or take a replica's, and a token is renewed
    /// before its end.
    pub(crate) fn check(
        &self,
        token: &str,
        ring: &KeyRing,
        settings: &Settings,
        now: Instant,
    ) -> Result<Arc<Verified>, Denial> {
        let foreign = || Denial::new(None, Cause::ForeignToken);
        let (signed, signature) = token.rsplit_once('.').ok_or_else(foreign)?;
        // Found by the signature, of which only a hash is kept; the rest is long, and compared.
        let id = hash_token(signature).0;
        let is_same = |known: &Arc<Verified>| known.ring == ring.number && *known.signed == *signed;
        let known = self.tokens.get(&id).filter(is_same);
        let verified = if let Some(known) = known {
            known
        } else {
            let claims = ring
                .verify(token, settings, now)
                .map_err(|cause| Denial::new(None, cause))?;
            let verified = Arc::new(Verified {
                key_id: claims.client_id.parse().map_err(|_| foreign())?,
                signed: signed.into(),
                ring: ring.number,
                expires_at: DateTime::from_timestamp(claims.exp, 0).ok_or_else(foreign)?,
                scopes: claims.scope.parse().map_err(|_| foreign())?,
                claims,
                effective: ArcSwapOption::empty(),
            });
            self.tokens.insert(id, verified.clone());
            verified
        };
        let denied = |cause| Err(Denial::new(Some(verified.key_id), cause));
        if verified.expires_at <= now {
            return denied(Cause::TokenEnded(verified.expires_at));
        }
        if self.revoked.has(&verified.claims.jti) {
            return denied(Cause::TokenRevoked);
        }
        Ok(verified)
    }
}

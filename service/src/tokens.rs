//! Access tokens: JWTs after RFC 9068, signed with ES256.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};
use domain::Instant;
use domain::audit::{Action, AuditEvent, ObjectKind, Outcome};
use domain::credential::Flow;
use domain::expiry::rfc3339;
use domain::key_id::KeyId;
use domain::role::Permission;
use domain::scope::{ScopeSet, WireScope};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use storage::{SharedStore, SigningKeyRow};

use crate::actor::{Actor, Object};
use crate::clock::random_bytes;
use crate::crypto::{Keys, hash_token};
use crate::denial::{Cause, Denial};
use crate::error::{ServiceError, ServiceResult};
use crate::live::{Grant, Live, LiveCredentials};
use crate::{Services, Settings};

/// What signing keys are sealed in: the first thing that ever was, they have no context.
const CONTEXT: &str = "";

/// RFC 9068 section 2.1.
const TYPE: &str = "at+jwt";

/// The claims of an access token (RFC 9068 section 2.2).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub iss: String,
    pub sub: String,
    pub client_id: String,
    pub aud: String,
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
    pub scope: String,
}

/// How long a new signing key is published before it signs: verifiers look again only now and then.
pub(crate) const PUBLISHED_BEFORE_USE: TimeDelta = TimeDelta::minutes(15);
/// How long after the end of its last token a key stays published, for clocks that run late.
const KEPT_AFTER_USE: TimeDelta = TimeDelta::minutes(5);

/// A signing key, taken out of the store.
struct SigningKey {
    kid: String,
    used_from: Instant,
    signing: EncodingKey,
    verifying: DecodingKey,
    public: Value,
}

impl SigningKey {
    fn of(row: &SigningKeyRow, keys: &Keys) -> ServiceResult<Self> {
        let private = keys
            .open(CONTEXT, &row.encrypted_private_key)
            .map_err(ServiceError::internal)?;
        let jwk: jsonwebtoken::jwk::Jwk =
            serde_json::from_str(&row.public_jwk).map_err(ServiceError::internal)?;
        Ok(Self {
            kid: row.kid.clone(),
            used_from: row.used_from,
            signing: EncodingKey::from_ec_der(&private),
            verifying: DecodingKey::from_jwk(&jwk).map_err(ServiceError::internal)?,
            public: serde_json::from_str(&row.public_jwk).map_err(ServiceError::internal)?,
        })
    }
}

/// The signing keys: each signs from its `used_from` until that of the next one, is published
/// before, and stays published until its last token has ended.
pub(crate) struct Signer {
    /// By `used_from`; never empty.
    keys: ArcSwap<Vec<SigningKey>>,
    token_life: TimeDelta,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(…)")
    }
}

impl Signer {
    /// Reads the signing keys, and makes the first one if there is none.
    pub(crate) async fn open(
        store: &SharedStore,
        keys: &Keys,
        token_life: TimeDelta,
        now: Instant,
    ) -> ServiceResult<Self> {
        if store.list_signing_keys().await?.is_empty() {
            let row = make_key(keys, now, now)?;
            let event = made(&Actor::system(), &row, Action::SigningKeyMade);
            // Another replica may be first, which is as good.
            store.add_first_signing_key(row, event).await?;
        }
        let signer = Self {
            keys: ArcSwap::default(),
            token_life,
        };
        signer.load(store, keys).await?;
        Ok(signer)
    }

    /// Reads the keys again: another process may have added one.
    pub(crate) async fn load(&self, store: &SharedStore, keys: &Keys) -> ServiceResult<()> {
        let rows = store.list_signing_keys().await?;
        let read = rows.iter().map(|row| SigningKey::of(row, keys));
        let read = read.collect::<ServiceResult<Vec<_>>>()?;
        if read.is_empty() {
            return Err(ServiceError::internal("there is no signing key"));
        }
        self.keys.store(Arc::new(read));
        Ok(())
    }

    /// The public keys as a JWK set (RFC 7517 section 5).
    pub(crate) fn jwks(&self, now: Instant) -> String {
        let keys = self.keys.load();
        let ends = keys.iter().skip(1).map(|next| Some(next.used_from));
        let public: Vec<_> = keys
            .iter()
            .zip(ends.chain([None]))
            .filter(|(_, end)| end.is_none_or(|end| now < end + self.token_life + KEPT_AFTER_USE))
            .map(|(key, _)| &key.public)
            .collect();
        json!({ "keys": public }).to_string()
    }

    /// When the newest key began or begins to sign.
    fn newest(&self) -> Option<Instant> {
        self.keys.load().last().map(|key| key.used_from)
    }

    pub(crate) fn sign(&self, claims: &Claims, now: Instant) -> ServiceResult<String> {
        let keys = self.keys.load();
        let key = keys
            .iter()
            .rfind(|key| key.used_from <= now)
            .or_else(|| keys.first())
            .ok_or_else(|| ServiceError::internal("there is no signing key"))?;
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, claims, &key.signing).map_err(ServiceError::internal)
    }

    /// Checks a token's form, type and signature (RFC 9068 section 4). The times are the caller's
    /// to check, against the injected clock.
    fn verify(&self, token: &str, settings: &Settings) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let typ = header.typ.as_deref()?;
        if !typ.eq_ignore_ascii_case(TYPE) && !typ.eq_ignore_ascii_case("application/at+jwt") {
            return None;
        }
        let kid = header.kid.as_deref()?;
        let keys = self.keys.load();
        let key = keys.iter().find(|key| key.kid == kid)?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        // That each claim is there, and is of its type, is asked by `Claims`.
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&settings.audiences);
        let claims = jsonwebtoken::decode::<Claims>(token, &key.verifying, &validation)
            .ok()?
            .claims;
        (claims.sub == claims.client_id && claims.iat < claims.exp).then_some(claims)
    }
}

impl Services {
    /// The public signing keys as a JWK set.
    #[must_use]
    pub fn jwks(&self) -> String {
        self.0.signer.jwks(self.now())
    }

    /// Makes a new signing key. It is published at once and signs from a quarter of an hour later;
    /// the old one stays published until its last token has ended. When it begins to sign.
    pub async fn rotate_signing_key(&self, actor: &Actor) -> ServiceResult<Instant> {
        let action = Action::SigningKeyRotated;
        let object = Object {
            kind: ObjectKind::SigningKey,
            id: None,
            name: "signing key".to_owned(),
        };
        self.authorise(actor, Permission::ManageSettings, action, object)
            .await?;
        let now = self.now();
        let row = make_key(&self.0.keys, now, now + PUBLISHED_BEFORE_USE)?;
        let (event, used_from) = (made(actor, &row, action), row.used_from);
        self.store().add_signing_key(row, event).await?;
        self.0.signer.load(self.store(), &self.0.keys).await?;
        Ok(used_from)
    }

    /// Makes a new signing key if the newest one is older than the settings want; whether it did.
    pub async fn rotate_signing_key_if_due(&self) -> ServiceResult<bool> {
        let Some(every) = self.0.settings.signing_key_life else {
            return Ok(false);
        };
        let is_due = self
            .0
            .signer
            .newest()
            .is_some_and(|since| since + every <= self.now());
        if is_due {
            self.rotate_signing_key(&Actor::system()).await?;
        }
        Ok(is_due)
    }
}

fn made(actor: &Actor, row: &SigningKeyRow, action: Action) -> AuditEvent {
    let object = Object::new(ObjectKind::SigningKey, &row.kid, "signing key");
    let detail = json!({ "alg": "ES256", "used_from": rfc3339(row.used_from) });
    actor.event(row.created_at, action, Outcome::Done, object, detail)
}

/// A new ES256 key, its private part sealed.
fn make_key(keys: &Keys, now: Instant, used_from: Instant) -> ServiceResult<SigningKeyRow> {
    let rng = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng)
        .map_err(ServiceError::internal)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref())
        .map_err(ServiceError::internal)?;
    // An uncompressed point (SEC 1 section 2.3.3): 4, then x and y of 32 bytes each.
    let point = pair.public_key().as_ref();
    let (x, y) = (
        URL_SAFE_NO_PAD.encode(&point[1..33]),
        URL_SAFE_NO_PAD.encode(&point[33..65]),
    );
    let thumbprint = json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y }).to_string();
    let kid =
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, thumbprint.as_bytes()).as_ref());
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256", "kid": kid,
    });
    Ok(SigningKeyRow {
        kid,
        public_jwk: jwk.to_string(),
        encrypted_private_key: keys
            .seal(CONTEXT, pkcs8.as_ref())
            .map_err(ServiceError::internal)?,
        created_at: now,
        used_from,
    })
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
    pub expires_at: Instant,
    pub scopes: ScopeSet,
    pub claims: Claims,
    /// What it came to when it was last asked for.
    effective: ArcSwapOption<Effective>,
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
/// Only the token's own facts are kept; whether its credential still stands is asked every time.
#[derive(Debug)]
pub(crate) struct VerifiedTokens {
    tokens: Cache<[u8; 32], Arc<Verified>>,
    pub revoked: RevokedTokens,
}

/// The tokens that their clients revoked before their end, by `jti`. All of them are in memory: a
/// token lives for minutes, and revoking one needs its client's credentials.
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
    pub(crate) fn new() -> Self {
        Self {
            tokens: Cache::new(50_000),
            revoked: RevokedTokens::default(),
        }
    }

    /// The token's facts if it is ours, within its time and not revoked. No leeway: the clock that
    /// signed it is the clock that checks it, give or take a replica's, and a token is renewed
    /// before its end.
    pub(crate) fn check(
        &self,
        token: &str,
        signer: &Signer,
        settings: &Settings,
        now: Instant,
    ) -> Result<Arc<Verified>, Denial> {
        let foreign = || Denial::new(None, Cause::ForeignToken);
        let (signed, signature) = token.rsplit_once('.').ok_or_else(foreign)?;
        // Found by the signature, of which only a hash is kept; the rest is long, and compared.
        let id = hash_token(signature).0;
        let known = self.tokens.get(&id);
        let verified = if let Some(known) = known.filter(|known| *known.signed == *signed) {
            known
        } else {
            let claims = signer.verify(token, settings).ok_or_else(foreign)?;
            let verified = Arc::new(Verified {
                key_id: claims.client_id.parse().map_err(|_| foreign())?,
                signed: signed.into(),
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

#[cfg(test)]
mod tests;

//! The keys that sign access tokens. Each is published before it signs, signs until the next one takes
//! over, counts until its last token can have ended, and ends at once when somebody else may have it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};
use domain::Instant;
use domain::audit::{Action, AuditEvent, ObjectKind, Outcome};
use domain::expiry::rfc3339;
use domain::role::Permission;
use domain::text::Reason;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use storage::{SharedStore, SigningKeyRow};
use tokio::sync::Mutex;

use crate::actor::{Actor, Object, SKEW};
use crate::crypto::Keys;
use crate::denial::Cause;
use crate::error::{ServiceError, ServiceResult};
use crate::tokens::{Claims, TYPE};
use crate::{Services, Settings};

/// The longest that an access token may live: the bound of the setting `tokens.minutes`. What a key
/// counts for is measured by the bound, as the setting may have been longer yesterday.
pub const MAX_TOKEN_LIFE: TimeDelta = TimeDelta::hours(1);
/// How long a token that is issued now can count, by the clock of any replica.
pub(crate) const LAST_TOKEN: TimeDelta =
    TimeDelta::seconds(MAX_TOKEN_LIFE.num_seconds() + SKEW.num_seconds());
/// How long a new signing key is published before it signs: verifiers look again only now and then.
const PUBLISHED_BEFORE_USE: TimeDelta = TimeDelta::minutes(15);

/// What signing keys are sealed in: the first thing that ever was, they have no context.
const CONTEXT: &str = "";

/// A signing key as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyInfo {
    /// Its id, the `kid` of the tokens that it signs.
    pub kid: String,
    /// Since when it signs, or from when on.
    pub used_from: Instant,
    /// How far it is.
    pub stage: SigningKeyStage,
}

/// How far a signing key is that is not at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningKeyStage {
    /// It is published and does not sign yet.
    Published,
    /// It signs.
    Signs,
    /// It no longer signs; until then its tokens count.
    CountsUntil(Instant),
}

/// A signing key, taken out of the store.
struct SigningKey {
    kid: String,
    used_from: Instant,
    /// When the next one takes over.
    signs_until: Option<Instant>,
    is_compromised: bool,
    /// Nothing once it no longer signs.
    signing: Option<EncodingKey>,
    verifying: DecodingKey,
    public: Value,
}

impl SigningKey {
    fn of(row: &SigningKeyRow, signs_until: Option<Instant>, keys: &Keys) -> ServiceResult<Self> {
        let private = row.encrypted_private_key.as_deref();
        let private = private.map(|sealed| keys.open(CONTEXT, sealed)).transpose();
        let private = private.map_err(ServiceError::internal)?;
        let jwk: jsonwebtoken::jwk::Jwk =
            serde_json::from_str(&row.public_jwk).map_err(ServiceError::internal)?;
        Ok(Self {
            kid: row.kid.clone(),
            used_from: row.used_from,
            signs_until,
            is_compromised: row.compromised_at.is_some(),
            signing: private.map(|der| EncodingKey::from_ec_der(&der)),
            verifying: DecodingKey::from_jwk(&jwk).map_err(ServiceError::internal)?,
            public: serde_json::from_str(&row.public_jwk).map_err(ServiceError::internal)?,
        })
    }

    /// Whether it counts for a token that was issued at this time. Once it no longer signs it counts for
    /// none that is newer, and so, as tokens have a longest life, for none at all in the end.
    fn counts_for(&self, issued_at: Instant) -> bool {
        let in_time = |until: Instant| issued_at <= until + SKEW;
        !self.is_compromised && self.signs_until.is_none_or(in_time)
    }

    /// How far it is; nothing once it counts for nothing.
    fn stage(&self, now: Instant) -> Option<SigningKeyStage> {
        if self.is_compromised {
            return None;
        }
        match self.signs_until {
            Some(until) if until <= now => {
                let end = until + LAST_TOKEN;
                (now < end).then_some(SigningKeyStage::CountsUntil(end))
            }
            _ if now < self.used_from => Some(SigningKeyStage::Published),
            _ => Some(SigningKeyStage::Signs),
        }
    }
}

/// All signing keys as they were read at one time.
pub(crate) struct KeyRing {
    /// Another for each change: what was verified by one ring is verified anew by the next.
    pub number: u64,
    rows: Vec<SigningKeyRow>,
    /// By `used_from`.
    keys: Vec<SigningKey>,
}

impl KeyRing {
    fn of(rows: Vec<SigningKeyRow>, keys: &Keys, number: u64) -> ServiceResult<Self> {
        // A key that was ended before its time has come took over from none.
        let takes_over = |row: &&SigningKeyRow| {
            let ended_at = row.compromised_at;
            ended_at.is_none_or(|at| row.used_from < at)
        };
        let read = rows.iter().enumerate().map(|(at, row)| {
            let next = rows[at + 1..].iter().find(takes_over);
            SigningKey::of(row, next.map(|next| next.used_from), keys)
        });
        let keys = read.collect::<ServiceResult<Vec<_>>>()?;
        if keys.iter().all(|key| key.signing.is_none()) {
            return Err(ServiceError::internal("there is no signing key"));
        }
        Ok(Self { number, rows, keys })
    }

    /// The public keys as a JWK set (RFC 7517 section 5).
    fn jwks(&self, now: Instant) -> String {
        let counting = self.keys.iter().filter(|key| key.stage(now).is_some());
        let public: Vec<_> = counting.map(|key| &key.public).collect();
        json!({ "keys": public }).to_string()
    }

    fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// Signs the claims of a token that is issued now.
    pub(crate) fn sign(&self, claims: &Claims, now: Instant) -> ServiceResult<String> {
        let mut able = self
            .keys
            .iter()
            .filter_map(|key| Some((key, key.signing.as_ref()?)));
        // By a clock that runs late the key that signed until now may have lost its private half.
        let (key, signing) = able
            .clone()
            .rfind(|(key, _)| key.used_from <= now)
            .or_else(|| able.next())
            .ok_or_else(|| ServiceError::internal("there is no signing key"))?;
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, claims, signing).map_err(ServiceError::internal)
    }

    /// Checks a token's form, type and signature (RFC 9068 section 4), that its key counts for it, and
    /// that it was not issued in the future nor for longer than any token. Whether it has ended is the
    /// caller's to check.
    pub(crate) fn verify(
        &self,
        token: &str,
        settings: &Settings,
        now: Instant,
    ) -> Result<Claims, Cause> {
        let (claims, key) = self.read(token, settings).ok_or(Cause::ForeignToken)?;
        let at = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(Cause::ForeignToken);
        let (issued_at, ends_at) = (at(claims.iat)?, at(claims.exp)?);
        let is_possible = issued_at < ends_at
            && ends_at - issued_at <= MAX_TOKEN_LIFE
            && issued_at <= now + SKEW
            && claims.sub == claims.client_id;
        if !is_possible {
            return Err(Cause::ForeignToken);
        }
        if !key.counts_for(issued_at) {
            return Err(Cause::SigningKeyEnded);
        }
        Ok(claims)
    }

    /// The claims of a token, and the key that signed them.
    fn read(&self, token: &str, settings: &Settings) -> Option<(Claims, &SigningKey)> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let typ = header.typ.as_deref()?;
        if !typ.eq_ignore_ascii_case(TYPE) && !typ.eq_ignore_ascii_case("application/at+jwt") {
            return None;
        }
        let key = self.find(header.kid.as_deref()?)?;
        let mut validation = Validation::new(Algorithm::ES256);
        // The times are held against the injected clock.
        validation.validate_exp = false;
        // That each claim is there, and is of its type, is asked by `Claims`.
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&settings.audiences);
        let decoded = jsonwebtoken::decode::<Claims>(token, &key.verifying, &validation);
        Some((decoded.ok()?.claims, key))
    }
}

/// The signing keys as this process knows them.
pub(crate) struct Signer {
    ring: ArcSwap<KeyRing>,
    /// How many rings were made.
    made: AtomicU64,
    /// Held while they are read, so that of two readings the later one stays.
    reading: Mutex<()>,
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
        now: Instant,
    ) -> ServiceResult<Self> {
        if store.list_signing_keys().await?.is_empty() {
            let row = make_key(keys, now, now)?;
            let event = made(&Actor::system(), &row, Action::SigningKeyMade);
            // Another replica may be first, which is as good.
            store.add_first_signing_key(row, event).await?;
        }
        let ring = KeyRing::of(store.list_signing_keys().await?, keys, 0)?;
        Ok(Self {
            ring: ArcSwap::from_pointee(ring),
            made: AtomicU64::new(1),
            reading: Mutex::default(),
        })
    }

    /// Reads the keys again: another process may have changed one.
    pub(crate) async fn load(&self, store: &SharedStore, keys: &Keys) -> ServiceResult<()> {
        let _turn = self.reading.lock().await;
        let rows = store.list_signing_keys().await?;
        let known = self.ring.load();
        if known.rows != rows {
            self.ring.store(Arc::new(self.make(rows, keys)?));
        }
        Ok(())
    }

    fn make(&self, rows: Vec<SigningKeyRow>, keys: &Keys) -> ServiceResult<KeyRing> {
        KeyRing::of(rows, keys, self.made.fetch_add(1, Ordering::Relaxed))
    }
}

impl Services {
    /// The keys as they are at this moment.
    pub(crate) async fn key_ring(&self) -> ServiceResult<Guard<Arc<KeyRing>>> {
        self.hear().await?;
        Ok(self.0.signer.ring.load())
    }

    /// The public signing keys as a JWK set.
    ///
    /// # Errors
    /// The store can't be read, and a key may have been ended meanwhile.
    pub async fn jwks(&self) -> ServiceResult<String> {
        Ok(self.key_ring().await?.jwks(self.now()))
    }

    /// The signing keys that are not at their end, in the order in which they sign.
    pub async fn signing_keys(&self, actor: &Actor) -> ServiceResult<Vec<SigningKeyInfo>> {
        Self::may_read(actor, Permission::ManageSettings)?;
        let (ring, now) = (self.key_ring().await?, self.now());
        let info = |key: &SigningKey| {
            Some(SigningKeyInfo {
                kid: key.kid.clone(),
                used_from: key.used_from,
                stage: key.stage(now)?,
            })
        };
        Ok(ring.keys.iter().filter_map(info).collect())
    }

    /// Makes a new signing key. It is published at once and signs from a quarter of an hour later;
    /// the old one counts until its last token can have ended. When it begins to sign.
    ///
    /// # Errors
    /// The actor may not, the clock can't be believed, or the store fails.
    pub async fn rotate_signing_key(&self, actor: &Actor) -> ServiceResult<Instant> {
        let action = Action::SigningKeyRotated;
        self.authorise_signing_key(actor, action, None).await?;
        // No clock that is right again can undo it: the old key signs until then.
        let now = self.settled().await?.now?;
        let row = make_key(&self.0.keys, now, now + PUBLISHED_BEFORE_USE)?;
        let (event, used_from) = (made(actor, &row, action), row.used_from);
        self.store().add_signing_key(row, event).await?;
        self.0.signer.load(self.store(), &self.0.keys).await?;
        Ok(used_from)
    }

    /// Ends a signing key that somebody else may have: every token that it signed is refused from now
    /// on. If it signs, or is to, a new one signs at once; the `kid` of that.
    pub async fn end_signing_key(
        &self,
        actor: &Actor,
        kid: &str,
        reason: &str,
    ) -> ServiceResult<Option<String>> {
        let action = Action::SigningKeyCompromised;
        let signer = &self.0.signer;
        // What was typed goes into the audit log only if there is such a key.
        let known = signer.ring.load().find(kid).map(|key| key.kid.clone());
        self.authorise_signing_key(actor, action, known).await?;
        let reason: Reason = reason
            .parse()
            .map_err(|error| ServiceError::field("reason", error))?;
        signer.load(self.store(), &self.0.keys).await?;
        let now = self.now();
        let stage = signer.ring.load().find(kid).map(|key| key.stage(now));
        let stage = stage.ok_or(ServiceError::NotFound("signing key"))?;
        let successor = match stage {
            Some(SigningKeyStage::Published | SigningKeyStage::Signs) => {
                Some(make_key(&self.0.keys, now, now)?)
            }
            Some(SigningKeyStage::CountsUntil(_)) | None => None,
        };
        let new_kid = successor.as_ref().map(|row| row.kid.clone());
        let object = Object::new(ObjectKind::SigningKey, kid, "signing key");
        let detail = json!({ "reason": reason, "successor": new_kid });
        let event = actor.event(now, action, Outcome::Done, object, detail);
        let ended = self
            .store()
            .end_signing_key(kid.to_owned(), now, successor, event);
        ended.await?;
        signer.load(self.store(), &self.0.keys).await?;
        Ok(new_kid)
    }

    /// Makes a new signing key if the newest one is older than the settings want; whether it did.
    pub async fn rotate_signing_key_if_due(&self) -> ServiceResult<bool> {
        let Some(every) = self.0.settings.signing_key_life else {
            return Ok(false);
        };
        let Ok(now) = self.settled().await?.now else {
            return Ok(false);
        };
        // One of the far future was made by a wrong clock, in place of a key that was ended.
        let latest = now + PUBLISHED_BEFORE_USE + SKEW;
        let counts = |key: &&SigningKey| !key.is_compromised && key.used_from <= latest;
        let newest = self.0.signer.ring.load();
        let newest = newest.keys.iter().rfind(counts);
        let is_due = newest.is_some_and(|key| key.used_from + every <= now);
        if is_due {
            self.rotate_signing_key(&Actor::system()).await?;
        }
        Ok(is_due)
    }

    /// Deletes the private halves of the keys that no longer sign; how many.
    pub async fn retire_signing_keys(&self) -> ServiceResult<usize> {
        let signer = &self.0.signer;
        let now = self.settled().await?.known;
        let retired: Vec<_> = signer
            .ring
            .load()
            .keys
            .iter()
            .filter(|key| key.signing.is_some() && key.signs_until.is_some_and(|end| end <= now))
            .map(|key| key.kid.clone())
            .collect();
        for kid in &retired {
            let object = Object::new(ObjectKind::SigningKey, kid, "signing key");
            let action = Action::SigningKeyRetired;
            let event = Actor::system().event(self.now(), action, Outcome::Done, object, json!({}));
            self.store().delete_private_half(kid.clone(), event).await?;
        }
        if !retired.is_empty() {
            signer.load(self.store(), &self.0.keys).await?;
        }
        Ok(retired.len())
    }

    async fn authorise_signing_key(
        &self,
        actor: &Actor,
        action: Action,
        id: Option<String>,
    ) -> ServiceResult<()> {
        let object = Object {
            kind: ObjectKind::SigningKey,
            id,
            name: "signing key".to_owned(),
        };
        self.authorise(actor, Permission::ManageSettings, action, object)
            .await
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
    let sealed = keys.seal(CONTEXT, pkcs8.as_ref());
    Ok(SigningKeyRow {
        kid,
        public_jwk: jwk.to_string(),
        encrypted_private_key: Some(sealed.map_err(ServiceError::internal)?),
        created_at: now,
        used_from,
        compromised_at: None,
    })
}

#[cfg(test)]
mod tests;

//! Access tokens: JWTs after RFC 9068, signed with ES256.

use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use domain::Instant;
use domain::audit::{Action, ObjectKind, Outcome};
use domain::key_id::KeyId;
use domain::scope::ScopeSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::{SharedStore, SigningKeyRow};

use crate::Settings;
use crate::actor::{Actor, Object};
use crate::clock::{Clock, random_bytes};
use crate::crypto::{Keys, hash_token};
use crate::error::{ServiceError, ServiceResult};
use crate::live::Live;

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

/// Signs tokens with the newest key, and knows the keys that others were signed with.
pub(crate) struct Signer {
    kid: String,
    signing: EncodingKey,
    verifying: Vec<(String, DecodingKey)>,
    jwks: Arc<str>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.kid)
    }
}

impl Signer {
    /// Reads the signing keys, and makes the first one if there is none.
    pub(crate) async fn open(
        store: &SharedStore,
        keys: &Keys,
        clock: &dyn Clock,
    ) -> ServiceResult<Self> {
        let mut rows = store.list_signing_keys().await?;
        if rows.is_empty() {
            let row = make_key(keys, clock.now())?;
            let event = Actor::system().event(
                row.created_at,
                Action::SigningKeyMade,
                Outcome::Done,
                Object::new(ObjectKind::SigningKey, &row.kid, "signing key"),
                json!({ "alg": "ES256" }),
            );
            store.add_first_signing_key(row, event).await?;
            // Another replica may have been first.
            rows = store.list_signing_keys().await?;
        }
        let newest = rows
            .last()
            .ok_or_else(|| ServiceError::internal("there is no signing key"))?;
        let private = keys
            .open(&newest.encrypted_private_key)
            .map_err(ServiceError::internal)?;
        let (mut verifying, mut public) = (Vec::new(), Vec::new());
        for row in &rows {
            let jwk: jsonwebtoken::jwk::Jwk =
                serde_json::from_str(&row.public_jwk).map_err(ServiceError::internal)?;
            verifying.push((
                row.kid.clone(),
                DecodingKey::from_jwk(&jwk).map_err(ServiceError::internal)?,
            ));
            let jwk: serde_json::Value =
                serde_json::from_str(&row.public_jwk).map_err(ServiceError::internal)?;
            public.push(jwk);
        }
        Ok(Self {
            kid: newest.kid.clone(),
            signing: EncodingKey::from_ec_der(&private),
            verifying,
            jwks: json!({ "keys": public }).to_string().into(),
        })
    }

    /// The public keys as a JWK set (RFC 7517 section 5).
    pub(crate) fn jwks(&self) -> Arc<str> {
        self.jwks.clone()
    }

    pub(crate) fn sign(&self, claims: &Claims) -> ServiceResult<String> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.signing).map_err(ServiceError::internal)
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
        let (_, key) = self.verifying.iter().find(|(known, _)| known == kid)?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&settings.audiences);
        let claims = jsonwebtoken::decode::<Claims>(token, key, &validation)
            .ok()?
            .claims;
        (claims.sub == claims.client_id && claims.iat < claims.exp).then_some(claims)
    }
}

/// A new ES256 key, its private part sealed.
fn make_key(keys: &Keys, now: Instant) -> ServiceResult<SigningKeyRow> {
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
        encrypted_private_key: keys.seal(pkcs8.as_ref()).map_err(ServiceError::internal)?,
        created_at: now,
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
    pub expires_at: Instant,
    pub scopes: ScopeSet,
}

/// Tokens whose signature was checked already: checking takes fifty times as long as looking up.
/// Only the token's own facts are kept; whether its credential still stands is asked every time.
#[derive(Debug)]
pub(crate) struct VerifiedTokens {
    tokens: Cache<[u8; 32], Arc<Verified>>,
    effective: Cache<[u8; 32], Arc<Effective>>,
}

/// What a token comes to under one state of its credential.
#[derive(Debug)]
pub(crate) struct Effective {
    live: Arc<Live>,
    pub scopes: ScopeSet,
    pub text: String,
}

impl VerifiedTokens {
    pub(crate) fn new() -> Self {
        Self {
            tokens: Cache::new(50_000),
            effective: Cache::new(50_000),
        }
    }

    /// The token's facts if it is ours and within its time. No leeway: the clock that signed it is
    /// the clock that checks it, give or take a replica's, and a token is renewed before its end.
    pub(crate) fn check(
        &self,
        token: &str,
        signer: &Signer,
        settings: &Settings,
        now: Instant,
    ) -> Option<([u8; 32], Arc<Verified>)> {
        let id = hash_token(token).0;
        let verified = if let Some(known) = self.tokens.get(&id) {
            known
        } else {
            let claims = signer.verify(token, settings)?;
            let verified = Arc::new(Verified {
                key_id: claims.client_id.parse().ok()?,
                expires_at: DateTime::from_timestamp(claims.exp, 0)?,
                scopes: claims.scope.parse().ok()?,
            });
            self.tokens.insert(id, verified.clone());
            verified
        };
        (now < verified.expires_at).then_some((id, verified))
    }

    /// The scopes of a token that its credential still has, computed once for each state of it.
    pub(crate) fn effective(
        &self,
        id: [u8; 32],
        verified: &Verified,
        live: &Arc<Live>,
    ) -> Arc<Effective> {
        if let Some(known) = self.effective.get(&id)
            && Arc::ptr_eq(&known.live, live)
        {
            return known;
        }
        let scopes: ScopeSet = verified
            .scopes
            .iter()
            .filter(|item| live.access().level(&item.scope).allows(item.level))
            .cloned()
            .collect();
        let effective = Arc::new(Effective {
            live: live.clone(),
            text: scopes.to_string(),
            scopes,
        });
        self.effective.insert(id, effective.clone());
        effective
    }
}

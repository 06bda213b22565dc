//! Checking what a provider has signed: ID tokens (OpenID Connect Core section 3.1.3.7) and logout
//! tokens (Back-Channel Logout section 2.6).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use domain::Instant;
use jsonwebtoken::{Algorithm, DecodingKey};
use openidconnect::core::CoreJsonWebKey;
use serde_json::{Map, Value};
use storage::{Identity, TokenHash};

use super::SsoError;
use super::account::Arrival;
use super::claims::{Claims, Unreadable};
use super::provider::{Known, Provider};
use crate::crypto::hash_token;

/// How far the provider's clock may be from ours.
pub(super) const LEEWAY: TimeDelta = TimeDelta::seconds(60);
/// How old a token may be when it comes; it is made while we wait.
const OLDEST: TimeDelta = TimeDelta::minutes(5);
/// The event of a logout token.
const LOGGED_OUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What an RSA key may sign with. Which it is, its owner says by `alg`, or the token.
const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Somebody who logged out at the provider.
#[derive(Debug)]
pub(super) struct LoggedOut {
    pub identity: Identity,
    /// Which session; all of theirs, if nothing.
    pub sid: Option<String>,
    /// The id of the message.
    pub id: TokenHash,
}

/// A published key of a provider, ready to verify with: never a shared secret, and never `none`.
pub(super) struct ProviderKey {
    kid: Option<String>,
    key: DecodingKey,
    algorithms: Vec<Algorithm>,
}

impl std::fmt::Debug for ProviderKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProviderKey({:?})", self.kid)
    }
}

impl ProviderKey {
    /// Reads a key; nothing for one that signs no ID tokens.
    pub(super) fn read(key: &CoreJsonWebKey) -> Option<Self> {
        let json = serde_json::to_value(key).ok()?;
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let algorithms = match (text("kty")?, text("crv")) {
            ("RSA", _) => RSA.to_vec(),
            ("EC", Some("P-256")) => vec![Algorithm::ES256],
            ("EC", Some("P-384")) => vec![Algorithm::ES384],
            ("OKP", Some("Ed25519")) => vec![Algorithm::EdDSA],
            _ => return None,
        };
        let algorithms = match text("alg") {
            Some(only) => algorithms
                .into_iter()
                .filter(|one| algorithm(only) == Some(*one))
                .collect(),
            None => algorithms,
        };
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let kid = text("kid").map(ToOwned::to_owned);
        let jwk = serde_json::from_value(json).ok()?;
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self {
            kid,
            key,
            algorithms,
        })
    }
}

/// An algorithm by its name in JOSE (RFC 7518, RFC 8037, RFC 9864).
fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "Ed25519" => Some(Algorithm::EdDSA),
        name => name.parse().ok(),
    }
}

/// A token that was taken apart. Nothing in it is true yet.
struct Signed<'t> {
    message: &'t str,
    signature: &'t str,
    header: Map<String, Value>,
    claims: Claims,
}

impl<'t> Signed<'t> {
    fn read(token: &'t str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let object = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        Some(Self {
            message,
            signature,
            header: object(header)?,
            claims: Claims(object(claims)?),
        })
    }

    /// How the header says that it was signed, if that is a way that counts. What must be understood and is not
    /// makes it none (RFC 7515 section 4.1.11).
    fn algorithm(&self) -> Option<Algorithm> {
        let named = self.header.get("alg")?.as_str()?;
        let is_hmac = matches!(named, "HS256" | "HS384" | "HS512");
        let is_plain = !is_hmac && !self.header.contains_key("crit");
        is_plain.then(|| algorithm(named)).flatten()
    }

    /// Whether one of these keys made the signature: one with the name that the header has, or without any.
    fn is_by(&self, keys: &[ProviderKey], algorithm: Algorithm) -> bool {
        let kid = self.header.get("kid").and_then(Value::as_str);
        let mut fitting = keys.iter().filter(|key| {
            let is_named = kid.is_none() || key.kid.is_none() || key.kid.as_deref() == kid;
            is_named && key.algorithms.contains(&algorithm)
        });
        fitting.any(|key| {
            let message = self.message.as_bytes();
            jsonwebtoken::crypto::verify(self.signature, message, &key.key, algorithm)
                .unwrap_or(false)
        })
    }
}

impl Provider {
    /// The claims of a token that this provider signed for us, with this nonce or with none; its keys are asked for
    /// once more when none of them fits, as it may give a new key the name of an old one.
    pub(super) async fn verified(
        self: &Arc<Self>,
        known: &Arc<Known>,
        token: &str,
        now: Instant,
        nonce: Option<&str>,
    ) -> Result<Claims, SsoError> {
        let unsigned = || self.answered("an ID token whose signature can't be trusted");
        let signed = Signed::read(token);
        let signed = signed.ok_or_else(|| self.answered("an ID token that can't be read"))?;
        let algorithm = signed.algorithm().ok_or_else(unsigned)?;
        if !signed.is_by(&known.keys, algorithm) {
            let known = self.known_anew(known, now).await?;
            if !signed.is_by(&known.keys, algorithm) {
                return Err(unsigned());
            }
        }
        let fault = self.fault(&signed.claims, now, nonce);
        match fault.map_err(|claim| self.unreadable(claim))? {
            Some(fault) => Err(self.answered(fault)),
            None => Ok(signed.claims),
        }
    }

    /// What is wrong with the claims of a token that is to be for us, of now and of this log-in; nothing that they
    /// hold is in it.
    fn fault(
        &self,
        claims: &Claims,
        now: Instant,
        nonce: Option<&str>,
    ) -> Result<Option<&'static str>, Unreadable> {
        let (audiences, client) = (claims.audiences()?, self.settings.client_id.as_str());
        // A token for several parties, or one that names its party, must have been asked for by us
        // (OpenID Connect Core section 3.1.3.7, rules 4 and 5).
        let is_asked_by_us = match claims.get("azp") {
            Some(party) => party.as_str() == Some(client),
            None => audiences.len() == 1,
        };
        let made = claims.needed_time("iat")?;
        let is_of_now = now - LEEWAY < claims.needed_time("exp")?
            && now - OLDEST - LEEWAY <= made
            && made <= now + LEEWAY;
        // A logout token has none: that is what tells the two apart.
        let is_of_log_in = match nonce {
            Some(nonce) => claims.needed("nonce").ok() == Some(nonce),
            None => claims.get("nonce").is_none(),
        };
        Ok(if claims.needed("iss")? != self.settings.issuer.as_str() {
            Some("an ID token of another issuer")
        } else if !audiences.contains(&client) {
            Some("an ID token for somebody else")
        } else if !is_asked_by_us {
            Some("an ID token that somebody else asked for")
        } else if !is_of_now {
            Some("an ID token that has ended, or is too old or new")
        } else if !is_of_log_in {
            Some("an ID token of another log-in")
        } else {
            None
        })
    }

    fn unreadable(&self, Unreadable(claim): Unreadable) -> SsoError {
        self.answered(format!(
            "an ID token whose claim {claim} is missing or can't be read"
        ))
    }

    /// Whose sessions a logout token ends (OpenID Connect Back-Channel Logout section 2.6), and the
    /// token's own id. Tokens without a subject are not understood.
    pub(super) async fn logged_out(
        self: &Arc<Self>,
        token: &str,
        now: Instant,
    ) -> Result<LoggedOut, SsoError> {
        let known = self.known(now).await?;
        let fault = || self.answered("a logout token that can't be read");
        let claims = self.verified(&known, token, now, None).await?;
        let event = claims
            .get("events")
            .and_then(|events| events.get(LOGGED_OUT));
        let id = claims.text("jti");
        match (event, id) {
            (Some(Value::Object(_)), Some(id)) => Ok(LoggedOut {
                identity: self.identity(&claims)?,
                sid: claims.text("sid").map(ToOwned::to_owned),
                // Two issuers may well use the same id (RFC 7519 section 4.1.7).
                id: hash_token(&format!("{} {id}", self.settings.issuer.as_str())),
            }),
            _ => Err(fault()),
        }
    }

    fn identity(&self, claims: &Claims) -> Result<Identity, SsoError> {
        Ok(Identity {
            issuer: self.settings.issuer.to_string(),
            subject: claims.subject().map_err(|claim| self.unreadable(claim))?,
        })
    }

    /// Who it is, as of `now`.
    pub(super) fn arrival(&self, claims: &Claims, now: Instant) -> Result<Arrival, SsoError> {
        let verified = claims.is_true("email_verified");
        let email = claims.text("email");
        let email = email.filter(|_| verified || !self.settings.require_verified_email);
        Ok(Arrival {
            via: self.settings.name.clone(),
            identity: self.identity(claims)?,
            email: email.map(ToOwned::to_owned),
            name: claims.name(),
            groups: claims.groups(&self.settings.groups_claim),
            // Said to be later than now it says nothing; a little later is a clock that differs.
            proven_at: claims
                .time("auth_time")
                .filter(|at| *at <= now + LEEWAY)
                .map(|at| at.min(now)),
            set_out_at: None,
        })
    }
}

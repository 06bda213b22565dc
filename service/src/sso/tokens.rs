//! Checking what a provider has signed: ID tokens (OpenID Connect Core section 3.1.3.7) and logout
//! tokens (Back-Channel Logout section 2.6).

use std::sync::Arc;

use chrono::TimeDelta;
use domain::Instant;
use domain::groups::Groups;
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};
use openidconnect::{ClaimsVerificationError, IdTokenVerifier, Nonce, SignatureVerificationError};
use serde_json::Value;
use storage::{Identity, TokenHash};

use super::SsoError;
use super::account::Arrival;
use super::protocol::{Claims, SignedToken};
use super::provider::{Known, Provider};
use crate::crypto::hash_token;

/// How far the provider's clock may be from ours.
pub(super) const LEEWAY: TimeDelta = TimeDelta::seconds(60);
/// How old a token may be when it comes; it is made while we wait.
const OLDEST: TimeDelta = TimeDelta::minutes(5);
/// The event of a logout token.
const LOGGED_OUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What may sign an ID token. Never `none`, and nothing with a shared secret.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 5] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
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

impl Provider {
    /// The claims of a token that this provider signed for us; its keys are asked for once more when
    /// none of them fits.
    pub(super) async fn verified<'t>(
        self: &Arc<Self>,
        known: &Arc<Known>,
        token: &'t SignedToken,
        now: Instant,
        nonce: Option<&Nonce>,
    ) -> Result<&'t Claims, SsoError> {
        let mut claims = read(token, &self.verifier(known, now), nonce);
        if claims.as_ref().is_err_and(needs_other_keys) {
            let known = self.known_anew(known, now).await?;
            claims = read(token, &self.verifier(&known, now), nonce);
        }
        let claims = claims.map_err(|error| self.answered(fault(&error)))?;
        self.check_parties(claims)?;
        Ok(claims)
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
        let token: SignedToken = token.parse().map_err(|_| fault())?;
        let claims = self.verified(&known, &token, now, None).await?;
        let all = &claims.additional_claims().all;
        let event = all.get("events").and_then(|events| events.get(LOGGED_OUT));
        let id = all.get("jti").and_then(Value::as_str);
        match (event, id) {
            (Some(Value::Object(_)), Some(id)) => Ok(LoggedOut {
                identity: self.arrival(claims, now).identity,
                sid: sid(claims),
                // Two issuers may well use the same id (RFC 7519 section 4.1.7).
                id: hash_token(&format!("{} {id}", self.settings.issuer.as_str())),
            }),
            _ => Err(fault()),
        }
    }

    fn verifier(&self, known: &Known, now: Instant) -> IdTokenVerifier<'static, CoreJsonWebKey> {
        let (id, issuer) = (&self.settings.client_id, &self.settings.issuer);
        IdTokenVerifier::new_public_client(id.clone(), issuer.clone(), known.keys.clone())
            .set_allowed_algs(ALGORITHMS)
            // A logout token has a type of its own; what tells the two apart is the nonce.
            .allow_all_jose_types()
            // More than one audience is for `check_parties`.
            .set_other_audience_verifier_fn(|_| true)
            .set_time_fn(move || now - LEEWAY)
            .set_issue_time_verifier_fn(move |at| {
                let is_recent = now - OLDEST - LEEWAY <= at && at <= now + LEEWAY;
                is_recent.then_some(()).ok_or_else(String::new)
            })
    }

    /// A token for several parties, or one that names its party, must have been asked for by us
    /// (OpenID Connect Core section 3.1.3.7, rules 4 and 5).
    fn check_parties(&self, claims: &Claims) -> Result<(), SsoError> {
        let is_ours = match claims.authorized_party() {
            Some(party) => *party == self.settings.client_id,
            None => claims.audiences().len() == 1,
        };
        let fault = || self.answered("an ID token that somebody else asked for");
        is_ours.then_some(()).ok_or_else(fault)
    }

    /// Who it is, as of `now`.
    pub(super) fn arrival(&self, claims: &Claims, now: Instant) -> Arrival {
        let verified = claims.email_verified() == Some(true);
        let email = claims
            .email()
            .filter(|_| verified || !self.settings.require_verified_email);
        let name = claims.name().and_then(|name| name.get(None));
        let groups = &claims.additional_claims().all;
        Arrival {
            via: self.settings.name.clone(),
            identity: Identity {
                issuer: self.settings.issuer.to_string(),
                subject: claims.subject().to_string(),
            },
            email: email.map(|email| email.to_string()),
            name: name.map(|name| name.to_string()),
            groups: Groups::from_claim(groups.get(&self.settings.groups_claim)),
            // Said to be later than now it says nothing; a little later is a clock that differs.
            proven_at: claims
                .auth_time()
                .filter(|at| *at <= now + LEEWAY)
                .map(|at| at.min(now)),
            set_out_at: None,
        }
    }
}

/// Whether other keys could make a token good: none of those that are known fits. A provider may give a
/// new key the name of an old one.
const fn needs_other_keys(error: &ClaimsVerificationError) -> bool {
    matches!(
        error,
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey
                | SignatureVerificationError::AmbiguousKeyId(_)
                | SignatureVerificationError::CryptoError(_)
                | SignatureVerificationError::InvalidKey(_)
        )
    )
}

/// The claims of a token with this nonce, or with none.
fn read<'t>(
    token: &'t SignedToken,
    verifier: &IdTokenVerifier<'_, CoreJsonWebKey>,
    nonce: Option<&Nonce>,
) -> Result<&'t Claims, ClaimsVerificationError> {
    match nonce {
        Some(nonce) => token.claims(verifier, nonce),
        None => token.claims(verifier, |found: Option<&Nonce>| match found {
            None => Ok(()),
            Some(_) => Err("an ID token".to_owned()),
        }),
    }
}

/// The session at the provider, if it says (OpenID Connect Back-Channel Logout section 2.1).
pub(super) fn sid(claims: &Claims) -> Option<String> {
    let sid = claims.additional_claims().all.get("sid")?;
    sid.as_str().map(ToOwned::to_owned)
}

/// What is wrong with an ID token; nothing that it holds is in it.
const fn fault(error: &ClaimsVerificationError) -> &'static str {
    match error {
        ClaimsVerificationError::Expired(_) => "an ID token that has ended, or is too old or new",
        ClaimsVerificationError::InvalidAudience(_) => "an ID token for somebody else",
        ClaimsVerificationError::InvalidIssuer(_) => "an ID token of another issuer",
        ClaimsVerificationError::InvalidNonce(_) => "an ID token of another log-in",
        ClaimsVerificationError::SignatureVerification(_) => {
            "an ID token whose signature can't be trusted"
        }
        _ => "an ID token that can't be trusted",
    }
}

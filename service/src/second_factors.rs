//! A person's second factors: made, taken away, made anew; recovery codes; and the policy about who
//! needs one. They go with a password: who logs in elsewhere has them there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};
use domain::Instant;
use domain::audit::{Action, AuditEvent, ObjectKind, Outcome};
use domain::recovery_code::RecoveryCode;
use domain::role::Role;
use domain::user::{EmailAddress, User, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use storage::{Epoch, NewSecondFactor, PasskeyRow, SecondFactorId, TotpRow};
use zeroize::Zeroizing;

use crate::Services;
use crate::actor::{Actor, Object};
use crate::clock::system_rng;
use crate::error::{ServiceError, ServiceResult};
use crate::proof::{person, totp_context};
use crate::sessions::{LogIn, LogInMethod};
use crate::time::lasts;
use crate::totp::TotpSecret;

/// How long a new secret may wait for its first code.
const OFFER_LASTS: TimeDelta = TimeDelta::minutes(15);

/// Who needs a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecondFactorPolicy {
    /// Nobody.
    #[default]
    Optional,
    /// Superusers who log in with a password.
    Superusers,
}

/// The actor's own second factors.
#[derive(Debug, Clone)]
pub struct OwnSecondFactors {
    /// Since when they have an authenticator app.
    pub totp_since: Option<Instant>,
    /// Their passkeys, the oldest first.
    pub passkeys: Vec<PasskeyRow>,
    /// How many recovery codes are left.
    pub recovery_codes: u32,
    /// Whether they may have any: they log in with a password.
    pub may_have: bool,
    /// Whether the policy needs them to have one.
    pub required: bool,
}

/// A secret for an authenticator app, which counts once a code has shown that the app has it.
pub struct TotpOffer {
    /// As people type it.
    pub secret: String,
    /// As a QR code holds it.
    pub url: String,
    /// The same, sealed: what the form brings back.
    pub draft: String,
}

impl std::fmt::Debug for TotpOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpOffer(…)")
    }
}

impl Services {
    /// The actor's own second factors.
    pub async fn second_factors(&self, actor: &Actor) -> ServiceResult<OwnSecondFactors> {
        let person = person(actor)?;
        let factors = self.store().find_second_factors(person.id).await?;
        Ok(OwnSecondFactors {
            totp_since: factors.totp.map(|totp| totp.created_at),
            passkeys: factors.passkeys,
            recovery_codes: factors.recovery_codes,
            may_have: self.store().find_password_hash(person.id).await?.is_some(),
            required: self.needs_second_factor(person.role),
        })
    }

    fn needs_second_factor(&self, role: Role) -> bool {
        self.settings().second_factor == SecondFactorPolicy::Superusers && role == Role::Superuser
    }

    /// Whether somebody must make a second factor before anything else.
    pub(crate) async fn lacks_second_factor(
        &self,
        user: &User,
        log_in: Option<&LogIn>,
    ) -> ServiceResult<bool> {
        let elsewhere = log_in.is_some_and(|log_in| log_in.method != LogInMethod::Password);
        if elsewhere || !self.needs_second_factor(user.role) {
            return Ok(false);
        }
        Ok(self.store().find_second_factors(user.id).await?.is_empty())
    }

    /// A new secret for the actor's authenticator app. Nothing is kept of it here.
    pub async fn offer_totp(&self, actor: &Actor) -> ServiceResult<TotpOffer> {
        self.may_add_second_factor(actor).await?;
        let (secret, person) = (TotpSecret::generate(), person(actor)?);
        let until = (self.now() + OFFER_LASTS).timestamp_millis().to_be_bytes();
        let plain = Zeroizing::new([until.as_slice(), secret.expose()].concat());
        let sealed = self.0.keys.seal(&offer_context(person.epoch), &plain);
        let draft = URL_SAFE_NO_PAD.encode(sealed.map_err(ServiceError::internal)?);
        offer(&person.email, &secret, draft)
    }

    /// The same offer once more, for a form that comes back.
    pub fn offered_totp(&self, actor: &Actor, draft: &str) -> ServiceResult<TotpOffer> {
        let secret = self.offered_secret(person(actor)?.epoch, draft)?;
        offer(&person(actor)?.email, &secret, draft.to_owned())
    }

    fn offered_secret(&self, epoch: Epoch, draft: &str) -> ServiceResult<TotpSecret> {
        let ended = || ServiceError::field("", "this took too long: begin again");
        let sealed = URL_SAFE_NO_PAD.decode(draft).map_err(|_| ended())?;
        let plain = self.0.keys.open(&offer_context(epoch), &sealed);
        let plain = plain.map_err(|_| ended())?;
        let (until, secret) = plain.split_first_chunk().ok_or_else(ended)?;
        let until =
            DateTime::from_timestamp_millis(i64::from_be_bytes(*until)).ok_or_else(ended)?;
        if !lasts(until - OFFER_LASTS, OFFER_LASTS, self.now()) {
            return Err(ended());
        }
        Ok(TotpSecret::new(Zeroizing::new(secret.to_vec())))
    }

    /// Makes an offered secret the actor's, in place of the one before, once a code shows that their app
    /// has it; their other sessions end. With the first second factor come recovery codes, shown once.
    pub async fn add_totp(
        &self,
        actor: &Actor,
        draft: &str,
        code: &str,
    ) -> ServiceResult<Vec<RecoveryCode>> {
        self.may_add_second_factor(actor).await?;
        let (user, epoch) = (person(actor)?.id, person(actor)?.epoch);
        let secret = self.offered_secret(epoch, draft)?;
        let now = self.now();
        let step = secret.step_of(code, now).map_err(ServiceError::internal)?;
        let step = step.ok_or_else(|| {
            let problem = "this is not the code that the app shows now: check the time of the \
                           device, and type the next one";
            ServiceError::field("code", problem)
        })?;
        let sealed = self.0.keys.seal(&totp_context(user), secret.expose());
        let row = TotpRow {
            sealed: sealed.map_err(ServiceError::internal)?,
            // This code is used, too.
            last_step: step,
            created_at: now,
        };
        let factor = NewSecondFactor::Totp(row);
        self.add_second_factor(actor, factor, json!({ "kind": "authenticator app" }))
            .await
    }

    pub(crate) async fn may_add_second_factor(&self, actor: &Actor) -> ServiceResult<()> {
        self.proven(actor, Action::SecondFactorAdded)?;
        let password = self.store().find_password_hash(person(actor)?.id).await?;
        password.map(|_| ()).ok_or_else(|| {
            let problem =
                "you log in without a password here: your second factor is where you log in";
            ServiceError::field("", problem)
        })
    }

    pub(crate) async fn add_second_factor(
        &self,
        actor: &Actor,
        factor: NewSecondFactor,
        detail: Value,
    ) -> ServiceResult<Vec<RecoveryCode>> {
        let person = person(actor)?;
        let has_none = self
            .store()
            .find_second_factors(person.id)
            .await?
            .is_empty();
        let codes = if has_none { new_codes() } else { Vec::new() };
        let hashes = has_none.then(|| {
            let hash = |code| self.0.keys.hash_recovery_code(person.id, code);
            codes.iter().map(hash).collect()
        });
        let event = self.own_event(actor, Action::SecondFactorAdded, detail)?;
        self.store()
            .add_second_factor(person.own_session(), factor, hashes, event)
            .await?;
        Ok(codes)
    }

    /// Takes one of the actor's second factors away; their other sessions end.
    pub async fn remove_second_factor(
        &self,
        actor: &Actor,
        factor: SecondFactorId,
    ) -> ServiceResult<()> {
        let action = Action::SecondFactorRemoved;
        self.proven(actor, action)?;
        let person = person(actor)?;
        let kind = match factor {
            SecondFactorId::Totp => "authenticator app",
            SecondFactorId::Passkey(_) => "passkey",
        };
        let event = self.own_event(actor, action, json!({ "kind": kind }))?;
        let (own, keep_one) = (person.own_session(), self.needs_second_factor(person.role));
        Ok(self
            .store()
            .remove_second_factor(own, factor, keep_one, event)
            .await?)
    }

    /// Gives the actor other recovery codes, shown once; the old ones are of no use any more, and their
    /// other sessions end.
    pub async fn renew_recovery_codes(&self, actor: &Actor) -> ServiceResult<Vec<RecoveryCode>> {
        let action = Action::RecoveryCodesRenewed;
        self.proven(actor, action)?;
        let (person, codes) = (person(actor)?, new_codes());
        let hash = |code| self.0.keys.hash_recovery_code(person.id, code);
        let hashes = codes.iter().map(hash).collect();
        let event = self.own_event(actor, action, json!({}))?;
        self.store()
            .renew_recovery_codes(person.own_session(), hashes, event)
            .await?;
        Ok(codes)
    }

    /// Takes all second factors of somebody away who lost them; their sessions end, and the password
    /// is what they log in with.
    pub async fn reset_second_factors(&self, actor: &Actor, id: UserId) -> ServiceResult<()> {
        let action = Action::SecondFactorReset;
        let user = self.person_to_manage(actor, id, action).await?;
        let object = Object::user(&user);
        let event = actor.event(self.now(), action, Outcome::Done, object, json!({}));
        Ok(self.store().reset_second_factors(id, event).await?)
    }

    fn own_event(&self, actor: &Actor, action: Action, detail: Value) -> ServiceResult<AuditEvent> {
        let person = person(actor)?;
        self.0.own_acts.count(&person.id, self.now())?;
        let object = Object::new(ObjectKind::User, person.id, &person.name);
        Ok(actor.event(self.now(), action, Outcome::Done, object, detail))
    }
}

fn new_codes() -> Vec<RecoveryCode> {
    let mut rng = system_rng();
    let codes = (0..RecoveryCode::NUMBER).map(|_| RecoveryCode::generate(&mut rng));
    codes.collect()
}

fn offer(email: &str, secret: &TotpSecret, draft: String) -> ServiceResult<TotpOffer> {
    let account: EmailAddress = email.parse().map_err(ServiceError::internal)?;
    Ok(TotpOffer {
        secret: secret.text().map_err(ServiceError::internal)?,
        url: secret.url(&account).map_err(ServiceError::internal)?,
        draft,
    })
}

fn offer_context(epoch: Epoch) -> String {
    format!("totp offer {epoch}")
}

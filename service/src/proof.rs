//! Proving who one is: the second step of a log-in, and the confirmation before what counts.

use domain::audit::{Action, ObjectKind, Outcome};
use domain::password::Password;
use domain::recovery_code::RecoveryCode;
use domain::user::{EmailAddress, User, UserId};
use serde_json::json;
use storage::{Epoch, WrongPassword};

use crate::Services;
use crate::actor::{Actor, Object, Person, RequestFacts};
use crate::error::{ServiceError, ServiceResult};
use crate::password_try::{LOCKED, Right};
use crate::sessions::{LogInMethod, nobody};
use crate::totp::TotpSecret;

/// How a person proves once more who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofWay {
    /// With their password: they have no second factor.
    Password,
    /// With a second factor: a code of their app, a recovery code, or a passkey.
    SecondFactor {
        /// Whether they have a passkey.
        passkey: bool,
    },
    /// By logging in at their provider anew.
    Provider {
        /// Its id.
        id: String,
        /// What it is called.
        name: String,
    },
    /// By logging in anew, as nothing here can check them.
    LogIn,
}

impl Services {
    /// Whether the actor's proof of who they are is fresh, or not needed.
    #[must_use]
    pub fn is_proven(&self, actor: &Actor) -> bool {
        actor
            .person()
            .is_none_or(|person| person.is_proven(self.now()))
    }

    /// How the actor proves once more who they are. A session that a provider began is proven there,
    /// whatever else its person has.
    pub async fn proof_way(&self, actor: &Actor) -> ServiceResult<ProofWay> {
        let person = person(actor)?;
        if let Some(LogInMethod::Sso { provider }) = person.log_in.as_ref().map(|one| &one.method) {
            let mut providers = self.settings().sso.providers.iter();
            let known = providers.find(|known| known.id == *provider);
            return Ok(known.map_or(ProofWay::LogIn, |known| ProofWay::Provider {
                id: known.id.clone(),
                name: known.name.clone(),
            }));
        }
        let factors = self.store().find_second_factors(person.id).await?;
        if !factors.is_empty() {
            return Ok(ProofWay::SecondFactor {
                passkey: !factors.passkeys.is_empty(),
            });
        }
        let password = self.store().find_password_hash(person.id).await?;
        Ok(password.map_or(ProofWay::LogIn, |_| ProofWay::Password))
    }

    /// Takes what a person typed to prove who they are: a code, or the password if they have no second
    /// factor. The caller then notes it in their session, under a new id.
    pub async fn prove(&self, actor: &Actor, typed: &str) -> ServiceResult<()> {
        let by = match self.proof_way(actor).await? {
            ProofWay::Password => self.check_password(actor, typed).await,
            ProofWay::SecondFactor { .. } => {
                self.use_code(actor, person(actor)?.epoch, typed).await
            }
            ProofWay::Provider { .. } | ProofWay::LogIn => Err(ServiceError::ProofNeeded),
        };
        self.note_proof(actor, by).await
    }

    /// Audits how a proof came out. One that comes too often is none.
    pub(crate) async fn note_proof(
        &self,
        actor: &Actor,
        by: ServiceResult<&'static str>,
    ) -> ServiceResult<()> {
        let person = person(actor)?;
        if by.is_ok() {
            self.0.own_acts.count(&person.id, self.now())?;
        }
        let (outcome, detail) = match &by {
            Ok(by) => (Outcome::Done, json!({ "by": by })),
            Err(ServiceError::Invalid(_)) => (
                Outcome::Failed,
                json!({ "reason": "wrong password or code" }),
            ),
            Err(error) => (Outcome::Failed, json!({ "reason": error.to_string() })),
        };
        let object = Object::new(ObjectKind::User, person.id, &person.name);
        let event = actor.event(self.now(), Action::Proven, outcome, object, detail);
        self.append_audit(event).await?;
        by.map(|_| ())
    }

    async fn check_password(&self, actor: &Actor, typed: &str) -> ServiceResult<&'static str> {
        let wrong = ("proof", "this is not your password");
        self.check_own_password(actor, typed, actor.facts(), wrong)
            .await?;
        Ok("password")
    }

    /// Checks the password of somebody who is logged in. The limits of log-ins hold here too: this is
    /// another place that checks one. `wrong` is the field that it was typed into, and what to say there.
    pub(crate) async fn check_own_password(
        &self,
        actor: &Actor,
        typed: &str,
        facts: &RequestFacts,
        (field, wrong): (&'static str, &'static str),
    ) -> ServiceResult<Right> {
        let email: EmailAddress = person(actor)?
            .email
            .parse()
            .map_err(ServiceError::internal)?;
        let password =
            Password::typed(typed).map_err(|error| ServiceError::password(field, error))?;
        let now = self.now();
        let audited = |user: Option<&User>| {
            let object = user.map_or_else(|| nobody(&email), Object::user);
            let (action, done) = (Action::PasswordLocked, Outcome::Done);
            WrongPassword {
                one: None,
                last: actor.event(now, action, done, object, json!({ "reason": LOCKED })),
                more: None,
            }
        };
        let tried = self.try_password(&email, password, facts, |_| true, audited);
        tried
            .await?
            .ok_or_else(|| ServiceError::field(field, wrong))
    }

    /// Checks a second factor of somebody, which is used up: a code of their app, a recovery code, or the
    /// answer of a passkey, which is JSON. The actor is who
    /// presents it; so many wrong ones an hour, wherever they come from.
    pub(crate) async fn use_code(
        &self,
        actor: &Actor,
        epoch: Epoch,
        typed: &str,
    ) -> ServiceResult<&'static str> {
        let (now, user) = (self.now(), epoch.user());
        let attempt = self.0.code_limits.attempt(&user, now).await?.strict();
        let used = match typed.parse::<RecoveryCode>() {
            Ok(code) => self.use_recovery_code(actor, user, &code).await,
            Err(_) if typed.starts_with('{') => self.use_passkey(epoch, typed).await,
            Err(_) => self.use_totp_code(user, typed).await,
        };
        // Only a wrong code counts, not a server that can't check it.
        match used {
            Ok(None) => attempt.failed(),
            _ => attempt.forgiven(),
        }
        used?.ok_or_else(|| {
            ServiceError::field(
                "proof",
                "this code is wrong, was used already, or is too old: use the one that your app \
                 shows next, or a recovery code",
            )
        })
    }

    async fn use_totp_code(
        &self,
        user: UserId,
        typed: &str,
    ) -> ServiceResult<Option<&'static str>> {
        let Some(row) = self.store().find_second_factors(user).await?.totp else {
            return Ok(None);
        };
        let secret = self.0.keys.open(&totp_context(user), &row.sealed);
        let secret = TotpSecret::new(secret.map_err(ServiceError::internal)?);
        let step = secret.step_of(typed, self.now());
        let Some(step) = step.map_err(ServiceError::internal)? else {
            return Ok(None);
        };
        let is_new = self.store().use_totp_step(user, step).await?;
        Ok(is_new.then_some("code"))
    }

    async fn use_recovery_code(
        &self,
        actor: &Actor,
        user: UserId,
        code: &RecoveryCode,
    ) -> ServiceResult<Option<&'static str>> {
        let object = Object::new(ObjectKind::User, user, actor.name());
        let (action, outcome) = (Action::RecoveryCodeUsed, Outcome::Done);
        let event = actor.event(self.now(), action, outcome, object, json!({}));
        let hash = self.0.keys.hash_recovery_code(user, code);
        let is_new = self.store().use_recovery_code(user, hash, event).await?;
        Ok(is_new.then_some("recovery code"))
    }
}

/// What a person's secret is sealed in: it opens for nobody else, and as nothing else.
pub(crate) fn totp_context(user: UserId) -> String {
    format!("totp {user}")
}

/// The person who proves something; nobody else can.
pub(crate) fn person(actor: &Actor) -> ServiceResult<&Person> {
    actor.person().ok_or(ServiceError::NotFound("person"))
}

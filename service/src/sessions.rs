//! Logging in and out, and from a session to an [`Actor`].

use chrono::TimeDelta;
use domain::audit::{Action, ObjectKind, Outcome};
use domain::password::Password;
use domain::user::{EmailAddress, User};
use serde_json::json;
use storage::TokenHash;

use crate::actor::{Actor, Object, RequestFacts, anonymous_event};
use crate::error::{ServiceError, ServiceResult};
use crate::passwords::Checked;
use crate::{Services, crypto};

/// When a session ends (NIST SP 800-63B-4 section 2.2.3).
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// After so much time without a request.
    pub idle: TimeDelta,
    /// After so much time in any case.
    pub absolute: TimeDelta,
}

impl Services {
    /// Checks an address and a password. The caller then makes a new session for the person.
    ///
    /// Unknown, wrong, disabled and not yet chosen are one answer, and take the same time.
    pub async fn log_in(
        &self,
        email: &str,
        password: &str,
        facts: &RequestFacts,
    ) -> ServiceResult<User> {
        // What is not an address can't be anybody's: no limit is needed, no time is spent.
        let email: EmailAddress = email.parse().map_err(|_| ServiceError::WrongLogin)?;
        let password = Password::typed(password).map_err(|_| ServiceError::WrongLogin)?;
        let now = self.now();
        self.0.log_in_limits.begin(&email, facts.address, now)?;
        let login = self.store().find_login(email.clone()).await?;
        let (user, stored) = login
            .map(|l| (Some(l.user), l.password_hash))
            .unwrap_or_default();
        let stored = stored.filter(|_| user.as_ref().is_some_and(User::is_active));
        let again = Password::typed(password.expose()).map_err(|_| ServiceError::WrongLogin)?;
        let checked = self.0.passwords.check(password, stored.clone()).await?;
        let (Some(user), Checked::Right | Checked::RightButWeak) = (user.clone(), checked) else {
            let object = user.as_ref().map_or_else(
                || Object {
                    kind: ObjectKind::User,
                    id: None,
                    name: email.to_string(),
                },
                Object::user,
            );
            let event = anonymous_event(
                now,
                Action::LogIn,
                Outcome::Failed,
                object,
                facts,
                "wrong log-in",
            );
            self.store().append_audit(event).await?;
            return Err(ServiceError::WrongLogin);
        };
        self.0.log_in_limits.succeeded(&email, facts.address);
        if let (Checked::RightButWeak, Some(from)) = (checked, stored) {
            let to = self.0.passwords.hash(again).await?;
            self.store()
                .upgrade_password_hash(user.id, from, to)
                .await?;
        }
        let actor = Actor::person_of(&user, crypto::hash_token(""), facts.clone());
        let event = actor.event(
            now,
            Action::LogIn,
            Outcome::Done,
            Object::user(&user),
            json!({}),
        );
        self.store().record_login(user.id, now, event).await?;
        Ok(user)
    }

    /// The actor of a session: an active person whose session is within its limits. Role and
    /// standing are as of now, so a change bites on the next request.
    pub async fn actor_of_session(
        &self,
        session: TokenHash,
        facts: RequestFacts,
    ) -> ServiceResult<Option<Actor>> {
        let Some(row) = self.store().find_session(session, self.now()).await? else {
            return Ok(None);
        };
        let Some(user) = row.user else {
            return Ok(None);
        };
        let user = self.store().find_user(user).await?.filter(User::is_active);
        Ok(user.map(|user| Actor::person_of(&user, session, facts)))
    }

    /// Ends the actor's session.
    pub async fn log_out(&self, actor: &Actor) -> ServiceResult<()> {
        let Some(person) = actor.person() else {
            return Ok(());
        };
        self.store().delete_session(person.session).await?;
        let object = Object::new(ObjectKind::User, person.id, &person.name);
        let event = actor.event(self.now(), Action::LogOut, Outcome::Done, object, json!({}));
        Ok(self.store().append_audit(event).await?)
    }

    /// Removes a batch of what has ended: sessions, links, decisions, usage. Run now and then; how
    /// many rows went.
    pub async fn sweep(&self) -> ServiceResult<u64> {
        let trimmed = self.trim_usage().await?;
        Ok(trimmed.max(self.store().delete_expired(self.now()).await?))
    }

    /// The store, for the session layer, which keeps its rows there.
    #[must_use]
    pub fn session_store(&self) -> storage::SharedStore {
        self.store().clone()
    }
}

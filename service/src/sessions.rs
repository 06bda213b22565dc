//! Logging in and out, and from a session to an [`Actor`].

use chrono::TimeDelta;
use domain::Instant;
use domain::audit::{Action, AuditEvent, ObjectKind, Outcome};
use domain::password::Password;
use domain::role::Permission;
use domain::user::{EmailAddress, User, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::{
    Epoch, PersonRecord, SessionOwner, SessionRow, StoreError, TokenHash, WrongPassword,
};
use url::Url;

use crate::Services;
use crate::actor::{Actor, Object, Person, RequestFacts, anonymous_event};
use crate::error::{ServiceError, ServiceResult};
use crate::known_time::KEPT_AFTER_END;
use crate::password_try::LOCKED;
use crate::sso::AtProvider;
use crate::time::lasts;

/// When a session ends (NIST SP 800-63B-4 section 2.2.3).
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// After so much time without a request.
    pub idle: TimeDelta,
    /// After so much time in any case.
    pub absolute: TimeDelta,
}

/// How somebody came in. Each session keeps its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogIn {
    /// What they proved themselves with.
    pub method: LogInMethod,
    /// When they last did, which may be later than the session's begin; nobody knows of a provider
    /// that doesn't say.
    #[serde(default, with = "chrono::serde::ts_milliseconds_option")]
    pub proven_at: Option<Instant>,
    /// The address that they came from.
    pub address: Option<String>,
    /// What they came with, as the browser says: `Firefox on Linux`.
    pub device: String,
}

/// What somebody proved themselves with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogInMethod {
    /// The password that they chose here.
    Password,
    /// An OpenID provider.
    Sso {
        /// Its id in the configuration.
        provider: String,
    },
    /// A proxy that is trusted to say who they are.
    Header,
}

/// Somebody who has just proven who they are: what a session is begun with. It holds for the epoch in
/// which their log-in began; only a use case that has noted the log-in makes one.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// Who it is.
    pub user: User,
    epoch: Epoch,
}

impl LoggedIn {
    pub(crate) const fn new(user: User, epoch: Epoch) -> Self {
        Self { user, epoch }
    }

    /// What their session is of.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }
}

/// How far a log-in with a password has come.
#[derive(Debug)]
pub enum LogInStep {
    /// The person is in.
    Done(LoggedIn),
    /// The password was right; their second factor is asked for now.
    Half(HalfLogIn),
}

/// A log-in whose password was right, of somebody with a second factor. A session that is nobody's
/// keeps it; it opens nothing.
#[derive(Clone, Serialize, Deserialize)]
pub struct HalfLogIn {
    /// What ends the person's sessions ends this log-in, too.
    epoch: Epoch,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    since: Instant,
}

impl std::fmt::Debug for HalfLogIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HalfLogIn({})", self.epoch.user())
    }
}

impl HalfLogIn {
    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }
}

/// How long somebody may look for their second factor.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// What a session row holds as JSON. The session layer writes it key by key.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SessionData {
    pub log_in: Option<LogIn>,
    pub at_provider: Option<AtProvider>,
    /// The time of a recent request, in seconds since 1970.
    seen_at: Option<i64>,
}

impl SessionData {
    pub(crate) fn of(data: &str) -> ServiceResult<Self> {
        serde_json::from_str(data).map_err(ServiceError::internal)
    }
}

/// A session as people see it.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// What tells it apart: a hash of what the cookie has, which opens nothing.
    pub id: String,
    /// Whether it is the session of who asks.
    pub is_current: bool,
    /// When it began.
    pub began_at: Instant,
    /// When it was last used, give or take a minute.
    pub seen_at: Instant,
    /// How the person came in.
    pub log_in: Option<LogIn>,
}

impl Services {
    /// Checks an address and a password. The caller then makes a new session: for the person, or for
    /// nobody, to ask for their second factor.
    ///
    /// Unknown, wrong, disabled, locked, not yet chosen and only by single sign-on are one answer, and
    /// take the same time.
    pub async fn log_in(
        &self,
        email: &str,
        password: &str,
        facts: &RequestFacts,
    ) -> ServiceResult<LogInStep> {
        // What is not an address can't be anybody's: no limit is needed, no time is spent.
        let email: EmailAddress = email.parse().map_err(|_| ServiceError::WrongLogin)?;
        let password = Password::typed(password)
            .map_err(|problem| ServiceError::password("password", problem))?;
        let again = Password::typed(password.expose()).map_err(|_| ServiceError::WrongLogin)?;
        let now = self.now();
        let may = |user: &User| self.may_log_in(user);
        let audited = |user: Option<&User>| self.wrong_log_in(&email, user, facts);
        let tried = self.try_password(&email, password, facts, may, audited);
        let right = tried.await?.ok_or(ServiceError::WrongLogin)?;
        let (user, epoch) = (right.user, right.epoch);
        if right.is_weak {
            let to = self.0.passwords.hash(again).await?;
            self.store()
                .upgrade_password_hash(user.id, right.hash, to)
                .await?;
        }
        if !self.store().find_second_factors(user.id).await?.is_empty() {
            return Ok(LogInStep::Half(HalfLogIn { epoch, since: now }));
        }
        let logged_in = self.logged_in(user, epoch, json!({}), facts).await?;
        Ok(LogInStep::Done(logged_in))
    }

    /// The one event about a log-in that went wrong, also when the password was locked by it. The budget
    /// of strangers holds for those that they can cause without end.
    fn wrong_log_in(
        &self,
        email: &EmailAddress,
        user: Option<&User>,
        facts: &RequestFacts,
    ) -> WrongPassword {
        let event = |action, outcome, reason| {
            let object = user.map_or_else(|| nobody(email), Object::user);
            anonymous_event(self.now(), action, outcome, object, facts, reason)
        };
        let (log_in, failed) = (Action::LogIn, Outcome::Failed);
        let one = event(log_in, failed, "wrong log-in");
        let is_admitted = self.0.audit_budget.admits(&one);
        let more = event(log_in, failed, "the password is locked");
        WrongPassword {
            one: is_admitted.then_some(one),
            last: event(Action::PasswordLocked, Outcome::Done, LOCKED),
            more: is_admitted.then_some(more),
        }
    }

    /// Finishes a log-in with a code: of the person's app, or a recovery code. The caller then makes a
    /// new session for the person.
    pub async fn finish_log_in(
        &self,
        half: &HalfLogIn,
        code: &str,
        facts: &RequestFacts,
    ) -> ServiceResult<LoggedIn> {
        let user = self.half_logged_in(half).await?;
        let actor = Actor::arriving(&user, half.epoch, facts);
        let by = match self.use_code(&actor, half.epoch, code).await {
            Ok(by) => by,
            Err(error) => {
                let reason = "wrong second factor";
                let (object, action) = (Object::user(&user), Action::LogIn);
                let failed = Outcome::Failed;
                let event = anonymous_event(self.now(), action, failed, object, facts, reason);
                self.append_audit(event).await?;
                return Err(error);
            }
        };
        let detail = json!({ "second_factor": by });
        self.logged_in(user, half.epoch, detail, facts).await
    }

    /// The person of a log-in that can still be finished.
    pub(crate) async fn half_logged_in(&self, half: &HalfLogIn) -> ServiceResult<User> {
        let is_under_way = lasts(half.since, PATIENCE, self.now());
        let user = self.store().find_user_at(half.epoch).await?;
        user.filter(|user| is_under_way && self.may_log_in(user))
            .ok_or(ServiceError::LogInEnded)
    }

    pub(crate) fn may_log_in(&self, user: &User) -> bool {
        user.is_active() && self.settings().sso.passwords.allows(user)
    }

    async fn logged_in(
        &self,
        user: User,
        epoch: Epoch,
        detail: serde_json::Value,
        facts: &RequestFacts,
    ) -> ServiceResult<LoggedIn> {
        let (now, actor) = (self.now(), Actor::arriving(&user, epoch, facts));
        let object = Object::user(&user);
        let event = actor.event(now, Action::LogIn, Outcome::Done, object, detail);
        self.store().record_login(epoch, now, event).await?;
        Ok(LoggedIn::new(user, epoch))
    }

    /// The actor of a session: an active person whose session is within its limits. Role and
    /// standing are as of now, so a change bites on the next request.
    pub async fn actor_of_session(
        &self,
        session: TokenHash,
        facts: RequestFacts,
    ) -> ServiceResult<Option<Actor>> {
        let found = self.store().find_session_owner(session, self.now()).await?;
        let Some(SessionOwner { user, epoch, data }) = found else {
            return Ok(None);
        };
        let log_in = SessionData::of(&data)?.log_in;
        let lacks_second_factor = self.lacks_second_factor(&user, log_in.as_ref()).await?;
        let person = Person {
            id: user.id,
            name: user.name.to_string(),
            email: user.email.to_string(),
            role: user.role,
            session,
            epoch,
            log_in,
            lacks_second_factor,
        };
        Ok(Some(Actor::of(person, facts)))
    }

    /// A person's sessions, the last used first: one's own, or, for whoever manages users,
    /// anybody's.
    pub async fn sessions_of(
        &self,
        actor: &Actor,
        user: UserId,
    ) -> ServiceResult<Vec<SessionInfo>> {
        let current = actor.person().map(|person| person.session);
        if !is_self(actor, user) {
            Self::may_read(actor, Permission::ManageUsers)?;
        }
        let rows = self.store().list_sessions_of(user, self.now()).await?;
        let info = |row: SessionRow| {
            let data = SessionData::of(&row.data)?;
            let seen_at = data
                .seen_at
                .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
            Ok(SessionInfo {
                id: hex::encode(row.id.0),
                is_current: current == Some(row.id),
                began_at: row.created_at,
                seen_at: seen_at.unwrap_or(row.created_at),
                log_in: data.log_in,
            })
        };
        rows.into_iter().map(info).collect()
    }

    /// When a person was last seen, give or take a minute: at their last log-in or, if that is later,
    /// at the last request of a session that is still known.
    #[must_use]
    pub fn last_seen(&self, person: &PersonRecord) -> Option<Instant> {
        let idle = self.settings().sessions.idle;
        // A session that began under a longer limit would be of tomorrow.
        let used_at = person.idle_until.map(|end| (end - idle).min(self.now()));
        used_at.max(person.user.last_login_at)
    }

    /// Ends one of a person's sessions: the very next request with its cookie is a stranger's.
    pub async fn end_session(
        &self,
        actor: &Actor,
        user: UserId,
        session: &str,
    ) -> ServiceResult<()> {
        let event = self.sessions_ended(actor, user, "one").await?;
        let mut id = [0; 32];
        hex::decode_to_slice(session, &mut id).map_err(|_| ServiceError::NotFound("session"))?;
        let store = self.store();
        Ok(store.end_session(user, TokenHash(id), event).await?)
    }

    /// Ends all of a person's sessions but the one that asks.
    ///
    /// Nobody has to wait with it. But who has done so often, and has no other, gets no more events of it.
    pub async fn end_other_sessions(&self, actor: &Actor, user: UserId) -> ServiceResult<()> {
        if is_self(actor, user) && self.0.own_acts.count(&user, self.now()).is_err() {
            let open = self.store().list_sessions_of(user, self.now()).await?;
            let own = actor.person().map(|person| person.session);
            if !open.is_empty() && open.iter().all(|session| Some(session.id) == own) {
                return Ok(());
            }
        }
        let event = self.sessions_ended(actor, user, "all others").await?;
        let store = self.store();
        match actor.person().filter(|own| own.id == user) {
            Some(own) => store.end_other_sessions(own.own_session(), event).await?,
            None => store.end_sessions_of(user, Vec::new(), event).await?,
        }
        Ok(())
    }

    /// The event about sessions that end. Everybody may end their own; whoever manages users may
    /// end anybody's.
    async fn sessions_ended(
        &self,
        actor: &Actor,
        user: UserId,
        which: &str,
    ) -> ServiceResult<AuditEvent> {
        let action = Action::SessionEnded;
        let object = if is_self(actor, user) {
            Object::new(ObjectKind::User, user, actor.name())
        } else {
            Object::user(&self.person_to_manage(actor, user, action).await?)
        };
        let detail = json!({ "sessions": which });
        Ok(actor.event(self.now(), action, Outcome::Done, object, detail))
    }

    /// Ends the actor's session. If it began at a provider: where they log out there, too.
    pub async fn log_out(&self, actor: &Actor) -> ServiceResult<Option<Url>> {
        let Some(person) = actor.person() else {
            return Ok(None);
        };
        let elsewhere = self.log_out_elsewhere(person.session).await?;
        let object = Object::new(ObjectKind::User, person.id, &person.name);
        let event = actor.event(self.now(), Action::LogOut, Outcome::Done, object, json!({}));
        let store = self.store();
        let ended = store.end_session(person.id, person.session, event.clone());
        match ended.await {
            // Another request is giving it a new id, or has: which, is not known here.
            Err(StoreError::NotFound(_)) => {
                store.end_sessions_of(person.id, Vec::new(), event).await?;
            }
            ended => ended?,
        }
        Ok(elsewhere)
    }

    /// Removes a batch of what has ended: sessions, links, decisions, usage. Run now and then; how
    /// many rows went.
    pub async fn sweep(&self) -> ServiceResult<u64> {
        let now = self.settled().await?.known;
        let (trimmed, before) = (self.trim_usage(now).await?, now - KEPT_AFTER_END);
        Ok(trimmed.max(self.store().delete_expired(now, before).await?))
    }

    /// The store, for the session layer, which keeps its rows there.
    #[must_use]
    pub fn session_store(&self) -> storage::SharedStore {
        self.store().clone()
    }
}

/// An address that strangers name.
pub(crate) fn nobody(email: &EmailAddress) -> Object {
    Object {
        kind: ObjectKind::User,
        id: None,
        name: email.to_string(),
    }
}

fn is_self(actor: &Actor, user: UserId) -> bool {
    actor.person().is_some_and(|person| person.id == user)
}

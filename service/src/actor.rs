//! Who acts: the type that opens each use case, made only where somebody has been authenticated.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use domain::Instant;
use domain::audit::{Action, ActorKind, AuditEvent, ObjectKind, Outcome};
use domain::client_network::ClientNetwork;
use domain::credential::Credential;
use domain::proof::PROOF_LASTS;
use domain::role::{Permission, Role};
use domain::user::{User, UserId};
use serde_json::{Value, json};
use storage::{Epoch, OwnSession, TokenHash};

use crate::crypto::hash_token;
use crate::sessions::{LogIn, LogInMethod};

/// Where a request came from; goes into every audit event.
#[derive(Debug, Clone, Default)]
pub struct RequestFacts {
    /// The caller's address, as the server trusts it.
    pub address: Option<IpAddr>,
    /// The id under which the request is logged.
    pub request_id: Option<Arc<str>>,
}

impl RequestFacts {
    /// The network that the caller is counted by.
    pub(crate) fn network(&self) -> ClientNetwork {
        ClientNetwork::of(self.address)
    }
}

/// A team member who is logged in.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their id.
    pub id: UserId,
    /// What they are called.
    pub name: String,
    /// The address that they log in with.
    pub email: String,
    /// What they may do, as of this request.
    pub role: Role,
    /// Their session.
    pub session: TokenHash,
    /// What they have open is of this epoch: what they change of their own, they change in it.
    pub(crate) epoch: Epoch,
    /// How the session began; nothing in what is not a session.
    pub(crate) log_in: Option<LogIn>,
    /// Whether they must make a second factor before anything else.
    pub lacks_second_factor: bool,
}

impl Person {
    /// Their session, for what they change of their own.
    pub(crate) const fn own_session(&self) -> OwnSession {
        OwnSession {
            epoch: self.epoch,
            id: self.session,
        }
    }

    /// Until when their last proof of who they are is fresh; nothing if they need none, as whoever a
    /// trusted proxy vouches for with each request.
    #[must_use]
    pub fn proven_until(&self) -> Option<Instant> {
        let log_in = self.log_in.as_ref();
        match log_in.map(|log_in| (&log_in.method, log_in.proven_at)) {
            Some((LogInMethod::Header, _)) => None,
            Some((_, Some(at))) => Some(at + PROOF_LASTS),
            // What nobody knows was never proven.
            Some((_, None)) | None => Some(Instant::UNIX_EPOCH),
        }
    }

    pub(crate) fn is_proven(&self, now: Instant) -> bool {
        // A replica's clock may be a little ahead; a proof from the future is none.
        let begins = |until: Instant| until - PROOF_LASTS - SKEW;
        self.proven_until()
            .is_none_or(|until| begins(until) <= now && now < until)
    }
}

/// How far apart clocks may be, of replicas or of one node: as much as steps of NTP and smeared leap
/// seconds come to, and far less than a token's life.
pub(crate) const SKEW: TimeDelta = TimeDelta::minutes(1);

#[derive(Debug)]
enum Who {
    Person(Person),
    Host(String),
    System,
}

/// Who acts in a use case. Only this crate makes one: from a session of an active person, or for a
/// command on the host, whose user can read the database and the keys anyway.
#[derive(Debug, Clone)]
pub struct Actor(Arc<(Who, RequestFacts)>);

impl Actor {
    pub(crate) fn of(person: Person, facts: RequestFacts) -> Self {
        Self(Arc::new((Who::Person(person), facts)))
    }

    /// Somebody who is logging in and has no session yet: for the audit log.
    pub(crate) fn arriving(user: &User, epoch: Epoch, facts: &RequestFacts) -> Self {
        let person = Person {
            id: user.id,
            name: user.name.to_string(),
            email: user.email.to_string(),
            role: user.role,
            session: hash_token(""),
            epoch,
            log_in: None,
            lacks_second_factor: false,
        };
        Self::of(person, facts.clone())
    }

    /// The actor of a host command; `user` is the operating system's name of who runs it.
    #[must_use]
    pub fn host(user: &str) -> Self {
        Self(Arc::new((
            Who::Host(user.to_owned()),
            RequestFacts::default(),
        )))
    }

    pub(crate) fn system() -> Self {
        Self::system_for(RequestFacts::default())
    }

    /// Keyrack itself, because of a request.
    pub(crate) fn system_for(facts: RequestFacts) -> Self {
        Self(Arc::new((Who::System, facts)))
    }

    /// The person, if it is one.
    #[must_use]
    pub fn person(&self) -> Option<&Person> {
        match &self.0.0 {
            Who::Person(person) => Some(person),
            Who::Host(_) | Who::System => None,
        }
    }

    /// Whether the actor may do something. The host may do everything; its commands are audited. Who
    /// must make a second factor first may do nothing else.
    #[must_use]
    pub fn can(&self, permission: Permission) -> bool {
        self.person()
            .is_none_or(|person| !person.lacks_second_factor && person.role.can(permission))
    }

    pub(crate) fn facts(&self) -> &RequestFacts {
        &self.0.1
    }

    /// The name that the audit log and the credential's facts show.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.0.0 {
            Who::Person(person) => &person.name,
            Who::Host(user) => user,
            Who::System => "Keyrack",
        }
    }

    pub(crate) fn event(
        &self,
        at: Instant,
        action: Action,
        outcome: Outcome,
        object: Object,
        detail: Value,
    ) -> AuditEvent {
        let epoch = self.person().map(|person| person.epoch.number());
        let (kind, id) = match &self.0.0 {
            Who::Person(person) => (ActorKind::Person, Some(person.id.to_string())),
            Who::Host(_) => (ActorKind::Host, None),
            Who::System => (ActorKind::System, None),
        };
        let event = event(
            at,
            (kind, id, self.name().to_owned()),
            action,
            outcome,
            object,
            &self.0.1,
            detail,
        );
        AuditEvent {
            actor_epoch: epoch,
            ..event
        }
    }
}

/// What an audit event is about.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub kind: ObjectKind,
    pub id: Option<String>,
    pub name: String,
}

impl Object {
    pub(crate) fn new(kind: ObjectKind, id: impl ToString, name: impl ToString) -> Self {
        Self {
            kind,
            id: Some(id.to_string()),
            name: name.to_string(),
        }
    }

    pub(crate) fn user(user: &User) -> Self {
        Self::new(ObjectKind::User, user.id, &user.name)
    }

    pub(crate) fn system(name: &str) -> Self {
        Self {
            kind: ObjectKind::System,
            id: None,
            name: name.to_owned(),
        }
    }
}

/// An event of somebody who has not logged in.
pub(crate) fn anonymous_event(
    at: Instant,
    action: Action,
    outcome: Outcome,
    object: Object,
    facts: &RequestFacts,
    reason: &str,
) -> AuditEvent {
    let actor = (ActorKind::Anonymous, None, "Not logged in".to_owned());
    event(
        at,
        actor,
        action,
        outcome,
        object,
        facts,
        json!({ "reason": reason }),
    )
}

/// An event of a program that has authenticated with its credential.
pub(crate) fn program_event(
    at: Instant,
    credential: &Credential,
    action: Action,
    outcome: Outcome,
    object: Object,
    facts: &RequestFacts,
    detail: Value,
) -> AuditEvent {
    let id = Some(credential.key_id.to_string());
    let actor = (ActorKind::Program, id, credential.name.to_string());
    event(at, actor, action, outcome, object, facts, detail)
}

fn event(
    at: Instant,
    (actor_kind, actor_id, actor_name): (ActorKind, Option<String>, String),
    action: Action,
    outcome: Outcome,
    object: Object,
    facts: &RequestFacts,
    detail: Value,
) -> AuditEvent {
    AuditEvent {
        at,
        actor_kind,
        actor_id,
        actor_epoch: None,
        actor_name,
        action,
        object_kind: object.kind,
        object_id: object.id,
        object_name: object.name,
        outcome,
        address: facts
            .address
            .map(|address| address.to_canonical().to_string()),
        request_id: facts.request_id.as_deref().map(str::to_owned),
        detail: detail.to_string(),
    }
}

//! From an identity that somebody vouched for to a person: found or made, with the role of their
//! groups. The identity is issuer and subject; an e-mail address alone never is.

use domain::Instant;
use domain::audit::{Action, AuditEvent, ObjectKind, Outcome};
use domain::groups::{Groups, RoleMap, UnknownGroups};
use domain::role::{Permission, Role};
use domain::text::PersonName;
use domain::user::{EmailAddress, User, UserId};
use serde_json::json;
use storage::{Conflict, Epoch, Identity, StoreError};

use super::{PasswordLogIn, SsoError, shown};
use crate::Services;
use crate::actor::{Actor, Object, RequestFacts, anonymous_event};
use crate::clock::system_rng;
use crate::error::{ServiceError, ServiceResult};
use crate::people::difference;
use crate::sessions::LoggedIn;

/// The longest subject (OpenID Connect Core section 2).
const LONGEST_SUBJECT: usize = 255;
/// The issuer of the identities that a trusted header names. No provider's is without a scheme.
pub const HEADER_ISSUER: &str = "header";

/// Somebody for whom a provider or a proxy vouches.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    /// Who vouches, in words.
    pub via: String,
    pub identity: Identity,
    /// An address that may become an account's.
    pub email: Option<String>,
    pub name: Option<String>,
    /// Nobody loses a role because nobody knows their groups.
    pub groups: Result<Groups, UnknownGroups>,
    /// When they last logged in there, if that is known.
    pub proven_at: Option<Instant>,
    /// The last audit entry when they set out, if that is not this moment: what has ended for them
    /// since ends this as well.
    pub set_out_at: Option<i64>,
}

/// Somebody whom a trusted proxy names in headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderIdentity {
    /// What stays the same: the user name.
    pub user: String,
    /// Their address; without one, the user name must be one.
    pub email: Option<String>,
    /// What they are called.
    pub name: Option<String>,
    /// Their groups.
    pub groups: Groups,
}

impl Services {
    /// Logs in whom a trusted proxy names. The caller has made sure that the proxy is trusted, and
    /// then makes a new session.
    pub async fn log_in_by_header(
        &self,
        who: HeaderIdentity,
        roles: &RoleMap,
        facts: &RequestFacts,
    ) -> ServiceResult<LoggedIn> {
        let arrival = Arrival {
            via: "the trusted header".to_owned(),
            email: who.email.or_else(|| Some(who.user.clone())),
            identity: Identity {
                issuer: HEADER_ISSUER.to_owned(),
                subject: who.user,
            },
            name: who.name,
            groups: Ok(who.groups),
            proven_at: None,
            set_out_at: None,
        };
        match self.arrive(arrival.clone(), roles, facts).await {
            // Another request with this header has just changed their role: as things are now, then.
            Err(ServiceError::LogInEnded) => self.arrive(arrival, roles, facts).await,
            arrived => arrived,
        }
    }

    /// Notes that somebody sent the header of single sign-on who is not trusted to; once a minute
    /// for each network, as anybody can send it.
    pub async fn note_ignored_header(&self, user: &str, facts: &RequestFacts) -> ServiceResult<()> {
        let limit = self.0.ignored_headers.count(&facts.network(), self.now());
        if limit.is_err() {
            return Ok(());
        }
        let event = anonymous_event(
            self.now(),
            Action::SsoHeaderIgnored,
            Outcome::Denied,
            stranger(user),
            facts,
            "the address is not one that sso.header.trusted names",
        );
        self.append_audit(event).await
    }

    /// Lets a person log in with one more identity.
    pub async fn link_identity(
        &self,
        actor: &Actor,
        id: UserId,
        issuer: &str,
        subject: &str,
    ) -> ServiceResult<()> {
        let object = Object::new(ObjectKind::User, id, "");
        self.authorise(
            actor,
            Permission::ManageUsers,
            Action::IdentityLinked,
            object,
        )
        .await?;
        let user = self.store().find_user(id).await?;
        let user = user.ok_or(ServiceError::NotFound("person"))?;
        let known = self.settings().sso.providers.iter();
        if issuer != HEADER_ISSUER && !known.into_iter().any(|one| one.issuer.as_str() == issuer) {
            return Err(ServiceError::field(
                "issuer",
                "name the issuer of a configured provider, or `header` for the trusted header",
            ));
        }
        let identity = identity(issuer, subject).map_err(|_| {
            ServiceError::field("subject", "use the 1 to 255 characters of the claim `sub`")
        })?;
        let event = actor.event(
            self.now(),
            Action::IdentityLinked,
            Outcome::Done,
            Object::user(&user),
            json!({ "issuer": issuer, "subject": shown(subject) }),
        );
        Ok(self.store().link_identity(id, identity, event).await?)
    }

    pub(super) async fn arrive(
        &self,
        arrival: Arrival,
        roles: &RoleMap,
        facts: &RequestFacts,
    ) -> ServiceResult<LoggedIn> {
        let checked = identity(&arrival.identity.issuer, &arrival.identity.subject);
        if let Err(error) = checked {
            return self.refuse_sso(&arrival.via, None, error, facts).await;
        }
        let store = self.store();
        let known = store.find_user_by_identity(arrival.identity.clone());
        let known = known.await?;
        let user = known.as_ref().map(|(user, _)| user);
        if user.is_some_and(|user| !user.is_active()) {
            let (via, error) = (&arrival.via, SsoError::Disabled);
            return self.refuse_sso(via, user, error, facts).await;
        }
        let groups = match &arrival.groups {
            Err(problem) if roles.asks_for_groups() => {
                let (name, problem) = (arrival.via.clone(), problem.clone());
                let error = SsoError::Groups { name, problem };
                return self.refuse_sso(&arrival.via, None, error, facts).await;
            }
            groups => groups.clone().unwrap_or_default(),
        };
        let Some(role) = roles.role(&groups, user.map(|user| user.role)) else {
            let (via, error) = (&arrival.via, SsoError::NoRole);
            return self.refuse_sso(via, user, error, facts).await;
        };
        let (user, epoch) = match known {
            Some((_, epoch)) if arrival.set_out_at.is_some_and(|at| epoch.began_after(at)) => {
                let (via, error) = (&arrival.via, SsoError::Ended);
                return self.refuse_sso(via, None, error, facts).await;
            }
            Some((user, epoch)) => {
                let mapped = self.map_role(user, epoch, role, &arrival.via, facts);
                mapped.await?
            }
            None => self.provision(&arrival, role, facts).await?,
        };
        let user = self.follow_provider(user, &arrival, facts).await?;
        let now = self.now();
        let actor = Actor::arriving(&user, epoch, facts);
        let event = actor.event(
            now,
            Action::LogIn,
            Outcome::Done,
            Object::user(&user),
            json!({ "by": arrival.via }),
        );
        store
            .record_identity_login(epoch, arrival.identity, now, event)
            .await?;
        Ok(LoggedIn::new(user, epoch))
    }

    /// Refuses, audited. Whoever has lost their last group loses their open sessions as well.
    pub(super) async fn refuse_sso<T>(
        &self,
        via: &str,
        known: Option<&User>,
        error: SsoError,
        facts: &RequestFacts,
    ) -> ServiceResult<T> {
        if matches!(error, SsoError::Answer { .. } | SsoError::Groups { .. }) {
            tracing::warn!(by = via, "a log-in by single sign-on was refused: {error}");
        }
        let event = anonymous_event(
            self.now(),
            Action::SsoRefused,
            Outcome::Denied,
            known.map_or_else(|| stranger(via), Object::user),
            facts,
            &error.to_string(),
        );
        match known {
            Some(user) if self.has_to_tell(user, &event).await? => {
                self.store()
                    .end_sessions_of(user.id, Vec::new(), event)
                    .await?;
            }
            Some(_) => {}
            None => self.append_audit(event).await?,
        }
        Err(error.into())
    }

    /// Whether the refusal of a known person is written: not for ever if they come again and again and
    /// have nothing to lose any more.
    async fn has_to_tell(&self, user: &User, event: &AuditEvent) -> ServiceResult<bool> {
        if self.0.audit_budget.admits(event) {
            return Ok(true);
        }
        let sessions = self.store().list_sessions_of(user.id, event.at).await?;
        Ok(!sessions.is_empty())
    }

    /// Gives a person the role of their groups; if it is another one, all their sessions end. The last
    /// active superuser stays one.
    async fn map_role(
        &self,
        user: User,
        epoch: Epoch,
        role: Role,
        via: &str,
        facts: &RequestFacts,
    ) -> ServiceResult<(User, Epoch)> {
        if user.role == role {
            return Ok((user, epoch));
        }
        let mapped = |outcome, reason: Option<&str>| {
            let detail = match reason {
                None => json!({ "role": { "from": user.role, "to": role }, "by": via }),
                Some(reason) => json!({ "reason": reason, "by": via }),
            };
            Actor::system_for(facts.clone()).event(
                self.now(),
                Action::UserRoleMapped,
                outcome,
                Object::user(&user),
                detail,
            )
        };
        let event = mapped(Outcome::Done, None);
        match self.store().map_role(epoch, role, event).await {
            Ok(epoch) => Ok((User { role, ..user }, epoch)),
            Err(StoreError::Conflict(Conflict::LastSuperuser)) => {
                let reason = Some("the last active superuser stays one");
                let event = mapped(Outcome::Denied, reason);
                self.append_audit(event).await?;
                Ok((user, epoch))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Calls a person what the provider calls them, at the address that it vouches for. One that is somebody else's
    /// stays theirs, and the person keeps the old one; so does who is named by it in the configuration, for when the
    /// provider is down.
    async fn follow_provider(
        &self,
        user: User,
        arrival: &Arrival,
        facts: &RequestFacts,
    ) -> ServiceResult<User> {
        let name = arrival.name.as_deref().and_then(|name| name.parse().ok());
        let passwords = &self.settings().sso.passwords;
        let stays =
            matches!(passwords, PasswordLogIn::Only(emails) if emails.contains(&user.email));
        let email = arrival.email.as_deref().filter(|_| !stays);
        let email = email.and_then(|email| email.parse().ok());
        let named = User {
            name: name.unwrap_or_else(|| user.name.clone()),
            ..user.clone()
        };
        let followed = User {
            email: email.unwrap_or_else(|| user.email.clone()),
            ..named.clone()
        };
        match self.rename(&user, followed, &arrival.via, facts).await {
            Err(ServiceError::Conflict(Conflict::EmailTaken)) => {
                tracing::warn!(
                    by = arrival.via,
                    person = %user.id,
                    "the new address of a person is somebody else's here: they keep the old one"
                );
                self.rename(&user, named, &arrival.via, facts).await
            }
            renamed => renamed,
        }
    }

    async fn rename(
        &self,
        user: &User,
        to: User,
        via: &str,
        facts: &RequestFacts,
    ) -> ServiceResult<User> {
        if (&user.name, &user.email) == (&to.name, &to.email) {
            return Ok(to);
        }
        let mut detail = difference(user, &to);
        detail["by"] = via.into();
        let actor = Actor::system_for(facts.clone());
        let object = Object::user(&to);
        let event = actor.event(
            self.now(),
            Action::UserChanged,
            Outcome::Done,
            object,
            detail,
        );
        let (name, email) = (to.name.clone(), to.email.clone());
        self.store().rename_user(to.id, name, email, event).await?;
        Ok(to)
    }

    /// Makes the account of somebody who comes for the first time.
    async fn provision(
        &self,
        arrival: &Arrival,
        role: Role,
        facts: &RequestFacts,
    ) -> ServiceResult<(User, Epoch)> {
        let email = arrival.email.as_deref().map(str::parse::<EmailAddress>);
        let Some(Ok(email)) = email else {
            let via = &arrival.via;
            return self.refuse_sso(via, None, SsoError::NoEmail, facts).await;
        };
        let now = self.now();
        let user = User {
            id: UserId::generate(now, &mut system_rng()),
            name: name_of(arrival, &email)?,
            email,
            role,
            disabled_at: None,
            created_at: now,
            last_login_at: None,
        };
        let event = Actor::system_for(facts.clone()).event(
            now,
            Action::UserProvisioned,
            Outcome::Done,
            Object::user(&user),
            json!({ "email": user.email, "role": user.role, "by": arrival.via }),
        );
        let added =
            self.store()
                .add_user_with_identity(user.clone(), arrival.identity.clone(), event);
        match added.await {
            Ok(epoch) => Ok((user, epoch)),
            Err(StoreError::Conflict(Conflict::EmailTaken)) => {
                let (via, error) = (&arrival.via, SsoError::EmailTaken(user.email));
                self.refuse_sso(via, None, error, facts).await
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What a new person is called: as the provider says, or after their address.
fn name_of(arrival: &Arrival, email: &EmailAddress) -> ServiceResult<PersonName> {
    let given = arrival.name.as_deref().and_then(|name| name.parse().ok());
    let local = email.as_str().split('@').next().unwrap_or_default();
    match given {
        Some(name) => Ok(name),
        None => local
            .parse()
            .or_else(|_| "New person".parse())
            .map_err(ServiceError::internal),
    }
}

fn identity(issuer: &str, subject: &str) -> Result<Identity, SsoError> {
    if subject.is_empty() || subject.chars().count() > LONGEST_SUBJECT || subject.contains('\0') {
        return Err(SsoError::Identity);
    }
    Ok(Identity {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
    })
}

fn stranger(name: &str) -> Object {
    Object {
        kind: ObjectKind::User,
        id: None,
        name: shown(name),
    }
}

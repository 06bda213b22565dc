//! Links by which people choose a password: invitations, several at once; the one that a superuser
//! makes, and the one that somebody asks for who forgot theirs.

use chrono::TimeDelta;
use domain::audit::{Action, ObjectKind, Outcome};
use domain::draft::FieldError;
use domain::invitee::{Invitee, read_invitees};
use domain::password::Password;
use domain::role::{Permission, Role};
use domain::user::{EmailAddress, User, UserId};
use serde_json::json;
use storage::{Conflict, Login};

use crate::Services;
use crate::actor::{Actor, Object, RequestFacts, anonymous_event};
use crate::crypto::{Token, hash_token};
use crate::error::{ServiceError, ServiceResult};
use crate::people::{NewPerson, one_time};
use crate::sessions::nobody;

/// How long a link works that a superuser made, to be passed on by hand.
pub(crate) const LINK_LIFE: TimeDelta = TimeDelta::hours(72);
/// How long one works that somebody asked for, and waits for.
const RESET_LIFE: TimeDelta = TimeDelta::hours(1);

/// People to be invited, as typed.
#[derive(Debug, Clone, Default)]
pub struct Invitation {
    /// One on each line: `Jon Lind <jon@example.com>`, or the address alone.
    pub people: String,
    /// The role of all of them: `superuser`, `developer`, `operations` or `support`.
    pub role: String,
}

/// A one-time link for choosing a password: shown once to the superuser, who hands it on.
#[derive(Debug)]
pub struct PasswordLink {
    /// Whose link it is.
    pub user: User,
    /// The token in the link.
    pub token: Token,
    /// Until when it works.
    pub expires_at: domain::Instant,
}

impl Services {
    /// Adds people, each with a link of their own. Nobody is added if one of them can't be.
    pub async fn invite_people(
        &self,
        actor: &Actor,
        invitation: &Invitation,
    ) -> ServiceResult<Vec<PasswordLink>> {
        let object = Object {
            kind: ObjectKind::User,
            id: None,
            name: "new people".to_owned(),
        };
        self.authorise(actor, Permission::ManageUsers, Action::UserAdded, object)
            .await?;
        let (invitees, role) = check(invitation)?;
        for Invitee { email, .. } in &invitees {
            if self.store().find_login(email.clone()).await?.is_some() {
                let problem =
                    format!("somebody with {email} is on the team already: take that line out");
                return Err(ServiceError::field("people", problem));
            }
        }
        let mut links = Vec::with_capacity(invitees.len());
        for Invitee { name, email } in invitees {
            match self.add(actor, NewPerson { name, email, role }).await {
                Ok(link) => links.push(link),
                // Somebody else added them in this moment, and has their link.
                Err(ServiceError::Conflict(Conflict::EmailTaken)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(links)
    }

    /// A new link for a person who lost their password, or the first link.
    pub async fn offer_password_link(
        &self,
        actor: &Actor,
        id: UserId,
    ) -> ServiceResult<PasswordLink> {
        let user = self
            .person_to_manage(actor, id, Action::PasswordResetOffered)
            .await?;
        let (now, token) = (self.certain()?, Token::generate());
        let link = one_time(&token, now, LINK_LIFE);
        let event = actor.event(
            now,
            Action::PasswordResetOffered,
            Outcome::Done,
            Object::user(&user),
            json!({}),
        );
        self.store().offer_password_link(id, link, event).await?;
        Ok(PasswordLink {
            user,
            token,
            expires_at: link.expires_at,
        })
    }

    /// The person whose link this is, while it works.
    pub async fn password_link_owner(&self, token: &str) -> ServiceResult<Option<User>> {
        Ok(self
            .store()
            .find_password_link(hash_token(token), self.now())
            .await?)
    }

    /// Sets a password with a link, which is used up; all sessions of the person end.
    pub async fn choose_password(
        &self,
        token: &str,
        password: &str,
        facts: &RequestFacts,
    ) -> ServiceResult<User> {
        let user = self
            .password_link_owner(token)
            .await?
            .ok_or(ServiceError::Conflict(Conflict::LinkUsed))?;
        let password = Password::new_choice(password)
            .map_err(|problem| ServiceError::password("password", problem))?;
        let hash = self
            .hash_choice(
                "password",
                password,
                user.name.as_str(),
                user.email.as_str(),
            )
            .await?;
        let now = self.now();
        let event = anonymous_event(
            now,
            Action::PasswordChosen,
            Outcome::Done,
            Object::user(&user),
            facts,
            "one-time link",
        );
        self.store()
            .redeem_password_link(hash_token(token), now, hash, event)
            .await?;
        Ok(user)
    }

    /// Counts that somebody asks for a link because they forgot their password. It depends on the
    /// address as typed and on where they are, never on whether there is such a person.
    pub fn may_ask_for_reset(&self, email: &str, facts: &RequestFacts) -> ServiceResult<()> {
        let email: EmailAddress = email.parse().map_err(|e| ServiceError::field("email", e))?;
        let limits = &self.0.reset_limits;
        limits.count(&email, facts.network(), self.now())
    }

    /// A link for somebody who forgot their password; none for an address that is nobody's, or of
    /// somebody who is disabled, was never in, or logs in elsewhere. That is one audited transaction as
    /// well; but only a link is mailed, so don't let who asked wait for it.
    pub async fn reset_link(
        &self,
        email: &str,
        facts: &RequestFacts,
    ) -> ServiceResult<Option<PasswordLink>> {
        // First: whether there is such a person must not be told by it.
        let now = self.certain()?;
        let email: EmailAddress = email.parse().map_err(|e| ServiceError::field("email", e))?;
        let login = self.store().find_login(email.clone()).await?;
        let may = |login: &Login| login.password_hash.is_some() && self.may_log_in(&login.user);
        let token = Token::generate();
        let event = |outcome, object, reason| {
            let action = Action::PasswordResetOffered;
            anonymous_event(now, action, outcome, object, facts, reason)
        };
        let user = match login {
            Some(login) if may(&login) => login.user,
            other => {
                let known = other.as_ref().map(|login| &login.user);
                let object = known.map_or_else(|| nobody(&email), Object::user);
                let event = event(Outcome::Failed, object, "nobody who may have a link");
                self.append_audit(event).await?;
                return Ok(None);
            }
        };
        let link = one_time(&token, now, RESET_LIFE);
        let object = Object::user(&user);
        let event = event(Outcome::Done, object, "asked for on the log-in page");
        self.store()
            .offer_password_link(user.id, link, event)
            .await?;
        Ok(Some(PasswordLink {
            user,
            token,
            expires_at: link.expires_at,
        }))
    }
}

fn check(invitation: &Invitation) -> ServiceResult<(Vec<Invitee>, Role)> {
    let people = read_invitees(&invitation.people).map_err(|e| FieldError::new("people", e));
    let role = invitation
        .role
        .parse()
        .map_err(|e| FieldError::new("role", e));
    match (people, role) {
        (Ok(people), Ok(role)) => Ok((people, role)),
        (people, role) => Err(ServiceError::Invalid(
            people.err().into_iter().chain(role.err()).collect(),
        )),
    }
}

//! Links by which people choose a password: invitations, several at once, and the one that somebody
//! asks for who forgot theirs.

use domain::audit::{Action, ObjectKind, Outcome};
use domain::draft::FieldError;
use domain::invitee::{Invitee, read_invitees};
use domain::role::{Permission, Role};
use domain::user::EmailAddress;
use storage::Conflict;

use crate::Services;
use crate::actor::{Actor, Object, RequestFacts, anonymous_event};
use crate::crypto::Token;
use crate::error::{ServiceError, ServiceResult};
use crate::people::{LINK_LIFE, NewPerson, PasswordLink, one_time};

/// People to be invited, as typed.
#[derive(Debug, Clone, Default)]
pub struct Invitation {
    /// One on each line: `Jon Lind <jon@example.com>`, or the address alone.
    pub people: String,
    /// The role of all of them: `superuser`, `developer`, `operations` or `support`.
    pub role: String,
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
                let problem = format!("{email} is on the team already: take that line out");
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

    /// Counts that somebody asks for a link because they forgot their password. It depends on the
    /// address as typed and on where they are, never on whether there is such a person.
    pub fn may_ask_for_reset(&self, email: &str, facts: &RequestFacts) -> ServiceResult<()> {
        let email: EmailAddress = email.parse().map_err(|e| ServiceError::field("email", e))?;
        let limits = &self.0.reset_limits;
        limits.begin(&email, facts.address, self.now())
    }

    /// A link for somebody who forgot their password; none for an address that is nobody's, or of
    /// somebody who is disabled, was never in, or logs in elsewhere. That takes less time, so don't
    /// let who asked wait for it.
    pub async fn reset_link(
        &self,
        email: &str,
        facts: &RequestFacts,
    ) -> ServiceResult<Option<PasswordLink>> {
        let email: EmailAddress = email.parse().map_err(|e| ServiceError::field("email", e))?;
        let login = self.store().find_login(email).await?;
        let Some(user) = login
            .filter(|login| login.password_hash.is_some() && login.user.is_active())
            .map(|login| login.user)
        else {
            return Ok(None);
        };
        let (now, token) = (self.now(), Token::generate());
        let link = one_time(&token, now, LINK_LIFE);
        let event = anonymous_event(
            now,
            Action::PasswordResetOffered,
            Outcome::Done,
            Object::user(&user),
            facts,
            "asked for on the log-in page",
        );
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

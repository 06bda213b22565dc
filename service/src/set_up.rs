//! Set-up of a fresh installation: the first superuser, with a link that the server prints.

use chrono::TimeDelta;
use domain::audit::{Action, Outcome};
use domain::draft::FieldError;
use domain::password::Password;
use domain::role::Role;
use domain::user::User;
use serde_json::json;
use storage::Conflict;

use crate::Services;
use crate::actor::{Actor, Object, RequestFacts, anonymous_event};
use crate::crypto::{Token, hash_token};
use crate::error::{ServiceError, ServiceResult};
use crate::people::{AddPerson, one_time};

/// How long the printed set-up link works.
const SET_UP_LIFE: TimeDelta = TimeDelta::hours(24);

impl Services {
    /// A new set-up token, if nobody has been added yet; the server prints its link at start.
    pub async fn offer_set_up(&self) -> ServiceResult<Option<Token>> {
        if self.store().has_users().await? {
            return Ok(None);
        }
        let (now, token) = (self.now(), Token::generate());
        let event = Actor::system().event(
            now,
            Action::SetUpOffered,
            Outcome::Done,
            Object::system("set-up"),
            json!({}),
        );
        match self
            .store()
            .offer_set_up(one_time(&token, now, SET_UP_LIFE), event)
            .await
        {
            Ok(()) => Ok(Some(token)),
            Err(storage::StoreError::Conflict(Conflict::SetUpDone)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether set-up is over: there is somebody.
    pub async fn is_set_up(&self) -> ServiceResult<bool> {
        Ok(self.store().has_users().await?)
    }

    /// Whether set-up is open, and this token is its key.
    pub async fn may_set_up(&self, token: &str) -> ServiceResult<bool> {
        Ok(self
            .store()
            .set_up_token_is_valid(hash_token(token), self.now())
            .await?)
    }

    /// Makes the first superuser with the set-up token. Of two parallel calls one succeeds.
    pub async fn set_up(
        &self,
        token: &str,
        name: &str,
        email: &str,
        password: &str,
        facts: &RequestFacts,
    ) -> ServiceResult<User> {
        if !self.may_set_up(token).await? {
            return Err(ServiceError::Conflict(Conflict::SetUpDone));
        }
        let person = AddPerson {
            name: name.to_owned(),
            email: email.to_owned(),
            role: Role::Superuser.as_str().to_owned(),
        };
        let chosen = Password::new_choice(password);
        let (person, password) = match (person.check(), chosen) {
            (Ok(person), Ok(password)) => (person, password),
            (Err(ServiceError::Invalid(mut errors)), Err(error)) => {
                errors.push(FieldError::new("password", error));
                return Err(ServiceError::Invalid(errors));
            }
            (Err(error), _) => return Err(error),
            (_, Err(error)) => return Err(ServiceError::password("password", error)),
        };
        let hash = self.hash_choice("password", password, name, email).await?;
        let user = self.new_user(person);
        let event = anonymous_event(
            user.created_at,
            Action::SetUpDone,
            Outcome::Done,
            Object::user(&user),
            facts,
            "set-up link",
        );
        self.store()
            .complete_set_up(hash_token(token), user.clone(), hash, event)
            .await?;
        Ok(user)
    }
}

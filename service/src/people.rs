//! The people of the team.

use chrono::TimeDelta;
use domain::audit::{Action, ObjectKind, Outcome};
use domain::draft::FieldError;
use domain::password::Password;
use domain::role::{Permission, Role};
use domain::text::PersonName;
use domain::user::{EmailAddress, User, UserId};
use serde_json::{Map, Value, json};
use storage::{Conflict, OneTimeToken, PeopleQuery, PersonRecord, UserQuery};

use crate::Services;
use crate::actor::{Actor, Object, RequestFacts};
use crate::clock::system_rng;
use crate::crypto::Token;
use crate::error::{ServiceError, ServiceResult};
use crate::password_links::{LINK_LIFE, PasswordLink};

/// A person to be added, as typed.
#[derive(Debug, Clone, Default)]
pub struct AddPerson {
    /// What they are called.
    pub name: String,
    /// The address that they log in with.
    pub email: String,
    /// `superuser`, `developer`, `operations` or `support`.
    pub role: String,
}

/// A person of the team, as everybody sees them.
#[derive(Debug, Clone)]
pub struct Colleague {
    /// Who they are, without when they logged in.
    pub user: User,
    /// How many credentials they own that are active or quarantined.
    pub credentials: u64,
    /// How they come in, and all else: for whoever manages users.
    pub record: Option<PersonRecord>,
}

/// A page of the team.
#[derive(Debug, Clone)]
pub struct Colleagues {
    /// The people, by name.
    pub people: Vec<Colleague>,
    /// Whether there are people before.
    pub has_before: bool,
    /// Whether there are people after.
    pub has_after: bool,
}

/// A person to be added, checked.
pub(crate) struct NewPerson {
    pub name: PersonName,
    pub email: EmailAddress,
    pub role: Role,
}

impl AddPerson {
    pub(crate) fn check(&self) -> ServiceResult<NewPerson> {
        let mut errors = Vec::new();
        let name = self
            .name
            .parse()
            .map_err(|e| errors.push(FieldError::new("name", e)));
        let email = self
            .email
            .parse()
            .map_err(|e| errors.push(FieldError::new("email", e)));
        let role = self
            .role
            .parse()
            .map_err(|e| errors.push(FieldError::new("role", e)));
        match (name, email, role) {
            (Ok(name), Ok(email), Ok(role)) => Ok(NewPerson { name, email, role }),
            _ => Err(ServiceError::Invalid(errors)),
        }
    }
}

impl Services {
    /// Adds a person, who chooses a password with the link. Nobody chooses it for them.
    pub async fn add_person(
        &self,
        actor: &Actor,
        person: &AddPerson,
    ) -> ServiceResult<PasswordLink> {
        let object = Object {
            kind: ObjectKind::User,
            id: None,
            name: "new person".to_owned(),
        };
        self.authorise(actor, Permission::ManageUsers, Action::UserAdded, object)
            .await?;
        self.add(actor, person.check()?).await.map_err(taken)
    }

    pub(crate) async fn add(
        &self,
        actor: &Actor,
        person: NewPerson,
    ) -> ServiceResult<PasswordLink> {
        let now = self.certain()?;
        let user = self.new_user(person);
        let token = Token::generate();
        let link = one_time(&token, now, LINK_LIFE);
        let detail = json!({ "email": user.email, "role": user.role });
        let event = actor.event(
            user.created_at,
            Action::UserAdded,
            Outcome::Done,
            Object::user(&user),
            detail,
        );
        self.store()
            .add_user(user.clone(), None, Some(link), event)
            .await?;
        Ok(PasswordLink {
            user,
            token,
            expires_at: link.expires_at,
        })
    }

    /// Adds a person with a password, from the host: the way back in, and for scripts.
    pub async fn add_person_with_password(
        &self,
        actor: &Actor,
        person: &AddPerson,
        password: &str,
    ) -> ServiceResult<User> {
        let object = Object {
            kind: ObjectKind::User,
            id: None,
            name: "new person".to_owned(),
        };
        self.authorise(actor, Permission::ManageUsers, Action::UserAdded, object)
            .await?;
        let checked = person.check()?;
        let password = Password::new_choice(password)
            .map_err(|problem| ServiceError::password("password", problem))?;
        let hash = self
            .hash_choice("password", password, &person.name, &person.email)
            .await?;
        let user = self.new_user(checked);
        let detail = json!({ "email": user.email, "role": user.role });
        let event = actor.event(
            user.created_at,
            Action::UserAdded,
            Outcome::Done,
            Object::user(&user),
            detail,
        );
        self.store()
            .add_user(user.clone(), Some(hash), None, event)
            .await
            .map_err(|error| taken(error.into()))?;
        Ok(user)
    }

    /// People by name. Every role sees who is on the team: credentials have owners.
    pub async fn people(&self, actor: &Actor, query: UserQuery) -> ServiceResult<Vec<User>> {
        Self::see(actor)?;
        Ok(self.store().list_users(query).await?)
    }

    /// A page of the team, with what each person owns. How somebody comes in is for whoever manages
    /// users: to others it would tell whose account is the easiest to get into.
    pub async fn people_page(
        &self,
        actor: &Actor,
        query: PeopleQuery,
    ) -> ServiceResult<Colleagues> {
        Self::see(actor)?;
        let manages = actor.can(Permission::ManageUsers);
        let query = PeopleQuery {
            tell_invited: manages,
            ..query
        };
        let page = self.store().list_people(query).await?;
        let colleague = |record: PersonRecord| Colleague {
            user: User {
                last_login_at: None,
                ..record.user.clone()
            },
            credentials: record.credentials,
            record: manages.then_some(record),
        };
        Ok(Colleagues {
            people: page.people.into_iter().map(colleague).collect(),
            has_before: page.has_before,
            has_after: page.has_after,
        })
    }

    /// One person with what they own: oneself, or, for whoever manages users, anybody.
    pub async fn person(&self, actor: &Actor, id: UserId) -> ServiceResult<PersonRecord> {
        let is_self = actor.person().is_some_and(|person| person.id == id);
        if !is_self && !actor.can(Permission::ManageUsers) {
            return Err(ServiceError::Denied(Permission::ManageUsers));
        }
        let found = self.store().find_person(id, self.now()).await?;
        found.ok_or(ServiceError::NotFound("person"))
    }

    /// The person with an address, for host commands.
    pub async fn person_by_email(&self, actor: &Actor, email: &str) -> ServiceResult<User> {
        Self::see(actor)?;
        let email: EmailAddress = email.parse().map_err(|e| ServiceError::field("email", e))?;
        let login = self.store().find_login(email).await?;
        login
            .map(|login| login.user)
            .ok_or(ServiceError::NotFound("person"))
    }

    /// Changes what a person is called and the address that they log in with. The old address is free then.
    pub async fn change_person(
        &self,
        actor: &Actor,
        id: UserId,
        name: &str,
        email: &str,
    ) -> ServiceResult<User> {
        let user = self
            .person_to_manage(actor, id, Action::UserChanged)
            .await?;
        let mut errors = Vec::new();
        let name = name
            .parse()
            .map_err(|e| errors.push(FieldError::new("name", e)));
        let email = email
            .parse()
            .map_err(|e| errors.push(FieldError::new("email", e)));
        let (Ok(name), Ok(email)) = (name, email) else {
            return Err(ServiceError::Invalid(errors));
        };
        let changed = User {
            name,
            email,
            ..user.clone()
        };
        let event = actor.event(
            self.now(),
            Action::UserChanged,
            Outcome::Done,
            Object::user(&changed),
            difference(&user, &changed),
        );
        let (name, email) = (changed.name.clone(), changed.email.clone());
        let renamed = self.store().rename_user(id, name, email, event).await;
        renamed.map_err(|error| taken(error.into()))?;
        Ok(changed)
    }

    /// Gives a person a role; if they had another one, their sessions end.
    pub async fn set_role(&self, actor: &Actor, id: UserId, role: Role) -> ServiceResult<()> {
        let user = self
            .person_to_manage(actor, id, Action::UserRoleChanged)
            .await?;
        let detail = json!({ "role": { "from": user.role, "to": role } });
        let event = actor.event(
            self.now(),
            Action::UserRoleChanged,
            Outcome::Done,
            Object::user(&user),
            detail,
        );
        Ok(self.store().set_role(id, role, event).await?)
    }

    /// Disables a person: their sessions end, they can't log in.
    pub async fn disable_person(&self, actor: &Actor, id: UserId) -> ServiceResult<()> {
        let user = self
            .person_to_manage(actor, id, Action::UserDisabled)
            .await?;
        let now = self.now();
        let event = actor.event(
            now,
            Action::UserDisabled,
            Outcome::Done,
            Object::user(&user),
            json!({}),
        );
        Ok(self.store().disable_user(id, now, event).await?)
    }

    /// Lets a disabled person act again.
    pub async fn enable_person(&self, actor: &Actor, id: UserId) -> ServiceResult<()> {
        let user = self
            .person_to_manage(actor, id, Action::UserEnabled)
            .await?;
        let event = actor.event(
            self.now(),
            Action::UserEnabled,
            Outcome::Done,
            Object::user(&user),
            json!({}),
        );
        Ok(self.store().enable_user(id, event).await?)
    }

    /// Sets a person's password from the host; all their sessions end.
    pub async fn reset_password(
        &self,
        actor: &Actor,
        user: &User,
        password: &str,
    ) -> ServiceResult<()> {
        self.person_to_manage(actor, user.id, Action::PasswordChanged)
            .await?;
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
        let event = actor.event(
            self.now(),
            Action::PasswordChanged,
            Outcome::Done,
            Object::user(user),
            json!({}),
        );
        Ok(self.store().set_password(user.id, hash, event).await?)
    }

    /// Changes the actor's own password; their other sessions end. A password that was set meanwhile
    /// stays, and the actor's session is over with it.
    pub async fn change_password(
        &self,
        actor: &Actor,
        current: &str,
        new: &str,
        facts: &RequestFacts,
    ) -> ServiceResult<()> {
        let person = actor.person().ok_or(ServiceError::NotFound("person"))?;
        let new = Password::new_choice(new)
            .map_err(|problem| ServiceError::password("new_password", problem))?;
        let wrong = ("current_password", "this is not your current password");
        let checked = self
            .check_own_password(actor, current, facts, wrong)
            .await?;
        let hash = self
            .hash_choice("new_password", new, &person.name, &person.email)
            .await?;
        let object = Object::new(ObjectKind::User, person.id, &person.name);
        let event = actor.event(
            self.now(),
            Action::PasswordChanged,
            Outcome::Done,
            object,
            json!({}),
        );
        Ok(self
            .store()
            .change_password(person.own_session(), checked.hash, hash, event)
            .await?)
    }

    pub(crate) async fn person_to_manage(
        &self,
        actor: &Actor,
        id: UserId,
        action: Action,
    ) -> ServiceResult<User> {
        let object = Object::new(ObjectKind::User, id, "");
        self.authorise(actor, Permission::ManageUsers, action, object)
            .await?;
        self.store()
            .find_user(id)
            .await?
            .ok_or(ServiceError::NotFound("person"))
    }

    pub(crate) fn new_user(&self, person: NewPerson) -> User {
        let now = self.now();
        User {
            id: UserId::generate(now, &mut system_rng()),
            email: person.email,
            name: person.name,
            role: person.role,
            disabled_at: None,
            created_at: now,
            last_login_at: None,
        }
    }
}

/// What differs between two states of a person, for the audit log.
pub(crate) fn difference(from: &User, to: &User) -> Value {
    let mut detail = Map::new();
    let mut tell = |what: &str, from: &str, to: &str| {
        if from != to {
            detail.insert(what.to_owned(), json!({ "from": from, "to": to }));
        }
    };
    tell("name", from.name.as_str(), to.name.as_str());
    tell("email", from.email.as_str(), to.email.as_str());
    detail.into()
}

/// A token that works for so long.
pub(crate) fn one_time(token: &Token, now: domain::Instant, life: TimeDelta) -> OneTimeToken {
    OneTimeToken {
        hash: token.hash(),
        created_at: now,
        expires_at: now + life,
    }
}

/// A taken address is a problem of the field it was typed into.
fn taken(error: ServiceError) -> ServiceError {
    match error {
        ServiceError::Conflict(conflict @ Conflict::EmailTaken) => {
            ServiceError::field("email", conflict)
        }
        other => other,
    }
}

//! What the users page and the page of a person ask the server.

use chrono::{DateTime, Utc};
use domain::role::Role;
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::PeopleParams;
use crate::components::Status;
use crate::error::ApiError;
use crate::features::audit::StoryEntry;

/// A person of the team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRow {
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
    /// Their role.
    pub role: Role,
    /// May they log in?
    pub active: bool,
    /// When they were added.
    pub created_at: DateTime<Utc>,
    /// How many credentials they own that are active or quarantined.
    pub credentials: usize,
    /// How they come in: for superusers, and on one's own page.
    pub access: Option<PersonAccess>,
}

/// How a person comes in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonAccess {
    /// They never have.
    pub invited: bool,
    /// Where they log in.
    pub source: String,
    /// Do their name and address follow what their single sign-on says?
    pub follows_provider: bool,
    /// Do they have a second factor?
    pub second_factor: bool,
    /// Until when the link works that they were given.
    pub link_ends_at: Option<DateTime<Utc>>,
    /// When they last logged in.
    pub last_login_at: Option<DateTime<Utc>>,
    /// When they last logged in or, if that is later, used a session.
    pub last_seen_at: Option<DateTime<Utc>>,
}

impl PersonRow {
    /// How they stand.
    #[must_use]
    pub fn status(&self) -> Status {
        let invited = self.access.as_ref().is_some_and(|access| access.invited);
        match (self.active, invited) {
            (false, _) => Status::Disabled,
            (true, true) => Status::Invited,
            (true, false) => Status::Active,
        }
    }
}

/// A page of the team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeopleList {
    /// The people, by name.
    pub people: Vec<PersonRow>,
    /// The first of them, if there are people before.
    pub before: Option<String>,
    /// The last of them, if there are people after.
    pub after: Option<String>,
    /// Disabled people who still own credentials: the first few, for those who can do something
    /// about it.
    pub orphaning: Vec<PersonRow>,
}

/// A person with what belongs to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonDetail {
    /// Their own facts.
    pub person: PersonRow,
    /// Is their password locked, after too many wrong ones?
    pub password_locked: bool,
    /// The last entries of the audit log about them.
    pub story: Vec<StoryEntry>,
    /// What can be given to others, if the viewer may: key id and name of the first of their
    /// credentials.
    pub owned: Vec<(String, String)>,
    /// To whom: ids and names.
    pub heirs: Vec<(String, String)>,
}

/// A page of the team.
#[server(prefix = "/_fn", endpoint = "users/list", input = Json)]
pub async fn list_users(params: PeopleParams) -> Result<PeopleList, ApiError> {
    use domain::role::Permission;
    use domain::user::PersonFilter;
    use service::PeopleQuery;

    use crate::server_context::{actor, reply, services};

    /// Rows of a page.
    const PAGE: u32 = 50;
    /// As many people as there is room for above the list.
    const FEW: u32 = 3;

    let (services, actor) = (services()?, actor()?);
    let query = params.query(services.now(), PAGE);
    let few = PeopleQuery {
        state: Some(PersonFilter::Orphaning),
        ..PeopleParams::default().query(services.now(), FEW)
    };
    let page = reply(services.people_page(&actor, query).await)?;
    let orphaning = if actor.can(Permission::ManageCredentials) {
        reply(services.people_page(&actor, few).await)?.people
    } else {
        Vec::new()
    };
    let rows = |people: Vec<service::Colleague>| -> Vec<PersonRow> {
        let row = |one: service::Colleague| {
            let access = one
                .record
                .map(|record| PersonAccess::new(&record, &services));
            PersonRow::new(one.user, one.credentials, access)
        };
        people.into_iter().map(row).collect()
    };
    let people = rows(page.people);
    let id = |person: Option<&PersonRow>| person.map(|person| person.id.clone());
    Ok(PeopleList {
        before: id(people.first()).filter(|_| page.has_before),
        after: id(people.last()).filter(|_| page.has_after),
        people,
        orphaning: rows(orphaning),
    })
}

/// One person: oneself, or, for superusers, anybody.
#[server(prefix = "/_fn", endpoint = "users/get", input = Json)]
pub async fn get_person(id: String) -> Result<PersonDetail, ApiError> {
    use domain::role::Permission;
    use service::{CredentialFilter, CredentialQuery, CredentialSort, CredentialTab, PageStart};

    use crate::features::audit::{Subject, tell};
    use crate::server_context::{actor, reply, services};

    /// As many as a list to choose from may have.
    const MOST: u32 = 1000;

    let (services, actor) = (services()?, actor()?);
    let unknown = |_| service::ServiceError::NotFound("person");
    let id: domain::user::UserId = reply(id.parse().map_err(unknown))?;
    let record = reply(services.person(&actor, id).await)?;
    let password_locked = service::is_password_locked(&record);
    let access = PersonAccess::new(&record, &services);
    let person = PersonRow::new(record.user, record.credentials, Some(access));
    let entries = reply(services.person_story(&actor, id).await)?;
    let mut story = tell(entries, &services.catalogue(), &[], Subject::Named);
    let here = format!("/users/{id}");
    for target in story
        .iter_mut()
        .filter_map(|entry| entry.deed.target.as_mut())
    {
        // Nobody needs a link to the page that they are on.
        target.href = target.href.take().filter(|href| *href != here);
    }
    let (mut owned, mut heirs) = (Vec::new(), Vec::new());
    if person.credentials > 0 && actor.can(Permission::ManageCredentials) {
        for tab in [CredentialTab::InUse, CredentialTab::Quarantined] {
            let query = CredentialQuery {
                now: services.now(),
                filter: CredentialFilter {
                    tab,
                    owner: Some(id),
                    ..CredentialFilter::default()
                },
                sort: CredentialSort::Name,
                descending: false,
                from: PageStart::First,
                limit: 100,
            };
            let page = reply(services.list_credentials(&actor, query).await)?;
            let credentials = page.rows.into_iter().map(|row| row.credential);
            owned.extend(credentials.map(|one| (one.key_id.to_string(), one.name.to_string())));
        }
        let query = service::UserQuery {
            active_only: true,
            limit: MOST,
            ..service::UserQuery::default()
        };
        let people = reply(services.people(&actor, query).await)?.into_iter();
        heirs = people
            .filter(|heir| heir.id != id)
            .map(|heir| (heir.id.to_string(), heir.name.to_string()))
            .collect();
    }
    Ok(PersonDetail {
        person,
        password_locked,
        story,
        owned,
        heirs,
    })
}

#[cfg(feature = "ssr")]
impl PeopleParams {
    fn query(&self, now: domain::Instant, limit: u32) -> service::PeopleQuery {
        use service::PeopleStart;

        let from = match (self.after.parse(), self.before.parse()) {
            (Ok(id), _) => PeopleStart::After(id),
            (Err(_), Ok(id)) => PeopleStart::Before(id),
            (Err(_), Err(_)) => PeopleStart::First,
        };
        service::PeopleQuery {
            now,
            search: Some(self.search.clone()).filter(|search| !search.is_empty()),
            role: self.role,
            state: self.state,
            tell_invited: false,
            from,
            limit,
        }
    }
}

#[cfg(feature = "ssr")]
impl PersonRow {
    fn new(user: domain::user::User, credentials: u64, access: Option<PersonAccess>) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name.to_string(),
            email: user.email.to_string(),
            role: user.role,
            active: user.is_active(),
            created_at: user.created_at,
            credentials: usize::try_from(credentials).unwrap_or(usize::MAX),
            access,
        }
    }
}

#[cfg(feature = "ssr")]
impl PersonAccess {
    fn new(record: &service::PersonRecord, services: &service::Services) -> Self {
        Self {
            invited: record.is_invited(),
            source: match record.issuer.as_deref() {
                None => "Local",
                Some(service::HEADER_ISSUER) => "Trusted header",
                Some(_) => "Single sign-on",
            }
            .to_owned(),
            follows_provider: record.issuer.is_some(),
            second_factor: record.has_second_factor,
            link_ends_at: record.link_ends_at,
            last_login_at: record.user.last_login_at,
            last_seen_at: services.last_seen(record),
        }
    }
}

//! What the users page is asked, and what it answers.

use domain::Instant;
use domain::role::Role;
use domain::user::{PersonFilter, User, UserId};

/// Which people the users page lists, by name; everything must hold.
#[derive(Debug, Clone)]
pub struct PeopleQuery {
    /// The instant for links and for the state of credentials.
    pub now: Instant,
    /// A part of the name or address, any case.
    pub search: Option<String>,
    /// Only this role.
    pub role: Option<Role>,
    /// Only those who stand so.
    pub state: Option<PersonFilter>,
    /// Whether who has never come in is told apart from the others who may act.
    pub tell_invited: bool,
    /// Where the page begins.
    pub from: PeopleStart,
    /// At most this many rows.
    pub limit: u32,
}

/// Where a page of people begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeopleStart {
    /// At the first person.
    #[default]
    First,
    /// After this person.
    After(UserId),
    /// Before this person.
    Before(UserId),
}

/// A person with the facts about them that are kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRecord {
    /// Their own facts.
    pub user: User,
    /// Whether they have chosen a password.
    pub has_password: bool,
    /// How many wrong passwords were tried since the last right one.
    pub password_failures: u64,
    /// The issuer of the identity by which they logged in last by single sign-on, if they have one.
    pub issuer: Option<String>,
    /// Until when the link works that they were given, if they have one that does.
    pub link_ends_at: Option<Instant>,
    /// Whether they have a second factor.
    pub has_second_factor: bool,
    /// How many credentials they own that are active or quarantined.
    pub credentials: u64,
    /// Until when the one of their sessions lasts that was used last, if nobody uses it again. It may
    /// have ended.
    pub idle_until: Option<Instant>,
}

impl PersonRecord {
    /// Whether the person was added and has never come in.
    #[must_use]
    pub const fn is_invited(&self) -> bool {
        self.user.is_active() && !self.has_password && self.user.last_login_at.is_none()
    }
}

/// A page of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeoplePage {
    /// The people, by name.
    pub people: Vec<PersonRecord>,
    /// Whether there are people before.
    pub has_before: bool,
    /// Whether there are people after.
    pub has_after: bool,
}

//! What the server tells the pages about credentials: flat, and without secrets, except the one
//! that is shown once.

use std::fmt;

use chrono::{DateTime, Utc};
use domain::access::{Access, AccessKind};
use domain::credential::{Flow, State};
use domain::expiry::ExpiryChoice;
use domain::limits::Limits;
use domain::role::Role;
use domain::scope::AccessLevel;
use serde::{Deserialize, Serialize};

use super::query::Tab;
use crate::components::Status;
use crate::features::audit::StoryEntry;

/// A page of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialList {
    /// Its rows.
    pub rows: Vec<CredentialRow>,
    /// The titles of the scopes, in the order of [`CredentialRow::levels`].
    pub scopes: Vec<String>,
    /// How many credentials each tab holds.
    pub counts: Counts,
    /// Where the page before ends, if there is one.
    pub before: Option<String>,
    /// Where the page after begins, if there is one.
    pub after: Option<String>,
}

/// How many credentials each tab holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All.
    pub all: usize,
    /// Active ones.
    pub in_use: usize,
    /// Active ones that end soon.
    pub expiring: usize,
    /// Active ones without an end.
    pub never: usize,
    /// Quarantined ones.
    pub quarantined: usize,
    /// Active and quarantined ones whose owner is disabled.
    pub orphaned: usize,
    /// Expired and revoked ones.
    pub ended: usize,
}

impl Counts {
    /// The number of one tab.
    #[must_use]
    pub const fn of(&self, tab: Tab) -> usize {
        match tab {
            Tab::All => self.all,
            Tab::InUse => self.in_use,
            Tab::Expiring => self.expiring,
            Tab::Never => self.never,
            Tab::Quarantined => self.quarantined,
            Tab::Orphaned => self.orphaned,
            Tab::Ended => self.ended,
        }
    }
}

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRow {
    /// Its public identifier.
    pub key_id: String,
    /// What it is called.
    pub name: String,
    /// How it signs in.
    pub flow: Flow,
    /// The kind of access.
    pub access: AccessKind,
    /// The level on each scope.
    pub levels: Vec<AccessLevel>,
    /// How it stands.
    pub life: Life,
    /// Its last use.
    pub last_use: Option<LastUse>,
    /// Who cares for it.
    pub owner: Owner,
    /// When it was issued.
    pub created_at: DateTime<Utc>,
    /// Who issued it.
    pub created_by: String,
}

/// How a credential stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Its state.
    pub state: State,
    /// Whether it works but ends soon.
    pub expiring: bool,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// Who quarantined or revoked it.
    pub mark: Option<Mark>,
}

impl Life {
    /// The word and the colour for it.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self.state {
            State::Active if self.expiring => Status::Expiring,
            State::Active => Status::Active,
            State::Expired => Status::Expired,
            State::Disabled => Status::Quarantined,
            State::Revoked => Status::Revoked,
        }
    }

    /// Whether nothing can be done with it any more.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, State::Expired | State::Revoked)
    }
}

/// Who did something, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// The last use of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    /// When.
    pub at: DateTime<Utc>,
    /// From where; empty where it is not known.
    pub address: String,
    /// For what.
    pub endpoint: String,
}

/// The person who cares for a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Whether they are still with the team.
    pub active: bool,
}

/// What the list can be filtered by: values and the words for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filters {
    /// The scopes.
    pub scopes: Vec<(String, String)>,
    /// Those who may own something: everybody, or a few of a large team.
    pub owners: Vec<(String, String)>,
    /// Whether there are owners that are not offered here.
    pub more_owners: bool,
}

/// What the forms for issuing and editing offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormFacts {
    /// Active people: id, name and role.
    pub owners: Vec<(String, String, Role)>,
    /// The lifetimes that the policy allows.
    pub lifetimes: Vec<ExpiryChoice>,
    /// Makes two clicks one credential.
    pub idempotency_key: String,
}

/// One credential with its story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialDetail {
    /// Its public identifier.
    pub key_id: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Who cares for it.
    pub owner: Owner,
    /// How it signs in.
    pub flow: Flow,
    /// What it may do.
    pub access: Access,
    /// How it stands.
    pub life: Life,
    /// When it was issued.
    pub created_at: DateTime<Utc>,
    /// Who issued it.
    pub created_by: String,
    /// When it last changed; an edit names it.
    pub updated_at: DateTime<Utc>,
    /// Its last use.
    pub last_use: Option<LastUse>,
    /// When each of its secrets was made.
    pub secrets: Vec<DateTime<Utc>>,
    /// Its public keys.
    pub public_keys: Vec<PublicKey>,
    /// From where it has its public keys, in place of its own.
    pub key_url: Option<KeyUrl>,
    /// From where and how often it may be used.
    pub limits: Limits,
    /// What it was used for.
    pub usage: Usage,
    /// What happened to it, newest first.
    pub story: Vec<StoryEntry>,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// Its thumbprint (RFC 7638).
    pub thumbprint: String,
    /// What assertions are signed with.
    pub algorithm: String,
    /// What it is called; often nothing.
    pub name: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it signed in last.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Public keys by URL, and what last came from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUrl {
    /// The URL.
    pub url: String,
    /// When its host was last asked.
    pub asked_at: Option<DateTime<Utc>>,
    /// What went wrong then, in words.
    pub problem: Option<String>,
    /// The keys that came last: algorithm and thumbprint.
    pub keys: Vec<(String, String)>,
    /// Until when these work if no others come; nothing if none works.
    pub work_until: Option<DateTime<Utc>>,
}

/// A public key as read from what somebody is typing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPreview {
    /// Its thumbprint (RFC 7638).
    pub thumbprint: String,
    /// What assertions are signed with.
    pub algorithm: String,
}

/// What a credential was used for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The last thirty days, oldest first.
    pub days: Vec<UsageDay>,
    /// Of these days: scope and level, calls let through, calls refused.
    pub scopes: Vec<(String, u64, u64)>,
    /// The last refusals that were kept, newest first.
    pub refusals: Vec<Refused>,
}

/// The calls of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageDay {
    /// Its beginning, in UTC.
    pub day: DateTime<Utc>,
    /// Calls let through.
    pub allowed: u64,
    /// Calls refused.
    pub refused: u64,
}

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its request.
    pub request_id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Method and path template, as far as they are known.
    pub call: String,
    /// Why, in words.
    pub reason: String,
}

/// A credential that was just issued, with its secret. `Debug` prints none of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedKey {
    /// Its public identifier.
    pub key_id: String,
    /// What it is called.
    pub name: String,
    /// How it signs in.
    pub flow: Flow,
    /// Its secret, where the flow has one.
    pub secret: Option<String>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// The issuer identifier: the audience of assertions.
    pub issuer: String,
    /// The path of a call that it may make, for the examples.
    pub example_path: String,
    /// The headers of the legacy pair.
    pub headers: LegacyHeaders,
}

impl fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuedKey(…)")
    }
}

/// The headers that carry key id and secret of the legacy flow, as the gate is configured. The
/// server provides them to server functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyHeaders {
    /// The one with the key id.
    pub key_id: String,
    /// The one with the secret.
    pub secret: String,
}

impl Default for LegacyHeaders {
    fn default() -> Self {
        Self {
            key_id: "APCA-API-KEY-ID".to_owned(),
            secret: "APCA-API-SECRET-KEY".to_owned(),
        }
    }
}

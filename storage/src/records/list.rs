//! What the list of credentials is asked, and what it answers.

use domain::Instant;
use domain::access::AccessKind;
use domain::credential::{Credential, Flow, State};
use domain::key_id::KeyId;
use domain::scope::WireScope;
use domain::user::UserId;

use super::LastUse;

/// Which credentials to list, in which order, from where on.
#[derive(Debug, Clone)]
pub struct CredentialQuery {
    /// The instant for states.
    pub now: Instant,
    /// What to show.
    pub filter: CredentialFilter,
    /// The order.
    pub sort: CredentialSort,
    /// Whether the order is turned round.
    pub descending: bool,
    /// Where the page begins.
    pub from: PageStart,
    /// At most this many rows.
    pub limit: u32,
}

/// Where a page begins.
#[derive(Debug, Clone, Default)]
pub enum PageStart {
    /// At the first row.
    #[default]
    First,
    /// After the row with this position.
    After(Position),
    /// Before the row with this position.
    Before(Position),
}

/// The place of a row in an order: its sort value and its key id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The value of the sort column, as text; empty where there is none (never expires, never used).
    pub value: String,
    /// The key id, which settles ties.
    pub key_id: KeyId,
}

/// What to show of the credentials; everything must hold.
#[derive(Debug, Clone, Default)]
pub struct CredentialFilter {
    /// A part of the name, key id, owner's name or last endpoint, any case.
    pub search: Option<String>,
    /// The tab.
    pub tab: CredentialTab,
    /// Only this state.
    pub state: Option<State>,
    /// Only this flow.
    pub flow: Option<Flow>,
    /// Only this kind of access.
    pub access: Option<AccessKind>,
    /// Only those that may do this.
    pub scope: Option<WireScope>,
    /// Only those of this owner.
    pub owner: Option<UserId>,
}

/// The tabs of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CredentialTab {
    /// Everything.
    #[default]
    All,
    /// Active now.
    InUse,
    /// Active now, and ends within [`domain::credential::EXPIRING_WITHIN`].
    Expiring,
    /// Active now, without an end.
    NeverExpires,
    /// Quarantined and not expired.
    Quarantined,
    /// Active or quarantined, and the owner is disabled.
    Orphaned,
    /// Expired or revoked.
    Ended,
}

/// The orders of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CredentialSort {
    /// By time of issue.
    #[default]
    Created,
    /// By name, any case.
    Name,
    /// By end; those without one last.
    Expires,
    /// By last use; those never used first.
    LastUsed,
}

/// A row of the list.
#[derive(Debug, Clone)]
pub struct CredentialRow {
    /// Its facts.
    pub credential: Credential,
    /// The owner's name now.
    pub owner_name: String,
    /// Whether the owner is an active member of the team.
    pub owner_is_active: bool,
    /// Its last use.
    pub last_use: Option<LastUse>,
    /// Its place in the order that was asked for.
    pub position: Position,
}

/// A page of the list.
#[derive(Debug, Clone)]
pub struct CredentialPage {
    /// The rows, in the order that was asked for.
    pub rows: Vec<CredentialRow>,
    /// Whether there are rows before.
    pub has_before: bool,
    /// Whether there are rows after.
    pub has_after: bool,
}

/// How many credentials each tab holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CredentialCounts {
    /// All.
    pub all: u64,
    /// [`CredentialTab::InUse`].
    pub in_use: u64,
    /// [`CredentialTab::Expiring`].
    pub expiring: u64,
    /// [`CredentialTab::NeverExpires`].
    pub never_expires: u64,
    /// [`CredentialTab::Quarantined`].
    pub quarantined: u64,
    /// [`CredentialTab::Orphaned`].
    pub orphaned: u64,
    /// [`CredentialTab::Ended`].
    pub ended: u64,
    /// From this instant on they are others though nobody changes anything: something ends, or begins
    /// to be about to. Nothing, if time changes none of them.
    pub hold_until: Option<Instant>,
}

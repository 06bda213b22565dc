//! Looking the audit log up.

use domain::Instant;
use domain::audit::{Action, Outcome};

/// Which entries of the audit log are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Who.
    pub actor: Option<Named>,
    /// Done to what.
    pub object: Option<Named>,
    /// What was done or tried.
    pub action: Option<Action>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// At this instant or later.
    pub from: Option<Instant>,
    /// Before this instant.
    pub until: Option<Instant>,
    /// Whether the newest entries come first.
    pub newest_first: bool,
    /// Only what comes after the entry with this number, in that order.
    pub beyond: Option<i64>,
    /// At most this many.
    pub limit: u32,
}

/// Somebody or something in the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By id.
    Id(String),
    /// By the name that it had then, exactly.
    Name(String),
}

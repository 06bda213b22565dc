//! Access control of a credential: read only, full, or a level for each scope.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalogue::Catalogue;
use crate::scope::{AccessLevel, Level, ScopeName, ScopeSet};

/// What a credential may do.
///
/// Read only and Full access follow the catalogue: a scope that is added later is in them. Custom
/// names its scopes: one that it doesn't name is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "levels", rename_all = "snake_case")]
pub enum Access {
    /// Read on every scope.
    ReadOnly,
    /// Read and write on every scope.
    Full,
    /// A level for each scope; a scope that is not listed is at [`AccessLevel::None`].
    Custom(BTreeMap<ScopeName, AccessLevel>),
}

/// The kind of access, without the levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessKind {
    /// Read on every scope.
    ReadOnly,
    /// Read and write on every scope.
    Full,
    /// A level for each scope.
    Custom,
}

impl AccessKind {
    /// The three kinds in the order of the form.
    pub const ALL: [Self; 3] = [Self::ReadOnly, Self::Full, Self::Custom];

    /// `read_only`, `full` or `custom`, as in forms and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Full => "full",
            Self::Custom => "custom",
        }
    }

    /// The words that people see.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ReadOnly => "Read only",
            Self::Full => "Full access",
            Self::Custom => "Custom",
        }
    }
}

/// Why a text is not an [`AccessKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("access is read_only, full or custom")]
pub struct InvalidAccessKind;

impl std::str::FromStr for AccessKind {
    type Err = InvalidAccessKind;

    /// Takes `read-only` as well, the spelling of the command line.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.replace('-', "_");
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(InvalidAccessKind)
    }
}

/// Why an access can't be given under a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAccess {
    /// A custom access names a scope that the catalogue doesn't have.
    #[error("the catalogue has no scope {0}")]
    UnknownScope(ScopeName),
    /// A custom access that allows nothing.
    #[error("choose at least one scope that the key may read or write")]
    Nothing,
}

impl Access {
    /// The kind, without the levels.
    #[must_use]
    pub const fn kind(&self) -> AccessKind {
        match self {
            Self::ReadOnly => AccessKind::ReadOnly,
            Self::Full => AccessKind::Full,
            Self::Custom(_) => AccessKind::Custom,
        }
    }

    /// The level on one scope.
    #[must_use]
    pub fn level(&self, scope: &ScopeName) -> AccessLevel {
        match self {
            Self::ReadOnly => AccessLevel::Read,
            Self::Full => AccessLevel::Write,
            Self::Custom(levels) => levels.get(scope).copied().unwrap_or_default(),
        }
    }

    /// Checks that each named scope is in the catalogue and that something is allowed.
    ///
    /// # Errors
    /// The first scope that is unknown, or that nothing at all is allowed.
    pub fn check(&self, catalogue: &Catalogue) -> Result<(), InvalidAccess> {
        let Self::Custom(levels) = self else {
            return Ok(());
        };
        if let Some(unknown) = levels.keys().find(|name| catalogue.scope(name).is_none()) {
            return Err(InvalidAccess::UnknownScope(unknown.clone()));
        }
        if levels.values().all(|level| *level == AccessLevel::None) {
            return Err(InvalidAccess::Nothing);
        }
        Ok(())
    }

    /// The wire scopes that this access comes to: what a token gets when it asks for nothing less.
    ///
    /// Write is listed together with the read that it implies, so that a service which compares
    /// scope strings literally finds `accounts:read` too.
    #[must_use]
    pub fn scopes(&self, catalogue: &Catalogue) -> ScopeSet {
        catalogue
            .scopes()
            .iter()
            .flat_map(|scope| {
                let level = self.level(&scope.name);
                [Level::Read, Level::Write]
                    .into_iter()
                    .filter(move |call| level.allows(*call))
                    .map(|call| scope.name.at(call))
            })
            .collect()
    }
}

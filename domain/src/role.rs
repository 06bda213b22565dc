//! Who may do what: the four roles of a team member and the one permission table.
//!
//! The service layer enforces this table; the pages only use it to hide what a role may not do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::audit::Action;

/// The role of a team member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Support,
    /// Reads, requests credentials, quarantines in an emergency.
    Operations,
    /// The same rights as operations, for the people who build against the API.
    Developer,
    /// Issues credentials and manages the team.
    Superuser,
}

impl Role {
    /// The roles, most powerful first, as forms list them.
    pub const ALL: [Self; 4] = [
        Self::Superuser,
        Self::Developer,
        Self::Operations,
        Self::Support,
    ];

    /// `superuser`, `developer`, `operations` or `support`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Support => "support",
            Self::Operations => "operations",
            Self::Developer => "developer",
            Self::Superuser => "superuser",
        }
    }

    /// The word that people see.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Support => "Support",
            Self::Operations => "Operations",
            Self::Developer => "Developer",
            Self::Superuser => "Superuser",
        }
    }

    /// Whether the role has a permission: the whole table of the product.
    #[must_use]
    pub const fn can(self, permission: Permission) -> bool {
        match permission {
            Permission::See => true,
            Permission::RequestCredential | Permission::QuarantineCredential => {
                !matches!(self, Self::Support)
            }
            Permission::ManageCredentials
            | Permission::ManageUsers
            | Permission::ManageGateways
            | Permission::ManageSettings
            | Permission::SeeAuditLog => matches!(self, Self::Superuser),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not a [`Role`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is superuser, developer, operations or support")]
pub struct InvalidRole;

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(InvalidRole)
    }
}

/// Something that a use case needs before it acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// See all credentials, the catalogue, usage, people's names and the story of each credential.
    See,
    /// Ask a superuser for a credential.
    RequestCredential,
    /// Disable a credential at once, with a reason.
    QuarantineCredential,
    /// Issue, edit, rotate, re-enable and revoke credentials; approve requests.
    ManageCredentials,
    /// Add people, change their role, disable them.
    ManageUsers,
    /// Add and remove gateways.
    ManageGateways,
    /// Change policies and settings.
    ManageSettings,
    /// See the whole audit log.
    SeeAuditLog,
}

impl Permission {
    /// Every permission, in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::See,
        Self::RequestCredential,
        Self::QuarantineCredential,
        Self::ManageCredentials,
        Self::ManageUsers,
        Self::ManageGateways,
        Self::ManageSettings,
        Self::SeeAuditLog,
    ];

    /// What it allows, in words: for refusals and for the generated reference.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::See => "see credentials, the catalogue and usage",
            Self::RequestCredential => "request a credential",
            Self::QuarantineCredential => "quarantine a credential",
            Self::ManageCredentials => "issue, edit, re-enable and revoke credentials",
            Self::ManageUsers => "manage people",
            Self::ManageGateways => "manage gateways",
            Self::ManageSettings => "change policies and settings",
            Self::SeeAuditLog => "see the whole audit log",
        }
    }
}

/// The permission table as a Markdown page: `docs/permissions.md` is this text.
#[must_use]
pub fn permissions_page() -> String {
    let mut page = String::from(
        "# Permissions\n\nGenerated from `domain/src/role.rs`; a test keeps the two equal.\n\n| may |",
    );
    page.extend(Role::ALL.map(|role| format!(" {} |", role.as_str())));
    page.push_str("\n|---|---|---|---|---|\n");
    for permission in Permission::ALL {
        page.extend(["| ", permission.label(), " |"]);
        page.extend(Role::ALL.map(|role| {
            if role.can(permission) {
                " yes |"
            } else {
                " no |"
            }
        }));
        page.push('\n');
    }
    page.push_str(
        "\n## What needs a fresh proof\n\nA log-in or second factor of the last 15 minutes, as \
         `domain/src/proof.rs` says, by the words of the audit log:\n\n",
    );
    let proven = Action::ALL.iter().filter(|action| action.needs_proof());
    page.extend(proven.map(|action| format!("- `{action}`\n")));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the product, cell by cell: superuser, developer, operations, support.
    #[test]
    fn each_role_has_exactly_its_permissions() {
        let table = [
            (Permission::See, [true, true, true, true]),
            (Permission::RequestCredential, [true, true, true, false]),
            (Permission::QuarantineCredential, [true, true, true, false]),
            (Permission::ManageCredentials, [true, false, false, false]),
            (Permission::ManageUsers, [true, false, false, false]),
            (Permission::ManageGateways, [true, false, false, false]),
            (Permission::ManageSettings, [true, false, false, false]),
            (Permission::SeeAuditLog, [true, false, false, false]),
        ];
        assert_eq!(table.map(|row| row.0), Permission::ALL);
        for (permission, expected) in table {
            assert_eq!(
                Role::ALL.map(|role| role.can(permission)),
                expected,
                "{permission:?}"
            );
        }
    }

    #[test]
    fn roles_round_trip() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("Superuser".parse::<Role>(), Err(InvalidRole));
    }

    #[test]
    fn docs_permissions_page_is_generated_from_the_table() {
        let written = include_str!("../../docs/permissions.md");
        assert_eq!(
            written,
            permissions_page(),
            "write the new page to docs/permissions.md"
        );
    }
}

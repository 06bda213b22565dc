//! A team member.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::Instant;
use crate::role::Role;
use crate::text::PersonName;

crate::id::id_type!(
    /// The id of a team member: a UUID of version 7, so ids sort by the time of their making.
    UserId
);

/// An e-mail address, in the one form that is stored, compared, and counted by the log-in limit.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

/// Why a text is not an [`EmailAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("enter an e-mail address such as mara@example.com")]
pub struct InvalidEmail;

impl EmailAddress {
    /// The most bytes (RFC 5321 section 4.5.3.1.3, less the angle brackets).
    pub const LIMIT: usize = 254;

    /// The address, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmail;

    /// One `@`, something before it, a name with a dot or `localhost` after it, nothing that a
    /// mail header could take for syntax. Whether the mailbox exists only a mail can tell.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 4 * Self::LIMIT {
            return Err(InvalidEmail);
        }
        let address: String = text.trim().nfc().flat_map(char::to_lowercase).collect();
        let (local, host) = address.split_once('@').ok_or(InvalidEmail)?;
        let plain = |c: char| {
            !c.is_control()
                && !c.is_whitespace()
                && !matches!(
                    c,
                    '"' | '(' | ')' | ',' | ':' | ';' | '<' | '>' | '@' | '[' | '\\' | ']'
                )
        };
        let label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let well_formed = !local.is_empty()
            && local.chars().all(plain)
            && host.split('.').all(label)
            && (host.contains('.') || host == "localhost")
            && address.len() <= Self::LIMIT;
        if well_formed {
            Ok(Self(address))
        } else {
            Err(InvalidEmail)
        }
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = InvalidEmail;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A team member, without anything that proves who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The address that they log in with.
    pub email: EmailAddress,
    /// What they are called.
    pub name: PersonName,
    /// What they may do.
    pub role: Role,
    /// When they were disabled; a disabled person can do nothing.
    pub disabled_at: Option<Instant>,
    /// When they were added.
    pub created_at: Instant,
    /// When they last logged in.
    pub last_login_at: Option<Instant>,
}

impl User {
    /// Whether the person may act.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.disabled_at.is_none()
    }
}

/// Which people of the team: a filter of the users page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonFilter {
    /// May act, and has come in or could.
    Active,
    /// Was added and has never come in.
    Invited,
    /// Can do nothing.
    Disabled,
    /// Disabled, and still owns credentials that are active or quarantined.
    Orphaning,
}

impl PersonFilter {
    /// Every filter, in the order of the page.
    pub const ALL: [Self; 4] = [Self::Active, Self::Invited, Self::Disabled, Self::Orphaning];

    /// The word in URLs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Invited => "invited",
            Self::Disabled => "disabled",
            Self::Orphaning => "orphaning",
        }
    }

    /// The words that people see.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Invited => "Invited",
            Self::Disabled => "Disabled",
            Self::Orphaning => "Disabled, owns credentials",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_compared_in_one_form() {
        let address: EmailAddress = " Mara@Example.COM ".parse().unwrap();
        assert_eq!(address.as_str(), "mara@example.com");
        assert!("root@localhost".parse::<EmailAddress>().is_ok());
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for bad in [
            "",
            "mara",
            "@example.com",
            "mara@",
            "mara@example",
            "a@b@example.com",
            "a b@example.com",
            "a@exa mple.com",
            "a@-x.com",
            "a@x..com",
            "a@example.com\r\nBcc: b@example.com",
            "<a@example.com>",
            "a,b@example.com",
        ] {
            assert_eq!(bad.parse::<EmailAddress>(), Err(InvalidEmail), "{bad:?}");
        }
        assert!(
            format!("{}@example.com", "a".repeat(300))
                .parse::<EmailAddress>()
                .is_err()
        );
    }

    proptest! {
        /// Letters of every script before the `@`, and behind it those that have one lower case.
        #[test]
        fn the_one_form_is_stable(
            text in " ?[\\pL\\pN][\\pL\\pM\\pN.!#$%&'*+/=?^_`{|}~-]{0,20}@[a-zA-Zäößéñ0-9]{1,9}(\\.[A-Za-z]{2,5}){1,2} ?",
        ) {
            let address: EmailAddress = text.parse().unwrap();
            prop_assert_eq!(address.as_str().parse::<EmailAddress>(), Ok(address.clone()));
        }
    }
}

//! What a person's sessions stand and fall with.

use std::fmt;

use domain::user::UserId;
use serde::{Deserialize, Serialize};

use super::TokenHash;

/// A person, and how things stood with them: the number of the audit entry that last ended all that
/// they had open. A change of password, second factors or role raises it, as does the end of all
/// sessions.
///
/// A log-in captures it together with what it checks. A session of an earlier epoch is not found, and no
/// row that is made or saved late can change that. Only the store makes one, from the row of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    user: UserId,
    number: i64,
}

impl Epoch {
    pub(crate) const fn new(user: UserId, number: i64) -> Self {
        Self { user, number }
    }

    /// Whose it is.
    #[must_use]
    pub const fn user(self) -> UserId {
        self.user
    }

    /// Whether it began after the audit entry with this number.
    #[must_use]
    pub const fn began_after(self, seq: i64) -> bool {
        self.number > seq
    }

    /// Its number, for an audit event that holds only for it.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.number
    }
}

/// What goes into a context that something is sealed in.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.user, self.number)
    }
}

/// The session whose person changes something of their own. The change is made only while it is one of
/// theirs, as of this epoch; it goes on afterwards, and the others end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnSession {
    /// Whose session it is, and how things stood when they asked.
    pub epoch: Epoch,
    /// SHA-256 of the id in the cookie.
    pub id: TokenHash,
}

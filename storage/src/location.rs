//! Where a database is.

use std::path::PathBuf;
use std::str::FromStr;

use crate::StoreError;

/// Where a database is. Parsed from `sqlite://path/to/file`, `sqlite::memory:` or
/// `postgres://user:password@host:port/database`.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A file of SQLite. Its name is taken by the letter, and nothing in it stands for anything else.
    File(PathBuf),
    /// SQLite in memory, which ends with the process.
    Memory,
    /// PostgreSQL. Its URLs may hold passwords.
    Postgres {
        /// The URL for everything.
        url: String,
        /// PostgreSQL itself, where the other URL leads to a pooler in transaction mode: for what needs a
        /// session, which is to listen for changes and to migrate.
        direct: Option<String>,
    },
}

impl Location {
    /// The same with a way past the pooler in transaction mode that it leads to.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if it is no URL of PostgreSQL, or this is no PostgreSQL.
    pub fn past_pooler(self, direct: &str) -> Result<Self, StoreError> {
        match (self, direct.parse()?) {
            (Self::Postgres { url, .. }, Self::Postgres { url: direct, .. }) => {
                let direct = Some(direct);
                Ok(Self::Postgres { url, direct })
            }
            _ => Err(StoreError::Unsupported(
                "it is the URL of the PostgreSQL behind the pooler in database_url",
            )),
        }
    }
}

/// What to do where there is no database yet: no file, an empty one, or one that no migration has been run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    /// Make it.
    Make,
    /// Fail with [`StoreError::NoDatabase`].
    Refuse,
}

impl FromStr for Location {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            crate::sql::check_postgres_url(url)?;
            return Ok(Self::Postgres {
                url: url.to_owned(),
                direct: None,
            });
        }
        let Some(path) = url.strip_prefix("sqlite:") else {
            return Err(StoreError::Unsupported(
                "a database URL begins with sqlite:// or postgres://",
            ));
        };
        match path.strip_prefix("//").unwrap_or(path) {
            ":memory:" => Ok(Self::Memory),
            "" => Err(StoreError::Unsupported(
                "name a file after sqlite://, such as sqlite:///var/lib/keyrack/keyrack.db",
            )),
            // Once these were parameters. Who has some would find an empty database in place of theirs.
            path if path.contains('?') => Err(StoreError::Unsupported(
                "sqlite:// takes a path and no parameters: leave out what begins with ?",
            )),
            path => Ok(Self::File(path.into())),
        }
    }
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Memory => f.write_str("Memory"),
            Self::Postgres { .. } => f.write_str("Postgres(…)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_by_the_letter_and_a_password_never_shown() {
        let file = |path: &str| Some(Location::File(path.into()));
        for (url, expected) in [
            (
                "sqlite:///data/100% mine#1/keyrack.db",
                file("/data/100% mine#1/keyrack.db"),
            ),
            ("sqlite://data/%41.db", file("data/%41.db")),
            ("sqlite:data/keyrack.db", file("data/keyrack.db")),
            ("sqlite::memory:", Some(Location::Memory)),
            ("sqlite://:memory:", Some(Location::Memory)),
            ("sqlite://", None),
            ("sqlite://data/keyrack.db?mode=ro", None),
            ("mysql://host/name", None),
            ("data/keyrack.db", None),
        ] {
            assert_eq!(url.parse::<Location>().ok(), expected, "{url}");
        }
        let shown = format!(
            "{:?}",
            "postgres://me:hunter2@host/name".parse::<Location>()
        );
        assert!(
            shown.contains("Postgres") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

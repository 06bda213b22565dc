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
    /// PostgreSQL, by its URL. It may hold a password.
    Postgres(String),
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
            return Ok(Self::Postgres(url.to_owned()));
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
            Self::Postgres(_) => f.write_str("Postgres(…)"),
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

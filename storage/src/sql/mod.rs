//! The store in SQL. `store/` holds one text for both databases and is compiled for each; what
//! differs between them is in `sqlite.rs` and `postgres.rs`, which offer the same names.

mod migrations;
mod postgres;
mod sqlite;
mod text;

use std::future::Future;
use std::pin::Pin;

use crate::{Conflict, IfMissing, Location, SharedStore, StoreError, StoreResult};

/// Opens the store at a URL, which is what a [`Location`] is parsed from; a file that does not exist is
/// made. The schema is left to [`Store::migrate`](crate::Store::migrate).
pub async fn connect(url: &str) -> StoreResult<SharedStore> {
    open(&url.parse()?, IfMissing::Make).await
}

/// Opens the store at a location. The schema is left to [`Store::migrate`](crate::Store::migrate).
pub async fn open(location: &Location, missing: IfMissing) -> StoreResult<SharedStore> {
    match location {
        Location::File(path) => sqlite::connect(Some(path), missing).await,
        Location::Memory => sqlite::connect(None, missing).await,
        Location::Postgres { url, direct } => {
            postgres::connect(url, direct.as_deref(), missing).await
        }
    }
}

/// Whether the URL of a PostgreSQL can be understood.
pub(crate) fn check_postgres_url(url: &str) -> StoreResult<()> {
    postgres::check_url(url)
}

/// The future of a piece of work on a connection.
type Work<'c, T> = Pin<Box<dyn Future<Output = StoreResult<T>> + Send + 'c>>;

fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable(source.into())
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let database = error.as_database_error();
        let code = database.and_then(sqlx::error::DatabaseError::code);
        match code.as_deref() {
            // SQLSTATE read_only_sql_transaction, disk_full.
            Some("25006") => Self::ReadOnly(error.into()),
            Some("53100") => Self::Full(error.into()),
            // A result code of SQLite, whose last byte tells the kind: SQLITE_READONLY, SQLITE_FULL, and
            // SQLITE_IOERR_WRITE, which tells of a size limit or a quota as well.
            Some(code) if code.len() < 5 => match code.parse().map(|code: u16| (code & 0xff, code))
            {
                Ok((8, _)) => Self::ReadOnly(error.into()),
                Ok((13, _)) => Self::Full(error.into()),
                Ok((_, 778)) => Self::Unwritable(error.into()),
                _ => unavailable(error),
            },
            _ => unavailable(postgres::explain(error)),
        }
    }
}

/// Tells what it means when a row with the same unique value exists.
trait OrIfTaken<T> {
    /// The conflict for a violated unique constraint, the store's error for everything else.
    fn or_if_taken(self, conflict: Conflict) -> StoreResult<T>;
}

impl<T> OrIfTaken<T> for Result<T, sqlx::Error> {
    fn or_if_taken(self, conflict: Conflict) -> StoreResult<T> {
        self.map_err(|error| match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => conflict.into(),
            _ => error.into(),
        })
    }
}

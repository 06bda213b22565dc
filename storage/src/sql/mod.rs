//! The store in SQL. `store/` holds one text for both databases and is compiled for each; what
//! differs between them is in `sqlite.rs` and `postgres.rs`, which offer the same names.

mod migrations;
mod postgres;
mod sqlite;
mod text;

use std::future::Future;
use std::pin::Pin;

use crate::{Conflict, SharedStore, StoreError, StoreResult};

/// Opens the store at a URL: `sqlite://path/to/file` (made if it does not exist), `sqlite::memory:`
/// or `postgres://user:password@host:port/database`. The schema is left to
/// [`Store::migrate`](crate::Store::migrate).
pub async fn connect(url: &str) -> StoreResult<SharedStore> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "sqlite" => sqlite::connect(url).await,
        "postgres" | "postgresql" => postgres::connect(url).await,
        _ => Err(StoreError::Unsupported(
            "a database URL begins with sqlite:// or postgres://",
        )),
    }
}

/// The future of a piece of work on a connection.
type Work<'c, T> = Pin<Box<dyn Future<Output = StoreResult<T>> + Send + 'c>>;

fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable(source.into())
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        unavailable(error)
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

//! What is found out about a PostgreSQL before it is used, so that what can't work is said at the start,
//! with its cure.

use std::time::{Duration, Instant as Monotonic};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _};

use crate::{StoreError, StoreResult};

/// The oldest version that is supported, which the tests run with: the oldest that the PostgreSQL project
/// still maintained when Keyrack was first released.
const OLDEST: i32 = 15;
/// How long a start waits for a server that is starting as well.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(200);

/// Connects, while the server may still be starting.
pub(super) async fn connect(options: &PgConnectOptions) -> StoreResult<PgConnection> {
    let began = Monotonic::now();
    loop {
        let left = PATIENCE.saturating_sub(began.elapsed());
        let connected = tokio::time::timeout(left, options.connect()).await;
        match connected.map_err(|_| sqlx::Error::PoolTimedOut)? {
            Err(error) if is_starting(&error) && began.elapsed() + RETRY < PATIENCE => {
                tokio::time::sleep(RETRY).await;
            }
            connected => return Ok(connected?),
        }
    }
}

fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        // SQLSTATE cannot_connect_now.
        sqlx::Error::Database(error) => error.code().as_deref() == Some("57P03"),
        _ => false,
    }
}

/// Whether Keyrack can work with this server and this database at all.
pub(super) async fn check(db: &mut PgConnection) -> StoreResult<()> {
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::int / 10000 AS version,
             current_setting('server_encoding') AS encoding, current_database()::text AS name,
             pg_is_in_recovery() AS is_standby",
    )
    .fetch_one(db)
    .await?;
    let version: i32 = row.try_get("version")?;
    if version < OLDEST {
        return Err(StoreError::Unusable(format!(
            "it is PostgreSQL {version}, and {OLDEST} is the oldest that works: upgrade it"
        )));
    }
    let (encoding, name): (&str, &str) = (row.try_get("encoding")?, row.try_get("name")?);
    if encoding != "UTF8" {
        return Err(StoreError::Unusable(format!(
            "the encoding of {name} is {encoding}, in which names of people can't be kept: make another \
             with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    if row.try_get("is_standby")? {
        tracing::warn!(
            "the database is a standby: calls are checked, but nothing can be changed until it is \
             promoted; let database_url lead to the primary"
        );
    }
    Ok(())
}

/// Whether the tables of a new version can be made.
pub(super) async fn check_may_create(db: &mut PgConnection) -> StoreResult<()> {
    let row = sqlx::query(
        "SELECT current_user::text AS account, current_schema()::text AS schema,
             has_schema_privilege(current_schema(), 'CREATE') AS may_create,
             current_setting('transaction_read_only')::bool AS is_read_only",
    )
    .fetch_one(db)
    .await?;
    let account: &str = row.try_get("account")?;
    if row.try_get("is_read_only")? {
        return Err(StoreError::Unusable(
            "its tables have to be made or changed first, and it takes no writes: let database_url lead \
             to the primary, or end what keeps it read-only"
                .to_owned(),
        ));
    }
    match (row.try_get("schema")?, row.try_get("may_create")?) {
        (Some(_), Some(true)) => Ok(()),
        (Some(schema), _) => {
            let schema: &str = schema;
            Err(StoreError::Unusable(format!(
                "{account} may make no tables in the schema {schema} (since PostgreSQL 15 only the owner \
                 of the database may): GRANT CREATE ON SCHEMA {schema} TO {account}, or ALTER DATABASE … \
                 OWNER TO {account}"
            )))
        }
        (None, _) => Err(StoreError::Unusable(format!(
            "there is no schema for the tables in the search_path of {account}: CREATE SCHEMA {account} \
             AUTHORIZATION {account}"
        ))),
    }
}

/// Whether a connection is one session of the server for as long as it lives. A pooler in transaction mode
/// hands each transaction to another one, which may hold somebody else's statement under the name of ours.
pub(super) async fn is_session(
    db: &mut PgConnection,
    options: &PgConnectOptions,
) -> StoreResult<bool> {
    // Two connections note something each. A pooler gives them the same session in turn, or several: so
    // what the first has noted is not there any more, or not each time.
    let note = "SELECT set_config('keyrack.noted', gen_random_uuid()::text, false)";
    let noted = text(db, note).await?;
    let mut other = options.connect().await?;
    text(&mut other, note).await?;
    let mut is_session = true;
    for _ in 0..3 {
        is_session &= text(db, "SELECT current_setting('keyrack.noted', true)").await? == noted;
    }
    other.close().await?;
    Ok(is_session)
}

/// Which database of which server this is.
pub(super) async fn identity(db: &mut PgConnection) -> StoreResult<Option<String>> {
    let identity = "SELECT pg_postmaster_start_time()::text || current_database()";
    text(db, identity).await
}

/// Not by a prepared statement, which may be lost between two sessions.
async fn text(db: &mut PgConnection, query: &'static str) -> StoreResult<Option<String>> {
    Ok(sqlx::raw_sql(query).fetch_one(db).await?.try_get(0)?)
}

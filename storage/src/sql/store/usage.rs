//! How often credentials called, hour by hour.

use domain::Instant;
use domain::key_id::KeyId;
use sqlx::QueryBuilder;

use super::columns::{Columns, millis};
use super::{Connection, Db, ROWS_AT_ONCE};
use crate::{StoreResult, UsageRow};

/// Adds up counts, each of another credential, hour, scope and level.
pub(super) async fn add(db: &mut Connection, counted: Vec<UsageRow>) -> StoreResult<()> {
    let mut query = QueryBuilder::<Db>::new(
        "INSERT INTO usage_hours (key_id, hour, scope, level, allowed, refused) ",
    );
    query.push_values(counted, |mut values, row| {
        values
            .push_bind(row.key_id.as_str().to_owned())
            .push_bind(millis(row.hour))
            .push_bind(row.scope)
            .push_bind(row.level.as_str())
            .push_bind(i64::try_from(row.allowed).unwrap_or(i64::MAX))
            .push_bind(i64::try_from(row.refused).unwrap_or(i64::MAX));
    });
    query.push(
        " ON CONFLICT (key_id, hour, scope, level) DO UPDATE SET
             allowed = usage_hours.allowed + excluded.allowed,
             refused = usage_hours.refused + excluded.refused",
    );
    query.build().persistent(false).execute(db).await?;
    Ok(())
}

pub(super) async fn list_of(
    db: &mut Connection,
    key_id: KeyId,
    since: Instant,
) -> StoreResult<Vec<UsageRow>> {
    sqlx::query(
        "SELECT * FROM usage_hours WHERE key_id = $1 AND hour >= $2 ORDER BY hour, scope, level",
    )
    .bind(key_id.as_str().to_owned())
    .bind(millis(since))
    .fetch_all(db)
    .await?
    .iter()
    .map(|row| {
        let columns = Columns::of("usage_hours", row);
        Ok(UsageRow {
            key_id: columns.parse("key_id")?,
            hour: columns.instant("hour")?,
            scope: columns.get("scope")?,
            level: columns.parse("level")?,
            allowed: columns.count("allowed")?,
            refused: columns.count("refused")?,
        })
    })
    .collect()
}

pub(super) async fn trim(db: &mut Connection, before: Instant) -> StoreResult<u64> {
    let done = sqlx::query(
        "DELETE FROM usage_hours WHERE (key_id, hour, scope, level) IN (
             SELECT key_id, hour, scope, level FROM usage_hours WHERE hour < $1 LIMIT $2)",
    )
    .bind(millis(before))
    .bind(ROWS_AT_ONCE)
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

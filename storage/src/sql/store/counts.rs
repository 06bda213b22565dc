//! How many credentials there are: for each tab of the list, and of those that may do something.

use domain::Instant;
use domain::credential::EXPIRING_WITHIN;
use domain::scope::WireScope;
use sqlx::{QueryBuilder, Row as _};

use super::Connection;
use super::columns::{Columns, millis};
use super::filter::{NEVER, expiring_until, push_may, push_tab};
use crate::{CredentialCounts, CredentialTab, StoreResult};

/// Counts each part of the index over standing and end once.
pub(super) async fn count(db: &mut Connection, now: Instant) -> StoreResult<CredentialCounts> {
    let those = |part: &str| format!("(SELECT count(*) FROM credentials WHERE {part})");
    let columns = [
        (
            "expiring",
            those("standing = 'active' AND expires_key > $1 AND expires_key <= $2"),
        ),
        (
            "later",
            those("standing = 'active' AND expires_key > $2 AND expires_key < $3"),
        ),
        (
            "never_expires",
            those("standing = 'active' AND expires_key = $3"),
        ),
        (
            "expired",
            those("standing = 'active' AND expires_key <= $1"),
        ),
        (
            "quarantined",
            those("standing = 'disabled' AND expires_key > $1"),
        ),
        (
            "expired_disabled",
            those("standing = 'disabled' AND expires_key <= $1"),
        ),
        ("revoked", those("standing = 'revoked'")),
        (
            "orphaned",
            those(
                "standing <> 'revoked' AND expires_key > $1
                 AND owner_id IN (SELECT id FROM users WHERE disabled_at IS NOT NULL)",
            ),
        ),
        ("next_end", first_end("active", "$1")),
        ("next_end_disabled", first_end("disabled", "$1")),
        ("next_expiring", first_end("active", "$2")),
    ];
    let columns = columns.map(|(name, value)| format!("{value} AS {name}"));
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {}",
        columns.join(", ")
    )))
    .bind(millis(now))
    .bind(expiring_until(now))
    .bind(NEVER)
    .fetch_one(db)
    .await?;
    let row = Columns::of("credentials", &row);
    let (expiring, never_expires) = (row.count("expiring")?, row.count("never_expires")?);
    let in_use = expiring + row.count("later")? + never_expires;
    let quarantined = row.count("quarantined")?;
    let ended = row.count("expired")? + row.count("expired_disabled")? + row.count("revoked")?;
    let ends = [
        row.optional_instant("next_end")?,
        row.optional_instant("next_end_disabled")?,
        row.optional_instant("next_expiring")?
            .map(|end| end - EXPIRING_WITHIN),
    ];
    Ok(CredentialCounts {
        all: in_use + quarantined + ended,
        in_use,
        expiring,
        never_expires,
        quarantined,
        orphaned: row.count("orphaned")?,
        ended,
        hold_until: ends.into_iter().flatten().min(),
    })
}

/// The first end of those that stand like this, after an instant.
fn first_end(standing: &str, after: &str) -> String {
    format!(
        "(SELECT min(expires_key) FROM credentials
          WHERE standing = '{standing}' AND expires_key > {after} AND expires_key < $3)"
    )
}

pub(super) async fn count_in_use_with(
    db: &mut Connection,
    scopes: &[WireScope],
    now: Instant,
) -> StoreResult<Vec<u64>> {
    if scopes.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new("SELECT ");
    for (index, scope) in scopes.iter().enumerate() {
        query.push(if index == 0 { "" } else { ", " });
        query.push("count(CASE WHEN ");
        push_may(&mut query, scope);
        query.push(" THEN 1 END)");
    }
    query.push(" FROM credentials c WHERE 1 = 1");
    push_tab(&mut query, CredentialTab::InUse, now);
    let row = query.build().fetch_one(db).await?;
    (0..scopes.len())
        .map(|index| Ok(row.try_get::<i64, _>(index)?.unsigned_abs()))
        .collect()
}

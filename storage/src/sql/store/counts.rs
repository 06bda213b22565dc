//! How many credentials there are: for each tab of the list, and of those that may do something.

use domain::Instant;
use domain::scope::WireScope;
use sqlx::{QueryBuilder, Row as _};

use super::Connection;
use super::columns::millis;
use super::filter::{NEVER, expiring_until, push_may, push_tab};
use crate::{CredentialCounts, CredentialTab, StoreResult};

/// Counts each part of the index over standing and end once.
pub(super) async fn count(db: &mut Connection, now: Instant) -> StoreResult<CredentialCounts> {
    let count = |part: &str| format!("(SELECT count(*) FROM credentials WHERE {part})");
    let parts = [
        count("standing = 'active' AND expires_key > $1 AND expires_key <= $2"),
        count("standing = 'active' AND expires_key > $2 AND expires_key < $3"),
        count("standing = 'active' AND expires_key = $3"),
        count("standing = 'active' AND expires_key <= $1"),
        count("standing = 'disabled' AND expires_key > $1"),
        count("standing = 'disabled' AND expires_key <= $1"),
        count("standing = 'revoked'"),
        count(
            "standing <> 'revoked' AND expires_key > $1
             AND owner_id IN (SELECT id FROM users WHERE disabled_at IS NOT NULL)",
        ),
    ];
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {}", parts.join(", "))))
        .bind(millis(now))
        .bind(expiring_until(now))
        .bind(NEVER)
        .fetch_one(db)
        .await?;
    let number = |part: usize| Ok::<_, sqlx::Error>(row.try_get::<i64, _>(part)?.unsigned_abs());
    let [
        expiring,
        later,
        never_expires,
        expired,
        quarantined,
        expired_disabled,
        revoked,
        orphaned,
    ] = [
        number(0)?,
        number(1)?,
        number(2)?,
        number(3)?,
        number(4)?,
        number(5)?,
        number(6)?,
        number(7)?,
    ];
    let in_use = expiring + later + never_expires;
    let ended = expired + expired_disabled + revoked;
    Ok(CredentialCounts {
        all: in_use + quarantined + ended,
        in_use,
        expiring,
        never_expires,
        quarantined,
        orphaned,
        ended,
    })
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

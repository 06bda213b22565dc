//! How many credentials there are for each tab of the list.

use domain::Instant;
use sqlx::Row as _;

use super::Connection;
use super::columns::millis;
use super::filter::{NEVER, expiring_until};
use crate::{CredentialCounts, StoreResult};

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
    ] = [
        number(0)?,
        number(1)?,
        number(2)?,
        number(3)?,
        number(4)?,
        number(5)?,
        number(6)?,
    ];
    let in_use = expiring + later + never_expires;
    let ended = expired + expired_disabled + revoked;
    Ok(CredentialCounts {
        all: in_use + quarantined + ended,
        in_use,
        expiring,
        never_expires,
        quarantined,
        ended,
    })
}

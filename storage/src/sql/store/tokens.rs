//! What must be remembered of tokens: the assertions that were traded for one, and the access tokens
//! that were revoked.

use domain::Instant;
use domain::key_id::KeyId;

use super::Connection;
use super::columns::{Columns, millis};
use crate::{RevokedToken, StoreResult, TokenHash};

/// One statement, so that of parallel calls exactly one adds the row. An id whose time is over could
/// have been cleared away: it never counts as new.
pub(super) async fn use_assertion_id(
    db: &mut Connection,
    key_id: KeyId,
    id: TokenHash,
    until: Instant,
    now: Instant,
) -> StoreResult<bool> {
    if until <= now {
        return Ok(false);
    }
    let done = sqlx::query(
        "INSERT INTO assertion_ids (key_id, id, until) VALUES ($1, $2, $3)
         ON CONFLICT (key_id, id) DO NOTHING",
    )
    .bind(key_id.as_str().to_owned())
    .bind(id.0.to_vec())
    .bind(millis(until))
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn assertion_id_is_used(
    db: &mut Connection,
    key_id: KeyId,
    id: TokenHash,
) -> StoreResult<bool> {
    let row = sqlx::query("SELECT 1 FROM assertion_ids WHERE key_id = $1 AND id = $2")
        .bind(key_id.as_str().to_owned())
        .bind(id.0.to_vec())
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}

pub(super) async fn revoke(db: &mut Connection, token: RevokedToken) -> StoreResult<bool> {
    let done = sqlx::query(
        "INSERT INTO revoked_tokens (jti, key_id, expires_at) VALUES ($1, $2, $3)
         ON CONFLICT (jti) DO NOTHING",
    )
    .bind(token.jti)
    .bind(token.key_id.as_str().to_owned())
    .bind(millis(token.expires_at))
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn list_revoked(
    db: &mut Connection,
    now: Instant,
) -> StoreResult<Vec<RevokedToken>> {
    sqlx::query("SELECT * FROM revoked_tokens WHERE expires_at > $1 ORDER BY expires_at, jti")
        .bind(millis(now))
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let columns = Columns::of("revoked_tokens", row);
            Ok(RevokedToken {
                jti: columns.get("jti")?,
                key_id: columns.parse("key_id")?,
                expires_at: columns.instant("expires_at")?,
            })
        })
        .collect()
}

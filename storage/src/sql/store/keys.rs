//! The keys that sign access tokens.

use domain::Instant;

use super::columns::{Columns, millis, optional_millis};
use super::{Connection, found};
use crate::{SigningKeyRow, StoreResult};

pub(super) async fn list(db: &mut Connection) -> StoreResult<Vec<SigningKeyRow>> {
    sqlx::query("SELECT * FROM signing_keys ORDER BY used_from, kid")
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let columns = Columns::of("signing_keys", row);
            Ok(SigningKeyRow {
                kid: columns.get("kid")?,
                public_jwk: columns.get("public_jwk")?,
                encrypted_private_key: columns.get("encrypted_private_key")?,
                created_at: columns.instant("created_at")?,
                used_from: columns.instant("used_from")?,
                compromised_at: columns.optional_instant("compromised_at")?,
            })
        })
        .collect()
}

pub(super) async fn add_first(db: &mut Connection, key: SigningKeyRow) -> StoreResult<bool> {
    if !list(db).await?.is_empty() {
        return Ok(false);
    }
    add(db, key).await?;
    Ok(true)
}

pub(super) async fn add(db: &mut Connection, key: SigningKeyRow) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO signing_keys (kid, public_jwk, encrypted_private_key, created_at, used_from,
             compromised_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(key.kid)
    .bind(key.public_jwk)
    .bind(key.encrypted_private_key)
    .bind(millis(key.created_at))
    .bind(millis(key.used_from))
    .bind(optional_millis(key.compromised_at))
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn delete_private_half(db: &mut Connection, kid: String) -> StoreResult<bool> {
    let done = sqlx::query(
        "UPDATE signing_keys SET encrypted_private_key = NULL
         WHERE kid = $1 AND encrypted_private_key IS NOT NULL",
    )
    .bind(kid)
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn end(
    db: &mut Connection,
    kid: String,
    at: Instant,
    successor: Option<SigningKeyRow>,
) -> StoreResult<()> {
    let done = sqlx::query(
        "UPDATE signing_keys SET compromised_at = $2, encrypted_private_key = NULL
         WHERE kid = $1 AND compromised_at IS NULL",
    )
    .bind(kid)
    .bind(millis(at))
    .execute(&mut *db)
    .await?;
    found(done.rows_affected(), "signing key")?;
    match successor {
        Some(key) => add(db, key).await,
        None => Ok(()),
    }
}

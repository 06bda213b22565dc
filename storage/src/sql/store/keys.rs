//! The keys that sign access tokens.

use super::Connection;
use super::columns::{Columns, millis};
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
        "INSERT INTO signing_keys (kid, public_jwk, encrypted_private_key, created_at, used_from)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(key.kid)
    .bind(key.public_jwk)
    .bind(key.encrypted_private_key)
    .bind(millis(key.created_at))
    .bind(millis(key.used_from))
    .execute(db)
    .await?;
    Ok(())
}

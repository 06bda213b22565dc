//! The keys that sign access tokens.

use domain::audit::AuditEvent;

use super::columns::{Columns, millis};
use super::{Connection, audit};
use crate::{SigningKeyRow, StoreResult};

pub(super) async fn list(db: &mut Connection) -> StoreResult<Vec<SigningKeyRow>> {
    sqlx::query("SELECT * FROM signing_keys ORDER BY created_at, kid")
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
            })
        })
        .collect()
}

/// Audits only the call that adds the key.
pub(super) async fn add_first(
    db: &mut Connection,
    key: SigningKeyRow,
    event: AuditEvent,
) -> StoreResult<bool> {
    let head = audit::lock_head(db).await?;
    if !list(db).await?.is_empty() {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO signing_keys (kid, public_jwk, encrypted_private_key, created_at)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(key.kid)
    .bind(key.public_jwk)
    .bind(key.encrypted_private_key)
    .bind(millis(key.created_at))
    .execute(&mut *db)
    .await?;
    audit::append(db, head, event).await?;
    Ok(true)
}

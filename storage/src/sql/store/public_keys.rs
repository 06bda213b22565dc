//! The public keys of a credential, by which it proves itself with private key JWT.

use domain::Instant;
use domain::credential::MAX_PUBLIC_KEYS;
use domain::key_id::KeyId;

use super::columns::{Columns, millis, optional_millis};
use super::{Connection, key_sets};
use crate::{Conflict, PublicKeyRow, StoreError, StoreResult};

pub(super) async fn list(db: &mut Connection, key_id: KeyId) -> StoreResult<Vec<PublicKeyRow>> {
    sqlx::query(
        "SELECT * FROM credential_public_keys WHERE key_id = $1 ORDER BY created_at, thumbprint",
    )
    .bind(key_id.as_str().to_owned())
    .fetch_all(db)
    .await?
    .iter()
    .map(|row| {
        let columns = Columns::of("credential_public_keys", row);
        Ok(PublicKeyRow {
            thumbprint: columns.get("thumbprint")?,
            jwk: columns.get("jwk")?,
            algorithm: columns.get("algorithm")?,
            name: columns.get("name")?,
            kid: columns.get("kid")?,
            created_at: columns.instant("created_at")?,
            expires_at: columns.optional_instant("expires_at")?,
            last_used_at: columns.optional_instant("last_used_at")?,
        })
    })
    .collect()
}

/// Adds a key to a credential that exists.
pub(super) async fn add(db: &mut Connection, key_id: KeyId, key: PublicKeyRow) -> StoreResult<()> {
    let keys = list(db, key_id).await?;
    if keys.iter().any(|known| known.thumbprint == key.thumbprint) {
        return Err(Conflict::PublicKeyTaken.into());
    }
    refuse_taken_kid(&keys, &key)?;
    if keys.len() >= MAX_PUBLIC_KEYS {
        return Err(Conflict::TooManyPublicKeys.into());
    }
    sqlx::query(
        "INSERT INTO credential_public_keys (key_id, thumbprint, jwk, algorithm, name, kid,
             created_at, expires_at, last_used_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(key_id.as_str().to_owned())
    .bind(key.thumbprint)
    .bind(key.jwk)
    .bind(key.algorithm)
    .bind(key.name)
    .bind(key.kid)
    .bind(millis(key.created_at))
    .bind(optional_millis(key.expires_at))
    .bind(optional_millis(key.last_used_at))
    .execute(db)
    .await?;
    Ok(())
}

/// A `kid` names one key. That of a key that has ended is free again: it proves nothing any more, and
/// a program that always signs as the same `kid` could not go on otherwise.
fn refuse_taken_kid(keys: &[PublicKeyRow], new: &PublicKeyRow) -> StoreResult<()> {
    let Some(kid) = &new.kid else {
        return Ok(());
    };
    let lives = |known: &PublicKeyRow| known.expires_at.is_none_or(|end| end > new.created_at);
    let taken = |known: &&PublicKeyRow| known.kid.as_ref() == Some(kid) && lives(known);
    match keys.iter().find(taken) {
        Some(known) => Err(Conflict::KidTaken {
            kid: kid.clone(),
            thumbprint: known.thumbprint.clone(),
        }
        .into()),
        None => Ok(()),
    }
}

/// Adds keys to a credential that may be unknown, in place of its URL.
pub(super) async fn add_to_known(
    db: &mut Connection,
    key_id: KeyId,
    keys: Vec<PublicKeyRow>,
) -> StoreResult<()> {
    refuse_unknown(db, key_id).await?;
    key_sets::remove(db, key_id).await?;
    for key in keys {
        add(db, key_id, key).await?;
    }
    Ok(())
}

pub(super) async fn refuse_unknown(db: &mut Connection, key_id: KeyId) -> StoreResult<()> {
    sqlx::query("SELECT key_id FROM credentials WHERE key_id = $1")
        .bind(key_id.as_str().to_owned())
        .fetch_optional(db)
        .await?
        .map(|_| ())
        .ok_or(StoreError::NotFound("credential"))
}

pub(super) async fn remove(
    db: &mut Connection,
    key_id: KeyId,
    thumbprint: String,
) -> StoreResult<()> {
    let keys = list(db, key_id).await?;
    if !keys.iter().any(|known| known.thumbprint == thumbprint) {
        return Err(StoreError::NotFound("public key"));
    }
    if keys.len() == 1 {
        return Err(Conflict::LastPublicKey.into());
    }
    sqlx::query("DELETE FROM credential_public_keys WHERE key_id = $1 AND thumbprint = $2")
        .bind(key_id.as_str().to_owned())
        .bind(thumbprint)
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn record_use(
    db: &mut Connection,
    key_id: KeyId,
    thumbprint: String,
    at: Instant,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE credential_public_keys SET last_used_at = $3
         WHERE key_id = $1 AND thumbprint = $2 AND (last_used_at IS NULL OR last_used_at < $3)",
    )
    .bind(key_id.as_str().to_owned())
    .bind(thumbprint)
    .bind(millis(at))
    .execute(db)
    .await?;
    Ok(())
}

//! The URLs from which credentials have their public keys, and what came from them.

use domain::Instant;
use domain::key_id::KeyId;

use super::columns::{Columns, json, millis, optional_millis};
use super::{Connection, public_keys};
use crate::{KeySetRow, StoreResult};

pub(super) async fn find(db: &mut Connection, key_id: KeyId) -> StoreResult<Option<KeySetRow>> {
    let row = sqlx::query("SELECT * FROM credential_key_sets WHERE key_id = $1")
        .bind(key_id.as_str().to_owned())
        .fetch_optional(db)
        .await?;
    row.map(|row| {
        let columns = Columns::of("credential_key_sets", &row);
        Ok(KeySetRow {
            url: columns.get("url")?,
            generation: columns.get("generation")?,
            asked_at: columns.optional_instant("asked_at")?,
            problem: columns.get("problem")?,
            keys: columns.json("keys", "it is not a list of keys")?,
            fetched_at: columns.optional_instant("fetched_at")?,
        })
    })
    .transpose()
}

/// Nothing is known of a URL at first, even if it is the one from before. The number of the audit event
/// before its own is one that no other setting has.
pub(super) async fn set(db: &mut Connection, key_id: KeyId, url: String) -> StoreResult<()> {
    remove(db, key_id).await?;
    sqlx::query(
        "INSERT INTO credential_key_sets (key_id, url, generation) SELECT $1, $2, seq FROM audit_head",
    )
    .bind(key_id.as_str().to_owned())
    .bind(url)
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn set_for_known(
    db: &mut Connection,
    key_id: KeyId,
    url: String,
) -> StoreResult<()> {
    public_keys::refuse_unknown(db, key_id).await?;
    sqlx::query("DELETE FROM credential_public_keys WHERE key_id = $1")
        .bind(key_id.as_str().to_owned())
        .execute(&mut *db)
        .await?;
    set(db, key_id, url).await
}

pub(super) async fn remove(db: &mut Connection, key_id: KeyId) -> StoreResult<()> {
    sqlx::query("DELETE FROM credential_key_sets WHERE key_id = $1")
        .bind(key_id.as_str().to_owned())
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn record(
    db: &mut Connection,
    key_id: KeyId,
    found: KeySetRow,
    unless_since: Instant,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE credential_key_sets SET asked_at = $3, problem = $4, keys = $5, fetched_at = $6
         WHERE key_id = $1 AND url = $2 AND generation = $8 AND (asked_at IS NULL OR asked_at < $3)
             AND (asked_at IS NULL OR asked_at < $7 OR problem IS DISTINCT FROM $4 OR keys <> $5)",
    )
    .bind(key_id.as_str().to_owned())
    .bind(found.url)
    .bind(optional_millis(found.asked_at))
    .bind(found.problem)
    .bind(json(&found.keys)?)
    .bind(optional_millis(found.fetched_at))
    .bind(millis(unless_since))
    .bind(found.generation)
    .execute(db)
    .await?;
    Ok(())
}

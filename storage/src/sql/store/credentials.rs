//! Credentials, one at a time: issuing, reading, changing, noting their use.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::Instant;
use domain::credential::Credential;
use domain::key_id::KeyId;
use sqlx::QueryBuilder;

use super::columns::{Columns, json, millis, optional_millis};
use super::credential_row::{access_columns, to_credential, to_last_use, to_owner};
use super::{Connection, Db, LOCK_ROWS, key_sets, public_keys, text};
use crate::{
    Conflict, CredentialRecord, CredentialUse, LiveCredential, NewCredential, SecretHash,
    SecretInfo, StoreError, StoreResult,
};

const TABLE: &str = "credentials";

pub(super) async fn issue(db: &mut Connection, new: NewCredential) -> StoreResult<()> {
    if let Some(key) = &new.idempotency_key {
        refuse_second_issue(db, key.clone()).await?;
    }
    let credential = new.credential;
    let owner_name = active_owner_name(db, &credential).await?;
    let (levels, scopes) = access_columns(&credential.access)?;
    let mark = credential.standing.mark();
    sqlx::query(
        "INSERT INTO credentials (key_id, name, purpose, owner_id, flow, access_kind, access_levels,
             readable_scopes, expires_at, standing, standing_at, standing_by, standing_reason,
             created_at, created_by, updated_at, idempotency_key, search_facts, name_key,
             limits)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
             $19, $20)",
    )
    .bind(credential.key_id.as_str().to_owned())
    .bind(credential.name.to_string())
    .bind(credential.purpose.to_string())
    .bind(credential.owner.to_string())
    .bind(credential.flow.as_str())
    .bind(credential.access.kind().as_str())
    .bind(levels)
    .bind(scopes)
    .bind(optional_millis(credential.expires_at))
    .bind(credential.standing.as_str())
    .bind(mark.map(|mark| millis(mark.at)))
    .bind(mark.map(|mark| mark.by.clone()))
    .bind(mark.and_then(|mark| mark.reason.as_ref()).map(ToString::to_string))
    .bind(millis(credential.created_at))
    .bind(credential.created_by.clone())
    .bind(millis(credential.updated_at))
    .bind(new.idempotency_key)
    .bind(text::search_facts(&credential, &owner_name))
    .bind(text::fold(credential.name.as_str()))
    .bind(json(&credential.limits)?)
    .execute(&mut *db)
    .await?;
    if let Some(secret) = new.secret {
        insert_secret(db, credential.key_id, secret, credential.created_at).await?;
    }
    for key in new.public_keys {
        public_keys::add(db, credential.key_id, key).await?;
    }
    if let Some(url) = new.key_set_url {
        key_sets::set(db, credential.key_id, url).await?;
    }
    Ok(())
}

async fn refuse_second_issue(db: &mut Connection, idempotency_key: String) -> StoreResult<()> {
    let first = sqlx::query("SELECT key_id FROM credentials WHERE idempotency_key = $1")
        .bind(idempotency_key)
        .fetch_optional(db)
        .await?;
    match first {
        Some(row) => Err(Conflict::AlreadyIssued(Columns::of(TABLE, &row).parse("key_id")?).into()),
        None => Ok(()),
    }
}

async fn active_owner_name(db: &mut Connection, credential: &Credential) -> StoreResult<String> {
    let row = sqlx::query("SELECT name FROM users WHERE id = $1 AND disabled_at IS NULL")
        .bind(credential.owner.to_string())
        .fetch_optional(db)
        .await?
        .ok_or(Conflict::OwnerUnavailable)?;
    Columns::of("users", &row).get("name")
}

async fn insert_secret(
    db: &mut Connection,
    key_id: KeyId,
    hash: SecretHash,
    created_at: Instant,
) -> StoreResult<()> {
    sqlx::query("INSERT INTO credential_secrets (key_id, hash, created_at) VALUES ($1, $2, $3)")
        .bind(key_id.as_str().to_owned())
        .bind(hash.0.to_vec())
        .bind(millis(created_at))
        .execute(db)
        .await?;
    Ok(())
}

/// The stored time of change is always later than the one before, even if the clock stands still
/// or goes back: otherwise somebody who read the row before could overwrite it unnoticed.
pub(super) async fn update(
    db: &mut Connection,
    credential: Credential,
    read: Instant,
) -> StoreResult<()> {
    let row = sqlx::query(
        "SELECT c.owner_id, c.updated_at, u.name AS owner_name
         FROM credentials c JOIN users u ON u.id = c.owner_id WHERE c.key_id = $1",
    )
    .bind(credential.key_id.as_str().to_owned())
    .fetch_optional(&mut *db)
    .await?
    .ok_or(StoreError::NotFound("credential"))?;
    let stored = Columns::of(TABLE, &row);
    if stored.get::<i64>("updated_at")? != millis(read) {
        return Err(Conflict::ChangedMeanwhile.into());
    }
    let owner_name = if stored.get::<String>("owner_id")? == credential.owner.to_string() {
        stored.get("owner_name")?
    } else {
        active_owner_name(db, &credential).await?
    };
    let (levels, scopes) = access_columns(&credential.access)?;
    let mark = credential.standing.mark();
    sqlx::query(
        "UPDATE credentials SET name = $2, purpose = $3, owner_id = $4, access_kind = $5,
             access_levels = $6, readable_scopes = $7, expires_at = $8, standing = $9,
             standing_at = $10, standing_by = $11, standing_reason = $12, updated_at = $13,
             search_facts = $14, name_key = $15, limits = $16
         WHERE key_id = $1",
    )
    .bind(credential.key_id.as_str().to_owned())
    .bind(credential.name.to_string())
    .bind(credential.purpose.to_string())
    .bind(credential.owner.to_string())
    .bind(credential.access.kind().as_str())
    .bind(levels)
    .bind(scopes)
    .bind(optional_millis(credential.expires_at))
    .bind(credential.standing.as_str())
    .bind(mark.map(|mark| millis(mark.at)))
    .bind(mark.map(|mark| mark.by.clone()))
    .bind(
        mark.and_then(|mark| mark.reason.as_ref())
            .map(ToString::to_string),
    )
    .bind(millis(
        credential.updated_at.max(read + TimeDelta::milliseconds(1)),
    ))
    .bind(text::search_facts(&credential, &owner_name))
    .bind(text::fold(credential.name.as_str()))
    .bind(json(&credential.limits)?)
    .execute(db)
    .await?;
    Ok(())
}

/// Takes the credentials' rows first and the keys' rows then, each in the order of their ids, so that
/// two replicas don't wait for each other in a circle.
pub(super) async fn record_uses(db: &mut Connection, uses: Vec<CredentialUse>) -> StoreResult<()> {
    let mut newest = BTreeMap::new();
    for CredentialUse {
        key_id, last_use, ..
    } in &uses
    {
        let known = newest.entry(*key_id).or_insert(last_use);
        // Of two in one millisecond the one that was noted later.
        if known.at <= last_use.at {
            *known = last_use;
        }
    }
    let mut query = QueryBuilder::<Db>::new("WITH used (key_id, at, address, endpoint) AS (");
    query.push_values(newest, |mut values, (key_id, last_use)| {
        values
            .push_bind(key_id.as_str().to_owned())
            .push_bind(millis(last_use.at))
            .push_bind(last_use.address.clone())
            .push_bind(last_use.endpoint.clone());
    });
    query.push(
        "), taken AS (
             SELECT key_id FROM credentials WHERE key_id IN (SELECT key_id FROM used)
             ORDER BY key_id",
    );
    query.push(LOCK_ROWS);
    query.push(
        ") UPDATE credentials SET last_used_at = used.at, last_used_address = used.address,
             last_used_endpoint = used.endpoint
         FROM taken JOIN used ON used.key_id = taken.key_id
         WHERE credentials.key_id = taken.key_id
             AND (last_used_at IS NULL OR last_used_at <= used.at)",
    );
    query.build().persistent(false).execute(&mut *db).await?;
    for used in uses {
        if let Some(thumbprint) = used.public_key {
            public_keys::record_use(db, used.key_id, thumbprint, used.last_use.at).await?;
        }
    }
    Ok(())
}

pub(super) async fn find(
    db: &mut Connection,
    key_id: KeyId,
) -> StoreResult<Option<CredentialRecord>> {
    let row = sqlx::query(
        "SELECT c.*, u.name AS owner_name, u.disabled_at AS owner_disabled_at
         FROM credentials c JOIN users u ON u.id = c.owner_id WHERE c.key_id = $1",
    )
    .bind(key_id.as_str().to_owned())
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (owner_name, owner_is_active) = to_owner(&row)?;
    let secrets = secrets(db, key_id).await?.into_iter();
    Ok(Some(CredentialRecord {
        credential: to_credential(&row)?,
        owner_name,
        owner_is_active,
        last_use: to_last_use(&row)?,
        secrets: secrets
            .map(|(_, created_at)| SecretInfo { created_at })
            .collect(),
        public_keys: public_keys::list(db, key_id).await?,
        key_set: key_sets::find(db, key_id).await?,
    }))
}

pub(super) async fn list_key_ids(
    db: &mut Connection,
    after: Option<KeyId>,
    limit: u32,
) -> StoreResult<Vec<KeyId>> {
    let after = after.map_or_else(String::new, |key_id| key_id.to_string());
    sqlx::query("SELECT key_id FROM credentials WHERE key_id > $1 ORDER BY key_id LIMIT $2")
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| Columns::of(TABLE, row).parse("key_id"))
        .collect()
}

pub(super) async fn find_live(
    db: &mut Connection,
    key_id: KeyId,
) -> StoreResult<Option<LiveCredential>> {
    let row = sqlx::query("SELECT * FROM credentials WHERE key_id = $1")
        .bind(key_id.as_str().to_owned())
        .fetch_optional(&mut *db)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let secrets = secrets(db, key_id).await?.into_iter();
    Ok(Some(LiveCredential {
        credential: to_credential(&row)?,
        secrets: secrets.map(|(hash, _)| hash).collect(),
        public_keys: public_keys::list(db, key_id).await?,
        key_set: key_sets::find(db, key_id).await?,
    }))
}

async fn secrets(db: &mut Connection, key_id: KeyId) -> StoreResult<Vec<(SecretHash, Instant)>> {
    sqlx::query(
        "SELECT hash, created_at FROM credential_secrets WHERE key_id = $1
         ORDER BY created_at, hash",
    )
    .bind(key_id.as_str().to_owned())
    .fetch_all(db)
    .await?
    .iter()
    .map(|row| {
        let columns = Columns::of("credential_secrets", row);
        Ok((
            SecretHash(columns.hash("hash")?),
            columns.instant("created_at")?,
        ))
    })
    .collect()
}

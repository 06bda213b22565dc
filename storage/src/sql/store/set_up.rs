//! The first start: the one-time token, the first user, and the facts of the installation.

use domain::Instant;
use domain::user::User;

use super::columns::{Columns, millis};
use super::{Connection, users};
use crate::{Conflict, KnownTime, OneTimeToken, StoreError, StoreResult, TokenHash};

pub(super) async fn setting(db: &mut Connection, key: String) -> StoreResult<Option<String>> {
    let row = sqlx::query("SELECT value FROM settings WHERE key = $1")
        .bind(key)
        .fetch_optional(db)
        .await?;
    row.map(|row| Columns::of("settings", &row).get("value"))
        .transpose()
}

pub(super) async fn setting_or_insert(
    db: &mut Connection,
    key: String,
    value: String,
) -> StoreResult<String> {
    sqlx::query("INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING")
        .bind(key.clone())
        .bind(value)
        .execute(&mut *db)
        .await?;
    let missing = || StoreError::NotFound("setting");
    setting(db, key).await?.ok_or_else(missing)
}

/// Notes when somebody looked whether this can be written.
pub(super) async fn note_look(db: &mut Connection, now: Instant) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO settings (key, value) VALUES ('last_look', $1)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind(millis(now).to_string())
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn known_time(db: &mut Connection) -> StoreResult<KnownTime> {
    let row = sqlx::query("SELECT at, acceptances FROM known_time")
        .fetch_one(db)
        .await?;
    let columns = Columns::of("known_time", &row);
    Ok(KnownTime {
        at: columns.optional_instant("at")?,
        acceptances: columns.get("acceptances")?,
    })
}

pub(super) async fn note_time(
    db: &mut Connection,
    at: Instant,
    acceptances: i64,
) -> StoreResult<()> {
    sqlx::query("UPDATE known_time SET at = $1 WHERE acceptances = $2 AND (at IS NULL OR at < $1)")
        .bind(millis(at))
        .bind(acceptances)
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn accept_clock(db: &mut Connection, at: Instant) -> StoreResult<()> {
    sqlx::query("UPDATE known_time SET at = $1, acceptances = acceptances + 1")
        .bind(millis(at))
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn has_users(db: &mut Connection) -> StoreResult<bool> {
    Ok(sqlx::query("SELECT id FROM users LIMIT 1")
        .fetch_optional(db)
        .await?
        .is_some())
}

pub(super) async fn offer(db: &mut Connection, token: OneTimeToken) -> StoreResult<()> {
    if has_users(db).await? {
        return Err(Conflict::SetUpDone.into());
    }
    sqlx::query("DELETE FROM one_time_tokens WHERE user_id IS NULL")
        .execute(&mut *db)
        .await?;
    users::insert_token(db, token, None).await
}

pub(super) async fn token_is_valid(
    db: &mut Connection,
    hash: TokenHash,
    now: Instant,
) -> StoreResult<bool> {
    let token = sqlx::query(
        "SELECT hash FROM one_time_tokens
         WHERE hash = $1 AND user_id IS NULL AND expires_at > $2 AND created_at <= $2 + 60000
             AND NOT EXISTS (SELECT id FROM users)",
    )
    .bind(hash.0.to_vec())
    .bind(millis(now))
    .fetch_optional(db)
    .await?;
    Ok(token.is_some())
}

pub(super) async fn complete(
    db: &mut Connection,
    token: TokenHash,
    user: User,
    password_hash: String,
    now: Instant,
) -> StoreResult<()> {
    if !token_is_valid(db, token, now).await? {
        return Err(Conflict::SetUpDone.into());
    }
    sqlx::query("DELETE FROM one_time_tokens WHERE user_id IS NULL")
        .execute(&mut *db)
        .await?;
    users::add(db, user, Some(password_hash), None).await
}

//! Browser sessions.

use domain::Instant;
use domain::user::UserId;

use super::columns::{Columns, millis};
use super::{Connection, Row, found};
use crate::{SessionRow, StoreResult, TokenHash};

pub(super) async fn create(db: &mut Connection, session: SessionRow) -> StoreResult<bool> {
    let done = sqlx::query(
        "INSERT INTO sessions (id, user_id, data, created_at, idle_until, absolute_until)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
    )
    .bind(session.id.0.to_vec())
    .bind(session.user.map(|id| id.to_string()))
    .bind(session.data)
    .bind(millis(session.created_at))
    .bind(millis(session.idle_until))
    .bind(millis(session.absolute_until))
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn save(
    db: &mut Connection,
    id: TokenHash,
    user: Option<UserId>,
    data: String,
    idle_until: Instant,
) -> StoreResult<bool> {
    let done =
        sqlx::query("UPDATE sessions SET user_id = $2, data = $3, idle_until = $4 WHERE id = $1")
            .bind(id.0.to_vec())
            .bind(user.map(|id| id.to_string()))
            .bind(data)
            .bind(millis(idle_until))
            .execute(db)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// A session of a disabled person is not found, even if it began while they were being disabled.
pub(super) async fn find(
    db: &mut Connection,
    id: TokenHash,
    now: Instant,
) -> StoreResult<Option<SessionRow>> {
    let row = sqlx::query(
        "SELECT s.* FROM sessions s LEFT JOIN users u ON u.id = s.user_id
         WHERE s.id = $1 AND s.idle_until > $2 AND s.absolute_until > $2 AND u.disabled_at IS NULL",
    )
    .bind(id.0.to_vec())
    .bind(millis(now))
    .fetch_optional(db)
    .await?;
    row.as_ref().map(to_session).transpose()
}

pub(super) async fn list_of(
    db: &mut Connection,
    user: UserId,
    now: Instant,
) -> StoreResult<Vec<SessionRow>> {
    sqlx::query(
        "SELECT * FROM sessions WHERE user_id = $1 AND idle_until > $2 AND absolute_until > $2
         ORDER BY idle_until DESC, id LIMIT 100",
    )
    .bind(user.to_string())
    .bind(millis(now))
    .fetch_all(db)
    .await?
    .iter()
    .map(to_session)
    .collect()
}

fn to_session(row: &Row) -> StoreResult<SessionRow> {
    let columns = Columns::of("sessions", row);
    Ok(SessionRow {
        id: TokenHash(columns.hash("id")?),
        user: columns.parse_optional("user_id")?,
        data: columns.get("data")?,
        created_at: columns.instant("created_at")?,
        idle_until: columns.instant("idle_until")?,
        absolute_until: columns.instant("absolute_until")?,
    })
}

pub(super) async fn take(
    db: &mut Connection,
    id: TokenHash,
    now: Instant,
) -> StoreResult<Option<SessionRow>> {
    let row = sqlx::query(
        "DELETE FROM sessions WHERE id = $1 AND idle_until > $2 AND absolute_until > $2
         RETURNING *",
    )
    .bind(id.0.to_vec())
    .bind(millis(now))
    .fetch_optional(db)
    .await?;
    row.as_ref().map(to_session).transpose()
}

pub(super) async fn delete(db: &mut Connection, id: TokenHash) -> StoreResult<()> {
    sqlx::query("DELETE FROM sessions WHERE id = $1")
        .bind(id.0.to_vec())
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn delete_one_of(
    db: &mut Connection,
    user: UserId,
    id: TokenHash,
) -> StoreResult<()> {
    let done = sqlx::query("DELETE FROM sessions WHERE id = $1 AND user_id = $2")
        .bind(id.0.to_vec())
        .bind(user.to_string())
        .execute(db)
        .await?;
    found(done.rows_affected(), "session")
}

/// Ends the sessions of a person, except for one that may be kept.
pub(super) async fn delete_of_user(
    db: &mut Connection,
    user: UserId,
    keep: Option<TokenHash>,
) -> StoreResult<()> {
    sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND ($2 IS NULL OR id <> $2)")
        .bind(user.to_string())
        .bind(keep.map(|id| id.0.to_vec()))
        .execute(db)
        .await?;
    Ok(())
}

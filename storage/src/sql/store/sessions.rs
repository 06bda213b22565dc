//! Browser sessions.

use domain::Instant;
use domain::user::UserId;

use super::columns::{Columns, millis};
use super::{Connection, Row, found, users};
use crate::{Conflict, Epoch, SessionOwner, SessionRow, StoreResult, TokenHash};

/// Whether a row of `sessions` lasts at `$2`. One from the future, give or take the minute that clocks may
/// differ, was made by a node whose clock is far ahead: it would last too long here.
macro_rules! lasts {
    () => {
        "idle_until > $2 AND absolute_until > $2 AND sessions.created_at <= $2 + 60000"
    };
}

/// Whether a row of `sessions` is nobody's, or of an active person in the epoch that it was made in. Each
/// statement that saves, finds or takes one asks.
macro_rules! holds {
    () => {
        "(user_id IS NULL OR EXISTS (SELECT 1 FROM users u
             WHERE u.id = user_id AND u.epoch = sessions.epoch AND u.disabled_at IS NULL))"
    };
}

pub(super) async fn create(db: &mut Connection, session: SessionRow) -> StoreResult<bool> {
    let owner = session.owner;
    let done = sqlx::query(
        "INSERT INTO sessions (id, user_id, epoch, data, created_at, idle_until, absolute_until)
         SELECT $1, $2, $3, $4, $5, $6, $7 WHERE $2 IS NULL OR EXISTS (SELECT 1 FROM users u
             WHERE u.id = $2 AND u.epoch = $3 AND u.disabled_at IS NULL)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(session.id.0.to_vec())
    .bind(owner.map(|epoch| epoch.user().to_string()))
    .bind(owner.map_or(0, Epoch::number))
    .bind(session.data)
    .bind(millis(session.created_at))
    .bind(millis(session.idle_until))
    .bind(millis(session.absolute_until))
    .execute(&mut *db)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(true);
    }
    match owner {
        Some(epoch) if users::find_at(db, epoch).await?.is_none() => {
            Err(Conflict::SessionEnded.into())
        }
        _ => Ok(false),
    }
}

pub(super) async fn save(
    db: &mut Connection,
    id: TokenHash,
    data: String,
    idle_until: Instant,
) -> StoreResult<bool> {
    let done = sqlx::query(concat!(
        "UPDATE sessions SET data = $2, idle_until = $3 WHERE id = $1 AND ",
        holds!()
    ))
    .bind(id.0.to_vec())
    .bind(data)
    .bind(millis(idle_until))
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn find(
    db: &mut Connection,
    id: TokenHash,
    now: Instant,
) -> StoreResult<Option<SessionRow>> {
    let row = sqlx::query(concat!(
        "SELECT * FROM sessions WHERE id = $1 AND ",
        lasts!(),
        " AND ",
        holds!()
    ))
    .bind(id.0.to_vec())
    .bind(millis(now))
    .fetch_optional(db)
    .await?;
    row.as_ref().map(to_session).transpose()
}

pub(super) async fn find_owner(
    db: &mut Connection,
    id: TokenHash,
    now: Instant,
) -> StoreResult<Option<SessionOwner>> {
    let row = sqlx::query(concat!(
        "SELECT u.*, sessions.data FROM sessions
         JOIN users u ON u.id = user_id AND u.epoch = sessions.epoch AND u.disabled_at IS NULL
         WHERE sessions.id = $1 AND ",
        lasts!()
    ))
    .bind(id.0.to_vec())
    .bind(millis(now))
    .fetch_optional(db)
    .await?;
    let Some(row) = &row else { return Ok(None) };
    Ok(Some(SessionOwner {
        user: users::to_user(row)?,
        epoch: users::to_epoch(row)?,
        data: Columns::of("sessions", row).get("data")?,
    }))
}

pub(super) async fn list_of(
    db: &mut Connection,
    user: UserId,
    now: Instant,
) -> StoreResult<Vec<SessionRow>> {
    sqlx::query(concat!(
        "SELECT * FROM sessions WHERE user_id = $1 AND ",
        lasts!(),
        " AND ",
        holds!(),
        " ORDER BY idle_until DESC, id LIMIT 100",
    ))
    .bind(user.to_string())
    .bind(millis(now))
    .fetch_all(db)
    .await?
    .iter()
    .map(to_session)
    .collect()
}

pub(super) async fn page_of(
    db: &mut Connection,
    user: UserId,
    now: Instant,
    after: Option<TokenHash>,
    limit: u32,
) -> StoreResult<Vec<SessionRow>> {
    sqlx::query(concat!(
        "SELECT * FROM sessions WHERE user_id = $1 AND ",
        lasts!(),
        " AND id > $3 AND ",
        holds!(),
        " ORDER BY id LIMIT $4",
    ))
    .bind(user.to_string())
    .bind(millis(now))
    // Nothing comes before an id, and so before the first.
    .bind(after.map_or_else(Vec::new, |id| id.0.to_vec()))
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?
    .iter()
    .map(to_session)
    .collect()
}

/// Notes that a provider's message was used; `false` if it was before.
pub(super) async fn use_message(
    db: &mut Connection,
    message: TokenHash,
    until: Instant,
) -> StoreResult<bool> {
    let done = sqlx::query(
        "INSERT INTO log_out_messages (id, until) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
    )
    .bind(message.0.to_vec())
    .bind(millis(until))
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn to_session(row: &Row) -> StoreResult<SessionRow> {
    let columns = Columns::of("sessions", row);
    let (user, epoch) = (columns.parse_optional("user_id")?, columns.get("epoch")?);
    Ok(SessionRow {
        id: TokenHash(columns.hash("id")?),
        owner: user.map(|user| Epoch::new(user, epoch)),
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
    let row = sqlx::query(concat!(
        "DELETE FROM sessions WHERE id = $1 AND ",
        lasts!(),
        " AND ",
        holds!(),
        " RETURNING *",
    ))
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

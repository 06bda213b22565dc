//! Epochs: the one way in which all that a person has open ends. A new one begins with the audit entry
//! of the transaction, so every change that raises it is audited, and later than whatever came before.

use domain::user::UserId;

use super::columns::Columns;
use super::{Connection, Row};
use crate::{Conflict, Epoch, OwnSession, StoreError, StoreResult, TokenHash};

/// The number that this transaction's audit entry gets: its place in the log is taken.
macro_rules! next {
    () => {
        "(SELECT seq + 1 FROM audit_head)"
    };
}

/// Ends all that a person has open, and what is under way.
pub(super) async fn raise(db: &mut Connection, user: UserId) -> StoreResult<Epoch> {
    let row = sqlx::query(concat!(
        "UPDATE users SET epoch = ",
        next!(),
        " WHERE id = $1 RETURNING epoch"
    ))
    .bind(user.to_string())
    .fetch_optional(&mut *db)
    .await?;
    let row = row.ok_or(StoreError::NotFound("person"))?;
    end_older(db, to_epoch(user, &row)?).await
}

/// The same for all but some sessions, which go on in the new epoch.
pub(super) async fn raise_but_for(
    db: &mut Connection,
    user: UserId,
    keep: Vec<TokenHash>,
) -> StoreResult<()> {
    for id in keep {
        sqlx::query(concat!(
            "UPDATE sessions SET epoch = ",
            next!(),
            " WHERE id = $1 AND user_id = $2 AND epoch = (SELECT epoch FROM users WHERE id = $2)",
        ))
        .bind(id.0.to_vec())
        .bind(user.to_string())
        .execute(&mut *db)
        .await?;
    }
    raise(db, user).await.map(|_| ())
}

/// The same for who is active and still in the epoch that they began in.
pub(super) async fn raise_from(db: &mut Connection, epoch: Epoch) -> StoreResult<Epoch> {
    let row = sqlx::query(concat!(
        "UPDATE users SET epoch = ",
        next!(),
        " WHERE id = $1 AND epoch = $2 AND disabled_at IS NULL RETURNING epoch",
    ))
    .bind(epoch.user().to_string())
    .bind(epoch.number())
    .fetch_optional(&mut *db)
    .await?;
    let row = row.ok_or(Conflict::SessionEnded)?;
    end_older(db, to_epoch(epoch.user(), &row)?).await
}

/// The same for all but one session of theirs, which goes on in the new epoch.
pub(super) async fn raise_in(db: &mut Connection, own: OwnSession) -> StoreResult<()> {
    let moved = sqlx::query(concat!(
        "UPDATE sessions SET epoch = ",
        next!(),
        " WHERE id = $1 AND user_id = $2 AND epoch = $3",
    ))
    .bind(own.id.0.to_vec())
    .bind(own.epoch.user().to_string())
    .bind(own.epoch.number())
    .execute(&mut *db)
    .await?;
    if moved.rows_affected() == 0 {
        return Err(Conflict::SessionEnded.into());
    }
    raise_from(db, own.epoch).await.map(|_| ())
}

/// Whether somebody is active and still in an epoch: refuses what they do if not.
pub(super) async fn hold(db: &mut Connection, user: &str, epoch: i64) -> StoreResult<()> {
    sqlx::query("SELECT 1 FROM users WHERE id = $1 AND epoch = $2 AND disabled_at IS NULL")
        .bind(user.to_owned())
        .bind(epoch)
        .fetch_optional(db)
        .await?
        .map(|_| ())
        .ok_or_else(|| Conflict::SessionEnded.into())
}

/// The sessions are found no more; this is what clears them away. A link to choose another password ends,
/// too: whoever had a session could have made one. That of somebody who is invited has nothing to end.
async fn end_older(db: &mut Connection, epoch: Epoch) -> StoreResult<Epoch> {
    sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND epoch < $2")
        .bind(epoch.user().to_string())
        .bind(epoch.number())
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "DELETE FROM one_time_tokens WHERE user_id IN
             (SELECT id FROM users WHERE id = $1 AND password_hash IS NOT NULL)",
    )
    .bind(epoch.user().to_string())
    .execute(db)
    .await?;
    Ok(epoch)
}

fn to_epoch(user: UserId, row: &Row) -> StoreResult<Epoch> {
    Ok(Epoch::new(user, Columns::of("users", row).get("epoch")?))
}

//! Who people are at single sign-on.

use domain::Instant;
use domain::user::{User, UserId};

use super::columns::millis;
use super::{Connection, OrIfTaken as _, found, users};
use crate::{Conflict, Epoch, Identity, StoreError, StoreResult};

pub(super) async fn find_user(
    db: &mut Connection,
    identity: Identity,
) -> StoreResult<Option<(User, Epoch)>> {
    let row = sqlx::query(
        "SELECT u.* FROM identities i JOIN users u ON u.id = i.user_id
         WHERE i.issuer = $1 AND i.subject = $2",
    )
    .bind(identity.issuer)
    .bind(identity.subject)
    .fetch_optional(db)
    .await?;
    let Some(row) = &row else { return Ok(None) };
    Ok(Some((users::to_user(row)?, users::to_epoch(row)?)))
}

pub(super) async fn add_user(
    db: &mut Connection,
    user: User,
    identity: Identity,
) -> StoreResult<Epoch> {
    let (id, at) = (user.id, user.created_at);
    users::add(db, user, None, None).await?;
    insert(db, id, identity, at).await?;
    Ok(Epoch::new(id, 0))
}

pub(super) async fn link(
    db: &mut Connection,
    user: UserId,
    identity: Identity,
    at: Instant,
) -> StoreResult<()> {
    if users::find(db, user).await?.is_none() {
        return Err(StoreError::NotFound("person"));
    }
    insert(db, user, identity, at).await
}

async fn insert(
    db: &mut Connection,
    user: UserId,
    identity: Identity,
    at: Instant,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO identities (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(identity.issuer)
    .bind(identity.subject)
    .bind(user.to_string())
    .bind(millis(at))
    .execute(db)
    .await
    .or_if_taken(Conflict::IdentityTaken)?;
    Ok(())
}

pub(super) async fn record_login(
    db: &mut Connection,
    epoch: Epoch,
    identity: Identity,
    at: Instant,
) -> StoreResult<()> {
    let done = sqlx::query(
        "UPDATE identities SET last_login_at = $4
         WHERE issuer = $1 AND subject = $2 AND user_id = $3",
    )
    .bind(identity.issuer)
    .bind(identity.subject)
    .bind(epoch.user().to_string())
    .bind(millis(at))
    .execute(&mut *db)
    .await?;
    found(done.rows_affected(), "identity")?;
    users::record_login(db, epoch, at).await
}

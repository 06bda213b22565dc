//! People, their passwords and the links by which they choose one.

use domain::Instant;
use domain::role::Role;
use domain::text::PersonName;
use domain::user::{EmailAddress, User, UserId};
use sqlx::QueryBuilder;

use super::columns::{Columns, millis, optional_millis};
use super::{Connection, Db, OrIfTaken as _, Row, epochs, found, push_has, text};
use crate::{
    Conflict, Epoch, Login, OneTimeToken, OwnSession, StoreError, StoreResult, TokenHash, UserQuery,
};

const PERSON: &str = "person";

pub(super) async fn add(
    db: &mut Connection,
    user: User,
    password_hash: Option<String>,
    link: Option<OneTimeToken>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO users (id, email, name, name_key, role, password_hash, disabled_at, created_at,
             last_login_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(user.id.to_string())
    .bind(user.email.to_string())
    .bind(user.name.to_string())
    .bind(text::fold(user.name.as_str()))
    .bind(user.role.as_str())
    .bind(password_hash)
    .bind(optional_millis(user.disabled_at))
    .bind(millis(user.created_at))
    .bind(optional_millis(user.last_login_at))
    .execute(&mut *db)
    .await
    .or_if_taken(Conflict::EmailTaken)?;
    match link {
        Some(token) => insert_token(db, token, Some(user.id)).await,
        None => Ok(()),
    }
}

/// Adds a one-time token; of nobody, it is the one for set-up.
pub(super) async fn insert_token(
    db: &mut Connection,
    token: OneTimeToken,
    user: Option<UserId>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO one_time_tokens (hash, user_id, created_at, expires_at)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(token.hash.0.to_vec())
    .bind(user.map(|id| id.to_string()))
    .bind(millis(token.created_at))
    .bind(millis(token.expires_at))
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn find(db: &mut Connection, id: UserId) -> StoreResult<Option<User>> {
    let row = sqlx::query("SELECT * FROM users WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(to_user).transpose()
}

pub(super) async fn find_login(
    db: &mut Connection,
    email: EmailAddress,
) -> StoreResult<Option<Login>> {
    let row = sqlx::query("SELECT * FROM users WHERE email = $1")
        .bind(email.to_string())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(to_login).transpose()
}

/// The place of a wrong password in a row.
pub(super) enum Place {
    OneOf,
    Last,
    After,
}

/// What counts for nobody is written as well. The lock on the audit log keeps the number true that is read
/// first, but for a right password, which makes it less.
pub(super) async fn count_wrong_password(
    db: &mut Connection,
    email: EmailAddress,
    most: u32,
) -> StoreResult<Place> {
    let row = sqlx::query(
        "SELECT password_failures FROM users
         WHERE email = $1 AND password_hash IS NOT NULL AND disabled_at IS NULL",
    )
    .bind(email.to_string())
    .fetch_optional(&mut *db)
    .await?;
    let failures = row.map(|row| Columns::of("users", &row).count("password_failures"));
    let (place, count) = match failures.transpose()? {
        None => (Place::OneOf, OF_NOBODY),
        Some(failures) if failures >= u64::from(most) => (Place::After, OF_NOBODY),
        Some(failures) if failures + 1 == u64::from(most) => (Place::Last, OF_SOMEBODY),
        Some(_) => (Place::OneOf, OF_SOMEBODY),
    };
    sqlx::query(count)
        .bind(email.to_string())
        .execute(db)
        .await?;
    Ok(place)
}

const OF_SOMEBODY: &str =
    "UPDATE users SET password_failures = password_failures + 1 WHERE email = $1";
const OF_NOBODY: &str = "UPDATE tries_of_nobody SET number = number + 1 WHERE $1 IS NOT NULL";

pub(super) async fn password_was_right(
    db: &mut Connection,
    epoch: Epoch,
    most: u32,
) -> StoreResult<bool> {
    let done = sqlx::query(
        "UPDATE users SET password_failures = 0
         WHERE id = $1 AND epoch = $2 AND disabled_at IS NULL AND password_failures < $3",
    )
    .bind(epoch.user().to_string())
    .bind(epoch.number())
    .bind(i64::from(most))
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn find_password_hash(
    db: &mut Connection,
    id: UserId,
) -> StoreResult<Option<String>> {
    let row = sqlx::query("SELECT password_hash FROM users WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    row.map_or(Ok(None), |row| {
        Columns::of("users", &row).get("password_hash")
    })
}

pub(super) async fn list(db: &mut Connection, wanted: UserQuery) -> StoreResult<Vec<User>> {
    let mut query = QueryBuilder::new("SELECT u.* FROM users u WHERE TRUE");
    if wanted.active_only {
        query.push(" AND disabled_at IS NULL");
    }
    if let Some(ids) = wanted.ids {
        // Nobody has an empty id: it stands in a list of none.
        query.push(" AND id IN (''");
        for id in ids {
            query.push(", ").push_bind(id.to_string());
        }
        query.push(")");
    }
    push_search(&mut query, wanted.search.as_deref());
    if let Some((name, id)) = wanted.after {
        query
            .push(" AND (name_key, id) > (")
            .push_bind(text::fold(&name));
        query.push(", ").push_bind(id.to_string()).push(")");
    }
    query
        .push(" ORDER BY name_key, id LIMIT ")
        .push_bind(i64::from(wanted.limit));
    query
        .build()
        .fetch_all(db)
        .await?
        .iter()
        .map(to_user)
        .collect()
}

/// Only people, as `u`, with a part of the name or address.
pub(super) fn push_search(query: &mut QueryBuilder<Db>, search: Option<&str>) {
    if let Some(term) = search.and_then(text::search_term) {
        query.push(" AND (");
        push_has(query, "u.name_key", &term);
        query.push(" OR ");
        push_has(query, "u.email", &term);
        query.push(")");
    }
}

pub(super) async fn find_at(db: &mut Connection, epoch: Epoch) -> StoreResult<Option<User>> {
    let row =
        sqlx::query("SELECT * FROM users WHERE id = $1 AND epoch = $2 AND disabled_at IS NULL")
            .bind(epoch.user().to_string())
            .bind(epoch.number())
            .fetch_optional(db)
            .await?;
    row.as_ref().map(to_user).transpose()
}

/// The same role is no change, and ends nothing.
pub(super) async fn set_role(db: &mut Connection, id: UserId, role: Role) -> StoreResult<()> {
    if role != Role::Superuser {
        refuse_last_superuser(db, id).await?;
    }
    let user = find(db, id).await?.ok_or(StoreError::NotFound(PERSON))?;
    if user.role == role {
        return Ok(());
    }
    write_role(db, id, role).await?;
    epochs::raise(db, id).await.map(|_| ())
}

/// A link that was mailed to the old address must not let its new owner in. Somebody who is invited and moves
/// gets another one.
pub(super) async fn rename(
    db: &mut Connection,
    id: UserId,
    name: PersonName,
    email: EmailAddress,
) -> StoreResult<()> {
    let before = find(db, id).await?.ok_or(StoreError::NotFound(PERSON))?;
    sqlx::query("UPDATE users SET name = $2, name_key = $3, email = $4 WHERE id = $1")
        .bind(id.to_string())
        .bind(name.to_string())
        .bind(text::fold(name.as_str()))
        .bind(email.to_string())
        .execute(&mut *db)
        .await
        .or_if_taken(Conflict::EmailTaken)?;
    if before.email == email {
        return Ok(());
    }
    delete_password_link(db, id).await
}

pub(super) async fn map_role(db: &mut Connection, epoch: Epoch, role: Role) -> StoreResult<Epoch> {
    if role != Role::Superuser {
        refuse_last_superuser(db, epoch.user()).await?;
    }
    let raised = epochs::raise_from(db, epoch).await?;
    write_role(db, epoch.user(), role).await?;
    Ok(raised)
}

async fn write_role(db: &mut Connection, id: UserId, role: Role) -> StoreResult<()> {
    sqlx::query("UPDATE users SET role = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(role.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// Takes a pending link away as well: it must not work again once the person is enabled.
pub(super) async fn disable(db: &mut Connection, id: UserId, at: Instant) -> StoreResult<()> {
    refuse_last_superuser(db, id).await?;
    let done =
        sqlx::query("UPDATE users SET disabled_at = COALESCE(disabled_at, $2) WHERE id = $1")
            .bind(id.to_string())
            .bind(millis(at))
            .execute(&mut *db)
            .await?;
    found(done.rows_affected(), PERSON)?;
    delete_password_link(db, id).await?;
    epochs::raise(db, id).await.map(|_| ())
}

/// Somebody else must stay who can come in: one who was invited and never came may never come. The lock
/// on the audit log keeps the answer true until the transaction ends.
async fn refuse_last_superuser(db: &mut Connection, id: UserId) -> StoreResult<()> {
    let last = sqlx::query(
        "SELECT id FROM users
         WHERE id = $1 AND role = 'superuser' AND disabled_at IS NULL AND NOT EXISTS (
             SELECT id FROM users
             WHERE id <> $1 AND role = 'superuser' AND disabled_at IS NULL
                 AND (password_hash IS NOT NULL OR last_login_at IS NOT NULL))",
    )
    .bind(id.to_string())
    .fetch_optional(db)
    .await?;
    match last {
        Some(_) => Err(Conflict::LastSuperuser.into()),
        None => Ok(()),
    }
}

pub(super) async fn enable(db: &mut Connection, id: UserId) -> StoreResult<()> {
    let done = sqlx::query("UPDATE users SET disabled_at = NULL WHERE id = $1")
        .bind(id.to_string())
        .execute(&mut *db)
        .await?;
    found(done.rows_affected(), PERSON)?;
    epochs::raise(db, id).await.map(|_| ())
}

/// Takes a pending link away as well: whoever holds it must not undo the change.
pub(super) async fn set_password(
    db: &mut Connection,
    id: UserId,
    password_hash: String,
) -> StoreResult<()> {
    let done =
        sqlx::query("UPDATE users SET password_hash = $2, password_failures = 0 WHERE id = $1")
            .bind(id.to_string())
            .bind(password_hash)
            .execute(&mut *db)
            .await?;
    found(done.rows_affected(), PERSON)?;
    delete_password_link(db, id).await?;
    epochs::raise(db, id).await.map(|_| ())
}

pub(super) async fn change_password(
    db: &mut Connection,
    own: OwnSession,
    checked: String,
    password_hash: String,
) -> StoreResult<()> {
    let id = own.epoch.user();
    epochs::raise_in(db, own).await?;
    let done = sqlx::query(
        "UPDATE users SET password_hash = $3, password_failures = 0
         WHERE id = $1 AND password_hash = $2",
    )
    .bind(id.to_string())
    .bind(checked)
    .bind(password_hash)
    .execute(&mut *db)
    .await?;
    if done.rows_affected() == 0 {
        return Err(Conflict::SessionEnded.into());
    }
    delete_password_link(db, id).await
}

pub(super) async fn upgrade_password_hash(
    db: &mut Connection,
    id: UserId,
    from: String,
    to: String,
) -> StoreResult<()> {
    sqlx::query("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2")
        .bind(id.to_string())
        .bind(from)
        .bind(to)
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn offer_password_link(
    db: &mut Connection,
    id: UserId,
    token: OneTimeToken,
) -> StoreResult<()> {
    if find(db, id).await?.is_none() {
        return Err(StoreError::NotFound(PERSON));
    }
    delete_password_link(db, id).await?;
    insert_token(db, token, Some(id)).await
}

pub(super) async fn find_password_link(
    db: &mut Connection,
    hash: TokenHash,
    now: Instant,
) -> StoreResult<Option<User>> {
    let row = sqlx::query(
        "SELECT u.* FROM one_time_tokens t JOIN users u ON u.id = t.user_id
         WHERE t.hash = $1 AND t.expires_at > $2 AND t.created_at <= $2 + 60000
             AND u.disabled_at IS NULL",
    )
    .bind(hash.0.to_vec())
    .bind(millis(now))
    .fetch_optional(db)
    .await?;
    row.as_ref().map(to_user).transpose()
}

pub(super) async fn redeem_password_link(
    db: &mut Connection,
    hash: TokenHash,
    now: Instant,
    password_hash: String,
) -> StoreResult<()> {
    let user = find_password_link(db, hash, now)
        .await?
        .ok_or(Conflict::LinkUsed)?;
    set_password(db, user.id, password_hash).await
}

async fn delete_password_link(db: &mut Connection, id: UserId) -> StoreResult<()> {
    sqlx::query("DELETE FROM one_time_tokens WHERE user_id = $1")
        .bind(id.to_string())
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn record_login(
    db: &mut Connection,
    epoch: Epoch,
    at: Instant,
) -> StoreResult<()> {
    let done = sqlx::query(
        "UPDATE users SET last_login_at = $3 WHERE id = $1 AND epoch = $2 AND disabled_at IS NULL",
    )
    .bind(epoch.user().to_string())
    .bind(epoch.number())
    .bind(millis(at))
    .execute(db)
    .await?;
    if done.rows_affected() == 0 {
        return Err(Conflict::SessionEnded.into());
    }
    Ok(())
}

fn to_login(row: &Row) -> StoreResult<Login> {
    let columns = Columns::of("users", row);
    Ok(Login {
        user: to_user(row)?,
        password_hash: columns.get("password_hash")?,
        password_failures: columns.count("password_failures")?,
        epoch: to_epoch(row)?,
    })
}

/// The epoch of a row of `users`.
pub(super) fn to_epoch(row: &Row) -> StoreResult<Epoch> {
    let columns = Columns::of("users", row);
    Ok(Epoch::new(columns.parse("id")?, columns.get("epoch")?))
}

pub(super) fn to_user(row: &Row) -> StoreResult<User> {
    let columns = Columns::of("users", row);
    Ok(User {
        id: columns.parse("id")?,
        email: columns.parse("email")?,
        name: columns.parse("name")?,
        role: columns.parse("role")?,
        disabled_at: columns.optional_instant("disabled_at")?,
        created_at: columns.instant("created_at")?,
        last_login_at: columns.optional_instant("last_login_at")?,
    })
}

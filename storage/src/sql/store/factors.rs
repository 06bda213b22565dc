//! Second factors and recovery codes.

use domain::Instant;
use domain::user::UserId;
use sqlx::Row as _;

use super::columns::{Columns, millis, optional_millis};
use super::{Connection, OrIfTaken as _, Row, epochs, found};
use crate::{
    Conflict, NewSecondFactor, OwnSession, PasskeyRow, RecoveryHashes, SecondFactorId,
    SecondFactors, SecretHash, StoreError, StoreResult, TotpRow,
};

/// A person has more passkeys than this only by mistake.
const MOST_PASSKEYS: usize = 20;

pub(super) async fn find(db: &mut Connection, user: UserId) -> StoreResult<SecondFactors> {
    let totp = sqlx::query("SELECT * FROM totp_secrets WHERE user_id = $1")
        .bind(user.to_string())
        .fetch_optional(&mut *db)
        .await?;
    let passkeys = sqlx::query("SELECT * FROM passkeys WHERE user_id = $1 ORDER BY created_at, id")
        .bind(user.to_string())
        .fetch_all(&mut *db)
        .await?;
    let codes = sqlx::query(
        "SELECT count(*) AS number FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL",
    )
    .bind(user.to_string())
    .fetch_one(db)
    .await?;
    let codes: i64 = codes.try_get("number")?;
    Ok(SecondFactors {
        totp: totp.as_ref().map(to_totp).transpose()?,
        passkeys: passkeys
            .iter()
            .map(to_passkey)
            .collect::<StoreResult<_>>()?,
        recovery_codes: u32::try_from(codes).unwrap_or(u32::MAX),
    })
}

fn to_totp(row: &Row) -> StoreResult<TotpRow> {
    let columns = Columns::of("totp_secrets", row);
    Ok(TotpRow {
        sealed: columns.get("sealed")?,
        last_step: columns.get("last_step")?,
        created_at: columns.instant("created_at")?,
    })
}

fn to_passkey(row: &Row) -> StoreResult<PasskeyRow> {
    let columns = Columns::of("passkeys", row);
    Ok(PasskeyRow {
        id: columns.get("id")?,
        name: columns.get("name")?,
        state: columns.get("state")?,
        created_at: columns.instant("created_at")?,
        last_used_at: columns.optional_instant("last_used_at")?,
    })
}

pub(super) async fn add(
    db: &mut Connection,
    own: OwnSession,
    factor: NewSecondFactor,
    codes: Option<RecoveryHashes>,
) -> StoreResult<()> {
    let user = own.epoch.user();
    epochs::raise_in(db, own).await?;
    match factor {
        NewSecondFactor::Totp(totp) => set_totp(db, user, totp).await?,
        NewSecondFactor::Passkey(passkey) => add_passkey(db, user, passkey).await?,
    }
    match codes {
        Some(codes) => set_codes(db, user, codes).await,
        None => Ok(()),
    }
}

async fn set_totp(db: &mut Connection, user: UserId, totp: TotpRow) -> StoreResult<()> {
    sqlx::query("DELETE FROM totp_secrets WHERE user_id = $1")
        .bind(user.to_string())
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "INSERT INTO totp_secrets (user_id, sealed, last_step, created_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(user.to_string())
    .bind(totp.sealed)
    .bind(totp.last_step)
    .bind(millis(totp.created_at))
    .execute(db)
    .await?;
    Ok(())
}

async fn add_passkey(db: &mut Connection, user: UserId, passkey: PasskeyRow) -> StoreResult<()> {
    if find(db, user).await?.passkeys.len() >= MOST_PASSKEYS {
        return Err(Conflict::TooManyPasskeys.into());
    }
    sqlx::query(
        "INSERT INTO passkeys (id, user_id, name, state, created_at, last_used_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(passkey.id)
    .bind(user.to_string())
    .bind(passkey.name)
    .bind(passkey.state)
    .bind(millis(passkey.created_at))
    .bind(optional_millis(passkey.last_used_at))
    .execute(db)
    .await
    .or_if_taken(Conflict::PasskeyTaken)?;
    Ok(())
}

/// With the last factor the recovery codes go, which stand in for one.
pub(super) async fn remove(
    db: &mut Connection,
    own: OwnSession,
    factor: SecondFactorId,
    keep_one: bool,
) -> StoreResult<()> {
    let user = own.epoch.user();
    epochs::raise_in(db, own).await?;
    let done = match factor {
        SecondFactorId::Totp => {
            sqlx::query("DELETE FROM totp_secrets WHERE user_id = $1")
                .bind(user.to_string())
                .execute(&mut *db)
                .await?
        }
        SecondFactorId::Passkey(id) => {
            sqlx::query("DELETE FROM passkeys WHERE user_id = $1 AND id = $2")
                .bind(user.to_string())
                .bind(id)
                .execute(&mut *db)
                .await?
        }
    };
    found(done.rows_affected(), "second factor")?;
    if find(db, user).await?.is_empty() {
        if keep_one {
            return Err(Conflict::LastSecondFactor.into());
        }
        set_codes(db, user, Vec::new()).await?;
    }
    Ok(())
}

pub(super) async fn reset(db: &mut Connection, user: UserId) -> StoreResult<()> {
    if find(db, user).await?.is_empty() {
        return Err(StoreError::NotFound("second factor"));
    }
    for sql in [
        "DELETE FROM totp_secrets WHERE user_id = $1",
        "DELETE FROM passkeys WHERE user_id = $1",
    ] {
        sqlx::query(sql)
            .bind(user.to_string())
            .execute(&mut *db)
            .await?;
    }
    set_codes(db, user, Vec::new()).await?;
    epochs::raise(db, user).await.map(|_| ())
}

pub(super) async fn renew_codes(
    db: &mut Connection,
    own: OwnSession,
    codes: RecoveryHashes,
) -> StoreResult<()> {
    let user = own.epoch.user();
    epochs::raise_in(db, own).await?;
    if find(db, user).await?.is_empty() {
        return Err(StoreError::NotFound("second factor"));
    }
    set_codes(db, user, codes).await
}

async fn set_codes(db: &mut Connection, user: UserId, codes: RecoveryHashes) -> StoreResult<()> {
    sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1")
        .bind(user.to_string())
        .execute(&mut *db)
        .await?;
    for code in codes {
        sqlx::query("INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)")
            .bind(user.to_string())
            .bind(code.0.to_vec())
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

pub(super) async fn use_totp_step(
    db: &mut Connection,
    user: UserId,
    step: i64,
) -> StoreResult<bool> {
    let done =
        sqlx::query("UPDATE totp_secrets SET last_step = $2 WHERE user_id = $1 AND last_step < $2")
            .bind(user.to_string())
            .bind(step)
            .execute(db)
            .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn use_code(
    db: &mut Connection,
    user: UserId,
    code: SecretHash,
    at: Instant,
) -> StoreResult<bool> {
    let done = sqlx::query(
        "UPDATE recovery_codes SET used_at = $3
         WHERE user_id = $1 AND hash = $2 AND used_at IS NULL",
    )
    .bind(user.to_string())
    .bind(code.0.to_vec())
    .bind(millis(at))
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn use_passkey(
    db: &mut Connection,
    user: UserId,
    id: String,
    state: String,
    at: Instant,
) -> StoreResult<bool> {
    let done = sqlx::query(
        "UPDATE passkeys SET state = $3, last_used_at = $4 WHERE user_id = $1 AND id = $2",
    )
    .bind(user.to_string())
    .bind(id)
    .bind(state)
    .bind(millis(at))
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

//! Gateways. A removed one stays as a row without a token; everything but the list passes it over.

use domain::Instant;
use domain::gateway::{Gateway, GatewayId};

use super::columns::{Columns, json, millis, optional_millis};
use super::{Connection, OrIfTaken as _, Row, found, text};
use crate::{Conflict, GatewayRecord, GatewaySeen, StoreResult, TokenHash};

pub(super) async fn add(
    db: &mut Connection,
    gateway: Gateway,
    token: TokenHash,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO gateways (id, name, name_key, kind, addresses, audiences, token_hash,
             created_at, created_by, removed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(gateway.id.to_string())
    .bind(gateway.name.to_string())
    .bind(text::fold(gateway.name.as_str()))
    .bind(gateway.kind.as_str())
    .bind(json(&gateway.addresses)?)
    .bind(json(&gateway.audiences)?)
    .bind(token.0.to_vec())
    .bind(millis(gateway.created_at))
    .bind(gateway.created_by)
    .bind(optional_millis(gateway.removed_at))
    .execute(db)
    .await
    .or_if_taken(Conflict::GatewayNameTaken)?;
    Ok(())
}

pub(super) async fn list(db: &mut Connection) -> StoreResult<Vec<GatewayRecord>> {
    sqlx::query("SELECT * FROM gateways ORDER BY removed_at IS NOT NULL, name_key, id")
        .fetch_all(db)
        .await?
        .iter()
        .map(to_record)
        .collect()
}

pub(super) async fn update(db: &mut Connection, gateway: Gateway) -> StoreResult<()> {
    let done = sqlx::query(
        "UPDATE gateways SET name = $2, name_key = $3, kind = $4, addresses = $5, audiences = $6
         WHERE id = $1 AND removed_at IS NULL",
    )
    .bind(gateway.id.to_string())
    .bind(gateway.name.to_string())
    .bind(text::fold(gateway.name.as_str()))
    .bind(gateway.kind.as_str())
    .bind(json(&gateway.addresses)?)
    .bind(json(&gateway.audiences)?)
    .execute(db)
    .await
    .or_if_taken(Conflict::GatewayNameTaken)?;
    found(done.rows_affected(), "gateway")
}

pub(super) async fn replace_token(
    db: &mut Connection,
    id: GatewayId,
    token: TokenHash,
) -> StoreResult<()> {
    let done =
        sqlx::query("UPDATE gateways SET token_hash = $2 WHERE id = $1 AND removed_at IS NULL")
            .bind(id.to_string())
            .bind(token.0.to_vec())
            .execute(db)
            .await?;
    found(done.rows_affected(), "gateway")
}

pub(super) async fn remove(db: &mut Connection, id: GatewayId, at: Instant) -> StoreResult<()> {
    let done = sqlx::query(
        "UPDATE gateways SET removed_at = $2, token_hash = NULL
         WHERE id = $1 AND removed_at IS NULL",
    )
    .bind(id.to_string())
    .bind(millis(at))
    .execute(db)
    .await?;
    found(done.rows_affected(), "gateway")
}

pub(super) async fn record_seen(
    db: &mut Connection,
    seen: Vec<(GatewayId, GatewaySeen)>,
) -> StoreResult<()> {
    for (id, seen) in seen {
        sqlx::query(
            "UPDATE gateways SET last_seen_at = $2, last_seen_address = $3
             WHERE id = $1 AND (last_seen_at IS NULL OR last_seen_at < $2)",
        )
        .bind(id.to_string())
        .bind(millis(seen.at))
        .bind(seen.address)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

fn to_record(row: &Row) -> StoreResult<GatewayRecord> {
    let columns = Columns::of("gateways", row);
    let gateway = Gateway {
        id: columns.parse("id")?,
        name: columns.parse("name")?,
        kind: columns.parse("kind")?,
        addresses: columns.json("addresses", "it is no list of addresses")?,
        audiences: columns.json("audiences", "it is no list of audiences")?,
        created_at: columns.instant("created_at")?,
        created_by: columns.get("created_by")?,
        removed_at: columns.optional_instant("removed_at")?,
    };
    let token = match gateway.removed_at {
        None => Some(TokenHash(columns.hash("token_hash")?)),
        Some(_) => None,
    };
    let last_seen = match columns.optional_instant("last_seen_at")? {
        Some(at) => Some(GatewaySeen {
            at,
            address: columns.get("last_seen_address")?,
        }),
        None => None,
    };
    Ok(GatewayRecord {
        gateway,
        token,
        last_seen,
    })
}

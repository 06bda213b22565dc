//! What was decided about requests, kept for a while so that a refusal can be looked up.

use domain::Instant;
use domain::key_id::KeyId;
use sqlx::QueryBuilder;

use super::columns::{Columns, millis};
use super::{Connection, Db, ROWS_AT_ONCE, Row};
use crate::{DecisionRow, StoreResult};

/// The place of a decision among all, by age.
pub(super) type Place = (i64, String);

/// Which decisions.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose {
    All,
    /// Those behind which no credential stands.
    Strangers,
}

impl Whose {
    const fn condition(self) -> &'static str {
        match self {
            Self::All => "TRUE",
            Self::Strangers => "is_stranger",
        }
    }
}

pub(super) async fn record(db: &mut Connection, decisions: Vec<DecisionRow>) -> StoreResult<()> {
    let mut query = QueryBuilder::<Db>::new(
        "INSERT INTO decisions (request_id, at, key_id, surface, method, template, address, allowed,
             reason, detail, is_stranger) ",
    );
    query.push_values(decisions, |mut values, decision| {
        values
            .push_bind(decision.request_id)
            .push_bind(millis(decision.at))
            .push_bind(decision.key_id.map(|key_id| key_id.as_str().to_owned()))
            .push_bind(decision.surface)
            .push_bind(decision.method)
            .push_bind(decision.template)
            .push_bind(decision.address)
            .push_bind(decision.allowed)
            .push_bind(decision.reason)
            .push_bind(decision.detail)
            .push_bind(decision.is_stranger);
    });
    query.push(" ON CONFLICT (request_id) DO NOTHING");
    query.build().persistent(false).execute(db).await?;
    Ok(())
}

pub(super) async fn find(
    db: &mut Connection,
    request_id: String,
) -> StoreResult<Option<DecisionRow>> {
    let row = sqlx::query("SELECT * FROM decisions WHERE request_id = $1")
        .bind(request_id)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(to_decision).transpose()
}

pub(super) async fn list_of(
    db: &mut Connection,
    key_id: KeyId,
    limit: u32,
) -> StoreResult<Vec<DecisionRow>> {
    sqlx::query(
        "SELECT * FROM decisions WHERE key_id = $1 ORDER BY at DESC, request_id DESC LIMIT $2",
    )
    .bind(key_id.as_str().to_owned())
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?
    .iter()
    .map(to_decision)
    .collect()
}

/// The newest decision beyond the newest `keep`.
pub(super) async fn first_beyond(
    db: &mut Connection,
    whose: Whose,
    keep: u32,
) -> StoreResult<Option<Place>> {
    let mut query = QueryBuilder::<Db>::new("SELECT at, request_id FROM decisions WHERE ");
    query
        .push(whose.condition())
        .push(" ORDER BY at DESC, request_id DESC LIMIT 1 OFFSET ")
        .push_bind(i64::from(keep));
    let row = query.build().fetch_optional(db).await?;
    row.map(|row| {
        let columns = Columns::of("decisions", &row);
        Ok((columns.get("at")?, columns.get("request_id")?))
    })
    .transpose()
}

/// Removes the oldest decisions: those before an instant, and those up to a place.
pub(super) async fn trim(
    db: &mut Connection,
    whose: Whose,
    before: Instant,
    beyond: Option<Place>,
) -> StoreResult<u64> {
    // No request id is empty: this place is after all that came before the instant.
    let too_old = (millis(before), String::new());
    let (at, request_id) = beyond.into_iter().fold(too_old, Ord::max);
    let mut query = QueryBuilder::<Db>::new(
        "DELETE FROM decisions WHERE request_id IN (SELECT request_id FROM decisions WHERE ",
    );
    query
        .push(whose.condition())
        .push(" AND (at, request_id) <= (")
        .push_bind(at)
        .push(", ")
        .push_bind(request_id)
        .push(") ORDER BY at, request_id LIMIT ")
        .push_bind(ROWS_AT_ONCE)
        .push(")");
    let done = query.build().execute(db).await?;
    Ok(done.rows_affected())
}

fn to_decision(row: &Row) -> StoreResult<DecisionRow> {
    let columns = Columns::of("decisions", row);
    Ok(DecisionRow {
        request_id: columns.get("request_id")?,
        at: columns.instant("at")?,
        key_id: columns.parse_optional("key_id")?,
        is_stranger: columns.get("is_stranger")?,
        surface: columns.get("surface")?,
        method: columns.get("method")?,
        template: columns.get("template")?,
        address: columns.get("address")?,
        allowed: columns.get("allowed")?,
        reason: columns.get("reason")?,
        detail: columns.get("detail")?,
    })
}

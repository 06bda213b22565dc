//! The audit log: a chain of events, each with the hash of all before it.

use domain::Instant;
use domain::audit::{AuditEntry, AuditEvent, ChainHash, ObjectKind, Outcome};

use sqlx::QueryBuilder;

use super::columns::{Columns, millis};
use super::{Connection, LOCK_AUDIT_HEAD, Row, epochs, notify, unavailable};
use crate::{AuditQuery, CHANGES_AT_ONCE, Change, Named, StoreResult};

/// The number and hash of the last event.
pub(super) type Head = (i64, ChainHash);

/// Takes the end of the log for this transaction: nobody else can append until it ends.
pub(super) async fn lock_head(db: &mut Connection) -> StoreResult<Head> {
    to_head(&sqlx::query(LOCK_AUDIT_HEAD).fetch_one(db).await?)
}

/// The same for an event that comes with a change. What a person does is refused if what they have open
/// has ended since it was looked at: however slowly their request arrives, an end ends it.
pub(super) async fn lock_head_for(db: &mut Connection, event: &AuditEvent) -> StoreResult<Head> {
    let head = lock_head(db).await?;
    if let (Some(actor), Some(epoch), Outcome::Done) =
        (&event.actor_id, event.actor_epoch, event.outcome)
    {
        epochs::hold(db, actor, epoch).await?;
    }
    Ok(head)
}

pub(super) async fn head(db: &mut Connection) -> StoreResult<Head> {
    to_head(
        &sqlx::query("SELECT seq, hash FROM audit_head")
            .fetch_one(db)
            .await?,
    )
}

pub(super) async fn last_time(db: &mut Connection) -> StoreResult<Option<Instant>> {
    sqlx::query("SELECT at FROM audit_events ORDER BY seq DESC LIMIT 1")
        .fetch_optional(db)
        .await?
        .map(|row| Columns::of("audit_events", &row).instant("at"))
        .transpose()
}

pub(super) async fn base(db: &mut Connection) -> StoreResult<Head> {
    to_head(
        &sqlx::query("SELECT seq, hash FROM audit_base")
            .fetch_one(db)
            .await?,
    )
}

pub(super) async fn trim(db: &mut Connection, (seq, hash): Head) -> StoreResult<()> {
    sqlx::query("UPDATE audit_base SET seq = $1, hash = $2")
        .bind(seq)
        .bind(hash.0.to_vec())
        .execute(db)
        .await?;
    Ok(())
}

fn to_head(row: &Row) -> StoreResult<Head> {
    let columns = Columns::of("audit_events", row);
    Ok((columns.get("seq")?, ChainHash(columns.hash("hash")?)))
}

/// Appends an event after the head that this transaction has locked.
pub(super) async fn append(
    db: &mut Connection,
    (last, hash): Head,
    mut event: AuditEvent,
) -> StoreResult<()> {
    event.at = domain::to_millis(event.at);
    let seq = last + 1;
    let hash = hash.after(seq, &event).0.to_vec();
    sqlx::query(
        "INSERT INTO audit_events (seq, at, actor_kind, actor_id, actor_name, action, object_kind,
             object_id, object_name, outcome, address, request_id, detail, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(seq)
    .bind(millis(event.at))
    .bind(event.actor_kind.as_str())
    .bind(event.actor_id)
    .bind(event.actor_name)
    .bind(event.action.as_str())
    .bind(event.object_kind.as_str())
    .bind(event.object_id)
    .bind(event.object_name)
    .bind(event.outcome.as_str())
    .bind(event.address)
    .bind(event.request_id)
    .bind(event.detail)
    .bind(hash.clone())
    .execute(&mut *db)
    .await?;
    sqlx::query("UPDATE audit_head SET seq = $1, hash = $2")
        .bind(seq)
        .bind(hash)
        .execute(&mut *db)
        .await?;
    notify(db).await
}

/// One query, asked several times a second: the last entry that was read comes along, so that a log
/// which does not go on from it is noticed.
pub(super) async fn changes_after(
    db: &mut Connection,
    (seq, hash): Head,
) -> StoreResult<Option<Vec<Change>>> {
    let rows = sqlx::query(
        "SELECT e.seq, e.hash, e.at, e.object_kind, e.object_id, k.url, r.expires_at
         FROM audit_events e
         LEFT JOIN credential_key_sets k
             ON e.object_kind = 'credential' AND k.key_id = e.object_id
         LEFT JOIN revoked_tokens r ON e.object_kind = 'token' AND r.jti = e.object_id
         WHERE e.seq >= $1 ORDER BY e.seq LIMIT $2",
    )
    .bind(seq)
    .bind(i64::try_from(CHANGES_AT_ONCE + 1).map_err(unavailable)?)
    .fetch_all(db)
    .await?;
    let changes = rows.iter().map(to_change);
    let mut changes = changes.collect::<StoreResult<Vec<_>>>()?;
    let goes_on = match changes.first() {
        first if seq == 0 => first.is_none_or(|first| first.seq == 1),
        Some(first) => (first.seq, first.hash) == (seq, hash),
        None => false,
    };
    if seq > 0 && goes_on {
        changes.remove(0);
    }
    Ok(goes_on.then_some(changes))
}

fn to_change(row: &Row) -> StoreResult<Change> {
    let columns = Columns::of("audit_events", row);
    Ok(Change {
        seq: columns.get("seq")?,
        hash: ChainHash(columns.hash("hash")?),
        at: columns.instant("at")?,
        kind: columns.parse("object_kind")?,
        id: columns.get("object_id")?,
        key_url: columns.get("url")?,
        token_ends_at: columns.optional_instant("expires_at")?,
    })
}

pub(super) async fn list(
    db: &mut Connection,
    after: i64,
    limit: u32,
) -> StoreResult<Vec<AuditEntry>> {
    sqlx::query("SELECT * FROM audit_events WHERE seq > $1 ORDER BY seq LIMIT $2")
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(db)
        .await?
        .iter()
        .map(to_entry)
        .collect()
}

pub(super) async fn list_of(
    db: &mut Connection,
    kind: ObjectKind,
    id: String,
    limit: u32,
) -> StoreResult<Vec<AuditEntry>> {
    sqlx::query(
        "SELECT * FROM audit_events WHERE object_kind = $1 AND object_id = $2
         ORDER BY seq DESC LIMIT $3",
    )
    .bind(kind.as_str())
    .bind(id)
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?
    .iter()
    .map(to_entry)
    .collect()
}

pub(super) async fn search(
    db: &mut Connection,
    wanted: AuditQuery,
) -> StoreResult<Vec<AuditEntry>> {
    let mut query = QueryBuilder::new("SELECT * FROM audit_events WHERE TRUE");
    for (what, named) in [("actor", wanted.actor), ("object", wanted.object)] {
        let (column, value) = match named {
            Some(Named::Id(id)) => ("id", id),
            Some(Named::Name(name)) => ("name", name),
            None => continue,
        };
        query
            .push(format_args!(" AND {what}_{column} = "))
            // No stored text has a NUL, and PostgreSQL takes none.
            .push_bind(value.replace('\0', ""));
    }
    if let Some(action) = wanted.action {
        query.push(" AND action = ").push_bind(action.as_str());
    }
    if let Some(outcome) = wanted.outcome {
        query.push(" AND outcome = ").push_bind(outcome.as_str());
        // Said in the words of the indexes of these few.
        if outcome != Outcome::Done {
            query.push(" AND outcome <> 'done'");
        }
    }
    // Times and numbers grow together: the numbers at both ends spare a walk over all the others.
    if let Some(from) = wanted.from {
        query.push(" AND at >= ").push_bind(millis(from));
        query
            .push(" AND seq >= (SELECT seq FROM audit_events WHERE at >= ")
            .push_bind(millis(from))
            .push(" ORDER BY at, seq LIMIT 1)");
    }
    if let Some(until) = wanted.until {
        query.push(" AND at < ").push_bind(millis(until));
        query
            .push(" AND seq <= (SELECT seq FROM audit_events WHERE at < ")
            .push_bind(millis(until))
            .push(" ORDER BY at DESC, seq DESC LIMIT 1)");
    }
    let (comparison, order) = if wanted.newest_first {
        ("<", "DESC")
    } else {
        (">", "ASC")
    };
    if let Some(beyond) = wanted.beyond {
        query
            .push(format_args!(" AND seq {comparison} "))
            .push_bind(beyond);
    }
    query
        .push(format_args!(" ORDER BY seq {order} LIMIT "))
        .push_bind(i64::from(wanted.limit));
    query
        .build()
        .fetch_all(db)
        .await?
        .iter()
        .map(to_entry)
        .collect()
}

fn to_entry(row: &Row) -> StoreResult<AuditEntry> {
    let columns = Columns::of("audit_events", row);
    Ok(AuditEntry {
        seq: columns.get("seq")?,
        event: AuditEvent {
            at: columns.instant("at")?,
            actor_kind: columns.parse("actor_kind")?,
            actor_id: columns.get("actor_id")?,
            actor_epoch: None,
            actor_name: columns.get("actor_name")?,
            action: columns.parse("action")?,
            object_kind: columns.parse("object_kind")?,
            object_id: columns.get("object_id")?,
            object_name: columns.get("object_name")?,
            outcome: columns.parse("outcome")?,
            address: columns.get("address")?,
            request_id: columns.get("request_id")?,
            detail: columns.get("detail")?,
        },
        hash: ChainHash(columns.hash("hash")?),
    })
}

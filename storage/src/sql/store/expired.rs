//! The clearing away of what has no effect any more, because its time is over.

use domain::Instant;

use super::columns::millis;
use super::{Connection, ROWS_AT_ONCE};
use crate::StoreResult;

/// What opens something until its end.
const OPENING: [&str; 2] = [
    "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions
         WHERE idle_until <= $1 OR absolute_until <= $1 LIMIT $2)",
    "DELETE FROM one_time_tokens WHERE hash IN (SELECT hash FROM one_time_tokens
         WHERE expires_at <= $1 LIMIT $2)",
];

/// What tells other nodes something until its end.
const TELLING: [&str; 4] = [
    "DELETE FROM log_out_messages WHERE id IN (SELECT id FROM log_out_messages
         WHERE until <= $1 LIMIT $2)",
    "DELETE FROM assertion_ids WHERE (key_id, id) IN (SELECT key_id, id FROM assertion_ids
         WHERE until <= $1 LIMIT $2)",
    "DELETE FROM revoked_tokens WHERE jti IN (SELECT jti FROM revoked_tokens
         WHERE expires_at <= $1 LIMIT $2)",
    // What the audit log was trimmed of; the triggers let nothing else go.
    "DELETE FROM audit_events WHERE seq IN (SELECT seq FROM audit_events
         WHERE seq <= (SELECT seq FROM audit_base) AND at <= $1 ORDER BY seq LIMIT $2)",
];

pub(super) async fn delete(db: &mut Connection, now: Instant, before: Instant) -> StoreResult<u64> {
    let opening = OPENING.map(|clearing| (clearing, now));
    let telling = TELLING.map(|clearing| (clearing, before));
    let mut deleted = 0;
    for (clearing, by) in opening.into_iter().chain(telling) {
        deleted += sqlx::query(clearing)
            .bind(millis(by))
            .bind(ROWS_AT_ONCE)
            .execute(&mut *db)
            .await?
            .rows_affected();
    }
    Ok(deleted)
}

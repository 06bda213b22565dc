//! Hearing of what other processes change: host commands, other replicas.
//!
//! The audit log is the feed (ADR 0004). What is kept in memory is used only while the feed is
//! fresh; a database that is down makes the gate refuse.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant as Monotonic};

use domain::audit::ObjectKind;
use storage::StoreResult;

use crate::Services;
use crate::error::ServiceResult;
use crate::signing_keys::LAST_TOKEN;

/// How long the feed may be silent before what is in memory is set aside.
const STALE_AFTER: Duration = Duration::from_millis(900);
/// How long to wait for news between two looks at the feed.
const PATIENCE: Duration = Duration::from_millis(300);

/// How far the feed has been read, and when.
#[derive(Debug)]
pub(crate) struct Feed {
    started: Monotonic,
    synced_millis: AtomicU64,
    seq: AtomicI64,
}

impl Feed {
    pub(crate) fn new(seq: i64) -> Self {
        Self {
            started: Monotonic::now(),
            synced_millis: AtomicU64::new(0),
            seq: AtomicI64::new(seq),
        }
    }

    /// Whether nothing older than [`STALE_AFTER`] can be unheard.
    pub(crate) fn is_fresh(&self) -> bool {
        let age = self
            .millis()
            .saturating_sub(self.synced_millis.load(Ordering::Relaxed));
        u128::from(age) < STALE_AFTER.as_millis()
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Services {
    /// Hears at once of what other processes changed up to now.
    pub async fn catch_up(&self) -> ServiceResult<()> {
        let inner = &self.0;
        loop {
            // Taken before the look: what is written after it is not yet known.
            let asked_at = inner.feed.millis();
            let seq = inner.feed.seq.load(Ordering::Relaxed);
            let changes = inner.store.changes_after(seq).await?;
            let Some(last) = changes.last() else {
                inner.feed.synced_millis.store(asked_at, Ordering::Relaxed);
                return Ok(());
            };
            let last = last.seq;
            let has = |kind| changes.iter().any(|change| change.kind == kind);
            if has(ObjectKind::SigningKey) {
                inner.signer.load(&inner.store, &inner.keys).await?;
            }
            if has(ObjectKind::Gateway) {
                inner.gateways.load(&inner.store).await?;
            }
            for change in changes {
                match (change.kind, change.id) {
                    (ObjectKind::Credential, Some(id)) => {
                        if let Ok(key_id) = id.parse() {
                            inner.live.forget(key_id);
                        }
                    }
                    (ObjectKind::Token, Some(jti)) => {
                        let until = self.now() + LAST_TOKEN;
                        inner.tokens.revoked.note(jti, until);
                    }
                    _ => {}
                }
            }
            inner.feed.seq.store(last, Ordering::Relaxed);
        }
    }

    /// Follows what other processes change, for ever.
    pub async fn follow_changes(&self) {
        let mut was_up = true;
        loop {
            match self.wait_and_catch_up().await {
                Ok(()) if was_up => {}
                Ok(()) => {
                    was_up = true;
                    tracing::info!("the feed of changes can be read again");
                }
                Err(error) => {
                    if was_up {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "the feed of changes can't be read: the gate asks the database for each call"
                        );
                    }
                    was_up = false;
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    }

    /// Catches up even if the waiting failed.
    async fn wait_and_catch_up(&self) -> ServiceResult<()> {
        let waited: StoreResult<()> = self.store().wait_for_change(PATIENCE).await;
        self.catch_up().await?;
        Ok(waited?)
    }
}

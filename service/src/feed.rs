//! Hearing of what other processes change: host commands, other replicas.
//!
//! The audit log is the feed (ADR 0004). What is kept in memory is used only while the feed is
//! fresh; a database that is down makes the gate refuse. A log that does not go on from where it was
//! read makes this process forget all that it knows from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Monotonic};

use domain::audit::{Action, ChainHash, ObjectKind, Outcome};
use serde_json::json;
use storage::{CHANGES_AT_ONCE, Change, StoreError, StoreResult};
use tokio::sync::Mutex;
use tracing::Instrument as _;

use crate::Services;
use crate::actor::{Actor, Object};
use crate::error::{ServiceError, ServiceResult};
use crate::known_time::KEPT_AFTER_END;
use crate::signing_keys::LAST_TOKEN;

/// How long the feed may be silent before what is in memory is set aside.
const STALE_AFTER: Duration = Duration::from_millis(900);
/// How long to wait for news between two looks at the feed.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long a look may take with all that it leads to, and how long whoever decides waits for one. The
/// store gives a connection up much sooner that is dead.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// The number and hash of an audit entry.
type Head = (i64, ChainHash);

/// How far the feed has been read, and when.
#[derive(Debug)]
pub(crate) struct Feed {
    started: Monotonic,
    synced_millis: AtomicU64,
    /// How often all was forgotten because the log did not go on.
    breaks: AtomicU64,
    /// Held while it is read.
    place: Mutex<Place>,
}

/// Where the feed is read on.
#[derive(Debug)]
struct Place {
    /// The number and hash of the last entry that was read.
    last: Head,
    /// Whether every look at it came to something. If not, the next one may be at another database,
    /// to which it never came what this process has read since the look before.
    is_unbroken: bool,
}

/// How the feed of changes is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedState {
    /// How long ago all was heard that had been changed by then.
    pub age: Duration,
    /// How often the log did not go on from where it was read: after a failover that lost events, say,
    /// or a restored backup.
    pub breaks: u64,
}

impl Feed {
    /// A feed whose last entry is about to be read.
    pub(crate) fn new() -> Self {
        Self {
            started: Monotonic::now(),
            synced_millis: AtomicU64::new(0),
            breaks: AtomicU64::new(0),
            place: Mutex::new(Place {
                last: (0, ChainHash::START),
                is_unbroken: true,
            }),
        }
    }

    /// What is read after this entry is heard of.
    pub(crate) async fn begin_after(&self, last: Head) {
        self.place.lock().await.last = last;
    }

    /// Whether nothing older than [`STALE_AFTER`] can be unheard.
    pub(crate) fn is_fresh(&self) -> bool {
        self.age() < STALE_AFTER
    }

    fn age(&self) -> Duration {
        let synced = self.synced_millis.load(Ordering::Relaxed);
        Duration::from_millis(self.millis().saturating_sub(synced))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Services {
    /// How the feed of changes is doing, for those who watch over the server.
    #[must_use]
    pub fn feed(&self) -> FeedState {
        FeedState {
            age: self.0.feed.age(),
            breaks: self.0.feed.breaks.load(Ordering::Relaxed),
        }
    }

    /// Makes sure that what is in memory may be used: whoever decides by it calls this first.
    ///
    /// # Errors
    /// The feed can't be read, and what is in memory must not be believed.
    pub(crate) async fn hear(&self) -> ServiceResult<()> {
        if self.0.feed.is_fresh() {
            return Ok(());
        }
        self.hear_anew().await
    }

    /// Hears of all that was changed up to now: many who ask at once share a look.
    ///
    /// # Errors
    /// The feed can't be read.
    pub(crate) async fn hear_anew(&self) -> ServiceResult<()> {
        // It goes on by itself: one who waits for it must not be able to hold the others up.
        let services = self.clone();
        let looking = tokio::spawn(async move { services.catch_up().await }.in_current_span());
        in_time(async { looking.await.map_err(ServiceError::internal)? }).await
    }

    /// Hears at once of what other processes changed up to now.
    ///
    /// # Errors
    /// The store fails, or takes too long.
    pub async fn catch_up(&self) -> ServiceResult<()> {
        let feed = &self.0.feed;
        let wanted = feed.millis();
        let mut place = in_time(async { Ok(feed.place.lock().await) }).await?;
        // Somebody else has looked meanwhile.
        if feed.synced_millis.load(Ordering::Relaxed) > wanted {
            return Ok(());
        }
        let read = in_time(self.read_feed(&mut place)).await;
        place.is_unbroken &= read.is_ok();
        read
    }

    async fn read_feed(&self, place: &mut Place) -> ServiceResult<()> {
        let inner = &self.0;
        loop {
            if !place.is_unbroken {
                inner.store.connect_anew().await?;
            }
            // Taken before the look: what is written after it is not yet known.
            let asked_at = inner.feed.millis();
            let changes = inner.store.changes_after(place.last).await?;
            let goes_on = changes.is_some();
            if !goes_on {
                // The others may still lead to the database before.
                inner.store.connect_anew().await?;
            }
            if !goes_on || !place.is_unbroken {
                self.start_afresh(place, goes_on).await?;
            }
            let changes = changes.unwrap_or_default();
            let may_be_more = changes.len() >= CHANGES_AT_ONCE;
            if let Some(last) = changes.last() {
                let last = (last.seq, last.hash);
                self.take_in(changes).await?;
                place.last = last;
            }
            // What comes after the look is for the next one: others may write without a pause.
            if !may_be_more {
                inner.feed.synced_millis.store(asked_at, Ordering::Relaxed);
                return Ok(());
            }
        }
    }

    /// Brings what is in memory up to what other processes have changed. A new kind of object has to
    /// say here what of it is kept; ARCHITECTURE.md lists all that is.
    async fn take_in(&self, changes: Vec<Change>) -> ServiceResult<()> {
        let inner = &self.0;
        let (mut signing_keys, mut gateways, mut clock) = (false, false, false);
        for change in changes {
            inner.time.hear(change.at);
            match (change.kind, change.id) {
                (ObjectKind::Credential, Some(id)) => {
                    if let Ok(key_id) = id.parse() {
                        inner.live.forget(key_id);
                    }
                    // Set anew, or to be fetched: what came from it before counts no longer.
                    if let Some(url) = change.key_url {
                        inner.key_sets.forget(&url);
                    }
                }
                (ObjectKind::Token, Some(jti)) => {
                    // One that is not stored any more has ended, by the clock of whoever removed it.
                    let long = || self.now() + LAST_TOKEN + KEPT_AFTER_END;
                    let until = change.token_ends_at.unwrap_or_else(long);
                    inner.tokens.revoked.note(jti, until);
                }
                (ObjectKind::SigningKey, _) => signing_keys = true,
                (ObjectKind::Gateway, _) => gateways = true,
                // What is told of the installation is rare, and may be that the clock was accepted.
                (ObjectKind::System, _) => clock = true,
                // A refusal that names none: nothing changed.
                (ObjectKind::Credential | ObjectKind::Token, None)
                // Read from the store whenever they are asked for; and each node decides by a catalogue
                // file of its own, of which the store has the history.
                | (ObjectKind::User | ObjectKind::Catalogue, _) => {}
            }
        }
        if signing_keys {
            inner.signer.load(&inner.store, &inner.keys).await?;
        }
        if gateways {
            inner.gateways.load(&inner.store).await?;
        }
        if clock {
            self.hear_of_clock().await?;
        }
        Ok(())
    }

    /// Forgets all that came from the store, and reads anew what is always in memory: either the log
    /// does not go on from what this process has read, or nobody knows whether the database that answers
    /// now ever had what was read since the last look. Revocations of tokens are kept, even lost ones.
    async fn start_afresh(&self, place: &mut Place, goes_on: bool) -> ServiceResult<()> {
        let inner = &self.0;
        // Read first: what is written after it is heard of.
        let head = inner.store.audit_head().await?;
        inner.live.forget_all();
        inner.key_sets.forget_all();
        inner.recent_issues.forget_all();
        inner.kept_counts.forget();
        inner.signer.load(&inner.store, &inner.keys).await?;
        inner.gateways.load(&inner.store).await?;
        self.load_revoked_tokens(self.now()).await?;
        self.hear_of_clock().await?;
        if !goes_on {
            self.tell_of_break(place.last, head).await?;
            place.last = head;
        }
        place.is_unbroken = true;
        Ok(())
    }

    async fn tell_of_break(&self, read: Head, head: Head) -> ServiceResult<()> {
        let (trimmed, _) = self.store().audit_base().await?;
        if trimmed >= read.0 {
            tracing::warn!(
                read = read.0,
                trimmed,
                "the audit log was trimmed beyond what this process has read: all that was kept in \
                 memory has been read anew"
            );
            return Ok(());
        }
        self.0.feed.breaks.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            read = read.0,
            head = head.0,
            "the audit log does not go on from the last entry that this process has read: the database \
             has lost changes or is another one (a failover, a restored backup). All that was kept in \
             memory has been read anew. Check what was revoked, quarantined or issued last"
        );
        let detail = json!({
            "read": { "seq": read.0, "hash": read.1.to_string() },
            "found": { "seq": head.0, "hash": head.1.to_string() },
        });
        let (action, object) = (Action::AuditBroken, Object::system("audit log"));
        let event = Actor::system().event(self.now(), action, Outcome::Done, object, detail);
        let services = self.clone();
        // In its own time: a database that was just put in place may not take it yet.
        tokio::spawn(async move {
            if let Err(error) = services.append_audit(event).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "that the audit log was broken off could not be noted in it"
                );
            }
        });
        Ok(())
    }

    /// Follows what other processes change, for ever.
    pub async fn follow_changes(&self) {
        tokio::join!(self.follow_feed(), self.keep_key_ids());
    }

    async fn follow_feed(&self) {
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
                            "the feed of changes can't be read: what is in memory is not used until it can"
                        );
                    }
                    was_up = false;
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    }

    /// Catches up even if the waiting failed: the connection was lost, and the next one may lead to
    /// another server.
    async fn wait_and_catch_up(&self) -> ServiceResult<()> {
        let waited: StoreResult<()> = self.store().wait_for_change(PATIENCE).await;
        if waited.is_err() {
            self.0.feed.place.lock().await.is_unbroken = false;
        }
        self.catch_up().await?;
        Ok(waited?)
    }
}

/// Gives a look at the feed up when it takes too long: its connection may be dead without saying so.
async fn in_time<T>(look: impl Future<Output = ServiceResult<T>>) -> ServiceResult<T> {
    let too_long = || StoreError::Unavailable("a look at the feed of changes took too long".into());
    tokio::time::timeout(TIME_LIMIT, look)
        .await
        .map_err(|_| too_long())?
}

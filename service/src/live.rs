//! What the gate and the issuer know of credentials, kept in memory and never stale for long.
//!
//! A credential is read from the store when it is first asked for. What changes it in this process
//! forgets it at once; what changes it elsewhere is heard of through the feed of changes. While the
//! feed can't be followed the cache is not used: a database that is down makes the gate refuse.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Monotonic};

use domain::Instant;
use domain::access::Access;
use domain::audit::ObjectKind;
use domain::catalogue::Catalogue;
use domain::credential::{Flow, State, state_at};
use domain::key_id::KeyId;
use domain::scope::ScopeSet;
use moka::sync::Cache;
use storage::{LiveCredential, SharedStore, StoreResult};

/// As many credentials are kept, about 1 kB each; the ones unused for longest are forgotten.
const CAPACITY: u64 = 50_000;
/// How long the feed may be silent before the cache is set aside.
const STALE_AFTER: Duration = Duration::from_millis(900);
/// How long to wait for news between two looks at the feed.
const PATIENCE: Duration = Duration::from_millis(300);

/// A credential as the gate sees it.
#[derive(Debug)]
pub(crate) struct Live {
    pub stored: LiveCredential,
    /// All that its access comes to.
    pub scopes: ScopeSet,
    /// The same as a scope string, for a header.
    pub scope_text: String,
    /// The name in ASCII, percent-encoded where it was not, for a header.
    pub header_name: String,
    /// The second of the last use that was noted, so that a busy key is noted once a second.
    pub noted_at: AtomicI64,
}

impl Live {
    pub(crate) fn state(&self, now: Instant) -> State {
        let credential = &self.stored.credential;
        state_at(&credential.standing, credential.expires_at, now)
    }

    pub(crate) fn flow(&self) -> Flow {
        self.stored.credential.flow
    }

    pub(crate) fn access(&self) -> &Access {
        &self.stored.credential.access
    }
}

/// The cache, and the follower of the feed.
#[derive(Debug)]
pub(crate) struct LiveCredentials {
    store: SharedStore,
    catalogue: Arc<Catalogue>,
    /// `None` is a key id that nobody has: looking it up again and again is as cheap as a real one.
    cache: Cache<KeyId, Option<Arc<Live>>>,
    /// Counts forgettings, so that a row read before one is not kept after it.
    generation: Mutex<u64>,
    started: Monotonic,
    synced_millis: AtomicU64,
    seq: AtomicI64,
}

impl LiveCredentials {
    pub(crate) fn new(store: SharedStore, catalogue: Arc<Catalogue>, seq: i64) -> Self {
        Self {
            store,
            catalogue,
            cache: Cache::new(CAPACITY),
            generation: Mutex::new(0),
            started: Monotonic::now(),
            synced_millis: AtomicU64::new(0),
            seq: AtomicI64::new(seq),
        }
    }

    /// The credential, from memory if the feed is fresh.
    pub(crate) async fn find(&self, key_id: KeyId) -> StoreResult<Option<Arc<Live>>> {
        if self.is_fresh()
            && let Some(known) = self.cache.get(&key_id)
        {
            return Ok(known);
        }
        let before = *self
            .generation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let live = self
            .store
            .find_live_credential(key_id)
            .await?
            .map(|stored| {
                let scopes = stored.credential.access.scopes(&self.catalogue);
                Arc::new(Live {
                    scope_text: scopes.to_string(),
                    scopes,
                    header_name: ascii(stored.credential.name.as_str()),
                    noted_at: AtomicI64::new(0),
                    stored,
                })
            });
        let generation = self
            .generation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *generation == before {
            self.cache.insert(key_id, live.clone());
        }
        Ok(live)
    }

    /// Drops what is known of a credential: it has changed.
    pub(crate) fn forget(&self, key_id: KeyId) {
        let mut generation = self
            .generation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *generation += 1;
        self.cache.invalidate(&key_id);
    }

    fn is_fresh(&self) -> bool {
        let age = self
            .millis()
            .saturating_sub(self.synced_millis.load(Ordering::Relaxed));
        u128::from(age) < STALE_AFTER.as_millis()
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Reads the feed up to its end, and forgets what changed.
    pub(crate) async fn catch_up(&self) -> StoreResult<()> {
        loop {
            // Taken before the look: what is written after it is not yet known.
            let asked_at = self.millis();
            let changes = self
                .store
                .changes_after(self.seq.load(Ordering::Relaxed))
                .await?;
            for change in &changes {
                let key_id = change.id.as_deref().and_then(|id| id.parse().ok());
                if let (ObjectKind::Credential, Some(key_id)) = (change.kind, key_id) {
                    self.forget(key_id);
                }
                self.seq.store(change.seq, Ordering::Relaxed);
            }
            if changes.is_empty() {
                self.synced_millis.store(asked_at, Ordering::Relaxed);
                return Ok(());
            }
        }
    }

    /// Follows the feed for ever.
    pub(crate) async fn follow(&self) {
        let mut was_up = true;
        loop {
            let waited = self.store.wait_for_change(PATIENCE).await;
            let looked = self.catch_up().await;
            if let Err(error) = waited.and(looked) {
                if was_up {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the feed of changes can't be read: the gate asks the database for each call"
                    );
                }
                was_up = false;
                tokio::time::sleep(PATIENCE).await;
            } else if !was_up {
                was_up = true;
                tracing::info!("the feed of changes can be read again");
            }
        }
    }
}

/// A name as header text: visible ASCII as it is, the rest and `%` percent-encoded (RFC 3986).
fn ascii(name: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if (byte.is_ascii_graphic() || byte == b' ') && byte != b'%' {
            text.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn check_52_header_names_are_ascii() {
        assert_eq!(super::ascii("settlement worker"), "settlement worker");
        assert_eq!(super::ascii("größe 100%"), "gr%C3%B6%C3%9Fe 100%25");
    }
}

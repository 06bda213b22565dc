//! Which key ids there are. Strangers can make up as many as they like, and a look into the database for
//! each would keep the few connections of the gate from credentials that are real.
//!
//! A Bloom filter: it never misses an id that there is, and takes one in a thousand others for real, as
//! long as there are not more than a million in 2 MB. Those are looked up like any, so a filter that is too
//! full, or not read yet, costs look-ups and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::key_id::KeyId;
use fastbloom::AtomicBloomFilter;
use storage::StoreResult;
use tokio::sync::Notify;

use crate::clock::random_bytes;
use crate::error::ServiceResult;
use crate::live::Live;
use crate::memory::{CacheMemory, Share};
use crate::{Services, SharedStore};

/// How many bits each id sets, of the 15 that it has where there are a million in 2 MB.
const BITS_EACH: u32 = 7;
/// The largest filter has so many bits, 16 MB, however much memory there is.
const MOST_BITS: usize = 1 << 27;
/// So many are read at once.
const AT_ONCE: u32 = 10_000;
/// How long to wait when they can't be read.
const PAUSE: Duration = Duration::from_secs(1);

/// The ids.
#[derive(Debug)]
pub(crate) struct KeyIds {
    known: ArcSwap<Known>,
    bits: usize,
    /// That they must be read.
    wanted: Notify,
}

#[derive(Debug)]
struct Known {
    ids: AtomicBloomFilter,
    /// Whether all have been read that there were when this began.
    is_complete: AtomicBool,
}

impl Known {
    /// Nobody can foresee which ids it takes for each other.
    fn new(bits: usize) -> Self {
        let empty = AtomicBloomFilter::with_num_bits(bits);
        let seed = u128::from_ne_bytes(random_bytes());
        Self {
            ids: empty.seed(&seed).hashes(BITS_EACH),
            is_complete: AtomicBool::new(false),
        }
    }
}

impl KeyIds {
    pub(crate) fn new(memory: CacheMemory) -> Self {
        let bits = memory.entries(Share::KEY_IDS, 1).saturating_mul(8);
        let bits = bits.min(MOST_BITS);
        Self {
            known: ArcSwap::from_pointee(Known::new(bits)),
            bits,
            wanted: Notify::new(),
        }
    }

    /// Notes that there is an id.
    pub(crate) fn add(&self, key_id: KeyId) {
        self.known.load().ids.insert(&key_id);
    }

    /// Whether there may be an id; if not, nobody had it when the feed was read last.
    pub(crate) fn may_have(&self, key_id: KeyId) -> bool {
        let known = self.known.load();
        !known.is_complete.load(Ordering::SeqCst) || known.ids.contains(&key_id)
    }

    /// Forgets them, to be read anew: there may be others in the database by now.
    pub(crate) fn forget_all(&self) {
        self.known.store(Arc::new(Known::new(self.bits)));
        self.wanted.notify_one();
    }

    /// Whether all of them have been read.
    fn are_known(&self) -> bool {
        self.known.load().is_complete.load(Ordering::SeqCst)
    }

    /// Reads them. One that comes meanwhile is heard of by the feed, and added to the same filter.
    async fn read(&self, store: &SharedStore) -> StoreResult<()> {
        let known = self.known.load_full();
        let mut last = None;
        loop {
            let some = store.list_key_ids(last, AT_ONCE).await?;
            known.ids.insert_all(&some);
            last = some.last().copied();
            if last.is_none() {
                known.is_complete.store(true, Ordering::SeqCst);
                return Ok(());
            }
        }
    }
}

impl Services {
    /// Whether ids that strangers made up are told apart by now. Until then each costs a look into the
    /// database.
    #[must_use]
    pub fn knows_key_ids(&self) -> bool {
        self.0.live.ids.are_known()
    }

    /// Keeps knowing which key ids there are, for ever.
    pub(crate) async fn keep_key_ids(&self) {
        let ids = &self.0.live.ids;
        loop {
            match ids.read(self.store()).await {
                Ok(()) => ids.wanted.notified().await,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the key ids could not be read: made-up ones cost a look into the database"
                    );
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// The credential that somebody says is theirs. An id that is not known may be of one that another
    /// process issued a moment ago, so the feed is read first, once for all who wait for it. Strangers
    /// wait there for each other; they take no connection of the gate.
    pub(crate) async fn find_live(&self, key_id: KeyId) -> ServiceResult<Option<Arc<Live>>> {
        let live = &self.0.live;
        if let Some(known) = live.known(key_id) {
            return Ok(Some(known));
        }
        if !live.ids.may_have(key_id) {
            self.hear_anew().await?;
            if !live.ids.may_have(key_id) {
                return Ok(None);
            }
        }
        Ok(live.find(key_id).await?)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_filter_misses_no_id_and_takes_few_others_for_one() {
        let ids = KeyIds::new(CacheMemory::megabytes(96));
        let mut rng = StdRng::seed_from_u64(1);
        let mut some = |count| -> Vec<KeyId> {
            let one = |_| KeyId::generate(&mut rng);
            (0..count).map(one).collect()
        };
        let (real, strange) = (some(100_000), some(10_000));
        assert!(ids.may_have(strange[0]), "nothing is known yet");
        ids.known.load().is_complete.store(true, Ordering::SeqCst);
        for id in &real {
            ids.add(*id);
        }
        assert!(real.iter().all(|id| ids.may_have(*id)));
        let taken = strange.iter().filter(|id| ids.may_have(**id)).count();
        assert!(taken < 10, "{taken}");
        ids.forget_all();
        assert!(real.iter().chain(&strange).all(|id| ids.may_have(*id)));
    }
}

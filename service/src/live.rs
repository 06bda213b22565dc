//! What the gate and the issuer know of credentials, kept in memory and never stale for long.
//!
//! A credential is read from the store when it is first asked for. What changes it in this process
//! forgets it at once; what changes it elsewhere is heard of through the feed of changes. While the
//! feed can't be followed the cache is not used: a database that is down makes the gate refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::Instant;
use domain::access::Access;
use domain::catalogue::Catalogue;
use domain::credential::{Credential, Flow};
use domain::key_id::KeyId;
use domain::scope::ScopeSet;
use http::HeaderValue;
use quick_cache::sync::Cache;
use storage::{LiveCredential, PublicKeyRow, SharedStore, StoreResult};

use crate::assertion::VerifyingKey;
use crate::catalogue::InForce;
use crate::denial::{Cause, Denial};
use crate::feed::Feed;
use crate::generation::Generation;
use crate::key_ids::KeyIds;
use crate::key_sets::KnownKeys;
use crate::limiter::{Limiter, Limiters};
use crate::memory::{CacheMemory, OVERHEAD, Share, Weighed, Weighted, weighted};
use crate::usage::Counter;

/// About what a credential weighs here.
pub(crate) const ABOUT: usize = 1_500;
/// What is counted of its uses between two writes, and one level of its access in its tree, about.
const COUNTS: usize = 300;
const LEVEL: usize = 96;
/// As many different grants are shared.
const GRANTS: usize = 1_000;

/// A credential as the gate sees it.
#[derive(Debug)]
pub(crate) struct Live {
    pub stored: LiveCredential,
    /// The catalogue that it was made under. Whoever decides about a call goes by this one, so that
    /// one request sees one catalogue.
    pub catalogue: Arc<Catalogue>,
    /// All that its access comes to under that catalogue; a scope that is gone grants nothing.
    pub grant: Arc<Grant>,
    /// What the API is told of it.
    pub headers: Option<Introduction>,
    /// The registered public keys, ready to verify with.
    pub verifying_keys: Vec<VerifyingKey>,
    /// What was noted of its key set before this process asked for it.
    pub noted_keys: KnownKeys,
    /// When its key set was asked for, as far as that was noted in the store: milliseconds.
    pub key_set_noted: AtomicI64,
    /// Counts calls and tokens against its limits, if it has any.
    pub limiter: Option<Arc<Limiter>>,
    /// What it is used for, to be written soon.
    pub counter: Arc<Counter>,
    weight: usize,
}

impl Weighed for Option<Arc<Live>> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(0, |live| live.weight)
    }
}

/// What a credential weighs.
fn weight_of(stored: &LiveCredential) -> usize {
    let credential = &stored.credential;
    // The name is there for a header, too.
    let texts = 2 * credential.name.as_str().len()
        + credential.purpose.as_str().len()
        + credential.created_by.len();
    let levels = match &credential.access {
        Access::Custom(levels) => levels.len() * LEVEL,
        Access::ReadOnly | Access::Full => 0,
    };
    // Each is there as text and ready to verify with.
    let own = stored.public_keys.iter().map(|key| key.jwk.len());
    let key_set = stored.key_set.iter();
    let fetched = key_set.flat_map(|set| set.keys.iter().map(|key| key.jwk.len()));
    let key = size_of::<PublicKeyRow>() + size_of::<VerifyingKey>() + 4 * OVERHEAD;
    let keys: usize = own.chain(fetched).map(|jwk| 2 * jwk + key).sum();
    let addresses = size_of_val(credential.limits.addresses.networks());
    size_of::<Live>() + size_of::<LiveCredential>() + COUNTS + texts + levels + keys + addresses
}

impl Live {
    pub(crate) fn key_id(&self) -> KeyId {
        self.stored.credential.key_id
    }

    /// What stands against it at an instant; nothing while it is active.
    pub(crate) fn denial(&self, now: Instant) -> Option<Denial> {
        let cause = Cause::of_state(&self.stored.credential, now)?;
        Some(Denial::new(Some(self.key_id()), cause))
    }

    /// Whether its key set was asked for at an instant that was not noted yet; it is from now on.
    pub(crate) fn is_news(&self, asked_at: Instant) -> bool {
        let millis = asked_at.timestamp_millis();
        self.key_set_noted.fetch_max(millis, Ordering::Relaxed) < millis
    }

    pub(crate) fn flow(&self) -> Flow {
        self.stored.credential.flow
    }
}

/// Key id and name as values of headers, made once and not with each call.
#[derive(Debug)]
pub(crate) struct Introduction {
    pub key_id: HeaderValue,
    /// In ASCII, percent-encoded where it was not.
    pub name: HeaderValue,
}

impl Introduction {
    /// That of a credential; nothing if a header can't have it.
    fn of(credential: &Credential) -> Option<Self> {
        Some(Self {
            key_id: HeaderValue::from_str(credential.key_id.as_str()).ok()?,
            name: HeaderValue::try_from(ascii(credential.name.as_str())).ok()?,
        })
    }
}

/// What somebody may do.
#[derive(Debug)]
pub(crate) struct Grant {
    pub scopes: ScopeSet,
    /// The same as a scope string.
    pub text: String,
    /// And as the value of a header.
    pub header: Option<HeaderValue>,
}

/// The grants in use. Many credentials have the same, so all of them share one, which stays near the
/// processor.
#[derive(Debug)]
pub(crate) struct Grants(Cache<String, Arc<Grant>>);

impl Grants {
    pub(crate) fn of(&self, scopes: ScopeSet) -> Arc<Grant> {
        let text = scopes.to_string();
        if let Some(known) = self.0.get(&text) {
            return known;
        }
        let grant = Arc::new(Grant {
            scopes,
            header: HeaderValue::from_str(&text).ok(),
            text: text.clone(),
        });
        self.0.insert(text, grant.clone());
        grant
    }
}

/// The cache.
#[derive(Debug)]
pub(crate) struct LiveCredentials {
    store: SharedStore,
    in_force: Arc<InForce>,
    feed: Arc<Feed>,
    limiters: Limiters,
    pub grants: Grants,
    /// Which of them there are.
    pub ids: KeyIds,
    /// `None` is a key id that nobody has, though it looked as if.
    cache: Weighted<KeyId, Option<Arc<Live>>>,
    generation: Generation,
}

impl LiveCredentials {
    pub(crate) fn new(
        store: SharedStore,
        in_force: Arc<InForce>,
        feed: Arc<Feed>,
        limiters: Limiters,
        memory: CacheMemory,
    ) -> Self {
        Self {
            store,
            in_force,
            feed,
            limiters,
            grants: Grants(Cache::new(GRANTS)),
            ids: KeyIds::new(memory),
            cache: weighted(memory, Share::CREDENTIALS, ABOUT),
            generation: Generation::default(),
        }
    }

    /// The credential, if it is in memory, the feed is fresh and the catalogue still the same.
    pub(crate) fn known(&self, key_id: KeyId) -> Option<Arc<Live>> {
        if !self.feed.is_fresh() {
            return None;
        }
        let known = self.cache.get(&key_id)?;
        known.filter(|live| self.in_force.is(&live.catalogue))
    }

    /// The credential, from memory or from the store. Who has only been told its id asks
    /// [`Services::find_live`](crate::Services::find_live).
    pub(crate) async fn find(&self, key_id: KeyId) -> StoreResult<Option<Arc<Live>>> {
        if self.feed.is_fresh()
            && let Some(known) = self.cache.get(&key_id)
            && known
                .as_ref()
                .is_none_or(|live| self.in_force.is(&live.catalogue))
        {
            return Ok(known);
        }
        let before = self.generation();
        let catalogue = self.in_force.catalogue();
        let live = self
            .store
            .find_live_credential(key_id)
            .await?
            .map(|stored| {
                let scopes = stored.credential.access.scopes(&catalogue);
                Arc::new(Live {
                    grant: self.grants.of(scopes),
                    headers: Introduction::of(&stored.credential),
                    verifying_keys: stored
                        .public_keys
                        .iter()
                        .filter_map(VerifyingKey::of)
                        .collect(),
                    noted_keys: stored
                        .key_set
                        .as_ref()
                        .map_or_else(KnownKeys::default, KnownKeys::noted),
                    key_set_noted: AtomicI64::new(i64::MIN),
                    limiter: self.limiters.of(key_id, &stored.credential.limits),
                    counter: Counter::new(key_id),
                    catalogue,
                    weight: weight_of(&stored),
                    stored,
                })
            });
        self.generation.keep(before, || {
            if let Some(limiter) = live.as_ref().and_then(|live| live.limiter.as_ref()) {
                self.limiters.keep(key_id, limiter);
            }
            self.cache.insert(key_id, live.clone());
        });
        Ok(live)
    }

    /// How many are in memory, and what they weigh in bytes.
    pub(crate) fn load(&self) -> (usize, u64) {
        (self.cache.len(), self.cache.weight())
    }

    /// Whether there is such a credential, as far as somebody asked for it lately.
    pub(crate) fn knows(&self, key_id: KeyId) -> bool {
        self.cache.peek(&key_id).flatten().is_some()
    }

    /// Drops what is known of a credential: it has changed, or is new.
    pub(crate) fn forget(&self, key_id: KeyId) {
        self.ids.add(key_id);
        self.generation.forget(|| {
            self.cache.remove(&key_id);
        });
    }

    /// Drops all that is known: it may be from another database.
    pub(crate) fn forget_all(&self) {
        self.ids.forget_all();
        self.generation.forget(|| self.cache.clear());
    }

    /// How often something was forgotten.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.get()
    }

    /// Whether what was found, when so much had been forgotten, would be found again.
    pub(crate) fn is_current(&self, live: &Live, generation: u64) -> bool {
        self.generation() == generation && self.feed.is_fresh() && self.in_force.is(&live.catalogue)
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

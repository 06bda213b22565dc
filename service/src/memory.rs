//! How much memory caches may take, all together, and which gets how much of it.
//!
//! What an entry weighs is computed once, when it is made: its own size, what it points to, and some for
//! the allocator. ARCHITECTURE.md lists the caches.

use quick_cache::Weighter;

use crate::Services;

/// What an allocation costs beside its bytes, and a place in a cache beside its entry.
pub(crate) const OVERHEAD: usize = 64;

/// The memory for all caches together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheMemory {
    bytes: u64,
}

/// A part of it, in percent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share(pub u64);

impl Share {
    /// Credentials that are in use.
    pub(crate) const CREDENTIALS: Self = Self(25);
    /// Tokens that were verified.
    pub(crate) const TOKENS: Self = Self(40);
    /// Failures that are counted: so much for each of some ten limits, so that who fills one empties no other.
    pub(crate) const FAILURES: Self = Self(1);
    /// Those of clients, who are more than people.
    pub(crate) const FAILURES_OF_CLIENTS: Self = Self(5);
    /// The keys behind URLs.
    pub(crate) const KEY_SETS: Self = Self(8);
    /// Which key ids there are.
    pub(crate) const KEY_IDS: Self = Self(2);
    /// What is left of credentials' limits.
    pub(crate) const LIMITERS: Self = Self(6);
}

impl CacheMemory {
    /// So many million bytes.
    #[must_use]
    pub const fn megabytes(number: u32) -> Self {
        Self {
            bytes: number as u64 * 1_000_000,
        }
    }

    /// How many bytes a share is.
    pub(crate) const fn bytes(self, share: Share) -> u64 {
        self.bytes / 100 * share.0
    }

    /// How many entries of a size a share has room for.
    pub(crate) fn entries(self, share: Share, bytes_each: usize) -> usize {
        let each = bytes_each as u64;
        usize::try_from(self.bytes(share) / each).unwrap_or(usize::MAX)
    }
}

/// How full a cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLoad {
    /// Entries.
    pub entries: usize,
    /// What they weigh, in bytes.
    pub bytes: u64,
}

impl Services {
    /// How full the two largest caches are: that of credentials and that of verified tokens.
    #[must_use]
    pub fn cache_loads(&self) -> [CacheLoad; 2] {
        [self.0.live.load(), self.0.tokens.load()]
            .map(|(entries, bytes)| CacheLoad { entries, bytes })
    }
}

/// Something that knows what it weighs.
pub(crate) trait Weighed {
    /// About how many bytes it keeps from others.
    fn weight(&self) -> usize;
}

/// Weighs the entries of a cache.
#[derive(Debug, Clone)]
pub(crate) struct Scales;

impl<K, V: Weighed> Weighter<K, V> for Scales {
    fn weight(&self, _: &K, value: &V) -> u64 {
        (size_of::<K>() + OVERHEAD + value.weight()) as u64
    }
}

/// A cache that holds as much as its share of the memory.
pub(crate) type Weighted<K, V> = quick_cache::sync::Cache<K, V, Scales>;

/// Makes one, for entries of about this size.
pub(crate) fn weighted<K, V>(memory: CacheMemory, share: Share, about: usize) -> Weighted<K, V>
where
    K: Eq + std::hash::Hash,
    V: Weighed + Clone,
{
    let expected = memory.entries(share, about);
    Weighted::with_weighter(expected, memory.bytes(share), Scales)
}

//! What a cache needs so that nothing is kept after it was forgotten: a load that had begun before may
//! end after, with what is true no longer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counts how often something was forgotten.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    number: AtomicU64,
    /// Held while something is kept or forgotten.
    changing: Mutex<()>,
}

impl Generation {
    /// How often something was forgotten by now: taken before what is to be kept is read.
    pub(crate) fn get(&self) -> u64 {
        self.number.load(Ordering::SeqCst)
    }

    /// Keeps what was read, unless something was forgotten since the number was taken; whether it did.
    pub(crate) fn keep(&self, before: u64, keep: impl FnOnce()) -> bool {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = self.get() == before;
        if is_current {
            keep();
        }
        is_current
    }

    /// Forgets something.
    pub(crate) fn forget(&self, forget: impl FnOnce()) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // In this order: whoever counts the forgetting does not find what is forgotten any more.
        forget();
        self.number.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_forgetting_is_not_kept_after_it() {
        let generation = Generation::default();
        let mut kept = Vec::new();
        let before = generation.get();
        assert!(generation.keep(before, || kept.push("in time")));
        generation.forget(|| kept.clear());
        assert!(!generation.keep(before, || kept.push("late")));
        assert!(kept.is_empty());
        assert!(generation.keep(generation.get(), || kept.push("anew")));
    }
}

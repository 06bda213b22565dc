//! Counting calls and tokens against a credential's limits. The counts are of one node: behind a
//! load balancer each replica grants the whole limit.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::key_id::KeyId;
use domain::limits::Limits;
use quick_cache::sync::Cache;

use crate::clock::Clock;
use crate::memory::{CacheMemory, Share};

/// About what the limiter of one credential weighs.
const ABOUT: usize = 600;
const SECOND: Duration = Duration::from_secs(1);

/// The state of a limit, for the `RateLimit` headers: of several the tightest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How much there is in a window.
    pub limit: u32,
    /// The window, in seconds.
    pub window: u64,
    /// How much is left of it.
    pub remaining: u32,
    /// How long until the whole limit is there again; of a refusal, until there is room for one.
    pub reset: Duration,
}

/// A time to wait in whole seconds, rounded up and at least one: what `Retry-After` can say.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.is_zero())
}

/// One limit, counted by the generic cell rate algorithm: what is taken puts off the instant at
/// which the whole limit is there again. Instants are times since the epoch.
#[derive(Debug)]
pub(crate) struct Bucket {
    limit: u32,
    /// In which time one comes back.
    each: Duration,
    whole_at: Duration,
}

impl Bucket {
    pub(crate) fn new(limit: NonZeroU32, number: NonZeroU32, time: Duration) -> Self {
        Self {
            limit: limit.get(),
            each: time / number.get(),
            whole_at: Duration::ZERO,
        }
    }

    /// In which time the whole limit comes back.
    fn window(&self) -> Duration {
        self.each * self.limit
    }

    /// Never is more missing than all, though the clock was set back.
    pub(crate) fn settle(&mut self, now: Duration) {
        self.whole_at = self.whole_at.min(now + self.window());
    }

    /// In which time what was taken comes back.
    fn missing(&self, now: Duration) -> Duration {
        self.whole_at.saturating_sub(now)
    }

    /// Whether the whole limit is there.
    pub(crate) fn is_whole(&self, now: Duration) -> bool {
        self.missing(now).is_zero()
    }

    /// How long until there is room for one more; zero if there is now.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        (self.missing(now) + self.each).saturating_sub(self.window())
    }

    pub(crate) fn take(&mut self, now: Duration) {
        self.whole_at = now + self.missing(now) + self.each;
    }

    fn quota(&self, now: Duration) -> Quota {
        let left = self.window().saturating_sub(self.missing(now));
        let remaining = left.as_nanos() / self.each.as_nanos();
        Quota {
            limit: self.limit,
            window: whole_seconds(self.window()),
            remaining: u32::try_from(remaining).unwrap_or(self.limit),
            reset: self.missing(now),
        }
    }
}

/// Limits that hold together: one takes from all of them or from none.
#[derive(Debug)]
struct Buckets(Mutex<Vec<Bucket>>);

impl Buckets {
    /// Takes one, if there are limits. The state of the tightest.
    ///
    /// # Errors
    /// The state of the limit that has room last.
    fn take(&self, now: Duration) -> Result<Option<Quota>, Quota> {
        let mut buckets = self.settled(now);
        if let Some(full) = full(&buckets, now) {
            return Err(full);
        }
        for bucket in &mut *buckets {
            bucket.take(now);
        }
        let quotas = buckets.iter().map(|bucket| bucket.quota(now));
        Ok(quotas.min_by_key(|quota| quota.remaining))
    }

    fn settled(&self, now: Duration) -> MutexGuard<'_, Vec<Bucket>> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bucket in &mut *buckets {
            bucket.settle(now);
        }
        buckets
    }
}

/// The state of the limit that has room last; nothing if all have room.
fn full(buckets: &[Bucket], now: Duration) -> Option<Quota> {
    let last = buckets.iter().max_by_key(|bucket| bucket.wait(now))?;
    let wait = last.wait(now);
    (!wait.is_zero()).then(|| Quota {
        remaining: 0,
        reset: wait,
        ..last.quota(now)
    })
}

/// The buckets of one credential.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: Limits,
    clock: Arc<dyn Clock>,
    calls: Buckets,
    tokens: Buckets,
}

impl Limiter {
    fn new(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let bucket = |number, time| Bucket::new(number, number, time);
        let second = limits
            .per_second
            .map(|number| Bucket::new(limits.burst.unwrap_or(number), number, SECOND));
        let minute = limits.per_minute.map(|number| bucket(number, SECOND * 60));
        let hour = limits
            .tokens_per_hour
            .map(|number| bucket(number, SECOND * 3600));
        let calls = second.into_iter().chain(minute).collect();
        Self {
            calls: Buckets(Mutex::new(calls)),
            tokens: Buckets(Mutex::new(hour.into_iter().collect())),
            limits,
            clock,
        }
    }

    /// Counts one call.
    ///
    /// # Errors
    /// The limit that has no room for it; nothing is counted then.
    pub(crate) fn call(&self) -> Result<Option<Quota>, Quota> {
        self.calls.take(self.now())
    }

    /// The limit that has no room for a call, if there is one. Nothing is counted.
    pub(crate) fn full(&self) -> Option<Quota> {
        let now = self.now();
        full(&self.calls.settled(now), now)
    }

    /// Counts one token.
    ///
    /// # Errors
    /// The limit that has no room for it; nothing is counted then.
    pub(crate) fn token(&self) -> Result<Option<Quota>, Quota> {
        self.tokens.take(self.now())
    }

    fn now(&self) -> Duration {
        let millis = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or(0);
        Duration::from_millis(millis)
    }
}

/// The limiters of all credentials that have limits.
#[derive(Debug)]
pub(crate) struct Limiters {
    clock: Arc<dyn Clock>,
    known: Cache<KeyId, Arc<Limiter>>,
}

impl Limiters {
    pub(crate) fn new(clock: Arc<dyn Clock>, memory: CacheMemory) -> Self {
        Self {
            clock,
            known: Cache::new(memory.entries(Share::LIMITERS, ABOUT)),
        }
    }

    /// The limiter of a credential; its counts go on while its limits stay the same. A new one counts
    /// for others once it is kept.
    pub(crate) fn of(&self, key_id: KeyId, limits: &Limits) -> Option<Arc<Limiter>> {
        if limits.is_none() {
            return None;
        }
        let known = self.known.get(&key_id);
        let limiter = known
            .filter(|known| known.limits == *limits)
            .unwrap_or_else(|| Arc::new(Limiter::new(limits.clone(), self.clock.clone())));
        Some(limiter)
    }

    /// Has the counts of a limiter go on, whose limits are those of the credential.
    pub(crate) fn keep(&self, key_id: KeyId, limiter: &Arc<Limiter>) {
        self.known.insert(key_id, limiter.clone());
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use domain::limits::LimitsDraft;

    use super::*;
    use crate::clock::ManualClock;

    fn limiter(per_second: &str, burst: &str, per_minute: &str) -> (Arc<ManualClock>, Limiter) {
        let start = DateTime::from_timestamp(1_795_500_000, 0).unwrap();
        let clock = Arc::new(ManualClock::at(start));
        let draft = LimitsDraft {
            per_second: per_second.to_owned(),
            burst: burst.to_owned(),
            per_minute: per_minute.to_owned(),
            ..LimitsDraft::default()
        };
        let limiter = Limiter::new(draft.check().unwrap(), clock.clone());
        (clock, limiter)
    }

    fn quota(limit: u32, window: u64, remaining: u32, reset: u64) -> Quota {
        Quota {
            limit,
            window,
            remaining,
            reset: Duration::from_secs(reset),
        }
    }

    #[test]
    fn a_wait_is_rounded_up_and_never_nothing() {
        for (millis, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (29_500, 30)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }

    #[test]
    fn the_limit_is_whole_again_when_it_says() {
        let (clock, limiter) = limiter("", "", "2");
        assert_eq!(limiter.call(), Ok(Some(quota(2, 60, 1, 30))));
        clock.advance(TimeDelta::seconds(10));
        assert_eq!(limiter.call(), Ok(Some(quota(2, 60, 0, 50))));
        assert_eq!(limiter.call(), Err(quota(2, 60, 0, 20)));
        clock.advance(TimeDelta::seconds(19));
        assert_eq!(limiter.call(), Err(quota(2, 60, 0, 1)));
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(limiter.call(), Ok(Some(quota(2, 60, 0, 60))));
        clock.advance(TimeDelta::seconds(60));
        assert_eq!(limiter.call(), Ok(Some(quota(2, 60, 1, 30))));
    }

    #[test]
    fn a_burst_has_the_window_in_which_it_comes_back() {
        let (_, limiter) = limiter("20", "40", "");
        let first = limiter.call().unwrap().unwrap();
        assert_eq!((first.limit, first.window, first.remaining), (40, 2, 39));
        assert_eq!(first.reset, Duration::from_millis(50));
    }

    #[test]
    fn a_call_that_one_limit_refuses_takes_nothing_of_the_other() {
        let (_, limiter) = limiter("1", "5", "4");
        for remaining in [3, 2, 1, 0] {
            assert_eq!(limiter.call().unwrap().unwrap().remaining, remaining);
        }
        for _ in 0..9 {
            assert_eq!(limiter.call(), Err(quota(4, 60, 0, 15)));
        }
        let buckets = limiter.calls.0.lock().unwrap();
        assert_eq!(buckets[0].quota(limiter.now()), quota(5, 5, 1, 4));
    }

    #[test]
    fn the_minute_is_not_used_up_by_what_the_second_refuses() {
        let (clock, limiter) = limiter("1", "", "3");
        assert_eq!(limiter.call(), Ok(Some(quota(1, 1, 0, 1))));
        for _ in 0..9 {
            assert_eq!(limiter.call(), Err(quota(1, 1, 0, 1)));
        }
        clock.advance(TimeDelta::seconds(1));
        assert!(limiter.call().is_ok());
        clock.advance(TimeDelta::seconds(1));
        assert!(limiter.call().is_ok());
    }

    #[test]
    fn a_clock_that_is_set_back_costs_one_window_at_most() {
        let (clock, limiter) = limiter("", "", "2");
        assert!(limiter.call().is_ok());
        clock.advance(TimeDelta::hours(-1));
        assert_eq!(limiter.call(), Err(quota(2, 60, 0, 30)));
        clock.advance(TimeDelta::seconds(30));
        assert!(limiter.call().is_ok());
    }
}

//! Counting calls and tokens against a credential's limits. The counts are of one node: behind a
//! load balancer each replica grants the whole limit.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::key_id::KeyId;
use domain::limits::Limits;
use governor::clock::Clock as GovernorClock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Rate, RateLimiter};
use moka::sync::Cache;

use crate::clock::Clock;

/// More credentials with limits than this are never counted at once.
const MOST: u64 = 100_000;

/// Our clock, as the limiter reads it.
#[derive(Clone, Debug)]
struct Time(Arc<dyn Clock>);

impl Time {
    fn millis(&self) -> i64 {
        self.0.now().timestamp_millis()
    }
}

impl GovernorClock for Time {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let millis = u64::try_from(self.millis()).unwrap_or(0);
        Nanos::from(Duration::from_millis(millis))
    }
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, Time, StateInformationMiddleware>;

/// What is left of the tightest limit on calls, for the `RateLimit` headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls in a window.
    pub limit: u32,
    /// The window, in seconds.
    pub window: u32,
    /// Calls that are left of it.
    pub remaining: u32,
}

/// The buckets of one credential.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: Limits,
    time: Time,
    /// With the length of their window in seconds.
    calls: Vec<(u32, Bucket)>,
    tokens: Option<Bucket>,
    /// Until when there was no room for a call that was refused last: milliseconds.
    full_until: AtomicI64,
}

impl Limiter {
    fn new(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let time = Time(clock);
        let bucket = |rate| RateLimiter::direct_with_clock(rate, time.clone()).with_middleware();
        let second = limits.per_second.map(|number| {
            let burst = limits.burst.unwrap_or(number);
            (1, bucket(Rate::per_second(number).allow_burst(burst)))
        });
        let minute = limits
            .per_minute
            .map(|number| (60, bucket(Rate::per_minute(number))));
        let tokens = limits
            .tokens_per_hour
            .map(|number: NonZeroU32| bucket(Rate::per_hour(number)));
        Self {
            calls: second.into_iter().chain(minute).collect(),
            tokens,
            full_until: AtomicI64::new(i64::MIN),
            limits,
            time,
        }
    }

    /// Counts one call.
    ///
    /// # Errors
    /// How long to wait until there is room for it again.
    pub(crate) fn call(&self) -> Result<Option<Quota>, Duration> {
        let mut tightest: Option<Quota> = None;
        for (window, bucket) in &self.calls {
            let state = bucket
                .check()
                .map_err(|full| self.full_for(full.wait_time_from(self.time.now())))?;
            let quota = Quota {
                limit: state.quota().burst_size().get(),
                window: *window,
                remaining: state.remaining_burst_capacity(),
            };
            if tightest.is_none_or(|other| quota.remaining < other.remaining) {
                tightest = Some(quota);
            }
        }
        Ok(tightest)
    }

    /// Notes how long there is no room for a call.
    fn full_for(&self, wait: Duration) -> Duration {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let until = self.time.millis().saturating_add(millis);
        self.full_until.store(until, Ordering::Relaxed);
        wait
    }

    /// How long the call that was refused last has to wait still. Nothing is counted.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let left = self
            .full_until
            .load(Ordering::Relaxed)
            .saturating_sub(self.time.millis());
        let left = u64::try_from(left).ok().filter(|left| *left > 0);
        left.map(Duration::from_millis)
    }

    /// Counts one token.
    ///
    /// # Errors
    /// How long to wait until there is room for it again.
    pub(crate) fn token(&self) -> Result<(), Duration> {
        let Some(bucket) = &self.tokens else {
            return Ok(());
        };
        let full = bucket.check().map(drop);
        full.map_err(|full| full.wait_time_from(self.time.now()))
    }
}

/// The limiters of all credentials that have limits.
#[derive(Debug)]
pub(crate) struct Limiters {
    clock: Arc<dyn Clock>,
    known: Cache<KeyId, Arc<Limiter>>,
}

impl Limiters {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            known: Cache::new(MOST),
        }
    }

    /// The limiter of a credential; its counts go on while its limits stay the same.
    pub(crate) fn of(&self, key_id: KeyId, limits: &Limits) -> Option<Arc<Limiter>> {
        if limits.is_none() {
            return None;
        }
        let known = self.known.get(&key_id);
        let limiter = known
            .filter(|known| known.limits == *limits)
            .unwrap_or_else(|| {
                let limiter = Arc::new(Limiter::new(limits.clone(), self.clock.clone()));
                self.known.insert(key_id, limiter.clone());
                limiter
            });
        Some(limiter)
    }
}

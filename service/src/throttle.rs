//! Counts failures, so that guessing is slow: for log-ins and for clients of the token endpoint.
//!
//! A try is counted before it is checked and given back when it succeeds, so tries in parallel
//! can't get past the limit. Counts live in the memory of one node and are bounded.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use domain::Instant;
use domain::user::EmailAddress;
use moka::sync::Cache;

use crate::error::{ServiceError, ServiceResult};

/// More keys than this are never counted at once; the ones unused for longest are forgotten.
const MOST_KEYS: u64 = 100_000;

#[derive(Debug)]
struct Window {
    began: Instant,
    failures: u32,
}

/// At most so many failures of one key in a window of time.
#[derive(Debug)]
pub(crate) struct Throttle {
    limit: u32,
    window: TimeDelta,
    counts: Cache<String, Arc<Mutex<Window>>>,
}

impl Throttle {
    pub(crate) fn new(limit: u32, window: TimeDelta) -> Self {
        let idle = window.to_std().unwrap_or_default() * 2;
        let counts = Cache::builder()
            .max_capacity(MOST_KEYS)
            .time_to_idle(idle)
            .build();
        Self {
            limit,
            window,
            counts,
        }
    }

    /// Counts a try as failed until [`Throttle::succeeded`] says otherwise.
    pub(crate) fn begin(&self, key: &str, now: Instant) -> ServiceResult<()> {
        let window = self.counts.get_with_by_ref(key, || {
            Arc::new(Mutex::new(Window {
                began: now,
                failures: 0,
            }))
        });
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that went back begins a new window too.
        let age = now - window.began;
        if age >= self.window || age < TimeDelta::zero() {
            *window = Window {
                began: now,
                failures: 0,
            };
        }
        if window.failures >= self.limit {
            let wait = window.began + self.window - now;
            let seconds = u64::try_from(wait.num_seconds() + 1).unwrap_or(1);
            return Err(ServiceError::Throttled(Duration::from_secs(seconds)));
        }
        window.failures += 1;
        Ok(())
    }

    /// Like [`Throttle::begin`], but the try counts only while it is under way and if it is told to
    /// have failed: not if the caller goes away meanwhile, or the server is at fault.
    pub(crate) fn attempt(&self, key: String, now: Instant) -> ServiceResult<Attempt<'_>> {
        self.begin(&key, now)?;
        Ok(Attempt {
            throttle: self,
            key,
            failed: false,
        })
    }

    /// Takes a try back that turned out well.
    pub(crate) fn succeeded(&self, key: &str) {
        if let Some(window) = self.counts.get(key) {
            let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
            window.failures = window.failures.saturating_sub(1);
        }
    }
}

/// A try that is under way.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    key: String,
    failed: bool,
}

impl Attempt<'_> {
    /// Ends the try, and counts it.
    pub(crate) fn failed(mut self) {
        self.failed = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.failed {
            self.throttle.succeeded(&self.key);
        }
    }
}

/// The limits on log-ins. The tightest is on account and address together, so that a stranger's
/// guesses slow the stranger down and not the owner of the account.
#[derive(Debug)]
pub(crate) struct LogInLimits {
    pair: Throttle,
    account: Throttle,
    address: Throttle,
}

impl LogInLimits {
    pub(crate) fn new() -> Self {
        let window = TimeDelta::minutes(15);
        Self {
            pair: Throttle::new(10, window),
            account: Throttle::new(50, window),
            address: Throttle::new(100, window),
        }
    }

    /// The limits on asking for a mail with a link, which counts whether it is sent or not.
    pub(crate) fn of_mails() -> Self {
        let window = TimeDelta::hours(1);
        Self {
            pair: Throttle::new(3, window),
            account: Throttle::new(10, window),
            address: Throttle::new(30, window),
        }
    }

    fn keys(account: &EmailAddress, address: Option<IpAddr>) -> [String; 3] {
        let address = address
            .map(|address| address.to_canonical().to_string())
            .unwrap_or_default();
        [format!("{account} {address}"), account.to_string(), address]
    }

    pub(crate) fn begin(
        &self,
        account: &EmailAddress,
        address: Option<IpAddr>,
        now: Instant,
    ) -> ServiceResult<()> {
        let [pair, account, address] = Self::keys(account, address);
        self.pair.begin(&pair, now)?;
        self.account
            .begin(&account, now)
            .inspect_err(|_| self.pair.succeeded(&pair))?;
        self.address.begin(&address, now).inspect_err(|_| {
            self.pair.succeeded(&pair);
            self.account.succeeded(&account);
        })
    }

    pub(crate) fn succeeded(&self, account: &EmailAddress, address: Option<IpAddr>) {
        let [pair, account, address] = Self::keys(account, address);
        self.pair.succeeded(&pair);
        self.account.succeeded(&account);
        self.address.succeeded(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn at(seconds: i64) -> Instant {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn check_17_the_limit_is_for_one_key_and_for_a_while() {
        let throttle = Throttle::new(3, TimeDelta::minutes(1));
        for _ in 0..3 {
            throttle.begin("a", at(0)).unwrap();
        }
        let Err(ServiceError::Throttled(wait)) = throttle.begin("a", at(10)) else {
            panic!("the fourth failure is not let through");
        };
        assert_eq!(wait.as_secs(), 51);
        throttle.begin("b", at(10)).unwrap();
        throttle.begin("a", at(60)).unwrap();
    }

    #[test]
    fn successes_do_not_count() {
        let throttle = Throttle::new(3, TimeDelta::minutes(1));
        for _ in 0..100 {
            throttle.begin("a", at(0)).unwrap();
            throttle.succeeded("a");
        }
    }

    #[test]
    fn an_attempt_counts_while_it_is_under_way_and_if_it_failed() {
        let throttle = Throttle::new(1, TimeDelta::minutes(1));
        let attempt = throttle.attempt("a".to_owned(), at(0)).unwrap();
        assert!(throttle.begin("a", at(0)).is_err());
        drop(attempt);
        throttle.attempt("a".to_owned(), at(0)).unwrap().failed();
        assert!(throttle.begin("a", at(0)).is_err());
    }

    /// Check 61: exact under parallel tries.
    #[test]
    fn check_61_parallel_tries_do_not_get_past_the_limit() {
        let throttle = Throttle::new(10, TimeDelta::minutes(1));
        let passed = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    if throttle.begin("a", at(0)).is_ok() {
                        passed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 10);
    }

    #[test]
    fn a_strangers_guesses_do_not_lock_the_owner_out() {
        let limits = LogInLimits::new();
        let mara: EmailAddress = "mara@example.com".parse().unwrap();
        let (stranger, home) = ("192.0.2.1".parse().ok(), "198.51.100.7".parse().ok());
        for _ in 0..20 {
            let _ = limits.begin(&mara, stranger, at(0));
        }
        assert!(limits.begin(&mara, stranger, at(1)).is_err());
        assert!(limits.begin(&mara, home, at(1)).is_ok());
        // An IPv4 address that arrives mapped into IPv6 is the same address.
        assert!(
            limits
                .begin(&mara, "::ffff:192.0.2.1".parse().ok(), at(1))
                .is_err()
        );
    }
}

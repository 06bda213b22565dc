//! Time and chance, injected: the only places that ask the system for either.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::DateTime;
use domain::{Instant, to_millis};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Tells the time, cut to milliseconds.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// The instant now.
    fn now(&self) -> Instant;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system"
    )]
    fn now(&self) -> Instant {
        to_millis(chrono::Utc::now())
    }
}

/// A clock that tests move by hand.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at an instant.
    #[must_use]
    pub fn at(now: Instant) -> Self {
        Self(AtomicI64::new(now.timestamp_millis()))
    }

    /// Moves it, forward or back.
    pub fn advance(&self, by: chrono::TimeDelta) {
        self.0.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        DateTime::from_timestamp_millis(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }
}

/// A generator for one use, seeded by the system.
#[must_use]
pub fn system_rng() -> StdRng {
    // The thread's generator is fast but not `Send`; one seeded from it can cross an await.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system"
    )]
    StdRng::from_rng(&mut rand::rng())
}

/// Fills an array with randomness.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system"
    )]
    let mut rng = rand::rng();
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

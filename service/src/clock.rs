//! Time and chance, injected: the only places that ask the system for either.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::DateTime;
use domain::{Instant, to_millis};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Tells the time, cut to milliseconds.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// The instant now.
    fn now(&self) -> Instant;

    /// How long ago the clock began. It only goes on: nobody can set it, and what sets the instant does
    /// not move it.
    fn steady(&self) -> Duration;
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

    fn steady(&self) -> Duration {
        // Since the first call, which is made at the start.
        static BEGAN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
        BEGAN.elapsed()
    }
}

/// A clock that tests move by hand.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
    steady: AtomicI64,
}

impl ManualClock {
    /// A clock that stands at an instant.
    #[must_use]
    pub fn at(now: Instant) -> Self {
        Self {
            now: AtomicI64::new(now.timestamp_millis()),
            steady: AtomicI64::new(0),
        }
    }

    /// Lets time pass. Back it can only be set.
    pub fn advance(&self, by: chrono::TimeDelta) {
        self.set_by(by);
        let passed = by.num_milliseconds().max(0);
        self.steady.fetch_add(passed, Ordering::SeqCst);
    }

    /// Sets it forward or back, though no time has passed.
    pub fn set_by(&self, by: chrono::TimeDelta) {
        self.now.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        DateTime::from_timestamp_millis(self.now.load(Ordering::SeqCst)).unwrap_or_default()
    }

    fn steady(&self) -> Duration {
        let steady = self.steady.load(Ordering::SeqCst);
        Duration::from_millis(steady.unsigned_abs())
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

//! The page's clock: starts at the server's time, so both passes render the same words, and goes
//! on from there in the browser. It also knows whether the viewer's zone may be used yet.

use std::time::Duration;

use chrono::{DateTime, Utc};
use leptos::prelude::*;

/// How often relative times are brought up to date.
const TICK: Duration = Duration::from_secs(20);

/// The clock, to be taken from context.
#[derive(Debug, Clone, Copy)]
pub struct PageClock {
    now: RwSignal<DateTime<Utc>>,
    local: RwSignal<bool>,
}

impl PageClock {
    /// Sets the clock to the server's time and lets it run. Once, in `App`.
    pub fn provide() {
        let start = SharedValue::new(server_now).into_inner();
        let clock = Self {
            now: RwSignal::new(start),
            local: RwSignal::new(false),
        };
        provide_context(clock);
        Effect::new(move |_| {
            clock.local.set(true);
            // Timers are late or sleep; the time that passed is asked, not counted.
            let loaded_at = monotonic_millis();
            set_interval(
                move || {
                    let passed = chrono::TimeDelta::milliseconds(monotonic_millis() - loaded_at);
                    clock.now.set(start + passed);
                },
                TICK,
            );
        });
    }

    /// The clock of this page; a standing one where none was provided (in tests of components).
    #[must_use]
    pub fn current() -> Self {
        use_context().unwrap_or_else(|| Self {
            now: RwSignal::new(DateTime::UNIX_EPOCH),
            local: RwSignal::new(false),
        })
    }

    // The server may still be writing the page of somebody who has gone away: then there is no clock.

    /// The time; tracks.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now.try_get().unwrap_or_default()
    }

    /// Whether times are shown in the viewer's zone; tracks.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local.try_get().unwrap_or_default()
    }
}

#[cfg(feature = "ssr")]
fn server_now() -> DateTime<Utc> {
    crate::server_context::now()
}

/// In the browser the server's value is read from the document.
#[cfg(not(feature = "ssr"))]
fn server_now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

/// Milliseconds since the page was loaded, whatever the computer's clock says.
#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds of an open page"
)]
fn monotonic_millis() -> i64 {
    window()
        .performance()
        .map_or(0, |performance| performance.now() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_whose_reader_has_gone_away_is_no_panic() {
        let owner = Owner::new();
        let clock = owner.with(PageClock::current);
        owner.cleanup();
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH);
        assert!(!clock.is_local());
    }
}

//! Counters of this process, in Prometheus' text format on a listener of their own.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use service::Services;

/// The counters, and what stands at a value. Each is a plain atomic: counting costs the gate nothing.
#[derive(Debug)]
pub struct Metrics {
    /// Calls that the gate let through.
    pub gate_allowed: Counter,
    /// Calls that the gate refused for missing or wrong credentials.
    pub gate_unauthenticated: Counter,
    /// Calls that the gate refused for the path or too little access.
    pub gate_forbidden: Counter,
    /// Calls that the gate refused because a limit was used up.
    pub gate_rate_limited: Counter,
    /// Calls that the gate could not decide.
    pub gate_unavailable: Counter,
    /// Tokens issued.
    pub tokens_issued: Counter,
    /// Token requests refused.
    pub tokens_refused: Counter,
    /// Tokens introspected.
    pub introspections: Counter,
    /// Tokens revoked.
    pub tokens_revoked: Counter,
    /// 1 while the catalogue's file can't be used and an earlier version is in force.
    pub catalogue_file_unusable: Gauge,
    /// 1 while the database can be read, as the gate needs it.
    pub database_readable: Gauge,
    /// 1 while the database takes writes, as people need it.
    pub database_writable: Gauge,
    feed_age_seconds: Seconds,
    feed_breaks: Gauge,
    clock_disbelieved: Gauge,
    clock_unaccepted: Gauge,
    database_clock_ahead_seconds: Seconds,
    registry: Registry,
}

type Seconds = Gauge<f64, AtomicU64>;

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("keyrack");
        let catalogue_file_unusable = Gauge::default();
        registry.register(
            "catalogue_file_unusable",
            "Whether the catalogue's file can't be used and an earlier version is in force",
            catalogue_file_unusable.clone(),
        );
        let (database_readable, database_writable) = (Gauge::default(), Gauge::default());
        registry.register(
            "database_readable",
            "Whether the database can be read, as the gate needs it",
            database_readable.clone(),
        );
        registry.register(
            "database_writable",
            "Whether the database takes writes, as people need it",
            database_writable.clone(),
        );
        let feed_age_seconds = Seconds::default();
        registry.register(
            "feed_age_seconds",
            "How long ago all changes were heard that had been made by then; above 0.9 what is kept in memory \
             is not used",
            feed_age_seconds.clone(),
        );
        let feed_breaks = Gauge::default();
        registry.register(
            "feed_breaks",
            "How often the database had lost changes or was another one since the process began",
            feed_breaks.clone(),
        );
        let clock_disbelieved = Gauge::default();
        registry.register(
            "clock_disbelieved",
            "Whether the clock has jumped or is behind the audit log, so that no tokens are issued",
            clock_disbelieved.clone(),
        );
        let clock_unaccepted = Gauge::default();
        registry.register(
            "clock_unaccepted",
            "Whether the clock is so far ahead of the last time that is known to be right that no signing key \
             rotates and clearing away lags behind, until `keyrack clock accept`",
            clock_unaccepted.clone(),
        );
        let database_clock_ahead_seconds = Seconds::default();
        registry.register(
            "database_clock_ahead_seconds",
            "By how much PostgreSQL's clock is ahead of this node's; behind, if negative",
            database_clock_ahead_seconds.clone(),
        );
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        Self {
            gate_allowed: counter("gate_allowed", "Calls that the gate let through"),
            gate_unauthenticated: counter(
                "gate_unauthenticated",
                "Calls refused for missing or wrong credentials",
            ),
            gate_forbidden: counter(
                "gate_forbidden",
                "Calls refused for their path or for too little access",
            ),
            gate_rate_limited: counter("gate_rate_limited", "Calls beyond a limit"),
            gate_unavailable: counter("gate_unavailable", "Calls that could not be decided"),
            tokens_issued: counter("tokens_issued", "Access tokens issued"),
            tokens_refused: counter("tokens_refused", "Token requests refused"),
            introspections: counter("introspections", "Tokens introspected by gateways"),
            tokens_revoked: counter("tokens_revoked", "Tokens revoked by their clients"),
            catalogue_file_unusable,
            database_readable,
            database_writable,
            feed_age_seconds,
            feed_breaks,
            clock_disbelieved,
            clock_unaccepted,
            database_clock_ahead_seconds,
            registry,
        }
    }
}

impl Metrics {
    /// Takes over how things stand at this moment.
    pub fn look(&self, services: &Services) {
        let feed = services.feed();
        self.feed_age_seconds.set(feed.age.as_secs_f64());
        self.feed_breaks
            .set(i64::try_from(feed.breaks).unwrap_or(i64::MAX));
        let is_disbelieved = services.clock_problem().is_some();
        self.clock_disbelieved.set(is_disbelieved.into());
        self.clock_unaccepted
            .set(services.put_off().is_some().into());
        if let Some(skew) = services.clock_skew() {
            self.database_clock_ahead_seconds.set(skew.as_seconds_f64());
        }
    }

    /// All counters as text.
    ///
    /// # Errors
    /// Never in practice: writing to a string doesn't fail.
    pub fn to_text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

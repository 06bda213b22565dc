//! The use cases over a real store (SQLite in memory or in a file), with a clock that tests move.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by a panic, its helpers as well"
)]

mod accepted_clocks;
mod assertions;
mod audit;
mod audit_budget;
mod caches;
mod catalogue;
mod clocks;
mod credentials;
mod epochs;
mod gateways;
mod harness;
mod key_urls;
mod limits;
mod live;
mod memory;
mod model;
mod passkeys;
mod password_links;
mod people;
mod restored;
mod same_work;
mod second_factors;
mod sessions;
mod signing;
mod signing_keys;
mod stalled;
mod try_out;

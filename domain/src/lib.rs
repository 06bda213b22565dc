//! Keyrack's rules, as pure types: what a credential is, what it may do, who may change it.
//!
//! No IO, no async, no clock: the time is an argument. The crate compiles to WASM, so the browser
//! and the server answer from the same rules. A value of one of these types is already valid;
//! text becomes one by parsing.

pub mod access;
pub mod address;
pub mod audience;
pub mod audit;
pub mod catalogue;
pub mod client_network;
pub mod confidential;
pub mod credential;
pub mod draft;
pub mod expiry;
pub mod gateway;
pub mod groups;
mod id;
pub mod invitee;
pub mod key_id;
pub mod limits;
pub mod nearest;
pub mod outbound;
pub mod password;
pub mod proof;
pub mod recovery_code;
pub mod role;
pub mod scope;
pub mod secret;
pub mod text;
pub mod user;

use chrono::{DateTime, Utc};

/// An instant in UTC, cut to milliseconds so that every database gives back what was stored.
pub type Instant = DateTime<Utc>;

/// Cuts an instant to the milliseconds that the databases keep.
#[must_use]
pub fn to_millis(at: Instant) -> Instant {
    DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at)
}

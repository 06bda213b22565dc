//! The keys that sign access tokens, as a section of the gateways page: gateways and APIs verify by them.
//! For superusers.

mod api;
mod section;

pub use api::{SigningKeyRow, SigningKeyStage, list_signing_keys};
pub use section::SigningKeys;

//! What people ask the lists for: the frequent, the rare and the missing, each with its name.

mod audit;
mod credentials;
mod people;

pub use audit::{audit, stories};
pub use credentials::credentials;
pub use people::people;

/// Why there is nothing to ask for.
const OTHERS: &str = "the database was filled by something else, or not to the end";

/// A page of the dashboard.
const PAGE: u32 = 50;

//! What people ask the lists for: the frequent, the rare and the missing, each with its name.

mod audit;
mod credentials;
mod people;

pub use audit::{audit, stories};
pub use credentials::credentials;
pub use people::people;

/// A page of the dashboard.
const PAGE: u32 = 50;

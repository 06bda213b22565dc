//! Looking a request up: what was decided about it, and why.

mod api;
mod page;

pub use api::{Decision, find_decision};
pub use page::LookUpPage;

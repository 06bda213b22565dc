//! The team: who is in it, who may do what.

mod api;
mod page;

pub use api::{PersonRow, list_users};
pub use page::UsersPage;

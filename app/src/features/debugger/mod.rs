//! The assertion debugger: every check of a client assertion, and how it went.

mod dto;
mod page;

pub use dto::{Check, Checked, Went};
pub use page::DebuggerPage;

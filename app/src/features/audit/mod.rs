//! The audit log: the page that searches it, and its entries in words, which the stories on other
//! pages share.

mod api;
#[cfg(feature = "ssr")]
mod deeds;
mod entry;
mod page;
mod query;
#[cfg(feature = "ssr")]
mod tell;

#[cfg(feature = "ssr")]
pub(crate) use api::owners;
pub use api::{AuditResults, Change, Deed, StoryEntry, Target, search_audit};
pub(crate) use entry::entry;
pub use page::AuditPage;
pub use query::AuditParams;
#[cfg(feature = "ssr")]
pub(crate) use tell::{Subject, tell};

//! What happens to every request before and after its handler; each layer has its file and reason.

pub mod headers;
pub mod limits;
pub mod origin;
pub mod proof;
pub mod proxy;
pub mod request;
pub mod session;
mod session_store;

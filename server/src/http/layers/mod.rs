//! What happens to every request before and after its handler; each layer has its file and reason.

pub mod forwarded;
pub mod headers;
pub mod host;
pub mod limits;
pub mod origin;
pub mod plain_http;
pub mod proof;
pub mod proxy;
pub mod request;
pub mod session;
mod session_store;

//! Gateways: the machines that may ask the gate or introspect tokens. For superusers.

mod api;
mod page;
mod snippets;

pub use api::{GatewayRow, list_gateways};
pub use page::GatewaysPage;
pub use snippets::configuration;

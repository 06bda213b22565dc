//! Gateways: the machines that may ask the gate or introspect tokens. For superusers.

mod api;
#[cfg(feature = "ssr")]
mod configuration;
mod page;

pub use api::{GatewayRow, list_gateways};
#[cfg(feature = "ssr")]
pub use configuration::configuration;
pub use page::GatewaysPage;

//! The server of Keyrack: command line, configuration, HTTP, jobs. The binary `keyrack` is a thin
//! wrapper, so that tests drive the real thing.

pub mod audit_export;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod http;
pub mod mail;
pub mod metrics;
pub mod outbound;
pub mod reload;
pub mod serve;
pub mod signals;
pub mod state;
mod telemetry;

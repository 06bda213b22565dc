//! The features, each with its pages, data types and server functions.

pub mod account;
pub mod audit;
pub mod catalogue;
pub mod credentials;
pub mod debugger;
pub mod entry;
pub mod gateways;
pub mod requests;
#[cfg(test)]
mod sample;
mod sessions;
pub mod users;

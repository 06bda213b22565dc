//! The features, each with its pages, data types and server functions.

pub mod account;
pub mod catalogue;
pub mod credentials;
pub mod debugger;
pub mod gateways;
pub mod requests;
#[cfg(test)]
mod sample;
pub mod session;
pub mod users;

//! The features, each with its pages, data types and server functions.

pub mod account;
pub mod audit;
pub mod catalogue;
pub mod credentials;
pub mod debugger;
pub mod entry;
pub mod gateways;
mod passkeys;
pub mod proof;
pub mod requests;
#[cfg(test)]
mod sample;
pub mod second_factors;
mod sessions;
pub mod signing_keys;
pub mod users;

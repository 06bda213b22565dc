//! The use cases over a real store (SQLite in memory or in a file), with a clock that tests move.

mod assertions;
mod audit;
mod catalogue;
mod credentials;
mod gateways;
mod harness;
mod key_urls;
mod limits;
mod live;
mod model;
mod password_links;
mod people;
mod sessions;
mod signing;
mod signing_keys;

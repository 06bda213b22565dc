//! The issuer and the gate over HTTP: the real router, a real store, a clock moved by hand.
//! Numbers in test names are those of the checks that the threat model lists.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by a panic, its helpers as well"
)]

mod alpaca_client;
mod answer_times;
mod app;
mod audit_chain;
mod away;
mod bad_disk;
mod browsers;
mod canaries;
mod catalogue;
mod catalogue_watch;
mod clock_jumps;
mod commands;
mod dashboard;
mod data_folder;
mod faulty;
mod feed;
mod files;
mod foreign_client;
mod fuzz;
mod gate;
mod gateways;
mod header_log_in;
mod identity_provider;
mod introspection;
mod key_urls;
mod killed;
mod late_answers;
mod limits;
mod look_up;
mod mail;
mod metadata;
mod passwords;
mod paths;
mod people;
mod proxies;
mod read_only;
mod role_matrix;
mod rotation;
mod same_origin;
mod second_factors;
mod security_headers;
mod sessions;
mod set_up;
mod shapes;
mod signals;
mod signing_keys;
mod sso;
mod sso_proxies;
mod strangers;
mod surroundings;
mod token;
mod unavailable;
mod wire;

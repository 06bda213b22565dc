//! The snippet that the page of a new credential shows for private key JWT in Rust, compiled from
//! the very text of the page: only its placeholders are not filled in.
#![expect(
    clippy::print_stdout,
    reason = "the snippet says what the API answered"
)]

include!("../../app/src/features/credentials/snippets/assertion.rs.txt");

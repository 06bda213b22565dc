//! The binary `keyrack`.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// The system's keeps what each thread once took for hashing passwords (docs/adr/0008-crates.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    server::cli::main()
}

//! What commands print: results to standard output, problems to standard error.
#![expect(clippy::print_stdout, reason = "commands print; nothing else does")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// A line for whoever started the server, which goes on if nobody reads it any more.
pub fn line_if_read(text: impl std::fmt::Display) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{text}")
}

/// A line of a result.
pub fn line(text: impl std::fmt::Display) {
    println!("{text}");
}

/// A result for machines.
pub fn json(value: &serde_json::Value) {
    println!("{value}");
}

/// Something for the person at the terminal that is not the result; lost if there is nobody any more.
pub fn note(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Tells why the command failed, cause by cause.
pub fn failure(error: &anyhow::Error) -> ExitCode {
    note(format_args!("keyrack: {error:#}"));
    for problem in error
        .chain()
        .filter_map(|e| e.downcast_ref::<service::ServiceError>())
    {
        if let service::ServiceError::Invalid(fields) = problem {
            for field in fields {
                note(format_args!("  {}: {}", field.field, field.message));
            }
        }
    }
    ExitCode::FAILURE
}

/// Makes a new file that only its owner can read.
pub fn create_private(path: &Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

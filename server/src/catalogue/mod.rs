//! Catalogue files: the one that the program loads, and drafts of new ones from OpenAPI documents.

mod import;
mod openapi;
pub mod watch;

use std::path::Path;

use anyhow::{Context as _, anyhow};
use domain::catalogue::{Catalogue, Checked, Finding, Severity};

pub use self::import::draft;
pub use self::openapi::{Document, Format};

/// The catalogue that ships with the program.
const SHIPPED: &str = include_str!("../../../catalogue/alpaca-broker.toml");

/// Reads and checks a catalogue file.
///
/// # Errors
/// The file can't be read. Whatever is wrong with its content is in the answer.
pub fn check(file: &Path) -> anyhow::Result<Checked> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the catalogue {} can't be read", file.display()))?;
    Ok(Catalogue::read(&text))
}

/// The catalogue of a file, or the one that ships with the program.
///
/// # Errors
/// The file can't be read or used; the text has every problem with file and line, as
/// `keyrack catalogue check` prints them.
pub fn load(file: Option<&Path>) -> anyhow::Result<Catalogue> {
    let Some(file) = file else {
        return Catalogue::read(SHIPPED)
            .catalogue
            .context("the catalogue that ships with Keyrack can't be used");
    };
    let checked = check(file)?;
    let warnings = checked.count(Severity::Warning);
    match checked.catalogue {
        Some(catalogue) => {
            log_warnings(file, warnings);
            Ok(catalogue)
        }
        None => Err(anyhow!(
            "the catalogue {} can't be used:\n{}",
            file.display(),
            located(file, &checked.findings).join("\n")
        )),
    }
}

/// One line, however many there are: what is meant as it is should not fill the log at each start.
fn log_warnings(file: &Path, number: usize) {
    if number > 0 {
        let file = file.display();
        tracing::warn!(
            "warnings for the catalogue {file}: {number}; keyrack catalogue check {file} names them"
        );
    }
}

/// Each finding behind its file, in the form that editors can open.
#[must_use]
pub fn located(file: &Path, findings: &[Finding]) -> Vec<String> {
    let file = file.display();
    findings.iter().map(|f| format!("{file}:{f}")).collect()
}

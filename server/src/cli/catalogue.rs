//! `keyrack catalogue`: catalogue files, checked, compared and drafted. No database is needed.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use domain::catalogue::{Catalogue, Checked, Severity};
use serde_json::{Value, json};

use crate::catalogue::{self, Document};
use crate::cli::output;
use crate::cli::user::Format;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum CatalogueCommand {
    /// Check a catalogue file: every problem at once, each with its line.
    Check {
        /// The file, TOML.
        file: PathBuf,
        #[command(flatten)]
        format: Format,
    },
    /// Show what changed between two catalogue files, as keys feel it.
    Diff {
        /// The file before.
        old: PathBuf,
        /// The file after.
        new: PathBuf,
        #[command(flatten)]
        format: Format,
    },
    /// Draft a catalogue from an OpenAPI 3 or Swagger 2 document, to be reviewed.
    Import {
        /// The document: .json, .yaml or .yml, 32 MiB at most.
        document: PathBuf,
        /// The new file for the draft; it is printed by default.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Runs one.
pub fn run(command: &CatalogueCommand) -> anyhow::Result<()> {
    match command {
        CatalogueCommand::Check { file, format } => check(file, format),
        CatalogueCommand::Diff { old, new, format } => diff(old, new, format),
        CatalogueCommand::Import { document, out } => import(document, out.as_deref()),
    }
}

fn check(file: &Path, format: &Format) -> anyhow::Result<()> {
    let checked = catalogue::check(file)?;
    if format.json {
        output::json(&report(file, &checked));
    } else {
        catalogue::located(file, &checked.findings)
            .iter()
            .for_each(output::line);
    }
    let Some(catalogue) = &checked.catalogue else {
        let errors = checked.count(Severity::Error);
        let plural = if errors == 1 { "" } else { "s" };
        bail!(
            "the catalogue {} can't be used: {errors} error{plural}",
            file.display()
        );
    };
    if !format.json {
        output::line(summary(file, catalogue));
    }
    Ok(())
}

fn diff(old: &Path, new: &Path, format: &Format) -> anyhow::Result<()> {
    let (old, new) = (catalogue::load(Some(old))?, catalogue::load(Some(new))?);
    let changes = new.changes_since(&old);
    if format.json {
        let of = |catalogue: &Catalogue| json!({ "name": catalogue.name(), "version": catalogue.version() });
        output::json(&json!({ "from": of(&old), "to": of(&new), "changes": changes }));
        return Ok(());
    }
    output::line(match changes.len() {
        0 => format!(
            "{} to {}: every call needs what it needed",
            old.version(),
            new.version()
        ),
        1 => format!("{} to {}: 1 change", old.version(), new.version()),
        number => format!("{} to {}: {number} changes", old.version(), new.version()),
    });
    for change in &changes {
        output::line(format_args!("- {change}"));
        for call in change.calls() {
            output::line(format_args!("    {call}"));
        }
    }
    Ok(())
}

fn import(document: &Path, out: Option<&Path>) -> anyhow::Result<()> {
    let text = catalogue::draft(&Document::read(document)?)
        .with_context(|| format!("the document {} can't be imported", document.display()))?;
    let Some(out) = out else {
        output::line(text.trim_end());
        return Ok(());
    };
    // A reviewed file has work in it: it is never written over.
    std::fs::File::create_new(out)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("the draft {} can't be written", out.display()))?;
    if let Some(catalogue) = &catalogue::check(out)?.catalogue {
        output::line(summary(out, catalogue));
    }
    output::note("Review the draft from the top, then run keyrack catalogue check on it.");
    Ok(())
}

fn summary(file: &Path, catalogue: &Catalogue) -> String {
    format!(
        "{}: {}, {} scopes, {} endpoints, version {}",
        file.display(),
        catalogue.name(),
        catalogue.scopes().len(),
        catalogue.endpoint_count(),
        catalogue.version()
    )
}

fn report(file: &Path, checked: &Checked) -> Value {
    let findings = checked.findings.iter().map(|finding| {
        json!({
            "line": finding.line,
            "column": finding.column,
            "severity": finding.severity.as_str(),
            "message": finding.message,
        })
    });
    let catalogue = checked.catalogue.as_ref();
    json!({
        "file": file.display().to_string(),
        "usable": catalogue.is_some(),
        "name": catalogue.map(Catalogue::name),
        "version": catalogue.map(Catalogue::version),
        "scopes": catalogue.map(|c| c.scopes().len()),
        "endpoints": catalogue.map(Catalogue::endpoint_count),
        "findings": findings.collect::<Vec<_>>(),
    })
}

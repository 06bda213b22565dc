//! `keyrack audit`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use service::{AuditQuery, Services};

use crate::audit_export::{Export, Format};
use crate::cli::output;
use crate::cli::user::Format as Output;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Prove that no entry of the audit log was changed, removed or moved.
    Verify {
        #[command(flatten)]
        format: Output,
    },
    /// Write the whole audit log to a new file that only its owner can read.
    Export {
        /// csv or jsonl.
        #[arg(long, value_name = "FORMAT", default_value_t = Format::Jsonl)]
        format: Format,
        /// The new file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Runs one.
pub async fn run(services: &Services, command: AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify { format } => verify(services, &format).await,
        AuditCommand::Export { format, out } => export(services, format, out).await,
    }
}

async fn verify(services: &Services, format: &Output) -> anyhow::Result<()> {
    let head = services
        .verify_audit(&super::host())
        .await?
        .context("the audit log is not whole")?;
    if format.json {
        output::json(&json!({ "entries": head.entries, "head": head.hash.to_string() }));
    } else {
        output::line(format!(
            "The audit log is whole: {} entries, head {}",
            head.entries, head.hash
        ));
    }
    Ok(())
}

async fn export(services: &Services, format: Format, out: PathBuf) -> anyhow::Result<()> {
    let mut file = output::create_private(&out)
        .with_context(|| format!("the file {} can't be made", out.display()))?;
    let mut export = Export::begin(
        services.clone(),
        super::host(),
        format,
        AuditQuery::default(),
    )
    .await?;
    while let Some(part) = export.next().await? {
        file.write_all(&part)
            .with_context(|| format!("the file {} can't be written", out.display()))?;
    }
    file.sync_all()?;
    output::note(format!("The audit log is in {}.", out.display()));
    Ok(())
}

//! `keyrack audit`.

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use crate::cli::output;
use crate::cli::user::Format;
use crate::config::Config;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Prove that no entry of the audit log was changed, removed or moved.
    Verify {
        #[command(flatten)]
        format: Format,
    },
}

/// Runs one.
pub async fn run(config: &Config, command: AuditCommand) -> anyhow::Result<()> {
    let AuditCommand::Verify { format } = command;
    let head = super::open(config)
        .await?
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

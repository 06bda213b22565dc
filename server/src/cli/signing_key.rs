//! `keyrack signing-key`.

use clap::Subcommand;
use domain::expiry::rfc3339;
use serde_json::json;

use crate::cli::output;
use crate::cli::user::Format;
use crate::config::Config;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum SigningKeyCommand {
    /// Make a new key for signing access tokens. It is published at once and signs a quarter of an
    /// hour later; the old one stays published until its last token has ended.
    Rotate {
        #[command(flatten)]
        format: Format,
    },
}

/// Runs one.
pub async fn run(config: &Config, command: SigningKeyCommand) -> anyhow::Result<()> {
    let SigningKeyCommand::Rotate { format } = command;
    let services = super::open(config).await?;
    let used_from = services.rotate_signing_key(&super::host()).await?;
    if format.json {
        output::json(&json!({ "used_from": rfc3339(used_from) }));
    } else {
        output::line(format!(
            "A new signing key is published. It signs from {} on.",
            rfc3339(used_from)
        ));
    }
    Ok(())
}

//! `keyrack signing-key`.

use clap::Subcommand;
use domain::Instant;
use domain::expiry::rfc3339;
use serde_json::json;
use service::{Services, SigningKeyStage};

use crate::cli::output;
use crate::cli::user::Format;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum SigningKeyCommand {
    /// Make a new key for signing access tokens. It is published at once and signs a quarter of an
    /// hour later; the old one counts until its last token has ended.
    Rotate {
        /// End this key at once, because somebody else may have it: all tokens that it signed are
        /// refused from the next request on. If it signs, or is to, a new one signs at once.
        #[arg(long, value_name = "KID")]
        compromised: Option<String>,
        /// Why, for the audit log.
        #[arg(long, default_value = "compromised", requires = "compromised")]
        reason: String,
        #[command(flatten)]
        format: Format,
    },
    /// Show the keys that sign, are to sign, or signed tokens that still count.
    List {
        #[command(flatten)]
        format: Format,
    },
}

/// Runs one.
pub async fn run(services: &Services, command: SigningKeyCommand) -> anyhow::Result<()> {
    match command {
        SigningKeyCommand::Rotate {
            compromised: None,
            format,
            ..
        } => rotate(services, &format).await,
        SigningKeyCommand::Rotate {
            compromised: Some(kid),
            reason,
            format,
        } => end(services, &kid, &reason, &format).await,
        SigningKeyCommand::List { format } => list(services, &format).await,
    }
}

async fn rotate(services: &Services, format: &Format) -> anyhow::Result<()> {
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

async fn end(services: &Services, kid: &str, reason: &str, format: &Format) -> anyhow::Result<()> {
    let host = super::host();
    let successor = services.end_signing_key(&host, kid, reason).await?;
    if format.json {
        output::json(&json!({ "ended": kid, "successor": successor }));
        return Ok(());
    }
    output::line(format!(
        "The signing key {kid} was ended. All tokens that it signed are refused from now on."
    ));
    if let Some(successor) = successor {
        output::line(format!("The new signing key {successor} signs at once."));
    }
    Ok(())
}

async fn list(services: &Services, format: &Format) -> anyhow::Result<()> {
    let keys = services.signing_keys(&super::host()).await?;
    if format.json {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| {
                let (stage, until) = words(key.stage);
                json!({
                    "kid": key.kid,
                    "stage": stage,
                    "used_from": rfc3339(key.used_from),
                    "counts_until": until.map(rfc3339),
                })
            })
            .collect();
        output::json(&json!(keys));
        return Ok(());
    }
    for key in keys {
        let (stage, until) = words(key.stage);
        let until = until.map_or_else(String::new, |at| format!(", counts until {}", rfc3339(at)));
        let from = rfc3339(key.used_from);
        output::line(format!("{}  {stage}, in use from {from}{until}", key.kid));
    }
    Ok(())
}

/// The word for a stage, and until when the key counts, if that is known.
const fn words(stage: SigningKeyStage) -> (&'static str, Option<Instant>) {
    match stage {
        SigningKeyStage::Published => ("published", None),
        SigningKeyStage::Signs => ("signs", None),
        SigningKeyStage::CountsUntil(until) => ("retired", Some(until)),
    }
}

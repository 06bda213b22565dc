//! `keyrack config`.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use crate::catalogue;
use crate::cli::output;
use crate::cli::user::Format;
use crate::config::{self, Config};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration file, the environment and the catalogue.
    Check {
        #[command(flatten)]
        format: Format,
    },
    /// Print a configuration file with every setting explained.
    Example,
}

/// Runs one.
pub fn run(command: &ConfigCommand, file: Option<&Path>) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check { format } => {
            let config = Config::load(file, config::environment()?)?;
            catalogue::load(config.catalogue.as_deref())?;
            for warning in config.warnings() {
                output::note(format!("Warning: {warning}"));
            }
            let from = file.map_or("the environment".to_owned(), |file| {
                file.display().to_string()
            });
            if format.json {
                output::json(&json!({ "good": true, "from": from }));
            } else {
                output::line(format!("The configuration from {from} is good."));
            }
        }
        ConfigCommand::Example => output::line(config::example()),
    }
    Ok(())
}

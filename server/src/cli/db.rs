//! `keyrack db`.

use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;
use service::IfMissing;

use crate::cli::output;
use crate::cli::user::Format;
use crate::config::Config;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Bring the database's schema up to this version; `serve` does this by itself.
    Migrate {
        /// Make an empty database where there is none, although there is a master key of an earlier one.
        #[arg(long)]
        new_database: bool,
        #[command(flatten)]
        format: Format,
    },
    /// Write a copy of the SQLite database to a new file, while the server goes on.
    Backup {
        /// The new file.
        file: PathBuf,
        #[command(flatten)]
        format: Format,
    },
}

/// Runs one.
pub async fn run(config: &Config, missing: IfMissing, command: DbCommand) -> anyhow::Result<()> {
    match command {
        DbCommand::Migrate { format, .. } => {
            let store = super::open_store(config, missing).await?;
            store.migrate().await?;
            store.close().await?;
            if format.json {
                output::json(&json!({ "up_to_date": true }));
            } else {
                output::line("The database is up to date.");
            }
        }
        DbCommand::Backup { file, format } => {
            if file.exists() {
                bail!("{} is there already: name a new file", file.display());
            }
            super::with(config, missing, async |services| {
                Ok(services.back_up(&super::host(), &file).await?)
            })
            .await?;
            if format.json {
                output::json(&json!({ "file": file }));
            } else {
                output::line(format!(
                    "The database was copied to {}. Keep the master key with it: without it the copy \
                     is of no use.",
                    file.display()
                ));
            }
        }
    }
    Ok(())
}

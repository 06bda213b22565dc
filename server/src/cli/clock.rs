//! `keyrack clock`.

use clap::Subcommand;
use domain::expiry::rfc3339;
use service::Services;

use crate::cli::output;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum ClockCommand {
    /// Say that this machine's clock is right, although the last audit events are from later: the clock
    /// that wrote them was wrong. Without it nothing believes an earlier time. Restart the servers then.
    Accept,
}

/// Runs one.
pub async fn run(services: &Services, command: ClockCommand) -> anyhow::Result<()> {
    match command {
        ClockCommand::Accept => {
            let now = services.accept_clock(&super::host()).await?;
            output::line(format!(
                "It is {}. Restart the servers that began before.",
                rfc3339(now)
            ));
            Ok(())
        }
    }
}

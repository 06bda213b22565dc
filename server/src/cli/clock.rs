//! `keyrack clock`.

use clap::Subcommand;
use domain::expiry::rfc3339;
use service::Services;

use crate::cli::output;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum ClockCommand {
    /// Say that this machine's clock is right, although the last audit events are from later, or the last
    /// time that is known to be right is long ago. Without it nothing believes an earlier time, and after
    /// a pause of more than a day on SQLite no signing key rotates. Running servers hear of it.
    Accept,
}

/// Runs one.
pub async fn run(services: &Services, command: ClockCommand) -> anyhow::Result<()> {
    match command {
        ClockCommand::Accept => {
            let now = services.accept_clock(&super::host()).await?;
            output::line(format!(
                "It is {}. Running servers go by it within a second, as far as their own clocks are right.",
                rfc3339(now)
            ));
            Ok(())
        }
    }
}

//! Taking up what has changed in the configuration while the server runs, as far as that can be.

use std::path::PathBuf;

use crate::config::{self, Config};
use crate::telemetry::{self, LogFilter};

/// The settings that can change in a running server; the others need a restart.
const LIVE: [&str; 1] = ["log"];

/// What reads the configuration again.
#[derive(Debug)]
pub struct Reload {
    /// The file that was read at the start.
    file: Option<PathBuf>,
    /// What the server started with.
    config: Config,
    log: LogFilter,
}

impl Reload {
    /// Starts logging as configured, and remembers what can change.
    #[must_use]
    pub fn start(file: Option<PathBuf>, config: &Config) -> Self {
        Self {
            file,
            config: config.clone(),
            log: telemetry::start(&config.log, config.log_format),
        }
    }

    /// Reads it again, and says what came of it. What can't be read changes nothing.
    pub fn reload(&self) {
        tracing::info!(
            "SIGHUP: the configuration is read again, and the catalogue's file if there is one"
        );
        let environment = config::environment();
        let now = environment.and_then(|found| Config::load(self.file.as_deref(), found));
        let now = match now {
            Ok(now) => now,
            Err(error) => {
                tracing::error!("the configuration can't be used, so nothing changes: {error}");
                return;
            }
        };
        match self.log.set(&now.log) {
            Ok(()) => tracing::info!("the setting log is {} now", now.log),
            Err(problem) => tracing::error!("the setting log can't be changed: {problem}"),
        }
        let changed = self.config.differing(&now);
        let late: Vec<_> = changed.iter().filter(|key| !LIVE.contains(key)).collect();
        for key in late {
            tracing::warn!("the setting {key} has changed, which needs a restart");
        }
    }
}

//! Logging: one line for each event, for people or for machines.

use std::io::IsTerminal as _;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

use crate::config::LogFormat;

/// Says how much is logged, and can be changed while the server runs.
#[derive(Clone)]
pub struct LogFilter(Arc<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>);

impl std::fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogFilter(…)")
    }
}

impl LogFilter {
    fn of<S: 'static>(handle: Handle<EnvFilter, S>) -> Self {
        Self(Arc::new(move |filter| {
            handle.reload(filter).map_err(|error| error.to_string())
        }))
    }

    /// Logs by another filter from now on.
    ///
    /// # Errors
    /// It is no filter, or nothing is logged any more.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
        (self.0)(filter)
    }
}

/// Starts logging to standard error; standard output is for what commands print.
pub fn start(filter: &str, format: LogFormat) -> LogFilter {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Who reads the log may go away. It would be told so on standard error, with a panic if that fails.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start, in tests, keeps the first.
    match format {
        LogFormat::Text => {
            let builder = builder.with_target(false).with_filter_reloading();
            let filter = LogFilter::of(builder.reload_handle());
            let _ = builder.try_init();
            filter
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let filter = LogFilter::of(builder.reload_handle());
            let _ = builder.try_init();
            filter
        }
    }
}

//! Takes the catalogue's file up again when it changes, without a restart.
//!
//! The path is read anew each time, so a file that is moved into its place and a symbolic link that
//! is turned (a ConfigMap of Kubernetes) are seen like one that is written over.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::catalogue::{Catalogue, Severity};
use service::Services;
use tokio::signal::unix::{SignalKind, signal};

use super::{located, log_warnings};
use crate::metrics::Metrics;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(2);

/// The catalogue's file, and what was seen of it last.
#[derive(Debug)]
pub struct Watch {
    file: PathBuf,
    services: Services,
    metrics: Arc<Metrics>,
    /// The content, or why it can't be read.
    seen: Option<Result<String, String>>,
    /// Whether what was seen was acted on.
    is_settled: bool,
}

impl Watch {
    /// Watches a file on behalf of the use cases.
    #[must_use]
    pub const fn new(file: PathBuf, services: Services, metrics: Arc<Metrics>) -> Self {
        Self {
            file,
            services,
            metrics,
            seen: None,
            is_settled: false,
        }
    }

    /// Looks every two seconds, and at once when the process gets SIGHUP.
    ///
    /// # Errors
    /// The operating system lets nobody listen for SIGHUP.
    pub fn keep_looking(mut self) -> std::io::Result<impl Future<Output = ()>> {
        let mut hang_ups = signal(SignalKind::hangup())?;
        Ok(async move {
            loop {
                let asked = tokio::select! {
                    () = tokio::time::sleep(EVERY) => false,
                    _ = hang_ups.recv() => true,
                };
                self.look(asked).await;
            }
        })
    }

    /// Looks once. A file that is being written may be a whole catalogue half-way, so a change counts
    /// when two looks have seen the same; `asked` doesn't wait for the second.
    pub async fn look(&mut self, asked: bool) {
        let read = tokio::fs::read_to_string(&self.file).await;
        let read = Some(read.map_err(|error| error.to_string()));
        if read != self.seen {
            self.seen = read;
            self.is_settled = false;
            if !asked {
                return;
            }
        }
        if !self.is_settled || asked {
            self.is_settled = self.act().await;
        }
    }

    /// Takes up what was seen, or notes why not; whether that is done with.
    async fn act(&self) -> bool {
        match &self.seen {
            None => true,
            Some(Err(error)) => {
                let path = self.file.display();
                self.refuse(vec![error.clone()], &format!("{path}: {error}"));
                true
            }
            Some(Ok(text)) => {
                let checked = Catalogue::read(text);
                let warnings = checked.count(Severity::Warning);
                if let Some(catalogue) = checked.catalogue {
                    return self.take_up(catalogue, warnings).await;
                }
                let lines = located(&self.file, &checked.findings);
                let findings = checked.findings.iter();
                let errors = findings.filter(|finding| finding.severity == Severity::Error);
                let problems =
                    errors.map(|error| format!("line {}: {}", error.line, error.message));
                self.refuse(problems.collect(), &lines.join("\n"));
                true
            }
        }
    }

    async fn take_up(&self, catalogue: Catalogue, warnings: usize) -> bool {
        let version = catalogue.version().to_owned();
        match self.services.take_up_catalogue(catalogue).await {
            Ok(is_other) => {
                self.metrics.catalogue_file_unusable.set(0);
                if is_other {
                    log_warnings(&self.file, warnings);
                    tracing::info!(version, "another catalogue is in force");
                }
                true
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the catalogue's file has changed, but can't be taken up yet"
                );
                false
            }
        }
    }

    fn refuse(&self, problems: Vec<String>, lines: &str) {
        let version = self.services.catalogue().version().to_owned();
        tracing::error!(
            "the catalogue's file has changed and can't be used; version {version} stays in force:\n\
             {lines}"
        );
        self.metrics.catalogue_file_unusable.set(1);
        self.services.note_catalogue_fault(problems);
    }
}

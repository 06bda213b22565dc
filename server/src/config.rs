//! Configuration: one TOML file, every value also by environment, secrets also by `…_FILE`.
//!
//! [`SETTINGS`] is the one list: it names each key, documents it, and makes the example file, the
//! table of the README and the names of the environment. A key that is not in it is an error.

mod check;
mod mail;
mod settings;
mod sources;
mod sso;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use domain::nearest::nearest;
use serde::Deserialize;
use service::{Location, MasterKey, PasswordLogIn, Settings};
use toml::{Table, Value};

use crate::mail::Mailer;
use crate::state::HttpSettings;
use check::Raw;
pub use settings::{SETTINGS, Setting, example, reference};
use sources::{defaults, flatten, from_variable, put};

/// Why the configuration can't be used. It names the key, never a secret's value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("the configuration file {0} can't be read: {1}")]
    File(PathBuf, String),
    /// A key that is not a setting.
    #[error("{0} is not a setting{suggestion}", suggestion = .1.as_ref().map(|near| format!(": did you mean {near}?")).unwrap_or_default())]
    Unknown(String, Option<String>),
    /// A value that can't be used.
    #[error("the setting {0}: {1}")]
    Value(String, String),
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The folder for the SQLite file and the master key.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Location,
    /// The address for metrics.
    pub metrics_listen: Option<SocketAddr>,
    /// The catalogue file; the built-in one if nothing.
    pub catalogue: Option<PathBuf>,
    /// The folder with the dashboard's files.
    pub site_dir: Option<PathBuf>,
    /// The log filter.
    pub log: String,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// The master key, if configured.
    pub master_key: Option<MasterKey>,
    /// The way out for mail, if any.
    pub mail: Option<Mailer>,
    /// For the HTTP layer.
    pub http: HttpSettings,
    /// For the use cases.
    pub settings: Settings,
    /// All of it as it was read.
    read: AsRead,
}

/// The configuration as it was read: it holds secrets, so it never prints.
#[derive(Clone, Default)]
struct AsRead(Table);

impl std::fmt::Debug for AsRead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AsRead(…)")
    }
}

impl Config {
    /// Reads the file, if there is one, and the environment, which goes before it.
    ///
    /// # Errors
    /// An unknown key, or a value that can't be used; the text names it.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = defaults();
        if let Some(path) = file {
            let problem =
                |e: &dyn std::fmt::Display| ConfigError::File(path.to_owned(), e.to_string());
            let text = std::fs::read_to_string(path).map_err(|e| problem(&e))?;
            let read: Table = text.parse().map_err(|e| problem(&e))?;
            for (key, value) in flatten(read) {
                if !SETTINGS.iter().any(|setting| setting.key == key) {
                    let near = nearest(&key, SETTINGS.iter().map(|s| s.key.to_owned()));
                    return Err(ConfigError::Unknown(key, near));
                }
                put(&mut table, &key, value);
            }
        }
        for (name, text) in environment {
            if let Some((setting, value)) = from_variable(&name, text)? {
                put(&mut table, setting.key, value);
            }
        }
        let read = AsRead(table.clone());
        sso::gather(&mut table);
        let raw = Raw::deserialize(table).map_err(|error| {
            ConfigError::Value(
                error.to_string().trim().to_owned(),
                "can't be used".to_owned(),
            )
        })?;
        Ok(Self {
            read,
            ..raw.check()?
        })
    }

    /// The settings whose values are others there.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<&'static str> {
        let values = |config: &Self| -> HashMap<String, Value> {
            flatten(config.read.0.clone()).into_iter().collect()
        };
        let (here, there) = (values(self), values(other));
        let differs = |setting: &&Setting| here.get(setting.key) != there.get(setting.key);
        let differing = SETTINGS.iter().filter(differs);
        differing.map(|setting| setting.key).collect()
    }

    /// What can be used and is seldom meant, for whoever starts the server or checks its configuration.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.http.is_https() && !self.listen.ip().is_loopback() {
            warnings.push(format!(
                "{} is plain http and reachable from outside: put TLS in front and set public_url",
                self.http.link("")
            ));
        }
        if self.settings.sso.passwords == PasswordLogIn::Only(Vec::new()) {
            let text = "sso.break_glass is empty while sso.local_login is off: nobody can log in when \
                        single sign-on is down; name the address of a superuser who has a password";
            warnings.push(text.to_owned());
        }
        warnings
    }
}

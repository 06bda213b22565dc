//! Configuration: one TOML file, every value also by environment, secrets also by `…_FILE`.
//!
//! [`SETTINGS`] is the one list: it names each key, documents it, and makes the example file, the
//! table of the README and the names of the environment. A key of the file that is not in it is an error;
//! a variable is a warning, as whoever starts programs puts their own there.

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
use crate::state::{HttpSettings, is_loopback};
use check::Raw;
pub use check::reached;
use settings::Kind;
pub use settings::{SETTINGS, Setting, example, reference};
use sources::{Variable, defaults, flatten, from_variable, put, read};

/// Why the configuration can't be used. It names the key, never a secret's value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("the configuration file {0} can't be read: {1}")]
    File(PathBuf, String),
    /// A key that is not a setting.
    #[error("{}", not_a_setting(.0, .1.as_deref()))]
    Unknown(String, Option<String>),
    /// A value that can't be used: the setting, and what would be valid.
    #[error("the setting {0}: {1}")]
    Value(String, String),
}

impl ConfigError {
    /// The same, with the place that a value was read from: a variable, or the file.
    fn found_in(self, places: &HashMap<&'static str, String>) -> Self {
        match self {
            Self::Value(key, problem) => {
                let mut places = places.iter();
                let place = places.find(|(setting, _)| {
                    key.strip_prefix(**setting)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
                });
                let place = place.map(|(_, place)| format!(" ({place})"));
                Self::Value(format!("{key}{}", place.unwrap_or_default()), problem)
            }
            other => other,
        }
    }
}

fn not_a_setting(name: &str, near: Option<&str>) -> String {
    let suggestion = near.map(|near| format!(": did you mean {near}?"));
    format!("{name} is not a setting{}", suggestion.unwrap_or_default())
}

/// The environment, as far as it is ours.
///
/// # Errors
/// A value that is not UTF-8; the text names its variable.
pub fn environment() -> Result<Vec<(String, String)>, ConfigError> {
    let ours = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        name.starts_with("KEYRACK_").then_some((name, value))
    });
    ours.map(|(name, value)| match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(ConfigError::Value(name, "use UTF-8".to_owned())),
    })
    .collect()
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
    /// What is wrong with variables that look like settings and are none.
    pub unknown_variables: Vec<String>,
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
        let mut places = HashMap::new();
        if let Some(path) = file {
            for (setting, value) in from_file(path)? {
                put(&mut table, setting.key, value);
                places.insert(setting.key, format!("in {}", path.display()));
            }
        }
        let mut unknown_variables = Vec::new();
        for (name, text) in environment {
            match from_variable(&name, text)? {
                Variable::Nothing => {}
                Variable::Value(setting, value) => {
                    put(&mut table, setting.key, value);
                    places.insert(setting.key, name);
                }
                Variable::Unknown(near) => {
                    unknown_variables.push(not_a_setting(&name, near.as_deref()));
                }
            }
        }
        let read = AsRead(table.clone());
        sso::gather(&mut table);
        let raw: Result<Raw, _> = serde_path_to_error::deserialize(table);
        let checked = raw.map_err(|error| cannot_be_used(&error));
        let checked = checked.and_then(Raw::check);
        Ok(Self {
            unknown_variables,
            read,
            ..checked.map_err(|error| error.found_in(&places))?
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
        let mut warnings = self.unknown_variables.clone();
        let url = self.http.link("");
        if !self.http.is_https() && !is_loopback(&self.http.public_url) {
            warnings.push(format!(
                "public_url is {url}, plain http: browsers keep no session over it, so nobody can log in, and \
                 secrets and tokens travel in clear; put TLS in front and set public_url to its https:// address"
            ));
        } else if !self.listen.ip().is_loopback() && is_loopback(&self.http.public_url) {
            warnings.push(format!(
                "links and the issuer say {url}, which leads nowhere from other machines, though these reach \
                 Keyrack: put TLS in front and set public_url to its https:// address"
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

/// What a configuration file sets.
fn from_file(path: &Path) -> Result<Vec<(&'static Setting, Value)>, ConfigError> {
    let problem = |text: String| ConfigError::File(path.to_owned(), text);
    let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    // Not the error's own text: it shows the line, which may hold a secret.
    let parsed = text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.unwrap_or_default().matches('\n').count() + 1;
        problem(format!("line {line}: {}", error.message()))
    })?;
    let mut settings = Vec::new();
    for (key, value) in flatten(parsed) {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let near = nearest(&key, SETTINGS.iter().map(|s| s.key.to_owned()));
            return Err(ConfigError::Unknown(key, near));
        };
        // As the example file shows a setting that has no value.
        if setting.default.is_empty() && value.as_str() == Some("") {
            continue;
        }
        let value = read(setting.kind, value);
        let value = value.map_err(|text| {
            ConfigError::Value(format!("{key} (in {})", path.display()), text.to_owned())
        })?;
        settings.push((setting, value));
    }
    Ok(settings)
}

/// Names the setting that is not of its type. What it was stays away if it may be a secret.
fn cannot_be_used(error: &serde_path_to_error::Error<toml::de::Error>) -> ConfigError {
    let key = error.path().to_string();
    let last = key.rsplit('.').next().unwrap_or_default();
    let is_secret = |setting: &Setting| {
        setting.kind == Kind::Secret && setting.key.rsplit('.').next() == Some(last)
    };
    let problem = if SETTINGS.iter().any(is_secret) {
        "use a text between quotes"
    } else {
        error.inner().message()
    };
    ConfigError::Value(key, problem.to_owned())
}

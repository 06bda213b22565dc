//! Configuration: one TOML file, every value also by environment, secrets also by `…_FILE`.
//!
//! [`SETTINGS`] is the one list: it names each key, documents it, and makes the example file, the
//! table of the README and the names of the environment. A key that is not in it is an error.

mod sso;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use domain::address::{AddressList, InvalidAddressList};
use domain::nearest::nearest;
use domain::outbound::OutboundRule;
use ipnet::IpNet;
use lettre::message::Mailbox;
use serde::Deserialize;
use service::{MasterKey, SessionLimits, Settings};
use toml::{Table, Value};
use url::Url;

use crate::mail::Mailer;
use crate::state::{GateMode, GateSettings, HttpSettings};

/// How a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Switch,
    /// In the file a list, in the environment separated by commas.
    List,
    /// A text that never prints, and that can be read from a file.
    Secret,
    /// Tables of settings, which only the file can hold.
    Tables,
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its key in the file, with its table before a dot.
    pub key: &'static str,
    /// Its value when nothing is set, as in the file; nothing if it depends on others.
    pub default: &'static str,
    /// What it is for.
    pub doc: &'static str,
    kind: Kind,
}

macro_rules! settings {
    ($($key:literal $kind:ident $default:literal $doc:literal)+) => {
        /// Every setting, in the order of the example file.
        pub const SETTINGS: &[Setting] =
            &[$(Setting { key: $key, kind: Kind::$kind, default: $default, doc: $doc }),+];
    };
}

settings! {
    "listen" Text "\"127.0.0.1:3000\"" "The address for browsers, programs and gateways."
    "public_url" Text "" "Where they reach it, such as https://keys.example.com; http:// and the address of `listen` by default. Links and token metadata are made from it."
    "data_dir" Text "\"data\"" "The folder for the SQLite file and the master key."
    "database_url" Text "" "`sqlite://path` or `postgres://user:password@host/name`; a SQLite file in `data_dir` by default."
    "metrics_listen" Text "" "The address for Prometheus; no metrics by default."
    "catalogue" Text "" "The catalogue of the protected API, a TOML file; Alpaca's Broker API by default."
    "site_dir" Text "" "The folder with the dashboard's files; found next to the program by default."
    "log" Text "\"info\"" "How much is logged: error, warn, info, debug, or a filter for each module."
    "log_format" Text "\"text\"" "`text` for people, `json` for machines."
    "master_key" Secret "" "64 hexadecimal digits from which the server's own keys are derived; made and kept in `data_dir` by default."
    "trusted_proxies" List "[]" "Addresses of proxies in front of the dashboard whose X-Forwarded-For is believed."
    "gate.mode" Text "\"nginx\"" "The gateway that asks the gate: nginx, caddy, traefik or envoy."
    "gate.trusted" List "[\"127.0.0.0/8\", \"::1\"]" "Addresses of gateways that may ask the gate."
    "gate.key_id_header" Text "\"APCA-API-KEY-ID\"" "The legacy header with the key id."
    "gate.secret_header" Text "\"APCA-API-SECRET-KEY\"" "The legacy header with the secret."
    "tokens.minutes" Number "15" "How long an access token lives, 1 to 60 minutes."
    "tokens.audiences" List "[]" "The resources that tokens can be for, first the usual one; the issuer itself by default."
    "tokens.signing_key_days" Number "90" "How old a signing key grows before a new one takes its place; 0 to rotate by command only."
    "tokens.accept_endpoint_audience" Switch "false" "Whether a client's assertion may name the token endpoint as its audience, as clients older than RFC 10070 do; the issuer is always right."
    "policy.maximum_days" Number "0" "The longest life of a new credential in days; 0 for no limit."
    "audit.keep_days" Number "0" "How many days the audit log is kept; 0 for ever. What is older is trimmed away, and the rest stays provable: export it before."
    "sessions.idle_minutes" Number "60" "A log-in ends after so many minutes without a request."
    "sessions.absolute_hours" Number "24" "A log-in ends after so many hours in any case."
    "outbound.allow_private_addresses" List "[]" "Networks that the URLs of public keys may lead to although they are not public, such as 10.1.0.0/16; with 127.0.0.0/8, plain http to this machine works too."
    "mail.from" Text "" "Who mails come from, such as Keyrack <keyrack@example.com>; needed for the settings below. Without mail, superusers pass links on themselves."
    "mail.smtp_url" Secret "" "The mail server: smtps://user:password@host, or smtp://user:password@host:587?tls=required for STARTTLS."
    "mail.folder" Text "" "A folder that each mail is written to in place of being sent, for development."
    "sso.id" Text "\"sso\"" "The provider's name in addresses; the way back from it is `public_url` + `/sso/` + id + `/callback`."
    "sso.name" Text "\"single sign-on\"" "What its button says after \"Log in with\"."
    "sso.issuer" Text "" "The issuer of an OpenID provider, exactly as in its metadata; no single sign-on by default."
    "sso.client_id" Text "\"\"" "Who Keyrack is at the provider."
    "sso.client_secret" Secret "" "What Keyrack proves that with. In `[[sso.providers]]` also as `client_secret_file`."
    "sso.scopes" List "[\"email\", \"profile\"]" "What is asked for besides openid; some providers give the groups only for the scope groups."
    "sso.groups_claim" Text "\"groups\"" "The claim of the ID token with the groups, a list of texts."
    "sso.role_map" List "[]" "Which group gives which role, such as keyrack-admins=superuser; the highest wins, at each log-in. Without any, roles are given in Keyrack."
    "sso.default_role" Text "" "The role of those whose groups give none: developer, operations or support. They are refused by default."
    "sso.require_verified_email" Switch "true" "Whether a new account needs an address that the provider says is verified. Microsoft Entra ID does not say."
    "sso.providers" Tables "[]" "More providers, each with the settings above. Only in the file."
    "sso.local_login" Switch "true" "Whether people may log in with a password."
    "sso.break_glass" List "[]" "The addresses of superusers who may in any case, for when single sign-on is down."
    "sso.header.enabled" Switch "false" "Whether a proxy in front may say in a header who somebody is."
    "sso.header.trusted" List "[]" "The addresses of that proxy."
    "sso.header.force" Switch "false" "Whether these addresses may be everyone's (0.0.0.0/0). Then anybody who reaches the port is whoever they say."
    "sso.header.user" Text "\"X-Auth-User\"" "The header with the user name, which an account belongs to."
    "sso.header.email" Text "\"X-Auth-Email\"" "The header with the e-mail address; without one, the user name must be one."
    "sso.header.name" Text "\"X-Auth-Name\"" "The header with the name."
    "sso.header.groups" Text "\"X-Auth-Groups\"" "The header with the groups, between commas."
    "sso.header.role_map" List "[]" "As `sso.role_map`."
    "sso.header.default_role" Text "" "As `sso.default_role`."
    "passwords.hashers" Number "2" "How many passwords are checked at once; each takes 19 MiB."
}

impl Setting {
    /// Its name in the environment.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("KEYRACK_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// Its value when nothing is set.
    fn default_value(&self) -> Option<Value> {
        // The defaults are constants of this file; the tests read every one.
        let mut parsed: Table = format!("value = {}", self.default).parse().ok()?;
        parsed.remove("value")
    }
}

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

#[derive(Deserialize)]
struct Raw {
    listen: SocketAddr,
    public_url: Option<Url>,
    data_dir: PathBuf,
    database_url: Option<String>,
    metrics_listen: Option<SocketAddr>,
    catalogue: Option<PathBuf>,
    site_dir: Option<PathBuf>,
    log: String,
    log_format: LogFormat,
    master_key: Option<String>,
    trusted_proxies: Vec<String>,
    gate: RawGate,
    tokens: RawTokens,
    policy: RawPolicy,
    audit: RawAudit,
    sessions: RawSessions,
    passwords: RawPasswords,
    mail: RawMail,
    outbound: RawOutbound,
    sso: sso::RawSso,
}

#[derive(Deserialize)]
struct RawGate {
    mode: GateMode,
    trusted: Vec<String>,
    key_id_header: String,
    secret_header: String,
}

#[derive(Deserialize)]
struct RawTokens {
    minutes: i64,
    audiences: Vec<String>,
    signing_key_days: i64,
    accept_endpoint_audience: bool,
}

#[derive(Deserialize)]
struct RawPolicy {
    maximum_days: i64,
}

#[derive(Deserialize)]
struct RawAudit {
    keep_days: i64,
}

#[derive(Deserialize)]
struct RawSessions {
    idle_minutes: i64,
    absolute_hours: i64,
}

#[derive(Deserialize)]
struct RawPasswords {
    hashers: usize,
}

#[derive(Deserialize)]
struct RawOutbound {
    allow_private_addresses: Vec<String>,
}

#[derive(Deserialize)]
struct RawMail {
    from: Option<String>,
    smtp_url: Option<String>,
    folder: Option<PathBuf>,
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

/// The address of the database. It may hold a password, so it never prints.
#[derive(Clone)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The address, for the one place that connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}

/// The configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The folder for the SQLite file and the master key.
    pub data_dir: PathBuf,
    /// The database.
    pub database_url: DatabaseUrl,
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
        sso::gather(&mut table);
        let raw = Raw::deserialize(table).map_err(|error| {
            ConfigError::Value(
                error.to_string().trim().to_owned(),
                "can't be used".to_owned(),
            )
        })?;
        raw.check()
    }
}

impl Raw {
    #[expect(
        clippy::too_many_lines,
        reason = "one setting after the other, in the order of the list"
    )]
    fn check(self) -> Result<Config, ConfigError> {
        let value =
            |key: &str, problem: &str| ConfigError::Value(key.to_owned(), problem.to_owned());
        let within = |key: &str, number: i64, least: i64, most: i64| {
            if (least..=most).contains(&number) {
                Ok(number)
            } else {
                Err(ConfigError::Value(
                    key.to_owned(),
                    format!("use {least} to {most}"),
                ))
            }
        };
        let public_url = match self.public_url {
            Some(url) => url,
            None => Url::parse(&format!("http://{}", self.listen))
                .map_err(|_| value("listen", "use an address and a port"))?,
        };
        let is_plain = matches!(public_url.scheme(), "http" | "https")
            && public_url.path() == "/"
            && public_url.query().is_none()
            && public_url.fragment().is_none()
            && public_url.username().is_empty();
        if !is_plain {
            return Err(value(
                "public_url",
                "use https:// and a host, without a path",
            ));
        }
        let master_key = match self.master_key {
            None => None,
            Some(text) => Some(MasterKey::from_text(&text).ok_or_else(|| {
                value(
                    "master_key",
                    "use 64 hexadecimal digits, such as `openssl rand -hex 32` prints",
                )
            })?),
        };
        let header = |key: &str, name: &str| {
            name.parse()
                .map_err(|_| value(key, "use the name of a header"))
        };
        let outbound = OutboundRule::new(networks(
            "outbound.allow_private_addresses",
            &self.outbound.allow_private_addresses,
        )?);
        let here = public_url.as_str().trim_end_matches('/');
        let (sso, header_log_in) = self.sso.check(here, &outbound)?;
        let http = HttpSettings {
            header_log_in,
            public_url,
            trusted_proxies: networks("trusted_proxies", &self.trusted_proxies)?,
            gate: GateSettings {
                mode: self.gate.mode,
                trusted: networks("gate.trusted", &self.gate.trusted)?,
                key_id_header: header("gate.key_id_header", &self.gate.key_id_header)?,
                secret_header: header("gate.secret_header", &self.gate.secret_header)?,
            },
        };
        let issuer = http.issuer();
        let mut assertion_audiences = vec![issuer.clone()];
        if self.tokens.accept_endpoint_audience {
            assertion_audiences.push(http.link("/v1/oauth2/token"));
        }
        let key = "tokens.signing_key_days";
        let signing_key_days = within(key, self.tokens.signing_key_days, 0, 3_650)?;
        let audiences = self.tokens.audiences;
        let maximum_days = within("policy.maximum_days", self.policy.maximum_days, 0, 36_500)?;
        let keep_days = within("audit.keep_days", self.audit.keep_days, 0, 36_500)?;
        let settings = Settings {
            audiences: if audiences.is_empty() {
                vec![issuer.clone()]
            } else {
                audiences
            },
            issuer,
            assertion_audiences,
            signing_key_life: (signing_key_days > 0).then(|| TimeDelta::days(signing_key_days)),
            token_life: TimeDelta::minutes(within("tokens.minutes", self.tokens.minutes, 1, 60)?),
            audit_kept: (keep_days > 0).then(|| TimeDelta::days(keep_days)),
            maximum_credential_life: (maximum_days > 0).then(|| TimeDelta::days(maximum_days)),
            sessions: SessionLimits {
                idle: TimeDelta::minutes(within(
                    "sessions.idle_minutes",
                    self.sessions.idle_minutes,
                    1,
                    1_440,
                )?),
                absolute: TimeDelta::hours(within(
                    "sessions.absolute_hours",
                    self.sessions.absolute_hours,
                    1,
                    720,
                )?),
            },
            password_hashers: self.passwords.hashers.clamp(1, 64),
            outbound,
            sso,
        };
        let database_url = self
            .database_url
            .unwrap_or_else(|| format!("sqlite://{}", self.data_dir.join("keyrack.db").display()));
        if !["sqlite:", "postgres:", "postgresql:"]
            .iter()
            .any(|s| database_url.starts_with(s))
        {
            return Err(value(
                "database_url",
                "use sqlite://path or postgres://user:password@host/name",
            ));
        }
        Ok(Config {
            listen: self.listen,
            data_dir: self.data_dir,
            database_url: DatabaseUrl(database_url),
            metrics_listen: self.metrics_listen,
            catalogue: self.catalogue,
            site_dir: self.site_dir,
            log: self.log,
            log_format: self.log_format,
            master_key,
            mail: self.mail.check()?,
            http,
            settings,
        })
    }
}

impl RawMail {
    fn check(self) -> Result<Option<Mailer>, ConfigError> {
        let value =
            |key: &str, problem: &str| ConfigError::Value(key.to_owned(), problem.to_owned());
        let from = || {
            let from = self.from.as_deref().unwrap_or_default();
            from.parse::<Mailbox>().map_err(|_| {
                value(
                    "mail.from",
                    "use an address such as Keyrack <keyrack@example.com>",
                )
            })
        };
        match (&self.smtp_url, &self.folder) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(value("mail.folder", "set this or mail.smtp_url, not both")),
            (None, Some(folder)) => Ok(Some(Mailer::folder(from()?, folder.clone()))),
            (Some(text), None) => {
                let key = "mail.smtp_url";
                let form = "use smtps://user:password@host, or smtp://…?tls=required";
                let url = Url::parse(text).map_err(|_| value(key, form))?;
                let is_plain = url.scheme() == "smtp" && url.query() != Some("tls=required");
                if is_plain && url.password().is_some() && !is_loopback(&url) {
                    let problem = "the password would travel in clear: add ?tls=required";
                    return Err(value(key, problem));
                }
                let mailer = Mailer::smtp(from()?, text).map_err(|_| value(key, form))?;
                Ok(Some(mailer))
            }
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// The example file: every setting with its meaning and default, commented out.
#[must_use]
pub fn example() -> String {
    let mut text = String::from(
        "# Keyrack's settings. Each is also an environment variable: KEYRACK_ and the key in upper\n\
         # case, tables joined by an underscore (gate.mode is KEYRACK_GATE_MODE). Secrets can be\n\
         # read from a file: KEYRACK_MASTER_KEY_FILE, KEYRACK_DATABASE_URL_FILE,\n\
         # KEYRACK_MAIL_SMTP_URL_FILE, KEYRACK_SSO_CLIENT_SECRET_FILE.\n",
    );
    let mut table = "";
    for setting in SETTINGS {
        let (section, key) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        if section != table {
            text.push_str(&format!("\n[{section}]\n"));
            table = section;
        }
        let default = if setting.default.is_empty() {
            "\"\""
        } else {
            setting.default
        };
        text.push_str(&format!("\n# {}\n# {key} = {default}\n", setting.doc));
    }
    text
}

/// The table of the README.
#[must_use]
pub fn reference() -> String {
    let mut text =
        String::from("| setting | environment | default | what it is |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = match setting.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let row = format!(
            "| `{}` | {} | {default} | {} |\n",
            setting.key,
            match setting.kind {
                Kind::Tables => String::new(),
                _ => format!("`{}`", setting.variable()),
            },
            setting.doc
        );
        text.push_str(&row);
    }
    text
}

fn defaults() -> Table {
    let mut table = Table::new();
    for setting in SETTINGS
        .iter()
        .filter(|setting| !setting.default.is_empty())
    {
        if let Some(value) = setting.default_value() {
            put(&mut table, setting.key, value);
        }
    }
    for section in SETTINGS
        .iter()
        .filter_map(|setting| setting.key.split_once('.'))
    {
        table
            .entry(section.0)
            .or_insert_with(|| Value::Table(Table::new()));
    }
    table
}

fn flatten(table: Table) -> Vec<(String, Value)> {
    table
        .into_iter()
        .flat_map(|(key, value)| match value {
            Value::Table(inner) => flatten(inner)
                .into_iter()
                .map(|(name, value)| (format!("{key}.{name}"), value))
                .collect(),
            value => vec![(key, value)],
        })
        .collect()
}

fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, key)) => {
            if let Value::Table(inner) = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()))
            {
                put(inner, key, value);
            }
        }
    }
}

/// The setting and value of an environment variable; nothing for variables of others.
fn from_variable(
    name: &str,
    text: String,
) -> Result<Option<(&'static Setting, Value)>, ConfigError> {
    // Kubernetes describes a service named keyrack in these; the tests' own begin with KEYRACK_TEST.
    let foreign = ["KEYRACK_SERVICE_", "KEYRACK_PORT", "KEYRACK_TEST_"];
    if !name.starts_with("KEYRACK_") || foreign.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(None);
    }
    let (setting, text) = if let Some(setting) = SETTINGS.iter().find(|s| s.variable() == name) {
        (setting, text)
    } else {
        let from_file = name.strip_suffix("_FILE").and_then(|name| {
            SETTINGS.iter().find(|s| {
                s.variable() == name && (s.kind == Kind::Secret || s.key == "database_url")
            })
        });
        let Some(setting) = from_file else {
            let near = nearest(name, SETTINGS.iter().map(Setting::variable));
            return Err(ConfigError::Unknown(name.to_owned(), near));
        };
        let text = std::fs::read_to_string(&text)
            .map_err(|error| ConfigError::File(text.into(), error.to_string()))?;
        (setting, text.trim_end_matches(['\r', '\n']).to_owned())
    };
    if text.is_empty() {
        return Ok(None);
    }
    let value =
        match setting.kind {
            Kind::Text | Kind::Secret => Value::String(text),
            Kind::Tables => {
                let text = "set this in the configuration file".to_owned();
                return Err(ConfigError::Value(name.to_owned(), text));
            }
            Kind::Number => Value::Integer(text.parse().map_err(|_| {
                ConfigError::Value(name.to_owned(), "use a whole number".to_owned())
            })?),
            Kind::Switch => Value::Boolean(text.parse().map_err(|_| {
                ConfigError::Value(name.to_owned(), "use true or false".to_owned())
            })?),
            Kind::List => Value::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(Value::from)
                    .collect(),
            ),
        };
    Ok(Some((setting, value)))
}

/// Addresses and networks. "Everyone" is refused: it would let anybody ask, or say where they come
/// from.
fn networks(key: &str, texts: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let networks = networks_of_everyone_too(key, texts)?;
    match networks.iter().find(|network| network.prefix_len() == 0) {
        Some(everyone) => Err(ConfigError::Value(
            key.to_owned(),
            format!("{everyone} is everyone: name the addresses"),
        )),
        None => Ok(networks),
    }
}

/// The same where a switch has allowed everyone.
fn networks_of_everyone_too(key: &str, texts: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let list = texts.join(",").parse::<AddressList>();
    let list = list.map_err(|error: InvalidAddressList| {
        ConfigError::Value(key.to_owned(), error.to_string())
    })?;
    Ok(list.networks().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), file).unwrap();
        let environment = environment
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Config::load(Some(path.path()), environment)
    }

    #[test]
    fn nothing_set_works() {
        let config = Config::load(None, []).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
        assert_eq!(config.settings.issuer, "http://127.0.0.1:3000/v1");
        assert_eq!(config.settings.audiences, ["http://127.0.0.1:3000/v1"]);
        assert_eq!(config.database_url.expose(), "sqlite://data/keyrack.db");
        assert_eq!(config.http.gate.mode, GateMode::Nginx);
        assert!(config.master_key.is_none());
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let file = "listen = \"127.0.0.1:1\"\ndata_dir = \"a\"\n[gate]\nmode = \"caddy\"\n";
        let config = load(
            file,
            &[
                ("KEYRACK_LISTEN", "[::1]:2"),
                ("KEYRACK_GATE_TRUSTED", "10.0.0.1, 10.1.0.0/16"),
                ("PATH", "x"),
            ],
        )
        .unwrap();
        assert_eq!(config.listen.to_string(), "[::1]:2");
        assert_eq!(config.data_dir, PathBuf::from("a"));
        assert_eq!(config.http.gate.mode, GateMode::Caddy);
        assert_eq!(config.http.gate.trusted.len(), 2);
        assert_eq!(config.settings.issuer, "http://[::1]:2/v1");
    }

    #[test]
    fn unknown_keys_are_errors_that_name_the_nearest() {
        let table = [
            (
                load("lisen = 1\n", &[]),
                "lisen is not a setting: did you mean listen?",
            ),
            (
                load("[gate]\nmodus = 1\n", &[]),
                "gate.modus is not a setting: did you mean gate.mode?",
            ),
            (
                load("", &[("KEYRACK_LISTN", "x")]),
                "KEYRACK_LISTN is not a setting: did you mean KEYRACK_LISTEN?",
            ),
            (
                load("", &[("KEYRACK_GATE_MODE_FILE", "x")]),
                "KEYRACK_GATE_MODE_FILE is not a setting: did you mean KEYRACK_GATE_MODE?",
            ),
        ];
        for (result, expected) in table {
            assert_eq!(result.unwrap_err().to_string(), expected);
        }
        assert!(
            load(
                "",
                &[
                    ("KEYRACK_SERVICE_HOST", "x"),
                    ("KEYRACK_PORT_3000_TCP", "y")
                ]
            )
            .is_ok()
        );
    }

    #[test]
    fn values_that_cannot_be_used_are_errors_that_name_the_key() {
        let table = [
            ("listen = \"nowhere\"\n", "listen"),
            (
                "public_url = \"https://keys.example.com/path\"\n",
                "public_url",
            ),
            ("public_url = \"ftp://keys.example.com\"\n", "public_url"),
            ("database_url = \"mysql://x\"\n", "database_url"),
            ("master_key = \"abc\"\n", "master_key"),
            ("[gate]\nmode = \"haproxy\"\n", "gate"),
            ("[gate]\ntrusted = [\"0.0.0.0/0\"]\n", "gate.trusted"),
            ("trusted_proxies = [\"::/0\"]\n", "trusted_proxies"),
            (
                "[outbound]\nallow_private_addresses = [\"0.0.0.0/0\"]\n",
                "outbound.allow_private_addresses",
            ),
            ("trusted_proxies = [\"proxy.local\"]\n", "trusted_proxies"),
            ("[mail]\nfolder = \"mail\"\n", "mail.from"),
            (
                "[mail]\nfrom = \"a@example.com\"\nfolder = \"x\"\nsmtp_url = \"smtps://x\"\n",
                "mail.folder",
            ),
            (
                "[mail]\nfrom = \"a@example.com\"\nsmtp_url = \"https://x\"\n",
                "mail.smtp_url",
            ),
            (
                "[mail]\nfrom = \"a@example.com\"\nsmtp_url = \"smtp://a:b@mail.example.com\"\n",
                "travel in clear",
            ),
            ("[tokens]\nminutes = 0\n", "tokens.minutes"),
            ("[tokens]\nminutes = \"x\"\n", "tokens"),
        ];
        for (file, key) in table {
            let error = load(file, &[]).unwrap_err().to_string();
            assert!(error.contains(key), "{file}: {error}");
        }
    }

    #[test]
    fn providers_are_one_by_plain_settings_and_more_in_the_file() {
        let file = "[sso]\nissuer = \"https://id.example.com\"\nclient_id = \"keyrack\"\n\
             role_map = [\"cn=admins=superuser\"]\n\
             [[sso.providers]]\nid = \"guests\"\nissuer = \"https://guests.example.com/\"\n\
             client_id = \"k\"\ndefault_role = \"support\"\n";
        let secret = [("KEYRACK_SSO_CLIENT_SECRET", "never-prints")];
        let config = load(file, &secret).unwrap();
        let [first, second] = &config.settings.sso.providers[..] else {
            panic!("two providers");
        };
        assert_eq!((first.id.as_str(), second.id.as_str()), ("sso", "guests"));
        assert_eq!(second.issuer.as_str(), "https://guests.example.com/");
        assert_eq!(second.scopes, ["email", "profile"]);
        assert!(first.client_secret.is_some() && second.client_secret.is_none());
        assert!(!format!("{config:?}").contains("never-prints"));
    }

    #[test]
    fn single_sign_on_that_cannot_work_is_refused() {
        let provider = "[sso]\nissuer = \"https://id.example.com\"\nclient_id = \"k\"\n";
        let header = "[sso.header]\nenabled = true\n";
        for (file, key) in [
            (
                "[sso]\nissuer = \"http://id.example.com\"\nclient_id = \"k\"\n",
                "sso.issuer",
            ),
            (
                "[sso]\nissuer = \"https://id.example.com\"\n",
                "sso.client_id",
            ),
            (&format!("{provider}id = \"A/b\"\n"), "sso.id"),
            (
                &format!("{provider}role_map = [\"admins\"]\n"),
                "sso.role_map",
            ),
            (
                &format!("{provider}default_role = \"superuser\"\n"),
                "sso.role_map",
            ),
            (
                &format!("{provider}default_role = \"root\"\n"),
                "sso.default_role",
            ),
            (
                &format!(
                    "{provider}[[sso.providers]]\nissuer = \"https://b.example\"\nclient_id = \"k\"\n"
                ),
                "sso.providers",
            ),
            ("[[sso.providers]]\nisuer = \"x\"\n", "isuer"),
            ("[sso]\nlocal_login = false\n", "sso.local_login"),
            (
                &format!("{provider}local_login = false\nbreak_glass = [\"x\"]\n"),
                "sso.break_glass",
            ),
            (header, "sso.header.trusted"),
            (
                &format!("{header}trusted = [\"0.0.0.0/0\"]\n"),
                "sso.header.trusted",
            ),
            (
                &format!("{header}trusted = [\"::/0\"]\n"),
                "sso.header.trusted",
            ),
            (
                &format!("{header}trusted = [\"10.0.0.1\"]\nuser = \"a b\"\n"),
                "sso.header.user",
            ),
            ("[sso.header]\nenable = true\n", "sso.header.enable"),
        ] {
            let error = load(file, &[]).unwrap_err().to_string();
            assert!(error.contains(key), "{file}: {error}");
        }
        let forced = format!("{header}trusted = [\"0.0.0.0/0\"]\nforce = true\n");
        assert!(load(&forced, &[]).unwrap().http.header_log_in.is_some());
        assert!(load("", &[]).unwrap().http.header_log_in.is_none());
        let variable = [("KEYRACK_SSO_PROVIDERS", "x")];
        let error = load("", &variable).unwrap_err().to_string();
        assert!(error.contains("in the configuration file"), "{error}");
    }

    #[test]
    fn secrets_can_come_from_a_file_and_never_print() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let key = "ab".repeat(32);
        std::fs::write(path.path(), format!("{key}\n")).unwrap();
        let name = path.path().display().to_string();
        let config = Config::load(None, [("KEYRACK_MASTER_KEY_FILE".to_owned(), name)]).unwrap();
        assert!(config.master_key.is_some());
        assert!(!format!("{config:?}").contains(&key));
        let mail = [
            ("KEYRACK_MAIL_FROM", "Keyrack <keyrack@example.com>"),
            (
                "KEYRACK_MAIL_SMTP_URL",
                "smtp://user:open-sesame@mail.example.com?tls=required",
            ),
        ];
        let config = load("", &mail).unwrap();
        assert!(config.mail.is_some());
        assert!(!format!("{config:?}").contains("sesame"));
        let bad = load("", &[("KEYRACK_MASTER_KEY", "not-hex-but-secret")]).unwrap_err();
        assert!(!bad.to_string().contains("not-hex"));
    }

    #[test]
    fn the_example_file_is_valid_and_changes_nothing() {
        assert_eq!(
            format!("{:?}", load(&example(), &[]).unwrap()),
            format!("{:?}", Config::load(None, []).unwrap())
        );
        let set: String = example()
            .lines()
            .filter_map(|line| {
                line.strip_prefix("# ")
                    .filter(|l| {
                        l.contains(" = ")
                            && !l.contains(" = \"\"")
                            && l.split(" = ").next().is_some_and(|k| !k.contains(' '))
                    })
                    .or(line.strip_prefix('[').map(|_| line))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(load(&set, &[]).is_ok(), "{set}");
    }

    #[test]
    fn the_readme_holds_the_table_of_settings() {
        let readme = include_str!("../../README.md");
        assert!(
            readme.contains(&reference()),
            "put this into README.md:\n{}",
            reference()
        );
    }
}

//! The settings of single sign-on: providers, one of them by plain settings and any number by
//! `[[sso.providers]]`, and the headers of a trusted proxy.

use std::path::PathBuf;

use domain::groups::RoleMap;
use domain::outbound::OutboundRule;
use domain::user::EmailAddress;
use serde::Deserialize;
use service::{ClientId, ClientSecret, PasswordLogIn, ProviderSettings, SsoSettings, read_issuer};
use toml::{Table, Value};

use super::check::{networks, networks_of_everyone_too};
use super::{ConfigError, SETTINGS};
use crate::http::layers::proxy::HeaderLogIn;

/// The settings that are also those of each entry of `[[sso.providers]]`.
const OF_PROVIDERS: [&str; 10] = [
    "id",
    "name",
    "issuer",
    "client_id",
    "client_secret",
    "scopes",
    "groups_claim",
    "role_map",
    "default_role",
    "require_verified_email",
];

#[derive(Deserialize)]
pub(super) struct RawSso {
    providers: Vec<RawProvider>,
    local_login: bool,
    break_glass: Vec<String>,
    header: RawHeader,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProvider {
    id: String,
    name: String,
    issuer: String,
    client_id: String,
    client_secret: Option<String>,
    client_secret_file: Option<PathBuf>,
    scopes: Vec<String>,
    groups_claim: String,
    role_map: Vec<String>,
    default_role: Option<String>,
    require_verified_email: bool,
}

#[derive(Deserialize)]
struct RawHeader {
    enabled: bool,
    trusted: Vec<String>,
    force: bool,
    user: String,
    email: String,
    name: String,
    groups: String,
    role_map: Vec<String>,
    default_role: Option<String>,
}

/// Makes the plain settings of a provider the first entry of `[[sso.providers]]`, and fills the
/// others up with the same defaults.
pub(super) fn gather(table: &mut Table) {
    let Some(Value::Table(sso)) = table.get_mut("sso") else {
        return;
    };
    let plain: Table = OF_PROVIDERS
        .into_iter()
        .filter_map(|key| sso.remove_entry(key))
        .collect();
    let Some(Value::Array(providers)) = sso.get_mut("providers") else {
        return;
    };
    if plain.contains_key("issuer") {
        providers.insert(0, Value::Table(plain));
    }
    for provider in providers {
        let Value::Table(provider) = provider else {
            continue;
        };
        for setting in SETTINGS {
            let key = setting.key.strip_prefix("sso.");
            if let Some(key) = key.filter(|key| OF_PROVIDERS.contains(key))
                && let Some(default) = setting.default_value()
            {
                provider.entry(key).or_insert(default);
            }
        }
    }
}

fn problem(key: &str, problem: impl ToString) -> ConfigError {
    ConfigError::Value(key.to_owned(), problem.to_string())
}

impl RawSso {
    pub(super) fn check(
        self,
        public_url: &str,
        rule: &OutboundRule,
    ) -> Result<(SsoSettings, Option<HeaderLogIn>), ConfigError> {
        let providers: Vec<_> = self
            .providers
            .into_iter()
            .map(|provider| provider.check(rule))
            .collect::<Result<_, _>>()?;
        for (index, provider) in providers.iter().enumerate() {
            if providers[..index]
                .iter()
                .any(|other| other.id == provider.id)
            {
                let text = format!("two providers have the id {:?}", provider.id);
                return Err(problem("sso.providers", text));
            }
        }
        let break_glass = self.break_glass.iter().map(|email| email.parse());
        let break_glass: Vec<EmailAddress> = break_glass
            .collect::<Result<_, _>>()
            .map_err(|error| problem("sso.break_glass", error))?;
        let header = self.header.check()?;
        let passwords = if self.local_login {
            PasswordLogIn::Everybody
        } else if providers.is_empty() && header.is_none() {
            let text = "nobody could log in: configure a provider or sso.header first";
            return Err(problem("sso.local_login", text));
        } else {
            PasswordLogIn::Only(break_glass)
        };
        let settings = SsoSettings {
            public_url: public_url.to_owned(),
            providers,
            passwords,
        };
        Ok((settings, header))
    }
}

impl RawProvider {
    fn check(self, rule: &OutboundRule) -> Result<ProviderSettings, ConfigError> {
        let in_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || self.id.len() > 40 || !self.id.chars().all(in_path) {
            let text = "use up to 40 lower-case letters, digits and hyphens";
            return Err(problem("sso.id", text));
        }
        if self.client_id.is_empty() {
            let text = format!("the provider {} needs the id that it gave Keyrack", self.id);
            return Err(problem("sso.client_id", text));
        }
        let client_secret = match (self.client_secret, self.client_secret_file) {
            (secret, None) => secret,
            (None, Some(path)) => {
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|error| ConfigError::File(path, error.to_string()))?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            (Some(_), Some(_)) => {
                let text = "give either client_secret or client_secret_file";
                return Err(problem("sso.client_secret", text));
            }
        };
        Ok(ProviderSettings {
            issuer: read_issuer(&self.issuer, rule).map_err(|text| problem("sso.issuer", text))?,
            roles: roles("sso", &self.role_map, self.default_role.as_deref())?,
            id: self.id,
            name: self.name,
            client_id: ClientId::new(self.client_id),
            client_secret: client_secret.map(ClientSecret::new),
            scopes: self.scopes,
            groups_claim: self.groups_claim,
            require_verified_email: self.require_verified_email,
        })
    }
}

impl RawHeader {
    fn check(self) -> Result<Option<HeaderLogIn>, ConfigError> {
        if !self.enabled {
            return Ok(None);
        }
        let key = "sso.header.trusted";
        if self.trusted.is_empty() {
            return Err(problem(key, "name the addresses of the proxy in front"));
        }
        let header = |key: &str, name: &str| {
            let parsed = (!name.is_empty()).then(|| name.parse()).transpose();
            parsed.map_err(|_| problem(key, "use the name of a header"))
        };
        let trusted = if self.force {
            networks_of_everyone_too(key, &self.trusted)?
        } else {
            networks(key, &self.trusted)?
        };
        let user = header("sso.header.user", &self.user)?;
        Ok(Some(HeaderLogIn {
            trusted,
            user: user.ok_or_else(|| problem("sso.header.user", "use the name of a header"))?,
            email: header("sso.header.email", &self.email)?,
            name: header("sso.header.name", &self.name)?,
            groups: header("sso.header.groups", &self.groups)?,
            roles: roles("sso.header", &self.role_map, self.default_role.as_deref())?,
        }))
    }
}

fn roles(table: &str, entries: &[String], otherwise: Option<&str>) -> Result<RoleMap, ConfigError> {
    let otherwise = otherwise.map(str::parse).transpose();
    let otherwise = otherwise.map_err(|error| problem(&format!("{table}.default_role"), error))?;
    RoleMap::new(entries, otherwise).map_err(|error| problem(&format!("{table}.role_map"), error))
}

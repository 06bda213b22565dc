//! Checks what was read, one setting after the other, and makes the configuration of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use chrono::TimeDelta;
use domain::address::{AddressList, InvalidAddressList};
use domain::audience::AudienceList;
use domain::outbound::OutboundRule;
use ipnet::IpNet;
use serde::Deserialize;
use service::{
    CacheMemory, Location, MAX_TOKEN_LIFE, MasterKey, SecondFactorPolicy, SessionLimits, Settings,
    StoreError,
};
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use super::mail::RawMail;
use super::sso::RawSso;
use super::{Config, ConfigError, LogFormat};
use crate::http::layers::forwarded::ForwardedHeader;
use crate::state::{GateMode, GateSettings, HttpSettings, Preflights};

#[derive(Deserialize)]
pub(super) struct Raw {
    listen: String,
    public_url: Option<String>,
    data_dir: PathBuf,
    database_url: Option<String>,
    metrics_listen: Option<String>,
    catalogue: Option<PathBuf>,
    site_dir: Option<PathBuf>,
    log: String,
    log_format: LogFormat,
    master_key: Option<String>,
    trusted_proxies: Vec<String>,
    forwarded_header: ForwardedHeader,
    gate: RawGate,
    tokens: RawTokens,
    policy: RawPolicy,
    audit: RawAudit,
    log_in: RawLogIn,
    sessions: RawSessions,
    cache: RawCache,
    database: RawDatabase,
    passwords: RawPasswords,
    mail: RawMail,
    outbound: RawOutbound,
    sso: RawSso,
}

#[derive(Deserialize)]
struct RawGate {
    mode: GateMode,
    trusted: Vec<String>,
    preflights: Preflights,
    audiences: Vec<String>,
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
struct RawLogIn {
    second_factor: SecondFactorPolicy,
}

#[derive(Deserialize)]
struct RawSessions {
    idle_minutes: i64,
    absolute_hours: i64,
}

#[derive(Deserialize)]
struct RawCache {
    megabytes: u32,
}

#[derive(Deserialize)]
struct RawDatabase {
    direct_url: Option<String>,
}

#[derive(Deserialize)]
struct RawPasswords {
    hashers: usize,
}

#[derive(Deserialize)]
struct RawOutbound {
    allow_private_addresses: Vec<String>,
}

impl Raw {
    #[expect(
        clippy::too_many_lines,
        reason = "one setting after the other, in the order of the list"
    )]
    pub(super) fn check(self) -> Result<Config, ConfigError> {
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
        let socket = |key: &str, text: &str| {
            let problem = "use an address and a port, such as 127.0.0.1:3000";
            text.parse::<SocketAddr>().map_err(|_| value(key, problem))
        };
        let listen = socket("listen", &self.listen)?;
        let metrics_listen = self.metrics_listen.as_deref();
        let metrics_listen = metrics_listen.map(|text| socket("metrics_listen", text));
        let url = "use https:// and a host, without a path";
        let own = format!("http://{}", reached(listen));
        let public_url = self.public_url.as_deref().unwrap_or(&own);
        let public_url = Url::parse(public_url).map_err(|_| value("public_url", url))?;
        if public_url.host().is_some_and(|host| is_unspecified(&host)) {
            let problem = "every address is a place to listen at, not to go to: name the host that people open";
            return Err(value("public_url", problem));
        }
        let is_plain = matches!(public_url.scheme(), "http" | "https")
            && public_url.path() == "/"
            && public_url.query().is_none()
            && public_url.fragment().is_none()
            && public_url.username().is_empty();
        if !is_plain {
            return Err(value("public_url", url));
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
        if EnvFilter::try_new(&self.log).is_err() {
            return Err(value(
                "log",
                "use error, warn, info, debug or trace, or a filter such as info,keyrack=debug",
            ));
        }
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
            forwarded_header: self.forwarded_header,
            gate: GateSettings {
                mode: self.gate.mode,
                trusted: networks("gate.trusted", &self.gate.trusted)?,
                preflights: self.gate.preflights,
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
        let audiences = if self.tokens.audiences.is_empty() {
            vec![issuer.clone()]
        } else {
            self.tokens.audiences
        };
        let Ok(gate_audiences) = self.gate.audiences.join(",").parse::<AudienceList>();
        if !gate_audiences.is_within(&audiences) {
            let known = audiences.join(", ");
            let words = format!("tokens can be for these only: {known}");
            return Err(value("gate.audiences", &words));
        }
        let maximum_days = within("policy.maximum_days", self.policy.maximum_days, 0, 36_500)?;
        let keep_days = within("audit.keep_days", self.audit.keep_days, 0, 36_500)?;
        let megabytes = self.cache.megabytes;
        within("cache.megabytes", megabytes.into(), 16, 65_536)?;
        let settings = Settings {
            audiences,
            gate_audiences,
            issuer,
            assertion_audiences,
            signing_key_life: (signing_key_days > 0).then(|| TimeDelta::days(signing_key_days)),
            token_life: TimeDelta::minutes(within(
                "tokens.minutes",
                self.tokens.minutes,
                1,
                MAX_TOKEN_LIFE.num_minutes(),
            )?),
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
            cache: CacheMemory::megabytes(megabytes),
            password_hashers: self.passwords.hashers.clamp(1, 64),
            outbound,
            sso,
            second_factor: self.log_in.second_factor,
        };
        let database = match self.database_url {
            None => Location::File(self.data_dir.join("keyrack.db")),
            Some(url) => url
                .parse()
                .map_err(|error: StoreError| value("database_url", &error.to_string()))?,
        };
        let database = match self.database.direct_url {
            None => database,
            Some(url) => database
                .past_pooler(&url)
                .map_err(|error| value("database.direct_url", &error.to_string()))?,
        };
        Ok(Config {
            listen,
            data_dir: self.data_dir,
            database,
            metrics_listen: metrics_listen.transpose()?,
            catalogue: self.catalogue,
            site_dir: self.site_dir,
            log: self.log,
            log_format: self.log_format,
            master_key,
            mail: self.mail.check()?,
            http,
            settings,
            unknown_variables: Vec::new(),
            read: super::AsRead::default(),
        })
    }
}

fn is_unspecified(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_unspecified(),
        Host::Ipv6(address) => address.is_unspecified(),
        Host::Domain(_) => false,
    }
}

/// The address at which this machine reaches what listens at another one: "every address" is a place to
/// listen at, not to go to.
pub fn reached(listen: SocketAddr) -> SocketAddr {
    let loopback: IpAddr = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(loopback, listen.port())
}

/// Addresses and networks. "Everyone" is refused: it would let anybody ask, or say where they come
/// from.
pub(super) fn networks(key: &str, texts: &[String]) -> Result<Vec<IpNet>, ConfigError> {
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
pub(super) fn networks_of_everyone_too(
    key: &str,
    texts: &[String],
) -> Result<Vec<IpNet>, ConfigError> {
    let list = texts.join(",").parse::<AddressList>();
    let list = list.map_err(|error: InvalidAddressList| {
        ConfigError::Value(key.to_owned(), error.to_string())
    })?;
    Ok(list.networks().to_vec())
}

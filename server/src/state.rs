//! What every HTTP handler shares.

use std::ops::Deref;
use std::sync::Arc;

use app::features::credentials::LegacyHeaders;
use axum::extract::FromRef;
use domain::gateway::GatewayKind;
use ipnet::IpNet;
use leptos::config::LeptosOptions;
use service::Services;
use url::{Host, Url};

use crate::http::layers::forwarded::ForwardedHeader;
use crate::http::layers::proxy::HeaderLogIn;
use crate::mail::Mailer;
use crate::metrics::Metrics;

/// The state of the router: one pointer to what all handlers share, as it is cloned for each call.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Shared>);

/// What all handlers share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The use cases.
    pub services: Services,
    /// What is configured about HTTP.
    pub http: HttpSettings,
    /// The way out for mail, if one is configured.
    pub mail: Option<Mailer>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Where the pages find their WASM, script and style.
    pub leptos: LeptosOptions,
}

impl From<Shared> for AppState {
    fn from(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.leptos.clone()
    }
}

/// What is configured about HTTP.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Where browsers and programs reach Keyrack; links and metadata are made from it, never from
    /// what a request says.
    pub public_url: Url,
    /// Peers whose [`Self::forwarded_header`] is believed; they stand in front of Keyrack.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which proxies and gateways say where a request has come from.
    pub forwarded_header: ForwardedHeader,
    /// The gate.
    pub gate: GateSettings,
    /// Who may say by a header who somebody is; nobody, if nothing.
    pub header_log_in: Option<HeaderLogIn>,
}

impl HttpSettings {
    /// The issuer identifier (RFC 8414 section 2): `{public_url}/v1`.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.link("/v1")
    }

    /// An absolute link to a path that begins with a slash.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }

    /// The names of the legacy pair of headers, as the snippets show them.
    #[must_use]
    pub fn legacy_headers(&self) -> LegacyHeaders {
        LegacyHeaders {
            key_id: self.gate.key_id_header.to_string().to_uppercase(),
            secret: self.gate.secret_header.to_string().to_uppercase(),
        }
    }

    /// Whether browsers reach Keyrack over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }
}

/// Whether an address is the machine's own, to whoever opens it: browsers take it for as safe as TLS.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What is configured about the gate.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// The kind of gateway that asks: it decides which headers carry the original request.
    pub mode: GateMode,
    /// Peers that may ask.
    pub trusted: Vec<IpNet>,
    /// What becomes of browsers' preflights.
    pub preflights: Preflights,
    /// The header with the key id in the legacy pair.
    pub key_id_header: ::http::HeaderName,
    /// The header with the secret in the legacy pair.
    pub secret_header: ::http::HeaderName,
}

/// What becomes of a browser's preflight (CORS), which never carries credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preflights {
    /// It is refused like every call without credentials.
    Refuse,
    /// It goes through if the catalogue has the call that it asks leave for.
    Allow,
}

/// The kind of gateway that asks the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateMode {
    /// nginx `auth_request`.
    Nginx,
    /// Caddy `forward_auth`.
    Caddy,
    /// Traefik ForwardAuth.
    Traefik,
    /// Envoy `ext_authz` over HTTP.
    Envoy,
}

impl GateMode {
    /// How a kind of gateway asks the gate; one that introspects does not.
    #[must_use]
    pub const fn of(kind: GatewayKind) -> Option<Self> {
        match kind {
            GatewayKind::Nginx => Some(Self::Nginx),
            GatewayKind::Caddy => Some(Self::Caddy),
            GatewayKind::Traefik => Some(Self::Traefik),
            GatewayKind::Envoy => Some(Self::Envoy),
            GatewayKind::Introspection => None,
        }
    }
}

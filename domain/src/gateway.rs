//! A gateway: a machine that may ask the gate or introspect tokens. It is managed by superusers and
//! proves itself with a token of its own, which is not part of it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::address::AddressList;
use crate::audience::AudienceList;
use crate::text::GatewayName;

crate::id::id_type!(
    /// The id of a gateway: a UUID of version 7, so ids sort by the time of their making.
    GatewayId
);

/// What a gateway is, which decides how it is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayKind {
    /// nginx with `auth_request`.
    Nginx,
    /// Caddy with `forward_auth`.
    Caddy,
    /// Traefik with `ForwardAuth`.
    Traefik,
    /// Envoy with `ext_authz` over HTTP.
    Envoy,
    /// Anything that introspects tokens (RFC 7662).
    Introspection,
}

impl GatewayKind {
    /// The kinds, in the order of the form.
    pub const ALL: [Self; 5] = [
        Self::Nginx,
        Self::Caddy,
        Self::Traefik,
        Self::Envoy,
        Self::Introspection,
    ];

    /// `nginx`, `caddy`, `traefik`, `envoy` or `introspection`, as in forms and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
            Self::Introspection => "introspection",
        }
    }

    /// The words that people see.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "Caddy",
            Self::Traefik => "Traefik",
            Self::Envoy => "Envoy",
            Self::Introspection => "Token introspection",
        }
    }
}

/// Why a text is not a [`GatewayKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a gateway is nginx, caddy, traefik, envoy or introspection")]
pub struct InvalidGatewayKind;

impl FromStr for GatewayKind {
    type Err = InvalidGatewayKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(InvalidGatewayKind)
    }
}

/// A gateway, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The id.
    pub id: GatewayId,
    /// What it is called.
    pub name: GatewayName,
    /// What it is.
    pub kind: GatewayKind,
    /// From where it may ask; from anywhere, if the list is empty.
    pub addresses: AddressList,
    /// The audiences whose tokens it lets through; all, if the list is empty.
    pub audiences: AudienceList,
    /// When it was added.
    pub created_at: Instant,
    /// The name of who added it, as it was then.
    pub created_by: String,
    /// When it was removed; a removed gateway stays in the list but may ask nothing.
    pub removed_at: Option<Instant>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_round_trip_through_their_words() {
        for kind in GatewayKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{}\"", kind.as_str()));
        }
        for text in ["", "Nginx", "apache"] {
            assert_eq!(text.parse::<GatewayKind>(), Err(InvalidGatewayKind));
        }
    }
}

//! What the gateways page asks the server.

use chrono::{DateTime, Utc};
use domain::gateway::GatewayKind;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// A gateway as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayRow {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: GatewayKind,
    /// From where it may ask; empty for anywhere.
    pub addresses: String,
    /// The audiences whose tokens it lets through; empty for all.
    pub audiences: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// Who added it.
    pub created_by: String,
    /// When it asked last, and from where.
    pub last_seen: Option<(DateTime<Utc>, String)>,
    /// Whether it may still ask.
    pub active: bool,
}

/// All gateways, those in use first.
#[server(prefix = "/_fn", endpoint = "gateways/list")]
pub async fn list_gateways() -> Result<Vec<GatewayRow>, ApiError> {
    use crate::server_context::{actor, reply, services};

    let gateways = reply(services()?.list_gateways(&actor()?).await)?;
    Ok(gateways.into_iter().map(GatewayRow::from).collect())
}

#[cfg(feature = "ssr")]
impl From<service::GatewayRecord> for GatewayRow {
    fn from(record: service::GatewayRecord) -> Self {
        let gateway = record.gateway;
        Self {
            id: gateway.id.to_string(),
            name: gateway.name.to_string(),
            kind: gateway.kind,
            addresses: gateway.addresses.to_string(),
            audiences: gateway.audiences.to_string(),
            created_at: gateway.created_at,
            created_by: gateway.created_by,
            last_seen: record.last_seen.map(|seen| (seen.at, seen.address)),
            active: gateway.removed_at.is_none(),
        }
    }
}

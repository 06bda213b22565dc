//! What pages ask the server about the catalogue.

use chrono::{DateTime, Utc};
use domain::catalogue::{Catalogue, Change, Right};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// How the catalogue in force stands to its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Since when the server decides by it.
    pub since: DateTime<Utc>,
    /// Why the file can't take its place: when that was found, and each problem. For superusers.
    pub fault: Option<(DateTime<Utc>, Vec<String>)>,
}

/// A version of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The API's name.
    pub api: String,
    /// What its file calls it.
    pub label: String,
    /// When it was taken up.
    pub taken_up_at: DateTime<Utc>,
    /// What changed since the version before; nothing if that one is not known.
    pub changes: Option<Vec<ToldChange>>,
}

/// A change, with how many credentials feel it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldChange {
    /// The change.
    pub change: Change,
    /// What the change is about, and how many credentials in use have that now.
    pub touches: Vec<(Right, u64)>,
}

/// Some versions of the catalogue, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The versions.
    pub versions: Vec<Version>,
    /// Where the older ones begin.
    pub older: Option<i64>,
}

/// The catalogue in force. The browser answers "can this key call …?" from it.
#[server(prefix = "/_fn", endpoint = "catalogue/get")]
pub async fn get_catalogue() -> Result<Catalogue, ApiError> {
    use crate::server_context::{actor, services};

    actor()?;
    Ok(services()?.catalogue().as_ref().clone())
}

/// How the catalogue in force stands to its file.
#[server(prefix = "/_fn", endpoint = "catalogue/status")]
pub async fn get_status() -> Result<Status, ApiError> {
    use crate::server_context::{actor, reply, services};

    let status = reply(services()?.catalogue_status(&actor()?))?;
    Ok(Status {
        since: status.since,
        fault: status.fault.map(|fault| (fault.at, fault.problems)),
    })
}

/// The versions below `before`, or the newest, with what each changed.
#[server(prefix = "/_fn", endpoint = "catalogue/versions", input = Json)]
pub async fn get_versions(before: Option<i64>) -> Result<History, ApiError> {
    use crate::server_context::{actor, reply, services};

    let history = reply(services()?.catalogue_history(&actor()?, before).await)?;
    let told = |change: Change| {
        let touches = change.touches().into_iter().map(|right| {
            let count = history.in_use.get(&right.scope).copied();
            (right, count.unwrap_or_default())
        });
        ToldChange {
            touches: touches.collect(),
            change,
        }
    };
    let versions = history.steps.into_iter().map(|step| Version {
        api: step.name,
        label: step.version,
        taken_up_at: step.taken_up_at,
        changes: step
            .changes
            .map(|changes| changes.into_iter().map(told).collect()),
    });
    Ok(History {
        versions: versions.collect(),
        older: history.older,
    })
}

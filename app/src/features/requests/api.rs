//! What the look-up page asks the server.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// What was decided about one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Its id.
    pub request_id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it went through.
    pub allowed: bool,
    /// What decided: `gate`, `token`, `introspect` or `revoke`.
    pub surface: String,
    /// Method and path template, as far as they are known.
    pub call: String,
    /// The caller's address.
    pub address: Option<String>,
    /// The credential's key id, and its name if there is one.
    pub credential: Option<(String, Option<String>)>,
    /// The reason, in words.
    pub reason: String,
    /// What it would have needed, and what the credential has.
    pub scopes: Option<(String, String)>,
    /// Whether only a report was made of what a limit would have refused.
    pub report_only: bool,
    /// Whether a gateway asked for a second time, for the words only.
    pub asked_again: bool,
}

/// What was decided about the request with this id.
#[server(prefix = "/_fn", endpoint = "requests/find", input = Json)]
pub async fn find_decision(request_id: String) -> Result<Decision, ApiError> {
    use crate::server_context::{actor, reply, services};
    use service::ServiceError;

    let (actor, services) = (actor()?, services()?);
    let row = reply(services.decision(&actor, &request_id).await)?;
    let credential = match row.key_id {
        None => None,
        Some(key_id) => {
            let name = match services.credential(&actor, key_id).await {
                Ok(record) => Some(record.credential.name.to_string()),
                Err(ServiceError::NotFound(_)) => None,
                Err(error) => return reply(Err(error)),
            };
            Some((key_id.to_string(), name))
        }
    };
    let detail: serde_json::Value = serde_json::from_str(&row.detail).unwrap_or_default();
    let text = |name: &str| detail[name].as_str().map(ToOwned::to_owned);
    Ok(Decision {
        request_id: row.request_id,
        at: row.at,
        allowed: row.allowed,
        surface: row.surface,
        call: match row.template {
            Some(template) => format!("{} {template}", row.method),
            None => row.method,
        },
        address: row.address,
        credential,
        reason: text("words").unwrap_or_else(|| "the access of the key covers the call".to_owned()),
        scopes: text("required").zip(text("have")),
        report_only: detail["report_only"] == true,
        asked_again: detail["asked_again"] == true,
    })
}

//! What the section asks the server.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// A signing key as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeyRow {
    /// Its id, the `kid` of tokens.
    pub kid: String,
    /// Since when it signs, or from when on.
    pub used_from: DateTime<Utc>,
    /// How far it is.
    pub stage: SigningKeyStage,
}

/// How far a signing key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SigningKeyStage {
    /// It is published and does not sign yet.
    Published,
    /// It signs.
    Signs,
    /// It no longer signs; until then its tokens count.
    CountsUntil(DateTime<Utc>),
}

/// The signing keys that are not at their end, in the order in which they sign.
#[server(prefix = "/_fn", endpoint = "signing-keys/list")]
pub async fn list_signing_keys() -> Result<Vec<SigningKeyRow>, ApiError> {
    use crate::server_context::{actor, reply, services};

    let keys = reply(services()?.signing_keys(&actor()?).await)?;
    Ok(keys.into_iter().map(SigningKeyRow::from).collect())
}

#[cfg(feature = "ssr")]
impl From<service::SigningKeyInfo> for SigningKeyRow {
    fn from(key: service::SigningKeyInfo) -> Self {
        use service::SigningKeyStage as Stage;

        Self {
            kid: key.kid,
            used_from: key.used_from,
            stage: match key.stage {
                Stage::Published => SigningKeyStage::Published,
                Stage::Signs => SigningKeyStage::Signs,
                Stage::CountsUntil(end) => SigningKeyStage::CountsUntil(end),
            },
        }
    }
}

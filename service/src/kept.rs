//! What waits here for a browser, sealed: for one person and purpose, a few minutes, and once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use storage::SessionRow;

use crate::Services;
use crate::actor::Actor;
use crate::crypto::{Token, hash_token};
use crate::error::{ServiceError, ServiceResult};
use crate::proof::person;

/// How long it waits.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// A form as it was sent, while its sender logs in at a provider anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptForm {
    /// The path that it was posted to.
    pub action: String,
    /// Its fields, in order.
    pub fields: Vec<(String, String)>,
}

/// What the row holds: one of the sessions, of nobody.
#[derive(Serialize, Deserialize)]
struct Row {
    kept: String,
}

impl Services {
    /// Keeps a form of the actor's. The token leads back to it.
    pub async fn keep_form(&self, actor: &Actor, form: &KeptForm) -> ServiceResult<Token> {
        self.keep(&form_of(actor)?, form).await
    }

    /// Takes a form that was kept; nothing, if it was another person's, taken, or waited too long.
    pub async fn take_form(&self, actor: &Actor, token: &str) -> ServiceResult<Option<KeptForm>> {
        self.take(&form_of(actor)?, token).await
    }

    /// Keeps something that [`Services::take`] gives back in the same context only.
    pub(crate) async fn keep(&self, context: &str, it: &impl Serialize) -> ServiceResult<Token> {
        let plain = serde_json::to_vec(it).map_err(ServiceError::internal)?;
        let sealed = self.0.keys.seal(context, &plain);
        let kept = STANDARD_NO_PAD.encode(sealed.map_err(ServiceError::internal)?);
        let (now, token) = (self.now(), Token::generate());
        let row = SessionRow {
            id: token.hash(),
            owner: None,
            data: serde_json::to_string(&Row { kept }).map_err(ServiceError::internal)?,
            created_at: now,
            idle_until: now + PATIENCE,
            absolute_until: now + PATIENCE,
        };
        if !self.store().create_session(row).await? {
            return Err(ServiceError::internal("a random number came twice"));
        }
        Ok(token)
    }

    /// Takes what was kept: of parallel calls one gets it.
    pub(crate) async fn take<T: DeserializeOwned>(
        &self,
        context: &str,
        token: &str,
    ) -> ServiceResult<Option<T>> {
        let taken = self.store().take_session(hash_token(token), self.now());
        let row = taken.await?;
        let row = row.and_then(|row| serde_json::from_str::<Row>(&row.data).ok());
        let sealed = row.and_then(|row| STANDARD_NO_PAD.decode(row.kept).ok());
        let plain = sealed.and_then(|sealed| self.0.keys.open(context, &sealed).ok());
        Ok(plain.and_then(|plain| serde_json::from_slice(&plain).ok()))
    }
}

fn form_of(actor: &Actor) -> ServiceResult<String> {
    Ok(format!("kept form {}", person(actor)?.epoch))
}

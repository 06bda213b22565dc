//! The public keys of a credential: added and removed one by one, so that a program can change its
//! key without a pause.

use domain::Instant;
use domain::audit::{Action, ObjectKind, Outcome};
use domain::credential::{Credential, Flow};
use domain::draft::{CredentialDraft, FieldError};
use domain::expiry::{ExpiryChoice, rfc3339};
use domain::key_id::KeyId;
use domain::role::Permission;
use domain::text::CredentialName;
use serde_json::json;
use storage::{Conflict, CredentialRecord, PublicKeyRow, StoreError};

use crate::Services;
use crate::actor::{Actor, Object};
use crate::error::{ServiceError, ServiceResult};
use crate::outbound::OutboundUrl;
use crate::public_key::PublicKey;

/// A public key as typed.
#[derive(Debug, Clone, Default)]
pub struct PublicKeyDraft {
    /// What it is called; its thumbprint, if empty.
    pub name: String,
    /// PEM, a JWK, or a set of JWKs.
    pub public_key: String,
    /// `never`, `1w`, `30d` …, or an instant after RFC 3339.
    pub expires: String,
}

impl Services {
    /// Reads public keys as [`Services::add_public_keys`] would, and keeps nothing.
    ///
    /// # Errors
    /// The actor may not manage credentials, or the text is not one to add, with the reason.
    pub fn preview_public_keys(&self, actor: &Actor, text: &str) -> ServiceResult<Vec<PublicKey>> {
        Self::may_read(actor, Permission::ManageCredentials)?;
        PublicKey::parse_all(text).map_err(|error| ServiceError::field("public_key", error))
    }

    /// Adds public keys to a credential of private key JWT, all or none; they work from the next
    /// request on.
    pub async fn add_public_keys(
        &self,
        actor: &Actor,
        key_id: KeyId,
        draft: &PublicKeyDraft,
    ) -> ServiceResult<Vec<PublicKeyRow>> {
        let action = Action::PublicKeyAdded;
        let record = self.credential_with_keys(actor, key_id, action).await?;
        let credential = record.credential;
        // A key without an end can be added at any time: another one may have been lost.
        let now = match draft.expires.as_str() {
            "never" => self.now(),
            _ => self.certain()?,
        };
        let keys = PublicKey::parse_all(&draft.public_key);
        let name: Result<Option<CredentialName>, _> = match draft.name.trim() {
            "" => Ok(None),
            name => name.parse().map(Some),
        };
        let end = draft
            .expires
            .parse::<ExpiryChoice>()
            .and_then(|choice| choice.resolve(now, None));
        let (keys, name, end) = match (keys, name, end) {
            (Ok(keys), Ok(name), Ok(end)) => (keys, name, end),
            (keys, name, end) => {
                let errors = [
                    keys.err().map(|e| FieldError::new("public_key", e)),
                    name.err().map(|e| FieldError::new("name", e)),
                    end.err().map(|e| FieldError::new("expires", e)),
                ];
                return Err(ServiceError::Invalid(
                    errors.into_iter().flatten().collect(),
                ));
            }
        };
        let rows: Vec<_> = keys
            .into_iter()
            .map(|key| PublicKeyRow {
                name: name.as_ref().map(ToString::to_string).unwrap_or_default(),
                expires_at: end,
                ..key.into_row(now)
            })
            .collect();
        let told = rows
            .iter()
            .map(|row| json!({ "algorithm": row.algorithm, "thumbprint": row.thumbprint }));
        let detail = json!({
            "public_keys": told.collect::<Vec<_>>(),
            "name": name.as_ref().map(CredentialName::as_str),
            "expires_at": end.map(rfc3339),
            "in_place_of": record.key_set.as_ref().map(|set| &set.url),
        });
        let event = actor.event(now, action, Outcome::Done, object(&credential), detail);
        self.store()
            .add_public_keys(key_id, rows.clone(), event)
            .await
            .map_err(key_field)?;
        self.0.live.forget(key_id);
        Ok(rows)
    }

    /// Takes a public key away; what it signs is refused from the next request on.
    pub async fn remove_public_key(
        &self,
        actor: &Actor,
        key_id: KeyId,
        thumbprint: &str,
    ) -> ServiceResult<()> {
        let action = Action::PublicKeyRemoved;
        let record = self.credential_with_keys(actor, key_id, action).await?;
        let credential = record.credential;
        let detail = json!({ "thumbprint": thumbprint });
        let event = actor.event(
            self.now(),
            action,
            Outcome::Done,
            object(&credential),
            detail,
        );
        self.store()
            .remove_public_key(key_id, thumbprint.to_owned(), event)
            .await?;
        self.0.live.forget(key_id);
        Ok(())
    }

    /// Gives a credential a URL for its public keys, in place of those that it has; they are fetched
    /// at once, and if that fails the credential's page says why.
    pub async fn set_key_url(&self, actor: &Actor, key_id: KeyId, url: &str) -> ServiceResult<()> {
        let action = Action::KeyUrlSet;
        let record = self.credential_with_keys(actor, key_id, action).await?;
        let url = self.key_url(url)?;
        let before = record.key_set.as_ref().map(|set| &set.url);
        let detail = json!({ "url": { "from": before, "to": url } });
        let object = object(&record.credential);
        let event = actor.event(self.now(), action, Outcome::Done, object, detail);
        self.store()
            .set_key_set_url(key_id, url.clone(), event)
            .await?;
        self.0.key_sets.forget(&url);
        self.0.live.forget(key_id);
        self.ask_for_keys(key_id).await;
        Ok(())
    }

    /// Fetches a credential's public keys from their URL now. If that fails the credential's page
    /// says why.
    pub async fn fetch_keys(&self, actor: &Actor, key_id: KeyId) -> ServiceResult<()> {
        let action = Action::KeysFetched;
        let record = self.credential_with_keys(actor, key_id, action).await?;
        let Some(set) = &record.key_set else {
            let problem = "this credential has public keys of its own, and no URL";
            return Err(ServiceError::field("jwks_url", problem));
        };
        let detail = json!({ "url": set.url });
        let object = object(&record.credential);
        let event = actor.event(self.now(), action, Outcome::Done, object, detail);
        self.append_audit(event).await?;
        self.ask_for_keys(key_id).await;
        Ok(())
    }

    /// The public keys of a new credential, or the URL in place of them.
    pub(crate) fn drafted_keys(
        &self,
        draft: &CredentialDraft,
        now: Instant,
    ) -> ServiceResult<(Vec<PublicKeyRow>, Option<String>)> {
        if let Some(url) = &draft.jwks_url {
            return Ok((Vec::new(), Some(self.key_url(url)?)));
        }
        let keys = PublicKey::parse_all(&draft.public_key)
            .map_err(|error| ServiceError::field("public_key", error))?;
        let rows = keys.into_iter().map(|key| key.into_row(now)).collect();
        Ok((rows, None))
    }

    /// A URL for public keys, as typed, in its one spelling.
    fn key_url(&self, text: &str) -> ServiceResult<String> {
        OutboundUrl::parse(text, &self.0.settings.outbound)
            .map(|url| url.as_url().to_string())
            .map_err(|error| ServiceError::field("jwks_url", error))
    }

    /// The credential, if the actor may change its keys and it still has a use for them.
    async fn credential_with_keys(
        &self,
        actor: &Actor,
        key_id: KeyId,
        action: Action,
    ) -> ServiceResult<CredentialRecord> {
        let tried = Object::new(ObjectKind::Credential, key_id, "");
        self.authorise(actor, Permission::ManageCredentials, action, tried)
            .await?;
        let record = self.credential(actor, key_id).await?;
        record.credential.check_editable(self.now())?;
        if record.credential.flow != Flow::PrivateKeyJwt {
            let problem = "only the private key flow has public keys";
            return Err(ServiceError::field("public_key", problem));
        }
        Ok(record)
    }
}

fn object(credential: &Credential) -> Object {
    Object::new(ObjectKind::Credential, credential.key_id, &credential.name)
}

/// A key or a `kid` that is there already, or a key too many, is a problem of the field.
fn key_field(error: StoreError) -> ServiceError {
    match error {
        StoreError::Conflict(
            conflict @ (Conflict::PublicKeyTaken
            | Conflict::KidTaken { .. }
            | Conflict::TooManyPublicKeys),
        ) => ServiceError::field("public_key", conflict),
        other => other.into(),
    }
}

//! The public keys of a credential: added and removed one by one, so that a program can change its
//! key without a pause.

use domain::audit::{Action, ObjectKind, Outcome};
use domain::credential::{Credential, Flow};
use domain::draft::FieldError;
use domain::expiry::{ExpiryChoice, rfc3339};
use domain::key_id::KeyId;
use domain::role::Permission;
use domain::text::CredentialName;
use serde_json::json;
use storage::{Conflict, PublicKeyRow, StoreError};

use crate::Services;
use crate::actor::{Actor, Object};
use crate::error::{ServiceError, ServiceResult};
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
        let needed = Permission::ManageCredentials;
        if !actor.can(needed) {
            return Err(ServiceError::Denied(needed));
        }
        PublicKey::parse_all(text).map_err(|error| ServiceError::field("public_key", error))
    }

    /// Adds public keys to a credential of private key JWT; they work from the next request on.
    pub async fn add_public_keys(
        &self,
        actor: &Actor,
        key_id: KeyId,
        draft: &PublicKeyDraft,
    ) -> ServiceResult<Vec<PublicKeyRow>> {
        let action = Action::PublicKeyAdded;
        let credential = self.credential_with_keys(actor, key_id, action).await?;
        let now = self.now();
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
        let mut added = Vec::new();
        for key in keys {
            let row = PublicKeyRow {
                name: name.as_ref().map(ToString::to_string).unwrap_or_default(),
                expires_at: end,
                ..key.into_row(now)
            };
            let detail = json!({
                "thumbprint": row.thumbprint,
                "name": row.name,
                "algorithm": row.algorithm,
                "expires_at": end.map(rfc3339),
            });
            let event = actor.event(now, action, Outcome::Done, object(&credential), detail);
            self.store()
                .add_public_key(key_id, row.clone(), event)
                .await
                .map_err(key_field)?;
            self.0.live.forget(key_id);
            added.push(row);
        }
        Ok(added)
    }

    /// Takes a public key away; what it signs is refused from the next request on.
    pub async fn remove_public_key(
        &self,
        actor: &Actor,
        key_id: KeyId,
        thumbprint: &str,
    ) -> ServiceResult<()> {
        let action = Action::PublicKeyRemoved;
        let credential = self.credential_with_keys(actor, key_id, action).await?;
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

    /// The credential, if the actor may change its keys and it still has a use for them.
    async fn credential_with_keys(
        &self,
        actor: &Actor,
        key_id: KeyId,
        action: Action,
    ) -> ServiceResult<Credential> {
        let tried = Object::new(ObjectKind::Credential, key_id, "");
        self.authorise(actor, Permission::ManageCredentials, action, tried)
            .await?;
        let credential = self.credential(actor, key_id).await?.credential;
        credential.check_editable(self.now())?;
        if credential.flow != Flow::PrivateKeyJwt {
            let problem = "only the private key flow has public keys";
            return Err(ServiceError::field("public_key", problem));
        }
        Ok(credential)
    }
}

fn object(credential: &Credential) -> Object {
    Object::new(ObjectKind::Credential, credential.key_id, &credential.name)
}

/// A key that is there already, or one too many, is a problem of the field.
fn key_field(error: StoreError) -> ServiceError {
    match error {
        StoreError::Conflict(
            conflict @ (Conflict::PublicKeyTaken | Conflict::TooManyPublicKeys),
        ) => ServiceError::field("public_key", conflict),
        other => other.into(),
    }
}

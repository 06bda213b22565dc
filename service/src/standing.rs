//! Quarantining, re-enabling and revoking credentials.

use domain::audit::{Action, ObjectKind, Outcome};
use domain::credential::{Credential, Mark, Transition};
use domain::key_id::KeyId;
use domain::role::Permission;
use domain::text::Reason;
use serde_json::json;
use storage::{Conflict, StoreError};

use crate::Services;
use crate::actor::{Actor, Object};
use crate::credentials::{after, object};
use crate::error::{ServiceError, ServiceResult};

impl Services {
    /// Quarantines a credential: refused everywhere from the next call on. A reason is needed.
    pub async fn disable_credential(
        &self,
        actor: &Actor,
        key_id: KeyId,
        reason: &str,
    ) -> ServiceResult<Credential> {
        let permission = Permission::QuarantineCredential;
        let step = (Transition::Disable, Action::CredentialDisabled);
        let tried = Object::new(ObjectKind::Credential, key_id, "");
        self.authorise(actor, permission, step.1, tried).await?;
        let reason = reason
            .parse()
            .map_err(|e| ServiceError::field("reason", e))?;
        self.transition(actor, key_id, step, Some(reason)).await
    }

    /// Ends a quarantine.
    pub async fn enable_credential(
        &self,
        actor: &Actor,
        key_id: KeyId,
        reason: &str,
    ) -> ServiceResult<Credential> {
        self.manage(
            actor,
            key_id,
            (Transition::Enable, Action::CredentialEnabled),
            reason,
        )
        .await
    }

    /// Ends a credential for good.
    pub async fn revoke_credential(
        &self,
        actor: &Actor,
        key_id: KeyId,
        reason: &str,
    ) -> ServiceResult<Credential> {
        self.manage(
            actor,
            key_id,
            (Transition::Revoke, Action::CredentialRevoked),
            reason,
        )
        .await
    }

    async fn manage(
        &self,
        actor: &Actor,
        key_id: KeyId,
        step: (Transition, Action),
        reason: &str,
    ) -> ServiceResult<Credential> {
        let tried = Object::new(ObjectKind::Credential, key_id, "");
        self.authorise(actor, Permission::ManageCredentials, step.1, tried)
            .await?;
        let reason = match reason.trim() {
            "" => None,
            text => Some(text.parse().map_err(|e| ServiceError::field("reason", e))?),
        };
        self.transition(actor, key_id, step, reason).await
    }

    async fn transition(
        &self,
        actor: &Actor,
        key_id: KeyId,
        (transition, action): (Transition, Action),
        reason: Option<Reason>,
    ) -> ServiceResult<Credential> {
        // An edit in between does not matter to a quarantine: read again and go on.
        let mut tries = 0;
        loop {
            tries += 1;
            let mut credential = self.credential(actor, key_id).await?.credential;
            let (read, now) = (credential.updated_at, self.now());
            let mark = Mark {
                at: now,
                by: actor.name().to_owned(),
                reason: reason.clone(),
            };
            credential.apply(transition, mark)?;
            credential.updated_at = after(read, now);
            let detail = json!({ "reason": reason });
            let event = actor.event(now, action, Outcome::Done, object(&credential), detail);
            let written = self
                .store()
                .update_credential(credential.clone(), read, event)
                .await;
            self.0.live.forget(key_id);
            match written {
                Ok(()) => return Ok(credential),
                Err(StoreError::Conflict(Conflict::ChangedMeanwhile)) if tries < 5 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

//! What a person leaves behind: their credentials are given to somebody else.

use domain::audit::{Action, ObjectKind, Outcome};
use domain::credential::Credential;
use domain::key_id::KeyId;
use domain::role::Permission;
use domain::user::{User, UserId};
use serde_json::json;
use storage::{
    Conflict, CredentialFilter, CredentialQuery, CredentialSort, CredentialTab, PageStart,
    StoreError,
};

use crate::Services;
use crate::actor::{Actor, Object};
use crate::credentials::{after, object};
use crate::error::{ServiceError, ServiceResult};

/// The most credentials that are given in one call.
const MOST_GIVEN: usize = 500;
/// How many of them are read at once.
const BATCH: u32 = 100;

impl Services {
    /// Gives one credential of a person to another one, or all that are active or quarantined: at
    /// most 500 in one call. Each is an edit of its own in the audit log; how many were given.
    pub async fn give_credentials(
        &self,
        actor: &Actor,
        from: UserId,
        which: Option<KeyId>,
        to: UserId,
    ) -> ServiceResult<usize> {
        let tried = Object::new(ObjectKind::User, from, "");
        let permission = Permission::ManageCredentials;
        self.authorise(actor, permission, Action::CredentialEdited, tried)
            .await?;
        if from == to {
            let problem = "choose somebody else: these are theirs already";
            return Err(ServiceError::field("to", problem));
        }
        let heir = self.store().find_user(to).await?;
        if !heir.as_ref().is_some_and(User::is_active) {
            return Err(ServiceError::field("to", Conflict::OwnerUnavailable));
        }
        if let Some(key_id) = which {
            let credential = self.credential(actor, key_id).await?.credential;
            if credential.owner != from {
                return Err(ServiceError::NotFound("credential of this person"));
            }
            self.give(actor, credential, to).await?;
            return Ok(1);
        }
        let mut given = 0;
        for tab in [CredentialTab::InUse, CredentialTab::Quarantined] {
            loop {
                // What was given is no longer on the first page.
                let batch = self.owned(from, tab).await?;
                if batch.is_empty() {
                    break;
                }
                for credential in batch {
                    if given == MOST_GIVEN {
                        return Ok(given);
                    }
                    self.give(actor, credential, to).await?;
                    given += 1;
                }
            }
        }
        Ok(given)
    }

    async fn owned(&self, owner: UserId, tab: CredentialTab) -> ServiceResult<Vec<Credential>> {
        let query = CredentialQuery {
            now: self.now(),
            filter: CredentialFilter {
                tab,
                owner: Some(owner),
                ..CredentialFilter::default()
            },
            sort: CredentialSort::Created,
            descending: false,
            from: PageStart::First,
            limit: BATCH,
        };
        let page = self.store().list_credentials(query).await?;
        Ok(page.rows.into_iter().map(|row| row.credential).collect())
    }

    /// An edit by somebody else in between does not matter: read again and go on.
    async fn give(&self, actor: &Actor, first: Credential, to: UserId) -> ServiceResult<()> {
        let (from, mut credential, mut tries) = (first.owner, first, 0);
        while credential.owner == from {
            tries += 1;
            let (read, now) = (credential.updated_at, self.now());
            credential.check_editable(now)?;
            credential.owner = to;
            credential.updated_at = after(read, now);
            let event = actor.event(
                now,
                Action::CredentialEdited,
                Outcome::Done,
                object(&credential),
                json!({ "owner": { "from": from, "to": to } }),
            );
            let key_id = credential.key_id;
            match self
                .store()
                .update_credential(credential, read, event)
                .await
            {
                Ok(()) => {
                    self.0.live.forget(key_id);
                    return Ok(());
                }
                Err(StoreError::Conflict(Conflict::ChangedMeanwhile)) if tries < 5 => {
                    credential = self.credential(actor, key_id).await?.credential;
                }
                Err(StoreError::Conflict(conflict @ Conflict::OwnerUnavailable)) => {
                    return Err(ServiceError::field("to", conflict));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

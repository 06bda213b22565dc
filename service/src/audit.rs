//! Reading the audit log, and proving that it is whole.

use std::path::Path;

use domain::audit::{
    Action, AuditEntry, BrokenChain, ChainHash, ChainVerifier, ObjectKind, Outcome,
};
use domain::key_id::KeyId;
use domain::role::Permission;

use serde_json::json;

use crate::Services;
use crate::actor::{Actor, Object};
use crate::error::{ServiceError, ServiceResult};

/// How many entries are read at once.
const BATCH: u32 = 1_000;

/// The end of a whole audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// How many entries there are.
    pub entries: i64,
    /// The hash of the last one.
    pub hash: ChainHash,
}

impl Services {
    /// Walks the whole audit log.
    ///
    /// The outer error is the store's; the inner one says where the chain is broken.
    pub async fn verify_audit(
        &self,
        actor: &Actor,
    ) -> ServiceResult<Result<AuditHead, BrokenChain>> {
        if !actor.can(Permission::SeeAuditLog) {
            return Err(ServiceError::Denied(Permission::SeeAuditLog));
        }
        // The head is read first: entries that are written during the walk come after it.
        let head = self.store().audit_head().await?;
        let mut verifier = ChainVerifier::default();
        let mut last = 0;
        'walk: while last < head.0 {
            let entries = self.store().list_audit(last, BATCH).await?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                if entry.seq > head.0 {
                    break 'walk;
                }
                if let Err(broken) = verifier.take(&entry) {
                    return Ok(Err(broken));
                }
                last = entry.seq;
            }
        }
        Ok(verifier
            .finish(head)
            .map(|(entries, hash)| AuditHead { entries, hash }))
    }

    /// Writes a copy of the database to a new file, for the host.
    pub async fn back_up(&self, actor: &Actor, to: &Path) -> ServiceResult<()> {
        let object = Object::system("database");
        let action = Action::BackupWritten;
        self.authorise(actor, Permission::ManageSettings, action, object.clone())
            .await?;
        let event = actor.event(self.now(), action, Outcome::Done, object, json!({}));
        Ok(self.store().backup(to, event).await?)
    }

    /// The story of a credential, newest first: every role may read it.
    pub async fn credential_story(
        &self,
        actor: &Actor,
        key_id: KeyId,
    ) -> ServiceResult<Vec<AuditEntry>> {
        Self::see(actor)?;
        Ok(self
            .store()
            .list_audit_of(ObjectKind::Credential, key_id.to_string(), 100)
            .await?)
    }
}

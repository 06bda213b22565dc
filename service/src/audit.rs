//! Reading the audit log, and proving that it is whole.

use std::path::Path;

use domain::audit::{
    Action, AuditEntry, BrokenChain, ChainHash, ChainVerifier, ObjectKind, Outcome,
};
use domain::key_id::KeyId;
use domain::role::Permission;
use domain::user::UserId;
use serde_json::{Value, json};
use storage::AuditQuery;

use crate::Services;
use crate::actor::{Actor, Object};
use crate::error::ServiceResult;

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
        Self::may_read(actor, Permission::SeeAuditLog)?;
        // The head is read first: entries that are written during the walk come after it.
        let head = self.store().audit_head().await?;
        let base = self.store().audit_base().await?;
        if !self.is_told(base).await? {
            return Ok(Err(BrokenChain::Trimmed { base: base.0 }));
        }
        let mut verifier = ChainVerifier::after(base);
        let mut last = base.0;
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

    /// Whether an entry says that the log was trimmed up to this one.
    async fn is_told(&self, base: (i64, ChainHash)) -> ServiceResult<bool> {
        if base == (0, ChainHash::START) {
            return Ok(true);
        }
        let query = AuditQuery {
            action: Some(Action::AuditTrimmed),
            newest_first: true,
            limit: 1,
            ..AuditQuery::default()
        };
        let told = self.store().search_audit(query).await?;
        let detail = told
            .first()
            .and_then(|entry| serde_json::from_str::<Value>(&entry.event.detail).ok());
        Ok(detail == Some(trimmed_up_to(base)))
    }

    /// Entries of the whole log, from either end.
    pub async fn audit_entries(
        &self,
        actor: &Actor,
        query: AuditQuery,
    ) -> ServiceResult<Vec<AuditEntry>> {
        Self::may_read(actor, Permission::SeeAuditLog)?;
        Ok(self.store().search_audit(query).await?)
    }

    /// Number and hash of the last entry: whoever keeps them elsewhere can prove the log up to there.
    pub async fn audit_head(&self, actor: &Actor) -> ServiceResult<AuditHead> {
        Self::may_read(actor, Permission::SeeAuditLog)?;
        let (entries, hash) = self.store().audit_head().await?;
        Ok(AuditHead { entries, hash })
    }

    /// Begins an export of what a filter lets through: it is audited, and the entries are then read
    /// batch by batch with [`Services::audit_entries`].
    pub async fn begin_audit_export(&self, actor: &Actor, format: &str) -> ServiceResult<()> {
        let object = Object::system("audit log");
        let action = Action::AuditExported;
        self.authorise(actor, Permission::SeeAuditLog, action, object.clone())
            .await?;
        let detail = json!({ "format": format });
        let event = actor.event(self.now(), action, Outcome::Done, object, detail);
        self.append_audit(event).await
    }

    /// Trims the log of what is older than the settings keep; how many entries that were.
    ///
    /// The chain then begins after the last of them, and an entry says so: the rest stays provable.
    pub async fn trim_audit(&self) -> ServiceResult<i64> {
        let Some(keep) = self.0.settings.audit_kept else {
            return Ok(0);
        };
        let settled = self.settled().await?;
        let query = AuditQuery {
            until: Some(settled.known - keep),
            newest_first: true,
            limit: 1,
            ..AuditQuery::default()
        };
        let old = self.store().search_audit(query).await?;
        let before = self.store().audit_base().await?;
        let Some(last) = old.first().filter(|entry| entry.seq > before.0) else {
            return Ok(0);
        };
        let base = (last.seq, last.hash);
        let event = Actor::system().event(
            self.now(),
            Action::AuditTrimmed,
            Outcome::Done,
            Object::system("audit log"),
            trimmed_up_to(base),
        );
        self.store().trim_audit(base, event).await?;
        Ok(base.0 - before.0)
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

    /// What was done to a person, newest first: oneself, or, for whoever sees the log, anybody.
    pub async fn person_story(
        &self,
        actor: &Actor,
        person: UserId,
    ) -> ServiceResult<Vec<AuditEntry>> {
        if actor.person().is_none_or(|own| own.id != person) {
            Self::may_read(actor, Permission::SeeAuditLog)?;
        }
        Ok(self
            .store()
            .list_audit_of(ObjectKind::User, person.to_string(), 100)
            .await?)
    }
}

/// The detail of the entry about a trim.
fn trimmed_up_to((seq, hash): (i64, ChainHash)) -> Value {
    json!({ "up_to": seq, "hash": hash.to_string() })
}

//! Issuing, listing and editing credentials. What stops them is in `standing`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use chrono::TimeDelta;
use domain::audit::{Action, ObjectKind, Outcome};
use domain::confidential::is_confidential;
use domain::credential::{Credential, Flow, Standing};
use domain::draft::CredentialDraft;
use domain::expiry::rfc3339;
use domain::key_id::KeyId;
use domain::limits::{Limits, LimitsDraft};
use domain::role::Permission;
use domain::secret::Secret;
use domain::{Instant, to_millis};
use moka::sync::Cache;
use serde_json::{Map, Value, json};
use storage::{
    Conflict, CredentialCounts, CredentialPage, CredentialQuery, CredentialRecord, NewCredential,
    StoreError,
};
use tokio::sync::Mutex;

use crate::Services;
use crate::actor::{Actor, Object};
use crate::clock::system_rng;
use crate::error::{ServiceError, ServiceResult};
use crate::generation::Generation;

/// A credential that was just issued, with the secret that is shown this once.
#[derive(Debug, Clone)]
pub struct IssuedCredential {
    /// Its facts.
    pub credential: Credential,
    /// Its secret, for the flows that have one.
    pub secret: Option<Secret>,
}

/// An edit, as typed.
#[derive(Debug, Clone)]
pub struct CredentialChange {
    /// The new texts; `expires` may be `keep`. Flow and public key are left alone.
    pub draft: CredentialDraft,
    /// The `updated_at` that the editor saw.
    pub read: Instant,
}

/// Credentials that were issued a moment ago, by who asked and with which idempotency key: the
/// second of two clicks waits for the first and shows the same secret.
#[derive(Debug)]
pub(crate) struct RecentIssues(Cache<String, Arc<Mutex<Option<IssuedCredential>>>>);

impl RecentIssues {
    pub(crate) fn new() -> Self {
        let life = Duration::from_mins(2);
        Self(
            Cache::builder()
                .max_capacity(1_000)
                .time_to_live(life)
                .build(),
        )
    }

    /// Forgets them: the store may have lost them.
    pub(crate) fn forget_all(&self) {
        self.0.invalidate_all();
    }
}

/// The last counts, and of how many audit events they are: each change is one.
#[derive(Debug, Default)]
pub(crate) struct KeptCounts {
    last: ArcSwapOption<(i64, CredentialCounts)>,
    generation: Generation,
}

impl KeptCounts {
    /// The counts, if nothing can have changed them: nobody, nor time.
    fn get(&self, events: i64, now: Instant) -> Option<CredentialCounts> {
        let kept = self.last.load_full()?;
        let (counted_at, counts) = *kept;
        let hold = counts.hold_until.is_none_or(|until| now < until);
        (counted_at == events && hold).then_some(counts)
    }

    /// Forgets them: another log may be as long.
    pub(crate) fn forget(&self) {
        self.generation.forget(|| self.last.store(None));
    }
}

impl Services {
    /// A page of credentials.
    pub async fn list_credentials(
        &self,
        actor: &Actor,
        query: CredentialQuery,
    ) -> ServiceResult<CredentialPage> {
        Self::see(actor)?;
        Ok(self.store().list_credentials(query).await?)
    }

    /// How many credentials each tab holds.
    pub async fn count_credentials(&self, actor: &Actor) -> ServiceResult<CredentialCounts> {
        Self::see(actor)?;
        let kept = &self.0.kept_counts;
        let before = kept.generation.get();
        // Read before the counting: what is written between the two is counted again.
        let (events, _) = self.store().audit_head().await?;
        if let Some(counts) = kept.get(events, self.now()) {
            return Ok(counts);
        }
        let counts = self.store().count_credentials(self.now()).await?;
        let new = Some(Arc::new((events, counts)));
        kept.generation.keep(before, || kept.last.store(new));
        Ok(counts)
    }

    /// One credential.
    pub async fn credential(
        &self,
        actor: &Actor,
        key_id: KeyId,
    ) -> ServiceResult<CredentialRecord> {
        Self::see(actor)?;
        let mut record = self
            .store()
            .find_credential(key_id)
            .await?
            .ok_or(ServiceError::NotFound("credential"))?;
        if let Some(key_set) = &mut record.key_set {
            self.0.key_sets.bring_up_to_date(key_set);
        }
        Ok(record)
    }

    /// Issues a credential. The same idempotency key by the same actor issues only once.
    pub async fn issue_credential(
        &self,
        actor: &Actor,
        draft: &CredentialDraft,
        idempotency_key: Option<&str>,
    ) -> ServiceResult<IssuedCredential> {
        let object = Object {
            kind: ObjectKind::Credential,
            id: None,
            name: "new credential".to_owned(),
        };
        self.authorise(
            actor,
            Permission::ManageCredentials,
            Action::CredentialIssued,
            object,
        )
        .await?;
        let Some(key) = idempotency_key else {
            return self.issue(actor, draft, None).await;
        };
        let is_plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || key.len() > 64 || is_confidential(key) {
            return Err(ServiceError::field(
                "idempotency_key",
                "load the form again",
            ));
        }
        let who = actor
            .person()
            .map(|person| person.id.to_string())
            .unwrap_or_default();
        let key = format!("{who} {key}");
        let slot = self.0.recent_issues.0.get_with_by_ref(&key, Arc::default);
        let mut slot = slot.lock().await;
        if let Some(issued) = slot.as_ref() {
            return Ok(issued.clone());
        }
        let issued = self.issue(actor, draft, Some(key)).await?;
        *slot = Some(issued.clone());
        Ok(issued)
    }

    async fn issue(
        &self,
        actor: &Actor,
        draft: &CredentialDraft,
        idempotency_key: Option<String>,
    ) -> ServiceResult<IssuedCredential> {
        let now = self.certain()?;
        let maximum = self.0.settings.maximum_credential_life;
        let checked = draft
            .check(&self.catalogue(), now, maximum)
            .map_err(ServiceError::Invalid)?;
        let (public_keys, key_set_url) = match checked.flow {
            Flow::PrivateKeyJwt => self.drafted_keys(draft, now)?,
            Flow::ClientSecret | Flow::Legacy => (Vec::new(), None),
        };
        let mut rng = system_rng();
        let secret = checked
            .flow
            .has_secret()
            .then(|| Secret::generate(&mut rng));
        let credential = Credential {
            key_id: KeyId::generate(&mut rng),
            name: checked.name,
            purpose: checked.purpose,
            owner: checked.owner,
            flow: checked.flow,
            access: checked.access,
            expires_at: checked.expires_at,
            limits: Limits::default(),
            standing: Standing::Active,
            created_at: now,
            created_by: actor.name().to_owned(),
            updated_at: now,
        };
        let event = actor.event(
            now,
            Action::CredentialIssued,
            Outcome::Done,
            object(&credential),
            json!({
                "flow": credential.flow,
                "access": credential.access,
                "expires_at": credential.expires_at.map(rfc3339),
                "owner": credential.owner,
                "purpose": credential.purpose,
                "public_keys": public_keys.iter().map(|key| &key.thumbprint).collect::<Vec<_>>(),
                "key_url": key_set_url,
            }),
        );
        let has_key_url = key_set_url.is_some();
        let new = NewCredential {
            credential: credential.clone(),
            secret: secret
                .as_ref()
                .map(|secret| self.0.keys.hash_secret(secret)),
            public_keys,
            key_set_url,
            idempotency_key,
        };
        self.store()
            .issue_credential(new, event)
            .await
            .map_err(owner_field)?;
        // A key id that was guessed before it existed is remembered as nobody's.
        self.0.live.forget(credential.key_id);
        if has_key_url {
            self.ask_for_keys(credential.key_id).await;
        }
        Ok(IssuedCredential { credential, secret })
    }

    /// Edits name, purpose, owner, access and end; it holds from the next call on.
    pub async fn edit_credential(
        &self,
        actor: &Actor,
        key_id: KeyId,
        change: &CredentialChange,
    ) -> ServiceResult<Credential> {
        let tried = Object::new(ObjectKind::Credential, key_id, "");
        self.authorise(
            actor,
            Permission::ManageCredentials,
            Action::CredentialEdited,
            tried,
        )
        .await?;
        let current = self.credential(actor, key_id).await?.credential;
        let now = match change.draft.expires.as_str() {
            "keep" => self.now(),
            _ => self.certain()?,
        };
        current.check_editable(now)?;
        let maximum = self.0.settings.maximum_credential_life;
        let mut edited = change
            .draft
            .check_edit(&current, &self.catalogue(), now, maximum)
            .map_err(ServiceError::Invalid)?;
        let detail = difference(&current, &edited);
        if detail.is_empty() {
            return Ok(current);
        }
        edited.updated_at = after(current.updated_at, now);
        let event = actor.event(
            now,
            Action::CredentialEdited,
            Outcome::Done,
            object(&edited),
            Value::Object(detail),
        );
        self.store()
            .update_credential(edited.clone(), to_millis(change.read), event)
            .await
            .map_err(owner_field)?;
        self.0.live.forget(key_id);
        Ok(edited)
    }

    /// Limits from where and how often a credential may be used; it holds from the next call on.
    pub async fn limit_credential(
        &self,
        actor: &Actor,
        key_id: KeyId,
        draft: &LimitsDraft,
        read: Instant,
    ) -> ServiceResult<Credential> {
        let action = Action::LimitsChanged;
        let tried = Object::new(ObjectKind::Credential, key_id, "");
        self.authorise(actor, Permission::ManageCredentials, action, tried)
            .await?;
        let current = self.credential(actor, key_id).await?.credential;
        let now = self.now();
        current.check_editable(now)?;
        let limits = draft.check().map_err(ServiceError::Invalid)?;
        if limits == current.limits {
            return Ok(current);
        }
        let detail = json!({ "limits": { "from": current.limits, "to": limits } });
        let edited = Credential {
            limits,
            updated_at: after(current.updated_at, now),
            ..current
        };
        let event = actor.event(now, action, Outcome::Done, object(&edited), detail);
        self.store()
            .update_credential(edited.clone(), to_millis(read), event)
            .await?;
        self.0.live.forget(key_id);
        Ok(edited)
    }
}

pub(crate) fn object(credential: &Credential) -> Object {
    Object::new(ObjectKind::Credential, credential.key_id, &credential.name)
}

/// A time of change later than the last one, even within one millisecond or with the clock set back.
pub(crate) fn after(last: Instant, now: Instant) -> Instant {
    now.max(last + TimeDelta::milliseconds(1))
}

/// An owner who can't be one is a problem of the field.
fn owner_field(error: StoreError) -> ServiceError {
    match error {
        StoreError::Conflict(conflict @ Conflict::OwnerUnavailable) => {
            ServiceError::field("owner", conflict)
        }
        other => other.into(),
    }
}

/// What an edit changes, as the audit log keeps it.
fn difference(from: &Credential, to: &Credential) -> Map<String, Value> {
    let facts = |credential: &Credential| {
        [
            ("name", json!(credential.name)),
            ("purpose", json!(credential.purpose)),
            ("owner", json!(credential.owner)),
            ("access", json!(credential.access)),
            ("expires_at", json!(credential.expires_at.map(rfc3339))),
        ]
    };
    facts(from)
        .into_iter()
        .zip(facts(to))
        .filter(|(before, after)| before != after)
        .map(|((name, before), (_, after))| {
            (name.to_owned(), json!({ "from": before, "to": after }))
        })
        .collect()
}

//! A store that fails, hangs or panics on demand, around a real one.
#![expect(
    clippy::disallowed_methods,
    reason = "every method is passed on to another store"
)]

use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::Instant;
use domain::audit::{AuditEntry, AuditEvent, ChainHash, ObjectKind};
use domain::credential::Credential;
use domain::gateway::{Gateway, GatewayId};
use domain::key_id::KeyId;
use domain::role::Role;
use domain::scope::WireScope;
use domain::text::PersonName;
use domain::user::{EmailAddress, User, UserId};
use storage::{
    AuditQuery, CatalogueVersion, Change, CredentialCounts, CredentialPage, CredentialQuery,
    CredentialRecord, CredentialUse, DecisionRow, Epoch, GatewayRecord, GatewaySeen, Identity,
    KeySetRow, KnownTime, LiveCredential, Login, NewCredential, NewSecondFactor, OneTimeToken,
    OwnSession, PeoplePage, PeopleQuery, PersonRecord, PublicKeyRow, RecoveryHashes, RevokedToken,
    SecondFactorId, SecondFactors, SecretHash, SessionOwner, SessionRow, SharedStore,
    SigningKeyRow, Store, StoreError, StoreResult, TokenHash, UsageRow, UserQuery, WrongPassword,
};
use tokio::sync::{Semaphore, oneshot};

/// What the store does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Well,
    Failing,
    Hanging,
    Panicking,
}

/// Whether a method only reads. What is not known to counts as writing.
fn is_read(call: &str) -> bool {
    const READS: [&str; 17] = [
        "ping",
        "connect_anew",
        "is_migrated",
        "close",
        "setting",
        "changes_after",
        "wait_for_change",
        "has_users",
        "set_up_token_is_valid",
        "page_sessions_of",
        "assertion_id_is_used",
        "usage_of",
        "search_audit",
        "audit_base",
        "audit_head",
        "last_audit_time",
        "database_time",
    ];
    let begins = ["find_", "list_", "count_"];
    READS.contains(&call) || begins.iter().any(|begin| call.starts_with(begin))
}

#[derive(Debug)]
pub struct FaultyStore {
    inner: SharedStore,
    health: AtomicU8,
    /// What is wrong with writing, if anything.
    refused_writes: Mutex<Option<fn() -> StoreError>>,
    /// What it has failed to do.
    failed: Mutex<Vec<&'static str>>,
    /// What it was asked to do.
    calls: Mutex<Vec<&'static str>>,
    /// A call that fails once.
    failing: Mutex<Option<&'static str>>,
    /// The connections of the gate, if each that finds nothing is lost.
    lost_look_ups: Mutex<Option<Arc<Semaphore>>>,
    /// A call whose next answer comes late, and what lets it come.
    late: Mutex<Option<(&'static str, oneshot::Receiver<()>)>>,
}

impl FaultyStore {
    pub fn new(inner: SharedStore) -> Self {
        Self {
            inner,
            health: AtomicU8::new(Health::Well as u8),
            refused_writes: Mutex::default(),
            failed: Mutex::default(),
            calls: Mutex::default(),
            late: Mutex::default(),
            lost_look_ups: Mutex::default(),
            failing: Mutex::default(),
        }
    }

    /// Has the next one of these calls fail, and no other.
    pub fn fail_next(&self, call: &'static str) {
        *self.failing.lock().unwrap() = Some(call);
    }

    /// From now on so many credentials are looked up at once, and a look-up that finds none never ends.
    pub fn lose_look_ups_of_strangers(&self, connections: usize) {
        let connections = Arc::new(Semaphore::new(connections));
        *self.lost_look_ups.lock().unwrap() = Some(connections);
    }

    async fn look_up(&self, key_id: KeyId) -> StoreResult<Option<LiveCredential>> {
        let connections = self.lost_look_ups.lock().unwrap().clone();
        let Some(connections) = connections else {
            return self.inner.find_live_credential(key_id).await;
        };
        let connection = connections.acquire().await.unwrap();
        let found = self.inner.find_live_credential(key_id).await?;
        if found.is_none() {
            connection.forget();
            std::future::pending::<()>().await;
        }
        Ok(found)
    }

    /// How all that writes fails from now on.
    pub fn refuse_writes(&self, problem: Option<fn() -> StoreError>) {
        *self.refused_writes.lock().unwrap() = problem;
    }

    pub fn set(&self, health: Health) {
        self.health.store(health as u8, Ordering::SeqCst);
    }

    /// Holds the next answer to a call back, which is made at once, until what this returns is sent
    /// something or dropped.
    pub fn hold(&self, call: &'static str) -> oneshot::Sender<()> {
        let (release, late) = oneshot::channel();
        *self.late.lock().unwrap() = Some((call, late));
        release
    }

    async fn wait_if_held(&self, call: &'static str) {
        let is_held = |late: &mut (&str, _)| late.0 == call;
        let late = self.late.lock().unwrap().take_if(is_held);
        if let Some((_, released)) = late {
            let _ = released.await;
        }
    }

    /// What it has failed to do since the last time.
    pub fn take_failed(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.failed.lock().unwrap())
    }

    /// What it was asked to do since the last time.
    pub fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    async fn trouble(&self, call: &'static str) -> StoreResult<()> {
        self.calls.lock().unwrap().push(call);
        let trouble = self.trouble_with(call).await;
        if trouble.is_err() {
            self.failed.lock().unwrap().push(call);
        }
        trouble
    }

    async fn trouble_with(&self, call: &'static str) -> StoreResult<()> {
        let health = self.health.load(Ordering::SeqCst);
        let fails = self.failing.lock().unwrap().take_if(|it| *it == call);
        if health == Health::Failing as u8 || fails.is_some() {
            return Err(StoreError::Unavailable(
                "SECRET-CAUSE: the disk is on fire".into(),
            ));
        }
        if health == Health::Hanging as u8 {
            tokio::time::sleep(Duration::from_hours(1)).await;
        }
        assert_ne!(health, Health::Panicking as u8, "SECRET-CAUSE: a bug");
        let refused = *self.refused_writes.lock().unwrap();
        match refused {
            Some(problem) if !is_read(call) => Err(problem()),
            _ => Ok(()),
        }
    }
}

macro_rules! around {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) -> $output:ty;)*) => {
        #[async_trait]
        impl Store for FaultyStore {
            async fn find_live_credential(&self, key_id: KeyId) -> StoreResult<Option<LiveCredential>> {
                self.trouble("find_live_credential").await?;
                let answer = self.look_up(key_id).await;
                self.wait_if_held("find_live_credential").await;
                answer
            }

            $(async fn $name(&self $(, $argument: $kind)*) -> StoreResult<$output> {
                self.trouble(stringify!($name)).await?;
                let answer = self.inner.$name($($argument),*).await;
                self.wait_if_held(stringify!($name)).await;
                answer
            })*
        }
    };
}

around! {
    fn ping() -> ();
    fn connect_anew() -> ();
    fn can_write(now: Instant) -> ();
    fn migrate() -> ();
    fn is_migrated() -> bool;
    fn backup(to: &Path, audit: AuditEvent) -> ();
    fn tidy() -> ();
    fn close() -> ();
    fn setting(key: &str) -> Option<String>;
    fn setting_or_insert(key: &str, value: &str) -> String;
    fn known_time() -> KnownTime;
    fn note_time(at: Instant, acceptances: i64) -> ();
    fn accept_clock(audit: AuditEvent) -> ();
    fn changes_after(last: (i64, ChainHash)) -> Option<Vec<Change>>;
    fn wait_for_change(patience: Duration) -> ();
    fn has_users() -> bool;
    fn offer_set_up(token: OneTimeToken, audit: AuditEvent) -> ();
    fn set_up_token_is_valid(hash: TokenHash, now: Instant) -> bool;
    fn complete_set_up(token: TokenHash, user: User, hash: String, audit: AuditEvent) -> ();
    fn add_user(user: User, hash: Option<String>, link: Option<OneTimeToken>, audit: AuditEvent) -> ();
    fn find_user(id: UserId) -> Option<User>;
    fn find_login(email: EmailAddress) -> Option<Login>;
    fn password_was_wrong(email: EmailAddress, most: u32, audit: WrongPassword) -> ();
    fn password_was_right(epoch: Epoch, most: u32) -> bool;
    fn find_password_hash(id: UserId) -> Option<String>;
    fn list_users(query: UserQuery) -> Vec<User>;
    fn list_people(query: PeopleQuery) -> PeoplePage;
    fn find_person(id: UserId, now: Instant) -> Option<PersonRecord>;
    fn find_user_at(epoch: Epoch) -> Option<User>;
    fn set_role(id: UserId, role: Role, audit: AuditEvent) -> ();
    fn rename_user(id: UserId, name: PersonName, email: EmailAddress, audit: AuditEvent) -> ();
    fn map_role(epoch: Epoch, role: Role, audit: AuditEvent) -> Epoch;
    fn disable_user(id: UserId, at: Instant, audit: AuditEvent) -> ();
    fn enable_user(id: UserId, audit: AuditEvent) -> ();
    fn set_password(id: UserId, hash: String, audit: AuditEvent) -> ();
    fn change_password(own: OwnSession, checked: String, hash: String, audit: AuditEvent) -> ();
    fn upgrade_password_hash(id: UserId, from: String, to: String) -> ();
    fn offer_password_link(id: UserId, token: OneTimeToken, audit: AuditEvent) -> ();
    fn find_password_link(hash: TokenHash, now: Instant) -> Option<User>;
    fn redeem_password_link(link: TokenHash, now: Instant, hash: String, audit: AuditEvent) -> ();
    fn record_login(epoch: Epoch, at: Instant, audit: AuditEvent) -> ();
    fn find_user_by_identity(identity: Identity) -> Option<(User, Epoch)>;
    fn add_user_with_identity(user: User, identity: Identity, audit: AuditEvent) -> Epoch;
    fn link_identity(id: UserId, identity: Identity, audit: AuditEvent) -> ();
    fn record_identity_login(epoch: Epoch, identity: Identity, at: Instant, audit: AuditEvent) -> ();
    fn find_second_factors(id: UserId) -> SecondFactors;
    fn add_second_factor(own: OwnSession, factor: NewSecondFactor, codes: Option<RecoveryHashes>, audit: AuditEvent) -> ();
    fn remove_second_factor(own: OwnSession, factor: SecondFactorId, keep_one: bool, audit: AuditEvent) -> ();
    fn reset_second_factors(id: UserId, audit: AuditEvent) -> ();
    fn renew_recovery_codes(own: OwnSession, codes: RecoveryHashes, audit: AuditEvent) -> ();
    fn use_totp_step(id: UserId, step: i64) -> bool;
    fn use_recovery_code(id: UserId, code: SecretHash, audit: AuditEvent) -> bool;
    fn use_passkey(id: UserId, passkey: String, state: String, at: Instant) -> bool;
    fn create_session(session: SessionRow) -> bool;
    fn save_session(id: TokenHash, data: String, until: Instant) -> bool;
    fn find_session(id: TokenHash, now: Instant) -> Option<SessionRow>;
    fn find_session_owner(id: TokenHash, now: Instant) -> Option<SessionOwner>;
    fn take_session(id: TokenHash, now: Instant) -> Option<SessionRow>;
    fn delete_session(id: TokenHash) -> ();
    fn list_sessions_of(user: UserId, now: Instant) -> Vec<SessionRow>;
    fn page_sessions_of(user: UserId, now: Instant, after: Option<TokenHash>, limit: u32) -> Vec<SessionRow>;
    fn end_sessions_by_message(user: UserId, keep: Vec<TokenHash>, message: TokenHash, until: Instant, audit: AuditEvent) -> bool;
    fn end_session(user: UserId, id: TokenHash, audit: AuditEvent) -> ();
    fn end_sessions_of(user: UserId, keep: Vec<TokenHash>, audit: AuditEvent) -> ();
    fn end_other_sessions(own: OwnSession, audit: AuditEvent) -> ();
    fn delete_expired(now: Instant, before: Instant) -> u64;
    fn issue_credential(new: NewCredential, audit: AuditEvent) -> ();
    fn find_credential(key_id: KeyId) -> Option<CredentialRecord>;
    fn list_key_ids(after: Option<KeyId>, limit: u32) -> Vec<KeyId>;
    fn list_credentials(query: CredentialQuery) -> CredentialPage;
    fn count_credentials(now: Instant) -> CredentialCounts;
    fn count_in_use_with(scopes: Vec<WireScope>, now: Instant) -> Vec<u64>;
    fn update_credential(credential: Credential, read: Instant, audit: AuditEvent) -> ();
    fn record_uses(uses: Vec<CredentialUse>) -> ();
    fn add_public_keys(key_id: KeyId, keys: Vec<PublicKeyRow>, audit: AuditEvent) -> ();
    fn remove_public_key(key_id: KeyId, thumbprint: String, audit: AuditEvent) -> ();
    fn set_key_set_url(key_id: KeyId, url: String, audit: AuditEvent) -> ();
    fn record_key_set(key_id: KeyId, found: KeySetRow, unless_since: Instant) -> ();
    fn use_assertion_id(key_id: KeyId, id: TokenHash, until: Instant, now: Instant) -> bool;
    fn assertion_id_is_used(key_id: KeyId, id: TokenHash) -> bool;
    fn revoke_token(token: RevokedToken, audit: AuditEvent) -> bool;
    fn list_revoked_tokens(now: Instant) -> Vec<RevokedToken>;
    fn add_gateway(gateway: Gateway, token: TokenHash, audit: AuditEvent) -> ();
    fn list_gateways() -> Vec<GatewayRecord>;
    fn update_gateway(gateway: Gateway, audit: AuditEvent) -> ();
    fn replace_gateway_token(id: GatewayId, token: TokenHash, audit: AuditEvent) -> ();
    fn remove_gateway(id: GatewayId, at: Instant, audit: AuditEvent) -> ();
    fn record_gateways_seen(seen: Vec<(GatewayId, GatewaySeen)>) -> ();
    fn list_signing_keys() -> Vec<SigningKeyRow>;
    fn add_first_signing_key(key: SigningKeyRow, audit: AuditEvent) -> bool;
    fn add_signing_key(key: SigningKeyRow, audit: AuditEvent) -> ();
    fn delete_private_half(kid: String, audit: AuditEvent) -> bool;
    fn end_signing_key(kid: String, at: Instant, successor: Option<SigningKeyRow>, audit: AuditEvent) -> ();
    fn take_up_catalogue(version: CatalogueVersion, audit: AuditEvent) -> bool;
    fn list_catalogue_versions(before: i64, limit: u32) -> Vec<(i64, CatalogueVersion)>;
    fn record_decisions(decisions: Vec<DecisionRow>) -> ();
    fn find_decision(request_id: String) -> Option<DecisionRow>;
    fn list_decisions_of(key_id: KeyId, limit: u32) -> Vec<DecisionRow>;
    fn trim_decisions(before: Instant, keep: u32, keep_strangers: u32) -> u64;
    fn add_usage(counted: Vec<UsageRow>) -> ();
    fn usage_of(key_id: KeyId, since: Instant) -> Vec<UsageRow>;
    fn trim_usage(before: Instant) -> u64;
    fn search_audit(query: AuditQuery) -> Vec<AuditEntry>;
    fn audit_base() -> (i64, ChainHash);
    fn trim_audit(base: (i64, ChainHash), audit: AuditEvent) -> ();
    fn append_audit(event: AuditEvent) -> ();
    fn list_audit(after: i64, limit: u32) -> Vec<AuditEntry>;
    fn list_audit_of(kind: ObjectKind, id: String, limit: u32) -> Vec<AuditEntry>;
    fn audit_head() -> (i64, ChainHash);
    fn last_audit_time() -> Option<Instant>;
    fn database_time() -> Option<Instant>;
}

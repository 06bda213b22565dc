//! The methods of [`Store`]: which transaction each one is, and which function does its work.
//!
//! It is as long as the trait has methods: Rust wants them in one `impl`.

use std::path::Path;
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

use super::columns::Columns;
use super::decisions::Whose;
use super::{
    DATABASE_TIME, SqlStore, audit, catalogue, counts, credentials, decisions, epochs, expired,
    factors, finish, gateways, identities, key_sets, keys, list, people, public_keys, sessions,
    set_up, tokens, usage, users,
};
use crate::{
    AuditQuery, CatalogueVersion, Change, CredentialCounts, CredentialPage, CredentialQuery,
    CredentialRecord, CredentialUse, DecisionRow, Epoch, GatewayRecord, GatewaySeen, Identity,
    KeySetRow, KnownTime, LiveCredential, Login, NewCredential, NewSecondFactor, OneTimeToken,
    OwnSession, PeoplePage, PeopleQuery, PersonRecord, PublicKeyRow, RecoveryHashes, RevokedToken,
    SecondFactorId, SecondFactors, SecretHash, SessionOwner, SessionRow, SigningKeyRow, Store,
    StoreResult, TokenHash, UsageRow, UserQuery, WrongPassword,
};

#[async_trait]
impl Store for SqlStore {
    async fn ping(&self) -> StoreResult<()> {
        let ping = self.read_for_gate(|db| {
            Box::pin(async {
                sqlx::query("SELECT 1").execute(db).await?;
                Ok(())
            })
        });
        ping.await
    }

    async fn can_write(&self, now: Instant) -> StoreResult<()> {
        self.handle.check()?;
        if self.last_write.tells_that_one_can() {
            return Ok(());
        }
        self.write_at_once(move |db| Box::pin(set_up::note_look(db, now)))
            .await
    }

    async fn migrate(&self) -> StoreResult<()> {
        self.handle.migrate().await
    }

    async fn is_migrated(&self) -> StoreResult<bool> {
        self.handle.is_migrated().await
    }

    async fn backup(&self, to: &Path, audit: AuditEvent) -> StoreResult<()> {
        let (store, to) = (self.clone(), to.to_owned());
        finish(async move {
            let copy = store.handle.backup(&to).await?;
            #[expect(
                clippy::disallowed_methods,
                reason = "the event of a change, which is the backup"
            )]
            store.append_audit(audit).await?;
            copy.keep()
        })
        .await
    }

    async fn tidy(&self) -> StoreResult<()> {
        self.handle.tidy().await
    }

    async fn close(&self) -> StoreResult<()> {
        self.handle.close().await
    }

    async fn setting(&self, key: &str) -> StoreResult<Option<String>> {
        self.read(move |db| Box::pin(set_up::setting(db, key.to_owned())))
            .await
    }

    async fn setting_or_insert(&self, key: &str, value: &str) -> StoreResult<String> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.write(move |db| Box::pin(set_up::setting_or_insert(db, key, value)))
            .await
    }

    async fn database_time(&self) -> StoreResult<Option<Instant>> {
        let Some(statement) = DATABASE_TIME else {
            return Ok(None);
        };
        let row = self
            .read(move |db| {
                Box::pin(async move { Ok(sqlx::query(statement).fetch_one(db).await?) })
            })
            .await?;
        Columns::of("the database's clock", &row)
            .instant("now")
            .map(Some)
    }

    async fn known_time(&self) -> StoreResult<KnownTime> {
        self.read(|db| Box::pin(set_up::known_time(db))).await
    }

    async fn note_time(&self, at: Instant, acceptances: i64) -> StoreResult<()> {
        self.write(move |db| Box::pin(set_up::note_time(db, at, acceptances)))
            .await
    }

    async fn accept_clock(&self, event: AuditEvent) -> StoreResult<()> {
        let at = event.at;
        self.audited(event, move |db| Box::pin(set_up::accept_clock(db, at)))
            .await
    }

    async fn changes_after(&self, last: (i64, ChainHash)) -> StoreResult<Option<Vec<Change>>> {
        let look = self.look_at_feed(move |db| Box::pin(audit::changes_after(db, last)));
        // Whoever listens may be on a dead connection as well, and would never notice.
        look.await.inspect_err(|_| self.handle.listen_anew())
    }

    async fn connect_anew(&self) -> StoreResult<()> {
        self.handle.connect_anew();
        Ok(())
    }

    async fn wait_for_change(&self, patience: Duration) -> StoreResult<()> {
        self.handle.wait_for_change(patience).await
    }

    async fn has_users(&self) -> StoreResult<bool> {
        self.read(|db| Box::pin(set_up::has_users(db))).await
    }

    async fn offer_set_up(&self, token: OneTimeToken, audit: AuditEvent) -> StoreResult<()> {
        self.audited(audit, move |db| Box::pin(set_up::offer(db, token)))
            .await
    }

    async fn set_up_token_is_valid(&self, hash: TokenHash, now: Instant) -> StoreResult<bool> {
        self.read(move |db| Box::pin(set_up::token_is_valid(db, hash, now)))
            .await
    }

    async fn complete_set_up(
        &self,
        token: TokenHash,
        user: User,
        password_hash: String,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        let now = audit.at;
        self.audited(audit, move |db| {
            Box::pin(set_up::complete(db, token, user, password_hash, now))
        })
        .await
    }

    async fn add_user(
        &self,
        user: User,
        password_hash: Option<String>,
        link: Option<OneTimeToken>,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(users::add(db, user, password_hash, link))
        })
        .await
    }

    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>> {
        self.read(move |db| Box::pin(users::find(db, id))).await
    }

    async fn find_login(&self, email: EmailAddress) -> StoreResult<Option<Login>> {
        self.read(move |db| Box::pin(users::find_login(db, email)))
            .await
    }

    async fn password_was_wrong(
        &self,
        email: EmailAddress,
        most: u32,
        audit: WrongPassword,
    ) -> StoreResult<()> {
        self.write(move |db| {
            Box::pin(async move {
                let head = audit::lock_head(db).await?;
                let event = match users::count_wrong_password(db, email, most).await? {
                    users::Place::OneOf => audit.one,
                    users::Place::Last => Some(audit.last),
                    users::Place::After => audit.more,
                };
                match event {
                    Some(event) => audit::append(db, head, event).await,
                    None => Ok(()),
                }
            })
        })
        .await
    }

    async fn password_was_right(&self, epoch: Epoch, most: u32) -> StoreResult<bool> {
        self.write(move |db| Box::pin(users::password_was_right(db, epoch, most)))
            .await
    }

    async fn find_password_hash(&self, id: UserId) -> StoreResult<Option<String>> {
        self.read(move |db| Box::pin(users::find_password_hash(db, id)))
            .await
    }

    async fn list_users(&self, query: UserQuery) -> StoreResult<Vec<User>> {
        self.read(move |db| Box::pin(users::list(db, query))).await
    }

    async fn list_people(&self, query: PeopleQuery) -> StoreResult<PeoplePage> {
        self.read(move |db| Box::pin(async move { people::page(db, &query).await }))
            .await
    }

    async fn find_person(&self, id: UserId, now: Instant) -> StoreResult<Option<PersonRecord>> {
        self.read(move |db| Box::pin(people::find(db, id, now)))
            .await
    }

    async fn find_user_at(&self, epoch: Epoch) -> StoreResult<Option<User>> {
        self.read(move |db| Box::pin(users::find_at(db, epoch)))
            .await
    }

    async fn set_role(&self, id: UserId, role: Role, audit: AuditEvent) -> StoreResult<()> {
        self.audited(audit, move |db| Box::pin(users::set_role(db, id, role)))
            .await
    }

    async fn rename_user(
        &self,
        id: UserId,
        name: PersonName,
        email: EmailAddress,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(users::rename(db, id, name, email))
        })
        .await
    }

    async fn map_role(&self, epoch: Epoch, role: Role, audit: AuditEvent) -> StoreResult<Epoch> {
        self.audited(audit, move |db| Box::pin(users::map_role(db, epoch, role)))
            .await
    }

    async fn disable_user(&self, id: UserId, at: Instant, audit: AuditEvent) -> StoreResult<()> {
        self.audited(audit, move |db| Box::pin(users::disable(db, id, at)))
            .await
    }

    async fn enable_user(&self, id: UserId, audit: AuditEvent) -> StoreResult<()> {
        self.audited(audit, move |db| Box::pin(users::enable(db, id)))
            .await
    }

    async fn set_password(
        &self,
        id: UserId,
        password_hash: String,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(users::set_password(db, id, password_hash))
        })
        .await
    }

    async fn change_password(
        &self,
        own: OwnSession,
        checked: String,
        password_hash: String,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(users::change_password(db, own, checked, password_hash))
        })
        .await
    }

    async fn upgrade_password_hash(&self, id: UserId, from: String, to: String) -> StoreResult<()> {
        self.write(move |db| Box::pin(users::upgrade_password_hash(db, id, from, to)))
            .await
    }

    async fn offer_password_link(
        &self,
        id: UserId,
        token: OneTimeToken,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(users::offer_password_link(db, id, token))
        })
        .await
    }

    async fn find_password_link(&self, hash: TokenHash, now: Instant) -> StoreResult<Option<User>> {
        self.read(move |db| Box::pin(users::find_password_link(db, hash, now)))
            .await
    }

    async fn redeem_password_link(
        &self,
        hash: TokenHash,
        now: Instant,
        password_hash: String,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(users::redeem_password_link(db, hash, now, password_hash))
        })
        .await
    }

    async fn record_login(&self, epoch: Epoch, at: Instant, audit: AuditEvent) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(users::record_login(db, epoch, at))
        })
        .await
    }

    async fn find_user_by_identity(
        &self,
        identity: Identity,
    ) -> StoreResult<Option<(User, Epoch)>> {
        self.read(move |db| Box::pin(identities::find_user(db, identity)))
            .await
    }

    async fn add_user_with_identity(
        &self,
        user: User,
        identity: Identity,
        audit: AuditEvent,
    ) -> StoreResult<Epoch> {
        self.audited(audit, move |db| {
            Box::pin(identities::add_user(db, user, identity))
        })
        .await
    }

    async fn link_identity(
        &self,
        id: UserId,
        identity: Identity,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        let at = audit.at;
        self.audited(audit, move |db| {
            Box::pin(identities::link(db, id, identity, at))
        })
        .await
    }

    async fn record_identity_login(
        &self,
        epoch: Epoch,
        identity: Identity,
        at: Instant,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(identities::record_login(db, epoch, identity, at))
        })
        .await
    }

    async fn find_second_factors(&self, id: UserId) -> StoreResult<SecondFactors> {
        self.read(move |db| Box::pin(factors::find(db, id))).await
    }

    async fn add_second_factor(
        &self,
        own: OwnSession,
        factor: NewSecondFactor,
        codes: Option<RecoveryHashes>,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(factors::add(db, own, factor, codes))
        })
        .await
    }

    async fn remove_second_factor(
        &self,
        own: OwnSession,
        factor: SecondFactorId,
        keep_one: bool,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(factors::remove(db, own, factor, keep_one))
        })
        .await
    }

    async fn reset_second_factors(&self, id: UserId, audit: AuditEvent) -> StoreResult<()> {
        self.audited(audit, move |db| Box::pin(factors::reset(db, id)))
            .await
    }

    async fn renew_recovery_codes(
        &self,
        own: OwnSession,
        codes: RecoveryHashes,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(factors::renew_codes(db, own, codes))
        })
        .await
    }

    async fn use_totp_step(&self, id: UserId, step: i64) -> StoreResult<bool> {
        self.write(move |db| Box::pin(factors::use_totp_step(db, id, step)))
            .await
    }

    async fn use_recovery_code(
        &self,
        id: UserId,
        code: SecretHash,
        audit: AuditEvent,
    ) -> StoreResult<bool> {
        let at = audit.at;
        self.audited_if_done(audit, move |db| {
            Box::pin(factors::use_code(db, id, code, at))
        })
        .await
    }

    async fn use_passkey(
        &self,
        id: UserId,
        passkey: String,
        state: String,
        at: Instant,
    ) -> StoreResult<bool> {
        self.write(move |db| Box::pin(factors::use_passkey(db, id, passkey, state, at)))
            .await
    }

    async fn create_session(&self, session: SessionRow) -> StoreResult<bool> {
        self.write(move |db| Box::pin(sessions::create(db, session)))
            .await
    }

    async fn save_session(
        &self,
        id: TokenHash,
        data: String,
        idle_until: Instant,
    ) -> StoreResult<bool> {
        self.write(move |db| Box::pin(sessions::save(db, id, data, idle_until)))
            .await
    }

    async fn find_session(&self, id: TokenHash, now: Instant) -> StoreResult<Option<SessionRow>> {
        self.read(move |db| Box::pin(sessions::find(db, id, now)))
            .await
    }

    async fn find_session_owner(
        &self,
        id: TokenHash,
        now: Instant,
    ) -> StoreResult<Option<SessionOwner>> {
        self.read(move |db| Box::pin(sessions::find_owner(db, id, now)))
            .await
    }

    async fn take_session(&self, id: TokenHash, now: Instant) -> StoreResult<Option<SessionRow>> {
        self.write(move |db| Box::pin(sessions::take(db, id, now)))
            .await
    }

    async fn delete_session(&self, id: TokenHash) -> StoreResult<()> {
        self.write(move |db| Box::pin(sessions::delete(db, id)))
            .await
    }

    async fn list_sessions_of(&self, user: UserId, now: Instant) -> StoreResult<Vec<SessionRow>> {
        self.read(move |db| Box::pin(sessions::list_of(db, user, now)))
            .await
    }

    async fn page_sessions_of(
        &self,
        user: UserId,
        now: Instant,
        after: Option<TokenHash>,
        limit: u32,
    ) -> StoreResult<Vec<SessionRow>> {
        self.read(move |db| Box::pin(sessions::page_of(db, user, now, after, limit)))
            .await
    }

    async fn end_sessions_by_message(
        &self,
        user: UserId,
        keep: Vec<TokenHash>,
        message: TokenHash,
        until: Instant,
        audit: AuditEvent,
    ) -> StoreResult<bool> {
        self.audited_if_done(audit, move |db| {
            Box::pin(async move {
                let is_new = sessions::use_message(db, message, until).await?;
                if is_new {
                    epochs::raise_but_for(db, user, keep).await?;
                }
                Ok(is_new)
            })
        })
        .await
    }

    async fn end_session(&self, user: UserId, id: TokenHash, audit: AuditEvent) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(sessions::delete_one_of(db, user, id))
        })
        .await
    }

    async fn end_sessions_of(
        &self,
        user: UserId,
        keep: Vec<TokenHash>,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(epochs::raise_but_for(db, user, keep))
        })
        .await
    }

    async fn end_other_sessions(&self, own: OwnSession, audit: AuditEvent) -> StoreResult<()> {
        self.audited(audit, move |db| Box::pin(epochs::raise_in(db, own)))
            .await
    }

    async fn delete_expired(&self, now: Instant, before: Instant) -> StoreResult<u64> {
        self.write_at_once(move |db| Box::pin(expired::delete(db, now, before)))
            .await
    }

    async fn issue_credential(&self, new: NewCredential, audit: AuditEvent) -> StoreResult<()> {
        self.audited(audit, move |db| Box::pin(credentials::issue(db, new)))
            .await
    }

    async fn find_credential(&self, key_id: KeyId) -> StoreResult<Option<CredentialRecord>> {
        self.read(move |db| Box::pin(credentials::find(db, key_id)))
            .await
    }

    async fn list_key_ids(&self, after: Option<KeyId>, limit: u32) -> StoreResult<Vec<KeyId>> {
        self.read_for_feed(move |db| Box::pin(credentials::list_key_ids(db, after, limit)))
            .await
    }

    async fn find_live_credential(&self, key_id: KeyId) -> StoreResult<Option<LiveCredential>> {
        self.read_for_gate(move |db| Box::pin(credentials::find_live(db, key_id)))
            .await
    }

    async fn list_credentials(&self, query: CredentialQuery) -> StoreResult<CredentialPage> {
        self.read(move |db| Box::pin(async move { list::page(db, &query).await }))
            .await
    }

    async fn count_credentials(&self, now: Instant) -> StoreResult<CredentialCounts> {
        self.read(move |db| Box::pin(counts::count(db, now))).await
    }

    async fn count_in_use_with(
        &self,
        scopes: Vec<WireScope>,
        now: Instant,
    ) -> StoreResult<Vec<u64>> {
        self.read(move |db| {
            Box::pin(async move { counts::count_in_use_with(db, &scopes, now).await })
        })
        .await
    }

    async fn update_credential(
        &self,
        credential: Credential,
        read: Instant,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(credentials::update(db, credential, read))
        })
        .await
    }

    async fn record_uses(&self, mut uses: Vec<CredentialUse>) -> StoreResult<()> {
        uses.sort_by_cached_key(|used| (used.key_id, used.public_key.clone(), used.last_use.at));
        self.write_facts(uses, |db, some| {
            Box::pin(credentials::record_uses(db, some))
        })
        .await
    }

    async fn add_public_keys(
        &self,
        key_id: KeyId,
        keys: Vec<PublicKeyRow>,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(public_keys::add_to_known(db, key_id, keys))
        })
        .await
    }

    async fn remove_public_key(
        &self,
        key_id: KeyId,
        thumbprint: String,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(public_keys::remove(db, key_id, thumbprint))
        })
        .await
    }

    async fn set_key_set_url(
        &self,
        key_id: KeyId,
        url: String,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(key_sets::set_for_known(db, key_id, url))
        })
        .await
    }

    async fn record_key_set(
        &self,
        key_id: KeyId,
        found: KeySetRow,
        unless_since: Instant,
    ) -> StoreResult<()> {
        self.write_at_once(move |db| Box::pin(key_sets::record(db, key_id, found, unless_since)))
            .await
    }

    async fn use_assertion_id(
        &self,
        key_id: KeyId,
        id: TokenHash,
        until: Instant,
        now: Instant,
    ) -> StoreResult<bool> {
        self.write_at_once(move |db| Box::pin(tokens::use_assertion_id(db, key_id, id, until, now)))
            .await
    }

    async fn assertion_id_is_used(&self, key_id: KeyId, id: TokenHash) -> StoreResult<bool> {
        self.read_for_gate(move |db| Box::pin(tokens::assertion_id_is_used(db, key_id, id)))
            .await
    }

    async fn revoke_token(&self, token: RevokedToken, audit: AuditEvent) -> StoreResult<bool> {
        self.audited_if_done(audit, move |db| Box::pin(tokens::revoke(db, token)))
            .await
    }

    async fn list_revoked_tokens(&self, now: Instant) -> StoreResult<Vec<RevokedToken>> {
        self.read_for_feed(move |db| Box::pin(tokens::list_revoked(db, now)))
            .await
    }

    async fn add_gateway(
        &self,
        gateway: Gateway,
        token: TokenHash,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| Box::pin(gateways::add(db, gateway, token)))
            .await
    }

    async fn list_gateways(&self) -> StoreResult<Vec<GatewayRecord>> {
        self.read_for_feed(move |db| Box::pin(gateways::list(db)))
            .await
    }

    async fn update_gateway(&self, gateway: Gateway, audit: AuditEvent) -> StoreResult<()> {
        self.audited(audit, move |db| Box::pin(gateways::update(db, gateway)))
            .await
    }

    async fn replace_gateway_token(
        &self,
        id: GatewayId,
        token: TokenHash,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| {
            Box::pin(gateways::replace_token(db, id, token))
        })
        .await
    }

    async fn remove_gateway(
        &self,
        id: GatewayId,
        at: Instant,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| Box::pin(gateways::remove(db, id, at)))
            .await
    }

    async fn record_gateways_seen(
        &self,
        mut seen: Vec<(GatewayId, GatewaySeen)>,
    ) -> StoreResult<()> {
        seen.sort_by_key(|(id, seen)| (*id, seen.at));
        self.write_facts(seen, |db, some| Box::pin(gateways::record_seen(db, some)))
            .await
    }

    async fn list_signing_keys(&self) -> StoreResult<Vec<SigningKeyRow>> {
        self.read_for_feed(move |db| Box::pin(keys::list(db))).await
    }

    async fn add_first_signing_key(
        &self,
        key: SigningKeyRow,
        audit: AuditEvent,
    ) -> StoreResult<bool> {
        self.audited_if_done(audit, move |db| Box::pin(keys::add_first(db, key)))
            .await
    }

    async fn add_signing_key(&self, key: SigningKeyRow, audit: AuditEvent) -> StoreResult<()> {
        self.audited(audit, move |db| Box::pin(keys::add(db, key)))
            .await
    }

    async fn delete_private_half(&self, kid: String, audit: AuditEvent) -> StoreResult<bool> {
        self.audited_if_done(audit, move |db| {
            Box::pin(keys::delete_private_half(db, kid))
        })
        .await
    }

    async fn end_signing_key(
        &self,
        kid: String,
        at: Instant,
        successor: Option<SigningKeyRow>,
        audit: AuditEvent,
    ) -> StoreResult<()> {
        self.audited(audit, move |db| Box::pin(keys::end(db, kid, at, successor)))
            .await
    }

    async fn take_up_catalogue(
        &self,
        version: CatalogueVersion,
        audit: AuditEvent,
    ) -> StoreResult<bool> {
        self.audited_if_done(audit, move |db| Box::pin(catalogue::take_up(db, version)))
            .await
    }

    async fn list_catalogue_versions(
        &self,
        before: i64,
        limit: u32,
    ) -> StoreResult<Vec<(i64, CatalogueVersion)>> {
        self.read(move |db| Box::pin(catalogue::list(db, before, limit)))
            .await
    }

    async fn record_decisions(&self, mut decisions: Vec<DecisionRow>) -> StoreResult<()> {
        decisions.sort_by_cached_key(|decision| decision.request_id.clone());
        self.write_facts(decisions, |db, some| Box::pin(decisions::record(db, some)))
            .await
    }

    async fn find_decision(&self, request_id: String) -> StoreResult<Option<DecisionRow>> {
        self.read(move |db| Box::pin(decisions::find(db, request_id)))
            .await
    }

    async fn list_decisions_of(&self, key_id: KeyId, limit: u32) -> StoreResult<Vec<DecisionRow>> {
        self.read(move |db| Box::pin(decisions::list_of(db, key_id, limit)))
            .await
    }

    async fn trim_decisions(
        &self,
        before: Instant,
        keep: u32,
        keep_strangers: u32,
    ) -> StoreResult<u64> {
        let mut trimmed = 0;
        for (whose, keep) in [(Whose::All, keep), (Whose::Strangers, keep_strangers)] {
            // Finding it takes a walk over all that are kept: nobody waits for a reader.
            let beyond = self
                .read(move |db| Box::pin(decisions::first_beyond(db, whose, keep)))
                .await?;
            trimmed += self
                .write_at_once(move |db| Box::pin(decisions::trim(db, whose, before, beyond)))
                .await?;
        }
        Ok(trimmed)
    }

    async fn add_usage(&self, mut counted: Vec<UsageRow>) -> StoreResult<()> {
        // In one order everywhere, so that two replicas don't wait for each other in a circle.
        let place = |row: &UsageRow| (row.key_id, row.hour, row.scope.clone(), row.level);
        counted.sort_by_cached_key(place);
        // One statement can change a row only once.
        counted.dedup_by(|row, same| {
            let is_same = place(row) == place(same);
            if is_same {
                same.allowed += row.allowed;
                same.refused += row.refused;
            }
            is_same
        });
        if counted.is_empty() {
            return Ok(());
        }
        self.write_at_once(move |db| Box::pin(usage::add(db, counted)))
            .await
    }

    async fn usage_of(&self, key_id: KeyId, since: Instant) -> StoreResult<Vec<UsageRow>> {
        self.read(move |db| Box::pin(usage::list_of(db, key_id, since)))
            .await
    }

    async fn trim_usage(&self, before: Instant) -> StoreResult<u64> {
        self.write_at_once(move |db| Box::pin(usage::trim(db, before)))
            .await
    }

    async fn search_audit(&self, query: AuditQuery) -> StoreResult<Vec<AuditEntry>> {
        self.read(move |db| Box::pin(audit::search(db, query)))
            .await
    }

    async fn audit_base(&self) -> StoreResult<(i64, ChainHash)> {
        self.read_for_feed(move |db| Box::pin(audit::base(db)))
            .await
    }

    async fn trim_audit(&self, base: (i64, ChainHash), event: AuditEvent) -> StoreResult<()> {
        self.audited(event, move |db| Box::pin(audit::trim(db, base)))
            .await
    }

    async fn append_audit(&self, event: AuditEvent) -> StoreResult<()> {
        self.audited(event, |_| Box::pin(async { Ok(()) })).await
    }

    async fn list_audit(&self, after: i64, limit: u32) -> StoreResult<Vec<AuditEntry>> {
        self.read(move |db| Box::pin(audit::list(db, after, limit)))
            .await
    }

    async fn list_audit_of(
        &self,
        kind: ObjectKind,
        id: String,
        limit: u32,
    ) -> StoreResult<Vec<AuditEntry>> {
        self.read(move |db| Box::pin(audit::list_of(db, kind, id, limit)))
            .await
    }

    async fn last_audit_time(&self) -> StoreResult<Option<Instant>> {
        self.read(|db| Box::pin(audit::last_time(db))).await
    }

    async fn audit_head(&self) -> StoreResult<(i64, ChainHash)> {
        self.read_for_feed(move |db| Box::pin(audit::head(db)))
            .await
    }
}

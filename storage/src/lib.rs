//! Keyrack's store: what is kept, on SQLite or PostgreSQL, behind one trait.
//!
//! Each method of [`Store`] is a whole transaction in the domain's words. A method that changes
//! something for people takes the audit event that goes into the same transaction, so nothing can
//! be done unaudited; the methods without one say why. A write that has begun
//! goes on when its caller goes away: cancelling an HTTP request never leaves half a change.
//!
//! To add a method: declare it here, write its SQL in `sql/` (one text for both databases), and
//! add a test to `tests/contract/`, which runs for both.
//!
//! It is as long as its trait, which has one method for each transaction and no other way to the data.

mod error;
mod location;
mod records;
mod sql;

use std::path::Path;
use std::sync::Arc;

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

pub use error::{Conflict, StoreError, StoreResult};
pub use location::{IfMissing, Location};
pub use records::*;
pub use sql::{connect, open};

/// A handle to a store that every part of the server shares.
pub type SharedStore = Arc<dyn Store>;

/// As many steps of the feed of changes are given at once.
pub const CHANGES_AT_ONCE: usize = 1_000;

/// What Keyrack keeps.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    /// Whether the database answers, for readiness.
    async fn ping(&self) -> StoreResult<()>;

    /// Whether the database takes writes, for readiness: known from the last write if that was made a
    /// moment ago, and found out by a small one otherwise. Not audited: it changes nothing.
    async fn can_write(&self, now: Instant) -> StoreResult<()>;

    /// Brings the schema up to this version. Refuses a schema that is newer than the program.
    async fn migrate(&self) -> StoreResult<()>;

    /// Puts the database's files in order, without waiting for anybody: for now and then.
    async fn tidy(&self) -> StoreResult<()>;

    /// Ends every connection, and leaves nothing undone in the files. The store is of no use after it.
    async fn close(&self) -> StoreResult<()>;

    /// Whether the schema is this version's; `false` when [`Store::migrate`] has work to do.
    async fn is_migrated(&self) -> StoreResult<bool>;

    /// Writes a consistent copy of the database to a new file that only its owner can read, while
    /// others go on writing. SQLite only: PostgreSQL has its own tools, and the error says so.
    async fn backup(&self, to: &Path, audit: AuditEvent) -> StoreResult<()>;

    /// The value of a setting that Keyrack keeps for itself.
    async fn setting(&self, key: &str) -> StoreResult<Option<String>>;

    /// The value of a setting that Keyrack keeps for itself; `value` becomes it when there is none.
    /// Not audited: it records facts of the installation, such as a check value of the pepper.
    async fn setting_or_insert(&self, key: &str, value: &str) -> StoreResult<String>;

    /// What the database's own clock tells, to measure how far it is from this node's, and for nothing
    /// else; nothing if it runs on this machine.
    async fn database_time(&self) -> StoreResult<Option<Instant>>;

    /// The time that is known to have come.
    async fn known_time(&self) -> StoreResult<KnownTime>;

    /// Notes that a time has come, unless a later one is known, or the clock was accepted more often than
    /// the caller has heard: what it knows is from before then. Not audited: it is a fact of the installation.
    async fn note_time(&self, at: Instant, acceptances: i64) -> StoreResult<()>;

    /// Makes the time of the event the one that is known to have come, whatever was known before.
    async fn accept_clock(&self, audit: AuditEvent) -> StoreResult<()>;

    // --- The feed of changes ---

    /// What the audit entries after the one with this number and hash are about, oldest first, at most
    /// [`CHANGES_AT_ONCE`]. The audit log is the feed by which other processes hear of changes. Nothing if the log
    /// does not go on from that entry: it is gone (lost by the database, or trimmed away), or another
    /// one has its number.
    async fn changes_after(&self, last: (i64, ChainHash)) -> StoreResult<Option<Vec<Change>>>;

    /// No connection that is open by now is used for another call: it may lead to a server that others have
    /// left, after a failover say.
    async fn connect_anew(&self) -> StoreResult<()>;

    /// Returns when another process may have changed something, or after `patience`: PostgreSQL
    /// by `LISTEN`, SQLite by waiting. The first call begins to listen and returns at once. An error
    /// says that changes may have gone unheard; the next call begins anew.
    async fn wait_for_change(&self, patience: std::time::Duration) -> StoreResult<()>;

    // --- Set-up ---

    /// Whether anybody has been added yet.
    async fn has_users(&self) -> StoreResult<bool>;

    /// Keeps the hash of the one-time set-up token, in place of an earlier one.
    /// Fails with [`Conflict::SetUpDone`] when there are users.
    async fn offer_set_up(&self, token: OneTimeToken, audit: AuditEvent) -> StoreResult<()>;

    /// Whether a set-up token with this hash is valid at `now`, and nobody has been added.
    async fn set_up_token_is_valid(&self, hash: TokenHash, now: Instant) -> StoreResult<bool>;

    /// Adds the first user and uses up the token. Of two parallel calls one succeeds; the other
    /// fails with [`Conflict::SetUpDone`], as does a token that is wrong, used, or too old at the
    /// time of the event.
    async fn complete_set_up(
        &self,
        token: TokenHash,
        user: User,
        password_hash: String,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    // --- People ---

    /// Adds a person: with a password, or with a link by which they choose one.
    /// Fails with [`Conflict::EmailTaken`].
    async fn add_user(
        &self,
        user: User,
        password_hash: Option<String>,
        link: Option<OneTimeToken>,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// A person by id.
    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>>;

    /// A person by address, with what checks their password.
    async fn find_login(&self, email: EmailAddress) -> StoreResult<Option<Login>>;

    /// Counts a wrong password of whoever has an address, if a right one could let them in: at most
    /// `most` in a row, exactly, whatever runs in parallel. It is one transaction that writes as much
    /// where there is nobody to count for, so that it tells nobody who is on the team.
    async fn password_was_wrong(
        &self,
        email: EmailAddress,
        most: u32,
        audit: WrongPassword,
    ) -> StoreResult<()>;

    /// Forgets the wrong passwords of a person whose right one was tried; `false` if `most` wrong ones
    /// came before, or what was checked holds no longer: the right one counts for nothing then. Not
    /// audited: what it is used for is.
    async fn password_was_right(&self, epoch: Epoch, most: u32) -> StoreResult<bool>;

    /// A person's password hash, for checking the current one before a change.
    async fn find_password_hash(&self, id: UserId) -> StoreResult<Option<String>>;

    /// A page of people by name.
    async fn list_users(&self, query: UserQuery) -> StoreResult<Vec<User>>;

    /// A page of people by name, with what they own.
    async fn list_people(&self, query: PeopleQuery) -> StoreResult<PeoplePage>;

    /// A person by id, with what they own.
    async fn find_person(&self, id: UserId, now: Instant) -> StoreResult<Option<PersonRecord>>;

    /// The active person of an epoch, unless that is over.
    async fn find_user_at(&self, epoch: Epoch) -> StoreResult<Option<User>>;

    /// Gives a person a role; if they had another one, their sessions end. Fails with
    /// [`Conflict::LastSuperuser`] when that would leave no
    /// active superuser who has a password or was in before, exactly, whatever runs in parallel; with
    /// `NotFound` for an unknown id.
    async fn set_role(&self, id: UserId, role: Role, audit: AuditEvent) -> StoreResult<()>;

    /// Changes what somebody is called and the address that they are reached at; with another address, a link to
    /// choose a password ends, which went to the old one. Fails with [`Conflict::EmailTaken`], and with `NotFound`
    /// for an unknown id.
    async fn rename_user(
        &self,
        id: UserId,
        name: PersonName,
        email: EmailAddress,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Gives somebody who is logging in the role of their groups, and all their sessions end; the epoch
    /// that their log-in goes on with. Fails like [`Store::set_role`], and with
    /// [`Conflict::SessionEnded`] if theirs is over.
    async fn map_role(&self, epoch: Epoch, role: Role, audit: AuditEvent) -> StoreResult<Epoch>;

    /// Disables a person, ends their sessions and takes a pending link away. Fails like [`Store::set_role`].
    async fn disable_user(&self, id: UserId, at: Instant, audit: AuditEvent) -> StoreResult<()>;

    /// Enables a person again.
    async fn enable_user(&self, id: UserId, audit: AuditEvent) -> StoreResult<()>;

    /// Sets a password, forgets the failed tries of the one before, ends all sessions of the person, and
    /// takes a pending link away.
    async fn set_password(
        &self,
        id: UserId,
        password_hash: String,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// The same for a person who does so in a session of theirs, which goes on. Fails with
    /// [`Conflict::SessionEnded`] if the password is not the one that was `checked` any more, or the
    /// session is over: a newer password is never overwritten.
    async fn change_password(
        &self,
        own: OwnSession,
        checked: String,
        password_hash: String,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Replaces a hash by one of the same password with stronger parameters, if it is still the one
    /// that was checked. Not audited: nothing changes for anybody.
    async fn upgrade_password_hash(&self, id: UserId, from: String, to: String) -> StoreResult<()>;

    /// Makes a one-time link for choosing a password, in place of an earlier one.
    async fn offer_password_link(
        &self,
        id: UserId,
        token: OneTimeToken,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// The active person whose link this is, if it is valid at `now`.
    async fn find_password_link(&self, hash: TokenHash, now: Instant) -> StoreResult<Option<User>>;

    /// Sets a password with a link, uses the link up, ends all sessions of the person.
    /// Of two parallel calls one succeeds, the other fails with [`Conflict::LinkUsed`].
    async fn redeem_password_link(
        &self,
        hash: TokenHash,
        now: Instant,
        password_hash: String,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Notes that an active person logged in. Fails with [`Conflict::SessionEnded`] if the epoch that
    /// the log-in began in is over.
    async fn record_login(&self, epoch: Epoch, at: Instant, audit: AuditEvent) -> StoreResult<()>;

    /// The person whose identity this is, with what a log-in with it holds for.
    async fn find_user_by_identity(&self, identity: Identity)
    -> StoreResult<Option<(User, Epoch)>>;

    /// Adds a person without a password, who logs in with an identity; their first epoch.
    /// Fails with [`Conflict::EmailTaken`] or [`Conflict::IdentityTaken`].
    async fn add_user_with_identity(
        &self,
        user: User,
        identity: Identity,
        audit: AuditEvent,
    ) -> StoreResult<Epoch>;

    /// Lets a person log in with one more identity. Fails with [`Conflict::IdentityTaken`], and
    /// with `NotFound` for an unknown person.
    async fn link_identity(
        &self,
        id: UserId,
        identity: Identity,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Notes that a person logged in with one of their identities. Fails like [`Store::record_login`].
    async fn record_identity_login(
        &self,
        epoch: Epoch,
        identity: Identity,
        at: Instant,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    // --- Second factors ---

    /// What a person proves themselves with besides their password.
    async fn find_second_factors(&self, id: UserId) -> StoreResult<SecondFactors>;

    /// Gives a person a second factor, and these recovery codes in place of others, if any are given;
    /// their other sessions end. Fails with [`Conflict::PasskeyTaken`],
    /// [`Conflict::TooManyPasskeys`], and [`Conflict::SessionEnded`] if theirs is over.
    async fn add_second_factor(
        &self,
        own: OwnSession,
        factor: NewSecondFactor,
        codes: Option<RecoveryHashes>,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Takes a second factor away, with the last one the recovery codes; the person's other sessions
    /// end. Fails with [`Conflict::LastSecondFactor`] if one must be kept, exactly, whatever runs in
    /// parallel; with `NotFound` if the person has no such factor; with [`Conflict::SessionEnded`] if
    /// their session is over.
    async fn remove_second_factor(
        &self,
        own: OwnSession,
        factor: SecondFactorId,
        keep_one: bool,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Takes all second factors and recovery codes of a person away and ends their sessions; `NotFound`
    /// if there are none.
    async fn reset_second_factors(&self, id: UserId, audit: AuditEvent) -> StoreResult<()>;

    /// Gives a person other recovery codes; their other sessions end. Fails with `NotFound` if they have
    /// no second factor, with [`Conflict::SessionEnded`] if their session is over.
    async fn renew_recovery_codes(
        &self,
        own: OwnSession,
        codes: RecoveryHashes,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Uses up the code of a time step: `true` once, and never for a step that is not later than all
    /// used before. Not audited: what it is used for is.
    async fn use_totp_step(&self, id: UserId, step: i64) -> StoreResult<bool>;

    /// Uses up a recovery code; `false`, and nothing audited, if the person has no such unused code.
    async fn use_recovery_code(
        &self,
        id: UserId,
        code: SecretHash,
        audit: AuditEvent,
    ) -> StoreResult<bool>;

    /// Notes the use of a passkey, and what is needed to check it from now on; `false` if the person
    /// has no such passkey. Not audited: what it is used for is.
    async fn use_passkey(
        &self,
        id: UserId,
        passkey: String,
        state: String,
        at: Instant,
    ) -> StoreResult<bool>;

    // --- Sessions: the log-in and log-out that make and end them are audited, these rows are not. One
    // is live within both its limits, of an active person, and in their present epoch ---

    /// Adds a session; `false` when the id is taken. Fails with [`Conflict::SessionEnded`] if its
    /// owner's epoch is over.
    async fn create_session(&self, session: SessionRow) -> StoreResult<bool>;

    /// Changes what a session holds: an ended one stays ended, and `false` is returned.
    async fn save_session(
        &self,
        id: TokenHash,
        data: String,
        idle_until: Instant,
    ) -> StoreResult<bool>;

    /// A session that is live at `now`.
    async fn find_session(&self, id: TokenHash, now: Instant) -> StoreResult<Option<SessionRow>>;

    /// Whose session it is, if it is live at `now`.
    async fn find_session_owner(
        &self,
        id: TokenHash,
        now: Instant,
    ) -> StoreResult<Option<SessionOwner>>;

    /// Finds a live session and ends it: of parallel calls one gets it.
    async fn take_session(&self, id: TokenHash, now: Instant) -> StoreResult<Option<SessionRow>>;

    /// Ends a session.
    async fn delete_session(&self, id: TokenHash) -> StoreResult<()>;

    /// A person's sessions that are live at `now`, the last used first; the last hundred.
    async fn list_sessions_of(&self, user: UserId, now: Instant) -> StoreResult<Vec<SessionRow>>;

    /// The same from the session after `after` on, in the order of their ids, at most `limit`: for going
    /// through all of them.
    async fn page_sessions_of(
        &self,
        user: UserId,
        now: Instant,
        after: Option<TokenHash>,
        limit: u32,
    ) -> StoreResult<Vec<SessionRow>>;

    /// Ends a person's sessions but these, and what is under way to one, because a provider's message says
    /// so, and uses the message up, which is remembered until `until`: `false`, and nothing done, if it
    /// was used up before.
    async fn end_sessions_by_message(
        &self,
        user: UserId,
        keep: Vec<TokenHash>,
        message: TokenHash,
        until: Instant,
        audit: AuditEvent,
    ) -> StoreResult<bool>;

    /// Ends one of a person's sessions; `NotFound` if they have no such session.
    async fn end_session(&self, user: UserId, id: TokenHash, audit: AuditEvent) -> StoreResult<()>;

    /// Ends a person's sessions but these, and what is under way to one.
    async fn end_sessions_of(
        &self,
        user: UserId,
        keep: Vec<TokenHash>,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// The same for all but the one that asks. Fails with [`Conflict::SessionEnded`] if that is over.
    async fn end_other_sessions(&self, own: OwnSession, audit: AuditEvent) -> StoreResult<()>;

    /// Removes the sessions and one-time tokens whose time was over by `now`; and the ids of assertions,
    /// log-out messages and revoked tokens whose time was over by `before`, with the trimmed audit entries
    /// from before it: at most 1,000 of each; how many. Not audited: they were of no effect any more.
    /// Leave the latter some time after their end: for another node, whose clock is behind, they are not
    /// over. Anybody can begin a session, so they go at once.
    async fn delete_expired(&self, now: Instant, before: Instant) -> StoreResult<u64>;

    // --- Credentials ---

    /// Adds a credential with what proves it. A second call with the same idempotency key fails
    /// with [`Conflict::AlreadyIssued`], which names the first; an unknown or disabled owner with
    /// [`Conflict::OwnerUnavailable`].
    async fn issue_credential(&self, new: NewCredential, audit: AuditEvent) -> StoreResult<()>;

    /// Everything about a credential but its secrets.
    async fn find_credential(&self, key_id: KeyId) -> StoreResult<Option<CredentialRecord>>;

    /// The next key ids after one, or the first ones, in their order: of every credential that there is.
    async fn list_key_ids(&self, after: Option<KeyId>, limit: u32) -> StoreResult<Vec<KeyId>>;

    /// What the issuer and the gate need to know of a credential.
    async fn find_live_credential(&self, key_id: KeyId) -> StoreResult<Option<LiveCredential>>;

    /// A page of credentials.
    async fn list_credentials(&self, query: CredentialQuery) -> StoreResult<CredentialPage>;

    /// How many credentials there are of each kind that the list has a tab for.
    async fn count_credentials(&self, now: Instant) -> StoreResult<CredentialCounts>;

    /// How many credentials are active now that may do each of these, in the same order. One walk
    /// over all credentials, however many are asked for.
    async fn count_in_use_with(
        &self,
        scopes: Vec<WireScope>,
        now: Instant,
    ) -> StoreResult<Vec<u64>>;

    /// Writes a credential's facts and standing, if it is still as it was read: `read` is the
    /// `updated_at` that the caller saw. Fails with [`Conflict::ChangedMeanwhile`] otherwise, and
    /// with [`Conflict::OwnerUnavailable`] when a new owner is unknown or disabled. The stored
    /// `updated_at` is always later than `read`, even if the clock is not.
    async fn update_credential(
        &self,
        credential: Credential,
        read: Instant,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Notes when, from where and for what credentials were used, and with which public key; an
    /// older use never replaces a newer one. Not audited: this is what programs do, not people.
    async fn record_uses(&self, uses: Vec<CredentialUse>) -> StoreResult<()>;

    /// Adds public keys to a credential, all or none; a URL that it had its keys from is given up.
    /// Fails with `NotFound` for an unknown credential, with [`Conflict::PublicKeyTaken`] when it
    /// has one of them, with [`Conflict::KidTaken`] and with [`Conflict::TooManyPublicKeys`].
    async fn add_public_keys(
        &self,
        key_id: KeyId,
        keys: Vec<PublicKeyRow>,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Removes a public key. Fails with `NotFound` when the credential has no such key, and with
    /// [`Conflict::LastPublicKey`] when it has no other, exactly, whatever runs in parallel.
    async fn remove_public_key(
        &self,
        key_id: KeyId,
        thumbprint: String,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Gives a credential the URL of its key set, in place of the one before and of its public keys;
    /// nothing is known of the URL at first. Fails with `NotFound` for an unknown credential.
    async fn set_key_set_url(
        &self,
        key_id: KeyId,
        url: String,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Notes what came from the URL of a credential, if that is still its URL, was not set anew since it
    /// was read, and nobody noted something later. The same as before is noted only if it was noted before `unless_since`. Not
    /// audited: this is what a program's host does.
    async fn record_key_set(
        &self,
        key_id: KeyId,
        found: KeySetRow,
        unless_since: Instant,
    ) -> StoreResult<()>;

    // --- Tokens ---

    /// Uses up the id (`jti`) of a credential's assertion: `true` exactly once, whatever runs in
    /// parallel. The id is kept until `until`, the last instant at which the assertion could be
    /// taken; when that has passed already the answer is `false`. Not audited: this is what
    /// programs do.
    async fn use_assertion_id(
        &self,
        key_id: KeyId,
        id: TokenHash,
        until: Instant,
        now: Instant,
    ) -> StoreResult<bool>;

    /// Whether an assertion's id was used up, without using it.
    async fn assertion_id_is_used(&self, key_id: KeyId, id: TokenHash) -> StoreResult<bool>;

    /// Revokes an access token; `false`, and nothing audited, when it was revoked already.
    async fn revoke_token(&self, token: RevokedToken, audit: AuditEvent) -> StoreResult<bool>;

    /// The revoked tokens that have not ended by `now`.
    async fn list_revoked_tokens(&self, now: Instant) -> StoreResult<Vec<RevokedToken>>;

    // --- Gateways ---

    /// Adds a gateway with the hash of its token. Fails with [`Conflict::GatewayNameTaken`] when
    /// one that was not removed has the name, in any case.
    async fn add_gateway(
        &self,
        gateway: Gateway,
        token: TokenHash,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// All gateways by name, the removed ones last.
    async fn list_gateways(&self) -> StoreResult<Vec<GatewayRecord>>;

    /// Writes a gateway's name, kind, addresses and audiences. Fails like [`Store::add_gateway`], and with
    /// `NotFound` for one that is unknown or was removed.
    async fn update_gateway(&self, gateway: Gateway, audit: AuditEvent) -> StoreResult<()>;

    /// Gives a gateway another token; the one before is of no use from then on. Fails with
    /// `NotFound` for one that is unknown or was removed.
    async fn replace_gateway_token(
        &self,
        id: GatewayId,
        token: TokenHash,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Removes a gateway: it stays in the list, its token does not, and its name is free. Fails
    /// with `NotFound` for one that is unknown or was removed.
    async fn remove_gateway(
        &self,
        id: GatewayId,
        at: Instant,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    /// Notes when and from where gateways asked; an older time never replaces a newer one. Not
    /// audited: this is what programs do.
    async fn record_gateways_seen(&self, seen: Vec<(GatewayId, GatewaySeen)>) -> StoreResult<()>;

    // --- Signing keys ---

    /// The keys that sign access tokens, in the order in which they begin to.
    async fn list_signing_keys(&self) -> StoreResult<Vec<SigningKeyRow>>;

    /// Adds the first signing key; `false` when there is one already, as when two replicas start
    /// at once.
    async fn add_first_signing_key(
        &self,
        key: SigningKeyRow,
        audit: AuditEvent,
    ) -> StoreResult<bool>;

    /// Adds a signing key, which takes over at its `used_from`.
    async fn add_signing_key(&self, key: SigningKeyRow, audit: AuditEvent) -> StoreResult<()>;

    /// Deletes the private half of a signing key; `false`, and nothing audited, when it has none, as
    /// when another replica was first.
    async fn delete_private_half(&self, kid: String, audit: AuditEvent) -> StoreResult<bool>;

    /// Ends a signing key that somebody else may have, deletes its private half, and adds the key that
    /// takes over, if there must be one. Fails with `NotFound` for a key that is unknown or was ended so
    /// before.
    async fn end_signing_key(
        &self,
        kid: String,
        at: Instant,
        successor: Option<SigningKeyRow>,
        audit: AuditEvent,
    ) -> StoreResult<()>;

    // --- The catalogue ---

    /// Keeps a catalogue that was taken up as the newest version, and drops all but the newest
    /// [`CATALOGUE_VERSIONS_KEPT`]; `false`, and nothing audited, when it is the newest already, as
    /// when several replicas take up the same file.
    async fn take_up_catalogue(
        &self,
        version: CatalogueVersion,
        audit: AuditEvent,
    ) -> StoreResult<bool>;

    /// The versions with a number below `before`, newest first, each with its number.
    async fn list_catalogue_versions(
        &self,
        before: i64,
        limit: u32,
    ) -> StoreResult<Vec<(i64, CatalogueVersion)>>;

    // --- What the gate remembers: what programs did, which is not audited ---

    /// Keeps decisions for looking them up; of two about one request the first stays.
    async fn record_decisions(&self, decisions: Vec<DecisionRow>) -> StoreResult<()>;

    /// The decision about a request.
    async fn find_decision(&self, request_id: String) -> StoreResult<Option<DecisionRow>>;

    /// The last decisions about a credential, newest first.
    async fn list_decisions_of(&self, key_id: KeyId, limit: u32) -> StoreResult<Vec<DecisionRow>>;

    /// Removes the decisions from before an instant, those beyond the newest `keep`, and of those about
    /// strangers the ones beyond their newest `keep_strangers`: oldest first, at most 1,000 of all and
    /// 1,000 more of strangers; how many.
    async fn trim_decisions(
        &self,
        before: Instant,
        keep: u32,
        keep_strangers: u32,
    ) -> StoreResult<u64>;

    /// Adds to the counts of calls, all or nothing: give some hundred rows at a time, so that other
    /// writers get a turn. The credentials must exist.
    async fn add_usage(&self, counted: Vec<UsageRow>) -> StoreResult<()>;

    /// The counts of a credential for the hours that begin at `since` or later, by hour, scope and
    /// level.
    async fn usage_of(&self, key_id: KeyId, since: Instant) -> StoreResult<Vec<UsageRow>>;

    /// Removes the counts for the hours that began before an instant, at most 1,000; how many.
    async fn trim_usage(&self, before: Instant) -> StoreResult<u64>;

    // --- Audit ---

    /// The entries that a filter lets through, from either end of the log.
    async fn search_audit(&self, query: AuditQuery) -> StoreResult<Vec<AuditEntry>>;

    /// Number and hash of the last entry that was trimmed away; 0 and
    /// [`ChainHash::START`](domain::audit::ChainHash::START) while none was.
    async fn audit_base(&self) -> StoreResult<(i64, ChainHash)>;

    /// Trims the log up to an entry, given by number and hash: from now on the chain begins after
    /// it. The entries themselves go with [`Store::delete_expired`].
    async fn trim_audit(&self, base: (i64, ChainHash), audit: AuditEvent) -> StoreResult<()>;

    /// Writes an event that comes with no change: a refusal, a failed log-in.
    async fn append_audit(&self, event: AuditEvent) -> StoreResult<()>;

    /// Entries after `seq`, oldest first: the whole log, page by page, for verification and export.
    async fn list_audit(&self, after: i64, limit: u32) -> StoreResult<Vec<AuditEntry>>;

    /// The last entries about one object, newest first.
    async fn list_audit_of(
        &self,
        kind: ObjectKind,
        id: String,
        limit: u32,
    ) -> StoreResult<Vec<AuditEntry>>;

    /// The number and hash of the last entry, kept apart from the entries.
    async fn audit_head(&self) -> StoreResult<(i64, ChainHash)>;

    /// When the last entry was written, by the clock of the process that did it.
    async fn last_audit_time(&self) -> StoreResult<Option<Instant>>;
}

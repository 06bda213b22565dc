//! Keyrack's use cases: authorise, decide, write, audit.
//!
//! [`Services`] is the one handle that every front door holds: the pages, the HTTP endpoints, the
//! host commands. Each use case takes an [`Actor`], which only authentication can make, asks it for
//! a permission first, and then acts. No HTTP and no pages here.

mod actor;
mod assertion;
mod audit;
mod audit_budget;
mod catalogue;
pub mod clock;
mod clocks;
mod credentials;
pub mod crypto;
mod debugger;
mod denial;
mod error;
mod feed;
mod gate;
mod gateways;
mod generation;
mod guessable;
mod introspection;
mod issuer;
mod kept;
mod key_ids;
mod key_sets;
mod known_time;
mod limiter;
mod live;
mod loaded;
mod memory;
mod orphans;
mod outbound;
mod passkeys;
mod password_links;
mod password_try;
mod passwords;
mod people;
mod proof;
pub mod public_key;
mod public_keys;
mod second_factors;
mod sessions;
mod set_up;
mod signing_keys;
mod sso;
mod standing;
mod throttle;
mod time;
mod tokens;
mod totp;
mod try_out;
mod usage;

use std::sync::Arc;

use chrono::TimeDelta;
use domain::audience::AudienceList;
use domain::audit::{Action, Outcome};
use domain::catalogue::Catalogue;
use domain::client_network::ClientNetwork;
use domain::key_id::KeyId;
use domain::outbound::OutboundRule;
use domain::role::Permission;
use domain::user::UserId;
use serde_json::json;

pub use actor::{Actor, Person, RequestFacts};
pub use assertion::{Finding, Rule};
pub use audit::AuditHead;
pub use catalogue::{CatalogueFault, CatalogueHistory, CatalogueStatus, CatalogueStep};
pub use clock::{Clock, ManualClock, SystemClock};
pub use credentials::{CredentialChange, IssuedCredential};
pub use crypto::{MasterKey, Token};
pub use debugger::AssertionReport;
pub use denial::{Cause, Denial};
pub use error::{ServiceError, ServiceResult};
pub use feed::FeedState;
pub use gate::{Allowed, GateRequest, Presented, Refusal};
pub use gateways::{GatewayDraft, Introspector, KnownGateway};
pub use introspection::{ActiveToken, Introspection};
pub use issuer::{ClientProof, IssuedToken, TokenError, TokenRequest};
pub use kept::KeptForm;
pub use key_sets::FETCHED_KEYS_LAST;
pub use known_time::PutOff;
pub use limiter::{Quota, whole_seconds};
pub use memory::{CacheLoad, CacheMemory};
pub use outbound::{InvalidUrl, Outbound, OutboundError, OutboundUrl};
pub use passkeys::PasskeyQuestion;
pub use password_links::{Invitation, PasswordLink};
pub use password_try::is_password_locked;
pub use people::{AddPerson, Colleague, Colleagues};
pub use proof::ProofWay;
pub use public_keys::PublicKeyDraft;
pub use second_factors::{OwnSecondFactors, SecondFactorPolicy, TotpOffer};
pub use sessions::{
    HalfLogIn, LogIn, LogInMethod, LogInStep, LoggedIn, SessionInfo, SessionLimits,
};
pub use signing_keys::{MAX_TOKEN_LIFE, SigningKeyInfo, SigningKeyStage};
pub use sso::{
    AtProvider, HEADER_ISSUER, HeaderIdentity, PasswordLogIn, ProviderSettings, SsoAnswer,
    SsoBegun, SsoDone, SsoError, SsoSettings, read_issuer,
};
pub use time::ClockProblem;
pub use try_out::Tried;
pub use usage::Kept;
// What a provider is configured with.
pub use openidconnect::{ClientId, ClientSecret, IssuerUrl};
// What use cases take and give in the store's words: callers need no crate but this one.
pub use storage::{
    AuditQuery, Conflict, CredentialCounts, CredentialFilter, CredentialPage, CredentialQuery,
    CredentialRecord, CredentialRow, CredentialSort, CredentialTab, DecisionRow, Epoch,
    GatewayRecord, GatewaySeen, IfMissing, KeySetRow, LastUse, Location, Named, PageStart,
    PeopleQuery, PeopleStart, PersonRecord, Position, PublicKeyRow, SecondFactorId, SecretInfo,
    SessionRow, SharedStore, StoreError, TokenHash, UsageRow, UserQuery, connect,
    open as open_store,
};

/// What a deployment decides about the use cases.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The issuer identifier, `{public_url}/v1`: the `iss` of tokens.
    pub issuer: String,
    /// The resources that tokens can be for (RFC 8707); the first is the `aud` when none is asked.
    pub audiences: Vec<String>,
    /// The audiences whose tokens gateways let through that are trusted for their address alone; all, if it
    /// names none.
    pub gate_audiences: AudienceList,
    /// The audiences that a client's assertion may name: the issuer, and the token endpoint if the
    /// deployment has clients older than RFC 10070.
    pub assertion_audiences: Vec<String>,
    /// How old a signing key grows before a new one takes its place; for ever, if nothing.
    pub signing_key_life: Option<TimeDelta>,
    /// How long a token lives, at most [`MAX_TOKEN_LIFE`]; less when its credential ends sooner.
    pub token_life: TimeDelta,
    /// The longest life that a new credential may have.
    pub maximum_credential_life: Option<TimeDelta>,
    /// How long the audit log is kept; for ever, if nothing.
    pub audit_kept: Option<TimeDelta>,
    /// When sessions end.
    pub sessions: SessionLimits,
    /// How much memory caches may take, all together.
    pub cache: CacheMemory,
    /// How many passwords are hashed at once; each takes 19 MiB.
    pub password_hashers: usize,
    /// Which addresses a URL that somebody typed in may lead to.
    pub outbound: OutboundRule,
    /// Who logs in how.
    pub sso: SsoSettings,
    /// Who needs a second factor.
    pub second_factor: SecondFactorPolicy,
}

impl Settings {
    /// The usual decisions for an issuer, as a server without any configuration has them.
    #[must_use]
    pub fn usual(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audiences: vec![issuer.to_owned()],
            gate_audiences: AudienceList::ALL,
            assertion_audiences: vec![issuer.to_owned()],
            signing_key_life: Some(TimeDelta::days(90)),
            token_life: TimeDelta::minutes(15),
            maximum_credential_life: None,
            audit_kept: Some(TimeDelta::days(400)),
            sessions: SessionLimits {
                idle: TimeDelta::hours(1),
                absolute: TimeDelta::hours(24),
            },
            cache: CacheMemory::megabytes(96),
            password_hashers: 2,
            outbound: OutboundRule::default(),
            sso: SsoSettings::default(),
            second_factor: SecondFactorPolicy::default(),
        }
    }
}

/// The setting that tells which master key a database was made with.
const MASTER_KEY_CHECK: &str = "master_key_check";

/// Whether no master key belongs to a database yet.
pub async fn is_without_master_key(store: &SharedStore) -> ServiceResult<bool> {
    Ok(store.setting(MASTER_KEY_CHECK).await?.is_none())
}

/// The handle to every use case; cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Services(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: SharedStore,
    time: time::Time,
    settings: Settings,
    catalogue: Arc<catalogue::InForce>,
    keys: crypto::Keys,
    signer: signing_keys::Signer,
    feed: Arc<feed::Feed>,
    live: live::LiveCredentials,
    key_sets: key_sets::KeySets,
    tokens: tokens::VerifiedTokens,
    gateways: gateways::Gateways,
    usage: usage::Recorder,
    audit_budget: audit_budget::AuditBudget,
    passwords: passwords::Hasher,
    log_in_limits: throttle::LogInLimits,
    reset_limits: throttle::LogInLimits,
    code_limits: throttle::Throttle<UserId>,
    /// What one may do to oneself, as nobody else has to allow it, and each is in the audit log.
    own_acts: throttle::Throttle<UserId>,
    passkey_questions: throttle::Throttle<UserId>,
    relying_party: passkeys::RelyingParty,
    client_limits: throttle::Throttle<(KeyId, ClientNetwork)>,
    revocations: throttle::Throttle<KeyId>,
    providers: sso::Providers,
    sso_limits: throttle::NetworkLimits,
    ignored_headers: throttle::Throttle<ClientNetwork>,
    recent_issues: credentials::RecentIssues,
    kept_counts: credentials::KeptCounts,
}

impl Services {
    /// Opens the use cases over a store whose schema is up to date.
    ///
    /// # Errors
    /// The store fails, or the master key is not the one that the database was made with.
    pub async fn open(
        store: SharedStore,
        master: &MasterKey,
        catalogue: Catalogue,
        settings: Settings,
        clock: Arc<dyn Clock>,
        outbound: Arc<dyn Outbound>,
    ) -> ServiceResult<Self> {
        let keys = crypto::Keys::derive(master).map_err(ServiceError::internal)?;
        // Without a write where none is needed: a database that is read-only can serve the gate.
        let check = if let Some(check) = store.setting(MASTER_KEY_CHECK).await? {
            check
        } else {
            let insert = store.setting_or_insert(MASTER_KEY_CHECK, keys.check_value());
            insert.await?
        };
        if check != keys.check_value() {
            return Err(ServiceError::internal(
                "the master key is not the one that this database was made with: restore the \
                 right key, or start with an empty database",
            ));
        }
        // Read first: what changes while the rest is read is heard of.
        let feed = Arc::new(feed::Feed::new());
        feed.begin_after(store.audit_head().await?).await;
        let time = time::Time::begin(clock.clone(), &known_time::Stored::read(&store).await?);
        let signer = signing_keys::Signer::open(&store, &keys, time.now()).await?;
        let catalogue = Arc::new(catalogue::InForce::new(catalogue, time.now()));
        let memory = settings.cache;
        let limiters = limiter::Limiters::new(clock.clone(), memory);
        let services = Self(Arc::new(Inner {
            live: live::LiveCredentials::new(
                store.clone(),
                catalogue.clone(),
                feed.clone(),
                limiters,
                memory,
            ),
            feed,
            providers: sso::Providers::new(&settings.sso, &outbound, &settings.outbound)?,
            key_sets: key_sets::KeySets::new(outbound, settings.outbound.clone(), memory),
            gateways: gateways::Gateways::default(),
            tokens: tokens::VerifiedTokens::new(memory),
            usage: usage::Recorder::default(),
            audit_budget: audit_budget::AuditBudget::new(),
            passwords: passwords::Hasher::new(settings.password_hashers),
            log_in_limits: throttle::LogInLimits::new(memory),
            reset_limits: throttle::LogInLimits::of_mails(memory),
            relying_party: passkeys::RelyingParty::new(&settings.issuer),
            code_limits: throttle::Throttle::new(10, TimeDelta::hours(1), memory),
            own_acts: throttle::Throttle::new(60, TimeDelta::hours(1), memory),
            passkey_questions: throttle::Throttle::new(60, TimeDelta::hours(1), memory),
            client_limits: throttle::Throttle::with_share(
                30,
                TimeDelta::minutes(1),
                memory,
                memory::Share::FAILURES_OF_CLIENTS,
            ),
            // As many as a fleet has that stops.
            revocations: throttle::Throttle::new(300, TimeDelta::hours(1), memory),
            sso_limits: throttle::NetworkLimits::new(60, TimeDelta::minutes(1), memory),
            ignored_headers: throttle::Throttle::new(1, TimeDelta::minutes(1), memory),
            recent_issues: credentials::RecentIssues::new(),
            kept_counts: credentials::KeptCounts::default(),
            store,
            time,
            settings,
            catalogue,
            keys,
            signer,
        }));
        services.0.gateways.load(services.store()).await?;
        services.load_revoked_tokens(services.now()).await?;
        Ok(services)
    }

    /// What the deployment decided.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Whether the store can be read, which the gate needs.
    pub async fn can_read(&self) -> ServiceResult<()> {
        Ok(self.0.store.ping().await?)
    }

    /// Whether the store can be written, which people need.
    pub async fn can_write(&self) -> ServiceResult<()> {
        Ok(self.0.store.can_write(self.now()).await?)
    }

    /// Puts the database's files in order; for now and then.
    pub async fn tidy(&self) -> ServiceResult<()> {
        Ok(self.0.store.tidy().await?)
    }

    /// Ends every connection to the database, and leaves nothing undone in its files.
    pub async fn close(&self) -> ServiceResult<()> {
        Ok(self.0.store.close().await?)
    }

    fn store(&self) -> &SharedStore {
        &self.0.store
    }

    /// Goes on only if the actor has the permission, which a refusal is audited for with what was
    /// tried; and the proof, if the action needs one.
    async fn authorise(
        &self,
        actor: &Actor,
        permission: Permission,
        action: Action,
        object: actor::Object,
    ) -> ServiceResult<()> {
        if actor.can(permission) {
            return self.proven(actor, action);
        }
        let detail = json!({ "needs": permission.label() });
        let event = actor.event(self.now(), action, Outcome::Denied, object, detail);
        self.append_audit(event).await?;
        Err(ServiceError::Denied(permission))
    }

    /// Goes on only if the actor's proof of who they are is fresh, where the action needs one.
    fn proven(&self, actor: &Actor, action: Action) -> ServiceResult<()> {
        if action.needs_proof() && !self.is_proven(actor) {
            return Err(ServiceError::ProofNeeded);
        }
        Ok(())
    }

    /// Goes on only if the actor may read what the permission is about. Nothing is tried, so a
    /// refusal is not audited.
    fn may_read(actor: &Actor, permission: Permission) -> ServiceResult<()> {
        if actor.can(permission) {
            Ok(())
        } else {
            Err(ServiceError::Denied(permission))
        }
    }

    /// Goes on only if the actor may see what every role sees.
    fn see(actor: &Actor) -> ServiceResult<()> {
        Self::may_read(actor, Permission::See)
    }
}

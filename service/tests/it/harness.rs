//! A team with its use cases, ready in one line.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use domain::Instant;
use domain::catalogue::Catalogue;
use domain::draft::CredentialDraft;
use domain::user::{User, UserId};
use http::{Request, Response};
use serde_json::{Value, json};
use service::{
    Actor, AddPerson, Allowed, ClientProof, Clock as _, Epoch, GateRequest, IssuedCredential,
    ManualClock, MasterKey, Outbound, OutboundError, OutboundUrl, Presented, Refusal, RequestFacts,
    Services, SessionRow, Settings, SharedStore, SystemClock, Token, TokenError, TokenRequest,
};
use storage::WrongPassword;

pub const PASSWORD: &str = "mice juggle seven lamps";

/// How many databases were made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A new database on the server that `tools/postgres.sh start` started.
pub fn postgres() -> String {
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("service_{}_{number}", std::process::id());
    psql(&format!("CREATE DATABASE {name}"));
    let server = postgres_server();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

fn postgres_server() -> String {
    std::env::var("KEYRACK_TEST_POSTGRES")
        .expect("KEYRACK_TEST_POSTGRES names a server: eval \"$(tools/postgres.sh start)\"")
}

/// Does something to that server.
pub fn psql(statement: &str) -> String {
    let done = std::process::Command::new("psql")
        .args([&postgres_server(), "-qtAc", statement])
        .output()
        .unwrap();
    let problem = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{statement}: {problem}");
    String::from_utf8(done.stdout).unwrap()
}

pub struct Team {
    pub services: Services,
    pub store: SharedStore,
    pub clock: Arc<ManualClock>,
    pub host: Actor,
    pub mara: User,
}

pub fn settings() -> Settings {
    Settings {
        signing_key_life: None,
        ..Settings::usual("https://keys.example.com/v1")
    }
}

pub fn catalogue() -> Catalogue {
    toml::from_str(include_str!("../../../catalogue/alpaca-broker.toml")).unwrap()
}

pub async fn open(store: SharedStore, clock: Arc<ManualClock>) -> Services {
    open_with(store, clock, settings()).await
}

pub async fn open_with(
    store: SharedStore,
    clock: Arc<ManualClock>,
    settings: Settings,
) -> Services {
    open_services(store, clock, settings, Arc::new(Nobody)).await
}

/// Opens the use cases with somebody who asks the hosts of key URLs.
pub async fn open_asking(
    store: SharedStore,
    clock: Arc<ManualClock>,
    outbound: Arc<dyn Outbound>,
) -> Services {
    open_services(store, clock, settings(), outbound).await
}

async fn open_services(
    store: SharedStore,
    clock: Arc<ManualClock>,
    settings: Settings,
    outbound: Arc<dyn Outbound>,
) -> Services {
    let master = MasterKey::new([7; 32]);
    Services::open(store, &master, catalogue(), settings, clock, outbound)
        .await
        .unwrap()
}

/// A network that reaches nobody.
#[derive(Debug)]
pub struct Nobody;

#[async_trait]
impl Outbound for Nobody {
    async fn send(
        &self,
        _: &OutboundUrl,
        _: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, OutboundError> {
        Err(OutboundError::Unreachable)
    }
}

impl Team {
    pub async fn new() -> Self {
        Self::at("sqlite::memory:").await
    }

    pub async fn at(url: &str) -> Self {
        Self::with(url, Arc::new(Nobody)).await
    }

    /// A team whose key URLs are asked by somebody.
    pub async fn asking(outbound: Arc<dyn Outbound>) -> Self {
        Self::with("sqlite::memory:", outbound).await
    }

    pub async fn with(url: &str, outbound: Arc<dyn Outbound>) -> Self {
        // A PostgreSQL has a clock of its own, which ours has to agree with.
        let start = if url.starts_with("postgres") {
            SystemClock.now()
        } else {
            DateTime::from_timestamp(1_795_500_000, 0).unwrap()
        };
        Self::begun_at(start, url, outbound).await
    }

    /// A team that begins some hours before what the database's clock tells, if that has one: what is from
    /// ahead of it does not count.
    pub async fn before_now(url: &str) -> Self {
        let start = SystemClock.now() - TimeDelta::hours(5);
        Self::begun_at(start, url, Arc::new(Nobody)).await
    }

    async fn begun_at(start: Instant, url: &str, outbound: Arc<dyn Outbound>) -> Self {
        let clock = Arc::new(ManualClock::at(start));
        let store = service::connect(url).await.unwrap();
        store.migrate().await.unwrap();
        let services = open_asking(store.clone(), clock.clone(), outbound).await;
        let host = Actor::host("test");
        let mara = add(
            &services,
            &host,
            "Mara Okafor",
            "mara@example.com",
            "superuser",
        )
        .await;
        services.catch_up().await.unwrap();
        Self {
            services,
            store,
            clock,
            host,
            mara,
        }
    }

    pub async fn add(&self, name: &str, email: &str, role: &str) -> User {
        add(&self.services, &self.host, name, email, role).await
    }

    /// A person who has just logged in with their password, by way of a real session row.
    pub async fn log_in(&self, user: UserId) -> Actor {
        let method = json!("password");
        self.log_in_by(user, method, Some(self.services.now()))
            .await
    }

    /// The same in another way, proven at another time.
    pub async fn log_in_by(
        &self,
        user: UserId,
        method: Value,
        proven_at: Option<Instant>,
    ) -> Actor {
        let proven_at = proven_at.map(|at| at.timestamp_millis());
        let log_in = json!({ "method": method, "proven_at": proven_at, "device": "A test" });
        let token = Token::generate();
        let now = self.services.now();
        let row = SessionRow {
            id: token.hash(),
            owner: Some(self.epoch(user).await),
            data: json!({ "log_in": log_in }).to_string(),
            created_at: now,
            idle_until: now + TimeDelta::minutes(60),
            absolute_until: now + TimeDelta::hours(24),
        };
        assert!(self.store.create_session(row).await.unwrap());
        let facts = RequestFacts {
            address: "192.0.2.7".parse().ok(),
            request_id: None,
        };
        self.services
            .actor_of_session(token.hash(), facts)
            .await
            .unwrap()
            .unwrap()
    }

    /// The epoch of a person.
    pub async fn epoch(&self, user: UserId) -> Epoch {
        let user = self.store.find_user(user).await.unwrap().unwrap();
        let login = self.store.find_login(user.email).await.unwrap();
        login.unwrap().epoch
    }

    /// Counts a wrong password, as if it came days ago.
    pub async fn wrong_password(&self, email: &str) {
        let some = self.store.list_audit(0, 1).await.unwrap().remove(0).event;
        let audit = WrongPassword {
            one: None,
            last: some,
            more: None,
        };
        let email = email.parse().unwrap();
        let counted = self.store.password_was_wrong(email, 100, audit);
        counted.await.unwrap();
    }

    /// The actor of the next request of the same session, if it is live.
    pub async fn next_request(&self, actor: &Actor) -> Option<Actor> {
        let session = actor.person().unwrap().session;
        let next = self
            .services
            .actor_of_session(session, RequestFacts::default());
        next.await.unwrap()
    }

    pub fn draft(&self, flow: &str, levels: &[(&str, &str)]) -> CredentialDraft {
        CredentialDraft {
            name: "settlement-worker".to_owned(),
            purpose: "Moves cash at night".to_owned(),
            owner: self.mara.id.to_string(),
            flow: flow.to_owned(),
            expires: "30d".to_owned(),
            access: "custom".to_owned(),
            levels: levels
                .iter()
                .map(|(s, l)| ((*s).to_owned(), (*l).to_owned()))
                .collect(),
            ..CredentialDraft::default()
        }
    }

    pub async fn issue(&self, flow: &str, levels: &[(&str, &str)]) -> IssuedCredential {
        let draft = self.draft(flow, levels);
        self.services
            .issue_credential(&self.host, &draft, None)
            .await
            .unwrap()
    }
}

async fn add(services: &Services, host: &Actor, name: &str, email: &str, role: &str) -> User {
    let person = AddPerson {
        name: name.into(),
        email: email.into(),
        role: role.into(),
    };
    services
        .add_person_with_password(host, &person, PASSWORD)
        .await
        .unwrap()
}

pub async fn token(services: &Services, issued: &IssuedCredential) -> Result<String, TokenError> {
    token_from(services, issued, &RequestFacts::default()).await
}

/// Asks for a token from some address.
pub async fn token_from(
    services: &Services,
    issued: &IssuedCredential,
    facts: &RequestFacts,
) -> Result<String, TokenError> {
    let key_id = issued.credential.key_id.to_string();
    let secret = issued.secret.as_ref().unwrap().expose();
    let proof = ClientProof::Secret {
        client_id: &key_id,
        secret,
    };
    let request = TokenRequest {
        proof,
        scope: None,
        resources: &[],
    };
    Ok(services.issue_token(request, facts).await?.access_token)
}

/// The scope string that the API is told.
pub fn scope_of(allowed: &Allowed) -> &str {
    allowed.headers().unwrap()[2].to_str().unwrap()
}

pub async fn call_with_token(
    services: &Services,
    token: &str,
    method: &str,
    path: &str,
) -> Result<Allowed, Refusal> {
    let presented = Presented::Bearer(token);
    services
        .decide(GateRequest {
            preflight_for: None,
            gateway: None,
            method,
            path,
            presented,
            facts: &RequestFacts::default(),
        })
        .await
}

pub async fn call_with_secret(
    services: &Services,
    issued: &IssuedCredential,
    method: &str,
    path: &str,
) -> Result<Allowed, Refusal> {
    let key_id = issued.credential.key_id.to_string();
    let secret = issued.secret.as_ref().unwrap().expose();
    let presented = Presented::Secret {
        key_id: &key_id,
        secret,
    };
    services
        .decide(GateRequest {
            preflight_for: None,
            gateway: None,
            method,
            path,
            presented,
            facts: &RequestFacts::default(),
        })
        .await
}

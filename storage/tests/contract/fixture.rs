//! A fresh store for each test, and things to put into it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use domain::Instant;
use domain::access::Access;
use domain::address::AddressList;
use domain::audience::AudienceList;
use domain::audit::{Action, ActorKind, AuditEntry, AuditEvent, ObjectKind, Outcome};
use domain::credential::{Credential, Flow, Standing};
use domain::gateway::{Gateway, GatewayId, GatewayKind};
use domain::key_id::KeyId;
use domain::limits::Limits;
use domain::role::Role;
use domain::user::{User, UserId};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use storage::{
    CredentialFilter, CredentialQuery, Epoch, IfMissing, Location, NewCredential, OneTimeToken,
    OwnSession, PublicKeyRow, SessionRow, SharedStore, TokenHash,
};
use tempfile::TempDir;

/// A connection past the store.
pub enum Held {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Held {
    /// Undoes what it has done.
    pub async fn let_go(self) {
        match self {
            Self::Sqlite(db) => db.close().await.unwrap(),
            Self::Postgres(db) => db.close().await.unwrap(),
        }
    }
}

/// A store of its own for one test.
pub struct Fixture {
    pub store: SharedStore,
    /// The database, for connections past the store.
    pub url: String,
    /// How the store gets there.
    pub location: Location,
    place: Place,
}

/// Where a database is that goes with the fixture.
enum Place {
    Memory,
    Folder(TempDir),
    /// On the server at this URL, by this name.
    Server(String, String),
}

impl Fixture {
    pub async fn sqlite_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!(
            "sqlite://{}",
            folder.path().join("data/keyrack.db").display()
        );
        Self::open(url.clone(), url.parse().unwrap(), Place::Folder(folder)).await
    }

    pub async fn sqlite_memory() -> Self {
        let url = "sqlite::memory:".to_owned();
        Self::open(url.clone(), url.parse().unwrap(), Place::Memory).await
    }

    pub async fn postgres() -> Self {
        Self::on(server(), |name| at_server(&server(), name)).await
    }

    /// By TLS alone, with an authority of its own.
    pub async fn postgres_tls() -> Self {
        let more = format!("sslrootcert={}", certificate("authority.pem"));
        let server = format!("{}?{more}", tls_server());
        let url = |name: &str| format!("{}?{more}", at_server(&tls_server(), name));
        Self::on(server, url).await
    }

    /// Through a PgBouncer in session mode.
    pub async fn pgbouncer_session() -> Self {
        let pooler = variable("KEYRACK_TEST_PGBOUNCER_SESSION");
        Self::through(&pooler, |pooled, _| pooled).await
    }

    /// Through a PgBouncer in transaction mode.
    pub async fn pgbouncer_transaction() -> Self {
        let pooler = variable("KEYRACK_TEST_PGBOUNCER_TRANSACTION");
        let location = |pooled: Location, url: &str| pooled.past_pooler(url).unwrap();
        Self::through(&pooler, location).await
    }

    async fn through(pooler: &str, location: impl Fn(Location, &str) -> Location) -> Self {
        let name = new_database(&server()).await;
        let url = at_server(&server(), &name);
        let location = location(at_server(pooler, &name).parse().unwrap(), &url);
        Self::open(url, location, Place::Server(server(), name)).await
    }

    async fn on(server: String, url: impl Fn(&str) -> String) -> Self {
        let name = new_database(&server).await;
        let url = url(&name);
        let location = url.parse().unwrap();
        Self::open(url, location, Place::Server(server, name)).await
    }

    async fn open(url: String, location: Location, place: Place) -> Self {
        let store = storage::open(&location, IfMissing::Make).await.unwrap();
        store.migrate().await.unwrap();
        Self {
            store,
            url,
            location,
            place,
        }
    }

    /// Another process's store on the same database.
    pub async fn connect_again(&self) -> SharedStore {
        storage::open(&self.location, IfMissing::Make)
            .await
            .unwrap()
    }

    /// Runs a statement on the database, past the store.
    pub async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        execute_at(&self.url, sql).await
    }

    /// Does something that a rule of the database itself refuses, in these words.
    pub async fn refuses(&self, sql: &str, words: &str) {
        let refused = self.execute(sql).await.unwrap_err().to_string();
        assert!(refused.contains(words), "{sql}: {refused}");
    }

    /// A connection past the store that has done this, and goes no further.
    pub async fn hold(&self, sql: &str) -> Held {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        if self.url.starts_with("postgres") {
            let mut db = PgConnection::connect(&self.url).await.unwrap();
            sql.execute(&mut db).await.unwrap();
            Held::Postgres(db)
        } else {
            let mut db = SqliteConnection::connect(&self.url).await.unwrap();
            sql.execute(&mut db).await.unwrap();
            Held::Sqlite(db)
        }
    }

    /// Waits until statements of PostgreSQL wait for a lock, and no more come to do so.
    pub async fn until_all_wait(&self) {
        let count = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut db = PgConnection::connect(&self.url).await.unwrap();
        let mut last = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now: i64 = sqlx::query_scalar(count).fetch_one(&mut db).await.unwrap();
            if now > 0 && now == last {
                return;
            }
            last = now;
        }
    }

    /// Sets a setting of the fixture's database on PostgreSQL, which new sessions begin with.
    pub async fn set_on_postgres(&self, setting: &str) {
        let (server, name) = self.on_server().unwrap();
        let set = format!("ALTER DATABASE {name} {setting}");
        on_postgres(server, &set).await.unwrap();
    }

    /// Ends every session on the fixture's database.
    pub async fn end_sessions_on_postgres(&self) {
        let (server, name) = self.on_server().unwrap();
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        on_postgres(server, &end).await.unwrap();
    }

    /// The file of the database.
    pub fn path(&self) -> PathBuf {
        Path::new(self.url.strip_prefix("sqlite://").unwrap()).to_owned()
    }

    pub fn folder(&self) -> &Path {
        match &self.place {
            Place::Folder(folder) => folder.path(),
            _ => panic!("it has no folder"),
        }
    }

    /// Removes the database of a test that succeeded; that of a failed one may be looked at.
    pub async fn remove(self) {
        if let Some((server, name)) = self.on_server() {
            let drop = format!("DROP DATABASE {name} WITH (FORCE)");
            on_postgres(server, &drop).await.unwrap();
        }
    }

    fn on_server(&self) -> Option<(&str, &str)> {
        match &self.place {
            Place::Server(server, name) => Some((server, name)),
            _ => None,
        }
    }

    /// Adds a superuser who can log in, and own credentials.
    pub async fn add_superuser(&self, number: u64) -> User {
        let user = person(number, Role::Superuser);
        let hash = Some("hash".to_owned());
        self.store
            .add_user(user.clone(), hash, None, event())
            .await
            .unwrap();
        user
    }

    /// The epoch of a person.
    pub async fn epoch(&self, user: &User) -> Epoch {
        let login = self.store.find_login(user.email.clone()).await.unwrap();
        login.unwrap().epoch
    }

    /// Makes a session of a person.
    pub async fn log_in(&self, number: u8, user: &User) -> OwnSession {
        let epoch = self.epoch(user).await;
        let made = self.store.create_session(session(number, Some(epoch)));
        assert!(made.await.unwrap());
        let id = TokenHash([number; 32]);
        OwnSession { epoch, id }
    }

    /// Whether the session of this number is live.
    pub async fn is_live(&self, number: u8) -> bool {
        let found = self.store.find_session(TokenHash([number; 32]), at(0));
        found.await.unwrap().is_some()
    }

    /// Issues a credential.
    pub async fn issue(&self, credential: &Credential) {
        self.store
            .issue_credential(new(credential), event())
            .await
            .unwrap();
    }

    /// A credential as stored.
    pub async fn credential(&self, key_id: KeyId) -> Credential {
        self.store
            .find_credential(key_id)
            .await
            .unwrap()
            .unwrap()
            .credential
    }

    /// The whole audit log, verified.
    pub async fn audit_log(&self) -> Vec<AuditEntry> {
        let log = self.store.list_audit(0, 10_000).await.unwrap();
        let base = self.store.audit_base().await.unwrap();
        let mut verifier = domain::audit::ChainVerifier::after(base);
        for entry in &log {
            verifier.take(entry).unwrap();
        }
        verifier
            .finish(self.store.audit_head().await.unwrap())
            .unwrap();
        log
    }
}

/// Runs a statement on the database at a URL.
pub async fn execute_at(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    if url.starts_with("postgres") {
        return on_postgres(url, sql).await;
    }
    let mut db = SqliteConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut db).await?;
    db.close().await
}

pub async fn on_postgres(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let mut db = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut db).await?;
    db.close().await
}

fn server() -> String {
    variable("KEYRACK_TEST_POSTGRES")
}

/// The server that speaks TLS alone.
pub fn tls_server() -> String {
    variable("KEYRACK_TEST_POSTGRES_TLS")
}

/// The path of a certificate or key for it.
pub fn certificate(name: &str) -> String {
    let folder = variable("KEYRACK_TEST_POSTGRES_DIR");
    format!("{folder}/tls/certificates/{name}")
}

pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run `make test`, which starts the servers, or `tools/postgres.sh start` \
             and then `tools/postgres.sh more`, which say what to set"
        )
    })
}

/// The URL of a database on the server of this one.
pub fn at_server(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("the URL names a database");
    format!("{server}/{name}")
}

/// Makes a database on the server at a URL, and tells its name.
pub async fn new_database(server: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("keyrack_test_{}_{number}", std::process::id());
    let create = format!("CREATE DATABASE {name}");
    on_postgres(server, &create).await.unwrap();
    name
}

/// The tests' time, in milliseconds from their beginning.
pub fn at(millis: i64) -> Instant {
    DateTime::from_timestamp_millis(1_800_000_000_000 + millis).unwrap()
}

pub fn person(number: u64, role: Role) -> User {
    let mut rng = StdRng::seed_from_u64(number);
    User {
        id: UserId::generate(at(0), &mut rng),
        email: format!("person{number}@example.com").parse().unwrap(),
        name: format!("Person {number}").parse().unwrap(),
        role,
        disabled_at: None,
        created_at: at(0),
        last_login_at: None,
    }
}

pub fn key_id(number: u64) -> KeyId {
    KeyId::generate(&mut StdRng::seed_from_u64(number))
}

pub fn credential(number: u64, owner: UserId) -> Credential {
    Credential {
        key_id: key_id(number),
        name: format!("worker-{number}").parse().unwrap(),
        purpose: "Moves cash between accounts".parse().unwrap(),
        owner,
        flow: Flow::ClientSecret,
        access: Access::ReadOnly,
        limits: Limits::default(),
        expires_at: None,
        standing: Standing::Active,
        created_at: at(0),
        created_by: "Mara Okafor".to_owned(),
        updated_at: at(0),
    }
}

pub fn new(credential: &Credential) -> NewCredential {
    NewCredential {
        credential: credential.clone(),
        secret: None,
        public_keys: Vec::new(),
        key_set_url: None,
        idempotency_key: None,
    }
}

pub fn public_key(number: u8) -> PublicKeyRow {
    PublicKeyRow {
        thumbprint: format!("thumbprint-{number}"),
        jwk: format!("{{\"kty\":\"EC\",\"x\":\"{number}\"}}"),
        algorithm: "ES256".to_owned(),
        name: format!("Key {number}"),
        kid: Some(format!("kid-{number}")),
        created_at: at(number.into()),
        expires_at: Some(at(90_000)),
        last_used_at: None,
    }
}

pub fn gateway(number: u64, name: &str) -> Gateway {
    Gateway {
        id: GatewayId::generate(at(0), &mut StdRng::seed_from_u64(number)),
        name: name.parse().unwrap(),
        kind: GatewayKind::Nginx,
        addresses: AddressList::default(),
        audiences: AudienceList::ALL,
        created_at: at(0),
        created_by: "Mara Okafor".to_owned(),
        removed_at: None,
    }
}

pub fn token(number: u8) -> OneTimeToken {
    OneTimeToken {
        hash: TokenHash([number; 32]),
        created_at: at(0),
        expires_at: at(60_000),
    }
}

pub fn session(number: u8, owner: Option<Epoch>) -> SessionRow {
    SessionRow {
        id: TokenHash([number; 32]),
        owner,
        data: format!("{{\"number\":{number}}}"),
        created_at: at(0),
        idle_until: at(1000),
        absolute_until: at(10_000),
    }
}

pub fn event() -> AuditEvent {
    AuditEvent {
        at: at(0),
        actor_kind: ActorKind::System,
        actor_id: None,
        actor_epoch: None,
        actor_name: "Keyrack".to_owned(),
        action: Action::CredentialEdited,
        object_kind: ObjectKind::System,
        object_id: None,
        object_name: String::new(),
        outcome: Outcome::Done,
        address: None,
        request_id: None,
        detail: "{}".to_owned(),
    }
}

/// An event that the audit log doesn't take.
pub fn refused_event() -> AuditEvent {
    AuditEvent {
        detail: "not an object".to_owned(),
        ..event()
    }
}

/// The first page of everything, newest first.
pub fn query(filter: CredentialFilter) -> CredentialQuery {
    CredentialQuery {
        now: at(0) + TimeDelta::hours(1),
        filter,
        sort: storage::CredentialSort::Created,
        descending: true,
        from: storage::PageStart::First,
        limit: 50,
    }
}

//! A Keyrack that is filled and runs in this process.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::bail;
use axum::Router;
use chrono::TimeDelta;
use domain::draft::CredentialDraft;
use domain::user::UserId;
use leptos::config::LeptosOptions;
use serde_json::json;
use server::http::Front;
use server::http::layers::forwarded::ForwardedHeader;
use server::metrics::Metrics;
use server::outbound::HttpOutbound;
use server::state::{AppState, GateMode, GateSettings, HttpSettings, Preflights, Shared};
use service::{
    Actor, AddPerson, ClientProof, IssuedCredential, MasterKey, RequestFacts, Services, SessionRow,
    Settings, SystemClock, TokenRequest,
};

/// So many tasks store things at once.
pub const WRITERS: usize = 16;

/// Where browsers would find it.
pub const PUBLIC_URL: &str = "http://127.0.0.1:3000";
/// The superuser's address.
const EMAIL: &str = "mara@example.com";
/// The issuer there.
pub const ISSUER: &str = "http://127.0.0.1:3000/v1";

/// The use cases over a database that is empty, or that nobody has opened with a master key yet.
pub async fn open(url: &str) -> anyhow::Result<Services> {
    let store = service::connect(url).await?;
    store.migrate().await?;
    let catalogue = toml::from_str(include_str!("../../catalogue/alpaca-broker.toml"))?;
    let settings = Settings::usual(ISSUER);
    let master = MasterKey::generate();
    let (clock, outbound) = (SystemClock, HttpOutbound::new(settings.outbound.clone()));
    Ok(Services::open(
        store,
        &master,
        catalogue,
        settings,
        Arc::new(clock),
        Arc::new(outbound),
    )
    .await?)
}

/// Adds a superuser.
pub async fn superuser(services: &Services) -> anyhow::Result<UserId> {
    let person = AddPerson {
        name: "Mara Okafor".into(),
        email: EMAIL.into(),
        role: "superuser".into(),
    };
    let added = services.add_person(&Actor::host("bench"), &person).await?;
    Ok(added.user.id)
}

/// Stores the credentials; gives back one of each flow that is in use.
pub async fn fill(
    services: &Services,
    count: usize,
) -> anyhow::Result<(IssuedCredential, IssuedCredential)> {
    let host = Actor::host("bench");
    let owner = superuser(services).await?.to_string();
    let draft = move |number: usize, flow: &str| CredentialDraft {
        name: format!("worker-{number}"),
        purpose: "Made for measuring".into(),
        owner: owner.clone(),
        flow: flow.into(),
        expires: ["never", "30d", "90d", "1y"][number % 4].into(),
        access: ["read_only", "full"][number / 2 % 2].into(),
        ..CredentialDraft::default()
    };
    let oauth = services
        .issue_credential(&host, &draft(0, "client_secret"), None)
        .await?;
    let legacy = services
        .issue_credential(&host, &draft(1, "legacy"), None)
        .await?;
    let writers = (0..WRITERS).map(|writer| {
        let (services, host, draft) = (services.clone(), host.clone(), draft.clone());
        tokio::spawn(async move {
            for number in (2 + writer..count).step_by(WRITERS) {
                let draft = draft(number, "client_secret");
                services.issue_credential(&host, &draft, None).await?;
            }
            anyhow::Ok(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    Ok((oauth, legacy))
}

/// A session cookie of the superuser.
pub async fn session(services: &Services) -> anyhow::Result<String> {
    // tower-sessions writes its ids as base64url of 16 bytes.
    let id = "AAAAAAAAAAAAAAAAAAAAAA";
    let now = services.now();
    let store = services.session_store();
    let login = store.find_login(EMAIL.parse()?).await?;
    let owner = login.map(|login| login.epoch);
    let row = SessionRow {
        id: service::crypto::hash_token(id),
        owner,
        data: json!({ "seen_at": now.timestamp() }).to_string(),
        created_at: now,
        idle_until: now + TimeDelta::hours(1),
        absolute_until: now + TimeDelta::hours(24),
    };
    if !store.create_session(row).await? {
        bail!("the session id is taken");
    }
    Ok(format!("__Host-keyrack={id}"))
}

/// Starts a server with Keyrack's routes and these.
pub async fn start(services: &Services, bare: Router) -> anyhow::Result<SocketAddr> {
    let loopback = vec!["127.0.0.0/8".parse()?];
    let state = AppState::from(Shared {
        services: services.clone(),
        http: HttpSettings {
            public_url: PUBLIC_URL.parse()?,
            trusted_proxies: loopback.clone(),
            forwarded_header: ForwardedHeader::default(),
            header_log_in: None,
            gate: GateSettings {
                mode: GateMode::Nginx,
                trusted: loopback,
                preflights: Preflights::Refuse,
                key_id_header: "APCA-API-KEY-ID".parse()?,
                secret_header: "APCA-API-SECRET-KEY".parse()?,
            },
        },
        mail: None,
        metrics: Arc::new(Metrics::default()),
        leptos: LeptosOptions::builder().output_name("keyrack").build(),
    });
    let mut front = Front::new(state);
    front.router = front.router.merge(bare);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    std::mem::forget(server::serve::Background::start(services));
    tokio::spawn(server::serve::serve(
        listener,
        front,
        std::future::pending(),
    ));
    Ok(address)
}

/// The key id and the secret of a credential.
pub fn proof(issued: &IssuedCredential) -> (String, &str) {
    let secret = issued
        .secret
        .as_ref()
        .map(domain::secret::Secret::expose)
        .unwrap_or_default();
    (issued.credential.key_id.to_string(), secret)
}

/// A token for a credential.
pub async fn token(services: &Services, issued: &IssuedCredential) -> anyhow::Result<String> {
    let (client_id, secret) = proof(issued);
    let proof = ClientProof::Secret {
        client_id: &client_id,
        secret,
    };
    let request = TokenRequest {
        proof,
        scope: None,
        resources: &[],
    };
    Ok(services
        .issue_token(request, &RequestFacts::default())
        .await?
        .access_token)
}

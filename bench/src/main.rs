//! Measures Keyrack's endpoints under load, each side by side with a bare route of the same server
//! process that sends the same kind of answer, and prints the ratio. wrk makes the load; it and the
//! server share the machine, so only the ratios mean something.
//!
//! `bench [CREDENTIALS] [DATABASE_URL] [IN_USE]`: 100,000 stored and 10,000 in use by default, in a
//! fresh SQLite file.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

mod issuer;
mod load;
mod many;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::routing::{any, post};
use chrono::TimeDelta;
use domain::draft::CredentialDraft;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use leptos::config::LeptosOptions;
use serde_json::json;
use server::metrics::Metrics;
use server::outbound::HttpOutbound;
use server::state::{AppState, GateMode, GateSettings, HttpSettings, Shared};
use service::{
    Actor, AddPerson, ClientProof, IssuedCredential, MasterKey, RequestFacts, Services, SessionRow,
    Settings, SystemClock, TokenRequest,
};

use crate::issuer::{Signer, compare_assertions, compare_introspection};
use crate::many::{InUse, resident_megabytes};

/// How long each load lasts.
const SECONDS: u32 = 3;
const ROUNDS: usize = 5;
const WRITERS: usize = 16;

const ISSUER: &str = "http://127.0.0.1:3000/v1";
/// The call that the gate is asked about.
const GATE: [(&str, &str); 2] = [
    ("X-Original-Method", "GET"),
    ("X-Original-URI", "/v1/accounts/41f2/transfers"),
];
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let url = arguments
        .next()
        .unwrap_or_else(|| format!("sqlite://{}/keyrack.db", folder.path().display()));
    let in_use: usize = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let services = open(&url).await?;
    println!("{count} credentials are being stored …");
    let (oauth, legacy) = fill(&services, count).await?;
    let cookie = log_in(&services).await?;
    let in_use = InUse::issue(&services, in_use).await?;
    in_use.weigh_recording(&services).await?;
    let signer = Arc::new(Signer::new(folder.path()).await?);
    let address = start(&services, signer.bare()).await?;
    let base = format!("http://{address}");

    let token = token(&services, &oauth).await?;
    let (key_id, secret) = proof(&legacy);
    let bearer = format!("Bearer {token}");
    let with_bearer = [&GATE[..], &[("Authorization", bearer.as_str())]].concat();
    let with_secret = [
        &GATE[..],
        &[
            ("APCA-API-KEY-ID", &key_id),
            ("APCA-API-SECRET-KEY", secret),
        ],
    ]
    .concat();

    println!(
        "\n{:<34} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7}",
        "", "rate/s", "bare/s", "ratio", "p99 ms", "bare ms", "ratio"
    );
    compare(
        "gate, Bearer token",
        &base,
        ("/v1/verify", &with_bearer, ""),
        ("/bare", &with_bearer, ""),
    )?;
    compare(
        "gate, legacy pair",
        &base,
        ("/v1/verify", &with_secret, ""),
        ("/bare", &with_secret, ""),
    )?;
    in_use.compare(&base)?;
    let memory = resident_megabytes()?;
    let (client, secret) = proof(&oauth);
    let form = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}");
    compare(
        "token, client_secret_post",
        &base,
        ("/v1/oauth2/token", &[FORM], &form),
        ("/bare-sign", &[FORM], &form),
    )?;
    compare_assertions(&services, &base, &signer).await?;
    compare_introspection(&services, &base, &token).await?;
    println!("\nresident memory after the gate's lines: {memory} MB");

    println!(
        "\n{:<34} {:>9} {:>9} {:>9}",
        "one after the other", "p50 ms", "p95 ms", "p99 ms"
    );
    let cookie = [("Cookie", cookie.as_str()), ("Accept", "text/html")];
    for (name, path) in [
        ("list page", "/credentials"),
        ("list page, by name", "/credentials?sort=name"),
        ("list page, search for many", "/credentials?q=worker"),
        ("list page, search for one", "/credentials?q=worker-77777"),
        (
            "list page, search for none",
            "/credentials?q=no-such-credential",
        ),
    ] {
        let load = wrk(&base, path, &cookie, "", 1)?;
        println!(
            "{name:<34} {:>9.1} {:>9.1} {:>9.1}",
            load.p50, load.p95, load.p99
        );
    }
    Ok(())
}

async fn open(url: &str) -> anyhow::Result<Services> {
    let store = service::connect(url).await?;
    store.migrate().await?;
    let catalogue = toml::from_str(include_str!("../../catalogue/alpaca-broker.toml"))?;
    let settings = Settings {
        password_hashers: 1,
        ..Settings::usual(ISSUER)
    };
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

/// Stores the credentials; gives back one of each flow that is in use.
async fn fill(
    services: &Services,
    count: usize,
) -> anyhow::Result<(IssuedCredential, IssuedCredential)> {
    let host = Actor::host("bench");
    let person = AddPerson {
        name: "Mara Okafor".into(),
        email: "mara@example.com".into(),
        role: "superuser".into(),
    };
    let owner = services
        .add_person(&host, &person)
        .await?
        .user
        .id
        .to_string();
    let draft = move |number: usize, flow: &str| CredentialDraft {
        name: format!("worker-{number}"),
        purpose: "Made for measuring".into(),
        owner: owner.clone(),
        flow: flow.into(),
        expires: ["never", "30d", "90d", "1y"][number % 4].into(),
        access: ["read_only", "full"][number % 2].into(),
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

/// A session cookie for the list page.
async fn log_in(services: &Services) -> anyhow::Result<String> {
    // tower-sessions writes its ids as base64url of 16 bytes.
    let id = "AAAAAAAAAAAAAAAAAAAAAA";
    let (now, host) = (services.now(), Actor::host("bench"));
    let user = services
        .person_by_email(&host, "mara@example.com")
        .await?
        .id;
    let row = SessionRow {
        id: service::crypto::hash_token(id),
        user: Some(user),
        data: json!({ "user_id": user, "seen_at": now.timestamp() }).to_string(),
        created_at: now,
        idle_until: now + TimeDelta::hours(1),
        absolute_until: now + TimeDelta::hours(24),
    };
    if !services.session_store().create_session(row).await? {
        bail!("the session id is taken");
    }
    Ok(format!("__Host-keyrack={id}"))
}

async fn start(services: &Services, bare_issuer: Router) -> anyhow::Result<SocketAddr> {
    let trusted = vec!["127.0.0.0/8".parse()?];
    let state = AppState::from(Shared {
        services: services.clone(),
        http: HttpSettings {
            public_url: "http://127.0.0.1:3000".parse()?,
            trusted_proxies: Vec::new(),
            header_log_in: None,
            gate: GateSettings {
                mode: GateMode::Nginx,
                trusted,
                key_id_header: "APCA-API-KEY-ID".parse()?,
                secret_header: "APCA-API-SECRET-KEY".parse()?,
            },
        },
        mail: None,
        metrics: Arc::new(Metrics::default()),
        leptos: LeptosOptions::builder().output_name("keyrack").build(),
    });
    let router = server::http::router(state)
        .merge(bare()?)
        .merge(bare_issuer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    std::mem::forget(server::serve::start_background(services));
    tokio::spawn(server::serve::serve(
        listener,
        router,
        std::future::pending(),
    ));
    Ok(address)
}

/// The scope string of the bare answers, about as long as a real one.
const SCOPE: &str = "accounts:read accounts:write admin:read admin:write crypto:read crypto:write";

/// What the endpoints are compared with: the least that a server does for such an answer.
fn bare() -> anyhow::Result<Router> {
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
    let key = Arc::new(EncodingKey::from_ec_der(pkcs8.as_ref()));

    let sign = move || async move {
        let claims = json!({
            "iss": ISSUER, "sub": "KRQ7M2XZLP4TAVJ6NDB3EH", "iat": 1, "exp": 901,
            "client_id": "KRQ7M2XZLP4TAVJ6NDB3EH", "jti": "AAAAAAAAAAAAAAAAAAAAAA", "scope": SCOPE,
            "aud": ISSUER,
        });
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key);
        axum::Json(json!({ "access_token": token.unwrap_or_default(), "token_type": "Bearer" }))
    };
    let answer = || async {
        [
            ("x-keyrack-key-id", "KRQ7M2XZLP4TAVJ6NDB3EH"),
            ("x-keyrack-name", "worker-0"),
            ("x-keyrack-scope", SCOPE),
            ("x-request-id", "0123456789abcdef01234567"),
            ("cache-control", "no-store"),
        ]
    };
    Ok(Router::new()
        .route("/bare", any(answer))
        .route("/bare-sign", post(sign)))
}

fn proof(issued: &IssuedCredential) -> (String, &str) {
    let secret = issued
        .secret
        .as_ref()
        .map(domain::secret::Secret::expose)
        .unwrap_or_default();
    (issued.credential.key_id.to_string(), secret)
}

async fn token(services: &Services, issued: &IssuedCredential) -> anyhow::Result<String> {
    let (client_id, secret) = proof(issued);
    let proof = ClientProof::Secret {
        client_id: &client_id,
        secret,
    };
    let request = TokenRequest {
        proof,
        scope: None,
        resource: None,
    };
    Ok(services
        .issue_token(request, &RequestFacts::default())
        .await?
        .access_token)
}

/// What wrk saw; times in milliseconds.
struct Load {
    rate: f64,
    p50: f64,
    p95: f64,
    p99: f64,
}

type Target<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// Measures the endpoint beside the bare route, and prints one line.
fn compare(name: &str, base: &str, ours: Target<'_>, bare: Target<'_>) -> anyhow::Result<()> {
    let load = |(path, headers, body): Target<'_>| wrk(base, path, headers, body, 16);
    alternate(name, || load(ours), || load(bare))
}

/// Takes turns, so that both see the same machine, and prints the round of the middle ratio. A first
/// run warms the caches.
fn alternate(
    name: &str,
    ours: impl Fn() -> anyhow::Result<Load>,
    bare: impl Fn() -> anyhow::Result<Load>,
) -> anyhow::Result<()> {
    ours()?;
    let rounds = (0..ROUNDS).map(|_| Ok((ours()?, bare()?)));
    let mut rounds = rounds.collect::<anyhow::Result<Vec<_>>>()?;
    rounds.sort_by(|a, b| (a.0.rate / a.1.rate).total_cmp(&(b.0.rate / b.1.rate)));
    let (ours, bare) = &rounds[ROUNDS / 2];
    print(name, ours, bare);
    Ok(())
}

fn print(name: &str, ours: &Load, bare: &Load) {
    println!(
        "{name:<34} {:>9.0} {:>9.0} {:>7.2} {:>9.2} {:>9.2} {:>7.2}",
        ours.rate,
        bare.rate,
        ours.rate / bare.rate,
        ours.p99,
        bare.p99,
        ours.p99 / bare.p99,
    );
}

fn wrk(
    base: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
    connections: u32,
) -> anyhow::Result<Load> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let script = format!("wrk.method = '{method}'\nwrk.body = '{body}'\n");
    run(&format!("{base}{path}"), headers, &script, connections)
}

/// Runs wrk with a script in Lua that says what to send.
fn run(
    url: &str,
    headers: &[(&str, &str)],
    script: &str,
    connections: u32,
) -> anyhow::Result<Load> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(
        file.path(),
        format!(
            "{script}done = function(summary, latency)\n\
             print(string.format('RESULT %f %f %f %f %d', summary.requests / summary.duration * 1e6,\n\
             latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,\n\
             summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))\n\
             end\n"
        ),
    )?;
    let mut command = Command::new("wrk");
    command.args([
        "-t1",
        &format!("-c{connections}"),
        &format!("-d{SECONDS}s"),
        "-s",
    ]);
    command.arg(file.path());
    for (name, value) in headers {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let output = command.arg(url).output().context("wrk is not installed")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().find_map(|line| line.strip_prefix("RESULT "));
    let numbers = result
        .with_context(|| format!("wrk printed no result for {url}: {text}"))?
        .split(' ')
        .map(str::parse)
        .collect::<Result<Vec<f64>, _>>()?;
    let [rate, p50, p95, p99, errors] = numbers[..] else {
        bail!("wrk's result has another form")
    };
    if errors > 0.0 {
        bail!("{errors} requests for {url} failed: the figures would mean nothing");
    }
    Ok(Load {
        rate,
        p50,
        p95,
        p99,
    })
}

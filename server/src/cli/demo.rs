//! `keyrack demo`: a team of six and its credentials in every state, made through the same use
//! cases as real ones, by a clock that starts four months ago.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use domain::Instant;
use domain::credential::Credential;
use domain::draft::CredentialDraft;
use domain::secret::Secret;
use serde_json::json;
use service::{
    Actor, AddPerson, ClientProof, Clock as _, GateRequest, IfMissing, ManualClock, Presented,
    RequestFacts, Services, SystemClock, TokenRequest,
};

use crate::cli::output;
use crate::config::Config;
use crate::reload::Reload;
use crate::signals::Signals;

/// Everybody's password in the demo; the server listens on this machine only.
const PASSWORD: &str = "mice juggle seven lamps";

const PEOPLE: [(&str, &str, &str); 6] = [
    ("Mara Okafor", "mara@example.com", "superuser"),
    ("Jonas Lind", "jonas@example.com", "operations"),
    ("Amina Said", "amina@example.com", "developer"),
    ("Priya Raman", "priya@example.com", "developer"),
    ("Tomas Kral", "tomas@example.com", "operations"),
    ("Eve Moreau", "eve@example.com", "support"),
];

/// Name, purpose, owner, flow, expires, access, levels, days ago.
type Seed = (
    &'static str,
    &'static str,
    usize,
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    i64,
);

const CREDENTIALS: [Seed; 20] = [
    (
        "settlement-worker",
        "Moves cash between sweep and customer accounts every night",
        1,
        "client_secret",
        "6m",
        "custom",
        &[
            ("accounts", "read"),
            ("funding", "read"),
            ("trading", "read"),
            ("journaling", "write"),
            ("data", "read"),
            ("reporting", "read"),
            ("sse_events", "read"),
        ],
        30,
    ),
    (
        "statement-exporter",
        "Writes the monthly statements to the archive",
        2,
        "client_secret",
        "90d",
        "read_only",
        &[],
        84,
    ),
    (
        "mobile-backend",
        "Everything that the app does for its customers",
        0,
        "client_secret",
        "6m",
        "full",
        &[],
        110,
    ),
    (
        "risk-dashboard",
        "Positions and limits on the wall of the risk desk",
        3,
        "client_secret",
        "never",
        "custom",
        &[
            ("accounts", "read"),
            ("crypto", "read"),
            ("rebalancing", "read"),
            ("trading", "read"),
            ("data", "read"),
            ("reporting", "read"),
        ],
        100,
    ),
    (
        "onboarding-kyc",
        "Opens accounts after the identity check",
        4,
        "legacy",
        "6m",
        "custom",
        &[("accounts", "write"), ("reporting", "read")],
        95,
    ),
    (
        "reconciliation-cron",
        "Compares our ledger with the broker's",
        1,
        "legacy",
        "90d",
        "read_only",
        &[],
        102,
    ),
    (
        "partner-bridge",
        "Journals between us and the partner bank",
        2,
        "client_secret",
        "1y",
        "custom",
        &[("journaling", "write"), ("data", "read")],
        70,
    ),
    (
        "price-ticker",
        "Quotes for the website",
        3,
        "client_secret",
        "1y",
        "custom",
        &[("data", "read")],
        60,
    ),
    (
        "tax-forms",
        "Fetches W-8BEN documents for the tax office",
        2,
        "legacy",
        "1y",
        "custom",
        &[("accounts", "read")],
        58,
    ),
    (
        "rebalancer",
        "Keeps model portfolios on target",
        3,
        "client_secret",
        "6m",
        "custom",
        &[
            ("rebalancing", "write"),
            ("trading", "write"),
            ("data", "read"),
        ],
        55,
    ),
    (
        "event-archive",
        "Keeps every event of the stream for seven years",
        1,
        "private_key_jwt",
        "never",
        "custom",
        &[("sse_events", "read")],
        50,
    ),
    (
        "crypto-desk",
        "Withdrawals that the crypto desk has approved",
        4,
        "client_secret",
        "30d",
        "custom",
        &[("crypto", "write"), ("accounts", "read")],
        45,
    ),
    (
        "support-lookup",
        "Lets support see a customer's account",
        5,
        "client_secret",
        "90d",
        "custom",
        &[("accounts", "read"), ("funding", "read")],
        40,
    ),
    (
        "load-test",
        "Load test of the order path, March only",
        3,
        "client_secret",
        "1w",
        "full",
        &[],
        38,
    ),
    (
        "ach-retries",
        "Tries returned transfers again",
        4,
        "legacy",
        "1y",
        "custom",
        &[("funding", "write")],
        30,
    ),
    (
        "oauth-admin",
        "Manages partners' OAuth clients",
        0,
        "client_secret",
        "90d",
        "custom",
        &[("admin", "write")],
        22,
    ),
    (
        "nightly-report",
        "End-of-day positions for the regulator",
        1,
        "private_key_jwt",
        "1y",
        "custom",
        &[("reporting", "read")],
        15,
    ),
    (
        "sandbox-probe",
        "Checks each hour that the API answers",
        3,
        "client_secret",
        "30d",
        "read_only",
        &[],
        9,
    ),
    (
        "Größenvergleich für die jährliche Prüfung der Kundenkonten",
        "A long name, to see how it fits",
        2,
        "client_secret",
        "6m",
        "read_only",
        &[],
        5,
    ),
    (
        "new-mobile-backend",
        "Takes over from mobile-backend in January",
        0,
        "client_secret",
        "1y",
        "full",
        &[],
        1,
    ),
];

/// Seeds an empty database and serves it.
pub async fn run(file: Option<PathBuf>, config: Config, missing: IfMissing) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let reload = Reload::start(file, &config);
    let site = super::site::find(&config)?;
    let today = SystemClock.now();
    // From the first event on, or time would go back.
    let clock = Arc::new(ManualClock::at(today - TimeDelta::days(120)));
    let services = super::open_with(&config, missing, clock.clone()).await?;
    if !services.is_set_up().await? {
        output::note("Making six people and twenty credentials …");
        let seeded = seed(&services, &clock, today).await;
        seeded.context("the demo could not be made")?;
    }
    services.close().await?;
    let services = super::open(&config, IfMissing::Refuse).await?;
    output::line(format!(
        "Log in as {} with the password: {PASSWORD}",
        PEOPLE[0].1
    ));
    output::line("The others: jonas@ (operations), amina@ (developer), eve@ (support) and more.");
    super::serve::serve_with(config, site, services, signals, &reload).await
}

async fn seed(services: &Services, clock: &ManualClock, today: Instant) -> anyhow::Result<()> {
    let host = super::host();
    let wait_until = |at: Instant| clock.advance((at - clock.now()).max(TimeDelta::zero()));
    let mut owners = Vec::new();
    for (name, email, role) in PEOPLE {
        let person = AddPerson {
            name: name.into(),
            email: email.into(),
            role: role.into(),
        };
        owners.push(
            services
                .add_person_with_password(&host, &person, PASSWORD)
                .await?
                .id,
        );
    }
    let mut seeds = CREDENTIALS;
    seeds.sort_by_key(|seed| -seed.7);
    let mut issued = Vec::new();
    for (name, purpose, owner, flow, expires, access, levels, days_ago) in seeds {
        wait_until(today - TimeDelta::days(days_ago));
        let draft = CredentialDraft {
            name: name.into(),
            purpose: purpose.into(),
            owner: owners[owner].to_string(),
            flow: flow.into(),
            expires: expires.into(),
            access: access.into(),
            levels: levels
                .iter()
                .map(|(s, l)| ((*s).to_owned(), (*l).to_owned()))
                .collect(),
            public_key: if flow == "private_key_jwt" {
                new_public_key()?
            } else {
                String::new()
            },
            ..CredentialDraft::default()
        };
        let new = services.issue_credential(&host, &draft, None).await?;
        if let Some(secret) = new.secret {
            use_once(services, &new.credential, &secret).await;
            issued.push((new.credential, secret));
        }
    }
    for (minutes, (credential, secret)) in issued.iter().enumerate().rev() {
        // Each was used a while ago, the busy ones a moment ago; some never since.
        wait_until(today - TimeDelta::minutes(1 + 97 * i64::try_from(minutes)?));
        if minutes % 4 != 3 {
            use_once(services, credential, secret).await;
        }
    }
    services.flush_usage().await?;
    wait_until(today);
    end_some(services, &host, &issued).await
}

/// The public key of a new pair, as a JWK (RFC 7518 section 6.2). Nobody has the private one.
fn new_public_key() -> anyhow::Result<String> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    // An uncompressed point (SEC 1 section 2.3.3): 4, then x and y of 32 bytes each.
    let point = pair.public_key().as_ref();
    let [x, y] = [1..33, 33..65].map(|part| URL_SAFE_NO_PAD.encode(&point[part]));
    Ok(json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }).to_string())
}

async fn end_some(
    services: &Services,
    host: &Actor,
    issued: &[(Credential, Secret)],
) -> anyhow::Result<()> {
    for (credential, _) in issued {
        let key_id = credential.key_id;
        match credential.name.as_str() {
            "onboarding-kyc" => {
                let reason = "Calls from an address that nobody knows";
                services.disable_credential(host, key_id, reason).await?;
            }
            "partner-bridge" => {
                services
                    .revoke_credential(host, key_id, "The contract has ended")
                    .await?;
            }
            "tax-forms" => {
                services
                    .disable_credential(host, key_id, "Pasted into a chat")
                    .await?;
                services
                    .enable_credential(host, key_id, "It was the test key")
                    .await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A call that goes through, so that there is a last use; one that doesn't leaves none.
async fn use_once(services: &Services, credential: &Credential, secret: &Secret) {
    let (key_id, secret) = (credential.key_id.to_string(), secret.expose());
    let catalogue = services.catalogue();
    let call = catalogue.scopes().iter().find_map(|scope| {
        let endpoint = scope.endpoints.iter().find(|endpoint| {
            credential.access.level(&scope.name).allows(endpoint.level)
                && !endpoint.path.contains('{')
        })?;
        Some((endpoint.method.as_str(), endpoint.path.clone()))
    });
    let Some((method, path)) = call else { return };
    let address = "10.4.2.17".parse().ok();
    let facts = RequestFacts {
        address,
        request_id: None,
    };
    let request = TokenRequest {
        proof: ClientProof::Secret {
            client_id: &key_id,
            secret,
        },
        scope: None,
        resources: &[],
    };
    let token = services
        .issue_token(request, &facts)
        .await
        .map(|token| token.access_token);
    let presented = match &token {
        Ok(token) => Presented::Bearer(token),
        Err(_) => Presented::Secret {
            key_id: &key_id,
            secret,
        },
    };
    // An expired credential can't be used; that is what it is there for.
    let _ = services
        .decide(GateRequest {
            preflight_for: None,
            gateway: None,
            method,
            path: &path,
            presented,
            facts: &facts,
        })
        .await;
}

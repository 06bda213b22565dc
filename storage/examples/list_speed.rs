//! How fast the list of credentials is when there are many.
//!
//! `cargo run --release -p storage --example list_speed -- COUNT URL…` fills each empty database with
//! that many credentials (100,000 take some minutes, once) and prints the median, the 95th percentile
//! and the maximum of each kind of query, in milliseconds.
//!
//! Most of it makes up a team and its credentials, so that it stays in one file.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::time::Instant;

use chrono::{DateTime, TimeDelta};
use domain::access::{Access, AccessKind};
use domain::audit::{Action, ActorKind, AuditEvent, ObjectKind, Outcome};
use domain::credential::{Credential, Flow, Mark, Standing, State};
use domain::key_id::KeyId;
use domain::limits::Limits;
use domain::role::Role;
use domain::scope::{AccessLevel, ScopeName};
use domain::user::{User, UserId};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt as _, SeedableRng};
use sqlx::{Connection, PgConnection};
use storage::{
    CredentialFilter, CredentialQuery, CredentialSort, CredentialTab, CredentialUse, LastUse,
    NewCredential, PageStart, Position, SharedStore,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const RUNS: usize = 50;
const WRITERS: usize = 16;
const SCOPES: [&str; 10] = [
    "accounts",
    "funding",
    "admin",
    "crypto",
    "rebalancing",
    "trading",
    "journaling",
    "data",
    "reporting",
    "sse_events",
];

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments
        .next()
        .ok_or("name a count and database URLs")?
        .parse()?;
    for url in arguments {
        let store = storage::connect(&url).await?;
        store.migrate().await?;
        let began = Instant::now();
        if !store.has_users().await? {
            fill(&store, count).await?;
            println!("filled in {:.0?}", began.elapsed());
        }
        let kind = if url.starts_with("postgres") {
            // What the server's own housekeeping does after a while.
            let mut db = PgConnection::connect(&url).await?;
            sqlx::raw_sql("VACUUM ANALYZE").execute(&mut db).await?;
            "PostgreSQL"
        } else {
            "SQLite"
        };
        measure(kind, &store).await?;
    }
    Ok(())
}

fn now() -> domain::Instant {
    DateTime::from_timestamp_millis(1_800_000_000_000).unwrap_or_default()
}

fn event() -> AuditEvent {
    AuditEvent {
        at: now(),
        actor_kind: ActorKind::System,
        actor_id: None,
        actor_name: "Keyrack".to_owned(),
        action: Action::CredentialIssued,
        object_kind: ObjectKind::System,
        object_id: None,
        object_name: String::new(),
        outcome: Outcome::Done,
        address: None,
        request_id: None,
        detail: "{}".to_owned(),
    }
}

fn pick<T: Clone>(of: &[T], rng: &mut StdRng) -> T {
    of.choose(rng).cloned().unwrap_or_else(|| of[0].clone())
}

async fn fill(store: &SharedStore, count: u64) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut owners = Vec::new();
    for number in 0..100 {
        let first = [
            "Mara", "Jon", "Wei", "Amira", "Tomás", "Ingrid", "Kofi", "Lena",
        ];
        let last = [
            "Okafor",
            "Lindqvist",
            "Zhang",
            "Haddad",
            "Ruiz",
            "Berg",
            "Mensah",
            "Novak",
        ];
        let user = User {
            id: UserId::generate(now(), &mut rng),
            email: format!("person{number}@example.com").parse()?,
            name: format!(
                "{} {} {number}",
                pick(&first, &mut rng),
                pick(&last, &mut rng)
            )
            .parse()?,
            role: Role::Superuser,
            disabled_at: None,
            created_at: now(),
            last_login_at: None,
        };
        owners.push(user.id);
        store.add_user(user, None, None, event()).await?;
    }
    let mut credentials = Vec::new();
    for number in 0..count {
        credentials.push(credential(number, &owners, &mut rng)?);
    }
    let mut uses = Vec::new();
    for credential in &credentials {
        if rng.random_bool(0.8) {
            let method = pick(&["GET", "POST", "DELETE"], &mut rng);
            let path = format!(
                "/v1/{}/{{id}}/part{}",
                pick(&SCOPES, &mut rng),
                rng.random_range(0..9)
            );
            let last_use = LastUse {
                at: now() - TimeDelta::seconds(rng.random_range(0..8_000_000)),
                address: "192.0.2.17".to_owned(),
                endpoint: format!("{method} {path}"),
            };
            uses.push(CredentialUse {
                key_id: credential.key_id,
                last_use,
                public_key: None,
            });
        }
    }
    let mut writers = tokio::task::JoinSet::new();
    for part in credentials.chunks(credentials.len().div_ceil(WRITERS)) {
        let (store, part) = (store.clone(), part.to_vec());
        writers.spawn(async move {
            for credential in part {
                let new = NewCredential {
                    credential,
                    secret: None,
                    public_keys: Vec::new(),
                    key_set_url: None,
                    idempotency_key: None,
                };
                store.issue_credential(new, event()).await?;
            }
            Ok::<_, storage::StoreError>(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    let (began, number) = (Instant::now(), uses.len());
    store.record_uses(uses).await?;
    println!("{number} uses noted in {:.1?}", began.elapsed());
    Ok(())
}

fn credential(number: u64, owners: &[UserId], rng: &mut StdRng) -> Result<Credential> {
    let does = [
        "settlement",
        "payroll",
        "reporting",
        "onboarding",
        "statement",
        "rebalance",
    ];
    let is = [
        "worker", "job", "gateway", "importer", "notebook", "partner",
    ];
    let name = format!("{}-{}-{number}", pick(&does, rng), pick(&is, rng));
    let created_at = now() - TimeDelta::seconds(rng.random_range(0..60_000_000));
    let mark = || Mark {
        at: now(),
        by: "Mara Okafor".to_owned(),
        reason: None,
    };
    let standing = match rng.random_range(0..100) {
        0..2 => Standing::Disabled(mark()),
        2..12 => Standing::Revoked(mark()),
        _ => Standing::Active,
    };
    let expires_at = match rng.random_range(0..10) {
        0..4 => None,
        4 => Some(now() - TimeDelta::seconds(rng.random_range(0..10_000_000))),
        _ => Some(now() + TimeDelta::seconds(rng.random_range(0..30_000_000))),
    };
    let access = match rng.random_range(0..10) {
        0..3 => Access::ReadOnly,
        3..5 => Access::Full,
        _ => {
            let mut levels = Vec::<(ScopeName, AccessLevel)>::new();
            for scope in SCOPES {
                // `crypto` is for a few.
                let chance = if scope == "crypto" { 0.001 } else { 0.4 };
                let level = if rng.random_bool(chance) {
                    AccessLevel::Write
                } else {
                    AccessLevel::None
                };
                levels.push((scope.parse()?, level));
            }
            Access::Custom(levels.into_iter().collect())
        }
    };
    Ok(Credential {
        key_id: KeyId::generate(rng),
        name: name.parse()?,
        purpose: "Moves cash between accounts at the end of the day".parse()?,
        owner: pick(owners, rng),
        flow: pick(
            &[
                Flow::ClientSecret,
                Flow::ClientSecret,
                Flow::PrivateKeyJwt,
                Flow::Legacy,
            ],
            rng,
        ),
        access,
        limits: Limits::default(),
        expires_at,
        standing,
        created_at,
        created_by: "Mara Okafor".to_owned(),
        updated_at: created_at,
    })
}

/// The first page of everything, newest first.
fn everything() -> CredentialQuery {
    CredentialQuery {
        now: now(),
        filter: CredentialFilter::default(),
        sort: CredentialSort::Created,
        descending: true,
        from: PageStart::First,
        limit: 50,
    }
}

/// First and deep pages in each order.
fn orders(key_id: KeyId) -> Vec<(String, CredentialQuery)> {
    let mut queries = Vec::new();
    for (sort, middle) in [
        (CredentialSort::Created, "1797000000000"),
        (CredentialSort::Name, "payroll-worker-5"),
        (CredentialSort::Expires, "1815000000000"),
        (CredentialSort::LastUsed, "1797000000000"),
    ] {
        for descending in [false, true] {
            let way = if descending { "down" } else { "up" };
            let first = CredentialQuery {
                sort,
                descending,
                ..everything()
            };
            let from = PageStart::After(Position {
                value: middle.to_owned(),
                key_id,
            });
            let deep = CredentialQuery {
                from,
                ..first.clone()
            };
            queries.push((format!("first page, {sort:?} {way}"), first));
            queries.push((format!("deep page, {sort:?} {way}"), deep));
        }
    }
    queries
}

/// Searches for what is rare, frequent and missing.
fn searches(known: &Credential) -> Vec<(String, CredentialFilter)> {
    [
        known.key_id.as_str(),
        known.name.as_str(),
        "payroll-worker-77",
        "worker",
        "Okafor",
        "kofi berg",
        "payroll-job",
        "GET /v1/accounts",
        "DELETE /v1/crypto/{id}/part3",
        "no such thing",
        "-99",
        "999",
        "xyz",
        "kr",
        "zz",
        "§§",
    ]
    .map(|term| (format!("search {term:?}"), search(term)))
    .into()
}

fn search(term: &str) -> CredentialFilter {
    CredentialFilter {
        search: Some(term.to_owned()),
        ..CredentialFilter::default()
    }
}

/// Filters that let much, little and nothing through.
fn filters(owner: UserId) -> Result<Vec<(String, CredentialFilter)>> {
    let all = CredentialFilter::default;
    let tab = |tab| CredentialFilter { tab, ..all() };
    let custom = CredentialFilter {
        access: Some(AccessKind::Custom),
        ..all()
    };
    let scope = |scope: &str, filter: &CredentialFilter| {
        Ok::<_, domain::scope::InvalidScope>(CredentialFilter {
            scope: Some(scope.parse()?),
            ..filter.clone()
        })
    };
    let few = CredentialFilter {
        state: Some(State::Disabled),
        flow: Some(Flow::Legacy),
        owner: Some(owner),
        ..custom.clone()
    };
    let nothing = CredentialFilter {
        tab: CredentialTab::InUse,
        ..few.clone()
    };
    let worker = Some("worker".to_owned());
    let named = [
        ("quarantined", tab(CredentialTab::Quarantined)),
        ("ended", tab(CredentialTab::Ended)),
        ("expiring", tab(CredentialTab::Expiring)),
        (
            "one owner",
            CredentialFilter {
                owner: Some(owner),
                ..all()
            },
        ),
        ("a rare scope", scope("crypto:read", &all())?),
        ("a rare scope to write", scope("crypto:write", &all())?),
        ("custom with a scope", scope("data:read", &custom)?),
        ("custom with a rare scope", scope("crypto:read", &custom)?),
        ("four filters", few.clone()),
        ("filters that exclude each other", nothing),
        (
            "search \"worker\" among four filters",
            CredentialFilter {
                search: worker.clone(),
                ..few
            },
        ),
        (
            "search \"worker\" in quarantine",
            CredentialFilter {
                search: worker,
                ..tab(CredentialTab::Quarantined)
            },
        ),
    ];
    Ok(named.map(|(name, filter)| (name.to_owned(), filter)).into())
}

/// The kinds of queries that people make, the easy and the worst.
async fn queries(store: &SharedStore) -> Result<Vec<(String, CredentialQuery)>> {
    let page = store.list_credentials(everything()).await?;
    let known = &page.rows[7].credential;
    let mut queries = orders(known.key_id);
    for (name, filter) in searches(known).into_iter().chain(filters(known.owner)?) {
        for sort in [CredentialSort::Created, CredentialSort::Name] {
            let query = CredentialQuery {
                filter: filter.clone(),
                sort,
                ..everything()
            };
            queries.push((format!("{name}, {sort:?}"), query));
        }
    }
    Ok(queries)
}

async fn measure(kind: &str, store: &SharedStore) -> Result<()> {
    println!("{kind}: median, p95, max in ms");
    let mut all = Vec::new();
    for (name, query) in queries(store).await? {
        let mut times = Vec::new();
        let mut rows = 0;
        for _ in 0..RUNS {
            let began = Instant::now();
            rows = store.list_credentials(query.clone()).await?.rows.len();
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        all.extend_from_slice(&times);
        print(&format!("{name} ({rows})"), times);
    }
    print("all pages", all);
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        store.count_credentials(now()).await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    print("counts", times);
    Ok(())
}

fn print(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let (median, p95) = (times[times.len() / 2], times[times.len() * 95 / 100]);
    println!(
        "{median:7.2} {p95:7.2} {:7.2}  {name}",
        times[times.len() - 1]
    );
}

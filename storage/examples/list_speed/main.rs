//! How fast the lists of credentials, people and audit events are when there are many.
//!
//! `cargo run --release -p storage --example list_speed -- COUNT URL…` fills each empty database with
//! that many credentials, ten times as many audit events and a tenth as many people (100,000 take
//! some minutes, once), and prints the median, the 95th percentile and the maximum of each kind of
//! query, in milliseconds.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

mod database;
mod made_up;
mod queries;

use std::time::Instant;

use chrono::DateTime;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use storage::{SharedStore, StoreResult};

use crate::database::Database;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const RUNS: usize = 50;
const USAGE: &str = "name a count of at least 1000, and database URLs";

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().ok_or(USAGE)?.parse()?;
    if count < 1000 {
        return Err(USAGE.into());
    }
    for url in arguments {
        let store = storage::connect(&url).await?;
        store.migrate().await?;
        let mut database = Database::connect(&url).await?;
        if !store.has_users().await? {
            let began = Instant::now();
            fill(&store, &mut database, count).await?;
            println!("filled in {:.0?}", began.elapsed());
        }
        database.keep_house().await?;
        println!("{database}: median, p95, max in ms");
        list_credentials(&store).await?;
        list_people(&store).await?;
        list_audit(&store).await?;
    }
    Ok(())
}

fn now() -> domain::Instant {
    DateTime::from_timestamp_millis(1_800_000_000_000).unwrap_or_default()
}

async fn fill(store: &SharedStore, database: &mut Database, count: usize) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(1);
    let people = made_up::people(count / 10, &mut rng)?;
    database.add_people(&people).await?;
    let credentials = made_up::credentials(count, &people, &mut rng)?;
    let objects = credentials
        .iter()
        .map(|credential| (credential.key_id, credential.name.to_string()))
        .collect();
    made_up::store(store, credentials, &mut rng).await?;
    database.disable_some_people().await?;
    let head = store.audit_head().await?;
    let events = made_up::events(count * 10, people, objects, rng);
    database.add_events(head, events).await
}

async fn list_credentials(store: &SharedStore) -> Result<()> {
    let mut all = Vec::new();
    for (name, query) in queries::credentials(store).await? {
        let page = || store.list_credentials(query.clone());
        all.extend(measure(&name, page, |page| page.rows.len()).await?);
    }
    print("all pages of credentials", all);
    let count = || store.count_credentials(now());
    measure("counts of credentials", count, |_| 1).await?;
    Ok(())
}

async fn list_people(store: &SharedStore) -> Result<()> {
    let mut all = Vec::new();
    for (name, query) in queries::people(store).await? {
        let page = || store.list_people(query.clone());
        all.extend(measure(name, page, |page| page.people.len()).await?);
    }
    print("all pages of people", all);
    Ok(())
}

async fn list_audit(store: &SharedStore) -> Result<()> {
    let mut all = Vec::new();
    for (name, query) in queries::audit(store).await? {
        let page = || store.search_audit(query.clone());
        all.extend(measure(name, page, Vec::len).await?);
    }
    for (name, kind, id) in queries::stories(store).await? {
        let story = || store.list_audit_of(kind, id.clone(), 100);
        all.extend(measure(name, story, Vec::len).await?);
    }
    print("all pages of the audit log", all);
    Ok(())
}

/// Asks again and again, prints a line and gives back the times in milliseconds.
async fn measure<T, F>(
    name: &str,
    ask: impl Fn() -> F,
    rows: impl Fn(&T) -> usize,
) -> Result<Vec<f64>>
where
    F: Future<Output = StoreResult<T>>,
{
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..RUNS {
        let began = Instant::now();
        let answer = ask().await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        found = rows(&answer);
    }
    print(&format!("{name} ({found})"), times.clone());
    Ok(times)
}

fn print(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let (median, p95) = (times[times.len() / 2], times[times.len() * 95 / 100]);
    let slowest = times[times.len() - 1];
    println!("{median:7.2} {p95:7.2} {slowest:7.2}  {name}");
}

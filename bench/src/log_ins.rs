//! Log-ins with a password, which are slow on purpose: what a crowd of them costs the gate and the
//! token endpoint, and whether the time of a refusal tells who is on the team.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use domain::user::User;
use service::{Actor, AddPerson, HEADER_ISSUER, Services};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::compare::CONNECTIONS;
use crate::http::{FORM, Target, ask, request};
use crate::many::resident_megabytes;
use crate::set_up::PUBLIC_URL;
use crate::wrk;

const PASSWORD: &str = "mice-juggle-seven-lamps";
/// So many people log in at once.
const CROWD: usize = 200;
/// What a password takes to hash, in megabytes.
const HASHER_MEGABYTES: u64 = 19;
/// What a connection with a log-in that waits takes, in kilobytes: half of it are hyper's buffers.
const WAITING_KILOBYTES: u64 = 60;
const ROUNDS: usize = 3;
/// So many refusals of each kind are timed.
const REFUSALS: usize = 100;
/// Fewer refusals of one account than what it is locked for.
const REFUSALS_OF_ONE: usize = 40;

/// A log-in from an address that nobody has used before, so that no limit on failures is met.
pub fn log_in(email: &str, password: &str) -> String {
    static ADDRESSES: AtomicU32 = AtomicU32::new(0);
    // From the network for benchmarks.
    let number =
        u32::from(Ipv4Addr::new(198, 18, 0, 0)) + ADDRESSES.fetch_add(1, Ordering::Relaxed);
    let address = Ipv4Addr::from(number).to_string();
    let headers = [
        FORM,
        ("Accept", "text/html"),
        ("Origin", PUBLIC_URL),
        ("Sec-Fetch-Site", "same-origin"),
        ("X-Forwarded-For", &address),
    ];
    let body = format!("email={email}&password={password}&next=");
    request(("/login", &headers, &body))
}

fn person(name: &str, number: usize) -> AddPerson {
    AddPerson {
        name: format!("{name} {number}"),
        email: format!("{}{number}@example.com", name.to_lowercase()),
        role: "developer".into(),
    }
}

/// How the log-ins of the crowd ended. It is a process of its own, as its memory is not the server's.
#[derive(Default)]
struct Crowd {
    done: AtomicU64,
    refused: AtomicU64,
    sent_away: AtomicU64,
}

/// Logs in to the server at an address until nobody listens to standard output any more.
pub async fn be_the_crowd(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let address: SocketAddr = arguments.next().context("where is the server?")?.parse()?;
    let crowd = Arc::new(Crowd::default());
    let mut tasks = JoinSet::new();
    for number in 0..CROWD {
        let (crowd, email) = (crowd.clone(), person("crowd", number).email);
        tasks.spawn(async move { crowd.keep_logging_in(address, &email).await });
    }
    loop {
        tokio::select! {
            ended = tasks.join_next() => return ended.context("nobody came")??,
            () = sleep(Duration::from_millis(200)) => {
                let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
                println!(
                    "{} were let in, {} refused, {} told to come back",
                    count(&crowd.done), count(&crowd.refused), count(&crowd.sent_away),
                );
            }
        }
    }
}

impl Crowd {
    /// Logs in again and again, every other time with a wrong password.
    async fn keep_logging_in(&self, address: SocketAddr, email: &str) -> anyhow::Result<()> {
        for password in [PASSWORD, "wrong-horse-battery-staple"].iter().cycle() {
            let answer = ask(address, &log_in(email, password)).await?;
            let count = match answer.status {
                303 => &self.done,
                401 | 422 => &self.refused,
                503 => &self.sent_away,
                _ => bail!("a log-in got {answer}"),
            };
            count.fetch_add(1, Ordering::Relaxed);
            if answer.status == 503 {
                sleep(Duration::from_secs(1)).await;
            }
        }
        Ok(())
    }
}

/// Measures endpoints without and with a crowd that logs in, and how much memory the crowd takes.
pub async fn crowd(
    services: &Services,
    address: SocketAddr,
    endpoints: &[(&str, Target<'_>)],
) -> anyhow::Result<()> {
    let host = Actor::host("bench");
    for number in 0..CROWD {
        services
            .add_person_with_password(&host, &person("crowd", number), PASSWORD)
            .await?;
    }
    let idle = p99_of_each(address, endpoints)?;
    let before = resident_megabytes()?;
    let most = Arc::new(AtomicU64::new(before));
    let mut crowd = Command::new(std::env::current_exe()?)
        .args(["crowd", &address.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let watched = most.clone();
    let watch = tokio::spawn(async move {
        loop {
            watched.fetch_max(resident_megabytes()?, Ordering::Relaxed);
            sleep(Duration::from_millis(20)).await;
        }
        #[expect(unreachable_code, reason = "it says what the loop's errors are")]
        anyhow::Ok(())
    });
    sleep(Duration::from_secs(1)).await;
    let busy = p99_of_each(address, endpoints)?;
    crowd.start_kill()?;
    let output = crowd.wait_with_output().await?;
    let told = String::from_utf8(output.stdout)?;
    let told = told.lines().last().context("the crowd did nothing")?;
    watch.abort();

    println!(
        "\n{:<34} {:>9} {:>9} {:>7}   (the goal is under 2)",
        format!("{CROWD} log-ins at once"),
        "idle p99",
        "p99 ms",
        "ratio"
    );
    for (((name, _), idle), busy) in endpoints.iter().zip(idle).zip(busy) {
        println!("{name:<34} {idle:>9.2} {busy:>9.2} {:>7.2}", busy / idle);
    }
    println!(
        "{told}; memory grew by {} MB (the goal is at most {} for those who hash and {} for those who wait)",
        most.load(Ordering::Relaxed) - before,
        HASHER_MEGABYTES * services.settings().password_hashers as u64,
        CROWD as u64 * WAITING_KILOBYTES / 1024,
    );
    Ok(())
}

/// The median p99 of each endpoint under load.
fn p99_of_each(address: SocketAddr, endpoints: &[(&str, Target<'_>)]) -> anyhow::Result<Vec<f64>> {
    let p99 = |target| {
        let rounds = (0..ROUNDS).map(|_| Ok(wrk::repeat(address, target, CONNECTIONS)?.p99));
        rounds.collect::<anyhow::Result<_>>().map(median)
    };
    endpoints.iter().map(|(_, target)| p99(*target)).collect()
}

/// Measures how long refusals take: all kinds should take the same time.
pub async fn compare_answers(services: &Services, address: SocketAddr) -> anyhow::Result<()> {
    let host = Actor::host("bench");
    let mut kinds = [
        ("unknown", Vec::new()),
        ("wrong password", Vec::new()),
        ("disabled", Vec::new()),
        ("single sign-on only", Vec::new()),
    ];
    for number in 0..REFUSALS.div_ceil(REFUSALS_OF_ONE) {
        add_each(services, &host, number).await?;
    }
    for round in 0..REFUSALS {
        let number = round / REFUSALS_OF_ONE;
        for ((_, times), name) in kinds
            .iter_mut()
            .zip(["nobody", "active", "disabled", "sso"])
        {
            let request = log_in(&person(name, number).email, "wrong-horse-battery-staple");
            let began = Instant::now();
            let answer = ask(address, &request).await?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
            if answer.status != 401 && answer.status != 422 {
                bail!("a log-in got {answer}");
            }
        }
    }
    print!("\nrefused log-ins, medians in ms:");
    let medians = kinds.map(|(kind, times)| (kind, median(times)));
    for (kind, median) in medians {
        print!(" {kind} {median:.2},");
    }
    let times = || medians.iter().map(|(_, median)| *median);
    let (least, most) = (
        times().fold(f64::MAX, f64::min),
        times().fold(0.0, f64::max),
    );
    println!(
        " at most {:.1} % apart (the goal is under 5)",
        (most - least) * 100.0 / least
    );
    Ok(())
}

/// One person of each kind that is refused.
async fn add_each(services: &Services, host: &Actor, number: usize) -> anyhow::Result<()> {
    let add = |name| {
        let person = person(name, number);
        async move {
            services
                .add_person_with_password(host, &person, PASSWORD)
                .await
        }
    };
    add("active").await?;
    let User { id, .. } = add("disabled").await?;
    services.disable_person(host, id).await?;
    let sso = services
        .add_person(host, &person("sso", number))
        .await?
        .user;
    let subject = format!("subject-{number}");
    services
        .link_identity(host, sso.id, HEADER_ISSUER, &subject)
        .await?;
    Ok(())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

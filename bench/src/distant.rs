//! A database that is far away: what strangers at the sign-in page, and strangers with key ids that they made
//! up, cost the gate when each step to PostgreSQL and back takes some milliseconds. A small proxy makes the
//! distance.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use domain::key_id::KeyId;
use service::IssuedCredential;
use service::clock::system_rng;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::http::{Target, ask, request};
use crate::log_ins::log_in;
use crate::{GATE, bare, many, set_up, wrk};

/// How far away the database is, if nothing is said: milliseconds in each direction.
const DELAY: u64 = 5;
/// So many strangers log in at once.
const STRANGERS: usize = 16;
const CONNECTIONS: u32 = 16;
/// So often three seconds of calls are counted.
const ROUNDS: usize = 2;
/// Of so many credentials the first call is measured, one after the other.
const FIRST_CALLS: usize = 20;

/// Measures the gate without and with strangers: `bench distant URL [MILLISECONDS]`. The database of
/// PostgreSQL must be empty.
pub async fn measure(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let url = arguments.next().context("where is PostgreSQL?")?;
    let delay = arguments.next().map_or(Ok(DELAY), |text| text.parse())?;
    let url = at_a_distance(&url, Duration::from_millis(delay)).await?;
    let services = set_up::open(&url).await?;
    let (_, legacy) = set_up::fill(&services, 2).await?;
    let unread = many::issue(&services, 2 * FIRST_CALLS, "legacy").await?;
    let address = set_up::start(&services, bare::bare()?).await?;
    let (key_id, secret) = set_up::proof(&legacy);
    let headers = [
        &GATE[..],
        &[
            ("APCA-API-KEY-ID", &key_id),
            ("APCA-API-SECRET-KEY", secret),
        ],
    ]
    .concat();
    let gate = ("/v1/verify", &headers[..], "");
    let alone = calls(address, gate)?;
    let refused = Arc::new(AtomicU64::new(0));
    let mut strangers = JoinSet::new();
    for number in 0..STRANGERS {
        let refused = refused.clone();
        strangers.spawn(async move {
            let email = format!("stranger{number}@example.com");
            while ask(address, &log_in(&email, "wrong-horse-battery-staple"))
                .await
                .is_ok()
            {
                refused.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let beside = calls(address, gate)?;
    strangers.shutdown().await;
    let alone_unread = first_calls(address, &unread[..FIRST_CALLS]).await?;
    let mut strangers = JoinSet::new();
    let made_up = Arc::new(AtomicU64::new(0));
    for _ in 0..STRANGERS {
        let made_up = made_up.clone();
        let secret = secret.to_owned();
        strangers.spawn(async move {
            loop {
                let key_id = KeyId::generate(&mut system_rng()).to_string();
                if at_the_gate(address, &key_id, &secret).await.is_err() {
                    return;
                }
                made_up.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let beside_unread = first_calls(address, &unread[FIRST_CALLS..]).await?;
    strangers.shutdown().await;
    println!(
        "gate calls in {} s, PostgreSQL {delay} ms away: {alone:.0} alone, {beside:.0} beside \
         {STRANGERS} strangers ({} log-ins): ratio {:.2}",
        ROUNDS * 3,
        refused.load(Ordering::Relaxed),
        beside / alone
    );
    println!(
        "first calls of credentials, of {FIRST_CALLS} the slowest: {} ms alone, {} ms beside {} calls with \
         key ids that nobody has",
        alone_unread.as_millis(),
        beside_unread.as_millis(),
        made_up.load(Ordering::Relaxed),
    );
    Ok(())
}

/// What a call with key id and secret is answered.
async fn at_the_gate(address: SocketAddr, key_id: &str, secret: &str) -> anyhow::Result<u16> {
    let pair = [("APCA-API-KEY-ID", key_id), ("APCA-API-SECRET-KEY", secret)];
    let headers = [&GATE[..], &pair].concat();
    Ok(ask(address, &request(("/v1/verify", &headers, "")))
        .await?
        .status)
}

/// How long the slowest of these takes over its first call, for which it is read from the database.
async fn first_calls(
    address: SocketAddr,
    credentials: &[IssuedCredential],
) -> anyhow::Result<Duration> {
    let mut slowest = Duration::ZERO;
    for issued in credentials {
        let (key_id, secret) = set_up::proof(issued);
        let began = Instant::now();
        let status = at_the_gate(address, &key_id, secret).await?;
        slowest = slowest.max(began.elapsed());
        anyhow::ensure!(status == 200, "a credential was answered {status}");
    }
    Ok(slowest)
}

fn calls(address: SocketAddr, target: Target<'_>) -> anyhow::Result<f64> {
    let rounds = (0..ROUNDS).map(|_| Ok(wrk::repeat(address, target, CONNECTIONS)?.rate * 3.0));
    rounds.sum()
}

/// The URL of a proxy before the database at a URL.
async fn at_a_distance(url: &str, delay: Duration) -> anyhow::Result<String> {
    let (who, place) = url.rsplit_once('@').context("the URL has no @")?;
    let (database, name) = place.split_once('/').context("the URL has no database")?;
    let database: SocketAddr = database.parse().context("the URL has no address")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let far = TcpStream::connect(database).await?;
                near.set_nodelay(true)?;
                far.set_nodelay(true)?;
                let ((from_near, to_near), (from_far, to_far)) =
                    (near.into_split(), far.into_split());
                tokio::try_join!(
                    carry(from_near, to_far, delay),
                    carry(from_far, to_near, delay)
                )?;
                anyhow::Ok(())
            });
        }
    });
    Ok(format!("{who}@{address}/{name}"))
}

/// Carries bytes, each so much later than it came; any number can be on the way.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay: Duration,
) -> anyhow::Result<()> {
    let (sender, mut on_the_way) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    let come = async {
        // The end of the channel is the end of the connection.
        let sender = sender;
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let length = from.read(&mut bytes).await?;
            if length == 0 {
                return anyhow::Ok(());
            }
            let due = Instant::now() + delay;
            if sender.send((due, bytes[..length].to_vec())).await.is_err() {
                return Ok(());
            }
        }
    };
    let go = async {
        while let Some((due, bytes)) = on_the_way.recv().await {
            sleep_until(due).await;
            to.write_all(&bytes).await?;
        }
        to.shutdown().await?;
        anyhow::Ok(())
    };
    tokio::try_join!(come, go)?;
    Ok(())
}

//! The network to the database goes dead without a word: no connection is closed, and nothing comes any
//! more. A proxy between a node and PostgreSQL does that here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use service::Services;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::harness::{Team, call_with_secret, open, postgres};

/// Passes everything on, until it is told that all connections there are by then are dead.
struct Network {
    /// How many times they died.
    deaths: watch::Sender<u64>,
    address: SocketAddr,
}

impl Network {
    async fn to(url: &str) -> Self {
        let host = url.rsplit_once('@').unwrap().1.split('/').next().unwrap();
        let host: Arc<str> = host.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (deaths, seen) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&*host).await.unwrap();
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                tokio::spawn(pass(near_in, far_out, seen.clone()));
                tokio::spawn(pass(far_in, near_out, seen.clone()));
            }
        });
        Self { deaths, address }
    }

    fn url(&self, url: &str) -> String {
        let (user, rest) = url.rsplit_once('@').unwrap();
        let name = rest.split_once('/').unwrap().1;
        format!("{user}@{}/{name}", self.address)
    }

    fn all_die(&self) {
        self.deaths.send_modify(|deaths| *deaths += 1);
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut deaths: watch::Receiver<u64>) {
    deaths.borrow_and_update();
    let mut buffer = [0; 4096];
    loop {
        tokio::select! {
            biased;
            // Both ends stay open for as long as the test runs.
            _ = deaths.changed() => return std::future::pending().await,
            read = from.read(&mut buffer) => match read {
                Ok(count @ 1..) => to.write_all(&buffer[..count]).await.unwrap(),
                _ => return,
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_102_a_dead_connection_is_given_up_and_nothing_old_is_believed_meanwhile() {
    let url = postgres();
    let team = Team::at(&url).await;
    let network = Network::to(&url).await;
    let store = service::connect(&network.url(&url)).await.unwrap();
    let node = open(store, team.clock.clone()).await;
    let follower = {
        let node = node.clone();
        tokio::spawn(async move { node.follow_changes().await })
    };
    let [stays, goes] = [
        team.issue("legacy", &[("data", "read")]).await,
        team.issue("legacy", &[("data", "read")]).await,
    ];
    let gets_through = async |node: &Services, issued| {
        let call = call_with_secret(node, issued, "GET", "/v1/assets");
        // A gateway waits no longer than this.
        let called = tokio::time::timeout(Duration::from_secs(2), call).await;
        called.is_ok_and(|called| called.is_ok())
    };
    assert!(gets_through(&node, &stays).await && gets_through(&node, &goes).await);

    network.all_die();
    let key_id = goes.credential.key_id;
    let disabled = team.services.disable_credential(&team.host, key_id, "test");
    disabled.await.unwrap();
    let died_at = Instant::now();
    while !gets_through(&node, &stays).await {
        assert!(died_at.elapsed().as_secs() < 15, "it does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Either it was believed for less than a second, or it comes from the database by now.
    while gets_through(&node, &goes).await {
        assert!(died_at.elapsed().as_millis() < 1000, "it is still believed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while node.feed().age.as_millis() >= 900 {
        assert!(
            died_at.elapsed().as_secs() < 15,
            "the feed does not come back"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(gets_through(&node, &stays).await && !gets_through(&node, &goes).await);
    follower.abort();
}

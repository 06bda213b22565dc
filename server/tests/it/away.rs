//! A PostgreSQL that is away: it says nothing any more, or nobody is there. Whatever needs it is refused soon,
//! and all goes on when it is back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use domain::role::Role;
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::app::{Answer, Needs, TestApp, basic};
use crate::dashboard::{Dashboard, text};
use crate::read_only::Database;
use crate::role_matrix::{FORMS, FUNCTIONS, PAGES};
use crate::unavailable::{programs, writing};

/// What a call may cost. The goal is 1.5 seconds, of which a machine that does much else takes more: the limits
/// that this is about were ten seconds, or none.
const SOON: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// What is sent gets lost.
    Lossy,
    /// Connections end, and new ones are refused.
    Closed,
}

/// The way to a server, which can be cut.
struct Relay {
    address: SocketAddr,
    way: watch::Sender<Way>,
}

impl Relay {
    async fn to(server: String) -> Self {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, mut watched) = watch::channel(Way::Open);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    _ = watched.wait_for(|way| *way == Way::Closed) => None,
                    accepted = listener.accept() => Some(accepted.unwrap()),
                };
                if let Some((client, _)) = accepted {
                    let server = TcpStream::connect(&server).await.unwrap();
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::spawn(carry(from_client, to_server, watched.clone()));
                    tokio::spawn(carry(from_server, to_client, watched.clone()));
                } else {
                    drop(listener);
                    watched.wait_for(|way| *way == Way::Open).await.unwrap();
                    listener = TcpListener::bind(address).await.unwrap();
                }
            }
        });
        Self { address, way }
    }

    fn turn(&self, way: Way) {
        self.way.send(way).unwrap();
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut way: watch::Receiver<Way>,
) {
    let mut bytes = [0; 4096];
    // A gap in what was sent never closes.
    let mut is_whole = true;
    loop {
        let read = tokio::select! {
            _ = way.wait_for(|way| *way == Way::Closed) => return,
            read = from.read(&mut bytes) => read,
        };
        let Ok(1..) = read else { return };
        is_whole &= *way.borrow() == Way::Open;
        if is_whole && to.write_all(&bytes[..read.unwrap()]).await.is_err() {
            return;
        }
    }
}

/// Asks for everything that people and programs can ask for, at once; what was asked, for how long, and the
/// answer.
async fn ask_for_everything(
    dashboard: &Dashboard,
    cookie: &str,
    token: &str,
    programs: &[(&'static str, String)],
) -> Vec<(String, Duration, Answer)> {
    let mut asked: Vec<(String, BoxFuture<'_, Answer>)> = Vec::new();
    let forms = FORMS.iter().map(|row| (row.0, row.1.to_owned()));
    for (path, fields) in forms.chain(writing()) {
        let cookie = (path != "/login").then_some(cookie);
        asked.push((
            format!("POST {path}"),
            async move { dashboard.post(path, cookie, &fields).await }.boxed(),
        ));
    }
    for (path, arguments, _) in FUNCTIONS.iter().copied() {
        let answer = dashboard.call_function(path, Some(cookie), arguments);
        asked.push((path.to_owned(), answer.boxed()));
    }
    for (page, ..) in PAGES {
        asked.push((
            format!("GET {page}"),
            dashboard.get(page, Some(cookie)).boxed(),
        ));
    }
    for (path, fields) in programs {
        asked.push((
            format!("POST {path}"),
            dashboard.post(path, None, fields).boxed(),
        ));
    }
    let gate = dashboard.app.ask_with_token(("GET", "/v1/accounts"), token);
    asked.push(("the gate".to_owned(), gate.boxed()));
    join_all(asked.into_iter().map(|(what, answer)| async {
        let began = Instant::now();
        let answer = answer.await;
        (what, began.elapsed(), answer)
    }))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_102_a_database_that_is_away_costs_any_surface_a_moment_only() {
    let database = Database::make();
    let url = database.url();
    let (before, place) = url.rsplit_once('@').unwrap();
    let (server, name) = place.split_once('/').unwrap();
    let relay = Relay::to(server.to_owned()).await;
    let app = TestApp::open(Needs {
        database: format!("{before}@{}/{name}", relay.address),
        ..Needs::default()
    })
    .await;
    let dashboard = Dashboard::of(app).await;
    let cookie = dashboard.log_in(Role::Superuser).await;
    let token = dashboard.app.token(&dashboard.key).await;
    let programs = programs(&dashboard).await;
    let services = dashboard.app.services.clone();
    let feed = tokio::spawn(async move { services.follow_changes().await });
    for way in [Way::Lossy, Way::Closed] {
        dashboard.get("/credentials", Some(&cookie)).await.ok();
        relay.turn(way);
        let mut refused = 0;
        // Just after it went, and later.
        for _ in 0..2 {
            let asked = ask_for_everything(&dashboard, &cookie, &token, &programs);
            for (what, time, answer) in asked.await {
                assert!(time < SOON, "{way:?} {what}: {time:?}");
                let status = answer.status;
                let is_unavailable = status == StatusCode::SERVICE_UNAVAILABLE;
                refused += usize::from(is_unavailable);
                let body = text(&answer);
                assert!(
                    is_unavailable || !status.is_server_error(),
                    "{way:?} {what}: {status} {body}"
                );
            }
        }
        assert!(refused > 100, "{refused}");
        relay.turn(Way::Open);
        let back = Instant::now();
        let key = &dashboard.key;
        let proof = basic(&key.id, &key.secret);
        let asked = [("authorization", proof.as_str())];
        while dashboard
            .app
            .ask_token("grant_type=client_credentials", &asked)
            .await
            .status
            != StatusCode::OK
        {
            assert!(back.elapsed() < Duration::from_secs(10), "{way:?}");
        }
        dashboard.get("/credentials", Some(&cookie)).await.ok();
    }
    feed.abort();
    drop(dashboard);
    database.remove();
}

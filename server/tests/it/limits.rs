//! What a client can cost the server, over real connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::TestApp;
use crate::wire;

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const TOKEN: &str = "POST /v1/oauth2/token";

#[tokio::test]
async fn check_18_large_bodies_and_headers_are_refused() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    let body = format!("grant_type=client_credentials&x={}", "a".repeat(64 * 1024));
    wire::send(server, TOKEN, &[FORM], &body)
        .await
        .refuses(413, "invalid_request");
    let chunk = "a".repeat(0x8000);
    let chunked = format!(
        "{TOKEN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        FORM.0,
        FORM.1,
        format!("8000\r\n{chunk}\r\n").repeat(3),
    );
    wire::send_raw(server, chunked.as_bytes())
        .await
        .refuses(413, "invalid_request");
    let long = "a".repeat(160 * 1024);
    assert_eq!(
        wire::send(server, TOKEN, &[FORM, ("X-Long", &long)], "a=b")
            .await
            .status,
        431
    );
    let line = format!("GET /v1/oauth2/keys?{long}");
    let status = wire::send(server, &line, &[], "").await.status;
    assert!(matches!(status.as_u16(), 414 | 431), "{status}");
}

/// What gateways let through of their clients comes with the question.
#[tokio::test]
async fn the_gate_reads_a_hundred_headers_of_a_client_and_64_kib_of_them() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    let key = app.issue("legacy", "full").await;
    let (value, basic) = ("a".repeat(640), key.basic());
    let names: Vec<_> = (0..100)
        .map(|number| format!("X-Client-{number}"))
        .collect();
    let mut headers: Vec<_> = names.iter().map(|name| (name.as_str(), &*value)).collect();
    headers.extend([
        ("X-Original-Method", "GET"),
        ("X-Original-URI", "/v1/accounts"),
        ("Authorization", &basic),
    ]);
    wire::send(server, "GET /v1/verify", &headers, "")
        .await
        .ok();
}

#[tokio::test]
async fn check_18_requests_with_two_lengths_are_refused() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    let two = [("Content-Length", "3"), ("Content-Length", "5"), FORM];
    assert_eq!(wire::send(server, TOKEN, &two, "").await.status, 400);
}

/// RFC 9112 section 6.1 lets a server refuse such a request or read it by its chunks alone. hyper
/// does the latter, in whichever order the headers stand, and nobody behind it sees the length.
#[tokio::test]
async fn check_18_a_length_beside_chunks_never_counts() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    let key = app.issue("client_secret", "read_only").await;
    let form = "grant_type=client_credentials";
    let authorization = key.basic();
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 500\r\nTransfer-Encoding: chunked",
    ] {
        let request = format!(
            "{TOKEN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}: {}\r\n{framing}\r\n\
             Authorization: {authorization}\r\n\r\n{:x}\r\n{form}\r\n0\r\n\r\n",
            FORM.0,
            FORM.1,
            form.len(),
        );
        wire::send_raw(server, request.as_bytes()).await.ok();
    }
    let unchunked = format!(
        "{TOKEN} HTTP/1.1\r\nHost: x\r\n{}: {}\r\nTransfer-Encoding: gzip\r\n\r\n{form}",
        FORM.0, FORM.1,
    );
    assert_eq!(
        wire::send_raw(server, unchunked.as_bytes()).await.status,
        400
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_18_slow_clients_are_cut() {
    let app = TestApp::new().await;
    let server = app.serve().await;
    let head = format!("{TOKEN} HTTP/1.1\r\nHost: x\r\n{}: {}\r\n", FORM.0, FORM.1);
    let body = format!("{head}Content-Length: 50\r\n\r\ngrant_type=");
    // HTTP/2 begins so; it is not spoken here.
    let preface = "PRI * HTTP/2.0\r\n\r\nSM";
    let dripping = [head.as_str(), body.as_str(), "", "P"].map(|half| (half, true));
    let waiting = [head.as_str(), body.as_str(), "", "P", preface].map(|half| (half, false));
    let tries = dripping.into_iter().chain(waiting);
    let times = tries.map(async |(half, drips)| {
        let time = time_until_closed(server, half, drips).await;
        assert!(
            time < Duration::from_secs(15),
            "{half:?}, {drips}: {time:?}"
        );
    });
    futures_util::future::join_all(times).await;
}

/// Sends half a request, then waits, or sends a byte a second.
async fn time_until_closed(server: SocketAddr, half: &str, drips: bool) -> Duration {
    let began = Instant::now();
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(half.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let closed = async {
        // Reset or ended: nobody listens any more.
        let _ = read.read_to_end(&mut answer).await;
    };
    let drip = async {
        while drips && write.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    let closed = async {
        tokio::select! { () = closed => {}, () = drip => {} }
    };
    let closed = tokio::time::timeout(Duration::from_secs(20), closed);
    closed.await.expect("the connection stays open");
    began.elapsed()
}

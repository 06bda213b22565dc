//! `keyrack healthcheck`: for container images without a shell.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cli::output;
use crate::config::{Config, reached};

const PATIENCE: Duration = Duration::from_secs(3);

/// Succeeds if the server on this machine says that it is ready.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    let asked = tokio::time::timeout(PATIENCE, ask(reached(config.listen))).await;
    let answer = asked.context("the server does not answer")??;
    if !answer.starts_with("HTTP/1.1 200 ") {
        bail!("the server is not ready");
    }
    // It may be ready for less than everything, and says so.
    if let Some((_, text)) = answer.split_once("\r\n\r\n") {
        output::line(text.trim_end());
    }
    Ok(())
}

async fn ask(address: std::net::SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("no server listens on {address}"))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer).await?;
    Ok(answer)
}

//! Requests of our own, as they go over the wire.

use std::fmt;
use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The kind of a form's body.
pub const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// The path of a request, its headers and its body: a GET if that is empty, else a POST.
pub type Target<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// The bytes of a request.
pub fn request((path, headers, body): Target<'_>) -> String {
    let method = method(body);
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: bench\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// The method of a request with this body.
pub const fn method(body: &str) -> &'static str {
    if body.is_empty() { "GET" } else { "POST" }
}

/// What came back.
pub struct Answer {
    pub status: u16,
    text: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Sends a request over a connection of its own.
pub async fn ask(address: SocketAddr, request: &str) -> anyhow::Result<Answer> {
    let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("this is no answer: {text}"))?;
    Ok(Answer { status, text })
}

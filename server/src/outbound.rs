//! The one place from which the server asks others: URLs that people typed in. It connects to no
//! address that the deployment keeps closed, follows no redirect, uses no proxy, sends nothing of
//! its own along, and bounds time and size.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use domain::outbound::OutboundRule;
use http::Request;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response, redirect};
use service::{Outbound, OutboundError, OutboundUrl};

/// How long a connection may take: the name, TCP and TLS.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How long all of it may take, to the last byte.
const TOTAL_TIME: Duration = Duration::from_secs(5);
/// The most bytes of a body that are read.
const BODY_BYTES: usize = 64 * 1024;

/// Asks by HTTP/1.1.
#[derive(Debug)]
pub struct HttpOutbound {
    rule: OutboundRule,
    /// Made when it is first needed, as it reads the certificates of the system: a server without
    /// them works as long as nobody gives it a URL.
    client: OnceLock<Option<Client>>,
}

impl HttpOutbound {
    /// One that connects where the rule lets it.
    #[must_use]
    pub const fn new(rule: OutboundRule) -> Self {
        Self {
            rule,
            client: OnceLock::new(),
        }
    }

    fn client(&self) -> Result<&Client, OutboundError> {
        let build = || {
            Client::builder()
                .dns_resolver(Arc::new(OpenAddresses(self.rule.clone())))
                .redirect(redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .connect_timeout(CONNECT_TIME)
                // Each host is asked once in minutes.
                .pool_max_idle_per_host(0)
                .user_agent(concat!("keyrack/", env!("CARGO_PKG_VERSION")))
                .build()
                .inspect_err(|error| tracing::error!(error = error as &dyn Error, "no HTTPS"))
                .ok()
        };
        self.client
            .get_or_init(build)
            .as_ref()
            .ok_or(OutboundError::Unable)
    }
}

#[async_trait]
impl Outbound for HttpOutbound {
    async fn send(
        &self,
        url: &OutboundUrl,
        request: Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, OutboundError> {
        let (parts, body) = request.into_parts();
        let request = self
            .client()?
            .request(parts.method, url.as_url().clone())
            .headers(parts.headers)
            .body(body);
        let answer = async { whole(request.send().await.map_err(cause)?).await };
        tokio::time::timeout(TOTAL_TIME, answer)
            .await
            .unwrap_or(Err(OutboundError::TimedOut))
    }
}

/// The whole answer, if it is no redirect and not too long. What is too long is not read to its end.
async fn whole(mut response: Response) -> Result<http::Response<Vec<u8>>, OutboundError> {
    let status = response.status();
    if status.is_redirection() {
        return Err(OutboundError::Redirect(status.as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|_| OutboundError::BrokenOff)?
    {
        if body.len() + chunk.len() > BODY_BYTES {
            return Err(OutboundError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    let mut answer = http::Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}

/// Why nothing came: what the resolver said, if it was that.
fn cause(error: reqwest::Error) -> OutboundError {
    let first: &(dyn Error + 'static) = &error;
    let mut causes = std::iter::successors(Some(first), |&error| error.source());
    match causes.find_map(|cause| cause.downcast_ref()) {
        Some(known) => *known,
        None if error.is_timeout() => OutboundError::TimedOut,
        None if error.is_connect() => OutboundError::Unreachable,
        None => OutboundError::BrokenOff,
    }
}

/// Resolves names to those of their addresses that are open. The connection goes to just these, so
/// that a name can't stand for something else a moment later.
#[derive(Debug)]
struct OpenAddresses(OutboundRule);

impl Resolve for OpenAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let rule = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(|_| OutboundError::UnknownName)?;
            let open: Vec<SocketAddr> = found.filter(|found| rule.allows(found.ip())).collect();
            if open.is_empty() {
                return Err(OutboundError::Closed.into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

//! URLs that the server asks because somebody typed them in: what they may look like, who asks them,
//! and what can go wrong. The one who asks is given from outside: no network here.

use std::net::IpAddr;

use async_trait::async_trait;
use domain::outbound::OutboundRule;
use http::header::ACCEPT;
use http::{HeaderValue, Request, Response, StatusCode};
use url::{Host, Url};

/// A URL that the server may ask: https without a user, a password or a fragment, and not at an
/// address that the deployment keeps closed. What a name stands for is checked when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundUrl(Url);

/// Why a text is not an [`OutboundUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// No URL at all, or none with a host.
    #[error("give a URL such as https://app.example.com/jwks.json")]
    Malformed,
    /// Longer than [`OutboundUrl::LONGEST`].
    #[error("use a URL of at most {} characters", OutboundUrl::LONGEST)]
    TooLong,
    /// Anybody on the way could change what comes.
    #[error("use https://, so that nobody on the way can change the keys")]
    NotHttps,
    /// It would be shown to everybody on the team, and sent on.
    #[error("leave the user name and password out of the URL: everybody on the team can read it")]
    Credentials,
    /// It is never sent.
    #[error("leave out what follows # in the URL")]
    Fragment,
    /// The address in it is one that the deployment keeps closed.
    #[error(
        "this address is not a public one: ask who runs Keyrack to allow it with the setting \
         outbound.allow_private_addresses"
    )]
    Closed,
}

impl OutboundUrl {
    /// The most characters.
    pub const LONGEST: usize = 2_000;

    /// Reads a URL under the rule of the deployment. Plain http is for this machine itself, where
    /// the rule allows that.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, rule: &OutboundRule) -> Result<Self, InvalidUrl> {
        if text.len() > Self::LONGEST {
            return Err(InvalidUrl::TooLong);
        }
        let url = Url::parse(text.trim()).map_err(|_| InvalidUrl::Malformed)?;
        let host = url.host().ok_or(InvalidUrl::Malformed)?;
        // `url` has read every way of writing an address, hexadecimal and octal ones too.
        let (address, is_here) = match host {
            Host::Ipv4(address) => (Some(IpAddr::V4(address)), address.is_loopback()),
            Host::Ipv6(address) => (Some(IpAddr::V6(address)), address.is_loopback()),
            Host::Domain(name) => (None, name == "localhost"),
        };
        match url.scheme() {
            "https" => {}
            "http" if is_here && rule.allows_loopback() => {}
            "http" => return Err(InvalidUrl::NotHttps),
            _ => return Err(InvalidUrl::Malformed),
        }
        if address.is_some_and(|address| !rule.allows(address)) {
            return Err(InvalidUrl::Closed);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl::Credentials);
        }
        if url.fragment().is_some() {
            return Err(InvalidUrl::Fragment);
        }
        // Escaping can make it longer.
        if url.as_str().len() > Self::LONGEST {
            return Err(InvalidUrl::TooLong);
        }
        Ok(Self(url))
    }

    /// The URL.
    #[must_use]
    pub const fn as_url(&self) -> &Url {
        &self.0
    }

    /// Its host, which people know it by.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

/// Asks URLs. It bounds time and size, follows no redirect, and connects to no address that the
/// deployment keeps closed.
#[async_trait]
pub trait Outbound: Send + Sync + std::fmt::Debug + 'static {
    /// Sends a request to a URL, whatever the URI in the request says, and gives the answer, which
    /// is of any status but a redirect.
    async fn send(
        &self,
        url: &OutboundUrl,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, OutboundError>;

    /// The body of a good answer (status 200) to a question for JSON.
    async fn get(&self, url: &OutboundUrl) -> Result<Vec<u8>, OutboundError> {
        let mut request = Request::new(Vec::new());
        let accept = HeaderValue::from_static("application/jwk-set+json, application/json");
        request.headers_mut().insert(ACCEPT, accept);
        let answer = self.send(url, request).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(OutboundError::Status(status.as_u16())),
        }
    }
}

/// Why there is no good answer. As a text it goes on after the name of the host; nothing that the
/// host sent is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// Every address that its name stands for is closed.
    #[error(
        "has no public address: ask who runs Keyrack to allow it with the setting \
         outbound.allow_private_addresses"
    )]
    Closed,
    /// Nobody knows its name.
    #[error("is a name that can't be found: check how it is written")]
    UnknownName,
    /// No connection, or no TLS with a certificate that holds.
    #[error("can't be reached, or has no certificate that this server trusts")]
    Unreachable,
    /// It took too long, in whichever step.
    #[error("took too long to answer")]
    TimedOut,
    /// It sends on to somewhere else.
    #[error("answered {0}, a redirect, which is not followed: give the URL that it leads to")]
    Redirect(u16),
    /// Another status than 200.
    #[error("answered {0} where 200 was expected")]
    Status(u16),
    /// More than is ever read.
    #[error("answered with more than 64 KiB")]
    TooLong,
    /// The answer broke off.
    #[error("broke off its answer")]
    BrokenOff,
    /// Too much is being asked at the moment.
    #[error("was not asked, as too many other hosts are slow to answer: try again in a moment")]
    Busy,
    /// The server itself is not able to ask.
    #[error("was not asked: this server has no certificates of authorities to check others by")]
    Unable,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, allowed: &[&str]) -> Result<String, InvalidUrl> {
        let allowed = allowed.iter().map(|net| net.parse().unwrap()).collect();
        let url = OutboundUrl::parse(text, &OutboundRule::new(allowed))?;
        Ok(url.as_url().to_string())
    }

    #[test]
    fn a_url_is_https_and_has_nothing_to_hide() {
        let long = |length: usize| format!("https://a.example/{}", "x".repeat(length - 18));
        for (text, expected) in [
            (
                "https://app.example.com/jwks.json",
                Ok("https://app.example.com/jwks.json"),
            ),
            (
                " https://APP.example.com:8443?v=1\n",
                Ok("https://app.example.com:8443/?v=1"),
            ),
            (&long(2_000), Ok(long(2_000).as_str())),
            (&long(2_001), Err(InvalidUrl::TooLong)),
            (
                &format!("https://a.example/{}", "é".repeat(900)),
                Err(InvalidUrl::TooLong),
            ),
            ("", Err(InvalidUrl::Malformed)),
            ("app.example.com/jwks.json", Err(InvalidUrl::Malformed)),
            ("file:///etc/passwd", Err(InvalidUrl::Malformed)),
            ("ftp://app.example.com/", Err(InvalidUrl::Malformed)),
            ("data:application/json,{}", Err(InvalidUrl::Malformed)),
            ("http://app.example.com/", Err(InvalidUrl::NotHttps)),
            ("http://localhost/", Err(InvalidUrl::NotHttps)),
            ("http://127.0.0.1/", Err(InvalidUrl::NotHttps)),
            ("https://me@app.example.com/", Err(InvalidUrl::Credentials)),
            (
                "https://:secret@app.example.com/",
                Err(InvalidUrl::Credentials),
            ),
            ("https://app.example.com/#keys", Err(InvalidUrl::Fragment)),
        ] {
            assert_eq!(parse(text, &[]).as_deref(), expected.as_deref(), "{text}");
        }
    }

    #[test]
    fn check_71_a_closed_address_is_refused_however_it_is_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0x7f.1",
            "127.0.0.1.",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "１２７.0.0.1",
            "169.254.169.254",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "10.0.0.1",
            "0",
            "192.168.1.1:8443",
        ] {
            let text = format!("https://{host}/jwks.json");
            assert_eq!(parse(&text, &[]), Err(InvalidUrl::Closed), "{host}");
        }
        assert!(parse("https://8.8.8.8/jwks.json", &[]).is_ok());
    }

    #[test]
    fn a_deployment_can_open_addresses_and_then_plain_http_to_itself() {
        let loopback = ["127.0.0.0/8"];
        for text in [
            "https://127.0.0.1:8443/",
            "http://127.0.0.1:8080/",
            "http://localhost/",
        ] {
            assert!(parse(text, &loopback).is_ok(), "{text}");
        }
        assert_eq!(parse("http://[::1]/", &loopback), Err(InvalidUrl::Closed));
        for text in ["http://10.0.0.1/", "http://localhost.example.com/"] {
            assert_eq!(
                parse(text, &["127.0.0.0/8", "10.0.0.0/8"]),
                Err(InvalidUrl::NotHttps)
            );
        }
        assert!(parse("https://10.0.0.1/", &["10.0.0.0/8"]).is_ok());
    }
}

//! Gives each request an id and its caller's address, writes one log line about it, refuses TRACE.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ipnet::IpNet;
use service::RequestFacts;
use tracing::Level;

use crate::state::AppState;

/// The header with the id of a request; anybody on the team can look it up.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where a request has come from, hop by hop, as each proxy says it.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The layer.
pub async fn describe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let answer = |mut request: Request, facts| {
        request.extensions_mut().insert(facts);
        next.run(request)
    };
    describe_around(&state, request, None, answer).await
}

/// What the layer does, around any answer. What gateways ask, at `their_route`, is logged at debug
/// only: it is counted, and it is much.
pub async fn describe_around<B, F>(
    state: &AppState,
    request: http::Request<B>,
    their_route: Option<&'static str>,
    answer: impl FnOnce(http::Request<B>, RequestFacts) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let id = new_id();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let address = peer.map(|peer| {
        let peer = peer.0.ip();
        client_address(peer, request.headers(), &state.http.trusted_proxies)
    });
    let facts = RequestFacts {
        address,
        request_id: Some(id.clone()),
    };
    let line = Line::of(&request, their_route);
    // TRACE echoes what it gets, cookies included (ASVS 13.4.4).
    let mut response = if request.method() == Method::TRACE {
        StatusCode::METHOD_NOT_ALLOWED.into_response()
    } else {
        answer(request, facts).await
    };
    if let Some(line) = line {
        line.write(&id, &response, address);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// What the log says of a request.
struct Line {
    method: Method,
    /// The path template, never the path: that may hold what nobody should read in a log.
    route: String,
    level: Level,
    began: Instant,
}

impl Line {
    /// Nothing, if nobody reads it.
    fn of<B>(request: &http::Request<B>, their_route: Option<&str>) -> Option<Self> {
        let matched = request.extensions().get::<MatchedPath>();
        let route = their_route.or_else(|| matched.map(MatchedPath::as_str));
        let is_much = their_route.is_some() || route == Some("/healthz");
        let level = if is_much { Level::DEBUG } else { Level::INFO };
        let is_read = !is_much || tracing::enabled!(Level::DEBUG);
        is_read.then(|| Self {
            method: request.method().clone(),
            route: route.unwrap_or("other").to_owned(),
            level,
            began: Instant::now(),
        })
    }

    fn write(&self, request_id: &str, response: &Response, address: Option<IpAddr>) {
        let Self { method, route, .. } = self;
        let status = response.status().as_u16();
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let address = address.map(tracing::field::display);
        if self.level == Level::DEBUG {
            tracing::debug!(request_id, %method, route, status, micros, address, "request");
        } else {
            tracing::info!(request_id, %method, route, status, micros, address, "request");
        }
    }
}

/// 96 random bits in hexadecimal.
fn new_id() -> Arc<str> {
    let mut digits = [0; 24];
    // Two digits for each byte: there is room, and digits are text.
    let _ = hex::encode_to_slice(service::clock::random_bytes::<12>(), &mut digits);
    std::str::from_utf8(&digits).unwrap_or_default().into()
}

/// The caller's address: the peer, or, behind trusted proxies, the last address in
/// `X-Forwarded-For` that none of them has.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.to_canonical();
    if !is_in(trusted, address) {
        return address;
    }
    for hop in forwarded(headers) {
        let Some(hop) = hop.filter(|_| is_in(trusted, address)) else {
            break;
        };
        address = hop;
    }
    address
}

/// The hops in `X-Forwarded-For`, the last one first; nothing for one that is no address.
pub fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let values = headers.get_all(&FORWARDED_FOR).iter().rev();
    values
        .flat_map(|value| value.to_str().unwrap_or_default().rsplit(','))
        .map(|hop| Some(hop.trim().parse::<IpAddr>().ok()?.to_canonical()))
}

/// Whether an address is in one of these networks.
pub fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_addresses_are_believed_only_from_trusted_proxies() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let table: [(&str, &[&str], &str); 8] = [
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            (
                "10.0.0.1",
                &["1.1.1.1, 198.51.100.7, 10.0.0.2"],
                "198.51.100.7",
            ),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7, junk"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
        ];
        for (peer, forwarded, expected) in table {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let address = client_address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(address.to_string(), expected, "{peer} {forwarded:?}");
        }
    }
}

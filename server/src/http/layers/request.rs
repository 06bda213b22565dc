//! Gives each request an id and its caller's address, writes one log line about it, refuses TRACE.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ipnet::IpNet;
use service::RequestFacts;

use crate::http::oauth::INTROSPECTION_PATH;
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
    describe_around(&state, request, answer).await
}

/// What the layer does, around any answer. What gateways ask is logged at debug only: it is counted,
/// and it is much.
pub async fn describe_around<F>(
    state: &AppState,
    request: Request,
    answer: impl FnOnce(Request, RequestFacts) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let id = new_id();
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.0.ip());
    let address =
        peer.map(|peer| client_address(peer, request.headers(), &state.http.trusted_proxies));
    let facts = RequestFacts {
        address,
        request_id: Some(id.clone()),
    };
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    // TRACE echoes what it gets, cookies included (ASVS 13.4.4).
    let mut response = if method == Method::TRACE {
        StatusCode::METHOD_NOT_ALLOWED.into_response()
    } else {
        answer(request, facts).await
    };
    // The path template, never the path: that may hold what nobody should read in a log.
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    let status = response.status().as_u16();
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let address = address.map(tracing::field::display);
    if route.starts_with("/v1/verify") || ["/healthz", INTROSPECTION_PATH].contains(&route) {
        tracing::debug!(request_id = id, %method, route, status, micros, address, "request");
    } else {
        tracing::info!(request_id = id, %method, route, status, micros, address, "request");
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// 96 random bits in hexadecimal.
fn new_id() -> String {
    let mut digits = [0; 24];
    // Two digits for each byte: there is room.
    let _ = hex::encode_to_slice(service::clock::random_bytes::<12>(), &mut digits);
    String::from_utf8_lossy(&digits).into_owned()
}

/// The caller's address: the peer, or, behind trusted proxies, the last address in
/// `X-Forwarded-For` that none of them has.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.to_canonical();
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

//! The gate: `/v1/verify`, which a gateway asks before it lets a call of the API through.
//!
//! The gateway must be trusted and say clearly what the call was ([`original`]); the caller must
//! present one kind of credentials ([`credentials`]); `service` decides; [`refusal`] says no. The
//! query of the question, method-override headers and every header family but the configured one
//! are never read.

mod credentials;
mod original;
mod refusal;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use service::{Allowed, GateRequest, RequestFacts, Services};

use self::credentials::Credentials;
use self::original::Original;
use self::refusal::{GateRefusal, Reason};
use crate::metrics::Metrics;
use crate::state::{AppState, GateMode, GateSettings, HttpSettings};

/// The path that gateways ask.
const PATH: &str = "/v1/verify";

/// How long a decision may take; a gateway that waits longer is as good as down.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The caller's key id.
const KEY_ID: HeaderName = HeaderName::from_static("x-keyrack-key-id");
/// The credential's name.
const NAME: HeaderName = HeaderName::from_static("x-keyrack-name");
/// Everything that the caller may do, as a scope string.
const SCOPE: HeaderName = HeaderName::from_static("x-keyrack-scope");

/// What answers a gateway.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route(PATH, any(verify))
        // Envoy appends the path of the call.
        .route("/v1/verify/", any(verify))
        .route("/v1/verify/{*path}", any(verify))
}

async fn verify(
    State(services): State<Services>,
    State(http): State<Arc<HttpSettings>>,
    State(metrics): State<Arc<Metrics>>,
    request: Request,
) -> Response {
    // The body is the call's, if the gateway sent it at all: it decides nothing.
    let (parts, _body) = request.into_parts();
    let decision = decide(&services, &http.gate, &parts).await;
    let refusal = match decision.and_then(|allowed| let_through(&allowed)) {
        Ok(response) => {
            metrics.gate_allowed.inc();
            return response;
        }
        Err(refusal) => refusal,
    };
    match refusal.status() {
        StatusCode::UNAUTHORIZED => metrics.gate_unauthenticated.inc(),
        StatusCode::FORBIDDEN => metrics.gate_forbidden.inc(),
        _ => metrics.gate_unavailable.inc(),
    };
    let facts = parts.extensions.get::<RequestFacts>();
    let mut response = refusal.respond(facts.and_then(|facts| facts.request_id.as_deref()));
    // nginx makes a 500 of every other answer.
    if http.gate.mode == GateMode::Nginx && response.status() != StatusCode::UNAUTHORIZED {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    response
}

async fn decide(
    services: &Services,
    settings: &GateSettings,
    parts: &Parts,
) -> Result<Allowed, GateRefusal> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|peer| peer.0.ip().to_canonical());
    // Without a peer nobody knows who asks.
    let peer = peer
        .filter(|peer| settings.trusted.iter().any(|net| net.contains(peer)))
        .ok_or(Reason::UntrustedPeer(peer))?;
    let original = Original::of(parts, settings.mode).ok_or(Reason::UnclearCall(settings.mode))?;
    let credentials = Credentials::of(&parts.headers, settings)?;
    let decision = services.decide(GateRequest {
        method: original.method,
        path: original.target,
        presented: credentials.presented(),
        address: Some(caller(&parts.headers).unwrap_or(peer)),
    });
    match tokio::time::timeout(PATIENCE, decision).await {
        Ok(decision) => decision.map_err(|refusal| GateRefusal {
            reason: Reason::Decided(refusal),
            by_basic: credentials.is_basic(),
        }),
        Err(_) => Err(Reason::TooSlow.into()),
    }
}

/// The caller's address: the last one in `X-Forwarded-For`, which the trusted gateway put there.
/// What stands before it may be the caller's invention. It is noted with the last use and decides
/// nothing.
fn caller(headers: &HeaderMap) -> Option<IpAddr> {
    let value = headers
        .get_all("x-forwarded-for")
        .iter()
        .next_back()?
        .to_str()
        .ok()?;
    let last = value.rsplit(',').next()?.trim();
    last.parse().ok()
}

/// 200, with everything that the API is told about the caller.
fn let_through(allowed: &Allowed) -> Result<Response, GateRefusal> {
    let key_id = allowed.key_id();
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    for (name, value) in [
        (KEY_ID, key_id.as_str()),
        (NAME, allowed.name()),
        (SCOPE, allowed.scope()),
    ] {
        // All three are ASCII by construction; a call with one missing must not go through.
        let value = HeaderValue::from_str(value).map_err(|_| Reason::Unnameable)?;
        headers.insert(name, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_address_is_the_last_one() {
        let table: [(&[&str], Option<&str>); 7] = [
            (&[], None),
            (&["192.0.2.1"], Some("192.0.2.1")),
            (&["1.1.1.1, 192.0.2.1"], Some("192.0.2.1")),
            (&["1.1.1.1", "192.0.2.1"], Some("192.0.2.1")),
            (&["2001:db8::1"], Some("2001:db8::1")),
            (&["192.0.2.1, junk"], None),
            (&[""], None),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            assert_eq!(
                caller(&headers).map(|a| a.to_string()).as_deref(),
                expected,
                "{values:?}"
            );
        }
    }
}

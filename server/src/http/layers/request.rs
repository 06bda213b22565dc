//! Gives each request an id and its caller's address, writes one log line about it, refuses TRACE.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use service::RequestFacts;
use tracing::Level;

use crate::state::AppState;

/// The header with the id of a request; anybody on the team can look it up.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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
        let http = &state.http;
        http.forwarded_header
            .client(peer, request.headers(), &http.trusted_proxies)
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

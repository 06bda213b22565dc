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
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::poll_immediate;
use ipnet::IpNet;
use serde_json::json;
use service::{
    Allowed, GateRequest, Kept, KnownGateway, Refusal, RequestFacts, ServiceResult, Services,
};

use self::credentials::Credentials;
use self::original::Original;
use self::refusal::{GateRefusal, Reason};
use crate::http::authorization::{Ambiguous, single};
use crate::http::layers::forwarded::is_in;
use crate::http::layers::request::describe_around;
use crate::http::{log_panic, rate_limit};
use crate::metrics::Metrics;
use crate::state::{AppState, GateMode, GateSettings, HttpSettings, Preflights, Shared};

/// The path that gateways ask.
const PATH: &str = "/v1/verify";

/// How long a decision may take; a gateway that waits longer is as good as down.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Set by nginx when it asks a second time about a call that was refused, as it has thrown away the
/// words: no such question is counted, and none lets a call through.
const AGAIN: HeaderName = HeaderName::from_static("x-keyrack-again");
/// The token of the gateway that asks.
const GATEWAY: HeaderName = HeaderName::from_static("x-keyrack-gateway");
/// The caller's key id.
const KEY_ID: HeaderName = HeaderName::from_static("x-keyrack-key-id");
/// The credential's name.
const NAME: HeaderName = HeaderName::from_static("x-keyrack-name");
/// Everything that the caller may do, as a scope string.
const SCOPE: HeaderName = HeaderName::from_static("x-keyrack-scope");

/// What the three say of a caller without credentials.
static NOBODY: HeaderValue = HeaderValue::from_static("");

/// What a credential's limit on calls is called in headers.
const CALLS: &str = "calls";

/// Room for the headers of an answer.
const HEADERS: usize = 8;

/// Whether a gateway asks, by whatever method. Envoy appends the path of the call.
pub fn is_asked(path: &str) -> bool {
    path.strip_prefix(PATH)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a gateway. Around it are an id for the request, a line in the log, and an answer though something
/// panics. It has a time limit of its own and answers gateways, which read the status: the dashboard's
/// other layers are not worth its time.
pub async fn verify(state: &AppState, request: Request<()>) -> Response {
    let answer = |request, facts| answer(state, request, facts);
    describe_around(state, request, Some(PATH), answer).await
}

/// A question, with what is known of it by the time that it is answered.
struct Question {
    parts: Parts,
    facts: RequestFacts,
    mode: GateMode,
    /// Whether a trusted gateway asks about a call that was refused before.
    is_repeat: bool,
}

async fn answer(state: &AppState, request: Request<()>, facts: RequestFacts) -> Response {
    let Shared {
        services,
        http,
        metrics,
        ..
    } = &**state;
    let (parts, ()) = request.into_parts();
    let mut question = Question {
        facts,
        mode: http.gate.mode,
        is_repeat: false,
        parts,
    };
    let decision = async {
        let mut decision = pin!(decide(services, http, &mut question));
        // Most are made at once, from memory, and need no timer: boxed, it makes no room for itself there.
        let decided = match poll_immediate(&mut decision).await {
            Some(decided) => decided,
            None => Box::pin(tokio::time::timeout(PATIENCE, decision))
                .await
                .unwrap_or_else(|_| Err(Reason::TooSlow.into())),
        };
        let_through(&decided?)
    };
    // A gateway whose question gets no clear answer may well let the call through.
    let decision = AssertUnwindSafe(decision).catch_unwind().await;
    let refusal = match decision {
        Ok(Ok(response)) => {
            metrics.gate_allowed.inc();
            return response;
        }
        Ok(Err(refusal)) => refusal,
        Err(cause) => {
            log_panic(&*cause);
            Reason::Panicked.into()
        }
    };
    if !refusal.is_kept {
        keep(services, &question, &refusal.reason);
    }
    if !question.is_repeat {
        count(metrics, &refusal);
    }
    let mut response = refusal.respond(question.facts.request_id.as_deref());
    // nginx makes a 500 of every other answer.
    if question.mode == GateMode::Nginx && response.status() != StatusCode::UNAUTHORIZED {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    response
}

fn count(metrics: &Metrics, refusal: &GateRefusal) {
    match refusal.status() {
        StatusCode::UNAUTHORIZED => metrics.gate_unauthenticated.inc(),
        StatusCode::FORBIDDEN => metrics.gate_forbidden.inc(),
        StatusCode::TOO_MANY_REQUESTS => metrics.gate_rate_limited.inc(),
        _ => metrics.gate_unavailable.inc(),
    };
}

async fn decide(
    services: &Services,
    http: &HttpSettings,
    question: &mut Question,
) -> Result<Allowed, GateRefusal> {
    let settings = &http.gate;
    let Question {
        parts,
        facts,
        mode,
        is_repeat,
    } = question;
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|peer| peer.0.ip().to_canonical());
    let token = single(&parts.headers, &GATEWAY);
    let has_token = token != Ok(None);
    let hops = http.forwarded_header.hops(&parts.headers);
    let (asker, caller) = addresses(has_token, hops, peer, &http.trusted_proxies);
    let asking = asking(services, settings, token, asker).await;
    let gateway = match asking {
        Ok(Some((asked_in, gateway))) => {
            *mode = asked_in;
            gateway
        }
        Ok(None) => return Err(Reason::UntrustedPeer(asker).into()),
        Err(error) => return Err(Reason::Decided(Refusal::Unavailable(error)).into()),
    };
    // The other gateways don't ask twice, and pass their clients' headers on.
    *is_repeat = *mode == GateMode::Nginx && parts.headers.contains_key(AGAIN);
    let original = Original::of(parts, *mode).ok_or(Reason::UnclearCall(*mode))?;
    let credentials = Credentials::of(&parts.headers, settings)?;
    facts.address = caller.or(asker);
    let request = GateRequest {
        method: original.method,
        path: original.path,
        preflight_for: preflight_for(original.method, &parts.headers, settings.preflights),
        presented: credentials.presented(),
        gateway: gateway.as_ref(),
        facts,
    };
    let decision = if *is_repeat {
        Err(services.explain(request).await)
    } else {
        services.decide(request).await
    };
    decision.map_err(|refusal| GateRefusal {
        reason: Reason::Decided(refusal),
        by_basic: credentials.is_basic(),
        is_kept: true,
    })
}

/// Keeps a refusal that the use case knows nothing of, so that it can be looked up as well.
fn keep(services: &Services, question: &Question, reason: &Reason) {
    let original = Original::of(&question.parts, question.mode);
    let (method, path) = original.map_or(("", ""), |call| (call.method, call.path));
    let catalogue = services.catalogue();
    let needed = catalogue.find(method, path).ok();
    let kept = Kept {
        surface: "gate",
        method,
        key_id: None,
        template: needed.map(|needed| needed.template),
        allowed: false,
        reason: reason.code(),
        detail: json!({ "words": reason.to_string() }),
    };
    services.keep_decision(kept, &question.facts);
}

/// How the gateway that asks says what it asks: one that shows its own token in the way of its
/// kind, one at a configured address in the configured way; and which it is, if it has a token. Nothing,
/// if it may not ask.
async fn asking(
    services: &Services,
    settings: &GateSettings,
    token: Result<Option<&str>, Ambiguous>,
    asker: Option<IpAddr>,
) -> ServiceResult<Option<(GateMode, Option<KnownGateway>)>> {
    match token {
        Err(_) => Ok(None),
        Ok(Some(token)) => {
            let gateway = services.authenticate_gateway(token, asker).await?;
            Ok(gateway.and_then(|known| Some((GateMode::of(known.kind())?, Some(known)))))
        }
        // Without an address nobody knows who asks.
        Ok(None) => Ok(asker
            .filter(|asker| is_in(&settings.trusted, *asker))
            .map(|_| (settings.mode, None))),
    }
}

/// The addresses of the gateway that asks and of the caller that it asks about.
///
/// The caller's is the last hop (`forwarded_header`), which the gateway put there; what stands
/// before it may be the caller's invention. A credential's list of addresses is held against it,
/// so a gateway must set the header: the guides in `docs/gateways/` do.
///
/// A gateway with a token may ask by way of the trusted proxy in front of Keyrack, which adds the
/// gateway's own address behind. Only that one hop is taken off: the gateway may be on the proxy's
/// machine, and to go on would take what the caller invented. One without a token is trusted for
/// its address, so it must be the peer itself.
fn addresses(
    has_token: bool,
    mut hops: impl Iterator<Item = Option<IpAddr>>,
    peer: Option<IpAddr>,
    proxies: &[IpNet],
) -> (Option<IpAddr>, Option<IpAddr>) {
    let by_proxy = has_token && peer.is_some_and(|peer| is_in(proxies, peer));
    let gateway = by_proxy.then(|| hops.next().flatten()).flatten();
    (gateway.or(peer), hops.next().flatten())
}

/// The method that a browser asks leave for by a preflight (the Fetch standard, "CORS-preflight fetch"),
/// if preflights are let through.
fn preflight_for<'a>(
    method: &str,
    headers: &'a HeaderMap,
    preflights: Preflights,
) -> Option<&'a str> {
    if preflights == Preflights::Refuse || method != "OPTIONS" {
        return None;
    }
    single(headers, &header::ORIGIN).ok().flatten()?;
    single(headers, &header::ACCESS_CONTROL_REQUEST_METHOD).ok()?
}

/// 200, with everything that the API is told about the caller.
fn let_through(allowed: &Allowed) -> Result<Response, GateRefusal> {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    let told = if allowed.is_anonymous() {
        // Caddy 2.6 hands on its own placeholder for a header that does not come.
        [&NOBODY; 3]
    } else {
        allowed.headers().ok_or(Reason::Unnameable)?
    };
    for (name, value) in [KEY_ID, NAME, SCOPE].into_iter().zip(told) {
        headers.insert(name, value.clone());
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(quota) = allowed.quota() {
        rate_limit::tell(&mut headers, CALLS, &quota);
    }
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = headers;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::layers::forwarded::ForwardedHeader;

    const GATEWAY_AT: &str = "203.0.113.9";
    const PROXY_AT: &str = "10.0.0.1";
    const CALLER: Option<&str> = Some("192.0.2.1");

    #[test]
    fn what_gateways_ask_is_no_other_path() {
        for path in [
            "/v1/verify",
            "/v1/verify/",
            "/v1/verify/v1/accounts",
            "/v1/verify//",
        ] {
            assert!(is_asked(path), "{path}");
        }
        for path in [
            "/v1/verifyx",
            "/v1/verif",
            "//v1/verify",
            "/v1/verify%2F",
            "/v1/Verify",
            "/x/v1/verify",
            "*",
            "",
        ] {
            assert!(!is_asked(path), "{path}");
        }
    }

    /// The peer, whether it shows a token, `X-Forwarded-For`; the gateway and the caller.
    type Row = (
        &'static str,
        bool,
        &'static [&'static str],
        &'static str,
        Option<&'static str>,
    );

    const ADDRESSES: [Row; 16] = [
        (GATEWAY_AT, false, &[], GATEWAY_AT, None),
        (GATEWAY_AT, false, &["192.0.2.1"], GATEWAY_AT, CALLER),
        (
            GATEWAY_AT,
            false,
            &["1.1.1.1, 192.0.2.1"],
            GATEWAY_AT,
            CALLER,
        ),
        (
            GATEWAY_AT,
            false,
            &["1.1.1.1", "192.0.2.1"],
            GATEWAY_AT,
            CALLER,
        ),
        (
            GATEWAY_AT,
            false,
            &["2001:db8::1"],
            GATEWAY_AT,
            Some("2001:db8::1"),
        ),
        (GATEWAY_AT, false, &["192.0.2.1, junk"], GATEWAY_AT, None),
        (GATEWAY_AT, false, &[""], GATEWAY_AT, None),
        // With a token, but not by way of a proxy that is believed.
        (
            GATEWAY_AT,
            true,
            &["1.1.1.1, 192.0.2.1"],
            GATEWAY_AT,
            CALLER,
        ),
        // By way of the proxy, which has added the gateway's address.
        (
            PROXY_AT,
            true,
            &["192.0.2.1, 203.0.113.9"],
            GATEWAY_AT,
            CALLER,
        ),
        (
            PROXY_AT,
            true,
            &["192.0.2.1", "203.0.113.9"],
            GATEWAY_AT,
            CALLER,
        ),
        (
            PROXY_AT,
            true,
            &["1.1.1.1, 192.0.2.1, 203.0.113.9"],
            GATEWAY_AT,
            CALLER,
        ),
        (
            "::ffff:10.0.0.1",
            true,
            &["192.0.2.1, ::ffff:203.0.113.9"],
            GATEWAY_AT,
            CALLER,
        ),
        (PROXY_AT, true, &["203.0.113.9"], GATEWAY_AT, None),
        (PROXY_AT, true, &["192.0.2.1, junk"], PROXY_AT, CALLER),
        // A gateway on the proxy's machine: no more than one hop is taken off.
        (
            PROXY_AT,
            true,
            &["1.1.1.1, 192.0.2.1, 10.0.0.1"],
            PROXY_AT,
            CALLER,
        ),
        // Without a token it is the peer that is trusted.
        (PROXY_AT, false, &["1.1.1.1, 192.0.2.1"], PROXY_AT, CALLER),
    ];

    #[test]
    fn the_callers_address_is_the_last_one_that_the_gateway_said() {
        for (peer, has_token, values, gateway, caller) in ADDRESSES {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            let peer: IpAddr = peer.parse().unwrap();
            let proxies = ["10.0.0.0/24".parse().unwrap()];
            let hops = ForwardedHeader::XForwardedFor.hops(&headers);
            let peer = Some(peer.to_canonical());
            let (asker, called) = addresses(has_token, hops, peer, &proxies);
            let texts = (asker.map(|a| a.to_string()), called.map(|a| a.to_string()));
            assert_eq!(
                (texts.0.as_deref(), texts.1.as_deref()),
                (Some(gateway), caller),
                "{peer:?} {has_token} {values:?}"
            );
        }
    }
}

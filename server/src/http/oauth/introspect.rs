//! `POST /v1/oauth2/introspect`: what a token is worth at this moment (RFC 7662). Gateways ask,
//! each with its own token, as a Bearer token or as the password of Basic.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;
use service::{ClientProof, Introspection, RequestFacts, ServiceError, Services};

use super::error::OAuthFailure;
use super::form::{self, Form};
use crate::http::authorization::Authorization;
use crate::state::AppState;

/// The endpoint.
pub async fn introspect(
    State(state): State<AppState>,
    Extension(facts): Extension<RequestFacts>,
    request: Request,
) -> Response {
    match answer(&state.services, &facts, request).await {
        Ok(known) => {
            state.metrics.introspections.inc();
            let body = match known {
                Some(introspection) => Json(introspection).into_response(),
                None => Json(json!({ "active": false })).into_response(),
            };
            ([(header::CACHE_CONTROL, "no-store")], body).into_response()
        }
        Err(failure) => failure.respond(facts.request_id.as_deref()),
    }
}

async fn answer(
    services: &Services,
    facts: &RequestFacts,
    request: Request,
) -> Result<Option<Introspection>, OAuthFailure> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|peer| peer.0.ip());
    let (parts, body) = form::receive(request).await?;
    let authorization = Authorization::of(&parts.headers).map_err(|_| {
        OAuthFailure::InvalidRequest("The Authorization header is there more than once")
    })?;
    let token = match &authorization {
        Some(Authorization::Bearer(token)) => *token,
        Some(Authorization::Basic(Some(basic))) => basic.password(),
        _ => return Err(OAuthFailure::InvalidClient { by_header: true }),
    };
    let gateway = services
        .authenticate_gateway(token, peer)
        .await
        .map_err(OAuthFailure::Unavailable)?;
    let Some(gateway) = gateway else {
        return Err(refuse(services, facts, authorization.as_ref()).await);
    };
    let introspector = gateway.introspector().ok_or(OAuthFailure::NoGateway)?;
    let form = Form::parse(&body)?;
    let token = form
        .token
        .as_deref()
        .ok_or(OAuthFailure::InvalidRequest("token is missing"))?;
    let known = services.introspect(&introspector, token).await;
    known.map_err(OAuthFailure::Unavailable)
}

/// A credential that authenticates well is told that it is no gateway; anybody else only that they
/// are nobody.
async fn refuse(
    services: &Services,
    facts: &RequestFacts,
    authorization: Option<&Authorization<'_>>,
) -> OAuthFailure {
    let nobody = OAuthFailure::InvalidClient { by_header: true };
    let Some(Authorization::Basic(Some(basic))) = authorization else {
        return nobody;
    };
    let proof = ClientProof::Secret {
        client_id: basic.user(),
        secret: basic.password(),
    };
    match services.is_client(proof, facts).await {
        Ok(true) => OAuthFailure::NoGateway,
        Ok(false) => nobody,
        Err(ServiceError::Throttled(wait)) => OAuthFailure::Throttled(wait),
        Err(error) => OAuthFailure::Unavailable(error),
    }
}

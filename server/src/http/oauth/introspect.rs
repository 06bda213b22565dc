//! `POST /v1/oauth2/introspect`: what a token is worth at this moment (RFC 7662). Gateways ask,
//! each with its own token, as a Bearer token or as the password of Basic.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use futures_util::FutureExt as _;
use futures_util::future::poll_immediate;
use serde_json::json;
use service::{ClientProof, Introspection, RequestFacts, ServiceError, Services};
use tokio::time::timeout;

use super::INTROSPECTION_PATH;
use super::client::form_decoded;
use super::error::OAuthFailure;
use super::form::{self, Form};
use crate::http::authorization::Authorization;
use crate::http::layers::headers;
use crate::http::layers::limits::BODY_TIME;
use crate::http::layers::request::describe_around;
use crate::http::panicked;
use crate::state::AppState;

/// The endpoint. Gateways ask it before calls, so it has the layers' work done around it by hand, as
/// the gate has: the general ones cost more than an answer.
pub fn routes() -> Router<AppState> {
    Router::new().route(INTROSPECTION_PATH, any(introspect))
}

async fn introspect(State(state): State<AppState>, request: Request) -> Response {
    let answer = |request, facts| introspect_safely(&state, request, facts);
    describe_around(&state, request, Some(INTROSPECTION_PATH), answer).await
}

async fn introspect_safely(state: &AppState, request: Request, facts: RequestFacts) -> Response {
    let mut response = if request.method() == Method::POST {
        let answer = AssertUnwindSafe(respond(state, request, &facts)).catch_unwind();
        answer.await.unwrap_or_else(panicked)
    } else {
        (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response()
    };
    headers::set(state, &mut response, headers::SAME_ORIGIN);
    response
}

async fn respond(state: &AppState, request: Request, facts: &RequestFacts) -> Response {
    let mut answer = pin!(answer(&state.services, facts, request));
    // Most come at once, from memory, and need no timer.
    let answer = match poll_immediate(&mut answer).await {
        Some(answer) => answer,
        None => timeout(BODY_TIME, answer)
            .await
            .unwrap_or_else(|late| Err(OAuthFailure::Unavailable(ServiceError::internal(late)))),
    };
    match answer {
        Ok(known) => {
            state.metrics.introspections.inc();
            match known {
                Some(introspection) => Json(introspection.told()).into_response(),
                None => Json(json!({ "active": false })).into_response(),
            }
        }
        Err(failure) => failure
            .kept(&state.services, "introspect", facts)
            .respond(facts.request_id.as_deref()),
    }
}

async fn answer(
    services: &Services,
    facts: &RequestFacts,
    request: Request,
) -> Result<Option<Introspection>, OAuthFailure> {
    let (parts, body) = form::receive(request).await?;
    let authorization = Authorization::of(&parts.headers).map_err(|_| {
        OAuthFailure::InvalidRequest("The Authorization header is there more than once")
    })?;
    let nobody = OAuthFailure::InvalidClient { by_header: true };
    let (user, secret) = match &authorization {
        Some(Authorization::Bearer(token)) => (None, (*token).to_owned()),
        Some(Authorization::Basic(Some(basic))) => {
            let (user, secret) = form_decoded(basic).ok_or(nobody)?;
            (Some(user), secret)
        }
        _ => return Err(nobody),
    };
    let gateway = services
        .authenticate_gateway(&secret, facts.address)
        .await
        .map_err(OAuthFailure::Unavailable)?;
    let Some(gateway) = gateway else {
        return Err(refuse(services, facts, user.as_deref(), &secret).await);
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
    user: Option<&str>,
    secret: &str,
) -> OAuthFailure {
    let nobody = OAuthFailure::InvalidClient { by_header: true };
    let Some(client_id) = user else {
        return nobody;
    };
    let proof = ClientProof::Secret { client_id, secret };
    match services.is_client(proof, facts).await {
        Ok(true) => OAuthFailure::NoGateway,
        Ok(false) => nobody,
        Err(ServiceError::Throttled(wait)) => OAuthFailure::Throttled(wait),
        Err(error) => OAuthFailure::Unavailable(error),
    }
}

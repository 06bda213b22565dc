//! `POST /v1/oauth2/revoke`: a client ends one of its own tokens (RFC 7009).

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use service::{RequestFacts, Services};

use super::client::Client;
use super::error::OAuthFailure;
use super::form::{self, Form};
use crate::state::AppState;

/// The endpoint. Success says nothing: the answer is the same for a token that was never ours.
pub async fn revoke(
    State(state): State<AppState>,
    Extension(facts): Extension<RequestFacts>,
    request: Request,
) -> Response {
    match end(&state.services, &facts, request).await {
        Ok(()) => {
            state.metrics.tokens_revoked.inc();
            (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response()
        }
        Err(failure) => failure.respond(facts.request_id.as_deref()),
    }
}

async fn end(
    services: &Services,
    facts: &RequestFacts,
    request: Request,
) -> Result<(), OAuthFailure> {
    let kept = |failure: OAuthFailure| failure.kept(services, "revoke", facts);
    let (parts, body) = form::receive(request).await.map_err(kept)?;
    let form = Form::parse(&body).map_err(kept)?;
    let client = Client::of(&parts.headers, &form).map_err(kept)?;
    let token = form
        .token
        .as_deref()
        .ok_or_else(|| kept(OAuthFailure::InvalidRequest("token is missing")))?;
    let revoked = services.revoke_token(client.proof(), token, facts).await;
    revoked.map_err(|error| OAuthFailure::of(error, client.by_header()))
}

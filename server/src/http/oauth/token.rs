//! `POST /v1/oauth2/token`: the client credentials grant (RFC 6749 section 4.4).

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use service::{IssuedToken, RequestFacts, Services, TokenRequest};

use super::client::Client;
use super::error::OAuthFailure;
use super::form::{self, Form};
use crate::state::AppState;

/// RFC 6749 section 5.1.
#[derive(Serialize)]
struct Success {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    scope: String,
}

/// The endpoint.
pub async fn token(
    State(state): State<AppState>,
    Extension(facts): Extension<RequestFacts>,
    request: Request,
) -> Response {
    match exchange(&state.services, &facts, request).await {
        Ok(IssuedToken {
            access_token,
            expires_in,
            scope,
        }) => {
            state.metrics.tokens_issued.inc();
            let body = Success {
                access_token,
                token_type: "Bearer",
                expires_in,
                scope,
            };
            let headers = [
                (header::CACHE_CONTROL, "no-store"),
                (header::PRAGMA, "no-cache"),
            ];
            (headers, Json(body)).into_response()
        }
        Err(failure) => {
            state.metrics.tokens_refused.inc();
            failure.respond(facts.request_id.as_deref())
        }
    }
}

/// What is malformed is said first, then what is missing of the client, then what the grant lacks;
/// only then is anything looked up.
async fn exchange(
    services: &Services,
    facts: &RequestFacts,
    request: Request,
) -> Result<IssuedToken, OAuthFailure> {
    let kept = |failure: OAuthFailure| failure.kept(services, "token", facts);
    let (parts, body) = form::receive(request).await.map_err(kept)?;
    let form = Form::parse(&body).map_err(kept)?;
    let client = Client::of(&parts.headers, &form).map_err(kept)?;
    match form.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => return Err(kept(OAuthFailure::UnsupportedGrantType)),
        None => return Err(kept(OAuthFailure::InvalidRequest("grant_type is missing"))),
    }
    let request = TokenRequest {
        proof: client.proof(),
        scope: form.scope.as_deref(),
        resources: &form.resources,
    };
    let issued = services.issue_token(request, facts).await;
    issued.map_err(|error| OAuthFailure::of(error, client.by_header()))
}

//! `POST /v1/oauth2/token`: the client credentials grant (RFC 6749 section 4.4).

use std::error::Error;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http_body_util::LengthLimitError;
use serde::Serialize;
use service::{ClientProof, IssuedToken, RequestFacts, Services, TokenRequest};

use super::client::Client;
use super::error::TokenFailure;
use super::form::Form;
use crate::http::layers::limits::BODY_BYTES;
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
) -> Result<IssuedToken, TokenFailure> {
    let (parts, body) = request.into_parts();
    if parts.uri.query().is_some() {
        return Err(TokenFailure::InvalidRequest(
            "Send the parameters in the body, not the URL",
        ));
    }
    if !is_form(&parts.headers) {
        return Err(TokenFailure::UnsupportedMediaType);
    }
    let body = read(body).await?;
    let form = Form::parse(&body)?;
    let client = Client::of(&parts.headers, &form)?;
    match form.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => return Err(TokenFailure::UnsupportedGrantType),
        None => return Err(TokenFailure::InvalidRequest("grant_type is missing")),
    }
    let request = TokenRequest {
        proof: ClientProof {
            client_id: &client.id,
            secret: &client.secret,
        },
        scope: form.scope.as_deref(),
        resource: form.resource.as_deref(),
    };
    let issued = services.issue_token(request, facts).await;
    issued.map_err(|error| TokenFailure::of(error, client.by_header))
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return false;
    };
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split_once(';').map_or(kind, |(essence, _)| essence);
    essence
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

async fn read(body: Body) -> Result<Bytes, TokenFailure> {
    to_bytes(body, BODY_BYTES).await.map_err(|error| {
        let mut cause = error.source();
        while let Some(error) = cause {
            if error.is::<LengthLimitError>() {
                return TokenFailure::TooLarge;
            }
            cause = error.source();
        }
        TokenFailure::InvalidRequest("The body did not arrive whole")
    })
}

//! `GET /v1/oauth2/keys`: the public signing keys, for whoever verifies tokens (RFC 7517).

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use service::RequestFacts;

use super::error::OAuthFailure;
use super::{EVERY_ORIGIN, PUBLIC_FOR_A_WHILE};
use crate::state::AppState;

/// The endpoint. While changes can go unheard there is no answer: a key may have been ended.
pub async fn keys(
    State(state): State<AppState>,
    Extension(facts): Extension<RequestFacts>,
) -> Response {
    let keys = match state.services.jwks().await {
        Ok(keys) => keys,
        Err(error) => {
            let failure = OAuthFailure::Unavailable(error);
            return failure.respond(facts.request_id.as_deref());
        }
    };
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/jwk-set+json"),
        ),
        (header::CACHE_CONTROL, PUBLIC_FOR_A_WHILE),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, EVERY_ORIGIN),
    ];
    (headers, keys).into_response()
}

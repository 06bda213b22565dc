//! `GET /v1/oauth2/keys`: the public signing keys, for whoever verifies tokens (RFC 7517).

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;

use super::{EVERY_ORIGIN, PUBLIC_FOR_A_WHILE};
use crate::state::AppState;

/// The endpoint.
pub async fn keys(State(state): State<AppState>) -> impl IntoResponse {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/jwk-set+json"),
        ),
        (header::CACHE_CONTROL, PUBLIC_FOR_A_WHILE),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, EVERY_ORIGIN),
    ];
    (headers, state.services.jwks())
}

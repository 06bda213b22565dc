//! The authorization server metadata (RFC 8414): what this issuer does, and only that. Its URLs
//! come from the configured address, whatever the request's `Host` says.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use domain::access::Access;
use serde::Serialize;

use super::{
    EVERY_ORIGIN, INTROSPECTION_PATH, KEYS_PATH, PUBLIC_FOR_A_WHILE, REVOCATION_PATH, TOKEN_PATH,
};
use crate::state::AppState;

/// RFC 8414 section 2.
#[derive(Serialize)]
struct Metadata {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    scopes_supported: Vec<String>,
    /// Required by the standard; empty, as there is no authorization endpoint.
    response_types_supported: [&'static str; 0],
    grant_types_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    token_endpoint_auth_signing_alg_values_supported: [&'static str; 6],
    introspection_endpoint: String,
    /// The token of a gateway, as a Bearer token or as the password of Basic.
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    revocation_endpoint_auth_signing_alg_values_supported: [&'static str; 6],
}

/// How clients authenticate.
const METHODS: [&str; 3] = [
    "client_secret_post",
    "client_secret_basic",
    "private_key_jwt",
];

/// How assertions may be signed.
/// The last two are one, under its old name and that of RFC 9864.
const ALGORITHMS: [&str; 6] = ["ES256", "ES384", "RS256", "PS256", "EdDSA", "Ed25519"];

/// The endpoint.
pub async fn metadata(State(state): State<AppState>) -> impl IntoResponse {
    let (services, http) = (&state.services, &state.http);
    let scopes = Access::Full.scopes(&services.catalogue());
    let metadata = Metadata {
        issuer: http.issuer(),
        token_endpoint: http.link(TOKEN_PATH),
        jwks_uri: http.link(KEYS_PATH),
        scopes_supported: scopes.iter().map(ToString::to_string).collect(),
        response_types_supported: [],
        grant_types_supported: ["client_credentials"],
        token_endpoint_auth_methods_supported: METHODS,
        token_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
        introspection_endpoint: http.link(INTROSPECTION_PATH),
        introspection_endpoint_auth_methods_supported: ["Bearer", "client_secret_basic"],
        revocation_endpoint: http.link(REVOCATION_PATH),
        revocation_endpoint_auth_methods_supported: METHODS,
        revocation_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
    };
    let headers = [
        (header::CACHE_CONTROL, PUBLIC_FOR_A_WHILE),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, EVERY_ORIGIN),
    ];
    (headers, Json(metadata))
}

//! The issuer as programs see it: the token endpoint, introspection and revocation, the public keys,
//! the metadata.
//!
//! What a token is and who gets one is decided in `service`; here is only the protocol, with one
//! closed list of its errors in [`error`].

mod client;
mod error;
mod form;
mod introspect;
mod keys;
mod metadata;
mod revoke;
mod token;

use axum::Router;
use axum::http::HeaderValue;
use axum::response::Response;
use axum::routing::{get, post};

use crate::state::AppState;

pub use introspect::routes as introspection;

/// What is public and the same for everybody may be kept for five minutes: a verifier learns of a
/// new signing key long before the first token is signed with it.
const PUBLIC_FOR_A_WHILE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Pages of other origins may read metadata and public keys. They may not read tokens.
const EVERY_ORIGIN: HeaderValue = HeaderValue::from_static("*");

/// Where tokens are issued, below the public URL.
const TOKEN_PATH: &str = "/v1/oauth2/token";

/// Where gateways ask about tokens, below the public URL.
pub const INTROSPECTION_PATH: &str = "/v1/oauth2/introspect";

/// Where clients end their tokens, below the public URL.
const REVOCATION_PATH: &str = "/v1/oauth2/revoke";

/// Where the public keys are, below the public URL.
const KEYS_PATH: &str = "/v1/oauth2/keys";

/// The issuer's endpoints but for introspection, whose routes stand by themselves.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route(TOKEN_PATH, post(token::token))
        .route(REVOCATION_PATH, post(revoke::revoke))
        .route(KEYS_PATH, get(keys::keys))
        // RFC 8414 section 3.1 puts the well-known part before the issuer's path; many clients
        // append it instead.
        .route(
            "/.well-known/oauth-authorization-server/v1",
            get(metadata::metadata),
        )
        .route(
            "/v1/.well-known/oauth-authorization-server",
            get(metadata::metadata),
        )
}

/// What programs hear at an address that no endpoint has.
pub fn no_endpoint(request_id: Option<&str>) -> Response {
    error::OAuthFailure::NoEndpoint.respond(request_id)
}

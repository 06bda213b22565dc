//! What the endpoints are compared with.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::routing::{any, post};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::set_up::ISSUER;

/// The scope string of the bare answers: that of the credentials which they are compared with.
pub const SCOPE: &str = "accounts:read admin:read crypto:read data:read funding:read journaling:read \
    rebalancing:read reporting:read sse_events:read trading:read";

/// The least that a server does for such answers.
pub fn bare() -> anyhow::Result<Router> {
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
    let key = Arc::new(EncodingKey::from_ec_der(pkcs8.as_ref()));

    let sign = move || async move {
        let claims = json!({
            "iss": ISSUER, "sub": "KRQ7M2XZLP4TAVJ6NDB3EH", "iat": 1, "exp": 901,
            "client_id": "KRQ7M2XZLP4TAVJ6NDB3EH", "jti": "AAAAAAAAAAAAAAAAAAAAAA", "scope": SCOPE,
            "aud": ISSUER,
        });
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key);
        axum::Json(json!({ "access_token": token.unwrap_or_default(), "token_type": "Bearer" }))
    };
    let answer = || async {
        [
            ("x-keyrack-key-id", "KRQ7M2XZLP4TAVJ6NDB3EH"),
            ("x-keyrack-name", "worker-0"),
            ("x-keyrack-scope", SCOPE),
            ("x-request-id", "0123456789abcdef01234567"),
            ("cache-control", "no-store"),
        ]
    };
    Ok(Router::new()
        .route("/bare", any(answer))
        .route("/bare-sign", post(sign)))
}

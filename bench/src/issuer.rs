//! The issuer's endpoints that programs and gateways call all day: introspection, and tokens for
//! signed assertions. An assertion works once, so each request of a run has its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::str::FromStr as _;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::http::StatusCode;
use axum::routing::{any, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::draft::CredentialDraft;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use service::{Actor, GatewayDraft, Services};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::bare::SCOPE;
use crate::compare::{compare, compare_each};
use crate::http::{FORM, request};
use crate::set_up::ISSUER;

/// What Keyrack sends with every answer but the gate's.
const HEADERS: [(&str, &str); 8] = [
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    ),
    ("x-request-id", "0123456789abcdef01234567"),
];

/// More than the endpoint takes in one run.
const ASSERTIONS: usize = 60_000;

/// A program that signs, and what the bare route needs to do the same work.
pub struct Signer {
    signing: EncodingKey,
    verifying: DecodingKey,
    jwk: String,
    pool: SqlitePool,
}

impl Signer {
    /// A new key, and a table of its own with the settings that Keyrack gives SQLite.
    pub async fn new(folder: &std::path::Path) -> anyhow::Result<Self> {
        let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new())?;
        let pair = EcdsaKeyPair::from_pkcs8(curve, pkcs8.as_ref())
            .map_err(|error| anyhow!("the key that was just made: {error}"))?;
        let [x, y] =
            [1..33, 33..65].map(|part| URL_SAFE_NO_PAD.encode(&pair.public_key().as_ref()[part]));
        let file = format!("sqlite://{}/bare.db", folder.display());
        let options = SqliteConnectOptions::from_str(&file)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true);
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect_with(options).await?;
        sqlx::query("CREATE TABLE used (id TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT")
            .execute(&pool)
            .await?;
        Ok(Self {
            signing: EncodingKey::from_ec_der(pkcs8.as_ref()),
            verifying: DecodingKey::from_ec_components(&x, &y)?,
            jwk: json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }).to_string(),
            pool,
        })
    }

    /// Token requests to a path, each with its own assertion.
    fn requests(
        &self,
        services: &Services,
        client: &str,
        path: &str,
    ) -> anyhow::Result<Vec<String>> {
        let end = services.now().timestamp() + 3000;
        (0..ASSERTIONS)
            .map(|_| {
                let claims = json!({
                    "iss": client, "sub": client, "aud": ISSUER, "exp": end,
                    "jti": service::Token::generate().expose(),
                });
                let assertion =
                    jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.signing)?;
                let body = format!(
                    "grant_type=client_credentials&client_assertion={assertion}&client_assertion_type=\
                     urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
                );
                Ok(request((path, &[FORM], &body)))
            })
            .collect()
    }

    /// The least that such endpoints do: an answer of that size; verify, insert, sign.
    pub fn bare(self: &Arc<Self>) -> Router {
        let known = || async {
            let known = Json(json!({
                "active": true, "client_id": "KRQ7M2XZLP4TAVJ6NDB3EH", "scope": SCOPE, "exp": 901,
                "iat": 1, "iss": ISSUER, "aud": ISSUER, "sub": "KRQ7M2XZLP4TAVJ6NDB3EH",
                "jti": "AAAAAAAAAAAAAAAAAAAAAA", "token_type": "Bearer",
            }));
            (HEADERS, known)
        };
        let signer = self.clone();
        let trade = move |Form(form): Form<HashMap<String, String>>| {
            let signer = signer.clone();
            async move {
                let token = signer
                    .trade(form)
                    .await
                    .map_err(|_| StatusCode::UNAUTHORIZED)?;
                Ok::<_, StatusCode>(Json(json!({ "access_token": token, "scope": SCOPE })))
            }
        };
        Router::new()
            .route("/bare-json", any(known))
            .route("/bare-assertion", post(trade))
    }

    async fn trade(&self, form: HashMap<String, String>) -> anyhow::Result<String> {
        let assertion = form.get("client_assertion").context("no assertion")?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[ISSUER]);
        let mut claims =
            jsonwebtoken::decode::<Value>(assertion, &self.verifying, &validation)?.claims;
        sqlx::query("INSERT INTO used (id, until) VALUES ($1, $2)")
            .bind(claims["jti"].as_str())
            .bind(claims["exp"].as_i64())
            .execute(&self.pool)
            .await?;
        claims["scope"] = SCOPE.into();
        let header = Header::new(Algorithm::ES256);
        Ok(jsonwebtoken::encode(&header, &claims, &self.signing)?)
    }
}

/// Introspection of one token by one gateway.
pub async fn compare_introspection(
    services: &Services,
    address: SocketAddr,
    token: &str,
) -> anyhow::Result<()> {
    let draft = GatewayDraft {
        audiences: String::new(),
        name: "bench".to_owned(),
        kind: "introspection".to_owned(),
        addresses: String::new(),
    };
    let (_, gateway) = services.add_gateway(&Actor::host("bench"), &draft).await?;
    let bearer = format!("Bearer {}", gateway.expose());
    let headers = [("Authorization", bearer.as_str()), FORM];
    let body = format!("token={token}");
    compare(
        "introspection",
        address,
        ("/v1/oauth2/introspect", &headers, &body),
        ("/bare-json", &headers, &body),
    )
}

/// Tokens for assertions, against a handler that verifies, inserts and signs.
pub async fn compare_assertions(
    services: &Services,
    address: SocketAddr,
    signer: &Signer,
) -> anyhow::Result<()> {
    let host = Actor::host("bench");
    let owner = services.person_by_email(&host, "mara@example.com").await?;
    let draft = CredentialDraft {
        name: "signs".into(),
        purpose: "Made for measuring".into(),
        owner: owner.id.to_string(),
        flow: "private_key_jwt".into(),
        expires: "never".into(),
        access: "read_only".into(),
        public_key: signer.jwk.clone(),
        ..CredentialDraft::default()
    };
    let issued = services.issue_credential(&host, &draft, None).await?;
    let client = issued.credential.key_id.to_string();
    let requests = |path| signer.requests(services, &client, path);
    compare_each(
        "token, private_key_jwt",
        address,
        || requests("/v1/oauth2/token"),
        || requests("/bare-assertion"),
    )
}

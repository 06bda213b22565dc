//! An OpenID provider on the loopback address, which does what a test wants: it answers well, with
//! bent ID tokens, or not as a provider should.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{any, get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::groups::RoleMap;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use service::{ClientId, ClientSecret, IssuerUrl, ProviderSettings};
use url::Url;

use crate::app::PUBLIC_URL;

pub const CLIENT: (&str, &str) = ("keyrack", "s3cr3t/of the:client");

/// A key that signs ID tokens.
pub struct SigningKey {
    algorithm: Algorithm,
    key: EncodingKey,
    pub jwk: Value,
}

impl SigningKey {
    pub fn new(algorithm: Algorithm, kid: &str) -> Self {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let ec = |curve: &str, algorithm: &'static EcdsaSigningAlgorithm| {
            let random = SystemRandom::new();
            let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref()).unwrap();
            let (x, y) =
                pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
            let jwk = json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) });
            (EncodingKey::from_ec_der(der.as_ref()), jwk)
        };
        let (key, mut jwk) = match algorithm {
            Algorithm::ES256 => ec("P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ec("P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDSA => {
                let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
                let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
                let x = encode(pair.public_key().as_ref());
                let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
                (EncodingKey::from_ed_der(der.as_ref()), jwk)
            }
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
                let public = pair.public_key();
                let n = encode(public.modulus().big_endian_without_leading_zero());
                let e = encode(public.exponent().big_endian_without_leading_zero());
                let pkcs1 = rsa_private_key(der.as_ref());
                (
                    EncodingKey::from_rsa_der(pkcs1),
                    json!({ "kty": "RSA", "n": n, "e": e }),
                )
            }
            Algorithm::HS256 => {
                let key = EncodingKey::from_secret(CLIENT.1.as_bytes());
                (
                    key,
                    json!({ "kty": "oct", "k": encode(CLIENT.1.as_bytes()) }),
                )
            }
            other => panic!("no key for {other:?}"),
        };
        jwk["kid"] = kid.into();
        jwk["use"] = "sig".into();
        Self {
            algorithm,
            key,
            jwk,
        }
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = self.jwk["kid"].as_str().map(ToOwned::to_owned);
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

/// The RSA key inside PKCS #8, which ends with it (RFC 5208 section 5): 26 bytes come before.
fn rsa_private_key(pkcs8: &[u8]) -> &[u8] {
    &pkcs8[26..]
}

/// How the provider answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Its metadata leads elsewhere.
    Redirecting,
    /// Its keys are ten megabytes.
    Huge,
    /// Its metadata is of another issuer.
    Mistaken,
    /// Nothing but errors.
    Broken,
    /// It takes the question and never answers.
    Hanging,
    /// It takes the question and answers once it is in another mood.
    Waiting,
    /// It never answers with tokens.
    HangingTokens,
    /// Its answer with tokens is ten megabytes.
    HugeTokens,
    /// Where tokens are given leads elsewhere.
    RedirectingTokens,
}

pub struct Inner {
    pub mood: Mood,
    /// What signs; its public part is published.
    pub key: SigningKey,
    /// What signs in place of it, unpublished.
    pub forger: Option<SigningKey>,
    /// What replaces claims; null takes one away.
    pub bend: Value,
    /// Whether ID tokens have no signature.
    pub unsigned: bool,
    /// Whether the metadata promises `iss` in answers.
    pub names_itself: bool,
    /// Whether the metadata promises to read the parameter `claims`.
    pub takes_claims: bool,
    /// How often the metadata was asked for.
    pub metadata_asked: usize,
    /// How often the keys were asked for.
    pub keys_asked: usize,
    /// How often somebody followed where it leads elsewhere.
    pub followed: usize,
    now: i64,
    codes: HashMap<String, (Url, Value)>,
}

#[derive(Clone)]
pub struct Provider {
    pub address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

impl Provider {
    pub async fn start(now: i64) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Self {
            address: listener.local_addr().unwrap(),
            inner: Arc::new(Mutex::new(Inner {
                mood: Mood::Well,
                key: SigningKey::new(Algorithm::ES256, "first"),
                forger: None,
                bend: json!({}),
                unsigned: false,
                names_itself: false,
                takes_claims: false,
                metadata_asked: 0,
                keys_asked: 0,
                followed: 0,
                now,
                codes: HashMap::new(),
            })),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/jwks", get(keys))
            .route("/token", post(token))
            .route("/elsewhere", any(elsewhere))
            .with_state(provider.clone());
        tokio::spawn(server::serve::serve(
            listener,
            router,
            std::future::pending(),
        ));
        provider
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    fn mood(&self) -> Mood {
        self.inner().mood
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// As Keyrack is told about it.
    pub fn settings(&self, roles: &[&str]) -> ProviderSettings {
        self.settings_as("acme", "Acme", roles)
    }

    /// The same under another id and name.
    pub fn settings_as(&self, id: &str, name: &str, roles: &[&str]) -> ProviderSettings {
        let roles: Vec<_> = roles.iter().map(|role| (*role).to_owned()).collect();
        ProviderSettings {
            id: id.to_owned(),
            name: name.to_owned(),
            issuer: IssuerUrl::new(self.issuer()).unwrap(),
            client_id: ClientId::new(CLIENT.0.to_owned()),
            client_secret: Some(ClientSecret::new(CLIENT.1.to_owned())),
            scopes: vec!["email".to_owned()],
            groups_claim: "groups".to_owned(),
            roles: RoleMap::new(&roles, None).unwrap(),
            require_verified_email: true,
        }
    }

    /// Somebody with these claims says yes to this request: the code for it.
    pub fn agree(&self, request: &Url, claims: Value) -> String {
        let mut inner = self.inner();
        let code = format!("code-{}", inner.codes.len());
        inner.codes.insert(code.clone(), (request.clone(), claims));
        code
    }
}

impl Provider {
    /// A logout token of the provider, with these claims changed.
    pub fn logout_token(&self, changes: Value) -> String {
        let inner = self.inner();
        let mut claims = json!({
            "iss": self.issuer(), "aud": CLIENT.0, "iat": inner.now, "exp": inner.now + 120,
            "jti": "message-1", "sub": "ada-7",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        inner.forger.as_ref().unwrap_or(&inner.key).sign(&claims)
    }
}

/// Where nobody should come.
async fn elsewhere(State(provider): State<Provider>) -> StatusCode {
    provider.inner().followed += 1;
    StatusCode::OK
}

/// Redirects so that the method and the body would go along.
fn lead_elsewhere() -> Response {
    let to = [(header::LOCATION, "/elsewhere")];
    (StatusCode::TEMPORARY_REDIRECT, to).into_response()
}

async fn metadata(State(provider): State<Provider>) -> Response {
    let issuer = provider.issuer();
    provider.inner().metadata_asked += 1;
    while provider.mood() == Mood::Waiting {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    if provider.mood() == Mood::Hanging {
        std::future::pending::<()>().await;
    }
    let inner = provider.inner();
    let said = match inner.mood {
        Mood::Broken => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Redirecting => return lead_elsewhere(),
        Mood::Mistaken => "https://other.example.com".to_owned(),
        _ => issuer.clone(),
    };
    Json(json!({
        "issuer": said,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "none"],
        "end_session_endpoint": format!("{issuer}/logout?a=b"),
        "authorization_response_iss_parameter_supported": inner.names_itself,
        "claims_parameter_supported": inner.takes_claims,
    }))
    .into_response()
}

async fn keys(State(provider): State<Provider>) -> Response {
    let mut inner = provider.inner();
    inner.keys_asked += 1;
    let filler = if inner.mood == Mood::Huge {
        10_000_000
    } else {
        0
    };
    Json(json!({ "keys": [inner.key.jwk], "filler": " ".repeat(filler) })).into_response()
}

/// Gives an ID token for a code, once, to the client with the verifier (RFC 7636 section 4.6).
async fn token(State(provider): State<Provider>, request: Request<Body>) -> Response {
    match provider.mood() {
        Mood::HangingTokens => std::future::pending().await,
        Mood::HugeTokens => return " ".repeat(10_000_000).into_response(),
        Mood::RedirectingTokens => return lead_elsewhere(),
        _ => {}
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 10_000).await.unwrap();
    let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let refuse = |error: &str| {
        let said = json!({ "error": error, "error_description": "<b>no</b>" });
        (StatusCode::BAD_REQUEST, Json(said)).into_response()
    };
    let escape = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let client = format!("{}:{}", escape(CLIENT.0), escape(CLIENT.1));
    let expected = format!("Basic {}", STANDARD.encode(client));
    let presented = parts.headers.get(header::AUTHORIZATION);
    if presented.is_none_or(|presented| presented != expected.as_str()) {
        return refuse("invalid_client");
    }
    let mut inner = provider.inner();
    let Some((url, claims)) = inner.codes.remove(&form["code"]) else {
        return refuse("invalid_grant");
    };
    let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
    // The way back that the browser brought is the one that the client names (RFC 6749 section 4.1.3).
    let ours = format!("{PUBLIC_URL}/sso/");
    let challenge = digest(&SHA256, form["code_verifier"].as_bytes());
    if URL_SAFE_NO_PAD.encode(challenge) != asked["code_challenge"]
        || form["redirect_uri"] != asked["redirect_uri"]
        || !asked["redirect_uri"].starts_with(&ours)
    {
        return refuse("invalid_grant");
    }
    let mut all = json!({
        "iss": provider.issuer(),
        "aud": CLIENT.0,
        "nonce": asked["nonce"],
        "iat": inner.now,
        "exp": inner.now + 300,
    });
    for changes in [&claims, &inner.bend] {
        for (name, value) in changes.as_object().unwrap() {
            all[name] = value.clone();
        }
    }
    all.as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    let token = if inner.unsigned {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        format!("{}.{}.", encode(&json!({ "alg": "none" })), encode(&all))
    } else {
        inner.forger.as_ref().unwrap_or(&inner.key).sign(&all)
    };
    Json(json!({ "access_token": "opaque", "token_type": "Bearer", "id_token": token }))
        .into_response()
}

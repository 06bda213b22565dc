//! Keyrack ready for one test: a store in memory, the real router, one superuser.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderName, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::DateTime;
use domain::audit::AuditEvent;
use domain::catalogue::Catalogue;
use domain::draft::CredentialDraft;
use domain::key_id::KeyId;
use domain::limits::LimitsDraft;
use domain::outbound::OutboundRule;
use domain::user::User;
use ipnet::IpNet;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use leptos::config::LeptosOptions;
use serde_json::{Value, json};
use server::http::Front;
use server::http::layers::forwarded::ForwardedHeader;
use server::http::layers::proxy::HeaderLogIn;
use server::mail::Mailer;
use server::metrics::Metrics;
use server::outbound::HttpOutbound;
use server::state::{AppState, GateMode, GateSettings, HttpSettings, Preflights, Shared};
use service::{
    Actor, AddPerson, DecisionRow, ManualClock, MasterKey, Services, Settings, SsoSettings,
};
use storage::{Store as _, WrongPassword};
use tower::ServiceExt as _;

use crate::faulty::FaultyStore;

pub const PUBLIC_URL: &str = "https://keys.example.com";
pub const ISSUER: &str = "https://keys.example.com/v1";
pub const OTHER_AUDIENCE: &str = "https://reports.example.com";

/// The password of the superuser.
pub const PASSWORD: &str = "mice juggle seven lamps";

/// A call of the default catalogue that only reads, one that changes money, one that nobody knows.
pub const READ: (&str, &str) = ("GET", "/v1/accounts");
pub const WRITE: (&str, &str) = ("POST", "/v1/journals");
pub const UNKNOWN: (&str, &str) = ("GET", "/v1/nowhere");

/// The public key of RFC 7515 appendix A.3, which credentials of private key JWT are issued with.
pub const PUBLIC_KEY: &str = r#"{"kty":"EC","crv":"P-256",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

/// Its private key, of the same appendix, as PKCS #8.
pub fn private_key_der() -> Vec<u8> {
    let head = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420";
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let der = [
        hex::decode(head).unwrap(),
        part("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"),
        hex::decode("a14403420004").unwrap(),
        part("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
        part("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
    ];
    der.concat()
}

pub struct TestApp {
    pub services: Services,
    pub clock: Arc<ManualClock>,
    pub store: Arc<FaultyStore>,
    pub metrics: Arc<Metrics>,
    pub host: Actor,
    pub owner: User,
    pub state: AppState,
    pub front: Front,
}

/// An issued credential.
#[derive(Clone)]
pub struct Key {
    pub id: String,
    pub secret: String,
}

impl Key {
    pub fn key_id(&self) -> KeyId {
        self.id.parse().unwrap()
    }

    /// `Authorization: Basic`, as the gate reads it.
    pub fn basic(&self) -> String {
        basic(&self.id, &self.secret)
    }
}

pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

pub fn default_catalogue() -> Catalogue {
    toml::from_str(include_str!("../../../catalogue/alpaca-broker.toml")).unwrap()
}

/// A rule by which servers of the test itself can be reached.
pub fn this_machine() -> OutboundRule {
    OutboundRule::new(vec!["127.0.0.0/8".parse().unwrap()])
}

/// What a test needs otherwise than usual.
pub struct Needs {
    pub mode: GateMode,
    pub catalogue: Catalogue,
    /// What it may reach.
    pub outbound: OutboundRule,
    pub sso: SsoSettings,
    pub header_log_in: Option<HeaderLogIn>,
    /// The proxies in front of Keyrack.
    pub proxies: Vec<IpNet>,
    /// The gateways that need no token.
    pub gateways: Vec<IpNet>,
    pub preflights: Preflights,
    pub database: String,
    pub master: MasterKey,
}

impl Default for Needs {
    fn default() -> Self {
        Self {
            mode: GateMode::Nginx,
            catalogue: default_catalogue(),
            outbound: OutboundRule::default(),
            sso: SsoSettings::default(),
            header_log_in: None,
            proxies: Vec::new(),
            preflights: Preflights::Refuse,
            gateways: ["127.0.0.0/8", "::1/128"]
                .map(|net| net.parse().unwrap())
                .into(),
            database: "sqlite::memory:".to_owned(),
            master: MasterKey::new([7; 32]),
        }
    }
}

impl TestApp {
    pub async fn new() -> Self {
        Self::open(Needs::default()).await
    }

    /// One that may reach what this rule allows.
    pub async fn reaching(outbound: OutboundRule) -> Self {
        Self::open(Needs {
            outbound,
            ..Needs::default()
        })
        .await
    }

    pub async fn with(mode: GateMode, catalogue: Catalogue) -> Self {
        Self::open(Needs {
            mode,
            catalogue,
            ..Needs::default()
        })
        .await
    }

    /// One with single sign-on, which may reach providers on this machine.
    pub async fn with_sso(sso: SsoSettings, header_log_in: Option<HeaderLogIn>) -> Self {
        Self::open(Needs {
            outbound: this_machine(),
            sso,
            header_log_in,
            ..Needs::default()
        })
        .await
    }

    pub async fn open(needs: Needs) -> Self {
        let clock = Arc::new(ManualClock::at(
            DateTime::from_timestamp(1_795_500_000, 0).unwrap(),
        ));
        let store = storage::connect(&needs.database).await.unwrap();
        store.migrate().await.unwrap();
        let store = Arc::new(FaultyStore::new(store));
        let settings = Settings {
            signing_key_life: None,
            audiences: vec![ISSUER.to_owned(), OTHER_AUDIENCE.to_owned()],
            password_hashers: 1,
            outbound: needs.outbound.clone(),
            sso: needs.sso,
            ..Settings::usual(ISSUER)
        };
        let outbound = Arc::new(HttpOutbound::new(needs.outbound));
        let services = Services::open(
            store.clone(),
            &needs.master,
            needs.catalogue,
            settings,
            clock.clone(),
            outbound,
        )
        .await
        .unwrap();
        let host = Actor::host("test");
        let person = AddPerson {
            name: "Mara Okafor".to_owned(),
            email: "mara@example.com".to_owned(),
            role: "superuser".to_owned(),
        };
        let owner = services.add_person_with_password(&host, &person, PASSWORD);
        let owner = owner.await.unwrap();
        let metrics = Arc::<Metrics>::default();
        let state = AppState::from(Shared {
            services: services.clone(),
            http: HttpSettings {
                public_url: PUBLIC_URL.parse().unwrap(),
                trusted_proxies: needs.proxies,
                forwarded_header: ForwardedHeader::default(),
                header_log_in: needs.header_log_in,
                gate: GateSettings {
                    mode: needs.mode,
                    trusted: needs.gateways,
                    preflights: needs.preflights,
                    key_id_header: HeaderName::from_static("apca-api-key-id"),
                    secret_header: HeaderName::from_static("apca-api-secret-key"),
                },
            },
            mail: None,
            metrics: metrics.clone(),
            leptos: LeptosOptions::builder().output_name("keyrack").build(),
        });
        let front = Front::new(state.clone());
        Self {
            services,
            clock,
            store,
            metrics,
            host,
            owner,
            state,
            front,
        }
    }

    /// Issues a credential for 30 days. `access` is `read_only`, `full`, or levels such as
    /// `accounts=read journaling=write`.
    pub async fn issue(&self, flow: &str, access: &str) -> Key {
        self.issue_until(flow, access, "30d").await
    }

    pub async fn issue_until(&self, flow: &str, access: &str, expires: &str) -> Key {
        let levels = access.split(' ').filter_map(|item| item.split_once('='));
        let draft = CredentialDraft {
            name: "settlement-worker".to_owned(),
            purpose: "Moves cash at night".to_owned(),
            owner: self.owner.id.to_string(),
            flow: flow.to_owned(),
            expires: expires.to_owned(),
            access: if access.contains('=') {
                "custom"
            } else {
                access
            }
            .to_owned(),
            levels: levels
                .map(|(scope, level)| (scope.to_owned(), level.to_owned()))
                .collect(),
            public_key: if flow == "private_key_jwt" {
                PUBLIC_KEY
            } else {
                ""
            }
            .to_owned(),
            ..CredentialDraft::default()
        };
        let issued = self
            .services
            .issue_credential(&self.host, &draft, None)
            .await
            .unwrap();
        let secret = issued
            .secret
            .map(|secret| secret.expose().to_owned())
            .unwrap_or_default();
        Key {
            id: issued.credential.key_id.to_string(),
            secret,
        }
    }

    /// Counts a wrong password, as if it came days ago.
    pub async fn wrong_password(&self, email: &str) {
        let audit = WrongPassword {
            one: None,
            last: self.audit_log().await.remove(0),
            more: None,
        };
        let email = email.parse().unwrap();
        let counted = self.store.password_was_wrong(email, 100, audit);
        counted.await.unwrap();
    }

    /// Every event of the audit log, oldest first.
    pub async fn audit_log(&self) -> Vec<AuditEvent> {
        let log = self
            .services
            .session_store()
            .list_audit(0, 10_000)
            .await
            .unwrap();
        log.into_iter().map(|entry| entry.event).collect()
    }

    /// Ends, narrows or quarantines behind the back of whoever holds a token.
    pub async fn quarantine(&self, key: &Key) {
        self.services
            .disable_credential(&self.host, key.key_id(), "leaked")
            .await
            .unwrap();
    }

    /// Limits a credential.
    pub async fn limit(&self, key: &Key, draft: &LimitsDraft) {
        let key_id = key.key_id();
        let read = self.services.credential(&self.host, key_id).await.unwrap();
        let read = read.credential.updated_at;
        self.services
            .limit_credential(&self.host, key_id, draft, read)
            .await
            .unwrap();
    }

    /// What was decided about a request.
    pub async fn decision(&self, answer: &Answer) -> DecisionRow {
        let request_id = answer.header("x-request-id").unwrap();
        let decision = self.services.decision(&self.host, request_id).await;
        decision.unwrap()
    }

    /// The same with a way out for mail.
    pub fn with_mail(mut self, mailer: Mailer) -> Self {
        let mail = Some(mailer);
        let shared = Shared::clone(&self.state);
        self.state = Shared { mail, ..shared }.into();
        self.front = Front::new(self.state.clone());
        self
    }

    /// Sends a request from the loopback address.
    pub async fn call(&self, request: Request<Body>) -> Answer {
        self.call_from("127.0.0.1:40000", request).await
    }

    pub async fn call_from(&self, peer: &str, mut request: Request<Body>) -> Answer {
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.front.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.to_vec(),
        }
    }

    /// Sends a token request with this form, `a=b&c=d` as it stands, and these headers.
    pub async fn ask_token(&self, form: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post("/v1/oauth2/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.call(request.body(Body::from(form.to_owned())).unwrap())
            .await
    }

    /// The form with which a client authenticates and asks for a token.
    pub async fn post_token(&self, key: &Key, more: &str) -> Answer {
        let (id, secret) = (&key.id, &key.secret);
        let form =
            format!("grant_type=client_credentials&client_id={id}&client_secret={secret}{more}");
        self.ask_token(&form, &[]).await
    }

    /// A fresh assertion of a credential of private key JWT.
    pub fn assertion(&self, key: &Key) -> String {
        let now = self.services.now().timestamp();
        let claims = json!({
            "iss": key.id, "sub": key.id, "aud": ISSUER, "exp": now + 60,
            "jti": service::Token::generate().expose(),
        });
        jsonwebtoken::encode(
            &Header::new(Algorithm::ES256),
            &claims,
            &EncodingKey::from_ec_der(&private_key_der()),
        )
        .unwrap()
    }

    /// An access token.
    pub async fn token(&self, key: &Key) -> String {
        self.post_token(key, "").await.ok().json()["access_token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Asks the gate as nginx would about a call, with these headers of the caller.
    pub async fn ask_gate(&self, (method, uri): (&str, &str), headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get("/v1/verify")
            .header("X-Original-Method", method)
            .header("X-Original-URI", uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.call(request.body(Body::empty()).unwrap()).await
    }

    /// Asks the gate with a Bearer token.
    pub async fn ask_with_token(&self, call: (&str, &str), token: &str) -> Answer {
        self.ask_gate(call, &[("Authorization", &format!("Bearer {token}"))])
            .await
    }

    /// The router on a real port, as the server serves it.
    pub async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(server::serve::serve(
            listener,
            self.front.clone(),
            std::future::pending(),
        ));
        address
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, if it is a success.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(
            self.status,
            StatusCode::OK,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }

    /// The cookie that it sets, as a browser sends it back, or nothing.
    #[track_caller]
    pub fn cookie(&self) -> Option<String> {
        let cookie = self.header("set-cookie")?;
        cookie.split(';').next().map(str::to_owned)
    }

    /// The only value of a header, or nothing.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert_eq!(values.next(), None, "{name} is there twice");
        value
    }

    /// A refusal of the token endpoint: its status and code.
    #[track_caller]
    pub fn refuses(&self, status: u16, error: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        assert_eq!(self.json()["error"], error, "{text}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(
            self.json()["request_id"].as_str(),
            self.header("x-request-id")
        );
    }

    /// A refusal of the gate: its status and code; and who asked is not told to the API.
    #[track_caller]
    pub fn gate_refuses(&self, status: u16, code: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        assert_eq!(self.json()["code"], code, "{text}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(
            self.json()["request_id"].as_str(),
            self.header("x-request-id")
        );
        assert!(self.json()["request_id"].is_string());
        for name in ["x-keyrack-key-id", "x-keyrack-name", "x-keyrack-scope"] {
            assert_eq!(self.header(name), None, "{text}");
        }
    }
}

/// One of the two JSON parts of a JWT: 0 for the header, 1 for the claims.
pub fn jwt_part(token: &str, part: usize) -> Value {
    let text = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

//! What must hold for whatever arrives: one function for each parser that strangers reach. The
//! fuzzers in `fuzz_targets` call them, and so do the server's tests, with the corpus and with
//! seeded changes to it.
//!
//! Each takes bytes, fails if its property doesn't hold, and says whether the bytes were accepted.
//!
//! `expect` is how a property says that it doesn't hold: nothing here runs in production.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::DateTime;
use domain::catalogue::Catalogue;
use domain::draft::CredentialDraft;
use domain::scope::ScopeSet;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value, json};
use server::http::authorization::Authorization;
use server::outbound::HttpOutbound;
use service::{
    Actor, AddPerson, ClientProof, ManualClock, MasterKey, RequestFacts, Services, Settings,
    TokenRequest,
};
use tokio::runtime::Runtime;

/// An `Authorization` header: Basic that is accepted has one spelling, and it is this one.
pub fn basic(data: &[u8]) -> bool {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return false;
    };
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
    let Ok(Some(Authorization::Basic(Some(basic)))) = Authorization::of(&headers) else {
        return false;
    };
    let (user, password) = (basic.user(), basic.password());
    assert!(!user.contains(':'), "the first colon splits");
    assert!(![user, password].concat().contains(char::is_control));
    let sent = std::str::from_utf8(data).expect("visible ASCII");
    let (_, sent) = sent.split_once(' ').expect("scheme and credentials");
    let spelled = STANDARD.encode(format!("{user}:{password}"));
    assert_eq!(sent.trim_start_matches(' '), spelled);
    true
}

/// A scope string: printing what was read and reading it again changes nothing.
pub fn scope(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let Ok(set) = text.parse::<ScopeSet>() else {
        return false;
    };
    let printed = set.to_string();
    assert_eq!(printed.parse::<ScopeSet>().as_ref(), Ok(&set));
    // Nothing is lost, nothing is added.
    let items = |text: &str| -> Vec<String> {
        let mut items: Vec<_> = text.split(' ').map(str::to_owned).collect();
        items.sort();
        items.dedup();
        items
    };
    assert_eq!(items(&printed), items(text));
    true
}

/// Method, blank and target of a call: what matches is a plain text in each segment once decoded, and
/// the same call with every escape that there can be.
pub fn path(data: &[u8]) -> bool {
    let Some((method, target)) = std::str::from_utf8(data)
        .ok()
        .and_then(|line| line.split_once(' '))
    else {
        return false;
    };
    let Ok(needs) = CATALOGUE.find(method, target) else {
        return false;
    };
    let path = target.split('?').next().unwrap_or_default();
    assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()));
    let mut escaped = String::new();
    for segment in path.split('/').skip(1) {
        let value = percent_decode_str(segment).decode_utf8().expect("text");
        assert!(
            value
                .split('/')
                .all(|part| !matches!(part, "" | "." | ".."))
        );
        assert!(!value.contains(['\\', ';', '#', '?']) && !value.contains(char::is_control));
        let again: Vec<u8> = percent_decode_str(&value).collect();
        assert_eq!(again, value.as_bytes(), "encoded twice");
        escaped.extend([
            "/",
            &utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string(),
        ]);
    }
    let depth = |path: &str| path.matches('/').count();
    assert_eq!(
        depth(needs.template),
        depth(path),
        "an escape hid a separator"
    );
    assert_eq!(CATALOGUE.find(method, &escaped), Ok(needs));
    true
}

/// A catalogue file: what is accepted, printed and read again is equal; what is refused says why.
pub fn catalogue(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let checked = Catalogue::read(text);
    let lines = text.split('\n').count();
    for finding in &checked.findings {
        assert!((1..=lines).contains(&finding.line), "{finding}");
    }
    let Some(catalogue) = checked.catalogue else {
        assert!(!checked.findings.is_empty(), "refused without a reason");
        return false;
    };
    let printed = toml::to_string(catalogue.file()).expect("it was TOML");
    assert_eq!(Catalogue::read(&printed).catalogue, Some(catalogue));
    true
}

/// A client assertion, as lines: header and claims as JSON, where `CLIENT` stands for the key id.
/// The client signs them; a third line stands in place of its signature. None of it gets a token
/// unless another reading of RFC 7523 and RFC 10070 finds it right, and the debugger says the same.
pub fn assertion(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let issuer = &*ISSUER;
    let text = text.replace("CLIENT", &issuer.client);
    let mut lines = text.lines();
    let (header, claims) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let [header_part, claims_part] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signed = format!("{header_part}.{claims_part}");
    let signature = lines
        .next()
        .map_or_else(|| issuer.sign(&signed), str::to_owned);
    let assertion = format!("{signed}.{signature}");

    let is_right = issuer.is_signature(&signed, &signature) && issuer.are_right(header, claims);
    let (debugged, accepted) = issuer.runtime.block_on(issuer.ask(&assertion));
    assert!(!accepted || is_right, "a token for {assertion}");
    assert_eq!(debugged, accepted, "the debugger on {assertion}");
    accepted
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let file = include_str!("../../catalogue/alpaca-broker.toml");
    Catalogue::read(file).catalogue.expect("it ships")
});

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::new);

const URL: &str = "https://keys.example.com/v1";
const NOW: u32 = 1_795_500_000;

/// An issuer with one client that signs.
struct Issuer {
    runtime: Runtime,
    services: Services,
    client: String,
    key: EcdsaKeyPair,
    /// Each try comes from another address, so that none is throttled.
    address: AtomicU32,
}

impl Issuer {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let rng = SystemRandom::new();
        let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &rng).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(curve, pkcs8.as_ref()).expect("its own key");
        let [x, y] =
            [1..33, 33..65].map(|part| URL_SAFE_NO_PAD.encode(&key.public_key().as_ref()[part]));
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
        let (services, client) = runtime.block_on(open(jwk.to_string()));
        Self {
            runtime,
            services,
            client,
            key,
            address: AtomicU32::new(0),
        }
    }

    fn sign(&self, message: &str) -> String {
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes());
        URL_SAFE_NO_PAD.encode(signature.expect("a signature"))
    }

    fn is_signature(&self, message: &str, signature: &str) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref());
        URL_SAFE_NO_PAD
            .decode(signature)
            .is_ok_and(|signature| key.verify(message.as_bytes(), &signature).is_ok())
    }

    /// Whether header and claims are right: RFC 7523 section 3, audience after RFC 10070, and the
    /// bounds that `docs/` promises.
    fn are_right(&self, header: &str, claims: &str) -> bool {
        let read = |text: &str| serde_json::from_str::<Map<String, Value>>(text).ok();
        let (Some(header), Some(claims)) = (read(header), read(claims)) else {
            return false;
        };
        // Keyrack counts milliseconds.
        let at = |name: &str| {
            let seconds = claims.get(name)?.as_f64()?;
            Some((seconds * 1000.0).floor() - f64::from(NOW) * 1000.0)
        };
        let [leeway, hour] = [30_000.0, 3_600_000.0];
        let has_begun =
            |name: &str| !claims.contains_key(name) || at(name).is_some_and(|at| at <= leeway);
        let types = [
            "jwt",
            "application/jwt",
            "client-authentication+jwt",
            "application/client-authentication+jwt",
        ];
        let is_of_type = |typ: &Value| {
            typ.as_str()
                .is_some_and(|typ| types.iter().any(|known| typ.eq_ignore_ascii_case(known)))
        };
        header.get("alg") == Some(&json!("ES256"))
            && header.get("typ").is_none_or(is_of_type)
            && !header.contains_key("crit")
            && claims.get("iss") == Some(&json!(self.client))
            && claims.get("sub") == Some(&json!(self.client))
            && claims
                .get("aud")
                .is_some_and(|aud| [json!(URL), json!([URL])].contains(aud))
            && at("exp").is_some_and(|at| at > -leeway && at <= hour + leeway)
            && has_begun("nbf")
            && has_begun("iat")
            && claims
                .get("jti")
                .and_then(Value::as_str)
                .is_some_and(|id| (1..=256).contains(&id.len()))
    }

    /// Whether the debugger finds no fault, and whether there is a token.
    async fn ask(&self, assertion: &str) -> (bool, bool) {
        let report = self
            .services
            .debug_assertion(&Actor::host("fuzz"), assertion)
            .await;
        let debugged = report.is_ok_and(|report| report.findings.iter().all(|rule| rule.passed));
        let address = self.address.fetch_add(1, Ordering::Relaxed);
        let facts = RequestFacts {
            address: Some(Ipv4Addr::from(address).into()),
            request_id: None,
        };
        let proof = ClientProof::Assertion {
            client_id: None,
            assertion,
        };
        let request = TokenRequest {
            proof,
            scope: None,
            resources: &[],
        };
        (
            debugged,
            self.services.issue_token(request, &facts).await.is_ok(),
        )
    }
}

/// Keyrack in memory, and the key id of the one client with this public key.
async fn open(public_key: String) -> (Services, String) {
    let store = service::connect("sqlite::memory:").await.expect("a store");
    store.migrate().await.expect("the schema");
    let settings = Settings {
        password_hashers: 1,
        ..Settings::usual(URL)
    };
    let now = DateTime::from_timestamp(NOW.into(), 0).expect("an instant");
    let clock = Arc::new(ManualClock::at(now));
    let master = MasterKey::new([7; 32]);
    let outbound = Arc::new(HttpOutbound::new(settings.outbound.clone()));
    let services = Services::open(store, &master, CATALOGUE.clone(), settings, clock, outbound)
        .await
        .expect("the use cases");
    let host = Actor::host("fuzz");
    let person = AddPerson {
        name: "Mara Okafor".to_owned(),
        email: "mara@example.com".to_owned(),
        role: "superuser".to_owned(),
    };
    let owner = services.add_person(&host, &person).await.expect("a person");
    let draft = CredentialDraft {
        name: "risk-dashboard".to_owned(),
        purpose: "Signs whatever a fuzzer makes up".to_owned(),
        owner: owner.user.id.to_string(),
        flow: "private_key_jwt".to_owned(),
        expires: "30d".to_owned(),
        access: "read_only".to_owned(),
        public_key,
        ..CredentialDraft::default()
    };
    let issued = services.issue_credential(&host, &draft, None).await;
    let client = issued.expect("a client").credential.key_id.to_string();
    (services, client)
}

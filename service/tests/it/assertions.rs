//! Private key JWT: who gets a token for an assertion, and who does not (checks 19 to 27).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use domain::key_id::KeyId;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use service::{
    Cause, ClientProof, IssuedToken, PublicKeyDraft, Refusal, RequestFacts, Rule, ServiceError,
    Settings, TokenError, TokenRequest,
};

use tokio::task::JoinSet;

use crate::harness::{Team, call_with_token, open, open_with, postgres, settings};
use crate::signing::Program;

const ISSUER: &str = "https://keys.example.com/v1";
const ALL: [Algorithm; 5] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::EdDSA,
];

/// A team with one credential of private key JWT, and the program that holds its key.
struct Scene {
    team: Team,
    program: Program,
    key_id: KeyId,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Algorithm::ES256).await
    }

    async fn with(algorithm: Algorithm) -> Self {
        let team = Team::new().await;
        let program = Program::new(algorithm);
        let key_id = register(&team, &program).await;
        Self {
            team,
            program,
            key_id,
        }
    }

    fn claims(&self) -> Value {
        let now = self.team.services.now().timestamp();
        json!({
            "iss": self.key_id, "sub": self.key_id, "aud": ISSUER,
            "iat": now, "exp": now + 60, "jti": service::Token::generate().expose(),
        })
    }

    /// The claims with some of them changed; `null` takes one away.
    fn claims_but(&self, changes: Value) -> Value {
        change(self.claims(), changes)
    }

    fn assertion(&self, claims: &Value) -> String {
        self.program.sign(&self.program.header(), claims)
    }

    async fn ask(&self, assertion: &str) -> Result<IssuedToken, TokenError> {
        ask(&self.team, None, assertion).await
    }

    #[track_caller]
    fn refuses(outcome: Result<IssuedToken, TokenError>, rule: Rule, what: &Value) {
        match outcome {
            Err(TokenError::InvalidClient(denial)) => {
                assert_eq!(*denial.cause, Cause::Assertion(rule), "{what}");
            }
            Err(error) => panic!("{what}: {error}"),
            Ok(_) => panic!("{what}: a token"),
        }
    }
}

async fn register(team: &Team, program: &Program) -> KeyId {
    let mut draft = team.draft("private_key_jwt", &[("accounts", "read")]);
    draft.public_key = program.public_key.clone();
    let issued = team
        .services
        .issue_credential(&team.host, &draft, None)
        .await;
    issued.unwrap().credential.key_id
}

async fn ask(
    team: &Team,
    client_id: Option<&str>,
    assertion: &str,
) -> Result<IssuedToken, TokenError> {
    let request = TokenRequest {
        proof: ClientProof::Assertion {
            client_id,
            assertion,
        },
        scope: None,
        resources: &[],
    };
    team.services
        .issue_token(request, &RequestFacts::default())
        .await
}

fn change(mut object: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}

#[tokio::test]
async fn check_19_a_good_assertion_of_each_algorithm_gets_a_token() {
    for algorithm in ALL {
        let scene = Scene::with(algorithm).await;
        for audience in [json!(ISSUER), json!([ISSUER])] {
            let assertion = scene.assertion(&scene.claims_but(json!({ "aud": audience })));
            let token = scene.ask(&assertion).await.expect("a token");
            let token = token.access_token;
            let services = &scene.team.services;
            call_with_token(services, &token, "GET", "/v1/accounts")
                .await
                .expect("the gate takes it");
        }
    }
}

/// RFC 9864 names the algorithm by its curve, and clients that follow it do, too.
#[tokio::test]
async fn check_19_ed25519_goes_by_its_old_and_its_new_name() {
    let scene = Scene::with(Algorithm::EdDSA).await;
    for name in ["EdDSA", "Ed25519"] {
        let header = change(scene.program.header(), json!({ "alg": name }));
        let assertion = scene.program.sign(&header, &scene.claims());
        assert!(scene.ask(&assertion).await.is_ok(), "{name}");
    }
    let header = change(scene.program.header(), json!({ "alg": "Ed448" }));
    let assertion = scene.program.sign(&header, &scene.claims());
    Scene::refuses(scene.ask(&assertion).await, Rule::Algorithm, &header);
}

#[tokio::test]
async fn check_20_the_audience_is_the_issuer_and_nobody_else() {
    let scene = Scene::new().await;
    let endpoint = "https://keys.example.com/v1/oauth2/token";
    for audience in [
        json!(endpoint),
        json!([ISSUER, "https://other.example"]),
        json!([ISSUER, ISSUER]),
        json!([]),
        json!("https://other.example"),
        json!("https://keys.example.com/v1/"),
        json!(null),
        json!(7),
        json!({ "a": ISSUER }),
    ] {
        let claims = scene.claims_but(json!({ "aud": audience }));
        let outcome = scene.ask(&scene.assertion(&claims)).await;
        Scene::refuses(outcome, Rule::Audience, &audience);
    }
}

#[tokio::test]
async fn check_20_a_switch_takes_the_token_endpoint_as_audience_too() {
    let mut scene = Scene::new().await;
    let endpoint = "https://keys.example.com/v1/oauth2/token";
    let assertion = |scene: &Scene, audience: &Value| {
        scene.assertion(&scene.claims_but(json!({ "aud": audience })))
    };
    let refused = scene.ask(&assertion(&scene, &json!(endpoint))).await;
    Scene::refuses(refused, Rule::Audience, &json!("without the switch"));
    let audiences = [ISSUER, endpoint].map(ToOwned::to_owned);
    let switched = Settings {
        assertion_audiences: audiences.into(),
        ..settings()
    };
    let (store, clock) = (scene.team.store.clone(), scene.team.clock.clone());
    scene.team.services = open_with(store, clock, switched).await;
    for audience in [
        json!(ISSUER),
        json!([ISSUER]),
        json!(endpoint),
        json!([endpoint]),
        json!([ISSUER, endpoint]),
        json!([endpoint, ISSUER]),
    ] {
        let taken = scene.ask(&assertion(&scene, &audience)).await;
        assert!(taken.is_ok(), "{audience}");
    }
    for audience in [
        json!([ISSUER, "https://other.example"]),
        json!([ISSUER, endpoint, "https://other.example"]),
        json!([ISSUER, endpoint, ISSUER]),
        json!([]),
        json!(format!("{ISSUER} {endpoint}")),
        json!("https://keys.example.com/v1/oauth2/introspect"),
        json!("https://other.example/v1/oauth2/token"),
        json!(null),
    ] {
        let refused = scene.ask(&assertion(&scene, &audience)).await;
        Scene::refuses(refused, Rule::Audience, &audience);
    }
}

#[tokio::test]
async fn check_21_a_token_of_another_type_is_no_assertion() {
    let scene = Scene::new().await;
    let with = |typ: Value| change(scene.program.header(), json!({ "typ": typ }));
    for typ in ["at+jwt", "logout+jwt", "id_token", "", "application/at+jwt"] {
        let assertion = scene.program.sign(&with(json!(typ)), &scene.claims());
        Scene::refuses(scene.ask(&assertion).await, Rule::Type, &json!(typ));
    }
    let numbered = scene.program.sign(&with(json!(1)), &scene.claims());
    Scene::refuses(scene.ask(&numbered).await, Rule::Type, &json!(1));
    for typ in [
        json!(null),
        json!("JWT"),
        json!("jwt"),
        json!("client-authentication+jwt"),
        json!("application/client-authentication+jwt"),
    ] {
        let assertion = scene.program.sign(&with(typ.clone()), &scene.claims());
        assert!(scene.ask(&assertion).await.is_ok(), "{typ}");
    }
}

#[tokio::test]
async fn check_22_issuer_and_subject_are_the_client() {
    let scene = Scene::new().await;
    let other = register(&scene.team, &Program::new(Algorithm::ES256)).await;
    for (changes, rule) in [
        (json!({ "iss": other }), Rule::Client),
        (json!({ "iss": null }), Rule::Client),
        (json!({ "iss": [scene.key_id] }), Rule::Client),
        // Signed with a key that is not the other client's.
        (json!({ "iss": other, "sub": other }), Rule::Signature),
    ] {
        let assertion = scene.assertion(&scene.claims_but(changes.clone()));
        Scene::refuses(scene.ask(&assertion).await, rule, &changes);
    }
    for changes in [json!({ "sub": null }), json!({ "sub": "KRNOBODY" })] {
        let assertion = scene.assertion(&scene.claims_but(changes));
        assert!(matches!(
            scene.ask(&assertion).await,
            Err(TokenError::InvalidClient(_))
        ));
    }
    let assertion = scene.assertion(&scene.claims());
    let named = ask(&scene.team, Some(other.as_str()), &assertion).await;
    assert!(
        matches!(named, Err(TokenError::InvalidClient(_))),
        "client_id is another"
    );
    let named = ask(&scene.team, Some(scene.key_id.as_str()), &assertion).await;
    assert!(named.is_ok());
}

#[tokio::test]
async fn check_23_it_ends_soon_and_has_begun() {
    let scene = Scene::new().await;
    let now = scene.team.services.now().timestamp();
    for exp in [
        json!(null),
        json!("soon"),
        json!(now.to_string()),
        json!(now - 30),
        json!(now + 3_600 + 31),
        json!(-1),
        json!(1e300),
        // The last second that the calendar has: nothing can be added to it.
        json!(8_210_266_876_799_i64),
        json!([now + 60]),
        json!(true),
    ] {
        let claims = scene.claims_but(json!({ "exp": exp }));
        let outcome = scene.ask(&scene.assertion(&claims)).await;
        Scene::refuses(outcome, Rule::Expiry, &exp);
    }
    for exp in [
        json!(now - 29),
        json!(now + 3_600 + 30),
        json!(1_795_500_000.5),
    ] {
        let claims = scene.claims_but(json!({ "exp": exp }));
        assert!(scene.ask(&scene.assertion(&claims)).await.is_ok(), "{exp}");
    }
    for changes in [
        json!({ "nbf": now + 31 }),
        json!({ "iat": now + 31 }),
        json!({ "nbf": "now" }),
    ] {
        let outcome = scene
            .ask(&scene.assertion(&scene.claims_but(changes.clone())))
            .await;
        Scene::refuses(outcome, Rule::Beginning, &changes);
    }
    let early = scene.claims_but(json!({ "nbf": now + 30, "iat": null }));
    assert!(scene.ask(&scene.assertion(&early)).await.is_ok());
}

#[tokio::test]
async fn check_24_an_id_works_once_for_each_client() {
    let scene = Scene::new().await;
    for jti in [json!(null), json!(""), json!(7), json!("x".repeat(257))] {
        let claims = scene.claims_but(json!({ "jti": jti }));
        let outcome = scene.ask(&scene.assertion(&claims)).await;
        Scene::refuses(outcome, Rule::Id, &jti);
    }
    let claims = scene.claims_but(json!({ "jti": "x".repeat(256) }));
    let assertion = scene.assertion(&claims);
    assert!(scene.ask(&assertion).await.is_ok());
    Scene::refuses(scene.ask(&assertion).await, Rule::SingleUse, &claims);
    // With another signature, or other claims, it is still the same id.
    let again = scene.assertion(&change(claims.clone(), json!({ "iat": null })));
    Scene::refuses(scene.ask(&again).await, Rule::SingleUse, &claims);
    // It is remembered as long as it could be accepted.
    scene.team.clock.advance(TimeDelta::seconds(60 + 29));
    Scene::refuses(scene.ask(&assertion).await, Rule::SingleUse, &claims);
    // And by whoever opens the database next.
    let restarted = open(scene.team.store.clone(), scene.team.clock.clone()).await;
    let request = TokenRequest {
        proof: ClientProof::Assertion {
            client_id: None,
            assertion: &assertion,
        },
        scope: None,
        resources: &[],
    };
    let outcome = restarted
        .issue_token(request, &RequestFacts::default())
        .await;
    Scene::refuses(outcome, Rule::SingleUse, &claims);
    // The same id of another client is another id.
    let other = Program::new(Algorithm::EdDSA);
    let key_id = register(&scene.team, &other).await;
    let claims = scene.claims_but(json!({ "iss": key_id, "sub": key_id, "jti": claims["jti"] }));
    let assertion = other.sign(&other.header(), &claims);
    assert!(scene.ask(&assertion).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn check_24_of_many_at_once_exactly_one_gets_a_token() {
    let scene = Arc::new(Scene::new().await);
    for _ in 0..10 {
        // Failures of a client are limited; each round has a window of its own.
        scene.team.clock.advance(TimeDelta::minutes(2));
        let assertion = scene.assertion(&scene.claims());
        let tries = (0..20).map(|_| {
            let (scene, assertion) = (scene.clone(), assertion.clone());
            tokio::spawn(async move { scene.ask(&assertion).await.is_ok() })
        });
        let mut won = 0;
        for one in tries.collect::<Vec<_>>() {
            won += usize::from(one.await.unwrap());
        }
        assert_eq!(won, 1);
    }
}

#[tokio::test]
async fn check_25_only_registered_keys_and_their_algorithm_count() {
    let scene = Scene::new().await;
    let stranger = Program::new(Algorithm::ES256);
    let forged = stranger.sign(&stranger.header(), &scene.claims());
    Scene::refuses(
        scene.ask(&forged).await,
        Rule::Signature,
        &json!("stranger"),
    );
    for (header, rule) in [
        (json!({ "alg": "none" }), Rule::Algorithm),
        (json!({ "alg": "HS256" }), Rule::Algorithm),
        (json!({ "alg": "ES384" }), Rule::Algorithm),
        (json!({ "alg": "RS256" }), Rule::Algorithm),
        (json!({ "alg": "es256" }), Rule::Algorithm),
        (json!({ "alg": null }), Rule::Algorithm),
        (json!({ "alg": 5 }), Rule::Algorithm),
        (json!({ "crit": ["exp"] }), Rule::Critical),
        (json!({ "crit": [] }), Rule::Critical),
    ] {
        let signed = scene.program.sign(
            &change(scene.program.header(), header.clone()),
            &scene.claims(),
        );
        Scene::refuses(scene.ask(&signed).await, rule, &header);
    }
    // The public key as a shared secret.
    let header = json!({ "alg": "HS256" });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(&scene.claims()));
    let secret = jsonwebtoken::EncodingKey::from_secret(scene.program.public_key.as_bytes());
    let tag = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
    let outcome = scene.ask(&format!("{message}.{tag}")).await;
    Scene::refuses(outcome, Rule::Algorithm, &header);
    // A key that comes along is not looked at, and does not stand in the way of the right one.
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" });
    let along = change(
        scene.program.header(),
        json!({ "jwk": jwk, "jku": "https://e.example/keys", "x5u": "https://e.example/x" }),
    );
    let forged = stranger.sign(&along, &scene.claims());
    Scene::refuses(scene.ask(&forged).await, Rule::Signature, &along);
    let good = scene.program.sign(&along, &scene.claims());
    assert!(scene.ask(&good).await.is_ok());
}

#[tokio::test]
async fn check_26_keys_come_and_go_at_once() {
    let scene = Scene::new().await;
    let services = &scene.team.services;
    let second = Program::new(Algorithm::EdDSA);
    let draft = PublicKeyDraft {
        name: "second machine".into(),
        public_key: second.public_key.clone(),
        expires: "1w".into(),
    };
    let host = &scene.team.host;
    let added = services
        .add_public_keys(host, scene.key_id, &draft)
        .await
        .unwrap();
    for kid in [
        json!(null),
        json!("ed"),
        json!(added[0].thumbprint),
        json!("unknown"),
    ] {
        let header = change(second.header(), json!({ "kid": kid }));
        let assertion = second.sign(&header, &scene.claims());
        assert!(scene.ask(&assertion).await.is_ok(), "kid {kid}");
    }
    // The kid of another registered key is a contradiction.
    let header = change(scene.program.header(), json!({ "kid": "ed" }));
    let crossed = scene.program.sign(&header, &scene.claims());
    Scene::refuses(scene.ask(&crossed).await, Rule::Signature, &header);
    let twice = services.add_public_keys(host, scene.key_id, &draft).await;
    assert!(matches!(twice, Err(ServiceError::Invalid(fields)) if fields[0].field == "public_key"));
    // It ends by time …
    let assertion = |claims| second.sign(&second.header(), &claims);
    scene
        .team
        .clock
        .advance(TimeDelta::days(7) - TimeDelta::seconds(1));
    assert!(scene.ask(&assertion(scene.claims())).await.is_ok());
    scene.team.clock.advance(TimeDelta::seconds(1));
    let outcome = scene.ask(&assertion(scene.claims())).await;
    Scene::refuses(outcome, Rule::Signature, &json!("ended"));
    // … or by hand; the last one stays.
    let first = services
        .credential(host, scene.key_id)
        .await
        .unwrap()
        .public_keys;
    let first = first.iter().find(|key| key.algorithm == "ES256").unwrap();
    assert!(scene.ask(&scene.assertion(&scene.claims())).await.is_ok());
    services
        .remove_public_key(host, scene.key_id, &first.thumbprint)
        .await
        .unwrap();
    let outcome = scene.ask(&scene.assertion(&scene.claims())).await;
    assert!(matches!(outcome, Err(TokenError::InvalidClient(_))));
    let last = services
        .remove_public_key(host, scene.key_id, &added[0].thumbprint)
        .await;
    assert!(matches!(last, Err(ServiceError::Conflict(_))), "{last:?}");
}

/// A program that always signs as the same `kid`: its next key waits until the one before has ended.
#[tokio::test]
async fn check_26_a_kid_is_refused_while_another_key_has_it() {
    let scene = Scene::new().await;
    let [first, next] = [(); 2].map(|()| Program::new(Algorithm::EdDSA));
    let services = &scene.team.services;
    let add = async |public_key: &str| {
        let draft = PublicKeyDraft {
            public_key: public_key.to_owned(),
            expires: "1w".into(),
            ..PublicKeyDraft::default()
        };
        let added = services.add_public_keys(&scene.team.host, scene.key_id, &draft);
        added.await
    };
    let refusal = |outcome| match outcome {
        Err(ServiceError::Invalid(fields)) if fields[0].field == "public_key" => {
            fields[0].message.clone()
        }
        other => panic!("{other:?}"),
    };
    let thumbprint = add(&first.public_key).await.unwrap().remove(0).thumbprint;
    let words = refusal(add(&next.public_key).await);
    let expected = format!("The key {thumbprint} has the kid ed already");
    assert!(words.starts_with(&expected), "{words}");
    let other = Program::new(Algorithm::ES256);
    // In a set of several it stops the others, too.
    let set = json!({ "keys": [other.jwk(), next.jwk()] }).to_string();
    refusal(add(&set).await);
    let record = services.credential(&scene.team.host, scene.key_id).await;
    assert_eq!(record.unwrap().public_keys.len(), 2);
    let within = json!({ "keys": [first.jwk(), other.jwk(), next.jwk()] }).to_string();
    let words = refusal(add(&within).await);
    assert!(words.starts_with("Keys 1 and 3 of this set"), "{words}");

    let as_ed = |program: &Program| {
        let header = change(program.header(), json!({ "kid": "ed" }));
        program.sign(&header, &scene.claims())
    };
    assert!(scene.ask(&as_ed(&first)).await.is_ok());
    scene.team.clock.advance(TimeDelta::days(7));
    add(&set).await.unwrap();
    assert!(scene.ask(&as_ed(&next)).await.is_ok());
    for wrong in [&first, &other] {
        let refused = scene.ask(&as_ed(wrong)).await;
        Scene::refuses(refused, Rule::Signature, &json!("ed"));
    }
}

/// The halves of an ECDSA signature, r and s, as two integers of DER (RFC 3279 section 2.2.3).
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let start = half.iter().position(|byte| *byte != 0).unwrap();
        let sign: &[u8] = if half[start] < 0x80 { &[] } else { &[0] };
        let digits = [sign, &half[start..]].concat();
        [vec![2, u8::try_from(digits.len()).unwrap()], digits].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat()
}

#[tokio::test]
async fn check_27_malformed_ecdsa_signatures_are_refused() {
    for algorithm in [Algorithm::ES256, Algorithm::ES384] {
        let scene = Scene::with(algorithm).await;
        let good = scene.assertion(&scene.claims());
        let (message, signature) = good.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let (r, s) = signature.split_at(signature.len() / 2);
        let zero = vec![0; r.len()];
        let most = vec![0xff; r.len()];
        for (what, bent) in [
            ("nothing", vec![]),
            ("one byte", vec![0]),
            ("r alone", r.to_vec()),
            ("r = s = 0", vec![0; signature.len()]),
            ("r = 0", [&zero, s].concat()),
            ("s = 0", [r, &zero].concat()),
            ("r too large", [&most, s].concat()),
            ("s too large", [r, &most].concat()),
            ("swapped", [s, r].concat()),
            ("a byte less", signature[1..].to_vec()),
            ("a byte more", [&signature[..], &[0]].concat()),
            ("a zero before each half", [&[0], r, &[0], s].concat()),
            ("DER", der(r, s)),
        ] {
            let bent = URL_SAFE_NO_PAD.encode(bent);
            let outcome = scene.ask(&format!("{message}.{bent}")).await;
            Scene::refuses(outcome, Rule::Signature, &json!([algorithm, what]));
        }
        assert!(scene.ask(&good).await.is_ok(), "{algorithm:?}");
    }
}

/// One that a key of small order accepts for every message: its R is the same point, its S zero.
/// Such keys are refused when they are added.
#[tokio::test]
async fn check_27_weak_ed25519_keys_and_their_signatures_are_refused() {
    let scene = Scene::with(Algorithm::EdDSA).await;
    let one = [&[1][..], &[0; 31]].concat();
    let x = URL_SAFE_NO_PAD.encode(&one);
    let draft = PublicKeyDraft {
        public_key: json!({ "kty": "OKP", "crv": "Ed25519", "x": x }).to_string(),
        expires: "never".into(),
        ..PublicKeyDraft::default()
    };
    let services = &scene.team.services;
    let added = services.add_public_keys(&scene.team.host, scene.key_id, &draft);
    let added = added.await;
    assert!(
        matches!(&added, Err(ServiceError::Invalid(fields)) if fields[0].field == "public_key")
    );
    let good = scene.assertion(&scene.claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for (what, bent) in [
        ("zeros", vec![0; 64]),
        ("of small order", [&one[..], &[0; 32]].concat()),
        ("R alone", signature[..32].to_vec()),
        ("S = 0", [&signature[..32], &[0; 32]].concat()),
        ("S too large", [&signature[..32], &[0xff; 32]].concat()),
    ] {
        let bent = URL_SAFE_NO_PAD.encode(bent);
        let outcome = scene.ask(&format!("{message}.{bent}")).await;
        Scene::refuses(outcome, Rule::Signature, &json!(what));
    }
    assert!(scene.ask(&good).await.is_ok());
}

#[tokio::test]
async fn check_27_texts_that_are_no_assertion_are_refused() {
    let scene = Scene::new().await;
    let good = scene.assertion(&scene.claims());
    let (message, _) = good.rsplit_once('.').unwrap();
    let outcome = scene.ask(&format!("{message}.!!!")).await;
    Scene::refuses(outcome, Rule::Signature, &json!("!!!"));
    for text in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        &"a".repeat(9_000),
        "e30.e30",
        "e30.W10.AA",
    ] {
        let outcome = scene.ask(text).await;
        Scene::refuses(outcome, Rule::Form, &json!(text));
    }
}

/// It names its client and is signed well, but it is for the token endpoint.
#[tokio::test]
async fn check_31_an_assertion_is_no_access_token() {
    let scene = Scene::new().await;
    let services = &scene.team.services;
    let assertion = scene.assertion(&scene.claims());
    let token = scene.ask(&assertion).await.unwrap().access_token;
    let (token_header, _) = token.split_once('.').unwrap();
    let token_header = URL_SAFE_NO_PAD.decode(token_header).unwrap();
    // As it is, and under the header of a token.
    let copied: Value = serde_json::from_slice(&token_header).unwrap();
    let claims = scene.claims_but(json!({ "client_id": scene.key_id, "scope": "accounts:read" }));
    for presented in [assertion, scene.program.sign(&copied, &claims)] {
        let refused = call_with_token(services, &presented, "GET", "/v1/accounts").await;
        let Err(Refusal::InvalidToken(denial)) = refused else {
            panic!("{presented}");
        };
        assert_eq!(*denial.cause, Cause::ForeignToken);
    }
    let good = call_with_token(services, &token, "GET", "/v1/accounts").await;
    assert!(good.is_ok());
}

#[tokio::test]
async fn check_14_a_stopped_credential_gets_nothing_more() {
    let scene = Scene::new().await;
    let services = &scene.team.services;
    let key_id = scene.key_id;
    services
        .disable_credential(&scene.team.host, key_id, "seen in a log")
        .await
        .unwrap();
    let outcome = scene.ask(&scene.assertion(&scene.claims())).await;
    let Err(TokenError::InvalidClient(denial)) = outcome else {
        panic!("a token");
    };
    assert!(matches!(*denial.cause, Cause::Disabled { .. }));
    services
        .enable_credential(&scene.team.host, key_id, "")
        .await
        .unwrap();
    assert!(scene.ask(&scene.assertion(&scene.claims())).await.is_ok());
}

#[tokio::test]
async fn the_debugger_names_each_broken_rule_and_uses_nothing_up() {
    let scene = Scene::new().await;
    let services = &scene.team.services;
    let host = &scene.team.host;
    let broken = |report: &service::AssertionReport| {
        let failed = report.findings.iter().filter(|finding| !finding.passed);
        failed.map(|finding| finding.rule).collect::<Vec<_>>()
    };
    let good = scene.assertion(&scene.claims());
    for _ in 0..2 {
        let report = services.debug_assertion(host, &good).await.unwrap();
        assert_eq!(broken(&report), []);
        assert_eq!(report.client.as_ref().unwrap().0, scene.key_id);
        assert_eq!(report.findings.len(), 11, "every rule has its line");
    }
    assert!(scene.ask(&good).await.is_ok(), "the debugger used it up");
    let report = services.debug_assertion(host, &good).await.unwrap();
    assert_eq!(broken(&report), [Rule::SingleUse]);

    let claims = scene.claims_but(json!({ "aud": "x", "exp": 1, "jti": null }));
    let report = services
        .debug_assertion(host, &scene.assertion(&claims))
        .await
        .unwrap();
    assert_eq!(broken(&report), [Rule::Audience, Rule::Expiry, Rule::Id]);

    // What can't be looked at is not called wrong.
    let nobody = scene.claims_but(json!({
        "iss": "KRAAAAAAAAAAAAAAAAAAAA", "sub": "KRAAAAAAAAAAAAAAAAAAAA",
    }));
    let report = services
        .debug_assertion(host, &scene.assertion(&nobody))
        .await
        .unwrap();
    assert_eq!(broken(&report), [Rule::Client]);
    let reached: Vec<_> = report.findings.iter().map(|one| one.rule).collect();
    for rule in [Rule::Algorithm, Rule::Signature, Rule::SingleUse] {
        assert!(!reached.contains(&rule), "{rule:?}");
    }

    services
        .disable_credential(host, scene.key_id, "leaked")
        .await
        .unwrap();
    let report = services
        .debug_assertion(host, &scene.assertion(&scene.claims()))
        .await
        .unwrap();
    assert_eq!(broken(&report), [Rule::Client]);

    let issued = scene.team.issue("legacy", &[("accounts", "read")]).await;
    for secret in [
        issued.secret.unwrap().expose(),
        "-----BEGIN PRIVATE KEY-----",
        r#"{"kty":"EC","d":"x"}"#,
        "krg_x",
    ] {
        let refused = services.debug_assertion(host, secret).await;
        assert!(matches!(refused, Err(ServiceError::Invalid(_))), "{secret}");
    }
}

/// A fleet behind one NAT address, on both databases.
#[tokio::test(flavor = "multi_thread")]
async fn right_assertions_at_once_all_get_a_token_and_wrong_ones_only_so_many_tries() {
    const FLEET: usize = 200;
    for url in ["sqlite::memory:", &postgres()] {
        let team = Team::at(url).await;
        let program = Program::new(Algorithm::ES256);
        let key_id = register(&team, &program).await;
        let scene = Arc::new(Scene {
            team,
            program,
            key_id,
        });
        let at_once = async |audience: &'static str| {
            let mut fleet = JoinSet::new();
            for _ in 0..FLEET {
                let scene = scene.clone();
                fleet.spawn(async move {
                    let claims = scene.claims_but(json!({ "aud": audience }));
                    scene.ask(&scene.assertion(&claims)).await
                });
            }
            fleet.join_all().await
        };
        let issued = at_once(ISSUER).await;
        assert_eq!(issued.iter().filter(|one| one.is_ok()).count(), FLEET);
        let refused = at_once("https://elsewhere.example").await;
        let tried = |one: &&_| matches!(one, Err(TokenError::InvalidClient(_)));
        let waits = |one: &&_| matches!(one, Err(TokenError::Throttled { .. }));
        assert_eq!(refused.iter().filter(tried).count(), 30);
        assert_eq!(refused.iter().filter(waits).count(), FLEET - 30);
    }
}

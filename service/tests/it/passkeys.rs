//! Passkeys, with an authenticator of the tests' own.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::{Value, json};
use service::{
    Actor, HalfLogIn, LogInStep, PasskeyQuestion, ProofWay, RequestFacts, SecondFactorId,
    ServiceError, ServiceResult,
};

use crate::harness::{PASSWORD, Team};

const ORIGIN: &str = "https://keys.example.com";
/// Somebody is there, and the authenticator knows who.
const VERIFIED: u8 = 0b101;
/// Somebody is there.
const PRESENT: u8 = 0b001;
/// A new passkey follows.
const NEW: u8 = 0b100_0000;

/// A phone or a key, with one passkey.
struct Authenticator {
    key: EcdsaKeyPair,
    id: [u8; 16],
    counter: u32,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The ticket and the challenge of a question.
fn parts(question: &PasskeyQuestion) -> (Value, Value) {
    let question = serde_json::to_value(question).unwrap();
    let challenge = question["options"]["challenge"].clone();
    (question["ticket"].clone(), challenge)
}

impl Authenticator {
    fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self {
            key,
            id: service::clock::random_bytes(),
            counter: 0,
        }
    }

    fn data(&mut self, flags: u8) -> Vec<u8> {
        self.counter += 1;
        let party = digest(&SHA256, b"keys.example.com");
        [party.as_ref(), &[flags], &self.counter.to_be_bytes()].concat()
    }

    fn client_data(kind: &str, challenge: &Value, origin: &str) -> String {
        json!({ "type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false })
            .to_string()
    }

    /// What the browser sends for a new passkey (Web Authentication sections 6.5 and 8.7).
    fn make(&mut self, question: &PasskeyQuestion, origin: &str) -> String {
        let (ticket, challenge) = parts(question);
        let client_data = Self::client_data("webauthn.create", &challenge, origin);
        let mut data = self.data(VERIFIED | NEW);
        data.extend([0; 16]);
        data.extend([0, 16]);
        data.extend(self.id);
        // The key as COSE: an elliptic curve, ES256, P-256, x, y.
        let point = self.key.public_key().as_ref();
        data.extend([0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 32]);
        data.extend(&point[33..]);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(data);
        json!({
            "ticket": ticket,
            "response": {
                "id": encode(self.id), "rawId": encode(self.id), "type": "public-key",
                "clientExtensionResults": {},
                "response": {
                    "clientDataJSON": encode(client_data), "attestationObject": encode(object),
                },
            },
        })
        .to_string()
    }

    /// What the browser sends for a signature (Web Authentication section 6.3.3).
    fn sign(&mut self, question: &PasskeyQuestion, origin: &str, flags: u8) -> String {
        let (ticket, challenge) = parts(question);
        let client_data = Self::client_data("webauthn.get", &challenge, origin);
        let data = self.data(flags);
        let signed = [&data, digest(&SHA256, client_data.as_bytes()).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "ticket": ticket,
            "response": {
                "id": encode(self.id), "rawId": encode(self.id), "type": "public-key",
                "clientExtensionResults": {},
                "response": {
                    "clientDataJSON": encode(client_data), "authenticatorData": encode(data),
                    "signature": encode(signature), "userHandle": null,
                },
            },
        })
        .to_string()
    }
}

async fn add(team: &Team, actor: &Actor, name: &str) -> Authenticator {
    let mut authenticator = Authenticator::new();
    let question = team.services.ask_for_new_passkey(actor).await.unwrap();
    let made = authenticator.make(&question, ORIGIN);
    team.services.add_passkey(actor, name, &made).await.unwrap();
    authenticator
}

async fn half(team: &Team) -> HalfLogIn {
    let facts = RequestFacts::default();
    let step = team.services.log_in("mara@example.com", PASSWORD, &facts);
    match step.await.unwrap() {
        LogInStep::Half(half) => half,
        LogInStep::Done(_) => panic!("no second factor was asked for"),
    }
}

fn is_wrong<T: std::fmt::Debug>(result: &ServiceResult<T>) -> bool {
    matches!(result, Err(ServiceError::Invalid(fields)) if fields[0].field == "proof")
}

#[tokio::test]
async fn a_passkey_is_made_lets_in_and_confirms() {
    let team = Team::new().await;
    let (services, facts) = (&team.services, RequestFacts::default());
    let mara = team.log_in(team.mara.id).await;
    assert!(services.has_passkeys());
    let mut phone = Authenticator::new();
    let question = services.ask_for_new_passkey(&mara).await.unwrap();
    let made = phone.make(&question, ORIGIN);
    let codes = services.add_passkey(&mara, "Phone", &made).await.unwrap();
    assert_eq!(codes.len(), 10);
    let again = services.add_passkey(&mara, "Phone", &made).await;
    assert!(again.is_err(), "a question is answered once");
    let mara = team.next_request(&mara).await.unwrap();

    let half = half(&team).await;
    let question = services.ask_half_for_passkey(&half).await.unwrap();
    let signed = phone.sign(&question, ORIGIN, VERIFIED);
    let user = services.finish_log_in(&half, &signed, &facts).await;
    assert_eq!(user.unwrap().user.id, team.mara.id);
    let replayed = services.finish_log_in(&half, &signed, &facts).await;
    assert!(is_wrong(&replayed), "{replayed:?}");

    let way = services.proof_way(&mara).await.unwrap();
    assert_eq!(way, ProofWay::SecondFactor { passkey: true });
    let question = services.ask_for_passkey(&mara).await.unwrap();
    let signed = phone.sign(&question, ORIGIN, VERIFIED);
    services.prove(&mara, &signed).await.unwrap();
    let own = services.second_factors(&mara).await.unwrap();
    assert!(own.passkeys[0].last_used_at.is_some());
    let (id, name) = (own.passkeys[0].id.clone(), &own.passkeys[0].name);
    assert_eq!(name, "Phone");
    let factor = SecondFactorId::Passkey(id);
    let mara = team.next_request(&mara).await.unwrap();
    services.remove_second_factor(&mara, factor).await.unwrap();
    let own = services.second_factors(&mara).await.unwrap();
    assert!(own.passkeys.is_empty() && own.recovery_codes == 0);
}

#[tokio::test]
async fn who_knows_a_password_does_not_ask_for_passkeys_without_end() {
    let team = Team::new().await;
    let mara = team.log_in(team.mara.id).await;
    add(&team, &mara, "Phone").await;
    let half = half(&team).await;
    let mut asked = 0;
    for _ in 0..100 {
        match team.services.ask_half_for_passkey(&half).await {
            Ok(_) => asked += 1,
            Err(error) => assert!(matches!(error, ServiceError::Throttled(_)), "{error:?}"),
        }
    }
    // One was for the new passkey.
    assert_eq!(asked, 59);
}

#[tokio::test]
async fn what_another_site_another_key_or_nobody_signed_is_refused() {
    let team = Team::new().await;
    let services = &team.services;
    let mara = team.log_in(team.mara.id).await;
    let mut phone = add(&team, &mara, "Phone").await;
    let mut forger = Authenticator::new();
    forger.id = phone.id;
    let question = async || services.ask_for_passkey(&mara).await.unwrap();
    let evil = phone.sign(
        &question().await,
        "https://keys.example.com.evil.example",
        VERIFIED,
    );
    let forged = forger.sign(&question().await, ORIGIN, VERIFIED);
    let unverified = phone.sign(&question().await, ORIGIN, PRESENT);
    let (asked, other) = (question().await, question().await);
    let mut swapped: Value = serde_json::from_str(&phone.sign(&asked, ORIGIN, VERIFIED)).unwrap();
    swapped["ticket"] = parts(&other).0;
    for bad in [
        &evil,
        &forged,
        &unverified,
        &swapped.to_string(),
        "{}",
        "{\"ticket\":1}",
    ] {
        let tried = services.prove(&mara, bad).await;
        assert!(is_wrong(&tried), "{bad}: {tried:?}");
    }
    let late = question().await;
    team.clock.advance(TimeDelta::minutes(10));
    let late = phone.sign(&late, ORIGIN, VERIFIED);
    assert!(is_wrong(&services.prove(&mara, &late).await));
}

#[tokio::test]
async fn a_passkey_of_somebody_else_opens_nothing() {
    let team = Team::new().await;
    let services = &team.services;
    let jonas = team.add("Jonas Lind", "jonas@example.com", "support").await;
    let (mara, jonas) = (team.log_in(team.mara.id).await, team.log_in(jonas.id).await);
    add(&team, &mara, "Phone").await;
    let mut other = add(&team, &jonas, "Phone").await;
    // Asked for Jonas, or asked for Mara: neither opens what is hers.
    let his = services.ask_for_passkey(&jonas).await.unwrap();
    let signed = other.sign(&his, ORIGIN, VERIFIED);
    assert!(is_wrong(&services.prove(&mara, &signed).await));
    let hers = services.ask_for_passkey(&mara).await.unwrap();
    let signed = other.sign(&hers, ORIGIN, VERIFIED);
    assert!(is_wrong(&services.prove(&mara, &signed).await));
    let question = services.ask_for_new_passkey(&jonas).await.unwrap();
    let made = Authenticator::new().make(&question, ORIGIN);
    let stolen = services.add_passkey(&mara, "Phone", &made).await;
    assert!(
        matches!(stolen, Err(ServiceError::Invalid(_))),
        "{stolen:?}"
    );
    let question = services.ask_for_new_passkey(&jonas).await.unwrap();
    let foreign = Authenticator::new().make(&question, "https://evil.example");
    let foreign = services.add_passkey(&jonas, "Phone", &foreign).await;
    assert!(matches!(foreign, Err(ServiceError::Invalid(_))));
}

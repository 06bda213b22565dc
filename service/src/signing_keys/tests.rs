//! What the verifier refuses although it was signed with the right key.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::crypto::MasterKey;
use crate::memory::CacheMemory;
use crate::tokens::{VerifiedTokens, new_jti};

const ISSUER: &str = "https://keys.example.com/v1";
const CLIENT: &str = r#""KRAAAAAAAAAAAAAAAAAAAA""#;

/// A JSON object: the text of each member, so that it can be what no JSON value of Rust is.
type Members = BTreeMap<&'static str, String>;

/// The members with one changed; an empty text takes it away.
fn but(members: &Members, name: &'static str, text: &str) -> Members {
    let mut changed = members.clone();
    changed.insert(name, text.to_owned());
    changed.retain(|_, text| !text.is_empty());
    changed
}

fn part(members: &Members) -> String {
    let members = members
        .iter()
        .map(|(name, text)| format!("\"{name}\":{text}"));
    let members = members.collect::<Vec<_>>().join(",");
    URL_SAFE_NO_PAD.encode(format!("{{{members}}}"))
}

/// A key that signs whatever it is given.
struct Scene {
    ring: KeyRing,
    settings: Settings,
}

fn at(second: i64) -> Instant {
    DateTime::from_timestamp(second, 0).unwrap()
}

impl Scene {
    fn new() -> Self {
        let keys = Keys::derive(&MasterKey::new([7; 32])).unwrap();
        let row = make_key(&keys, at(1_000_000_000), at(1_000_000_000)).unwrap();
        let ring = KeyRing::of(vec![row], &keys, 0).unwrap();
        let audiences = ["https://api.example.com", "https://data.example.com"];
        let settings = Settings {
            audiences: audiences.map(ToOwned::to_owned).into(),
            ..Settings::usual(ISSUER)
        };
        Self { ring, settings }
    }

    fn header(&self) -> Members {
        let kid = json!(self.ring.keys[0].kid).to_string();
        let (alg, typ) = (r#""ES256""#.to_owned(), r#""at+jwt""#.to_owned());
        BTreeMap::from([("alg", alg), ("kid", kid), ("typ", typ)])
    }

    fn sign(&self, header: &Members, claims: &Members) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let key = self.ring.keys[0].signing.as_ref().unwrap();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::ES256);
        format!("{message}.{}", signature.unwrap())
    }

    fn verified(&self, token: &str, now: Instant) -> Result<(), Cause> {
        self.ring.verify(token, &self.settings, now).map(|_| ())
    }

    fn takes(&self, header: &Members, claims: &Members) -> bool {
        let token = self.sign(header, claims);
        self.verified(&token, at(1_000_000_000)).is_ok()
    }
}

/// Those of a good token that ended long ago by the clock of the machine, which is not asked.
fn claims() -> Members {
    [
        ("iss", r#""https://keys.example.com/v1""#),
        ("sub", CLIENT),
        ("client_id", CLIENT),
        ("aud", r#""https://api.example.com""#),
        ("iat", "1000000000"),
        ("exp", "1000000900"),
        ("jti", r#""1""#),
        ("scope", r#""accounts:read""#),
    ]
    .map(|(name, text)| (name, text.to_owned()))
    .into()
}

#[test]
fn check_31_a_token_of_our_shape_is_taken() {
    let scene = Scene::new();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        let header = but(&scene.header(), "typ", &format!("\"{typ}\""));
        assert!(scene.takes(&header, &claims()), "{typ}");
    }
    let other = but(&claims(), "aud", r#""https://data.example.com""#);
    assert!(scene.takes(&scene.header(), &other));
}

#[test]
fn check_31_a_bent_header_is_refused_although_our_key_signed_it() {
    let scene = Scene::new();
    for (name, text) in [
        ("typ", ""),
        ("typ", "null"),
        ("typ", "7"),
        ("typ", r#""""#),
        ("typ", r#""JWT""#),
        ("typ", r#""id_token""#),
        ("typ", r#""client-authentication+jwt""#),
        ("typ", r#""application/jwt""#),
        ("kid", ""),
        ("kid", "null"),
        ("kid", r#""""#),
        ("kid", r#""another""#),
        ("alg", ""),
        ("alg", r#""none""#),
        ("alg", r#""HS256""#),
        ("alg", r#""ES384""#),
    ] {
        let header = but(&scene.header(), name, text);
        assert!(!scene.takes(&header, &claims()), "{name}: {text}");
    }
}

#[test]
fn check_31_other_claims_are_refused_although_our_key_signed_them() {
    let scene = Scene::new();
    for (name, text) in [
        ("iss", r#""https://other.example/v1""#),
        ("iss", r#""https://keys.example.com/v1/""#),
        ("aud", r#""https://other.example""#),
        ("aud", r#""https://api.example.com/""#),
        // Another credential, in one of the two places.
        ("sub", r#""KRBBBBBBBBBBBBBBBBBBBB""#),
        ("client_id", r#""KRBBBBBBBBBBBBBBBBBBBB""#),
        // It ends before it begins.
        ("exp", "1000000000"),
        ("exp", "999999999"),
        ("exp", "0"),
        ("exp", "-1"),
        ("iat", "1000000900"),
    ] {
        let claims = but(&claims(), name, text);
        assert!(!scene.takes(&scene.header(), &claims), "{name}: {text}");
    }
}

#[test]
fn check_31_claims_that_are_missing_or_of_another_type_are_refused() {
    let scene = Scene::new();
    for (name, good) in claims() {
        let in_a_list = format!("[{good}]");
        let as_text = format!("\"{good}\"");
        let (float, endless) = (format!("{good}.5"), "1e400".to_owned());
        let mut wrong = vec!["", "null", "true", "{}", "[]", "[7]"];
        // A token may be for several (RFC 8707 section 2).
        if name == "aud" {
            wrong.push(r#"["https://other.example.com"]"#);
        } else {
            wrong.push(&in_a_list);
        }
        if ["iat", "exp"].contains(&name) {
            wrong.extend([&as_text, &float, &endless, "\"soon\""]);
        } else {
            wrong.push("7");
        }
        for text in wrong {
            let claims = but(&claims(), name, text);
            assert!(!scene.takes(&scene.header(), &claims), "{name}: {text}");
        }
    }
}

#[test]
fn check_31_another_key_under_our_kid_is_refused() {
    let (scene, other) = (Scene::new(), Scene::new());
    let token = other.sign(&scene.header(), &claims());
    assert!(scene.verified(&token, at(1_000_000_000)).is_err());
}

#[test]
fn check_31_a_token_that_names_nobody_or_nothing_is_refused() {
    let scene = Scene::new();
    let tokens = VerifiedTokens::new(CacheMemory::megabytes(96));
    let check = |claims: &Members, now| {
        let token = scene.sign(&scene.header(), claims);
        let checked = tokens.check(&token, &scene.ring, &scene.settings, now);
        checked
            .map(|_| ())
            .map_err(|denial| denial.cause.as_ref().clone())
    };
    let nobody = but(&but(&claims(), "sub", r#""x""#), "client_id", r#""x""#);
    for claims in [
        nobody,
        but(&claims(), "scope", r#""accounts:""#),
        but(&claims(), "exp", "9000000000000000000"),
    ] {
        let refused = check(&claims, at(1_000_000_000));
        assert_eq!(refused, Err(Cause::ForeignToken), "{claims:?}");
    }
    assert_eq!(check(&claims(), at(1_000_000_899)), Ok(()));
    let ended = Err(Cause::TokenEnded(at(1_000_000_900)));
    assert_eq!(check(&claims(), at(1_000_000_900)), ended);
}

/// Tokens that were verified are found by their signatures, so each part must be held against it.
#[test]
fn check_31_the_signature_of_a_known_token_opens_nothing_else() {
    let scene = Scene::new();
    let tokens = VerifiedTokens::new(CacheMemory::megabytes(96));
    let now = at(1_000_000_000);
    let check = |token: &str| {
        let checked = tokens.check(token, &scene.ring, &scene.settings, now);
        checked.is_ok()
    };
    let good = scene.sign(&scene.header(), &claims());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("{good}")
    };
    let other = part(&but(&claims(), "scope", r#""accounts:write""#));
    let bent = [
        format!("{header}.{other}.{signature}"),
        format!(
            "{}.{payload}.{signature}",
            part(&but(&scene.header(), "typ", ""))
        ),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{payload}.{signature}"),
        format!(".{signature}"),
        signature.to_owned(),
        format!("{header}.{payload}."),
        format!("{good}.{signature}"),
    ];
    for _ in 0..2 {
        for bent in &bent {
            assert!(!check(bent), "{bent}");
        }
        assert!(check(&good));
    }
}

#[test]
fn check_29_no_token_id_comes_twice_in_a_hundred_thousand() {
    let ids: HashSet<String> = (0..100_000).map(|_| new_jti()).collect();
    assert_eq!(ids.len(), 100_000);
    assert!(ids.iter().all(|id| id.len() == 22));
}

/// The claims of a token that was issued and ends so many seconds after the key was made.
fn lasting(issued: i64, ends: i64) -> Members {
    let second = |after: i64| (1_000_000_000 + after).to_string();
    but(
        &but(&claims(), "iat", &second(issued)),
        "exp",
        &second(ends),
    )
}

#[test]
fn check_99_no_token_is_for_longer_than_the_longest_life_nor_from_the_future() {
    let scene = Scene::new();
    let longest = MAX_TOKEN_LIFE.num_seconds();
    let table = [
        (0, longest, true),
        (0, longest + 1, false),
        // Up to the year 2099.
        (0, 3_085_000_000, false),
        (-longest, longest, false),
        (60, 900, true),
        (61, 900, false),
        (900, 1_800, false),
    ];
    for (issued, ends, is_taken) in table {
        let takes = scene.takes(&scene.header(), &lasting(issued, ends));
        assert_eq!(takes, is_taken, "from {issued} to {ends}");
    }
}

#[test]
fn check_99_a_retired_key_counts_for_what_it_signed_in_its_time_and_nothing_newer() {
    let mut scene = Scene::new();
    scene.ring.keys[0].signs_until = Some(at(1_000_001_000));
    let ended = Err(Cause::SigningKeyEnded);
    let table = [
        (1_000, Ok(())),
        (1_060, Ok(())),
        (1_061, ended.clone()),
        // Whoever has the key may say when a token was issued, but not make it live for longer.
        (100_000, ended),
    ];
    for (issued, expected) in table {
        let token = scene.sign(&scene.header(), &lasting(issued, issued + 3_600));
        let verified = scene.verified(&token, at(1_000_000_000 + issued));
        assert_eq!(verified, expected, "{issued}");
    }
    let last = SigningKeyStage::CountsUntil(at(1_000_004_660));
    let key = &scene.ring.keys[0];
    assert_eq!(key.stage(at(1_000_000_999)), Some(SigningKeyStage::Signs));
    assert_eq!(key.stage(at(1_000_001_000)), Some(last));
    assert_eq!(key.stage(at(1_000_004_659)), Some(last));
    assert_eq!(key.stage(at(1_000_004_660)), None);
}

#[test]
fn a_key_that_was_ended_before_its_time_takes_over_from_none() {
    let keys = Keys::derive(&MasterKey::new([7; 32])).unwrap();
    let row = |from: i64, compromised: Option<i64>| {
        let row = make_key(&keys, at(from), at(from)).unwrap();
        let encrypted_private_key = row.encrypted_private_key.filter(|_| compromised.is_none());
        let compromised_at = compromised.map(at);
        SigningKeyRow {
            encrypted_private_key,
            compromised_at,
            ..row
        }
    };
    let until = |rows: Vec<SigningKeyRow>| {
        let ring = KeyRing::of(rows, &keys, 0).unwrap();
        let until = |key: &SigningKey| key.signs_until.map(|at| at.timestamp());
        ring.keys.iter().map(until).collect::<Vec<_>>()
    };
    let (first, last) = (row(10, None), row(30, None));
    let never_signed = row(20, Some(20));
    assert_eq!(
        until(vec![first.clone(), never_signed, last.clone()]),
        [Some(30), Some(30), None]
    );
    let signed = row(20, Some(25));
    assert_eq!(until(vec![first, signed, last]), [Some(20), Some(30), None]);
}

#[test]
fn what_was_verified_is_verified_anew_when_the_keys_change() {
    let mut scene = Scene::new();
    let tokens = VerifiedTokens::new(CacheMemory::megabytes(96));
    let token = scene.sign(&scene.header(), &claims());
    let check = |scene: &Scene| {
        let now = at(1_000_000_000);
        let checked = tokens.check(&token, &scene.ring, &scene.settings, now);
        checked
            .map(|_| ())
            .map_err(|denial| denial.cause.as_ref().clone())
    };
    assert_eq!(check(&scene), Ok(()));
    scene.ring.keys[0].is_compromised = true;
    scene.ring.number += 1;
    assert_eq!(check(&scene), Err(Cause::SigningKeyEnded));
}

//! What the verifier refuses although it was signed with the right key.

use std::collections::HashSet;

use std::collections::BTreeMap;

use super::*;
use crate::crypto::MasterKey;

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

/// A signer that signs whatever it is given.
struct Scene {
    signer: Signer,
    settings: Settings,
}

impl Scene {
    async fn new() -> Self {
        let store = storage::connect("sqlite::memory:").await.unwrap();
        store.migrate().await.unwrap();
        let keys = Keys::derive(&MasterKey::new([7; 32])).unwrap();
        let now = DateTime::from_timestamp(1_000_000_000, 0).unwrap();
        let life = TimeDelta::minutes(15);
        let signer = Signer::open(&store, &keys, life, now).await.unwrap();
        let audiences = ["https://api.example.com", "https://data.example.com"];
        let settings = Settings {
            audiences: audiences.map(ToOwned::to_owned).into(),
            ..Settings::usual(ISSUER)
        };
        Self { signer, settings }
    }

    fn header(&self) -> Members {
        let kid = json!(self.signer.keys.load()[0].kid).to_string();
        let (alg, typ) = (r#""ES256""#.to_owned(), r#""at+jwt""#.to_owned());
        BTreeMap::from([("alg", alg), ("kid", kid), ("typ", typ)])
    }

    fn sign(&self, header: &Members, claims: &Members) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let key = &self.signer.keys.load()[0].signing;
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::ES256);
        format!("{message}.{}", signature.unwrap())
    }

    fn takes(&self, header: &Members, claims: &Members) -> bool {
        let token = self.sign(header, claims);
        self.signer.verify(&token, &self.settings).is_some()
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

#[tokio::test]
async fn check_31_a_token_of_our_shape_is_taken() {
    let scene = Scene::new().await;
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        let header = but(&scene.header(), "typ", &format!("\"{typ}\""));
        assert!(scene.takes(&header, &claims()), "{typ}");
    }
    let other = but(&claims(), "aud", r#""https://data.example.com""#);
    assert!(scene.takes(&scene.header(), &other));
}

#[tokio::test]
async fn check_31_a_bent_header_is_refused_although_our_key_signed_it() {
    let scene = Scene::new().await;
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

#[tokio::test]
async fn check_31_other_claims_are_refused_although_our_key_signed_them() {
    let scene = Scene::new().await;
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

#[tokio::test]
async fn check_31_claims_that_are_missing_or_of_another_type_are_refused() {
    let scene = Scene::new().await;
    for (name, good) in claims() {
        let in_a_list = format!("[{good}]");
        let as_text = format!("\"{good}\"");
        let (float, endless) = (format!("{good}.5"), "1e400".to_owned());
        let mut wrong = vec!["", "null", "true", "{}", "[]", &in_a_list];
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

#[tokio::test]
async fn check_31_another_key_under_our_kid_is_refused() {
    let (scene, other) = (Scene::new().await, Scene::new().await);
    let token = other.sign(&scene.header(), &claims());
    assert!(scene.signer.verify(&token, &scene.settings).is_none());
}

#[tokio::test]
async fn check_31_a_token_that_names_nobody_or_nothing_is_refused() {
    let scene = Scene::new().await;
    let tokens = VerifiedTokens::new();
    let at = |second| DateTime::from_timestamp(second, 0).unwrap();
    let check = |claims: &Members, now| {
        let token = scene.sign(&scene.header(), claims);
        let checked = tokens.check(&token, &scene.signer, &scene.settings, now);
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
#[tokio::test]
async fn check_31_the_signature_of_a_known_token_opens_nothing_else() {
    let scene = Scene::new().await;
    let tokens = VerifiedTokens::new();
    let now = DateTime::from_timestamp(1_000_000_000, 0).unwrap();
    let check = |token: &str| {
        let checked = tokens.check(token, &scene.signer, &scene.settings, now);
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

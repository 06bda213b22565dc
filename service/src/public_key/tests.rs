//! What is read as a public key, and what is refused.

use super::*;

/// The key and thumbprint of RFC 7638 section 3.1.
const RFC_KEY: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;

#[test]
fn the_thumbprint_is_that_of_rfc_7638() {
    let key: PublicKey = RFC_KEY.parse().unwrap();
    assert_eq!(
        key.thumbprint(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
    assert!(!Value::Object(key.jwk).to_string().contains("kid"));
}

/// The P-256 point of RFC 7515 appendix A.3, as JWK and as PEM.
#[test]
fn pem_and_jwk_of_one_key_are_one_key() {
    let jwk: PublicKey = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#.parse().unwrap();
    let point = [
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    ]
    .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
    .concat();
    let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    let der = [head, vec![4], point].concat();
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    );
    let pem: PublicKey = pem.parse().unwrap();
    assert_eq!(pem, jwk);
    assert_eq!(pem.algorithm, "ES256");
}

fn published(keys: &[&str]) -> Result<usize, InvalidPublicKey> {
    let text = format!("{{\"keys\":[{}]}}", keys.join(","));
    PublicKey::parse_published(&text).map(|keys| keys.len())
}

#[test]
fn of_a_published_set_the_keys_for_other_uses_are_passed_over() {
    let p521 = r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#;
    let ec = r#"{"kty":"EC","crv":"P-256","use":"sig","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    let for_encryption = RFC_KEY.replace("\"alg\"", "\"use\":\"enc\",\"alg\"");
    let weak = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbU","e":"AQAB"}"#;
    let weak_for_encryption = weak.replace("\"e\"", "\"use\":\"enc\",\"e\"");
    assert_eq!(published(&[RFC_KEY, ec]), Ok(2));
    let others = [
        p521,
        &for_encryption,
        &weak_for_encryption,
        r#"{"kty":"new"}"#,
    ];
    assert_eq!(
        published(&[p521, ec, &for_encryption, &weak_for_encryption]),
        Ok(1)
    );
    assert_eq!(published(&others), Err(InvalidPublicKey::BadSet));
    assert_eq!(published(&[]), Err(InvalidPublicKey::BadSet));
    assert_eq!(published(&[ec, ec]), Err(InvalidPublicKey::BadSet));
    assert_eq!(published(&[ec, weak]), Err(InvalidPublicKey::Weak));
    assert_eq!(published(&[ec, "7"]), Err(InvalidPublicKey::Malformed));
    for no_set in ["", "[]", "<html>", "{}", r#"{"keys":{}}"#, ec] {
        let parsed = PublicKey::parse_published(no_set);
        assert_eq!(parsed, Err(InvalidPublicKey::Malformed), "{no_set}");
    }
}

#[test]
fn check_26_a_published_private_key_spoils_the_set_whatever_it_is_for() {
    for private in [
        RFC_KEY.replace("\"e\":", "\"d\":\"AQAB\",\"e\":"),
        RFC_KEY.replace("\"e\":", "\"use\":\"enc\",\"d\":\"AQAB\",\"e\":"),
        r#"{"kty":"oct","k":"c2VjcmV0"}"#.to_owned(),
    ] {
        let parsed = published(&[RFC_KEY, &private]);
        assert_eq!(parsed, Err(InvalidPublicKey::Private), "{private}");
    }
}

#[test]
fn check_26_unusable_keys_are_refused_with_the_reason() {
    let table = [
        ("", InvalidPublicKey::Malformed),
        ("hello", InvalidPublicKey::Malformed),
        ("{}", InvalidPublicKey::Unsupported),
        (r#"{"kty":"oct","k":"c2VjcmV0"}"#, InvalidPublicKey::Private),
        (
            r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#,
            InvalidPublicKey::Unsupported,
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#,
            InvalidPublicKey::Malformed,
        ),
        (
            r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbU","e":"AQAB"}"#,
            InvalidPublicKey::Weak,
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----",
            InvalidPublicKey::Private,
        ),
        (
            "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----",
            InvalidPublicKey::Private,
        ),
        (
            "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----",
            InvalidPublicKey::Malformed,
        ),
    ];
    for (text, error) in table {
        assert_eq!(text.parse::<PublicKey>(), Err(error), "{text}");
    }
    // On no curve: x of the good point with another y.
    let off = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}"#;
    assert_eq!(off.parse::<PublicKey>(), Err(InvalidPublicKey::Malformed));
    let private = RFC_KEY.replace("\"e\":", "\"d\":\"AQAB\",\"e\":");
    assert_eq!(private.parse::<PublicKey>(), Err(InvalidPublicKey::Private));
    assert_eq!(
        "x".repeat(20_000).parse::<PublicKey>(),
        Err(InvalidPublicKey::TooLong)
    );
}

/// A JWK of an Ed25519 key from the hex of its point.
fn edwards(point: &str) -> String {
    let x = URL_SAFE_NO_PAD.encode(hex::decode(point).unwrap());
    json!({ "kty": "OKP", "crv": "Ed25519", "x": x }).to_string()
}

/// All encodings of the eight points of small order, also those that RFC 8032 does not know.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
];

#[test]
fn check_27_ed25519_keys_of_small_order_are_refused() {
    for point in SMALL_ORDER {
        let jwk = edwards(point);
        let parsed = jwk.parse::<PublicKey>();
        assert_eq!(parsed, Err(InvalidPublicKey::SmallOrder), "{point}");
        let parsed = published(&[RFC_KEY, &jwk]);
        assert_eq!(parsed, Err(InvalidPublicKey::SmallOrder), "{point}");
        // RFC 8410 section 4: twelve bytes of head before the point.
        let der = hex::decode(format!("302a300506032b6570032100{point}")).unwrap();
        let body = STANDARD.encode(der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        let parsed = pem.parse::<PublicKey>();
        assert_eq!(parsed, Err(InvalidPublicKey::SmallOrder), "{point}");
    }
}

#[test]
fn check_27_ed25519_keys_that_are_no_point_are_refused() {
    // The key of RFC 8032 section 7.1, test 1, is one.
    let good = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    assert!(edwards(good).parse::<PublicKey>().is_ok());
    for no_point in [
        "",
        &good[2..],
        &format!("{good}00"),
        // 2 and 7 are the y of no point.
        "0200000000000000000000000000000000000000000000000000000000000000",
        "0700000000000000000000000000000000000000000000000000000000000080",
        // 3 and 18 are, but not when they are written as p + 3 and p + 18.
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        let parsed = edwards(no_point).parse::<PublicKey>();
        assert_eq!(parsed, Err(InvalidPublicKey::Malformed), "{no_point}");
    }
}

#[test]
fn check_26_a_kid_is_there_once_in_a_pasted_set() {
    let ec = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    let ed = edwards("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    let set = |names: [Option<&str>; 3]| {
        let keys: Vec<Value> = [ec, &ed, RFC_KEY]
            .iter()
            .zip(names)
            .map(|(key, name)| {
                let mut key: Value = serde_json::from_str(key).unwrap();
                key["kid"] = json!(name);
                key
            })
            .collect();
        json!({ "keys": keys }).to_string()
    };
    let pasted = |names| PublicKey::parse_all(&set(names)).map(|keys| keys.len());
    assert_eq!(pasted([Some("a"), Some("b"), Some("A")]), Ok(3));
    assert_eq!(pasted([None, None, None]), Ok(3));
    assert_eq!(pasted([None, Some(""), Some("")]), Ok(3));
    let refused = pasted([Some("b"), Some("a"), Some("a")]);
    assert_eq!(refused, Err(InvalidPublicKey::SameKid(2, 3)));
    // Hosts do it while they change a key.
    let published = PublicKey::parse_published(&set([Some("a"), Some("a"), None]));
    assert_eq!(published.map(|keys| keys.len()), Ok(3));
}

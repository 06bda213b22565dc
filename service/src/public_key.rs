//! The public key that a program registers for private key JWT: read from PEM or JWK, and refused
//! when it is private, weak or of a kind that assertions can't be signed with.

use std::str::FromStr;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Instant;
use domain::confidential::{PRIVATE_KEY_ADVICE, PRIVATE_MEMBERS, holds_private_key};
use serde_json::{Map, Value, json};
use spki::der::asn1::ObjectIdentifier;
use spki::der::{Decode as _, DecodePem as _};
use storage::{FetchedKey, PublicKeyRow};

/// More text than any key needs.
const LONGEST: usize = 16 * 1024;
/// As many keys as a credential may have.
const MOST: usize = 10;
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A public key with its thumbprint (RFC 7638).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    jwk: Map<String, Value>,
    algorithm: &'static str,
    thumbprint: String,
    /// What its owner calls it (RFC 7517 section 4.5).
    kid: Option<String>,
}

/// Why a text is not a usable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPublicKey {
    /// Longer than any key.
    #[error("this is too long to be a public key")]
    TooLong,
    /// It holds a private key, which should never leave its owner.
    #[error("{PRIVATE_KEY_ADVICE}")]
    Private,
    /// Neither PEM nor JWK.
    #[error("paste a public key as PEM (BEGIN PUBLIC KEY) or as JWK")]
    Malformed,
    /// A kind of key that assertions can't be signed with here.
    #[error("use a P-256, P-384, Ed25519 or RSA key")]
    Unsupported,
    /// RSA below 2,048 bits.
    #[error("this RSA key is too short: use 2048 bits or more")]
    Weak,
    /// A set of keys that is empty, too large, or has a key twice.
    #[error("a key set has 1 to {MOST} keys, each once")]
    BadSet,
}

impl PublicKey {
    /// The thumbprint, base64url: how people tell keys apart.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The algorithm that it verifies, after RFC 7518; RS256 stands for PS256 too.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// The row that the store keeps.
    #[must_use]
    pub fn into_row(self, created_at: Instant) -> PublicKeyRow {
        PublicKeyRow {
            thumbprint: self.thumbprint,
            jwk: Value::Object(self.jwk).to_string(),
            algorithm: self.algorithm.to_owned(),
            name: String::new(),
            kid: self.kid,
            created_at,
            expires_at: None,
            last_used_at: None,
        }
    }

    /// The same for a key that came from a URL.
    pub(crate) fn into_fetched(self) -> FetchedKey {
        FetchedKey {
            thumbprint: self.thumbprint,
            jwk: Value::Object(self.jwk).to_string(),
            algorithm: self.algorithm.to_owned(),
            kid: self.kid,
        }
    }

    /// `members` are the required ones of the key type, in the order of RFC 7638.
    fn new(members: Map<String, Value>, algorithm: &'static str) -> Self {
        // serde_json's map is sorted by name, as the thumbprint wants it.
        let text = Value::Object(members.clone()).to_string();
        let thumbprint =
            URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Self {
            jwk: members,
            algorithm,
            thumbprint,
            kid: None,
        }
    }

    /// One key as PEM or JWK, or all of a JWK set (RFC 7517 section 5).
    ///
    /// # Errors
    /// One of them is not usable, one is there twice, or there are none or too many.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, InvalidPublicKey> {
        if text.len() > LONGEST {
            return Err(InvalidPublicKey::TooLong);
        }
        let set: Option<Map<String, Value>> = serde_json::from_str(text).ok();
        let Some(Value::Array(members)) = set.and_then(|mut set| set.remove("keys")) else {
            return Ok(vec![text.parse()?]);
        };
        Self::set_of(members.iter().map(|member| member.to_string().parse()))
    }

    /// The keys of a JWK set that a host publishes (RFC 7517 section 5). Others use it too, so keys
    /// for another use and of kinds that sign no assertions are passed over.
    ///
    /// # Errors
    /// It is no set, one of its keys is private or weak or there twice, or there are none that fit,
    /// or too many.
    pub fn parse_published(text: &str) -> Result<Vec<Self>, InvalidPublicKey> {
        let set: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| InvalidPublicKey::Malformed)?;
        let Some(Value::Array(members)) = set.get("keys") else {
            return Err(InvalidPublicKey::Malformed);
        };
        let fitting = members.iter().filter_map(|member| {
            let key = member.to_string().parse();
            let signs = member.get("use").is_none_or(|purpose| purpose == "sig");
            match key {
                Err(InvalidPublicKey::Unsupported) => None,
                Err(InvalidPublicKey::Private) => Some(key),
                _ => signs.then_some(key),
            }
        });
        Self::set_of(fitting)
    }

    fn set_of(
        members: impl Iterator<Item = Result<Self, InvalidPublicKey>>,
    ) -> Result<Vec<Self>, InvalidPublicKey> {
        let mut keys: Vec<Self> = Vec::new();
        for key in members {
            let key = key?;
            let is_known = keys.iter().any(|other| other.thumbprint == key.thumbprint);
            if is_known || keys.len() == MOST {
                return Err(InvalidPublicKey::BadSet);
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(InvalidPublicKey::BadSet);
        }
        Ok(keys)
    }

    fn ec(curve: &str, x: &[u8], y: &[u8]) -> Result<Self, InvalidPublicKey> {
        let (length, algorithm, verifier) = match curve {
            "P-256" => (32, "ES256", &ECDSA_P256_SHA256_FIXED),
            "P-384" => (48, "ES384", &ECDSA_P384_SHA384_FIXED),
            _ => return Err(InvalidPublicKey::Unsupported),
        };
        let point = [&[4], x, y].concat();
        // Parsing refuses a point that is not on the curve.
        if (x.len(), y.len()) != (length, length) || ParsedPublicKey::new(verifier, point).is_err()
        {
            return Err(InvalidPublicKey::Malformed);
        }
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        Ok(Self::new(
            members(json!({ "crv": curve, "kty": "EC", "x": x, "y": y })),
            algorithm,
        ))
    }

    fn rsa(n: &[u8], e: &[u8]) -> Result<Self, InvalidPublicKey> {
        let (n, e) = (strip_zeros(n), strip_zeros(e));
        let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if bits < 2048 {
            return Err(InvalidPublicKey::Weak);
        }
        // 3 and other tiny exponents are refused, and so are even ones.
        if bits > 8192 || e.len() < 3 || e.len() > 8 || e.last().is_none_or(|b| b % 2 == 0) {
            return Err(InvalidPublicKey::Unsupported);
        }
        let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
        Ok(Self::new(
            members(json!({ "e": e, "kty": "RSA", "n": n })),
            "RS256",
        ))
    }

    fn ed25519(x: &[u8]) -> Result<Self, InvalidPublicKey> {
        if x.len() != 32 {
            return Err(InvalidPublicKey::Malformed);
        }
        let x = URL_SAFE_NO_PAD.encode(x);
        Ok(Self::new(
            members(json!({ "crv": "Ed25519", "kty": "OKP", "x": x })),
            "EdDSA",
        ))
    }

    fn from_pem(text: &str) -> Result<Self, InvalidPublicKey> {
        let info = spki::SubjectPublicKeyInfoOwned::from_pem(text)
            .map_err(|_| InvalidPublicKey::Malformed)?;
        let key = info
            .subject_public_key
            .as_bytes()
            .ok_or(InvalidPublicKey::Malformed)?;
        match info.algorithm.oid {
            RSA => {
                let key = pkcs1::RsaPublicKeyRef::from_der(key)
                    .map_err(|_| InvalidPublicKey::Malformed)?;
                Self::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
            }
            EC => {
                let curve = info
                    .algorithm
                    .parameters
                    .and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
                let curve = match curve {
                    Some(P256) => "P-256",
                    Some(P384) => "P-384",
                    _ => return Err(InvalidPublicKey::Unsupported),
                };
                // SEC 1 section 2.3.3: 4, x, y. A compressed point is rare enough to be refused.
                let point = key.strip_prefix(&[4]).ok_or(InvalidPublicKey::Malformed)?;
                let (x, y) = point.split_at(point.len() / 2);
                Self::ec(curve, x, y)
            }
            ED25519 => Self::ed25519(key),
            _ => Err(InvalidPublicKey::Unsupported),
        }
    }

    fn from_jwk(text: &str) -> Result<Self, InvalidPublicKey> {
        let jwk: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| InvalidPublicKey::Malformed)?;
        if PRIVATE_MEMBERS.iter().any(|name| jwk.contains_key(*name)) {
            return Err(InvalidPublicKey::Private);
        }
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        let bytes = |name: &str| {
            URL_SAFE_NO_PAD
                .decode(text(name))
                .map_err(|_| InvalidPublicKey::Malformed)
        };
        let key = match text("kty") {
            "EC" => Self::ec(text("crv"), &bytes("x")?, &bytes("y")?),
            "RSA" => Self::rsa(&bytes("n")?, &bytes("e")?),
            "OKP" if text("crv") == "Ed25519" => Self::ed25519(&bytes("x")?),
            _ => Err(InvalidPublicKey::Unsupported),
        }?;
        let kid = Some(text("kid")).filter(|kid| !kid.is_empty() && kid.len() <= 256);
        Ok(Self {
            kid: kid.map(ToOwned::to_owned),
            ..key
        })
    }
}

impl FromStr for PublicKey {
    type Err = InvalidPublicKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > LONGEST {
            return Err(InvalidPublicKey::TooLong);
        }
        let text = text.trim();
        if holds_private_key(text) {
            return Err(InvalidPublicKey::Private);
        }
        if text.starts_with('{') {
            Self::from_jwk(text)
        } else {
            Self::from_pem(text)
        }
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let start = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    &bytes[start..]
}

#[cfg(test)]
mod tests {
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
        let body = base64::engine::general_purpose::STANDARD.encode(der);
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
}

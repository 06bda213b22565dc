//! The public key that a program registers for private key JWT: read from what people have (PEM, a
//! certificate, JWK), and refused when it is private, weak or of a kind that assertions can't be signed with.

use std::str::FromStr;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use curve25519_dalek::edwards::CompressedEdwardsY;
use domain::Instant;
use domain::confidential::{PRIVATE_KEY_ADVICE, PRIVATE_MEMBERS, holds_private_key};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use serde_json::{Map, Value, json};
use spki::SubjectPublicKeyInfoOwned;
use spki::der::Decode as _;
use spki::der::asn1::ObjectIdentifier;
use storage::{FetchedKey, PublicKeyRow};
use x509_cert::Certificate;

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
    #[error("paste a public key as PEM (BEGIN PUBLIC KEY), as a certificate or as JWK")]
    Malformed,
    /// More than one PEM block: nobody knows which of them signs.
    #[error("paste one key at a time, without the certificates of its issuers, or a JWK set")]
    Several,
    /// A kind of key that assertions can't be signed with here.
    #[error("use a P-256, P-384, Ed25519 or RSA key")]
    Unsupported,
    /// RSA below 2,048 bits.
    #[error("this RSA key is too short: use 2048 bits or more")]
    Weak,
    /// An Ed25519 point of small order, under which signatures can be made without a private key.
    #[error("this Ed25519 key is weak, anybody can sign for it: make a new key pair")]
    SmallOrder,
    /// A set of keys that is empty, too large, or has a key twice.
    #[error("a key set has 1 to {MOST} keys, each once")]
    BadSet,
    /// Two keys of a pasted set, counted from one, go by the same `kid`.
    #[error("keys {0} and {1} of this set have the same kid: give each key its own")]
    SameKid(usize, usize),
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
    /// One of them is not usable, one or its `kid` is there twice, or there are none or too many.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, InvalidPublicKey> {
        if text.len() > LONGEST {
            return Err(InvalidPublicKey::TooLong);
        }
        let set: Option<Map<String, Value>> = serde_json::from_str(bare(text)).ok();
        let Some(Value::Array(members)) = set.and_then(|mut set| set.remove("keys")) else {
            return Ok(vec![text.parse()?]);
        };
        let keys = Self::set_of(members.iter().map(|member| member.to_string().parse()))?;
        for (at, key) in keys.iter().enumerate() {
            let same_kid = |other: &Self| key.kid.is_some() && other.kid == key.kid;
            if let Some(first) = keys[..at].iter().position(same_kid) {
                return Err(InvalidPublicKey::SameKid(first + 1, at + 1));
            }
        }
        Ok(keys)
    }

    /// The keys of a JWK set that a host publishes (RFC 7517 section 5). Others use it too, so keys
    /// for another use and of kinds that sign no assertions are passed over. Several may go by one
    /// `kid`, as some hosts have it while they change a key.
    ///
    /// # Errors
    /// It is no set, one of its keys is private or weak or there twice, or there are none that fit,
    /// or too many.
    pub fn parse_published(text: &str) -> Result<Vec<Self>, InvalidPublicKey> {
        let set: Map<String, Value> =
            serde_json::from_str(bare(text)).map_err(|_| InvalidPublicKey::Malformed)?;
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

    /// A point as SEC 1 section 2.3.3 has it, compressed or not.
    fn ec(curve: &str, point: &[u8]) -> Result<Self, InvalidPublicKey> {
        // Both refuse a point that is not on the curve.
        let (point, algorithm) = match curve {
            "P-256" => {
                let key = p256::PublicKey::from_sec1_bytes(point);
                (key.map(|key| key.to_sec1_point(false).to_bytes()), "ES256")
            }
            "P-384" => {
                let key = p384::PublicKey::from_sec1_bytes(point);
                (key.map(|key| key.to_sec1_point(false).to_bytes()), "ES384")
            }
            _ => return Err(InvalidPublicKey::Unsupported),
        };
        let point = point.map_err(|_| InvalidPublicKey::Malformed)?;
        // Behind the 4 of a point that is not compressed.
        let (x, y) = point[1..].split_at(point.len() / 2);
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
        let encoded = CompressedEdwardsY::from_slice(x).map_err(|_| InvalidPublicKey::Malformed)?;
        let point = encoded.decompress().ok_or(InvalidPublicKey::Malformed)?;
        if point.is_small_order() {
            return Err(InvalidPublicKey::SmallOrder);
        }
        // A point has one encoding (RFC 8032 section 5.1.3), which the decoder does not insist on.
        if point.compress() != encoded {
            return Err(InvalidPublicKey::Malformed);
        }
        let x = URL_SAFE_NO_PAD.encode(x);
        Ok(Self::new(
            members(json!({ "crv": "Ed25519", "kty": "OKP", "x": x })),
            "EdDSA",
        ))
    }

    /// A key in DER: in PEM, or its base64 alone, as some consoles show it.
    fn from_der_text(text: &str) -> Result<Self, InvalidPublicKey> {
        let (label, body) = match text.split_once("-----BEGIN ") {
            None => (None, text),
            Some((_, block)) => {
                let (label, block) = block
                    .split_once("-----")
                    .ok_or(InvalidPublicKey::Malformed)?;
                let (body, rest) = block
                    .split_once("-----END ")
                    .ok_or(InvalidPublicKey::Malformed)?;
                if rest.contains("-----BEGIN ") {
                    return Err(InvalidPublicKey::Several);
                }
                (Some(label), body)
            }
        };
        // PEM that went through a variable or a form may have lost its lines, or have them spelled out.
        let body = body.replace("\\n", "").replace("\\r", "");
        let body: String = body.split_whitespace().collect();
        let der = STANDARD
            .decode(body)
            .map_err(|_| InvalidPublicKey::Malformed)?;
        let certified = || {
            let certificate = Certificate::from_der(&der).ok()?;
            Some(
                certificate
                    .tbs_certificate()
                    .subject_public_key_info()
                    .clone(),
            )
        };
        let info = || SubjectPublicKeyInfoOwned::from_der(&der).ok();
        let info = match label {
            Some("PUBLIC KEY") => info(),
            Some("CERTIFICATE" | "X509 CERTIFICATE") => certified(),
            Some("RSA PUBLIC KEY") => return Self::from_pkcs1(&der),
            None => info().or_else(certified),
            Some(_) => None,
        };
        Self::from_info(&info.ok_or(InvalidPublicKey::Malformed)?)
    }

    /// RFC 8017 appendix A.1.1.
    fn from_pkcs1(der: &[u8]) -> Result<Self, InvalidPublicKey> {
        let key = pkcs1::RsaPublicKeyRef::from_der(der).map_err(|_| InvalidPublicKey::Malformed)?;
        Self::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
    }

    /// RFC 5280 section 4.1.2.7.
    fn from_info(info: &SubjectPublicKeyInfoOwned) -> Result<Self, InvalidPublicKey> {
        let key = info
            .subject_public_key
            .as_bytes()
            .ok_or(InvalidPublicKey::Malformed)?;
        match info.algorithm.oid {
            RSA => Self::from_pkcs1(key),
            EC => {
                let curve = info
                    .algorithm
                    .parameters
                    .as_ref()
                    .and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
                let curve = match curve {
                    Some(P256) => "P-256",
                    Some(P384) => "P-384",
                    _ => return Err(InvalidPublicKey::Unsupported),
                };
                Self::ec(curve, key)
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
            "EC" => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                // Each as long as the curve's field (RFC 7518 section 6.2.1.2), behind the 4 of both.
                if x.len() != y.len() {
                    return Err(InvalidPublicKey::Malformed);
                }
                Self::ec(text("crv"), &[&[4], &x[..], &y[..]].concat())
            }
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
        let text = bare(text);
        if holds_private_key(text) {
            return Err(InvalidPublicKey::Private);
        }
        if text.starts_with('{') {
            Self::from_jwk(text)
        } else {
            Self::from_der_text(text)
        }
    }
}

/// A text without what editors put around it: blanks, and the mark of a byte order.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
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
mod form_tests;
#[cfg(test)]
mod tests;

//! A program that signs assertions with its own key, and can be made to sign wrong ones.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

pub struct Program {
    pub algorithm: Algorithm,
    key: EncodingKey,
    /// The public key as people paste it.
    pub public_key: String,
}

impl Program {
    pub fn new(algorithm: Algorithm) -> Self {
        let rng = SystemRandom::new();
        let (key, public_key) = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => {
                let curve = if algorithm == Algorithm::ES256 {
                    &ECDSA_P256_SHA256_FIXED_SIGNING
                } else {
                    &ECDSA_P384_SHA384_FIXED_SIGNING
                };
                let private = EcdsaKeyPair::generate_pkcs8(curve, &rng).unwrap();
                let pair = EcdsaKeyPair::from_pkcs8(curve, private.as_ref()).unwrap();
                let public: PublicKeyX509Der = pair.public_key().as_der().unwrap();
                (
                    EncodingKey::from_ec_der(private.as_ref()),
                    pem(public.as_ref()),
                )
            }
            Algorithm::EdDSA => {
                let private = Ed25519KeyPair::generate_pkcs8(&rng).unwrap();
                let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).unwrap();
                let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
                let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "ed" });
                (EncodingKey::from_ed_der(private.as_ref()), jwk.to_string())
            }
            _ => {
                let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
                let public: PublicKeyX509Der = pair.public_key().as_der().unwrap();
                let private: Pkcs8V1Der = pair.as_der().unwrap();
                // PKCS #8 is 26 bytes of head around what PKCS #1 has.
                let key = EncodingKey::from_rsa_der(&private.as_ref()[26..]);
                (key, pem(public.as_ref()))
            }
        };
        Self {
            algorithm,
            key,
            public_key,
        }
    }

    /// An assertion with this header and these claims, signed well.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// The public key as a host publishes it; for EdDSA and ES256.
    pub fn jwk(&self) -> Value {
        if let Ok(jwk) = serde_json::from_str(&self.public_key) {
            return jwk;
        }
        let lines = self.public_key.lines();
        let body: String = lines.filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).unwrap();
        let (x, y) = der[der.len() - 64..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
    }

    pub fn header(&self) -> Value {
        json!({ "alg": format!("{:?}", self.algorithm), "typ": "client-authentication+jwt" })
    }
}

fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}

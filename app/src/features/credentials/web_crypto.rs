//! Key pairs that the browser makes (Web Cryptography API). The private key is in this page only:
//! in no field, in no storage, and in nothing that is sent.

use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::js_sys::{Array, JSON, Object, Reflect, Uint8Array};
use web_sys::{Blob, CryptoKey, SubtleCrypto, Url};

/// A kind of key pair, by the algorithm that assertions are signed with (RFC 7518 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Es256,
    EdDsa,
    Rs256,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Es256 => "ES256 (P-256)",
            Self::EdDsa => "EdDSA (Ed25519)",
            Self::Rs256 => "RS256 (RSA, 3,072 bits)",
        }
    }

    /// What the browser is asked for.
    fn parameters(self) -> Result<Object, JsValue> {
        let parameters: &[(&str, JsValue)] = match self {
            Self::Es256 => &[("name", "ECDSA".into()), ("namedCurve", "P-256".into())],
            Self::EdDsa => &[("name", "Ed25519".into())],
            Self::Rs256 => &[
                ("name", "RSASSA-PKCS1-v1_5".into()),
                ("hash", "SHA-256".into()),
                ("modulusLength", 3072.into()),
                ("publicExponent", Uint8Array::from(&[1, 0, 1][..]).into()),
            ],
        };
        let object = Object::new();
        for (name, value) in parameters {
            Reflect::set(&object, &(*name).into(), value)?;
        }
        Ok(object)
    }
}

/// A pair that was made: its public part as text, its private part as files to download.
pub(super) struct KeyPair {
    /// PEM (RFC 7468 section 13).
    pub(super) public: String,
    /// PEM with PKCS#8 (RFC 7468 section 10).
    pub(super) pem: Download,
    /// A JWK (RFC 7517) with its `alg`.
    pub(super) jwk: Download,
}

/// A file that is in this page only; it is gone when this is dropped.
pub(super) struct Download {
    pub(super) href: String,
}

impl Download {
    fn of(text: &str) -> Result<Self, JsValue> {
        let blob = Blob::new_with_str_sequence(&Array::of1(&text.into()))?;
        let href = Url::create_object_url_with_blob(&blob)?;
        Ok(Self { href })
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // The browser lets go of it with the page at the latest.
        let _ = Url::revoke_object_url(&self.href);
    }
}

/// The browser's cryptography. It has none on pages without TLS.
pub(super) fn subtle() -> Option<SubtleCrypto> {
    let subtle = window().crypto().ok()?.subtle();
    (!subtle.is_undefined()).then_some(subtle)
}

/// Whether the browser can make such a pair; some have no Ed25519.
pub(super) async fn can_make(subtle: &SubtleCrypto, kind: Kind) -> bool {
    generate(subtle, kind).await.is_ok()
}

/// Makes a pair.
///
/// # Errors
/// The browser's own: it knows no such kind, or has no randomness.
pub(super) async fn make(subtle: &SubtleCrypto, kind: Kind) -> Result<KeyPair, JsValue> {
    let (public, private) = generate(subtle, kind).await?;
    let jwk = JsFuture::from(subtle.export_key("jwk", &private)?).await?;
    Reflect::set(&jwk, &"alg".into(), &kind.as_str().into())?;
    let jwk = JSON::stringify_with_replacer_and_space(&jwk, &JsValue::NULL, &2.into())?;
    Ok(KeyPair {
        public: pem("PUBLIC KEY", subtle, "spki", &public).await?,
        pem: Download::of(&pem("PRIVATE KEY", subtle, "pkcs8", &private).await?)?,
        jwk: Download::of(&format!("{}\n", String::from(jwk)))?,
    })
}

/// The public and the private key of a new pair.
async fn generate(subtle: &SubtleCrypto, kind: Kind) -> Result<(CryptoKey, CryptoKey), JsValue> {
    let uses = Array::of2(&"sign".into(), &"verify".into());
    let pair = subtle.generate_key_with_object(&kind.parameters()?, true, &uses)?;
    let pair = JsFuture::from(pair).await?;
    let half = |name: &str| Reflect::get(&pair, &name.into())?.dyn_into::<CryptoKey>();
    Ok((half("publicKey")?, half("privateKey")?))
}

async fn pem(
    label: &str,
    subtle: &SubtleCrypto,
    format: &str,
    key: &CryptoKey,
) -> Result<String, JsValue> {
    let der = JsFuture::from(subtle.export_key(format, key)?).await?;
    // What `btoa` takes: a character for each byte.
    let der: String = Uint8Array::new(&der)
        .to_vec()
        .into_iter()
        .map(char::from)
        .collect();
    Ok(armour(label, &window().btoa(&der)?))
}

/// Base64 in lines of 64 characters between the marks of PEM (RFC 7468 section 2).
fn armour(label: &str, base64: &str) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = base64;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_has_lines_of_64_characters() {
        assert_eq!(
            armour("PUBLIC KEY", &"A".repeat(65)),
            format!(
                "-----BEGIN PUBLIC KEY-----\n{}\nA\n-----END PUBLIC KEY-----\n",
                "A".repeat(64)
            )
        );
    }
}

//! The server's own keys and what is done with them: hashing secrets, sealing private keys.
//!
//! Everything is derived from one master key, which comes from configuration or from a file that
//! only its owner can read; the database holds a check value, so that a wrong key is found at start.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{constant_time, digest, hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::recovery_code::RecoveryCode;
use domain::secret::Secret;
use domain::user::UserId;
use storage::{SecretHash, TokenHash};
use zeroize::Zeroizing;

use crate::clock::random_bytes;

/// 32 random bytes from which the server's keys are derived.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A key from its bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new key.
    #[must_use]
    pub fn generate() -> Self {
        Self::new(random_bytes())
    }

    /// Reads the form that [`MasterKey::to_text`] writes.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(hex::decode(text.trim()).ok()?);
        Some(Self::new(bytes.as_slice().try_into().ok()?))
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_slice()))
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// The keys in use.
pub(crate) struct Keys {
    pepper: hmac::Key,
    seal: RandomizedNonceKey,
    check: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// A sealed value did not open: another master key sealed it, or it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open with this master key")]
pub struct NotOurs;

impl Keys {
    pub(crate) fn derive(master: &MasterKey) -> Result<Self, NotOurs> {
        let check = derive(master, b"keyrack check value")?;
        Ok(Self {
            pepper: hmac::Key::new(
                hmac::HMAC_SHA256,
                derive(master, b"keyrack pepper")?.as_slice(),
            ),
            seal: RandomizedNonceKey::new(
                &AES_256_GCM,
                derive(master, b"keyrack signing keys")?.as_slice(),
            )
            .map_err(|_| NotOurs)?,
            check: hex::encode(digest::digest(&digest::SHA256, check.as_slice())),
        })
    }

    /// What the database keeps to know the master key again; nothing can be told from it.
    pub(crate) fn check_value(&self) -> &str {
        &self.check
    }

    /// The stored form of a secret (HMAC-SHA-256): fast on purpose, the secret has 238 random bits.
    pub(crate) fn hash_secret(&self, secret: &Secret) -> SecretHash {
        let tag = hmac::sign(&self.pepper, secret.expose().as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(tag.as_ref());
        SecretHash(hash)
    }

    /// The stored form of a person's recovery code, which has 80 random bits.
    pub(crate) fn hash_recovery_code(&self, user: UserId, code: &RecoveryCode) -> SecretHash {
        let text = Zeroizing::new(format!("recovery code {user} {}", code.expose()));
        let tag = hmac::sign(&self.pepper, text.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(tag.as_ref());
        SecretHash(hash)
    }

    /// Whether a presented secret is one of the stored ones, in constant time for each.
    pub(crate) fn is_one_of(presented: &SecretHash, stored: &[SecretHash]) -> bool {
        stored.iter().fold(false, |found, hash| {
            constant_time::verify_slices_are_equal(&presented.0, &hash.0).is_ok() | found
        })
    }

    /// Encrypts something for the database, or for a form that comes back. It opens in the same
    /// context only: what is moved to another row, or used for something else, does not.
    pub(crate) fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, NotOurs> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .seal
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .map_err(|_| NotOurs)?;
        Ok([nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// Decrypts what [`Keys::seal`] made.
    pub(crate) fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOurs> {
        let (nonce, rest) = sealed.split_at_checked(12).ok_or(NotOurs)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOurs)?;
        let mut rest = Zeroizing::new(rest.to_vec());
        let length = self
            .seal
            .open_in_place(nonce, Aad::from(context), &mut rest)
            .map_err(|_| NotOurs)?
            .len();
        rest.truncate(length);
        Ok(rest)
    }
}

fn derive(master: &MasterKey, purpose: &[u8]) -> Result<Zeroizing<[u8; 32]>, NotOurs> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(master.0.as_slice())
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .map_err(|_| NotOurs)?;
    Ok(key)
}

/// A random token for a link or a session: shown once, stored only as its hash.
pub struct Token(Zeroizing<String>);

impl Token {
    /// 256 random bits, base64url.
    #[must_use]
    pub fn generate() -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(random_bytes::<32>())))
    }

    /// The same for a gateway, with a prefix by which leaks can be recognised.
    #[must_use]
    pub fn of_gateway() -> Self {
        let random = URL_SAFE_NO_PAD.encode(random_bytes::<32>());
        Self(Zeroizing::new(format!("krg_{random}")))
    }

    /// The token, for the one place that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        hash_token(&self.0)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// SHA-256 of a presented token: tokens are random, so nothing slower is needed.
#[must_use]
pub fn hash_token(token: &str) -> TokenHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    TokenHash(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_values_open_only_with_their_key_and_unchanged() {
        let (ours, other) = (MasterKey::new([1; 32]), MasterKey::new([2; 32]));
        let (ours, other) = (Keys::derive(&ours).unwrap(), Keys::derive(&other).unwrap());
        let sealed = ours.seal("a", b"private").unwrap();
        assert_eq!(ours.open("a", &sealed).unwrap().as_slice(), b"private");
        assert_eq!(other.open("a", &sealed).unwrap_err(), NotOurs);
        assert_eq!(ours.open("b", &sealed).unwrap_err(), NotOurs);
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(ours.open("a", &bent).is_err(), "byte {at}");
        }
        assert!(ours.open("a", &sealed[..5]).is_err());
        assert_ne!(ours.check_value(), other.check_value());
    }

    #[test]
    fn a_secret_is_known_by_its_hash_under_the_same_pepper() {
        let keys = Keys::derive(&MasterKey::new([1; 32])).unwrap();
        let other = Keys::derive(&MasterKey::new([2; 32])).unwrap();
        let (a, b) = (
            Secret::generate(&mut crate::clock::system_rng()),
            Secret::generate(&mut crate::clock::system_rng()),
        );
        let stored = [keys.hash_secret(&b), keys.hash_secret(&a)];
        assert!(Keys::is_one_of(&keys.hash_secret(&a), &stored));
        assert!(!Keys::is_one_of(&other.hash_secret(&a), &stored));
        assert!(!Keys::is_one_of(&keys.hash_secret(&a), &[]));
    }

    #[test]
    fn the_master_key_round_trips_and_never_prints() {
        let key = MasterKey::generate();
        let again = MasterKey::from_text(&format!("{}\n", *key.to_text())).unwrap();
        assert_eq!(*again.to_text(), *key.to_text());
        assert!(MasterKey::from_text("00").is_none() && MasterKey::from_text("zz").is_none());
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
    }
}

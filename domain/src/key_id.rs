//! The public identifier of a credential, and OAuth's `client_id`.

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

const PREFIX: &[u8; 2] = b"KR";
const LENGTH: usize = 22;
/// RFC 4648 base32, so that no character is mistaken for another when read aloud.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// `KR` and 20 characters of A–Z and 2–7: 100 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; LENGTH]);

/// Why a text is not a [`KeyId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id is KR and 20 characters of A to Z and 2 to 7")]
pub struct InvalidKeyId;

impl KeyId {
    /// A new key id from the system's randomness.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut id = [0; LENGTH];
        rng.fill_bytes(&mut id);
        for byte in &mut id {
            *byte = ALPHABET[usize::from(*byte % 32)];
        }
        id[..PREFIX.len()].copy_from_slice(PREFIX);
        Self(id)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII gets into a key id, so the empty text is never given.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id: [u8; LENGTH] = text.as_bytes().try_into().map_err(|_| InvalidKeyId)?;
        let well_formed = id.starts_with(PREFIX)
            && id[PREFIX.len()..]
                .iter()
                // The characters of `ALPHABET`, without a search for each.
                .all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
        if well_formed {
            Ok(Self(id))
        } else {
            Err(InvalidKeyId)
        }
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidKeyId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn malformed_key_ids_are_refused() {
        let long = format!("KR{}", "A".repeat(21));
        for bad in [
            "",
            "KR",
            "KRA",
            "KQ7M2XZLP4TAVJ6NDB3EHA",
            "krq7m2xzlp4tavj6ndb3eh",
            "KRQ7M2XZLP4TAVJ6NDB3E1",
            "KRQ7M2XZLP4TAVJ6NDB3E ",
            "KRÄÄÄÄÄÄÄÄÄÄ",
            long.as_str(),
        ] {
            assert_eq!(bad.parse::<KeyId>(), Err(InvalidKeyId), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn generated_key_ids_parse_and_match_the_published_pattern(seed: u64) {
            let id = KeyId::generate(&mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
            prop_assert!(id.as_str().len() == 22 && id.as_str().starts_with("KR"));
            prop_assert!(id.as_str().bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        }
    }
}

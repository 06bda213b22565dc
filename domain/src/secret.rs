//! The format of a secret: a prefix that scanners know, randomness, and a checksum.
//!
//! The checksum lets typos and leaked strings be recognised without a database. How a secret is
//! stored (HMAC under the server's pepper) is the service's business.

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

const PREFIX: &str = "krs_";
const RANDOM: usize = 40;
const CHECKSUM: usize = 6;
const LENGTH: usize = PREFIX.len() + RANDOM + CHECKSUM;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `krs_`, 40 random base62 characters (238 bits) and 6 of CRC-32 over all that stands before.
///
/// It prints as nothing, and leaves memory when dropped; [`Secret::expose`] is the only way to it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

/// Why a text is not a [`Secret`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// Not the prefix and 46 base62 characters.
    #[error("a secret is krs_ and 46 letters and digits")]
    Malformed,
    /// It looks like one, but a character is wrong.
    #[error("the secret has a typing error: its checksum does not match")]
    Checksum,
}

impl Secret {
    /// A new secret from the system's randomness.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        let mut byte = [0_u8];
        while text.len() < PREFIX.len() + RANDOM {
            rng.fill_bytes(&mut byte);
            // 248 is the largest multiple of 62 in a byte: above it, low characters would be likelier.
            if byte[0] < 248 {
                text.push(char::from(BASE62[usize::from(byte[0] % 62)]));
            }
        }
        let sum = checksum(&text);
        text.extend(sum.map(char::from));
        Self(text)
    }

    /// The secret itself, for the one answer that shows it and for hashing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let body = text.strip_prefix(PREFIX).ok_or(InvalidSecret::Malformed)?;
        if text.len() != LENGTH || !body.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(InvalidSecret::Malformed);
        }
        let (covered, sum) = text.split_at(LENGTH - CHECKSUM);
        if sum.as_bytes() == checksum(covered) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSecret::Checksum)
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// CRC-32 in base62, most significant digit first; 62^6 is above 2^32, so six digits always do.
fn checksum(text: &str) -> [u8; CHECKSUM] {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [0; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    /// Computed with Python's `zlib.crc32`: the format is public, others will check it.
    #[test]
    fn checksum_is_crc32_in_base62() {
        let covered = format!("krs_{}", "a".repeat(40));
        let crc: u32 = 0x85d1_d5e8;
        assert_eq!(crc32fast::hash(covered.as_bytes()), crc);
        let secret: Secret = format!("{covered}{}", "2RwIfI").parse().unwrap();
        assert!(secret.expose().ends_with("2RwIfI"));
    }

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::generate(&mut StdRng::seed_from_u64(1));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn malformed_secrets_are_refused() {
        let good = Secret::generate(&mut StdRng::seed_from_u64(2));
        let good = good.expose();
        for bad in [
            String::new(),
            "krs_".to_owned(),
            good[..49].to_owned(),
            format!("{good}a"),
            good.replace("krs_", "krt_"),
            format!(" {}", &good[1..]),
            good.replace('_', "-"),
            format!("krs_{}", "é".repeat(23)),
        ] {
            assert_eq!(
                bad.parse::<Secret>(),
                Err(InvalidSecret::Malformed),
                "{bad:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn generated_secrets_parse(seed: u64) {
            let secret = Secret::generate(&mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(secret.expose().len(), 50);
            prop_assert_eq!(secret.expose().parse::<Secret>(), Ok(secret));
        }

        #[test]
        fn any_one_changed_character_is_found(seed: u64, at in 4_usize..50, to in 0_usize..62) {
            let secret = Secret::generate(&mut StdRng::seed_from_u64(seed));
            let mut text = secret.expose().as_bytes().to_vec();
            prop_assume!(text[at] != BASE62[to]);
            text[at] = BASE62[to];
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(text.parse::<Secret>(), Err(InvalidSecret::Checksum));
        }
    }
}

//! Recovery codes: what lets a person in, once, who has lost their second factor.

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// RFC 4648 base32: nothing in it is mistaken for something else.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// 80 random bits.
const LENGTH: usize = 16;

/// One recovery code. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode(String);

/// Why a text is no [`RecoveryCode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a recovery code has 16 letters and digits")]
pub struct InvalidRecoveryCode;

impl RecoveryCode {
    /// How many a person gets.
    pub const NUMBER: usize = 10;

    /// A new code.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; LENGTH];
        rng.fill_bytes(&mut bytes);
        let characters = bytes.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
        bytes.zeroize();
        Self(characters.iter().collect())
    }

    /// The code without its hyphens, for the one place that hashes it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The code as people write it down: `ABCD-EFGH-IJKL-MNOP`.
    #[must_use]
    pub fn grouped(&self) -> String {
        let mut text = String::with_capacity(LENGTH + 3);
        for (index, character) in self.0.chars().enumerate() {
            if index > 0 && index % 4 == 0 {
                text.push('-');
            }
            text.push(character);
        }
        text
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

impl FromStr for RecoveryCode {
    type Err = InvalidRecoveryCode;

    /// Case, hyphens and spaces don't matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 100 {
            return Err(InvalidRecoveryCode);
        }
        let code: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let is_one = code.len() == LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte));
        is_one.then_some(Self(code)).ok_or(InvalidRecoveryCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let code = RecoveryCode::generate(&mut StdRng::seed_from_u64(1));
        let grouped = code.grouped();
        assert_eq!(grouped.len(), 19);
        for written in [
            grouped.clone(),
            grouped.to_lowercase(),
            grouped.replace('-', " "),
            format!("  {}\t", code.expose()),
        ] {
            assert_eq!(written.parse().as_ref(), Ok(&code), "{written:?}");
        }
        for bad in ["", "123456", "ABCD-EFGH-IJKL-MNO1", &format!("{grouped}A")] {
            assert_eq!(
                bad.parse::<RecoveryCode>(),
                Err(InvalidRecoveryCode),
                "{bad:?}"
            );
        }
        assert!("A".repeat(1 << 20).parse::<RecoveryCode>().is_err());
    }

    #[test]
    fn a_code_never_prints_and_never_comes_twice() {
        let mut rng = StdRng::seed_from_u64(2);
        let codes: Vec<_> = (0..1000)
            .map(|_| RecoveryCode::generate(&mut rng))
            .collect();
        assert_eq!(format!("{:?}", codes[0]), "RecoveryCode(…)");
        let mut texts: Vec<_> = codes.iter().map(RecoveryCode::expose).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 1000);
    }
}

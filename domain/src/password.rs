//! How long a password must be (NIST SP 800-63B-4 section 3.1.1.2). Whether it is an easy guess is found
//! out where it is hashed: the lists for that are too long for a browser.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A password in composed form (NFC). It prints as nothing and leaves memory when dropped.
///
/// Made for checking a log-in; [`Password::new_choice`] is for one that somebody chooses.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Password(String);

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// Fewer than [`Password::MINIMUM`] characters.
    #[error("use at least 15 characters; a few unrelated words are easy to remember")]
    TooShort,
    /// More than [`Password::MAXIMUM`] characters or [`Password::MAXIMUM_BYTES`] bytes.
    #[error("use 256 characters at most")]
    TooLong,
}

impl Password {
    /// The fewest characters of a password that is the only factor.
    pub const MINIMUM: usize = 15;
    /// The most characters.
    pub const MAXIMUM: usize = 256;
    /// The most bytes, looked at before any work is done.
    pub const MAXIMUM_BYTES: usize = 1024;

    /// A password as typed at log-in: spaces stay, nothing is cut off.
    ///
    /// # Errors
    /// More than [`Password::MAXIMUM`] characters.
    pub fn typed(text: &str) -> Result<Self, InvalidPassword> {
        if text.len() > Self::MAXIMUM_BYTES || text.chars().count() > Self::MAXIMUM {
            return Err(InvalidPassword::TooLong);
        }
        Ok(Self(text.nfc().collect()))
    }

    /// A password that somebody chooses, as far as its length goes.
    ///
    /// # Errors
    /// Too short or too long.
    pub fn new_choice(text: &str) -> Result<Self, InvalidPassword> {
        let password = Self::typed(text)?;
        if password.0.chars().count() < Self::MINIMUM {
            return Err(InvalidPassword::TooShort);
        }
        Ok(password)
    }

    /// The password, for the one place that hashes it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_57_length_is_what_counts() {
        let table = [
            ("fourteen chars", Err(InvalidPassword::TooShort)),
            ("fifteen of them", Ok(())),
            ("mice juggle seven lamps", Ok(())),
            ("  spaces at both ends  ", Ok(())),
            ("übergröße ist wörtlich", Ok(())),
        ];
        for (text, expected) in table {
            assert_eq!(Password::new_choice(text).map(|_| ()), expected, "{text:?}");
        }
        let long = "mice juggle seven lamps and 9 drums ".repeat(8);
        assert!(Password::new_choice(&long[..256]).is_ok());
        assert!(Password::new_choice(&long[..64]).is_ok());
        assert_eq!(
            Password::new_choice(&format!("{}x", &long[..256])).map(|_| ()),
            Err(InvalidPassword::TooLong)
        );
        assert!(Password::typed(&"x".repeat(1 << 20)).is_err());
    }

    #[test]
    fn check_57_composed_and_decomposed_are_one_password_and_spaces_stay() {
        let (a, b) = (
            Password::typed("caf\u{e9} ").unwrap(),
            Password::typed("cafe\u{301} ").unwrap(),
        );
        assert_eq!(a.expose(), b.expose());
        assert!(a.expose().ends_with(' '));
    }

    #[test]
    fn a_password_never_prints() {
        assert_eq!(
            format!("{:?}", Password::typed("mice juggle").unwrap()),
            "Password(…)"
        );
    }
}

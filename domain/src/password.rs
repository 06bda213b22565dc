//! What a password must be (NIST SP 800-63B-4 section 3.1.1.2): long, and not an easy guess.

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
    /// On the list of common passwords, one thing repeated, or made of words that anyone would try.
    #[error(
        "this is easy to guess: choose something that does not contain your name, your address or the product's name"
    )]
    Guessable,
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

    /// A password that somebody chooses. `context` holds what must not be its core: the person's
    /// name and address, the product, the organisation.
    ///
    /// # Errors
    /// Too short, too long, or an easy guess.
    pub fn new_choice(text: &str, context: &[&str]) -> Result<Self, InvalidPassword> {
        let password = Self::typed(text)?;
        if password.0.chars().count() < Self::MINIMUM {
            return Err(InvalidPassword::TooShort);
        }
        if is_guessable(&password.0, context) {
            return Err(InvalidPassword::Guessable);
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

/// What is left after everything that an attacker tries first is taken out must still be long.
fn is_guessable(password: &str, context: &[&str]) -> bool {
    const LEAST_LEFT: usize = 8;
    let mut rest = password.to_lowercase();
    let words = context
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
        .map(str::to_lowercase)
        .filter(|word| word.chars().count() >= 4)
        .chain(COMMON.split_ascii_whitespace().map(str::to_owned));
    for word in words {
        rest = rest.replace(&word, "");
    }
    let mut distinct: Vec<char> = rest.chars().filter(|c| c.is_alphanumeric()).collect();
    let left = distinct.len();
    distinct.sort_unstable();
    distinct.dedup();
    left < LEAST_LEFT || distinct.len() < 5
}

/// The cores of the passwords that lists of leaks are full of, longest first; a password that is 15
/// characters long is on such a list only as a run of these.
const COMMON: &str = "administrator qwertyuiop asdfghjkl 1234567890 0123456789 9876543210 passw0rd \
    password iloveyou princess sunshine football baseball superman trustno1 letmein welcome \
    monkey dragon master shadow michael charlie batman abc123 qwerty qwertz azerty zxcvbn asdfgh \
    123456 654321 111111 000000 123123 secret hunter2 changeme default admin login keyrack 12345 \
    1234 4321 1111 0000 abcd pass test user 123 abc";

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
            assert_eq!(
                Password::new_choice(text, &[]).map(|_| ()),
                expected,
                "{text:?}"
            );
        }
        let long = "mice juggle seven lamps and 9 drums ".repeat(8);
        assert!(Password::new_choice(&long[..256], &[]).is_ok());
        assert!(Password::new_choice(&long[..64], &[]).is_ok());
        assert_eq!(
            Password::new_choice(&format!("{}x", &long[..256]), &[]).map(|_| ()),
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
    fn check_58_easy_guesses_are_refused() {
        let context = ["Mara Okafor", "mara@example.com", "Keyrack"];
        for bad in [
            "passwordpassword",
            "Password123456789",
            "aaaaaaaaaaaaaaaaaa",
            "121212121212121212",
            "keyrackkeyrack123",
            "MaraOkafor123456",
            "mara.okafor@example.com",
            "qwertyuiopasdfghjkl",
            "okafor example keyrack",
            "1234567890123456789",
        ] {
            assert_eq!(
                Password::new_choice(bad, &context).map(|_| ()),
                Err(InvalidPassword::Guessable),
                "{bad:?}"
            );
        }
        assert!(Password::new_choice("mara feeds the purple walrus", &context).is_ok());
    }

    #[test]
    fn a_password_never_prints() {
        assert_eq!(
            format!("{:?}", Password::typed("mice juggle").unwrap()),
            "Password(…)"
        );
    }
}

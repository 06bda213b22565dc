//! Texts that people type: names, purposes, reasons. One set of rules for all of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::confidential::{TEXT_ADVICE, is_confidential};

/// Why a typed text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Nothing but spaces.
    #[error("fill this in")]
    Empty,
    /// More characters than allowed; holds the limit.
    #[error("use {0} characters at most")]
    TooLong(usize),
    /// Line breaks, control characters, or characters that change the direction of the text.
    #[error("use one line of plain text, without control characters")]
    Control,
    /// A secret or a private key, pasted by mistake.
    #[error("{TEXT_ADVICE}")]
    Confidential,
}

/// Trims, composes (NFC) and checks one line of text.
fn line(text: &str, limit: usize) -> Result<String, InvalidText> {
    // Refused before it is normalised: the work stays bounded.
    if text.len() > limit * 16 {
        return Err(InvalidText::TooLong(limit));
    }
    let text: String = text.trim().nfc().collect();
    if text.is_empty() {
        Err(InvalidText::Empty)
    } else if text.chars().count() > limit {
        Err(InvalidText::TooLong(limit))
    } else if text.chars().any(is_hidden) {
        Err(InvalidText::Control)
    } else if is_confidential(&text) {
        Err(InvalidText::Confidential)
    } else {
        Ok(text)
    }
}

/// Characters that have no shape of their own but change how a log line or a page reads.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $limit:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The most characters.
            pub const LIMIT: usize = $limit;

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                line(text, Self::LIMIT).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidText;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

text_type!(
    /// What a credential is called. The key id tells two of the same name apart.
    CredentialName, 80
);
text_type!(
    /// What a credential is for.
    Purpose, 300
);
text_type!(
    /// Why a credential was disabled, re-enabled or revoked.
    Reason, 300
);
text_type!(
    /// What a gateway is called.
    GatewayName, 80
);
text_type!(
    /// What a passkey is called.
    PasskeyName, 80
);
text_type!(
    /// What a person is called.
    PersonName, 100
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_one_trimmed_line() {
        assert_eq!(
            "  settlement-worker "
                .parse::<CredentialName>()
                .unwrap()
                .as_str(),
            "settlement-worker"
        );
        assert_eq!("e\u{301}".parse::<PersonName>().unwrap().as_str(), "é");
        let table = [
            ("", InvalidText::Empty),
            (" \t ", InvalidText::Empty),
            ("a\nb", InvalidText::Control),
            ("a\u{1b}[31mb", InvalidText::Control),
            ("a\0b", InvalidText::Control),
            ("a\u{202e}b", InvalidText::Control),
            ("a\u{200b}b", InvalidText::Control),
            ("edge, token krg_x", InvalidText::Confidential),
        ];
        for (text, error) in table {
            assert_eq!(text.parse::<CredentialName>(), Err(error), "{text:?}");
        }
        assert!("x".repeat(80).parse::<CredentialName>().is_ok());
        assert_eq!(
            "x".repeat(81).parse::<CredentialName>(),
            Err(InvalidText::TooLong(80))
        );
        assert_eq!(
            "x".repeat(1 << 20).parse::<CredentialName>(),
            Err(InvalidText::TooLong(80))
        );
    }

    proptest! {
        /// Letters of every script, also those that are composed, and blanks around them.
        #[test]
        fn a_text_that_parses_parses_again_to_itself(
            text in "\\s{0,3}[\\pL\\pN][\\pL\\pM\\pN .,()&-]{0,20}\\s{0,3}",
        ) {
            let name: CredentialName = text.parse().unwrap();
            prop_assert_eq!(name.as_str().trim(), name.as_str());
            prop_assert_eq!(name.as_str().parse::<CredentialName>(), Ok(name.clone()));
        }
    }
}

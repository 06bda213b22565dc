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
    } else if text.chars().any(is_hidden) || has_idle_joiner(&text) {
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
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// Whether a joiner (ZWNJ, ZWJ) stands where neither a script nor an emoji has use for it: there it would
/// only make two names that look the same.
fn has_idle_joiner(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    characters.iter().enumerate().any(|(at, c)| {
        let next_to = |at: Option<usize>| at.and_then(|at| characters.get(at)).copied();
        let (before, after) = (next_to(at.checked_sub(1)), next_to(at.checked_add(1)));
        match (c, before, after) {
            ('\u{200c}' | '\u{200d}', Some(before), Some(after)) => {
                let joins_letters = uses_joiners(before) && uses_joiners(after);
                let joins_emoji = *c == '\u{200d}' && is_emoji(before) && is_emoji(after);
                !joins_letters && !joins_emoji
            }
            ('\u{200c}' | '\u{200d}', ..) => true,
            _ => false,
        }
    })
}

/// Whether a character is in a block of the scripts whose letters joiners shape (Unicode 16, section 23.2):
/// from Arabic to N'Ko and Mandaic, those of India and their relatives, Khmer, Mongolian, Balinese.
const fn uses_joiners(c: char) -> bool {
    matches!(
        c,
        '\u{600}'..='\u{8ff}'
            | '\u{900}'..='\u{dff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1780}'..='\u{18af}'
            | '\u{1a20}'..='\u{1bff}'
            | '\u{a8e0}'..='\u{a8ff}'
            | '\u{fb50}'..='\u{fdff}'
            | '\u{fe70}'..='\u{fefc}'
            | '\u{11000}'..='\u{11fff}'
    )
}

/// Whether a character may be a part of an emoji that a joiner makes of several (UTS #51): a picture, the mark
/// that asks for its colours, or a tone of skin.
const fn is_emoji(c: char) -> bool {
    matches!(c, '\u{fe0f}' | '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
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

    #[test]
    fn joiners_stand_where_a_script_or_an_emoji_needs_them_and_nowhere_else() {
        for text in [
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "क्\u{200c}ष",
            "ශ්\u{200d}රී",
            "👩\u{200d}💻 Mara",
            "👩🏽\u{200d}🚀",
            "❤\u{fe0f}\u{200d}🔥",
            "🏳\u{fe0f}\u{200d}🌈",
            "👨\u{200d}👩\u{200d}👧",
        ] {
            let name: Result<CredentialName, _> = text.parse();
            assert_eq!(name.as_ref().map(CredentialName::as_str), Ok(text));
        }
        for text in [
            "settle\u{200c}ment",
            "settle\u{200d}ment",
            "\u{200d}क",
            "ख\u{200c}",
            "م\u{200c}a",
            "a\u{200d}👩",
            "👩\u{200c}💻",
            "👩\u{200d}\u{200d}💻",
            "می\u{200c}\u{200c}خ",
            "👩\u{200d}",
            "م\u{202e}م",
            "م\u{200f}م",
            "م\u{2066}م",
        ] {
            assert_eq!(
                text.parse::<CredentialName>(),
                Err(InvalidText::Control),
                "{text:?}"
            );
        }
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

//! What a parameter of a path may stand for. Without a kind it takes every segment that has no encoded
//! slash; with one, what the API would take for an id and nothing else, so that no other call of the
//! API hides in it.

use std::fmt;

use chrono::NaiveDate;

/// The longest [`Kind::Word`].
const MAX_WORD_BYTES: usize = 64;

/// The values that a parameter takes, `{name:kind}` in a path template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A UUID in its text form (RFC 9562 section 4), in either case.
    Uuid,
    /// A whole number from 0 that fits into 64 bits, without a sign or zeros before it.
    Integer,
    /// A day of the calendar, `2026-11-30` (`full-date` of RFC 3339).
    Date,
    /// Up to 64 letters, digits, `-` and `_`: no dot, so no extension.
    Word,
    /// Everything that a parameter without a kind takes, and encoded slashes: `BTC%2FUSD`.
    Slashes,
}

impl Kind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 5] = [
        Self::Uuid,
        Self::Integer,
        Self::Date,
        Self::Word,
        Self::Slashes,
    ];

    /// The kind as a template writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Integer => "integer",
            Self::Date => "date",
            Self::Word => "word",
            Self::Slashes => "slashes",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether a decoded segment, not empty, is such a value.
    #[must_use]
    pub fn takes(self, value: &str) -> bool {
        match self {
            Self::Uuid => has_shape(value, b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
            Self::Integer => {
                value.bytes().all(|byte| byte.is_ascii_digit())
                    && (value == "0" || !value.starts_with('0'))
                    && value.parse::<u64>().is_ok()
            }
            Self::Date => {
                has_shape(value, b"0000-00-00")
                    && NaiveDate::parse_from_str(value, "%Y-%m-%d").is_ok()
            }
            Self::Word => {
                let is_word_byte =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                (1..=MAX_WORD_BYTES).contains(&value.len()) && value.bytes().all(is_word_byte)
            }
            Self::Slashes => true,
        }
    }

    /// A value of this kind.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Uuid => "00000000-0000-4000-8000-000000000000",
            Self::Integer => "1",
            Self::Date => "2000-01-01",
            Self::Word | Self::Slashes => "example",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a value has a hexadecimal digit for each `x`, a decimal one for each `0`, and else what the
/// shape has.
fn has_shape(value: &str, shape: &[u8]) -> bool {
    value.len() == shape.len()
        && value.bytes().zip(shape).all(|(byte, wanted)| match wanted {
            b'x' => byte.is_ascii_hexdigit(),
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        })
}

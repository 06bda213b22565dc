//! What servers that are less strict than this may take a segment for.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Without the signs at either end and what follows the first `.` or sub-delimiter (RFC 3986 section
/// 2.2), [folded](fold). Two segments with one stem are variants of each other: `positions`,
/// `Positions`, `positions.json`, `positions(1)`, `positions~`.
pub(super) fn stem(segment: &str) -> Cow<'_, str> {
    match fold(segment) {
        Cow::Borrowed(folded) => Cow::Borrowed(name(folded)),
        Cow::Owned(folded) => Cow::Owned(name(&folded).to_owned()),
    }
}

fn name(segment: &str) -> &str {
    let named = segment.trim_start_matches(is_sign);
    let name = named.split(ends_name).next().unwrap_or_default();
    name.trim_end_matches(is_sign)
}

/// Whatever is no letter and no digit.
pub(super) fn is_sign(c: char) -> bool {
    !c.is_alphanumeric()
}

/// Whether what follows may be an extension or an argument.
pub(super) fn ends_name(c: char) -> bool {
    matches!(
        c,
        '.' | '!' | '$' | '&' | '\'' | '(' | ')' | '*' | '+' | ',' | ';' | '='
    )
}

/// In lower case; characters outside ASCII as those that they look like or are made of, if there are
/// such: `ｐositions`, `poſitions` and `pósitions` are `positions`.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        let plain = text.nfkd().filter(|c| !is_invisible(*c));
        // Some letters have a plain form in upper case only.
        let upper = plain.flat_map(char::to_uppercase);
        return Cow::Owned(upper.flat_map(char::to_lowercase).collect());
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(text)
}

/// Accents, joiners, variation selectors.
fn is_invisible(c: char) -> bool {
    is_combining_mark(c)
        || matches!(
            c,
            '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}'
        )
}

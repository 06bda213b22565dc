//! Strict paths. A path that a proxy, this gate and the API could each read differently is
//! refused before it is compared with anything, so it can't slip under a looser rule.
//!
//! Both templates and requests may use only the characters of [`is_segment_byte`]. For requests
//! that holds after decoding, and they are decoded exactly once: what an escape may hide is what
//! could have been written plainly. So encoded separators, a second layer of escapes, control
//! characters and everything outside ASCII (fullwidth look-alikes too) are refused, `{param}`
//! segments included.

use std::borrow::Cow;

use super::Refusal;
use super::kind::Kind;

/// The longest path of a request, without its query.
pub const MAX_PATH_BYTES: usize = 8192;

/// The longest path template.
pub const MAX_TEMPLATE_BYTES: usize = 1024;

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// Absolute form (`https://…`), `*`, or nothing at all.
    #[error("it doesn't start with /")]
    NotAbsolute,
    /// `//`, or a slash at the end.
    #[error("it has an empty segment: // or a / at the end")]
    EmptySegment,
    /// `.` or `..`, in any mix of plain and encoded.
    #[error("it has a segment . or ..")]
    DotSegment,
    /// `%` without two hexadecimal digits after it.
    #[error("it has a broken percent escape")]
    BadEscape,
    /// A character that no segment may have, plain or encoded.
    #[error(
        "it has, plain or percent-encoded, a character that has no place there: a space, \
         \\ ; # or %, an encoded / or ?, a control character or one outside ASCII"
    )]
    Character,
}

/// What is wrong with a path template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// Its literal part couldn't be a path.
    #[error("the path can't be matched: {0}")]
    Path(#[from] PathFault),
    /// Braces that aren't a whole segment with a name.
    #[error("a parameter is a whole segment, {{name}}, of letters, digits and underscores")]
    Parameter,
    /// A parameter of no [`Kind`].
    #[error("the kind of a parameter, {{name:kind}}, is one of uuid, integer, date and word")]
    Kind,
    /// Over [`MAX_TEMPLATE_BYTES`].
    #[error("the path is longer than {MAX_TEMPLATE_BYTES} characters")]
    TooLong,
}

/// One segment of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    /// Exactly this text.
    Literal(&'a str),
    /// Any text, or any of a kind.
    Parameter(Option<Kind>),
}

/// The characters of `pchar` (RFC 3986 section 3.3) without `;`, which some servers cut off
/// together with what follows, and without `%`.
const fn is_segment_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}

/// The answer of [`is_segment_byte`] for each byte; none for the last one, which is no character.
const SEGMENT_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < u8::MAX {
        table[byte as usize] = is_segment_byte(byte);
        byte += 1;
    }
    table
};

/// The segments of a path that starts with `/`; `/` itself has none.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    let rest = path.strip_prefix('/').unwrap_or(path);
    (!rest.is_empty())
        .then(|| rest.split('/'))
        .into_iter()
        .flatten()
}

/// Reads a request's target into a decoded path that can be compared with templates.
pub(super) fn canonical(target: &str) -> Result<Cow<'_, str>, Refusal> {
    let path = target.split_once('?').map_or(target, |(path, _query)| path);
    if path.len() > MAX_PATH_BYTES {
        return Err(Refusal::PathTooLong);
    }
    let path = if path.contains('%') {
        decode(path)?.into()
    } else {
        Cow::Borrowed(path)
    };
    if !path.starts_with('/') {
        return Err(PathFault::NotAbsolute.into());
    }
    segments(&path).try_for_each(check_segment)?;
    Ok(path)
}

/// Reads a template into its segments.
pub(super) fn template(text: &str) -> Result<Vec<Segment<'_>>, TemplateFault> {
    if text.len() > MAX_TEMPLATE_BYTES {
        return Err(TemplateFault::TooLong);
    }
    if !text.starts_with('/') {
        return Err(PathFault::NotAbsolute.into());
    }
    segments(text).map(template_segment).collect()
}

fn template_segment(text: &str) -> Result<Segment<'_>, TemplateFault> {
    if text.contains(['{', '}']) {
        let inside = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .ok_or(TemplateFault::Parameter)?;
        let (name, kind) = match inside.split_once(':') {
            Some((name, kind)) => (name, Some(kind)),
            None => (inside, None),
        };
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_name_byte) {
            return Err(TemplateFault::Parameter);
        }
        let kind = kind.map(|kind| Kind::from_name(kind).ok_or(TemplateFault::Kind));
        return Ok(Segment::Parameter(kind.transpose()?));
    }
    check_segment(text)?;
    Ok(Segment::Literal(text))
}

/// What servers that are less strict than this may take a segment for: without the signs at either
/// end and what follows the first `.` or sub-delimiter (RFC 3986 section 2.2), in lower case. Two
/// segments with one stem are variants of each other: `positions`, `Positions`, `positions.json`,
/// `positions(1)`, `positions~`.
pub(super) fn stem(segment: &str) -> Cow<'_, str> {
    let is_sign = |c: char| !c.is_ascii_alphanumeric();
    let ends_name = |c: char| {
        matches!(
            c,
            '.' | '!' | '$' | '&' | '\'' | '(' | ')' | '*' | '+' | ',' | ';' | '='
        )
    };
    let named = segment.trim_start_matches(is_sign);
    let name = named.split(ends_name).next().unwrap_or_default();
    let name = name.trim_end_matches(is_sign);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

fn check_segment(segment: &str) -> Result<(), PathFault> {
    match segment {
        "" => Err(PathFault::EmptySegment),
        "." | ".." => Err(PathFault::DotSegment),
        _ if segment.bytes().all(|byte| SEGMENT_BYTES[usize::from(byte)]) => Ok(()),
        _ => Err(PathFault::Character),
    }
}

/// Decodes percent escapes, once. What comes out of an escape must be a segment's character:
/// afterwards nobody could tell `%2F` from `/`.
fn decode(path: &str) -> Result<String, PathFault> {
    let mut chunks = path.split('%');
    let mut decoded = chunks.next().unwrap_or_default().to_owned();
    for chunk in chunks {
        let (byte, rest) = escape(chunk).ok_or(PathFault::BadEscape)?;
        if !is_segment_byte(byte) {
            return Err(PathFault::Character);
        }
        decoded.push(char::from(byte));
        decoded.push_str(rest);
    }
    Ok(decoded)
}

/// Two hexadecimal digits and what follows them.
fn escape(text: &str) -> Option<(u8, &str)> {
    let mut chars = text.chars();
    let high = chars.next()?.to_digit(16)?;
    let low = chars.next()?.to_digit(16)?;
    Some((u8::try_from(high * 16 + low).ok()?, chars.as_str()))
}

//! Strict paths. A path that a proxy, this gate and the API could each read differently is
//! refused before it is compared with anything, so it can't slip under a looser rule.
//!
//! What stands in a path plainly may only be a character of [`is_segment_byte`], in templates as in
//! requests. Percent escapes of a request are decoded exactly once, as UTF-8, segment by segment: so
//! a value may have any other text, but nothing that a second reader would take for the end of the
//! path or of a segment, for a step back, or for one more escape. An encoded slash alone stays
//! encoded, as [`ENCODED_SLASH`]: few parameters take one, and nothing else may become `/`.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::Refusal;
use super::kind::Kind;

/// The longest path of a request, without its query.
pub const MAX_PATH_BYTES: usize = 8192;

/// The longest path template.
pub const MAX_TEMPLATE_BYTES: usize = 1024;

/// An encoded slash in a canonical path. Nothing else there has an escape's form.
pub(super) const ENCODED_SLASH: &str = "%2F";

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// Absolute form (`https://…`), `*`, or nothing at all.
    #[error("it doesn't start with /")]
    NotAbsolute,
    /// `//`, plain or encoded.
    #[error("it has an empty segment: //")]
    EmptySegment,
    /// `.` or `..`, in any mix of plain and encoded, or what compatibility normalisation makes one.
    #[error("it has a segment . or ..")]
    DotSegment,
    /// `%` without two hexadecimal digits after it.
    #[error("it has a broken percent escape")]
    BadEscape,
    /// A character that no segment may have at all, or only encoded.
    #[error(
        "it has a character that has no place there: plain or percent-encoded one of \\ ; # ? or a \
         control character, or not percent-encoded a space, a brace or one outside ASCII"
    )]
    Character,
    /// Escapes that are no text.
    #[error("its percent escapes are not UTF-8")]
    NotText,
    /// An escape comes out of the escapes.
    #[error("it is percent-encoded twice")]
    EncodedTwice,
    /// `%2F` where no parameter takes it.
    #[error("it has an encoded slash (%2F) in a place where the catalogue allows none")]
    EncodedSlash,
}

/// What is wrong with a path template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// Its literal part couldn't be a path.
    #[error("the path can't be matched: {0}")]
    Path(#[from] PathFault),
    /// Braces without a name, or two parameters in one segment.
    #[error(
        "a segment has one parameter at most, {{name}}, of letters, digits and underscores, with \
         nothing or plain text around it"
    )]
    Parameter,
    /// `{name*}` with something around or behind it.
    #[error(
        "{{name*}}, which takes the rest of the path, is its whole last segment and has no kind"
    )]
    Tail,
    /// A parameter of no [`Kind`].
    #[error(
        "the kind of a parameter, {{name:kind}}, is one of uuid, integer, date, word and slashes"
    )]
    Kind,
    /// Over [`MAX_TEMPLATE_BYTES`].
    #[error("the path is longer than {MAX_TEMPLATE_BYTES} characters")]
    TooLong,
}

/// One segment of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    /// Exactly this text; none at all for the slash at a path's end.
    Literal(&'a str),
    /// Any text, or any of a kind, between two texts that aren't both empty.
    Affixed {
        prefix: &'a str,
        kind: Option<Kind>,
        suffix: &'a str,
    },
    /// Any text, or any of a kind.
    Parameter(Option<Kind>),
    /// All segments that are left, one at least.
    Tail,
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

/// The segments of a path that starts with `/`; `/` itself has none, and a slash at the end begins an
/// empty one.
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
    if !path.starts_with('/') {
        return Err(PathFault::NotAbsolute.into());
    }
    let path = if path.contains('%') {
        Cow::Owned(decode(path)?)
    } else {
        check_plain(path)?;
        Cow::Borrowed(path)
    };
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
    let segments = segments(text)
        .map(template_segment)
        .collect::<Result<Vec<_>, _>>()?;
    let last = segments.len().saturating_sub(1);
    match segments
        .iter()
        .take(last)
        .find(|segment| ends_path(segment))
    {
        None => Ok(segments),
        Some(Segment::Tail) => Err(TemplateFault::Tail),
        Some(_) => Err(PathFault::EmptySegment.into()),
    }
}

/// Whether nothing can stand behind a segment.
const fn ends_path(segment: &Segment<'_>) -> bool {
    match segment {
        Segment::Literal(text) => text.is_empty(),
        Segment::Tail => true,
        Segment::Affixed { .. } | Segment::Parameter(_) => false,
    }
}

/// Reads one segment of a template.
pub(super) fn template_segment(text: &str) -> Result<Segment<'_>, TemplateFault> {
    let Some((prefix, rest)) = text.split_once('{') else {
        if text.contains('}') {
            return Err(TemplateFault::Parameter);
        }
        check_dots(text)?;
        check_bytes(text)?;
        return Ok(Segment::Literal(text));
    };
    let (inside, suffix) = rest.split_once('}').ok_or(TemplateFault::Parameter)?;
    let braces = ['{', '}'];
    if prefix.contains('}') || inside.contains('{') || suffix.contains(braces) {
        return Err(TemplateFault::Parameter);
    }
    check_bytes(prefix)?;
    check_bytes(suffix)?;
    let (name, kind) = match inside.split_once(':') {
        Some((name, kind)) => (name, Some(kind)),
        None => (inside, None),
    };
    let (name, is_tail) = name
        .strip_suffix('*')
        .map_or((name, false), |name| (name, true));
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_name_byte) {
        return Err(TemplateFault::Parameter);
    }
    let is_whole = prefix.is_empty() && suffix.is_empty();
    if is_tail {
        return if is_whole && kind.is_none() {
            Ok(Segment::Tail)
        } else {
            Err(TemplateFault::Tail)
        };
    }
    let kind = kind.map(|kind| Kind::from_name(kind).ok_or(TemplateFault::Kind));
    let kind = kind.transpose()?;
    Ok(if is_whole {
        Segment::Parameter(kind)
    } else {
        Segment::Affixed {
            prefix,
            kind,
            suffix,
        }
    })
}

/// A path without escapes.
fn check_plain(path: &str) -> Result<(), PathFault> {
    check_empty(path)?;
    segments(path).try_for_each(|segment| {
        check_dots(segment)?;
        check_bytes(segment)
    })
}

/// Only the last segment may be empty.
fn check_empty(path: &str) -> Result<(), PathFault> {
    if path.contains("//") {
        return Err(PathFault::EmptySegment);
    }
    Ok(())
}

fn check_dots(segment: &str) -> Result<(), PathFault> {
    if matches!(segment, "." | "..") {
        return Err(PathFault::DotSegment);
    }
    Ok(())
}

fn check_bytes(text: &str) -> Result<(), PathFault> {
    if text.bytes().all(|byte| SEGMENT_BYTES[usize::from(byte)]) {
        Ok(())
    } else {
        Err(PathFault::Character)
    }
}

/// Decodes percent escapes, once, but for those of slashes.
fn decode(path: &str) -> Result<String, PathFault> {
    check_empty(path)?;
    let mut decoded = String::with_capacity(path.len());
    for segment in segments(path) {
        decoded.push('/');
        let value = decode_segment(segment)?;
        check_value(&value)?;
        decoded.push_str(&value.replace('/', ENCODED_SLASH));
    }
    Ok(decoded)
}

/// The text of a segment, encoded slashes as `/`.
fn decode_segment(segment: &str) -> Result<String, PathFault> {
    let mut chunks = segment.split('%');
    let plain = chunks.next().unwrap_or_default();
    check_bytes(plain)?;
    let mut bytes = plain.as_bytes().to_vec();
    for chunk in chunks {
        let (byte, rest) = escape(chunk).ok_or(PathFault::BadEscape)?;
        check_bytes(rest)?;
        bytes.push(byte);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| PathFault::NotText)
}

/// Two hexadecimal digits and what follows them.
fn escape(text: &str) -> Option<(u8, &str)> {
    let mut chars = text.chars();
    let high = chars.next()?.to_digit(16)?;
    let low = chars.next()?.to_digit(16)?;
    Some((u8::try_from(high * 16 + low).ok()?, chars.as_str()))
}

/// Whether a decoded segment is nothing but a value, also for a reader who divides it at its slashes,
/// decodes it again, or takes fullwidth characters and their like for those of ASCII.
fn check_value(value: &str) -> Result<(), PathFault> {
    check_text(value)?;
    if value.is_ascii() {
        return Ok(());
    }
    let plain: String = value.nfkc().collect();
    let slashes = |text: &str| text.matches('/').count();
    if slashes(&plain) != slashes(value) {
        return Err(PathFault::Character);
    }
    check_text(&plain)
}

fn check_text(value: &str) -> Result<(), PathFault> {
    if value.contains('/') && value.split('/').any(str::is_empty) {
        return Err(PathFault::EmptySegment);
    }
    value.split('/').try_for_each(check_dots)?;
    if value.chars().any(has_no_place) {
        return Err(PathFault::Character);
    }
    // `%u0041` is an escape of old Windows servers.
    let is_escape = |rest: &str| rest.starts_with(['u', 'U']) || escape(rest).is_some();
    if value.split('%').skip(1).any(is_escape) {
        return Err(PathFault::EncodedTwice);
    }
    Ok(())
}

/// Characters that end or divide a path for some reader, or that can't be seen where they change how a
/// line reads.
fn has_no_place(c: char) -> bool {
    c.is_control()
        || matches!(c, '\\' | ';' | '#' | '?')
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{feff}'
        )
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
}

/// What a template matches, whatever its parameters are called and take: `/books/{}.json`.
pub(super) fn shape(template: &str) -> String {
    segments(template).fold(String::new(), |path, segment| {
        let segment = match template_segment(segment) {
            Ok(Segment::Parameter(_)) => "{}".to_owned(),
            Ok(Segment::Tail) => "{*}".to_owned(),
            Ok(Segment::Affixed { prefix, suffix, .. }) => format!("{prefix}{{}}{suffix}"),
            Ok(Segment::Literal(_)) | Err(_) => segment.to_owned(),
        };
        path + "/" + &segment
    })
}

//! The little that pages need to put text into URLs.

use std::fmt::Write as _;

/// Text as one value of a query string.
#[must_use]
pub fn escape(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
}

/// `path?name=value&…` without the pairs whose value is empty.
#[must_use]
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let query: Vec<String> = pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", query.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place() {
        assert_eq!(escape("a b&c=ä/"), "a%20b%26c%3D%C3%A4%2F");
        assert_eq!(
            with_query("/x", &[("q", "a&b"), ("state", ""), ("page", "2")]),
            "/x?q=a%26b&page=2"
        );
        assert_eq!(with_query("/x", &[("q", "")]), "/x");
    }
}

//! Parameters with text around them in their segment: `{name}:cancel`, `{id}.json`, `users('{id}')`.

use super::fold::{ends_name, fold, is_sign};
use super::tree::Parameter;

/// A parameter between two texts that aren't both empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Affixed {
    pub prefix: String,
    pub suffix: String,
    pub parameter: Parameter,
}

impl Affixed {
    /// What the parameter stands for in a segment; nothing if another text is around it.
    pub fn value<'s>(&self, segment: &'s str) -> Option<&'s str> {
        let value = segment.strip_prefix(&*self.prefix)?;
        let value = value.strip_suffix(&*self.suffix)?;
        Some(value).filter(|value| !value.is_empty())
    }

    /// Where it stands among its like: the longer text before the value decides, and then the longer
    /// one behind it. Two that match one segment never stand in the same place.
    pub fn order(&self) -> impl Ord + use<> {
        use std::cmp::Reverse;
        (
            Reverse(self.prefix.len()),
            Reverse(self.suffix.len()),
            self.prefix.clone(),
            self.suffix.clone(),
        )
    }

    /// Whether a server that compares names less strictly may find the same text around a value:
    /// `1:Cancel`, `1.JSON`, `1.json.gz` or `Users('1')`.
    pub fn could_take(&self, segment: &str) -> bool {
        let segment = fold(segment);
        let prefix = fold(&self.prefix);
        let prefix = Some(prefix.trim_start_matches(is_sign))
            .filter(|trimmed| !trimmed.is_empty())
            .unwrap_or(&prefix);
        let from_name = segment.trim_start_matches(is_sign);
        let Some(rest) = segment
            .strip_prefix(prefix)
            .or_else(|| from_name.strip_prefix(prefix))
        else {
            return false;
        };
        let suffix = fold(&self.suffix);
        let suffix = Some(suffix.trim_end_matches(is_sign))
            .filter(|trimmed| !trimmed.is_empty())
            .unwrap_or(&suffix);
        let mut ends = rest.match_indices(suffix);
        ends.any(|(start, _)| {
            let behind = &rest[start + suffix.len()..];
            start > 0 && (behind.starts_with(ends_name) || behind.chars().all(is_sign))
        })
    }

    /// Whether each of its segments is a variant of the same literals, as `users('{id}')` is of
    /// `users`: then they are meant.
    pub fn has_own_stem(&self) -> bool {
        let named = self.prefix.trim_start_matches(is_sign);
        named.contains(ends_name)
    }
}

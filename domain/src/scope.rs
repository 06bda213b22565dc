//! Scopes and levels: the areas of the protected API and what may be done there.
//!
//! Scopes are data, defined by the deployment's catalogue; nothing here knows a particular one.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The most characters that a scope string may have; the default catalogue's longest has about 350.
pub const MAX_SCOPE_STRING: usize = 4096;

/// The wire name of a scope: snake_case, 1 to 40 characters, starting with a letter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopeName(Arc<str>);

/// Why a text is not a [`ScopeName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a scope name is 1 to 40 lower-case letters, digits and underscores, and starts with a letter"
)]
pub struct InvalidScopeName;

impl ScopeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `<scope>:<level>`, this scope at a level.
    #[must_use]
    pub fn at(&self, level: Level) -> WireScope {
        WireScope {
            scope: self.clone(),
            level,
        }
    }
}

impl FromStr for ScopeName {
    type Err = InvalidScopeName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = text.bytes();
        let starts_well = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let goes_on_well = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if starts_well && goes_on_well && text.len() <= 40 {
            Ok(Self(text.into()))
        } else {
            Err(InvalidScopeName)
        }
    }
}

impl TryFrom<String> for ScopeName {
    type Error = InvalidScopeName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ScopeName> for String {
    fn from(name: ScopeName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// What a call to the API does: look at data or change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Looks at data.
    Read,
    /// Changes data.
    Write,
}

impl Level {
    /// The two levels, least first.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// `read` or `write`, as in a wire scope.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not a [`Level`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a level is read or write")]
pub struct InvalidLevel;

impl FromStr for Level {
    type Err = InvalidLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or(InvalidLevel)
    }
}

/// What a credential may do in one scope.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum AccessLevel {
    /// Every endpoint of the scope is blocked.
    #[default]
    None,
    /// May look at data.
    Read,
    /// May look at data and change it.
    Write,
}

impl AccessLevel {
    /// The three levels, least first.
    pub const ALL: [Self; 3] = [Self::None, Self::Read, Self::Write];

    /// `none`, `read` or `write`, as in forms, commands and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The words that people see.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::None => "No access",
            Self::Read => "Read only",
            Self::Write => "Read & write",
        }
    }

    /// Whether this level is enough for a call; write implies read.
    #[must_use]
    pub const fn allows(self, call: Level) -> bool {
        matches!((self, call), (Self::Write, _) | (Self::Read, Level::Read))
    }
}

/// Why a text is not an [`AccessLevel`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an access level is none, read or write")]
pub struct InvalidAccessLevel;

impl FromStr for AccessLevel {
    type Err = InvalidAccessLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or(InvalidAccessLevel)
    }
}

/// `<scope>:<level>`, one item of an OAuth scope string (RFC 6749 section 3.3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WireScope {
    /// The area.
    pub scope: ScopeName,
    /// What may be done there.
    pub level: Level,
}

impl fmt::Display for WireScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scope, self.level)
    }
}

impl fmt::Debug for WireScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for WireScope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scope, level) = text.rsplit_once(':').ok_or(InvalidScope)?;
        Ok(Self {
            scope: scope.parse().map_err(|_| InvalidScope)?,
            level: level.parse().map_err(|_| InvalidScope)?,
        })
    }
}

impl TryFrom<String> for WireScope {
    type Error = InvalidScope;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<WireScope> for String {
    fn from(scope: WireScope) -> Self {
        scope.to_string()
    }
}

/// Why a text is not a scope string. It says nothing of the text: protocol errors never echo input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the scope is not a list of <scope>:read and <scope>:write separated by single spaces")]
pub struct InvalidScope;

/// A set of wire scopes: the `scope` of a token, or of a token request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScopeSet(BTreeSet<WireScope>);

impl ScopeSet {
    /// Whether the set allows a call: it holds the scope at that level, or at write.
    #[must_use]
    pub fn allows(&self, scope: &ScopeName, level: Level) -> bool {
        self.level_of(scope).allows(level)
    }

    /// The highest level that the set gives on a scope.
    #[must_use]
    pub fn level_of(&self, scope: &ScopeName) -> AccessLevel {
        let levels = self.0.iter().filter(|item| item.scope == *scope);
        match levels.map(|item| item.level).max() {
            Some(Level::Write) => AccessLevel::Write,
            Some(Level::Read) => AccessLevel::Read,
            None => AccessLevel::None,
        }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The items, by scope name, read before write.
    pub fn iter(&self) -> impl Iterator<Item = &WireScope> {
        self.0.iter()
    }
}

impl FromIterator<WireScope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = WireScope>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl FromStr for ScopeSet {
    type Err = InvalidScope;

    /// Reads `scope-token *( SP scope-token )` (RFC 6749 section 3.3): no empty items, so no
    /// leading, trailing or double space.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_SCOPE_STRING {
            return Err(InvalidScope);
        }
        text.split(' ')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{item}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scope_names_are_snake_case() {
        for good in ["a", "accounts", "sse_events", "x9"] {
            assert_eq!(good.parse::<ScopeName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(41);
        for bad in ["", "A", "9x", "_x", "a-b", "a b", "a:b", "é", long.as_str()] {
            assert!(bad.parse::<ScopeName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn write_implies_read() {
        let cases = [
            (AccessLevel::None, false, false),
            (AccessLevel::Read, true, false),
            (AccessLevel::Write, true, true),
        ];
        for (level, read, write) in cases {
            assert_eq!(level.allows(Level::Read), read);
            assert_eq!(level.allows(Level::Write), write);
        }
        let set: ScopeSet = "journaling:write".parse().unwrap();
        let journaling = "journaling".parse().unwrap();
        assert!(set.allows(&journaling, Level::Read) && set.allows(&journaling, Level::Write));
        assert!(!set.allows(&"data".parse().unwrap(), Level::Read));
    }

    #[test]
    fn check_13_scope_strings_follow_the_grammar() {
        for bad in [
            "",
            " ",
            "a:read ",
            " a:read",
            "a:read  b:read",
            "a",
            "a:",
            ":read",
            "a:rw",
            "a:READ",
            "a:read\tb:read",
            "a:\"read\"",
            "a\\:read",
            "a:read\0",
            "a:read\u{a0}b:read",
        ] {
            assert_eq!(bad.parse::<ScopeSet>(), Err(InvalidScope), "{bad:?}");
        }
        assert!(
            "a:read "
                .repeat(1000)
                .trim_end()
                .parse::<ScopeSet>()
                .is_err(),
            "over long"
        );
    }

    proptest! {
        #[test]
        fn scope_strings_round_trip(items in proptest::collection::btree_set(
            ("[a-z][a-z0-9_]{0,39}", any::<bool>()), 1..12)) {
            let set: ScopeSet = items.iter().map(|(name, write)| {
                name.parse::<ScopeName>().unwrap().at(if *write { Level::Write } else { Level::Read })
            }).collect();
            prop_assert_eq!(set.to_string().parse::<ScopeSet>(), Ok(set));
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".*") {
            let _ = text.parse::<ScopeSet>();
        }
    }
}

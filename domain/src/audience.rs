//! The audiences whose tokens a gateway lets through (the `aud` of RFC 9068 section 2.2).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Some audiences, each once, in the order in which they were given; all, if there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudienceList(Vec<String>);

impl AudienceList {
    /// The list that allows all.
    pub const ALL: Self = Self(Vec::new());

    /// Whether it allows all.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether tokens for an audience are let through.
    #[must_use]
    pub fn allows(&self, audience: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|allowed| allowed == audience)
    }

    /// Whether a token is let through: one of its audiences is enough.
    #[must_use]
    pub fn lets_through(&self, token: &TokenAudience) -> bool {
        token.names().iter().any(|audience| self.allows(audience))
    }

    /// Whether tokens can be for all that it names.
    #[must_use]
    pub fn is_within(&self, known: &[String]) -> bool {
        self.0.iter().all(|audience| known.contains(audience))
    }
}

/// What a token is for (RFC 7519 section 4.1.3): mostly one resource, which is written by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TokenAudience {
    /// One.
    One(String),
    /// Several, for a client that asked for several (RFC 8707 section 2).
    Several(Vec<String>),
}

impl TokenAudience {
    /// All that it is for.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// From what was asked for; the same twice is the same once.
impl FromIterator<String> for TokenAudience {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        let mut several: Vec<String> = Vec::new();
        for name in names {
            if !several.contains(&name) {
                several.push(name);
            }
        }
        match <[String; 1]>::try_from(several) {
            Ok([one]) => Self::One(one),
            Err(several) => Self::Several(several),
        }
    }
}

impl fmt::Display for TokenAudience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(", "))
    }
}

/// Reads what was typed: audiences with commas or white space between.
impl FromStr for AudienceList {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut list = Vec::new();
        for audience in text.split([',', ' ', '\t', '\r', '\n']) {
            if !audience.is_empty() && !list.iter().any(|known| known == audience) {
                list.push(audience.to_owned());
            }
        }
        Ok(Self(list))
    }
}

impl fmt::Display for AudienceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_one_or_several_and_one_that_a_list_has_is_enough() {
        let token = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<TokenAudience>()
        };
        let list: AudienceList = "b c".parse().unwrap();
        for (names, json, through) in [
            (&["a"][..], r#""a""#, false),
            (&["b", "b"], r#""b""#, true),
            (&["a", "d"], r#"["a","d"]"#, false),
            (&["a", "c"], r#"["a","c"]"#, true),
            (&[], "[]", false),
        ] {
            let token = token(names);
            assert_eq!(serde_json::to_string(&token).unwrap(), json);
            assert_eq!(serde_json::from_str::<TokenAudience>(json).unwrap(), token);
            assert_eq!(list.lets_through(&token), through, "{json}");
        }
        assert!(AudienceList::ALL.lets_through(&token(&["a"])));
        assert!(!AudienceList::ALL.lets_through(&token(&[])));
    }

    #[test]
    fn a_list_allows_what_is_on_it_and_an_empty_one_everything() {
        let list: AudienceList = "https://a.example, https://b.example,\n https://a.example"
            .parse()
            .unwrap();
        assert_eq!(list.to_string(), "https://a.example, https://b.example");
        assert_eq!(list.to_string().parse(), Ok(list.clone()));
        for (audience, allowed) in [
            ("https://a.example", true),
            ("https://b.example", true),
            ("https://a.example/", false),
            ("https://A.example", false),
            ("https://c.example", false),
            ("", false),
        ] {
            assert_eq!(list.allows(audience), allowed, "{audience}");
        }
        for empty in ["", " ,\n"] {
            assert_eq!(empty.parse(), Ok(AudienceList::ALL));
        }
        assert!(AudienceList::ALL.is_all() && !list.is_all());
        assert!(AudienceList::ALL.allows("https://a.example"));
    }
}

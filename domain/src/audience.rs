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

    /// Whether tokens can be for all that it names.
    #[must_use]
    pub fn is_within(&self, known: &[String]) -> bool {
        self.0.iter().all(|audience| known.contains(audience))
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

//! What the users page shows, as the URL says it. Whatever a URL holds, there is a page for it: a
//! value that means nothing counts as none.

use domain::role::Role;
use domain::user::PersonFilter;
use serde::{Deserialize, Serialize};

use crate::url::with_query;

/// The path of the page.
pub(super) const USERS: &str = "/users";

/// What the users page shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeopleParams {
    /// A part of a name or address.
    pub search: String,
    /// Only this role.
    pub role: Option<Role>,
    /// Only those who stand so.
    pub state: Option<PersonFilter>,
    /// The page after the person with this id.
    pub after: String,
    /// The page before the person with this id.
    pub before: String,
}

impl PeopleParams {
    /// Reads the parameters from wherever `get` has them by name.
    #[must_use]
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| get(name).unwrap_or_default().trim().to_owned();
        let state = text("state");
        Self {
            search: text("q"),
            role: text("role").parse().ok(),
            state: PersonFilter::ALL
                .into_iter()
                .find(|filter| filter.as_str() == state),
            after: text("after"),
            before: text("before"),
        }
    }

    /// The address of the page.
    #[must_use]
    pub fn href(&self) -> String {
        with_query(
            USERS,
            &[
                ("q", &self.search),
                ("role", self.role.map_or("", Role::as_str)),
                ("state", self.state.map_or("", PersonFilter::as_str)),
                ("after", &self.after),
                ("before", &self.before),
            ],
        )
    }

    /// Whether anything is left out.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        self.page(String::new(), String::new()) != Self::default()
    }

    /// The same filters on another page.
    #[must_use]
    pub fn page(&self, after: String, before: String) -> Self {
        Self {
            after,
            before,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_all_and_nonsense_says_nothing() {
        let pairs = [
            ("q", " o'kafor "),
            ("role", "support"),
            ("state", "orphaning"),
            ("after", "7"),
        ];
        let params = PeopleParams::read(|name| {
            let pair = pairs.iter().find(|pair| pair.0 == name);
            pair.map(|pair| pair.1.to_owned())
        });
        assert_eq!(
            params.href(),
            "/users?q=o%27kafor&role=support&state=orphaning&after=7"
        );
        assert!(params.is_filtered());
        let nothing = PeopleParams::read(|name| (name != "q").then(|| "x".to_owned()));
        assert_eq!(nothing.href(), "/users?after=x&before=x");
        assert!(!nothing.is_filtered());
    }
}

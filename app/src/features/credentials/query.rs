//! What the list shows, as the URL says it. Whatever a URL holds, there is a list for it: a value
//! that means nothing counts as none.

use domain::access::AccessKind;
use domain::credential::Flow;
use domain::scope::WireScope;
use serde::{Deserialize, Serialize};

use crate::components::Order;
use crate::url::with_query;

/// The path of the list.
pub const LIST: &str = "/credentials";

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal, $label:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every value, in the order of the page.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the URL; none for the usual value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The words that people see.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            fn from_word(word: &str) -> Self {
                Self::ALL.iter().copied().find(|value| value.as_str() == word).unwrap_or_default()
            }
        }
    };
}

words! {
    /// The tabs.
    Tab {
        /// Everything.
        #[default]
        All = "", "All";
        /// Active now.
        InUse = "in_use", "In use";
        /// Active now, and ends soon.
        Expiring = "expiring", "Expiring";
        /// Active now, without an end.
        Never = "never", "Never expires";
        /// Quarantined.
        Quarantined = "quarantined", "Quarantined";
        /// Active or quarantined, and the owner is disabled.
        Orphaned = "orphaned", "Orphaned";
        /// Expired or revoked.
        Ended = "ended", "Ended";
    }
}

words! {
    /// The orders.
    Sort {
        /// By time of issue, newest first.
        #[default]
        Newest = "", "Newest first";
        /// By time of issue, oldest first.
        Oldest = "created", "Oldest first";
        /// By name.
        Name = "name", "Name, A to Z";
        /// By name, turned round.
        NameDown = "-name", "Name, Z to A";
        /// By end.
        Expires = "expires", "Ends first";
        /// By end, turned round.
        ExpiresDown = "-expires", "Ends last";
        /// By last use, latest first.
        UsedDown = "-used", "Used last";
        /// By last use, those never used first.
        Used = "used", "Unused for longest";
    }
}

impl Sort {
    /// How this order stands to a column that has the two orders `up` and `down`: the order it is
    /// in, if any, and the order that a click on its head leads to.
    #[must_use]
    pub fn of_column(self, up: Self, down: Self, first: Self) -> (Option<Order>, Self) {
        if self == up {
            (Some(Order::Ascending), down)
        } else if self == down {
            (Some(Order::Descending), up)
        } else {
            (None, first)
        }
    }
}

/// What the list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListParams {
    /// The tab.
    pub tab: Tab,
    /// A part of a name, key id, owner or endpoint.
    pub search: String,
    /// Only this flow.
    pub flow: Option<Flow>,
    /// Only this kind of access.
    pub access: Option<AccessKind>,
    /// Only those that may do this.
    pub scope: Option<WireScope>,
    /// Only those of the person with this id.
    pub owner: String,
    /// The order.
    pub sort: Sort,
    /// The page after this place.
    pub after: String,
    /// The page before this place.
    pub before: String,
}

impl ListParams {
    /// Reads the parameters from wherever `get` has them by name.
    #[must_use]
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| get(name).unwrap_or_default();
        Self {
            tab: Tab::from_word(&text("tab")),
            search: text("q").trim().to_owned(),
            flow: text("flow").parse().ok(),
            access: text("access").parse().ok(),
            scope: text("scope").parse().ok(),
            owner: text("owner"),
            sort: Sort::from_word(&text("sort")),
            after: text("after"),
            before: text("before"),
        }
    }

    /// The parameters that the filter form has fields for, by field.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, String); 6] {
        let scope = self.scope.as_ref().map(ToString::to_string);
        [
            ("q", self.search.clone()),
            ("flow", self.flow.map_or("", Flow::as_str).to_owned()),
            (
                "access",
                self.access.map_or("", AccessKind::as_str).to_owned(),
            ),
            ("scope", scope.unwrap_or_default()),
            ("owner", self.owner.clone()),
            ("sort", self.sort.as_str().to_owned()),
        ]
    }

    /// The address of this list.
    #[must_use]
    pub fn href(&self) -> String {
        let fields = self.fields();
        let mut pairs = vec![("tab", self.tab.as_str())];
        pairs.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
        pairs.extend([
            ("after", self.after.as_str()),
            ("before", self.before.as_str()),
        ]);
        with_query(LIST, &pairs)
    }

    /// The same list from its first page on.
    #[must_use]
    pub fn first_page(&self) -> Self {
        Self {
            after: String::new(),
            before: String::new(),
            ..self.clone()
        }
    }

    /// The same list under another tab.
    #[must_use]
    pub fn with_tab(&self, tab: Tab) -> Self {
        Self {
            tab,
            ..self.first_page()
        }
    }

    /// The same list in another order.
    #[must_use]
    pub fn with_sort(&self, sort: Sort) -> Self {
        Self {
            sort,
            ..self.first_page()
        }
    }

    /// The same list without search and filters.
    #[must_use]
    pub fn unfiltered(&self) -> Self {
        Self {
            tab: self.tab,
            sort: self.sort,
            ..Self::default()
        }
    }

    /// Whether search or filters leave something out.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        self.first_page() != self.unfiltered()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> ListParams {
        ListParams::read(|name| {
            pairs
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_address_and_the_list_say_the_same() {
        let params = read(&[
            ("tab", "in_use"),
            ("q", " cash & carry "),
            ("flow", "legacy"),
            ("access", "custom"),
            ("scope", "data:write"),
            ("owner", "7"),
            ("sort", "-used"),
            ("after", "KR.x"),
        ]);
        assert_eq!(
            params.href(),
            "/credentials?tab=in_use&q=cash%20%26%20carry&flow=legacy&access=custom&scope=data%3Awrite\
             &owner=7&sort=-used&after=KR.x"
        );
        assert!(params.is_filtered());
        assert_eq!(
            params.unfiltered().href(),
            "/credentials?tab=in_use&sort=-used"
        );
        assert!(!params.unfiltered().is_filtered());
        assert_eq!(
            params
                .unfiltered()
                .with_tab(Tab::All)
                .with_sort(Sort::Newest)
                .href(),
            LIST
        );
    }

    #[test]
    fn values_that_mean_nothing_count_as_none() {
        let params = read(&[
            ("tab", "x"),
            ("flow", "password"),
            ("access", "admin"),
            ("scope", "No Scope"),
            ("sort", "--name"),
        ]);
        assert_eq!(params, ListParams::default());
    }

    #[test]
    fn a_click_on_a_column_sorts_by_it_and_then_turns_it_round() {
        let name = |sort: Sort| sort.of_column(Sort::Name, Sort::NameDown, Sort::Name);
        assert_eq!(name(Sort::Newest), (None, Sort::Name));
        assert_eq!(name(Sort::Name), (Some(Order::Ascending), Sort::NameDown));
        assert_eq!(name(Sort::NameDown), (Some(Order::Descending), Sort::Name));
    }
}

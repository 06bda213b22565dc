//! From the groups that a company's single sign-on says somebody is in to the role that they have
//! here: by an exact map from the configuration, where the highest role wins.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::role::Role;

/// The groups that somebody is in, as they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups(BTreeSet<String>);

impl Groups {
    /// The most groups that are looked at.
    pub const MOST: usize = 10_000;

    /// The groups in the claims of an ID token, by a claim's name or its path in claims within claims, such as
    /// `realm_access.roles`: a list of texts, or one text. Without the claim there are none.
    ///
    /// # Errors
    /// Anything else in the claim, or too much: guessing what was meant would guess at rights.
    pub fn from_claims(claims: &Map<String, Value>, path: &str) -> Result<Self, UnknownGroups> {
        let unreadable = || UnknownGroups::Unreadable(path.to_owned());
        let names = match find(claims, path) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(items)) => {
                let names: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
                names.ok_or_else(unreadable)?
            }
            Some(_) => return Err(unreadable()),
        };
        if names.len() > Self::MOST {
            return Err(UnknownGroups::TooMany);
        }
        Ok(Self::of(&names))
    }

    /// The groups in a header: names between commas.
    #[must_use]
    pub fn from_header(text: &str) -> Self {
        let names: Vec<_> = text.split(',').map(str::trim).collect();
        Self::of(&names)
    }

    fn of(names: &[&str]) -> Self {
        let names = names.iter().filter(|name| !name.is_empty());
        Self(names.map(|name| (*name).to_owned()).collect())
    }
}

/// The claim of this name, or else the one that its parts between dots lead to. Names have dots of their own, above all
/// those that are addresses: the longest that is there goes first.
fn find<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    claims.get(path).or_else(|| {
        let mut dots = path.rmatch_indices('.');
        dots.find_map(|(at, _)| {
            let (name, rest) = (path.get(..at)?, path.get(at + 1..)?);
            find(claims.get(name)?.as_object()?, rest)
        })
    })
}

/// Why nobody knows which groups somebody is in, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownGroups {
    /// They are not in the token, which says where they are.
    #[error(
        "there are too many to send, so it names another place for them. It should send only the groups that are \
         assigned to the application"
    )]
    Elsewhere,
    /// There are more than are looked at.
    #[error(
        "there are more than {}. It should send only the groups that Keyrack needs",
        Groups::MOST
    )]
    TooMany,
    /// The claim is no list of texts.
    #[error("the claim {0} is neither a list of texts nor a text")]
    Unreadable(String),
}

/// Which group gives which role, and what the others get.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleMap {
    by_group: BTreeMap<String, Role>,
    otherwise: Option<Role>,
}

/// Why a configuration is not a [`RoleMap`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoleMap {
    /// An entry that is no group with a role.
    #[error(
        "{0:?} is no group with a role: write keyrack-admins=superuser, say; a role is superuser, \
         developer, operations or support"
    )]
    Entry(String),
    /// A group that is there twice.
    #[error("the group {0:?} is there twice")]
    Twice(String),
    /// Everybody at the provider would be a superuser.
    #[error("nobody becomes a superuser without a group: name a group in the role map")]
    Superuser,
}

impl RoleMap {
    /// Reads entries such as `keyrack-admins=superuser`, and the role of those in none of the groups,
    /// who are refused if there is none.
    ///
    /// # Errors
    /// What is wrong, with the entry.
    pub fn new(entries: &[String], otherwise: Option<Role>) -> Result<Self, InvalidRoleMap> {
        if otherwise == Some(Role::Superuser) {
            return Err(InvalidRoleMap::Superuser);
        }
        let mut by_group = BTreeMap::new();
        for entry in entries {
            // A group may have a `=` in its name, as those of a directory have.
            let read = entry
                .rsplit_once('=')
                .and_then(|(group, role)| Some((group.trim(), role.trim().parse().ok()?)))
                .filter(|(group, _)| !group.is_empty());
            let (group, role) = read.ok_or_else(|| InvalidRoleMap::Entry(entry.clone()))?;
            if by_group.insert(group.to_owned(), role).is_some() {
                return Err(InvalidRoleMap::Twice(group.to_owned()));
            }
        }
        Ok(Self {
            by_group,
            otherwise,
        })
    }

    /// Whether anybody's role depends on their groups.
    #[must_use]
    pub fn asks_for_groups(&self) -> bool {
        !self.by_group.is_empty()
    }

    /// The role of somebody in these groups who has the role `current` so far; nothing if they may
    /// not come in. Without any group in the map, roles are given here: who has one keeps it.
    #[must_use]
    pub fn role(&self, groups: &Groups, current: Option<Role>) -> Option<Role> {
        if self.by_group.is_empty() {
            return current.or(self.otherwise);
        }
        let given = groups.0.iter().filter_map(|group| self.by_group.get(group));
        given.max().copied().or(self.otherwise)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn map(entries: &[&str], otherwise: Option<Role>) -> Result<RoleMap, InvalidRoleMap> {
        let entries: Vec<_> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        RoleMap::new(&entries, otherwise)
    }

    const ENTRIES: [&str; 3] = ["admins=superuser", "ops=operations", "cn=help=support"];

    fn groups(claim: &Value) -> Result<Groups, UnknownGroups> {
        let claims = json!({ "groups": claim });
        Groups::from_claims(claims.as_object().unwrap(), "groups")
    }

    #[test]
    fn check_69_only_exact_names_give_a_role() {
        let map = map(&ENTRIES, None).unwrap();
        let many: Vec<_> = (0..2_000).map(|n| format!("group-{n}")).collect();
        let many_and_admins = [many, vec!["admins".to_owned()]].concat();
        for (claim, expected) in [
            (json!(["admins"]), Some(Role::Superuser)),
            (json!(["ops", "admins"]), Some(Role::Superuser)),
            (json!(["other", "ops"]), Some(Role::Operations)),
            (json!(["cn=help"]), Some(Role::Support)),
            (json!("admins"), Some(Role::Superuser)),
            (json!(many_and_admins), Some(Role::Superuser)),
            (json!(null), None),
            (json!([]), None),
            (json!(""), None),
            (json!("admins,ops"), None),
            (json!("admins ops"), None),
            (json!(["Admins", "ADMINS", " admins", "admins "]), None),
            (json!(["adm", "adminsx", "admins,ops", "unknown"]), None),
        ] {
            let role = map.role(&groups(&claim).unwrap(), Some(Role::Developer));
            assert_eq!(role, expected, "{:.80}", format!("{claim:?}"));
        }
    }

    #[test]
    fn groups_that_cannot_be_read_are_not_no_groups() {
        let too_many: Vec<_> = (0..=Groups::MOST).map(|n| n.to_string()).collect();
        assert_eq!(groups(&json!(too_many)), Err(UnknownGroups::TooMany));
        for claim in [
            json!({ "admins": true }),
            json!({ "0": "admins" }),
            json!(["admins", 7]),
            json!([["admins"]]),
            json!(7),
            json!(true),
        ] {
            let unreadable = UnknownGroups::Unreadable("groups".to_owned());
            assert_eq!(groups(&claim), Err(unreadable), "{claim}");
        }
    }

    #[test]
    fn a_claim_is_found_by_its_name_or_by_its_path() {
        let claims = json!({
            "groups": ["top"],
            "https://example.com/groups": ["address"],
            "realm_access": { "roles": ["realm"] },
            "resource_access": { "keyrack.example.com": { "roles": ["client"] }, "other": 7 },
            "a.b": ["name"],
            "a": { "b": ["path"] },
        });
        for (path, expected) in [
            ("groups", "top"),
            ("https://example.com/groups", "address"),
            ("realm_access.roles", "realm"),
            ("resource_access.keyrack.example.com.roles", "client"),
            ("a.b", "name"),
            ("realm_access.none", ""),
            ("realm_access", "?"),
            ("resource_access.other.roles", ""),
            ("realm_access.roles.0", ""),
            (".", ""),
            ("", ""),
        ] {
            let found = Groups::from_claims(claims.as_object().unwrap(), path);
            let found = found.map(|groups| groups.0.into_iter().collect::<Vec<_>>().concat());
            assert_eq!(found.unwrap_or("?".to_owned()), expected, "{path}");
        }
    }

    #[test]
    fn a_header_has_names_between_commas() {
        let map = map(&ENTRIES, None).unwrap();
        for (header, expected) in [
            ("admins", Some(Role::Superuser)),
            ("other, ops,", Some(Role::Operations)),
            ("", None),
            ("Admins", None),
            ("admins;ops", None),
        ] {
            assert_eq!(map.role(&Groups::from_header(header), None), expected);
        }
    }

    #[test]
    fn those_in_no_group_get_what_is_configured() {
        let nobody = Groups::default();
        let lowest = map(&ENTRIES, Some(Role::Support)).unwrap();
        assert_eq!(lowest.role(&nobody, None), Some(Role::Support));
        assert_eq!(
            lowest.role(&nobody, Some(Role::Superuser)),
            Some(Role::Support)
        );
        let unmapped = map(&[], Some(Role::Support)).unwrap();
        assert_eq!(unmapped.role(&nobody, None), Some(Role::Support));
        let kept = unmapped.role(&nobody, Some(Role::Superuser));
        assert_eq!(kept, Some(Role::Superuser));
        assert_eq!(RoleMap::default().role(&nobody, None), None);
    }

    #[test]
    fn a_map_that_cannot_be_meant_is_refused() {
        for (entries, otherwise, expected) in [
            (["admins"], None, InvalidRoleMap::Entry("admins".to_owned())),
            (
                ["admins=root"],
                None,
                InvalidRoleMap::Entry("admins=root".to_owned()),
            ),
            (
                ["=superuser"],
                None,
                InvalidRoleMap::Entry("=superuser".to_owned()),
            ),
            (
                ["admins=superuser"],
                Some(Role::Superuser),
                InvalidRoleMap::Superuser,
            ),
        ] {
            assert_eq!(map(&entries, otherwise), Err(expected));
        }
        assert_eq!(
            map(&["a=support", "a=superuser"], None),
            Err(InvalidRoleMap::Twice("a".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn more_groups_never_give_less_and_their_order_does_not_matter(
            names in prop::collection::vec("admins|ops|cn=help|Admins|[a-z]{1,6}", 0..8),
            more in prop::collection::vec("admins|ops|cn=help|[a-z]{1,6}", 0..4),
        ) {
            let map = map(&ENTRIES, None).unwrap();
            let role = |names: &[String]| {
                map.role(&groups(&json!(names)).unwrap(), None)
            };
            let mut reversed = names.clone();
            reversed.reverse();
            prop_assert_eq!(role(&names), role(&reversed));
            prop_assert!(role(&[names.clone(), more].concat()) >= role(&names));
            let has = |name: &str| names.iter().any(|one| one == name);
            prop_assert_eq!(role(&names) == Some(Role::Superuser), has("admins"));
        }
    }
}

//! From the groups that a company's single sign-on says somebody is in to the role that they have
//! here: by an exact map from the configuration, where the highest role wins.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::role::Role;

/// The groups that somebody is in, as they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups(BTreeSet<String>);

impl Groups {
    /// The most groups that are looked at.
    pub const MOST: usize = 1_000;

    /// The groups in a claim of an ID token. Anything but a list of at most [`Groups::MOST`] texts
    /// names none: guessing what was meant would guess at rights.
    #[must_use]
    pub fn from_claim(claim: Option<&Value>) -> Self {
        let Some(Value::Array(items)) = claim else {
            return Self::default();
        };
        let names = items.iter().map(Value::as_str);
        Self::of(names.collect::<Option<Vec<_>>>().unwrap_or_default())
    }

    /// The groups in a header: names between commas.
    #[must_use]
    pub fn from_header(text: &str) -> Self {
        let names = text.split(',').map(str::trim);
        Self::of(names.filter(|name| !name.is_empty()).collect())
    }

    fn of(names: Vec<&str>) -> Self {
        if names.len() > Self::MOST {
            return Self::default();
        }
        Self(names.into_iter().map(ToOwned::to_owned).collect())
    }
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

    #[test]
    fn check_69_only_a_list_of_exact_names_gives_a_role() {
        let map = map(&ENTRIES, None).unwrap();
        let many: Vec<_> = (0..10_000).map(|n| format!("group-{n}")).collect();
        let many_and_admins = [many, vec!["admins".to_owned()]].concat();
        for (claim, expected) in [
            (Some(json!(["admins"])), Some(Role::Superuser)),
            (Some(json!(["ops", "admins"])), Some(Role::Superuser)),
            (Some(json!(["other", "ops"])), Some(Role::Operations)),
            (Some(json!(["cn=help"])), Some(Role::Support)),
            (None, None),
            (Some(json!(null)), None),
            (Some(json!([])), None),
            (Some(json!("admins")), None),
            (Some(json!({ "admins": true })), None),
            (Some(json!({ "0": "admins" })), None),
            (Some(json!(["admins", 7])), None),
            (Some(json!([["admins"]])), None),
            (
                Some(json!(["Admins", "ADMINS", " admins", "admins "])),
                None,
            ),
            (
                Some(json!(["adm", "adminsx", "admins,ops", "unknown"])),
                None,
            ),
            (Some(json!(many_and_admins)), None),
        ] {
            let role = map.role(&Groups::from_claim(claim.as_ref()), Some(Role::Developer));
            assert_eq!(role, expected, "{:.80}", format!("{claim:?}"));
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
                map.role(&Groups::from_claim(Some(&json!(names))), None)
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

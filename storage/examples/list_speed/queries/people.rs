//! Pages of the team.

use domain::role::Role;
use domain::user::PersonFilter;
use storage::{PeopleQuery, PeopleStart, SharedStore, UserQuery};

use super::{OTHERS, PAGE};
use crate::{Result, now};

/// The kinds of queries that people make of the team.
pub async fn people(store: &SharedStore) -> Result<Vec<(&'static str, PeopleQuery)>> {
    let team = UserQuery {
        search: None,
        active_only: false,
        after: None,
        ids: None,
        limit: u32::MAX,
    };
    let team = store.list_users(team).await?;
    let somebody = team.get(team.len() / 2).ok_or(OTHERS)?;
    let middle = somebody.id;
    let everybody = PeopleQuery {
        now: now(),
        search: None,
        role: None,
        state: None,
        tell_invited: true,
        from: PeopleStart::First,
        limit: PAGE,
    };
    let from = |from| PeopleQuery {
        from,
        ..everybody.clone()
    };
    let search = |term: &str| PeopleQuery {
        search: Some(term.to_owned()),
        ..everybody.clone()
    };
    let role = |role| PeopleQuery {
        role: Some(role),
        ..everybody.clone()
    };
    let state = |state| PeopleQuery {
        state: Some(state),
        ..everybody.clone()
    };
    let orphaning = Some(PersonFilter::Orphaning);
    Ok(vec![
        ("first page", everybody.clone()),
        ("deep page", from(PeopleStart::After(middle))),
        ("page before a deep one", from(PeopleStart::Before(middle))),
        ("search for many", search("okafor")),
        ("search for one by name", search(somebody.name.as_str())),
        ("search for one by address", search("person777@")),
        ("search for none", search("no such person")),
        ("many of a role", role(Role::Support)),
        ("few of a role", role(Role::Superuser)),
        ("active", state(PersonFilter::Active)),
        ("invited", state(PersonFilter::Invited)),
        ("disabled", state(PersonFilter::Disabled)),
        ("orphaning", state(PersonFilter::Orphaning)),
        (
            "orphaning superusers by name",
            PeopleQuery {
                state: orphaning,
                role: Some(Role::Superuser),
                ..search("okafor")
            },
        ),
        (
            "orphaning, and no such name",
            PeopleQuery {
                state: orphaning,
                ..search("no such person")
            },
        ),
    ])
}

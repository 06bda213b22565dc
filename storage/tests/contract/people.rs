//! People, passwords and the links for choosing one.

use chrono::TimeDelta;
use domain::audit::{AuditEntry, AuditEvent};
use domain::credential::{Credential, Mark, Standing};
use domain::role::Role;
use domain::user::{EmailAddress, PersonFilter, User, UserId};
use storage::{
    Conflict, OwnSession, PeopleQuery, PeopleStart, SharedStore, StoreError, StoreResult,
    TokenHash, UserQuery, WrongPassword,
};

use crate::fixture::{Fixture, at, credential, event, person, session, token};

fn is(outcome: &StoreResult<()>, conflict: &Conflict) -> bool {
    matches!(outcome, Err(StoreError::Conflict(found)) if found == conflict)
}

pub async fn a_person_is_found_as_added(fixture: &Fixture) {
    let store = &fixture.store;
    let mut mara = person(1, Role::Developer);
    mara.name = "Mära \"%_\\ O'Kafor".parse().unwrap();
    mara.disabled_at = Some(at(7));
    store
        .add_user(mara.clone(), None, None, event())
        .await
        .unwrap();
    assert_eq!(store.find_user(mara.id).await.unwrap(), Some(mara.clone()));
    let login = store.find_login(mara.email.clone()).await.unwrap().unwrap();
    assert_eq!((login.user, login.password_hash), (mara.clone(), None));
    assert_eq!(store.find_password_hash(mara.id).await.unwrap(), None);

    store.enable_user(mara.id, event()).await.unwrap();
    store
        .set_role(mara.id, Role::Support, event())
        .await
        .unwrap();
    store
        .record_login(fixture.epoch(&mara).await, at(1_234), event())
        .await
        .unwrap();
    store
        .set_password(mara.id, "hash".to_owned(), event())
        .await
        .unwrap();
    mara.disabled_at = None;
    mara.role = Role::Support;
    mara.last_login_at = Some(at(1_234));
    assert_eq!(store.find_user(mara.id).await.unwrap(), Some(mara.clone()));
    assert_eq!(
        store.find_password_hash(mara.id).await.unwrap().as_deref(),
        Some("hash")
    );

    assert_eq!(
        store.find_user(person(2, Role::Support).id).await.unwrap(),
        None
    );
    assert!(
        store
            .find_login("nobody@example.com".parse().unwrap())
            .await
            .unwrap()
            .is_none()
    );
}

pub async fn a_taken_address_is_a_conflict(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let other = User {
        email: mara.email.clone(),
        ..person(2, Role::Support)
    };
    let refused = store
        .add_user(other.clone(), None, Some(token(1)), event())
        .await;
    assert!(is(&refused, &Conflict::EmailTaken), "{refused:?}");
    assert_eq!(store.find_user(other.id).await.unwrap(), None);
    assert_eq!(fixture.audit_log().await.len(), 1);
}

async fn add_named(fixture: &Fixture, names: &[&str]) -> Vec<User> {
    let mut people = Vec::new();
    for (number, name) in (1..).zip(names) {
        let user = User {
            name: name.parse().unwrap(),
            ..person(number, Role::Support)
        };
        fixture
            .store
            .add_user(user.clone(), None, None, event())
            .await
            .unwrap();
        people.push(user);
    }
    people
}

pub async fn people_are_listed_by_name_page_by_page(fixture: &Fixture) {
    let store = &fixture.store;
    let mut people = add_named(fixture, &["zoe", "Anna", "bert", "Bert", "anna", "Zoe"]).await;
    people.sort_by_key(|user| (user.name.as_str().to_lowercase(), user.id.to_string()));
    for limit in 1..=people.len() {
        let (mut listed, mut after) = (Vec::<User>::new(), None);
        loop {
            let query = UserQuery {
                after,
                limit: limit.try_into().unwrap(),
                ..Default::default()
            };
            let page = store.list_users(query).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= limit);
            after = Some((last.name.to_string(), last.id));
            listed.extend(page);
        }
        assert_eq!(listed, people);
    }
    store
        .disable_user(people[2].id, at(1), event())
        .await
        .unwrap();
    let active = UserQuery {
        active_only: true,
        limit: 10,
        ..Default::default()
    };
    let listed = store.list_users(active).await.unwrap();
    people.remove(2);
    assert_eq!(listed, people);
    for named in [
        vec![],
        vec![people[3].clone()],
        vec![people[0].clone(), people[4].clone()],
    ] {
        let query = UserQuery {
            ids: Some(named.iter().map(|person| person.id).collect()),
            limit: 10,
            ..Default::default()
        };
        assert_eq!(store.list_users(query).await.unwrap(), named);
    }
}

pub async fn people_are_searched_literally(fixture: &Fixture) {
    add_named(
        fixture,
        &["100% Sure", "100 Sure", "snake_case", "snakescase", "ÄNNE"],
    )
    .await;
    for (search, expected) in [
        ("100%", &["100% Sure"][..]),
        ("E_C", &["snake_case"]),
        ("änn", &["ÄNNE"]),
        ("PERSON4@example", &["snakescase"]),
        ("x' OR '1'='1", &[]),
        (
            "\0",
            &["100 Sure", "100% Sure", "snake_case", "snakescase", "ÄNNE"],
        ),
    ] {
        let query = UserQuery {
            search: Some(search.to_owned()),
            limit: 10,
            ..Default::default()
        };
        let found = fixture.store.list_users(query).await.unwrap();
        let names: Vec<_> = found.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, expected, "{search:?}");
    }
}

/// The names on a page.
async fn names(fixture: &Fixture, query: PeopleQuery) -> Vec<String> {
    let page = fixture.store.list_people(query).await.unwrap();
    let people = page.people.into_iter();
    people.map(|one| one.user.name.to_string()).collect()
}

fn everybody() -> PeopleQuery {
    PeopleQuery {
        now: at(100),
        search: None,
        role: None,
        state: None,
        tell_invited: true,
        from: PeopleStart::First,
        limit: 10,
    }
}

/// Two that are alive and two that are not, one that is not, and one that is.
async fn issue_to(fixture: &Fixture, cy: &User, di: &User, eve: &User) {
    let revoked = Standing::Revoked(Mark {
        at: at(1),
        by: "Mara".to_owned(),
        reason: None,
    });
    for credential in [
        credential(1, cy.id),
        credential(2, cy.id),
        Credential {
            standing: revoked.clone(),
            ..credential(3, cy.id)
        },
        Credential {
            expires_at: Some(at(100)),
            ..credential(4, cy.id)
        },
        Credential {
            standing: revoked,
            ..credential(5, di.id)
        },
        credential(6, eve.id),
    ] {
        fixture.issue(&credential).await;
    }
}

pub async fn people_are_filtered_and_known_with_what_they_own(fixture: &Fixture) {
    let store = &fixture.store;
    let people = add_named(fixture, &["Eve", "Bo", "Ann", "Cy", "Di"]).await;
    let [eve, bo, ann, cy, di] = &people[..] else {
        unreachable!()
    };
    let hash = "hash".to_owned();
    store.set_password(eve.id, hash, event()).await.unwrap();
    store
        .record_login(fixture.epoch(bo).await, at(1), event())
        .await
        .unwrap();
    store
        .set_role(ann.id, Role::Developer, event())
        .await
        .unwrap();
    store
        .offer_password_link(ann.id, token(1), event())
        .await
        .unwrap();
    issue_to(fixture, cy, di, eve).await;
    store.disable_user(cy.id, at(2), event()).await.unwrap();
    store.disable_user(di.id, at(2), event()).await.unwrap();

    for (state, expected) in [
        (PersonFilter::Active, &["Bo", "Eve"][..]),
        (PersonFilter::Invited, &["Ann"]),
        (PersonFilter::Disabled, &["Cy", "Di"]),
        (PersonFilter::Orphaning, &["Cy"]),
    ] {
        let state = Some(state);
        let found = names(
            fixture,
            PeopleQuery {
                state,
                ..everybody()
            },
        )
        .await;
        assert_eq!(found, expected, "{state:?}");
    }
    // Where they are not told apart, who was invited is one of the active ones.
    for (state, expected) in [
        (PersonFilter::Active, &["Ann", "Bo", "Eve"][..]),
        (PersonFilter::Invited, &[]),
    ] {
        let untold = PeopleQuery {
            state: Some(state),
            tell_invited: false,
            ..everybody()
        };
        assert_eq!(names(fixture, untold).await, expected, "{state:?}");
    }
    let role = Some(Role::Developer);
    assert_eq!(
        names(
            fixture,
            PeopleQuery {
                role,
                ..everybody()
            }
        )
        .await,
        ["Ann"]
    );
    let search = Some("PERSON2@".to_owned());
    assert_eq!(
        names(
            fixture,
            PeopleQuery {
                search,
                ..everybody()
            }
        )
        .await,
        ["Bo"]
    );

    let found = store.find_person(ann.id, at(100)).await.unwrap().unwrap();
    assert_eq!(found.link_ends_at, Some(token(1).expires_at));
    assert!(found.is_invited());
    let late = store
        .find_person(ann.id, token(1).expires_at)
        .await
        .unwrap();
    assert_eq!(late.unwrap().link_ends_at, None);
    let found = store.find_person(cy.id, at(100)).await.unwrap().unwrap();
    assert_eq!((found.credentials, found.has_password), (2, false));
    let nobody = person(99, Role::Support).id;
    assert_eq!(store.find_person(nobody, at(100)).await.unwrap(), None);
}

pub async fn people_are_paged_there_and_back_again(fixture: &Fixture) {
    let store = &fixture.store;
    add_named(fixture, &["Eve", "Bo", "Ann", "Cy", "Di"]).await;
    let page = |from| PeopleQuery {
        from,
        limit: 2,
        ..everybody()
    };
    let first = store.list_people(page(PeopleStart::First)).await.unwrap();
    assert_eq!((first.has_before, first.has_after), (false, true));
    let after = PeopleStart::After(first.people[1].user.id);
    let second = store.list_people(page(after)).await.unwrap();
    assert_eq!((second.has_before, second.has_after), (true, true));
    let after = PeopleStart::After(second.people[1].user.id);
    let third = store.list_people(page(after)).await.unwrap();
    assert_eq!((third.has_before, third.has_after), (true, false));
    assert_eq!(third.people[0].user.name.as_str(), "Eve");
    let before = PeopleStart::Before(third.people[0].user.id);
    assert_eq!(store.list_people(page(before)).await.unwrap(), second);
    let before = PeopleStart::Before(second.people[0].user.id);
    assert_eq!(store.list_people(page(before)).await.unwrap(), first);
    let unknown = page(PeopleStart::After(person(99, Role::Support).id));
    assert!(store.list_people(unknown).await.unwrap().people.is_empty());
}

pub async fn a_person_comes_with_the_session_that_was_used_last(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let jon = fixture.add_superuser(2).await;
    let epoch = fixture.epoch(&mara).await;
    for (number, owner, idle_until) in [
        (1, Some(epoch), 3000),
        (2, Some(epoch), 5000),
        (3, Some(epoch), 4000),
        (4, None, 9000),
    ] {
        let row = storage::SessionRow {
            idle_until: at(idle_until),
            ..session(number, owner)
        };
        assert!(store.create_session(row).await.unwrap());
    }
    // Later than all of it: that a session has ended does not matter.
    let found = async |user: &User| {
        store
            .find_person(user.id, at(20_000))
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(found(&mara).await.idle_until, Some(at(5000)));
    assert_eq!(found(&jon).await.idle_until, None);
    store.delete_session(TokenHash([2; 32])).await.unwrap();
    assert_eq!(found(&mara).await.idle_until, Some(at(4000)));
    let query = PeopleQuery {
        now: at(20_000),
        search: None,
        role: None,
        state: None,
        tell_invited: true,
        from: PeopleStart::First,
        limit: 10,
    };
    let listed = store.list_people(query).await.unwrap().people;
    let mut ends: Vec<_> = listed.iter().map(|person| person.idle_until).collect();
    ends.sort_unstable();
    assert_eq!(ends, [None, Some(at(4000))]);
}

pub async fn the_last_superuser_stays(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    for refused in [
        store.set_role(mara.id, Role::Developer, event()).await,
        store.disable_user(mara.id, at(1), event()).await,
    ] {
        assert!(is(&refused, &Conflict::LastSuperuser), "{refused:?}");
    }
    store
        .set_role(mara.id, Role::Superuser, event())
        .await
        .unwrap();

    // A disabled superuser does not count.
    let jon = fixture.add_superuser(2).await;
    store.disable_user(jon.id, at(1), event()).await.unwrap();
    let refused = store.disable_user(mara.id, at(2), event()).await;
    assert!(is(&refused, &Conflict::LastSuperuser), "{refused:?}");

    // Nor does it need to stay one.
    store
        .set_role(jon.id, Role::Support, event())
        .await
        .unwrap();
    store
        .set_role(jon.id, Role::Superuser, event())
        .await
        .unwrap();
    store.enable_user(jon.id, event()).await.unwrap();
    store
        .set_role(mara.id, Role::Support, event())
        .await
        .unwrap();
    let refused = store.set_role(jon.id, Role::Support, event()).await;
    assert!(is(&refused, &Conflict::LastSuperuser), "{refused:?}");
}

pub async fn a_superuser_who_never_came_in_does_not_count(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let invited = person(2, Role::Superuser);
    store
        .add_user(invited.clone(), None, Some(token(1)), event())
        .await
        .unwrap();
    for refused in [
        store.set_role(mara.id, Role::Developer, event()).await,
        store.disable_user(mara.id, at(1), event()).await,
    ] {
        assert!(is(&refused, &Conflict::LastSuperuser), "{refused:?}");
    }
    // Whoever never came in can go.
    store
        .set_role(invited.id, Role::Support, event())
        .await
        .unwrap();
    store
        .set_role(invited.id, Role::Superuser, event())
        .await
        .unwrap();
    // A log-in counts, with a password or by single sign-on.
    store
        .record_login(fixture.epoch(&invited).await, at(2), event())
        .await
        .unwrap();
    store.disable_user(mara.id, at(3), event()).await.unwrap();
    let refused = store.disable_user(invited.id, at(4), event()).await;
    assert!(is(&refused, &Conflict::LastSuperuser), "{refused:?}");
}

pub async fn another_address_frees_the_old_one_and_ends_the_link_that_went_there(
    fixture: &Fixture,
) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let jon = fixture.add_superuser(2).await;
    let offered = store.offer_password_link(mara.id, token(1), event()).await;
    offered.unwrap();
    let link = || store.find_password_link(token(1).hash, at(1));
    let rename = |name: &str, email: &EmailAddress| {
        let name = name.parse().unwrap();
        store.rename_user(mara.id, name, email.clone(), event())
    };
    rename("Zoë Okafor", &mara.email).await.unwrap();
    assert!(link().await.unwrap().is_some(), "another name ends nothing");
    let found = |search: &str| {
        let query = UserQuery {
            search: Some(search.to_owned()),
            limit: 10,
            ..UserQuery::default()
        };
        store.list_users(query)
    };
    assert_eq!(found("ZOË").await.unwrap().len(), 1, "found by it at once");
    let taken = rename("Mara", &jon.email).await;
    assert!(is(&taken, &Conflict::EmailTaken), "{taken:?}");
    assert_eq!(
        store
            .find_user(mara.id)
            .await
            .unwrap()
            .unwrap()
            .name
            .as_str(),
        "Zoë Okafor"
    );
    let new: EmailAddress = "zoe@example.com".parse().unwrap();
    rename("Zoë Okafor", &new).await.unwrap();
    assert!(link().await.unwrap().is_none());
    assert!(
        store
            .find_login(mara.email.clone())
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        store.find_login(new).await.unwrap().unwrap().user.id,
        mara.id
    );
    // Somebody else may have the old one.
    let heir = User {
        email: mara.email.clone(),
        ..person(3, Role::Support)
    };
    store.add_user(heir, None, None, event()).await.unwrap();
    let nobody = person(9, Role::Support);
    let refused = store
        .rename_user(nobody.id, nobody.name, nobody.email, event())
        .await;
    assert!(
        matches!(refused, Err(StoreError::NotFound(_))),
        "{refused:?}"
    );
}

pub async fn two_superusers_who_demote_each_other_do_not_both_succeed(fixture: &Fixture) {
    let store = &fixture.store;
    let (mara, jon) = (
        fixture.add_superuser(1).await,
        fixture.add_superuser(2).await,
    );
    for round in 0..10 {
        let (one, other) = if round % 2 == 0 {
            tokio::join!(
                store.set_role(mara.id, Role::Support, event()),
                store.disable_user(jon.id, at(1), event()),
            )
        } else {
            tokio::join!(
                store.disable_user(mara.id, at(1), event()),
                store.set_role(jon.id, Role::Support, event()),
            )
        };
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        assert!(is(&one.and(other), &Conflict::LastSuperuser));
        for id in [mara.id, jon.id] {
            store.set_role(id, Role::Superuser, event()).await.unwrap();
            store.enable_user(id, event()).await.unwrap();
        }
    }
}

pub async fn changes_to_an_unknown_person_find_nobody(fixture: &Fixture) {
    let store = &fixture.store;
    fixture.add_superuser(1).await;
    let id: UserId = person(2, Role::Support).id;
    for outcome in [
        store.set_role(id, Role::Support, event()).await,
        store.disable_user(id, at(0), event()).await,
        store.enable_user(id, event()).await,
        store.set_password(id, "hash".to_owned(), event()).await,
        store.offer_password_link(id, token(1), event()).await,
        store.end_sessions_of(id, Vec::new(), event()).await,
    ] {
        assert!(
            matches!(outcome, Err(StoreError::NotFound(_))),
            "{outcome:?}"
        );
    }
    assert_eq!(fixture.audit_log().await.len(), 1);
}

pub async fn a_new_password_ends_other_sessions_and_the_pending_link(fixture: &Fixture) {
    let store = &fixture.store;
    let (mara, jon) = (
        fixture.add_superuser(1).await,
        fixture.add_superuser(2).await,
    );
    for (number, user) in [(1, &mara), (2, &mara), (3, &jon)] {
        fixture.log_in(number, user).await;
    }
    store
        .offer_password_link(mara.id, token(1), event())
        .await
        .unwrap();
    let own = OwnSession {
        epoch: fixture.epoch(&mara).await,
        id: TokenHash([2; 32]),
    };
    let (checked, new) = ("hash".to_owned(), "new".to_owned());
    let changed = store.change_password(own, checked, new, event());
    changed.await.unwrap();
    for (number, stays) in [(1, false), (2, true), (3, true)] {
        let found = store
            .find_session(TokenHash([number; 32]), at(0))
            .await
            .unwrap();
        assert_eq!(found.is_some(), stays, "session {number}");
    }
    assert_eq!(
        store
            .find_password_link(token(1).hash, at(0))
            .await
            .unwrap(),
        None
    );
}

pub async fn a_password_hash_is_upgraded_only_if_it_is_the_checked_one(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    store
        .set_password(mara.id, "old".to_owned(), event())
        .await
        .unwrap();
    store
        .upgrade_password_hash(mara.id, "other".to_owned(), "bad".to_owned())
        .await
        .unwrap();
    assert_eq!(
        store.find_password_hash(mara.id).await.unwrap().as_deref(),
        Some("old")
    );
    store
        .upgrade_password_hash(mara.id, "old".to_owned(), "strong".to_owned())
        .await
        .unwrap();
    assert_eq!(
        store.find_password_hash(mara.id).await.unwrap().as_deref(),
        Some("strong")
    );
}

/// What is said about the next wrong password of somebody: that it is one, the last, or one more.
async fn fail(store: &SharedStore, email: &EmailAddress, most: u32) -> String {
    let said = |word: &str| AuditEvent {
        detail: format!("{{\"said\":\"{word}\"}}"),
        ..event()
    };
    let audit = WrongPassword {
        one: Some(said("one")),
        last: said("last"),
        more: Some(said("more")),
    };
    store
        .password_was_wrong(email.clone(), most, audit)
        .await
        .unwrap();
    let log = store.list_audit(0, 1_000).await.unwrap();
    let word = log.last().unwrap().event.detail.split('"').nth(3);
    word.unwrap_or_default().to_owned()
}

pub async fn check_61_parallel_tries_of_a_password_are_counted_exactly(fixture: &Fixture) {
    let mara = fixture.add_superuser(1).await;
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let (store, email) = (fixture.store.clone(), mara.email.clone());
        tries.spawn(async move { fail(&store, &email, 10).await });
    }
    tries.join_all().await;
    let log = fixture.audit_log().await;
    let said = |word: &str| {
        let is_so = |entry: &&AuditEntry| entry.event.detail.contains(word);
        log.iter().filter(is_so).count()
    };
    assert_eq!(["one", "last", "more"].map(said), [9, 1, 20]);
    let epoch = fixture.epoch(&mara).await;
    let right = fixture.store.password_was_right(epoch, 10).await;
    assert!(!right.unwrap(), "a right one comes too late");
}

pub async fn check_61_a_right_or_a_new_password_forgets_the_failed_tries(fixture: &Fixture) {
    let store = &fixture.store;
    let (mara, jon) = (
        fixture.add_superuser(1).await,
        fixture.add_superuser(2).await,
    );
    let lock = async || {
        for expected in ["one", "last", "more", "more"] {
            assert_eq!(fail(store, &mara.email, 2).await, expected);
        }
    };
    lock().await;
    let person = store.find_person(mara.id, at(0)).await.unwrap().unwrap();
    assert_eq!(person.password_failures, 2);
    let login = store.find_login(mara.email.clone()).await.unwrap().unwrap();
    assert_eq!(login.password_failures, 2);
    // Tries are counted for one person only, and a log-in without the password leaves them.
    assert_eq!(fail(store, &jon.email, 2).await, "one");
    let epoch = fixture.epoch(&mara).await;
    store.record_login(epoch, at(1), event()).await.unwrap();
    assert_eq!(fail(store, &mara.email, 2).await, "more");

    assert!(store.password_was_right(epoch, 3).await.unwrap());
    lock().await;
    let hash = "new".to_owned();
    store
        .set_password(mara.id, hash.clone(), event())
        .await
        .unwrap();
    let old = store.password_was_right(epoch, 3).await.unwrap();
    assert!(!old, "a right one of before the change");
    lock().await;
    store
        .offer_password_link(mara.id, token(1), event())
        .await
        .unwrap();
    assert_eq!(fail(store, &mara.email, 2).await, "more");
    store
        .redeem_password_link(token(1).hash, at(0), hash, event())
        .await
        .unwrap();
    lock().await;
}

pub async fn check_61_a_try_that_cannot_succeed_counts_for_nobody(fixture: &Fixture) {
    let store = &fixture.store;
    let (mara, jon) = (
        fixture.add_superuser(1).await,
        fixture.add_superuser(2).await,
    );
    let invited = person(3, Role::Support);
    store
        .add_user(invited.clone(), None, None, event())
        .await
        .unwrap();
    store.disable_user(jon.id, at(1), event()).await.unwrap();
    let nobody = "nobody@example.com".parse().unwrap();
    for email in [&jon.email, &invited.email, &nobody] {
        for _ in 0..2 {
            assert_eq!(fail(store, email, 1).await, "one");
        }
    }
    // Nothing was held against the one who is enabled again.
    store.enable_user(jon.id, event()).await.unwrap();
    assert_eq!(fail(store, &jon.email, 1).await, "last");
    assert_eq!(fail(store, &mara.email, 1).await, "last");
}

pub async fn a_password_link_works_once_and_in_time(fixture: &Fixture) {
    let store = &fixture.store;
    fixture.add_superuser(1).await;
    let jon = person(2, Role::Support);
    store
        .add_user(jon.clone(), None, Some(token(1)), event())
        .await
        .unwrap();
    let hash = token(1).hash;
    let redeem = |millis| store.redeem_password_link(hash, at(millis), "new".to_owned(), event());

    let found = store.find_password_link(hash, at(59_999)).await.unwrap();
    assert_eq!(found, Some(jon.clone()));
    assert_eq!(
        store.find_password_link(hash, at(60_000)).await.unwrap(),
        None
    );
    assert_eq!(
        store
            .find_password_link(token(9).hash, at(0))
            .await
            .unwrap(),
        None
    );
    assert!(is(&redeem(60_000).await, &Conflict::LinkUsed));

    // It goes when the person is disabled, and does not come back.
    store.disable_user(jon.id, at(1), event()).await.unwrap();
    assert_eq!(store.find_password_link(hash, at(2)).await.unwrap(), None);
    assert!(is(&redeem(2).await, &Conflict::LinkUsed));
    store.enable_user(jon.id, event()).await.unwrap();
    assert_eq!(store.find_password_link(hash, at(2)).await.unwrap(), None);
    store
        .offer_password_link(jon.id, token(1), event())
        .await
        .unwrap();

    fixture.log_in(1, &jon).await;
    redeem(59_999).await.unwrap();
    assert_eq!(
        store.find_password_hash(jon.id).await.unwrap().as_deref(),
        Some("new")
    );
    assert!(
        store
            .find_session(TokenHash([1; 32]), at(0))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.find_password_link(hash, at(0)).await.unwrap(), None);
    assert!(is(&redeem(0).await, &Conflict::LinkUsed));
}

pub async fn of_two_parallel_redemptions_one_succeeds(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    store
        .offer_password_link(mara.id, token(1), event())
        .await
        .unwrap();
    let redeem =
        |hash: &str| store.redeem_password_link(token(1).hash, at(0), hash.to_owned(), event());
    let (one, other) = tokio::join!(redeem("one"), redeem("other"));
    let winner = if one.is_ok() { "one" } else { "other" };
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert!(is(&one.and(other), &Conflict::LinkUsed));
    assert_eq!(
        store.find_password_hash(mara.id).await.unwrap().as_deref(),
        Some(winner)
    );
}

pub async fn a_new_password_link_replaces_the_one_before(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    store
        .offer_password_link(mara.id, token(1), event())
        .await
        .unwrap();
    store
        .offer_password_link(mara.id, token(2), event())
        .await
        .unwrap();
    assert_eq!(
        store
            .find_password_link(token(1).hash, at(0))
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        store
            .find_password_link(token(2).hash, at(0))
            .await
            .unwrap(),
        Some(mara)
    );
    // It is no set-up link.
    assert!(
        !store
            .set_up_token_is_valid(token(2).hash, at(0))
            .await
            .unwrap()
    );
    assert_eq!(
        store
            .delete_expired(at(0) + TimeDelta::days(1), at(0) + TimeDelta::days(1))
            .await
            .unwrap(),
        1
    );
}

//! Browser sessions.

use storage::{Conflict, StoreError, TokenHash};

use crate::fixture::{Fixture, at, event, key_id, refused_event, session, token};

const ID: TokenHash = TokenHash([1; 32]);

pub async fn a_session_is_found_within_both_limits(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let owner = Some(fixture.epoch(&mara).await);
    assert!(store.create_session(session(1, owner)).await.unwrap());
    let found = store.find_session(ID, at(999)).await.unwrap().unwrap();
    assert_eq!(
        (found.id, found.owner, found.data.as_str()),
        (ID, owner, "{\"number\":1}")
    );
    assert_eq!(
        (found.created_at, found.idle_until, found.absolute_until),
        (at(0), at(1000), at(10_000)),
    );
    assert!(store.find_session(ID, at(1000)).await.unwrap().is_none());

    let saved = store.save_session(ID, "{}".to_owned(), at(20_000)).await;
    assert!(saved.unwrap());
    let found = store.find_session(ID, at(9_999)).await.unwrap().unwrap();
    assert_eq!((found.owner, found.data.as_str()), (owner, "{}"));
    let found = store.find_session_owner(ID, at(9_999)).await.unwrap();
    let found = found.unwrap();
    assert_eq!(
        (found.user, Some(found.epoch), found.data.as_str()),
        (mara, owner, "{}")
    );
    let late = store.find_session_owner(ID, at(10_000)).await.unwrap();
    assert!(late.is_none());
    assert!(store.find_session(ID, at(10_000)).await.unwrap().is_none());
    assert!(
        store
            .find_session(TokenHash([2; 32]), at(0))
            .await
            .unwrap()
            .is_none()
    );
}

pub async fn a_save_does_not_bring_an_ended_session_back(fixture: &Fixture) {
    let store = &fixture.store;
    store.create_session(session(1, None)).await.unwrap();
    store.delete_session(ID).await.unwrap();
    assert!(
        !store
            .save_session(ID, "{}".to_owned(), at(9_000))
            .await
            .unwrap()
    );
    assert!(store.find_session(ID, at(0)).await.unwrap().is_none());
    store.delete_session(ID).await.unwrap();
}

pub async fn a_session_is_taken_once(fixture: &Fixture) {
    let (first, second) = (session(1, None), session(2, None));
    for row in [&first, &second] {
        assert!(fixture.store.create_session(row.clone()).await.unwrap());
    }
    let takes: Vec<_> = (0..8)
        .map(|_| {
            let (store, id) = (fixture.store.clone(), first.id);
            tokio::spawn(async move { store.take_session(id, at(1)).await.unwrap() })
        })
        .collect();
    let mut taken = Vec::new();
    for take in takes {
        taken.extend(take.await.unwrap());
    }
    let data: Vec<_> = taken.iter().map(|row| row.data.as_str()).collect();
    assert_eq!(data, [first.data.as_str()]);
    let late = fixture.store.take_session(second.id, second.idle_until);
    assert!(late.await.unwrap().is_none());
}

pub async fn a_session_id_is_taken_once(fixture: &Fixture) {
    let store = &fixture.store;
    assert!(store.create_session(session(1, None)).await.unwrap());
    let second = storage::SessionRow {
        data: "other".to_owned(),
        ..session(1, None)
    };
    assert!(!store.create_session(second).await.unwrap());
    assert_ne!(
        store.find_session(ID, at(0)).await.unwrap().unwrap().data,
        "other"
    );
}

pub async fn disabling_a_person_ends_their_sessions(fixture: &Fixture) {
    let store = &fixture.store;
    let (mara, jon) = (
        fixture.add_superuser(1).await,
        fixture.add_superuser(2).await,
    );
    let own = fixture.log_in(1, &mara).await;
    fixture.log_in(2, &jon).await;
    store.disable_user(mara.id, at(0), event()).await.unwrap();
    assert!(store.find_session(ID, at(0)).await.unwrap().is_none());
    assert!(
        store
            .find_session(TokenHash([2; 32]), at(0))
            .await
            .unwrap()
            .is_some()
    );

    // One that began meanwhile is not made, and the old one is gone for good.
    for epoch in [own.epoch, fixture.epoch(&mara).await] {
        let late = store.create_session(session(3, Some(epoch))).await;
        let ended = matches!(late, Err(StoreError::Conflict(Conflict::SessionEnded)));
        assert!(ended, "{late:?}");
    }
    assert!(
        store
            .find_session(TokenHash([3; 32]), at(0))
            .await
            .unwrap()
            .is_none()
    );
    store.enable_user(mara.id, event()).await.unwrap();
    assert!(store.find_session(ID, at(0)).await.unwrap().is_none());
}

pub async fn a_persons_sessions_are_listed_and_ended_one_by_one(fixture: &Fixture) {
    let store = &fixture.store;
    let (mara, jon) = (
        fixture.add_superuser(1).await,
        fixture.add_superuser(2).await,
    );
    for (number, owner, idle_until) in [(1, &mara, 500), (2, &mara, 900), (3, &jon, 900)] {
        let row = storage::SessionRow {
            idle_until: at(idle_until),
            ..session(number, Some(fixture.epoch(owner).await))
        };
        store.create_session(row).await.unwrap();
    }
    let ids = async |now| {
        let rows = store.list_sessions_of(mara.id, at(now)).await.unwrap();
        rows.iter().map(|row| row.id.0[0]).collect::<Vec<_>>()
    };
    assert_eq!(ids(0).await, [2, 1]);
    assert_eq!(ids(500).await, [2]);

    let other = store
        .end_session(mara.id, TokenHash([3; 32]), event())
        .await;
    assert!(matches!(other, Err(StoreError::NotFound("session"))));
    store.end_session(mara.id, ID, event()).await.unwrap();
    assert_eq!(ids(0).await, [2]);
    let own = fixture.log_in(4, &mara).await;
    store.end_other_sessions(own, event()).await.unwrap();
    assert_eq!(ids(0).await, [4]);
    store
        .end_sessions_of(mara.id, Vec::new(), event())
        .await
        .unwrap();
    assert!(ids(0).await.is_empty());
    let jons = store.list_sessions_of(jon.id, at(0)).await.unwrap();
    assert_eq!(jons.len(), 1);
}

pub async fn what_is_beyond_a_limit_is_cleared_away(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    store
        .offer_password_link(mara.id, token(1), event())
        .await
        .unwrap();
    store.create_session(session(1, None)).await.unwrap();
    let absolute = storage::SessionRow {
        idle_until: at(90_000),
        ..session(2, None)
    };
    store.create_session(absolute).await.unwrap();
    for (now, removed) in [
        (999, 0),
        (1000, 1),
        (9_999, 0),
        (10_000, 1),
        (59_999, 0),
        (60_000, 1),
    ] {
        assert_eq!(
            store.delete_expired(at(now), at(now)).await.unwrap(),
            removed,
            "at {now}"
        );
    }
}

/// What strangers begin goes at its end; what other nodes have to be told stays longer.
pub async fn what_tells_other_nodes_something_is_kept_longer(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    store.create_session(session(1, None)).await.unwrap();
    let used = store.use_assertion_id(key_id(1), TokenHash([1; 32]), at(9), at(0));
    assert!(used.await.unwrap());
    let message = TokenHash([9; 32]);
    let said = store.end_sessions_by_message(mara.id, Vec::new(), message, at(9), event());
    assert!(said.await.unwrap());
    let link = store.offer_password_link(mara.id, token(1), event());
    link.await.unwrap();
    for (before, removed) in [(8, 2), (8, 0), (9, 2)] {
        let deleted = store.delete_expired(at(60_000), at(before)).await;
        assert_eq!(deleted.unwrap(), removed);
    }
}

/// More sessions than are looked at at once.
pub async fn all_sessions_of_a_person_are_gone_through(fixture: &Fixture) {
    let store = &fixture.store;
    let (mara, jon) = (
        fixture.add_superuser(1).await,
        fixture.add_superuser(2).await,
    );
    let owners = [fixture.epoch(&mara).await, fixture.epoch(&jon).await];
    for number in 0..25 {
        let owner = owners[usize::from(number % 5 == 0)];
        let row = session(number, Some(owner));
        assert!(store.create_session(row).await.unwrap());
    }
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store
            .page_sessions_of(mara.id, at(0), after, 7)
            .await
            .unwrap();
        assert!(page.len() <= 7);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        found.extend(page.into_iter().map(|row| row.id));
    }
    let expected = (0..25)
        .filter(|number| number % 5 != 0)
        .map(|number| session(number, None).id);
    assert!(
        found.iter().copied().eq(expected),
        "each once, in order: {found:?}"
    );
}

pub async fn check_101_a_message_ends_its_sessions_once_and_whole(fixture: &Fixture) {
    let store = &fixture.store;
    let (mara, jon) = (
        fixture.add_superuser(1).await,
        fixture.add_superuser(2).await,
    );
    let (maras, jons) = (fixture.epoch(&mara).await, fixture.epoch(&jon).await);
    for (number, owner) in [(1, maras), (2, maras), (3, maras), (4, jons), (5, maras)] {
        let row = session(number, Some(owner));
        assert!(store.create_session(row).await.unwrap());
    }
    let ids = |numbers: &[u8]| {
        numbers
            .iter()
            .map(|number| session(*number, None).id)
            .collect()
    };
    let message = TokenHash([9; 32]);
    let keeping = |numbers: &[u8], message, audit| {
        store.end_sessions_by_message(mara.id, ids(numbers), message, at(60_000), audit)
    };
    let left = async || store.list_sessions_of(mara.id, at(0)).await.unwrap().len();
    let before = fixture.audit_log().await.len();
    // What fails leaves the sessions, and the message to be sent again.
    assert!(keeping(&[3, 5], message, refused_event()).await.is_err());
    assert_eq!(left().await, 4);
    // One of them is getting a new id.
    let taken = store.take_session(ID, at(0)).await.unwrap().unwrap();
    let (one, other) = tokio::join!(
        keeping(&[3, 5], message, event()),
        keeping(&[3, 5], message, event())
    );
    assert!(one.unwrap() != other.unwrap());
    let renewed = store.create_session(session(6, taken.owner)).await;
    assert!(matches!(
        renewed,
        Err(StoreError::Conflict(Conflict::SessionEnded))
    ));
    assert_eq!(left().await, 2);
    // Somebody else's session is not theirs to end.
    assert_eq!(
        store.list_sessions_of(jon.id, at(0)).await.unwrap().len(),
        1
    );
    let again = keeping(&[], message, event()).await;
    assert!(!again.unwrap(), "it was used");
    assert_eq!(left().await, 2);
    assert_eq!(fixture.audit_log().await.len(), before + 1);
    // It is remembered until its time is over.
    store.delete_expired(at(0), at(59_999)).await.unwrap();
    assert!(!keeping(&[3], message, event()).await.unwrap());
    store.delete_expired(at(0), at(60_000)).await.unwrap();
    assert!(keeping(&[3], message, event()).await.unwrap());
    assert_eq!(left().await, 1);
}

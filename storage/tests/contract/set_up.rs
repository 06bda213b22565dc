//! The first start.

use domain::role::Role;
use storage::{Conflict, KnownTime, StoreError, TokenHash};

use crate::fixture::{Fixture, at, event, person, token};

pub async fn set_up_works_once_with_a_valid_token(fixture: &Fixture) {
    let store = &fixture.store;
    let (mara, hash) = (person(1, Role::Superuser), "$argon2id$…".to_owned());
    let complete = |token, millis| {
        let event = domain::audit::AuditEvent {
            at: at(millis),
            ..event()
        };
        store.complete_set_up(token, mara.clone(), hash.clone(), event)
    };
    let valid = token(1).hash;
    assert!(!store.has_users().await.unwrap());
    assert!(!store.set_up_token_is_valid(valid, at(0)).await.unwrap());

    store.offer_set_up(token(1), event()).await.unwrap();
    assert!(
        store
            .set_up_token_is_valid(valid, at(59_999))
            .await
            .unwrap()
    );
    assert!(
        !store
            .set_up_token_is_valid(valid, at(60_000))
            .await
            .unwrap()
    );
    assert!(
        !store
            .set_up_token_is_valid(TokenHash([9; 32]), at(0))
            .await
            .unwrap()
    );
    for (token, millis) in [(TokenHash([9; 32]), 0), (valid, 60_000)] {
        let refused = complete(token, millis).await;
        assert!(
            matches!(refused, Err(StoreError::Conflict(Conflict::SetUpDone))),
            "{refused:?}"
        );
    }
    assert!(!store.has_users().await.unwrap());

    complete(valid, 59_999).await.unwrap();
    assert!(store.has_users().await.unwrap());
    let login = store.find_login(mara.email.clone()).await.unwrap().unwrap();
    assert_eq!(
        (login.user, login.password_hash),
        (mara.clone(), Some(hash.clone()))
    );

    assert!(!store.set_up_token_is_valid(valid, at(0)).await.unwrap());
    let again = complete(valid, 0).await;
    assert!(
        matches!(again, Err(StoreError::Conflict(Conflict::SetUpDone))),
        "{again:?}"
    );
    let offer = store.offer_set_up(token(2), event()).await;
    assert!(
        matches!(offer, Err(StoreError::Conflict(Conflict::SetUpDone))),
        "{offer:?}"
    );
}

pub async fn a_new_set_up_link_replaces_the_one_before(fixture: &Fixture) {
    let store = &fixture.store;
    store.offer_set_up(token(1), event()).await.unwrap();
    store.offer_set_up(token(2), event()).await.unwrap();
    assert!(
        !store
            .set_up_token_is_valid(token(1).hash, at(0))
            .await
            .unwrap()
    );
    assert!(
        store
            .set_up_token_is_valid(token(2).hash, at(0))
            .await
            .unwrap()
    );
}

pub async fn of_two_parallel_set_ups_one_succeeds(fixture: &Fixture) {
    let store = &fixture.store;
    store.offer_set_up(token(1), event()).await.unwrap();
    let complete = |number| {
        let user = person(number, Role::Superuser);
        store.complete_set_up(token(1).hash, user, "hash".to_owned(), event())
    };
    let (one, other) = tokio::join!(complete(1), complete(2));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let refused = one.and(other);
    assert!(
        matches!(refused, Err(StoreError::Conflict(Conflict::SetUpDone))),
        "{refused:?}"
    );
    assert_eq!(
        store
            .list_users(storage::UserQuery {
                limit: 10,
                ..Default::default()
            })
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(fixture.audit_log().await.len(), 2);
}

pub async fn a_setting_keeps_its_first_value(fixture: &Fixture) {
    let store = &fixture.store;
    let (one, other) = tokio::join!(
        store.setting_or_insert("pepper_check", "one"),
        store.setting_or_insert("pepper_check", "other"),
    );
    let value = one.unwrap();
    assert_eq!(value, other.unwrap());
    assert_eq!(
        store
            .setting_or_insert("pepper_check", "third")
            .await
            .unwrap(),
        value
    );
    assert_eq!(store.setting_or_insert("issuer", "x").await.unwrap(), "x");
}

pub async fn the_known_time_goes_on_and_begins_anew_where_the_clock_is_accepted(fixture: &Fixture) {
    let store = &fixture.store;
    let known = async |millis: Option<i64>, acceptances| {
        let expected = KnownTime {
            at: millis.map(at),
            acceptances,
        };
        assert_eq!(store.known_time().await.unwrap(), expected);
    };
    known(None, 0).await;
    store.note_time(at(5_000), 0).await.unwrap();
    store.note_time(at(4_000), 0).await.unwrap();
    known(Some(5_000), 0).await;
    let event = domain::audit::AuditEvent {
        at: at(2_000),
        ..event()
    };
    store.accept_clock(event.clone()).await.unwrap();
    known(Some(2_000), 1).await;
    assert_eq!(fixture.audit_log().await.last().unwrap().event, event);
    // Of a process that has not heard of it.
    store.note_time(at(9_000), 0).await.unwrap();
    known(Some(2_000), 1).await;
    store.note_time(at(3_000), 1).await.unwrap();
    known(Some(3_000), 1).await;
}

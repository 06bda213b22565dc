//! Assertions that were used, and access tokens that were revoked.

use domain::audit::{AuditEvent, ChainHash, ObjectKind};
use storage::{RevokedToken, SharedStore, TokenHash};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, at, credential, event, key_id, session, token};

const CALLS: u8 = 20;
const IDS: u8 = 30;

/// Uses each id many times at once, and counts how often it was new.
async fn race(stores: &[SharedStore]) -> Vec<u32> {
    let mut calls = JoinSet::new();
    for id in 0..IDS {
        for (_, store) in (0..CALLS).zip(stores.iter().cycle()) {
            let store = store.clone();
            calls.spawn(async move {
                let hash = TokenHash([id; 32]);
                let new = store
                    .use_assertion_id(key_id(1), hash, at(9000), at(0))
                    .await;
                (id, new.unwrap())
            });
        }
    }
    let mut new = vec![0; IDS.into()];
    while let Some(call) = calls.join_next().await {
        let (id, is_new) = call.unwrap();
        new[usize::from(id)] += u32::from(is_new);
    }
    new
}

pub async fn check_24_an_assertion_id_is_used_once(fixture: &Fixture) {
    let new = race(std::slice::from_ref(&fixture.store)).await;
    assert_eq!(new, vec![1; IDS.into()]);
}

pub async fn check_24_an_assertion_id_is_used_once_by_two_processes(fixture: &Fixture) {
    let new = race(&[fixture.store.clone(), fixture.connect_again().await]).await;
    assert_eq!(new, vec![1; IDS.into()]);
}

pub async fn check_24_credentials_do_not_share_their_assertion_ids(fixture: &Fixture) {
    let store = &fixture.store;
    let id = TokenHash([1; 32]);
    for expected in [true, false] {
        for number in 1..=2 {
            let new = store.use_assertion_id(key_id(number), id, at(9000), at(0));
            assert_eq!(new.await.unwrap(), expected, "credential {number}");
        }
    }
    assert!(fixture.audit_log().await.is_empty());
}

pub async fn check_24_a_used_assertion_id_survives_a_restart(fixture: &Fixture) {
    for (store, expected) in [
        (fixture.store.clone(), true),
        (fixture.connect_again().await, false),
    ] {
        let id = TokenHash([1; 32]);
        let is_used = store.assertion_id_is_used(key_id(1), id).await.unwrap();
        assert_eq!(is_used, !expected, "looking uses nothing up");
        let new = store.use_assertion_id(key_id(1), id, at(9000), at(0));
        assert_eq!(new.await.unwrap(), expected);
    }
}

pub async fn an_assertion_id_is_kept_until_its_end_and_not_longer(fixture: &Fixture) {
    let store = &fixture.store;
    let use_at = async |millis| {
        let id = TokenHash([1; 32]);
        store
            .use_assertion_id(key_id(1), id, at(1000), at(millis))
            .await
            .unwrap()
    };
    assert!(use_at(0).await);
    for (now, removed) in [(999, 0), (1000, 1), (1001, 0)] {
        assert!(!use_at(now).await, "at {now}");
        let deleted = store.delete_expired(at(now), at(now)).await;
        assert_eq!(deleted.unwrap(), removed);
    }
    // It is gone, but nobody can have an assertion with it any more.
    assert!(!use_at(1000).await);
    assert!(use_at(999).await);
}

fn revoked(jti: &str, millis: i64) -> RevokedToken {
    RevokedToken {
        jti: jti.to_owned(),
        key_id: key_id(1),
        expires_at: at(millis),
    }
}

async fn with_credential(fixture: &Fixture) {
    let mara = fixture.add_superuser(1).await;
    fixture.issue(&credential(1, mara.id)).await;
}

pub async fn a_token_is_revoked_once(fixture: &Fixture) {
    with_credential(fixture).await;
    let store = &fixture.store;
    let before = fixture.audit_log().await.len();
    for (expected, events) in [(true, 1), (false, 1), (false, 1)] {
        let done = store.revoke_token(revoked("one", 1000), event()).await;
        assert_eq!(done.unwrap(), expected);
        assert_eq!(fixture.audit_log().await.len(), before + events);
    }
    let other = store.revoke_token(revoked("other", 1000), event()).await;
    assert!(other.unwrap());
}

pub async fn of_parallel_revocations_one_is_audited(fixture: &Fixture) {
    with_credential(fixture).await;
    let before = fixture.audit_log().await.len();
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let store = fixture.store.clone();
        calls.spawn(async move { store.revoke_token(revoked("one", 1000), event()).await });
    }
    let done = calls.join_all().await;
    assert_eq!(
        done.into_iter()
            .filter(|done| *done.as_ref().unwrap())
            .count(),
        1
    );
    assert_eq!(fixture.audit_log().await.len(), before + 1);
}

pub async fn a_revoked_token_is_listed_until_its_end(fixture: &Fixture) {
    with_credential(fixture).await;
    let store = &fixture.store;
    let (early, late) = (revoked("early", 1000), revoked("late", 2000));
    for token in [&late, &early] {
        let of_it = AuditEvent {
            object_kind: ObjectKind::Token,
            object_id: Some(token.jti.clone()),
            ..event()
        };
        assert!(store.revoke_token(token.clone(), of_it).await.unwrap());
    }
    // Other nodes hear of its end as well, so that they keep it no longer.
    let heard = store.changes_after((0, ChainHash::START)).await.unwrap();
    let ends = heard
        .unwrap()
        .into_iter()
        .map(|change| change.token_ends_at);
    assert!(ends.flatten().eq([at(2000), at(1000)]));
    for (now, listed, removed) in [
        (999, vec![early, late.clone()], 0),
        (1000, vec![late.clone()], 1),
        (1999, vec![late], 0),
        (2000, vec![], 1),
    ] {
        assert_eq!(store.list_revoked_tokens(at(now)).await.unwrap(), listed);
        let deleted = store.delete_expired(at(now), at(now)).await;
        assert_eq!(deleted.unwrap(), removed);
        assert_eq!(store.list_revoked_tokens(at(now)).await.unwrap(), listed);
    }
}

pub async fn each_kind_is_cleared_away_by_the_thousand(fixture: &Fixture) {
    with_credential(fixture).await;
    let store = &fixture.store;
    for number in 0..1100_u32 {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let new = store.use_assertion_id(key_id(1), TokenHash(id), at(1), at(0));
        assert!(new.await.unwrap());
    }
    store.create_session(session(1, None)).await.unwrap();
    store
        .revoke_token(revoked("one", 1), event())
        .await
        .unwrap();
    let person = crate::fixture::person(1, domain::role::Role::Superuser);
    store
        .offer_password_link(person.id, token(1), event())
        .await
        .unwrap();
    // A thousand of the many, and all of the others.
    for removed in [1003, 100, 0] {
        let deleted = store.delete_expired(at(90_000), at(90_000)).await;
        assert_eq!(deleted.unwrap(), removed);
    }
}

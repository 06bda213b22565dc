//! The keys that sign access tokens: their order, the end of their private halves, their own end.

use domain::audit::AuditEvent;
use storage::{SigningKeyRow, StoreError};

use crate::fixture::{Fixture, at, event};

fn key(kid: &str, created: i64, used: i64) -> SigningKeyRow {
    SigningKeyRow {
        kid: kid.to_owned(),
        public_jwk: "{}".to_owned(),
        encrypted_private_key: Some(vec![1]),
        created_at: at(created),
        used_from: at(used),
        compromised_at: None,
    }
}

pub async fn the_first_signing_key_is_added_once(fixture: &Fixture) {
    let store = &fixture.store;
    assert!(store.list_signing_keys().await.unwrap().is_empty());
    let add = |kid: &str| {
        let key = SigningKeyRow {
            kid: kid.to_owned(),
            public_jwk: "{}".to_owned(),
            encrypted_private_key: Some(vec![0, 1, 255]),
            created_at: at(1),
            used_from: at(1),
            compromised_at: None,
        };
        store.add_first_signing_key(key, event())
    };
    let (one, other) = tokio::join!(add("one"), add("other"));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(one != other);
    assert!(!add("third").await.unwrap());
    let keys = store.list_signing_keys().await.unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].kid, if one { "one" } else { "other" });
    assert_eq!(keys[0].encrypted_private_key, Some(vec![0, 1, 255]));
    assert_eq!(fixture.audit_log().await.len(), 1);
}

pub async fn signing_keys_are_listed_in_the_order_in_which_they_sign(fixture: &Fixture) {
    let store = &fixture.store;
    for key in [key("late", 1, 900), key("b", 3, 30), key("a", 2, 30)] {
        store.add_signing_key(key, event()).await.unwrap();
    }
    let keys = store.list_signing_keys().await.unwrap();
    let listed = keys
        .iter()
        .map(|key| (key.kid.as_str(), key.created_at, key.used_from));
    assert!(listed.eq([
        ("a", at(2), at(30)),
        ("b", at(3), at(30)),
        ("late", at(1), at(900)),
    ]));
    let taken = store.add_signing_key(key("a", 4, 40), event()).await;
    assert!(
        matches!(taken, Err(StoreError::Unavailable(_))),
        "{taken:?}"
    );
    assert_eq!(fixture.audit_log().await.len(), 3);
}

pub async fn a_private_half_is_deleted_once_and_audited(fixture: &Fixture) {
    let store = &fixture.store;
    for key in [key("old", 1, 1), key("new", 2, 2)] {
        store.add_signing_key(key, event()).await.unwrap();
    }
    let delete = |kid: &str| store.delete_private_half(kid.to_owned(), event());
    let (one, other) = tokio::join!(delete("old"), delete("old"));
    assert!(one.unwrap() != other.unwrap());
    assert!(!delete("old").await.unwrap());
    assert!(!delete("unknown").await.unwrap());
    let bare = SigningKeyRow {
        encrypted_private_key: None,
        ..key("old", 1, 1)
    };
    let keys = store.list_signing_keys().await.unwrap();
    assert_eq!(keys, [bare, key("new", 2, 2)]);
    assert_eq!(fixture.audit_log().await.len(), 3);
}

pub async fn a_signing_key_is_ended_once_and_its_successor_comes_with_it(fixture: &Fixture) {
    let store = &fixture.store;
    store
        .add_signing_key(key("leaked", 1, 1), event())
        .await
        .unwrap();
    let end = |kid: &str, successor: Option<SigningKeyRow>, audit: AuditEvent| {
        store.end_signing_key(kid.to_owned(), at(5), successor, audit)
    };
    let (one, other) = tokio::join!(
        end("leaked", Some(key("one", 5, 5)), event()),
        end("leaked", Some(key("other", 5, 5)), event()),
    );
    let winner = if one.is_ok() { "one" } else { "other" };
    for outcome in [
        if one.is_ok() { other } else { one },
        end("unknown", Some(key("third", 5, 5)), event()).await,
    ] {
        assert!(
            matches!(outcome, Err(StoreError::NotFound("signing key"))),
            "{outcome:?}"
        );
    }
    let ended = SigningKeyRow {
        encrypted_private_key: None,
        compromised_at: Some(at(5)),
        ..key("leaked", 1, 1)
    };
    let keys = store.list_signing_keys().await.unwrap();
    assert_eq!(keys, [ended, key(winner, 5, 5)]);
    assert_eq!(fixture.audit_log().await.len(), 2);
    // And one that signs no more needs no successor.
    end(winner, None, event()).await.unwrap();
    assert_eq!(store.list_signing_keys().await.unwrap().len(), 2);
}

//! The URL of a credential's key set, and what came from it.

use storage::{FetchedKey, KeySetRow, NewCredential, StoreError};

use crate::fixture::{Fixture, at, credential, event, key_id, new, public_key, refused_event};

const URL: &str = "https://app.example.com/jwks.json";

fn unasked(url: &str) -> KeySetRow {
    KeySetRow {
        url: url.to_owned(),
        generation: 0,
        asked_at: None,
        problem: None,
        keys: Vec::new(),
        fetched_at: None,
    }
}

fn found(millis: i64, keys: &[u8]) -> KeySetRow {
    KeySetRow {
        asked_at: Some(at(millis)),
        keys: keys.iter().copied().map(key).collect(),
        fetched_at: Some(at(millis)),
        ..unasked(URL)
    }
}

fn key(number: u8) -> FetchedKey {
    let key = public_key(number);
    FetchedKey {
        thumbprint: key.thumbprint,
        jwk: key.jwk,
        algorithm: key.algorithm,
        kid: key.kid,
    }
}

/// A credential with the URL from the beginning.
async fn with_url(fixture: &Fixture) {
    let mara = fixture.add_superuser(1).await;
    let issued = NewCredential {
        key_set_url: Some(URL.to_owned()),
        ..new(&credential(1, mara.id))
    };
    fixture
        .store
        .issue_credential(issued, event())
        .await
        .unwrap();
}

/// The key set and how many public keys there are besides, as both readers see them.
async fn seen(fixture: &Fixture) -> (Option<KeySetRow>, usize) {
    let store = &fixture.store;
    let record = store.find_credential(key_id(1)).await.unwrap().unwrap();
    let live = store
        .find_live_credential(key_id(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(record.key_set, live.key_set);
    assert_eq!(record.public_keys, live.public_keys);
    let as_expected = record.key_set.map(|set| KeySetRow {
        generation: 0,
        ..set
    });
    (as_expected, record.public_keys.len())
}

/// Which setting of the URL is the one that holds.
async fn generation(fixture: &Fixture) -> i64 {
    let record = fixture.store.find_credential(key_id(1)).await;
    record.unwrap().unwrap().key_set.unwrap().generation
}

async fn set(fixture: &Fixture, url: &str) {
    let store = &fixture.store;
    store
        .set_key_set_url(key_id(1), url.to_owned(), event())
        .await
        .unwrap();
}

async fn record(fixture: &Fixture, found: KeySetRow, unless_since: i64) {
    let generation = generation(fixture).await;
    let found = KeySetRow {
        generation,
        ..found
    };
    record_as_read(fixture, found, unless_since).await;
}

async fn record_as_read(fixture: &Fixture, found: KeySetRow, unless_since: i64) {
    let store = &fixture.store;
    store
        .record_key_set(key_id(1), found, at(unless_since))
        .await
        .unwrap();
}

pub async fn a_credential_has_a_url_or_keys_and_never_both(fixture: &Fixture) {
    let mara = fixture.add_superuser(1).await;
    fixture.issue(&credential(1, mara.id)).await;
    let store = &fixture.store;
    for number in 1..=2 {
        let key = public_key(number);
        store
            .add_public_keys(key_id(1), vec![key], event())
            .await
            .unwrap();
    }
    assert_eq!(seen(fixture).await, (None, 2));
    set(fixture, URL).await;
    assert_eq!(seen(fixture).await, (Some(unasked(URL)), 0));
    store
        .add_public_keys(key_id(1), vec![public_key(1)], event())
        .await
        .unwrap();
    assert_eq!(seen(fixture).await, (None, 1));
}

pub async fn a_url_is_set_together_with_its_audit_event(fixture: &Fixture) {
    with_url(fixture).await;
    assert_eq!(seen(fixture).await, (Some(unasked(URL)), 0));
    let before = fixture.audit_log().await.len();
    let store = &fixture.store;
    let other = || "https://other.example.com/jwks.json".to_owned();
    let refused = store
        .set_key_set_url(key_id(1), other(), refused_event())
        .await;
    assert!(refused.is_err());
    assert_eq!(seen(fixture).await, (Some(unasked(URL)), 0));
    let nowhere = store.set_key_set_url(key_id(9), other(), event()).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound("credential"))));
    assert_eq!(fixture.audit_log().await.len(), before);
    set(fixture, &other()).await;
    assert_eq!(fixture.audit_log().await.len(), before + 1);
}

pub async fn what_came_from_a_url_is_kept_until_the_url_changes(fixture: &Fixture) {
    with_url(fixture).await;
    let failed = KeySetRow {
        asked_at: Some(at(10)),
        problem: Some("app.example.com answered 404".to_owned()),
        ..unasked(URL)
    };
    record(fixture, failed.clone(), 0).await;
    assert_eq!(seen(fixture).await.0, Some(failed));
    record(fixture, found(20, &[1, 2]), 0).await;
    assert_eq!(seen(fixture).await.0, Some(found(20, &[1, 2])));
    let of_another_url = KeySetRow {
        url: "https://other.example.com/jwks.json".to_owned(),
        ..found(30, &[3])
    };
    record(fixture, of_another_url, 0).await;
    assert_eq!(seen(fixture).await.0, Some(found(20, &[1, 2])));
    // The same URL once more is a new beginning too.
    set(fixture, URL).await;
    assert_eq!(seen(fixture).await.0, Some(unasked(URL)));
}

pub async fn what_was_asked_before_a_url_was_set_anew_is_not_noted_after_it(fixture: &Fixture) {
    with_url(fixture).await;
    let before = KeySetRow {
        generation: generation(fixture).await,
        ..found(10, &[1])
    };
    set(fixture, URL).await;
    record_as_read(fixture, before, 0).await;
    assert_eq!(seen(fixture).await.0, Some(unasked(URL)));
    // From one that has read it since, though its clock is behind.
    record(fixture, found(5, &[2]), 0).await;
    assert_eq!(seen(fixture).await.0, Some(found(5, &[2])));
}

pub async fn only_a_new_or_a_changed_outcome_is_written(fixture: &Fixture) {
    with_url(fixture).await;
    for (millis, keys, unless_since, expected) in [
        (100, &[1][..], 0, found(100, &[1])),
        // The same, and the last note is young enough.
        (200, &[1], 100, found(100, &[1])),
        // The same, and the last note is old.
        (200, &[1], 101, found(200, &[1])),
        (300, &[1, 2], 0, found(300, &[1, 2])),
        // From a replica that asked before.
        (250, &[1], 300, found(300, &[1, 2])),
    ] {
        record(fixture, found(millis, keys), unless_since).await;
        assert_eq!(seen(fixture).await.0, Some(expected), "{millis}");
    }
    let failed = KeySetRow {
        asked_at: Some(at(400)),
        problem: Some("app.example.com can't be reached".to_owned()),
        ..found(300, &[1, 2])
    };
    record(fixture, failed.clone(), 0).await;
    assert_eq!(seen(fixture).await.0, Some(failed));
}

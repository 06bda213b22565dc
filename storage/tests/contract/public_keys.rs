//! The public keys of a credential.

use domain::credential::MAX_PUBLIC_KEYS;
use storage::{Conflict, CredentialUse, LastUse, PublicKeyRow, StoreError, StoreResult};

use crate::fixture::{Fixture, at, credential, event, key_id, public_key};

async fn keys(fixture: &Fixture) -> Vec<PublicKeyRow> {
    let store = &fixture.store;
    let record = store.find_credential(key_id(1)).await.unwrap().unwrap();
    let live = store.find_live_credential(key_id(1)).await.unwrap();
    assert_eq!(record.public_keys, live.unwrap().public_keys);
    record.public_keys
}

/// Two credentials, and the first keys of the first one.
async fn with_keys(fixture: &Fixture, numbers: std::ops::Range<u8>) {
    let mara = fixture.add_superuser(1).await;
    for number in 1..=2 {
        fixture.issue(&credential(number, mara.id)).await;
    }
    for number in numbers {
        add(fixture, number).await.unwrap();
    }
}

async fn add(fixture: &Fixture, number: u8) -> StoreResult<()> {
    let store = &fixture.store;
    store
        .add_public_key(key_id(1), public_key(number), event())
        .await
}

async fn remove(fixture: &Fixture, number: u8) -> StoreResult<()> {
    let thumbprint = public_key(number).thumbprint;
    let store = &fixture.store;
    store
        .remove_public_key(key_id(1), thumbprint, event())
        .await
}

fn is(outcome: &StoreResult<()>, conflict: &Conflict) -> bool {
    matches!(outcome, Err(StoreError::Conflict(found)) if found == conflict)
}

pub async fn keys_are_added_and_removed_one_by_one(fixture: &Fixture) {
    with_keys(fixture, 0..0).await;
    let nameless = PublicKeyRow {
        name: String::new(),
        kid: None,
        expires_at: None,
        ..public_key(1)
    };
    let before = fixture.audit_log().await.len();
    let store = &fixture.store;
    store
        .add_public_key(key_id(1), nameless.clone(), event())
        .await
        .unwrap();
    add(fixture, 2).await.unwrap();
    assert_eq!(keys(fixture).await, [nameless, public_key(2)]);
    remove(fixture, 1).await.unwrap();
    assert_eq!(keys(fixture).await, [public_key(2)]);
    assert_eq!(fixture.audit_log().await.len(), before + 3);

    let gone = remove(fixture, 1).await;
    assert!(matches!(gone, Err(StoreError::NotFound("public key"))));
    let nowhere = store
        .add_public_key(key_id(9), public_key(1), event())
        .await;
    assert!(matches!(nowhere, Err(StoreError::NotFound("credential"))));
    assert_eq!(fixture.audit_log().await.len(), before + 3);
}

pub async fn a_key_is_taken_by_a_credential_only_once(fixture: &Fixture) {
    with_keys(fixture, 1..2).await;
    let again = PublicKeyRow {
        name: "Another name".to_owned(),
        ..public_key(1)
    };
    let store = &fixture.store;
    let refused = store
        .add_public_key(key_id(1), again.clone(), event())
        .await;
    assert!(is(&refused, &Conflict::PublicKeyTaken), "{refused:?}");
    assert_eq!(keys(fixture).await, [public_key(1)]);
    store
        .add_public_key(key_id(2), again, event())
        .await
        .unwrap();
}

pub async fn check_26_a_credential_has_ten_keys_at_most(fixture: &Fixture) {
    with_keys(fixture, 1..10).await;
    let (one, other) = tokio::join!(add(fixture, 10), add(fixture, 11));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let refused = one.and(other);
    assert!(is(&refused, &Conflict::TooManyPublicKeys), "{refused:?}");
    assert_eq!(keys(fixture).await.len(), MAX_PUBLIC_KEYS);
    remove(fixture, 1).await.unwrap();
    add(fixture, 12).await.unwrap();
}

pub async fn the_last_key_stays(fixture: &Fixture) {
    with_keys(fixture, 1..3).await;
    let (one, other) = tokio::join!(remove(fixture, 1), remove(fixture, 2));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let refused = one.and(other);
    assert!(is(&refused, &Conflict::LastPublicKey), "{refused:?}");
    assert_eq!(keys(fixture).await.len(), 1);
}

fn used(millis: i64, key: Option<u8>) -> CredentialUse {
    CredentialUse {
        key_id: key_id(1),
        last_use: LastUse {
            at: at(millis),
            address: "192.0.2.1".to_owned(),
            endpoint: "POST /v1/oauth2/token".to_owned(),
        },
        public_key: key.map(|number| public_key(number).thumbprint),
    }
}

pub async fn a_use_moves_its_key_forward_and_never_back(fixture: &Fixture) {
    with_keys(fixture, 1..4).await;
    for (uses, expected) in [
        (vec![used(10, Some(1)), used(20, None)], [Some(10), None]),
        (
            vec![used(9, Some(1)), used(11, Some(2))],
            [Some(10), Some(11)],
        ),
        (
            vec![used(30, Some(1)), used(12, Some(1)), used(40, Some(9))],
            [Some(30), Some(11)],
        ),
    ] {
        fixture.store.record_uses(uses).await.unwrap();
        let found = keys(fixture).await.into_iter().map(|key| key.last_used_at);
        let expected = [expected[0], expected[1], None].map(|millis| millis.map(at));
        assert!(found.eq(expected), "{expected:?}");
    }
    let record = fixture.store.find_credential(key_id(1)).await.unwrap();
    assert_eq!(record.unwrap().last_use, Some(used(40, None).last_use));
}

pub async fn two_replicas_note_uses_of_the_same_keys(fixture: &Fixture) {
    with_keys(fixture, 1..4).await;
    // Each notes a mixture of old and new, in an order of its own.
    let note = |shift: i64| {
        let uses = (0..60).map(|n| used((n * 7 + shift) % 60, u8::try_from(n % 3 + 1).ok()));
        fixture.store.record_uses(uses.collect())
    };
    for _ in 0..5 {
        let (one, other) = tokio::join!(note(0), note(31));
        one.unwrap();
        other.unwrap();
    }
    let last = keys(fixture)
        .await
        .into_iter()
        .filter_map(|key| key.last_used_at);
    assert_eq!(last.max(), Some(at(59)));
}

//! The public keys of a credential.

use chrono::TimeDelta;
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
    add_all(fixture, vec![public_key(number)]).await
}

async fn add_all(fixture: &Fixture, keys: Vec<PublicKeyRow>) -> StoreResult<()> {
    let store = &fixture.store;
    store.add_public_keys(key_id(1), keys, event()).await
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
    add_all(fixture, vec![nameless.clone()]).await.unwrap();
    add(fixture, 2).await.unwrap();
    assert_eq!(keys(fixture).await, [nameless, public_key(2)]);
    remove(fixture, 1).await.unwrap();
    assert_eq!(keys(fixture).await, [public_key(2)]);
    assert_eq!(fixture.audit_log().await.len(), before + 3);

    let gone = remove(fixture, 1).await;
    assert!(matches!(gone, Err(StoreError::NotFound("public key"))));
    let nowhere = store
        .add_public_keys(key_id(9), vec![public_key(1)], event())
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
    let refused = add_all(fixture, vec![again.clone()]).await;
    assert!(is(&refused, &Conflict::PublicKeyTaken), "{refused:?}");
    assert_eq!(keys(fixture).await, [public_key(1)]);
    let store = &fixture.store;
    store
        .add_public_keys(key_id(2), vec![again], event())
        .await
        .unwrap();
}

/// What must not be added, and why, to a credential that has the keys 1 to 8.
fn refused_sets() -> [(Vec<PublicKeyRow>, Conflict); 4] {
    let same_kid = PublicKeyRow {
        kid: public_key(11).kid,
        ..public_key(12)
    };
    let taken = Conflict::KidTaken {
        kid: "kid-11".to_owned(),
        thumbprint: "thumbprint-11".to_owned(),
    };
    [
        (
            vec![public_key(11), public_key(1)],
            Conflict::PublicKeyTaken,
        ),
        (
            vec![public_key(11), public_key(11)],
            Conflict::PublicKeyTaken,
        ),
        (vec![public_key(11), same_kid], taken),
        (
            (11..=21).map(public_key).collect(),
            Conflict::TooManyPublicKeys,
        ),
    ]
}

pub async fn keys_are_added_together_or_not_at_all(fixture: &Fixture) {
    with_keys(fixture, 1..9).await;
    let known = keys(fixture).await;
    let before = fixture.audit_log().await.len();
    for (set, conflict) in refused_sets() {
        let refused = add_all(fixture, set).await;
        assert!(is(&refused, &conflict), "{conflict:?}: {refused:?}");
        assert_eq!(keys(fixture).await, known, "{conflict:?}");
    }
    assert_eq!(fixture.audit_log().await.len(), before);
    let set = vec![public_key(11), public_key(12)];
    add_all(fixture, set).await.unwrap();
    assert_eq!(keys(fixture).await.len(), MAX_PUBLIC_KEYS);
    assert_eq!(fixture.audit_log().await.len(), before + 1);
}

pub async fn keys_that_are_refused_leave_the_key_url(fixture: &Fixture) {
    with_keys(fixture, 0..0).await;
    let store = &fixture.store;
    let url = "https://app.example.com/jwks.json";
    store
        .set_key_set_url(key_id(1), url.to_owned(), event())
        .await
        .unwrap();
    let before = fixture.audit_log().await.len();
    for (set, conflict) in refused_sets().into_iter().skip(1) {
        let refused = add_all(fixture, set).await;
        assert!(is(&refused, &conflict), "{conflict:?}: {refused:?}");
        let record = store.find_credential(key_id(1)).await.unwrap().unwrap();
        assert_eq!(record.public_keys, []);
        assert_eq!(record.key_set.map(|set| set.url).as_deref(), Some(url));
    }
    assert_eq!(fixture.audit_log().await.len(), before);
}

pub async fn check_26_a_kid_is_of_one_key_until_that_key_ends(fixture: &Fixture) {
    with_keys(fixture, 1..2).await;
    let end = public_key(1).expires_at.unwrap();
    let named = |number, created_at| PublicKeyRow {
        kid: public_key(1).kid,
        created_at,
        expires_at: None,
        ..public_key(number)
    };
    let taken = |thumbprint: &str| Conflict::KidTaken {
        kid: "kid-1".to_owned(),
        thumbprint: thumbprint.to_owned(),
    };
    let early = end - TimeDelta::milliseconds(1);
    let refused = add_all(fixture, vec![named(2, early)]).await;
    assert!(is(&refused, &taken("thumbprint-1")), "{refused:?}");
    add_all(fixture, vec![named(2, end)]).await.unwrap();
    let refused = add_all(fixture, vec![named(3, end)]).await;
    assert!(is(&refused, &taken("thumbprint-2")), "{refused:?}");
    // A key that is gone, another credential and keys without a kid are in nobody's way.
    remove(fixture, 2).await.unwrap();
    add_all(fixture, vec![named(3, end)]).await.unwrap();
    let store = &fixture.store;
    let elsewhere = store.add_public_keys(key_id(2), vec![named(2, end)], event());
    elsewhere.await.unwrap();
    let nameless = |number| PublicKeyRow {
        kid: None,
        ..public_key(number)
    };
    let set = vec![nameless(4), nameless(5)];
    add_all(fixture, set).await.unwrap();
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

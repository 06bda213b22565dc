//! Credentials one at a time.

use std::num::NonZeroU32;

use chrono::TimeDelta;
use domain::access::Access;
use domain::credential::{Credential, Flow, Mark, Transition};
use domain::limits::{LimitKind, Limits};
use domain::role::Role;
use domain::scope::AccessLevel;
use storage::{
    Conflict, CredentialFilter, CredentialUse, LastUse, NewCredential, SecretHash, SecretInfo,
    StoreError,
};

use crate::fixture::{Fixture, at, credential, event, key_id, new, person, public_key, query};

fn mark(millis: i64) -> Mark {
    let reason = Some("It leaked: \"see\" <the> log".parse().unwrap());
    Mark {
        at: at(millis),
        by: "Mara".to_owned(),
        reason,
    }
}

fn limits(addresses: &str, per_second: u32) -> Limits {
    Limits {
        addresses: addresses.parse().unwrap(),
        per_second: NonZeroU32::new(per_second),
        report_only: [LimitKind::Calls].into(),
        ..Limits::default()
    }
}

pub async fn a_credential_is_found_as_issued(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let levels = [
        ("accounts", AccessLevel::Write),
        ("data", AccessLevel::None),
    ];
    let custom = levels
        .map(|(scope, level)| (scope.parse().unwrap(), level))
        .into();
    let issued = Credential {
        name: "Märchen 100% \\ _".parse().unwrap(),
        flow: Flow::PrivateKeyJwt,
        access: Access::Custom(custom),
        limits: limits("192.0.2.0/24 2001:db8::/32", 20),
        expires_at: Some(at(123_456_789)),
        ..credential(1, mara.id)
    };
    let public_key = public_key(5);
    let secret = SecretHash([7; 32]);
    let row = NewCredential {
        secret: Some(secret),
        public_keys: vec![public_key.clone()],
        ..new(&issued)
    };
    store.issue_credential(row, event()).await.unwrap();

    let found = store.find_credential(issued.key_id).await.unwrap().unwrap();
    assert_eq!(found.credential, issued);
    assert_eq!(found.owner_name, mara.name.as_str());
    assert!(found.owner_is_active && found.last_use.is_none());
    assert_eq!(
        found.secrets,
        [SecretInfo {
            created_at: issued.created_at
        }]
    );
    assert_eq!(found.public_keys, std::slice::from_ref(&public_key));
    let live = store
        .find_live_credential(issued.key_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(live.credential, issued);
    assert!(live.secrets == [secret] && live.public_keys == [public_key]);
    let listed = store
        .list_credentials(query(CredentialFilter::default()))
        .await
        .unwrap();
    assert_eq!(listed.rows[0].credential, issued);

    assert!(store.find_credential(key_id(2)).await.unwrap().is_none());
    assert!(
        store
            .find_live_credential(key_id(2))
            .await
            .unwrap()
            .is_none()
    );

    // Page by page, until there are no more.
    let second = credential(2, mara.id);
    fixture.issue(&second).await;
    let mut ids = [issued.key_id, second.key_id];
    ids.sort();
    for (after, limit, expected) in [
        (None, 10, &ids[..]),
        (None, 1, &ids[..1]),
        (Some(ids[0]), 10, &ids[1..]),
        (Some(ids[1]), 10, &[]),
    ] {
        let listed = store.list_key_ids(after, limit).await.unwrap();
        assert_eq!(listed, expected, "after {after:?}");
    }

    // Through every standing.
    let mut changed = issued;
    for transition in [Transition::Disable, Transition::Enable, Transition::Revoke] {
        let read = fixture.credential(changed.key_id).await.updated_at;
        let later = read.timestamp_millis() - at(0).timestamp_millis() + 10;
        changed.apply(transition, mark(later)).unwrap();
        store
            .update_credential(changed.clone(), read, event())
            .await
            .unwrap();
        assert_eq!(fixture.credential(changed.key_id).await, changed);
    }

    fixture.add_superuser(2).await;
    store.disable_user(mara.id, at(9), event()).await.unwrap();
    let found = store
        .find_credential(changed.key_id)
        .await
        .unwrap()
        .unwrap();
    assert!(!found.owner_is_active);
}

pub async fn an_instant_comes_back_to_the_millisecond(fixture: &Fixture) {
    let mara = fixture.add_superuser(1).await;
    for (number, millis) in [-1_800_000_000_001, -1, 1, 999, 250_602_300_799_999]
        .iter()
        .enumerate()
    {
        let issued = Credential {
            created_at: at(*millis),
            expires_at: Some(at(millis + 1)),
            ..credential(number.try_into().unwrap(), mara.id)
        };
        fixture.issue(&issued).await;
        assert_eq!(fixture.credential(issued.key_id).await, issued);
    }
    // What is finer than a millisecond is cut off.
    let fine = Credential {
        created_at: at(5) + TimeDelta::nanoseconds(999_999),
        ..credential(99, mara.id)
    };
    fixture.issue(&fine).await;
    assert_eq!(fixture.credential(fine.key_id).await.created_at, at(5));
}

pub async fn the_same_request_issues_one_credential(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let issue = |number, key: &str| {
        let row = NewCredential {
            idempotency_key: Some(key.to_owned()),
            ..new(&credential(number, mara.id))
        };
        store.issue_credential(row, event())
    };
    let (one, other) = tokio::join!(issue(1, "click"), issue(2, "click"));
    let first = key_id(if one.is_ok() { 1 } else { 2 });
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let refused = one.and(other);
    assert!(
        matches!(&refused, Err(StoreError::Conflict(Conflict::AlreadyIssued(id))) if *id == first),
        "{refused:?}"
    );
    issue(3, "another click").await.unwrap();
    assert_eq!(store.count_credentials(at(0)).await.unwrap().all, 2);
}

pub async fn limits_change_with_an_edit(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let mut edited = credential(1, mara.id);
    fixture.issue(&edited).await;
    for (read, limits) in [(0, limits("::1", 7)), (1, Limits::default())] {
        edited.limits = limits;
        edited.updated_at = at(read + 1);
        store
            .update_credential(edited.clone(), at(read), event())
            .await
            .unwrap();
        assert_eq!(fixture.credential(edited.key_id).await, edited);
    }
}

pub async fn limits_of_when_one_switch_was_for_all_only_report(fixture: &Fixture) {
    let mara = fixture.add_superuser(1).await;
    let issued = credential(1, mara.id);
    fixture.issue(&issued).await;
    let stored = r#"UPDATE credentials SET limits = '{"per_minute":5,"report_only":true}'"#;
    fixture.execute(stored).await.unwrap();
    let limits = fixture.credential(issued.key_id).await.limits;
    assert_eq!(limits.report_only, LimitKind::ALL.into());
}

pub async fn an_owner_must_be_active(fixture: &Fixture) {
    let store = &fixture.store;
    let (mara, jon) = (
        fixture.add_superuser(1).await,
        fixture.add_superuser(2).await,
    );
    let mut kept = credential(1, jon.id);
    fixture.issue(&kept).await;
    store.disable_user(jon.id, at(0), event()).await.unwrap();
    fixture.issue(&credential(2, mara.id)).await;
    for owner in [jon.id, person(3, Role::Support).id] {
        let issued = store
            .issue_credential(new(&credential(3, owner)), event())
            .await;
        let moved = store
            .update_credential(credential(2, owner), at(0), event())
            .await;
        for refused in [issued, moved] {
            assert!(
                matches!(
                    refused,
                    Err(StoreError::Conflict(Conflict::OwnerUnavailable))
                ),
                "{refused:?}"
            );
        }
    }
    // Whoever owns it already may be gone: an orphan can still be revoked.
    kept.apply(Transition::Revoke, mark(5)).unwrap();
    store
        .update_credential(kept.clone(), at(0), event())
        .await
        .unwrap();
    assert_eq!(fixture.credential(kept.key_id).await, kept);
}

pub async fn a_taken_key_id_leaves_nothing_behind(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let first = credential(1, mara.id);
    fixture.issue(&first).await;
    let second = NewCredential {
        secret: Some(SecretHash([1; 32])),
        ..new(&Credential {
            name: "second".parse().unwrap(),
            ..first.clone()
        })
    };
    assert!(store.issue_credential(second, event()).await.is_err());
    let found = store.find_credential(first.key_id).await.unwrap().unwrap();
    assert_eq!(found.credential, first);
    assert_eq!(found.secrets, []);
    assert_eq!(fixture.audit_log().await.len(), 2);
}

pub async fn an_edit_of_something_else_than_was_read_is_refused(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let issued = credential(1, mara.id);
    fixture.issue(&issued).await;
    let edit = |name: &str, updated_at| Credential {
        name: name.parse().unwrap(),
        updated_at,
        ..issued.clone()
    };
    store
        .update_credential(edit("first", at(10)), at(0), event())
        .await
        .unwrap();
    let late = store
        .update_credential(edit("late", at(20)), at(0), event())
        .await;
    assert!(
        matches!(late, Err(StoreError::Conflict(Conflict::ChangedMeanwhile))),
        "{late:?}"
    );
    assert_eq!(
        fixture.credential(issued.key_id).await.name.as_str(),
        "first"
    );
    store
        .update_credential(edit("second", at(20)), at(10), event())
        .await
        .unwrap();
    assert_eq!(
        fixture.credential(issued.key_id).await.name.as_str(),
        "second"
    );

    let unknown = credential(2, mara.id);
    let nothing = store.update_credential(unknown, at(0), event()).await;
    assert!(
        matches!(nothing, Err(StoreError::NotFound(_))),
        "{nothing:?}"
    );
}

pub async fn two_edits_at_the_same_instant_do_not_overwrite_each_other(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let issued = credential(1, mara.id);
    fixture.issue(&issued).await;
    let edit = |name: &str| Credential {
        name: name.parse().unwrap(),
        ..issued.clone()
    };
    let (one, other) = tokio::join!(
        store.update_credential(edit("one"), at(0), event()),
        store.update_credential(edit("other"), at(0), event()),
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let refused = one.and(other);
    assert!(
        matches!(
            refused,
            Err(StoreError::Conflict(Conflict::ChangedMeanwhile))
        ),
        "{refused:?}"
    );
}

pub async fn an_older_use_never_replaces_a_newer_one(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let last_use = |millis: i64| LastUse {
        at: at(millis),
        address: format!("192.0.2.{}", millis % 250),
        endpoint: format!("GET /v1/accounts/{millis}"),
    };
    for number in 1..=2 {
        fixture.issue(&credential(number, mara.id)).await;
    }
    let used = |number, millis| CredentialUse {
        key_id: key_id(number),
        last_use: last_use(millis),
        public_key: None,
    };
    for (uses, one, two) in [
        (vec![used(1, 10), used(2, 5), used(9, 1)], 10, 5),
        (vec![used(1, 9), used(2, 7), used(2, 6)], 10, 7),
        (vec![used(1, 11), used(1, 12), used(1, 8)], 12, 7),
        (vec![], 12, 7),
        ((0..500).map(|millis| used(1, millis)).collect(), 499, 7),
    ] {
        store.record_uses(uses).await.unwrap();
        for (number, millis) in [(1, one), (2, two)] {
            let found = store
                .find_credential(key_id(number))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(found.last_use, Some(last_use(millis)));
            assert_eq!(found.credential, credential(number, mara.id));
        }
    }
}

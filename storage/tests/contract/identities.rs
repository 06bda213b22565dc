//! Who people are at single sign-on.

use domain::role::Role;
use domain::user::User;
use storage::{Conflict, Identity, StoreError, StoreResult};

use crate::fixture::{Fixture, at, event, person};

fn identity(issuer: &str, subject: &str) -> Identity {
    Identity {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
    }
}

/// Who an identity is found to be.
async fn find(fixture: &Fixture, identity: Identity) -> Option<User> {
    let found = fixture.store.find_user_by_identity(identity).await;
    found.unwrap().map(|(user, _)| user)
}

fn is<T>(outcome: &StoreResult<T>, conflict: &Conflict) -> bool {
    matches!(outcome, Err(StoreError::Conflict(found)) if found == conflict)
}

pub async fn check_68_an_identity_is_issuer_and_subject_together(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = person(1, Role::Developer);
    let hers = identity("https://id.example.com", "mara");
    let added = store.add_user_with_identity(mara.clone(), hers.clone(), event());
    let first = added.await.unwrap();
    let found = store.find_user_by_identity(hers).await.unwrap();
    assert_eq!(found, Some((mara.clone(), first)));
    let login = store.find_login(mara.email.clone()).await.unwrap().unwrap();
    assert_eq!(login.epoch, first);
    assert_eq!((login.user, login.password_hash), (mara, None));
    for (issuer, subject) in [
        ("https://id.example.com", "Mara"),
        ("https://id.example.com/", "mara"),
        ("https://other.example.com", "mara"),
        ("https://id.example.com", "person1@example.com"),
    ] {
        let found = find(fixture, identity(issuer, subject)).await;
        assert_eq!(found, None, "{issuer} {subject}");
    }
    assert_eq!(fixture.audit_log().await.len(), 1);
}

pub async fn a_taken_address_or_identity_adds_nobody(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let hers = identity("https://id.example.com", "mara");
    let impostor = User {
        email: mara.email.clone(),
        ..person(2, Role::Support)
    };
    let refused = store
        .add_user_with_identity(impostor.clone(), hers.clone(), event())
        .await;
    assert!(is(&refused, &Conflict::EmailTaken), "{refused:?}");
    assert_eq!(find(fixture, hers.clone()).await, None);
    store
        .link_identity(mara.id, hers.clone(), event())
        .await
        .unwrap();
    let other = person(3, Role::Support);
    let refused = store
        .add_user_with_identity(other.clone(), hers, event())
        .await;
    assert!(is(&refused, &Conflict::IdentityTaken), "{refused:?}");
    assert_eq!(store.find_user(other.id).await.unwrap(), None);
    assert_eq!(fixture.audit_log().await.len(), 2);
}

pub async fn an_identity_is_linked_to_a_person_once(fixture: &Fixture) {
    let store = &fixture.store;
    let (mara, liam) = (
        fixture.add_superuser(1).await,
        fixture.add_superuser(2).await,
    );
    let (first, second) = (identity("a", "1"), identity("b", "1"));
    for one in [&first, &second] {
        store
            .link_identity(mara.id, one.clone(), event())
            .await
            .unwrap();
        assert_eq!(find(fixture, one.clone()).await.as_ref(), Some(&mara));
    }
    let refused = store.link_identity(liam.id, first.clone(), event()).await;
    assert!(is(&refused, &Conflict::IdentityTaken), "{refused:?}");
    assert_eq!(find(fixture, first).await, Some(mara));
    let nobody = person(3, Role::Support).id;
    let unknown = store.link_identity(nobody, identity("c", "1"), event());
    assert!(matches!(unknown.await, Err(StoreError::NotFound("person"))));
}

pub async fn a_login_is_noted_on_person_and_identity(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let epoch = fixture.epoch(&mara).await;
    let hers = identity("https://id.example.com", "mara");
    store
        .link_identity(mara.id, hers.clone(), event())
        .await
        .unwrap();
    store
        .record_identity_login(epoch, hers, at(7), event())
        .await
        .unwrap();
    let found = store.find_user(mara.id).await.unwrap().unwrap();
    assert_eq!(found.last_login_at, Some(at(7)));
    let source = async || {
        let found = store.find_person(mara.id, at(100)).await.unwrap();
        found.unwrap().issuer
    };
    assert_eq!(source().await.as_deref(), Some("https://id.example.com"));
    store
        .link_identity(mara.id, identity("header", "mara"), event())
        .await
        .unwrap();
    store
        .record_identity_login(epoch, identity("header", "mara"), at(8), event())
        .await
        .unwrap();
    assert_eq!(source().await.as_deref(), Some("header"));
    let unknown = store
        .record_identity_login(epoch, identity("a", "1"), at(9), event())
        .await;
    assert!(matches!(unknown, Err(StoreError::NotFound("identity"))));
    let found = store.find_user(mara.id).await.unwrap().unwrap();
    assert_eq!(found.last_login_at, Some(at(8)));
}

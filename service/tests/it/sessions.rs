//! Sessions: who sees them and who ends them.

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use chrono::TimeDelta;
use domain::audit::Action;
use domain::role::Permission;
use service::{RequestFacts, ServiceError};

use crate::harness::{PASSWORD, Team};

#[tokio::test]
async fn check_59_a_weaker_hash_is_upgraded_at_log_in() {
    let team = Team::new().await;
    let (store, id) = (&team.store, team.mara.id);
    let params = Params::new(8 * 1024, 1, 1, None).unwrap();
    let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16])
        .unwrap()
        .to_string();
    let strong = store.find_password_hash(id).await.unwrap().unwrap();
    let replaced = store.upgrade_password_hash(id, strong, weak.clone());
    replaced.await.unwrap();

    let facts = RequestFacts::default();
    let log_in = async |password: &str| {
        let services = &team.services;
        let done = services.log_in("mara@example.com", password, &facts).await;
        (done.is_ok(), store.find_password_hash(id).await.unwrap())
    };
    assert_eq!(log_in("another password").await, (false, Some(weak)));
    let (inside, upgraded) = log_in(PASSWORD).await;
    let upgraded = upgraded.unwrap();
    assert!(
        inside && upgraded.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{upgraded}"
    );
    // It is of the same password, and stays as it is now.
    assert_eq!(log_in(PASSWORD).await, (true, Some(upgraded)));
}

#[tokio::test]
async fn check_61_whoever_sits_at_a_session_has_the_same_hundred_tries() {
    let team = Team::new().await;
    let mara = team.log_in(team.mara.id).await;
    for _ in 0..99 {
        team.wrong_password("mara@example.com").await;
    }
    let facts = RequestFacts::default();
    let new = "otters count nine kettles";
    for current in ["not my password", PASSWORD] {
        let changed = team.services.change_password(&mara, current, new, &facts);
        let changed = changed.await;
        assert!(
            matches!(&changed, Err(ServiceError::Invalid(f)) if f[0].field == "current_password"),
            "{current}: {changed:?}"
        );
    }
    let proven = team.services.prove(&mara, PASSWORD).await;
    assert!(
        matches!(proven, Err(ServiceError::Invalid(_))),
        "{proven:?}"
    );
    let log = team.store.list_audit(0, 1_000).await.unwrap();
    let is_locked = |action| action == Action::PasswordLocked;
    assert_eq!(
        log.iter()
            .filter(|entry| is_locked(entry.event.action))
            .count(),
        1
    );
}

#[tokio::test]
async fn check_76_people_list_and_end_their_own_sessions() {
    let team = Team::new().await;
    let jonas = team.add("Jonas Lind", "jonas@example.com", "support").await;
    let (here, there) = (team.log_in(jonas.id).await, team.log_in(jonas.id).await);
    let sessions = team.services.sessions_of(&here, jonas.id).await.unwrap();
    assert_eq!(sessions.len(), 2);
    let other = sessions.iter().find(|session| !session.is_current).unwrap();
    team.services
        .end_session(&here, jonas.id, &other.id)
        .await
        .unwrap();
    let ended = there.person().unwrap().session;
    let actor = team
        .services
        .actor_of_session(ended, RequestFacts::default())
        .await;
    assert!(actor.unwrap().is_none());
    let again = team.services.end_session(&here, jonas.id, &other.id).await;
    assert!(matches!(again, Err(ServiceError::NotFound("session"))));

    team.log_in(jonas.id).await;
    team.services
        .end_other_sessions(&here, jonas.id)
        .await
        .unwrap();
    let left = team.services.sessions_of(&here, jonas.id).await.unwrap();
    assert!(left.len() == 1 && left[0].is_current);
}

#[tokio::test]
async fn check_76_only_superusers_end_the_sessions_of_others() {
    let team = Team::new().await;
    let jonas = team
        .add("Jonas Lind", "jonas@example.com", "operations")
        .await;
    let (mara, jonas_here) = (team.log_in(team.mara.id).await, team.log_in(jonas.id).await);
    let denied = team.services.sessions_of(&jonas_here, team.mara.id).await;
    assert!(matches!(
        denied,
        Err(ServiceError::Denied(Permission::ManageUsers))
    ));
    let maras = team
        .services
        .sessions_of(&mara, team.mara.id)
        .await
        .unwrap();
    let before = team.store.audit_head().await.unwrap().0;
    for denied in [
        team.services
            .end_session(&jonas_here, team.mara.id, &maras[0].id)
            .await,
        team.services
            .end_other_sessions(&jonas_here, team.mara.id)
            .await,
    ] {
        assert!(matches!(denied, Err(ServiceError::Denied(_))), "{denied:?}");
    }
    assert_eq!(team.store.audit_head().await.unwrap().0, before + 2);

    team.services
        .end_other_sessions(&mara, jonas.id)
        .await
        .unwrap();
    let left = team.services.sessions_of(&mara, jonas.id).await.unwrap();
    assert!(left.is_empty());
    // An id of somebody else's session opens nothing under another name.
    let crossed = team
        .services
        .end_session(&mara, jonas.id, &maras[0].id)
        .await;
    assert!(matches!(crossed, Err(ServiceError::NotFound("session"))));
}

#[tokio::test]
async fn a_person_was_last_seen_in_a_session_or_when_they_logged_in() {
    let team = Team::new().await;
    let jonas = team.add("Jonas Lind", "jonas@example.com", "support").await;
    let seen = async || {
        let person = team.services.person(&team.host, jonas.id).await.unwrap();
        team.services.last_seen(&person)
    };
    assert_eq!(seen().await, None, "invited");
    let facts = RequestFacts::default();
    let logged_in = team.services.now();
    let log_in = team.services.log_in("jonas@example.com", PASSWORD, &facts);
    log_in.await.unwrap();
    assert_eq!(seen().await, Some(logged_in));

    team.clock.advance(TimeDelta::minutes(20));
    let used = team.services.now();
    let actor = team.log_in(jonas.id).await;
    team.clock.advance(TimeDelta::hours(2));
    assert_eq!(seen().await, Some(used), "though the session has ended");
    let session = actor.person().unwrap().session;
    let (store, now) = (team.services.session_store(), team.services.now());
    // Under a longer limit than today's it says no more than that it was used.
    let end = now + TimeDelta::hours(9);
    let saved = store.save_session(session, "{}".to_owned(), end);
    assert!(saved.await.unwrap());
    assert_eq!(seen().await, Some(now));
    store.delete_session(session).await.unwrap();
    assert_eq!(seen().await, Some(logged_in));
}

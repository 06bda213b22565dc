//! Sessions: who sees them and who ends them.

use chrono::TimeDelta;
use domain::role::Permission;
use service::{RequestFacts, ServiceError};

use crate::harness::{PASSWORD, Team};

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
    let saved = store.save_session(session, Some(jonas.id), "{}".to_owned(), end);
    assert!(saved.await.unwrap());
    assert_eq!(seen().await, Some(now));
    store.delete_session(session).await.unwrap();
    assert_eq!(seen().await, Some(logged_in));
}

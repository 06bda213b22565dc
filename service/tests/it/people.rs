//! Set-up, log-in, roles.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::audit::{Action, Outcome};
use domain::role::Role;
use service::{AddPerson, Conflict, LogInStep, RequestFacts, ServiceError, UserQuery};
use tokio::task::JoinSet;

use crate::harness::{PASSWORD, Team, open};

#[tokio::test(flavor = "multi_thread")]
async fn check_64_of_two_parallel_set_ups_one_succeeds() {
    let clock = Arc::new(service::ManualClock::at(
        chrono::DateTime::from_timestamp(1_795_500_000, 0).unwrap(),
    ));
    let folder = tempfile::tempdir().unwrap();
    let store = service::connect(&format!("sqlite://{}/k.db", folder.path().display()))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    let services = open(store, clock).await;
    let token = services.offer_set_up().await.unwrap().unwrap();
    assert!(!services.may_set_up("guess").await.unwrap());
    let tries: Vec<_> = ["a@example.com", "b@example.com"]
        .map(|email| {
            let (services, token) = (services.clone(), token.expose().to_owned());
            tokio::spawn(async move {
                services
                    .set_up(&token, "Mara", email, PASSWORD, &RequestFacts::default())
                    .await
            })
        })
        .into();
    let mut done = 0;
    for each in tries {
        match each.await.unwrap() {
            Ok(user) => {
                assert_eq!(user.role, Role::Superuser);
                done += 1;
            }
            Err(ServiceError::Conflict(Conflict::SetUpDone)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(done, 1);
    assert!(services.offer_set_up().await.unwrap().is_none());
    assert!(!services.may_set_up(token.expose()).await.unwrap());
}

#[tokio::test]
async fn check_55_every_failed_log_in_is_one_answer() {
    let team = Team::new().await;
    let eve = team.add("Eve Moreau", "eve@example.com", "support").await;
    team.services
        .disable_person(&team.host, eve.id)
        .await
        .unwrap();
    let new = AddPerson {
        name: "New".into(),
        email: "new@example.com".into(),
        role: "support".into(),
    };
    team.services.add_person(&team.host, &new).await.unwrap();
    let facts = RequestFacts::default();
    for (email, password) in [
        ("mara@example.com", "wrong password here"),
        ("nobody@example.com", PASSWORD),
        ("eve@example.com", PASSWORD),
        ("new@example.com", PASSWORD),
        ("not an address", PASSWORD),
    ] {
        let error = team
            .services
            .log_in(email, password, &facts)
            .await
            .unwrap_err();
        assert!(
            matches!(error, ServiceError::WrongLogin),
            "{email}: {error:?}"
        );
    }
    let user = team
        .services
        .log_in(" MARA@example.com", PASSWORD, &facts)
        .await
        .unwrap();
    assert!(matches!(user, LogInStep::Done(who) if who.user.id == team.mara.id));
}

#[tokio::test]
async fn guessing_is_throttled_for_the_guesser() {
    let team = Team::new().await;
    let stranger = RequestFacts {
        address: "192.0.2.1".parse().ok(),
        request_id: None,
    };
    for _ in 0..10 {
        let error = team
            .services
            .log_in("mara@example.com", "wrong", &stranger)
            .await
            .unwrap_err();
        assert!(matches!(error, ServiceError::WrongLogin));
    }
    for spelling in ["mara@example.com", "Mara@Example.com", " mara@example.com "] {
        let error = team
            .services
            .log_in(spelling, PASSWORD, &stranger)
            .await
            .unwrap_err();
        assert!(matches!(error, ServiceError::Throttled(_)), "{spelling}");
    }
    assert!(
        team.services
            .log_in("mara@example.com", PASSWORD, &RequestFacts::default())
            .await
            .is_ok()
    );
    team.clock.advance(TimeDelta::minutes(15));
    assert!(
        team.services
            .log_in("mara@example.com", PASSWORD, &stranger)
            .await
            .is_ok()
    );
}

/// As many log in at once as an office has people, behind one address; the limit is on failures.
#[tokio::test(flavor = "multi_thread")]
async fn an_office_logs_in_at_once() {
    let team = Arc::new(Team::new().await);
    let mut office = JoinSet::new();
    for _ in 0..15 {
        let team = team.clone();
        office.spawn(async move {
            let facts = RequestFacts::default();
            let logged_in = team.services.log_in("mara@example.com", PASSWORD, &facts);
            logged_in.await.is_ok()
        });
    }
    assert_eq!(office.join_all().await, [true; 15]);
}

#[tokio::test]
async fn a_role_that_changes_ends_every_session_of_the_person() {
    let team = Team::new().await;
    let jonas = team
        .add("Jonas Lind", "jonas@example.com", "superuser")
        .await;
    let actor = team.log_in(jonas.id).await;
    let (services, host) = (&team.services, &team.host);
    for role in [Role::Support, Role::Superuser] {
        services.set_role(host, jonas.id, role).await.unwrap();
        assert!(team.next_request(&actor).await.is_none());
        let again = team.log_in(jonas.id).await;
        assert_eq!(again.person().unwrap().role, role);
    }
    let inside = team.log_in(jonas.id).await;
    services.disable_person(host, jonas.id).await.unwrap();
    assert!(team.next_request(&inside).await.is_none());
}

#[tokio::test]
async fn check_76_sessions_end_at_their_limits() {
    let team = Team::new().await;
    let session = team.log_in(team.mara.id).await.person().unwrap().session;
    let facts = RequestFacts::default;
    team.clock
        .advance(TimeDelta::minutes(60) - TimeDelta::milliseconds(1));
    assert!(
        team.services
            .actor_of_session(session, facts())
            .await
            .unwrap()
            .is_some()
    );
    team.clock.advance(TimeDelta::milliseconds(1));
    assert!(
        team.services
            .actor_of_session(session, facts())
            .await
            .unwrap()
            .is_none()
    );
    // Strangers begin such rows, too: they don't stay.
    assert_eq!(team.services.sweep().await.unwrap(), 1);
}

#[tokio::test]
async fn only_superusers_manage_people_and_refusals_are_audited() {
    let team = Team::new().await;
    for role in ["developer", "operations", "support"] {
        let email = format!("{role}@example.com");
        let user = team.add("Somebody", &email, role).await;
        let actor = team.log_in(user.id).await;
        let before = team.store.audit_head().await.unwrap().0;
        let person = AddPerson {
            name: "X".into(),
            email: "x@example.com".into(),
            role: "superuser".into(),
        };
        let denied = [
            team.services.add_person(&actor, &person).await.map(|_| ()),
            team.services
                .set_role(&actor, user.id, Role::Superuser)
                .await,
            team.services.disable_person(&actor, team.mara.id).await,
            team.services
                .offer_password_link(&actor, team.mara.id)
                .await
                .map(|_| ()),
        ];
        assert!(
            denied
                .iter()
                .all(|result| matches!(result, Err(ServiceError::Denied(_))))
        );
        let entries = team.store.list_audit(before, 100).await.unwrap();
        assert_eq!(entries.len(), 4, "{role}");
        assert!(entries.iter().all(|e| e.event.outcome.as_str() == "denied"
            && e.event.actor_id == Some(user.id.to_string())
            && e.event.address.as_deref() == Some("192.0.2.7")));
        assert!(
            team.services
                .people(
                    &actor,
                    UserQuery {
                        limit: 10,
                        ..UserQuery::default()
                    }
                )
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn check_63_a_password_link_works_once() {
    let team = Team::new().await;
    let person = AddPerson {
        name: "Amina".into(),
        email: "amina@example.com".into(),
        role: "developer".into(),
    };
    let link = team.services.add_person(&team.host, &person).await.unwrap();
    let facts = RequestFacts::default();
    let token = link.token.expose();
    let weak = team
        .services
        .choose_password(token, "short", &facts)
        .await
        .unwrap_err();
    assert!(matches!(weak, ServiceError::Invalid(_)));
    team.services
        .choose_password(token, PASSWORD, &facts)
        .await
        .unwrap();
    let again = team
        .services
        .choose_password(token, PASSWORD, &facts)
        .await
        .unwrap_err();
    assert!(matches!(again, ServiceError::Conflict(Conflict::LinkUsed)));
    assert!(
        team.services
            .log_in("amina@example.com", PASSWORD, &facts)
            .await
            .is_ok()
    );
    let late = team
        .services
        .offer_password_link(&team.host, link.user.id)
        .await
        .unwrap();
    team.clock.advance(TimeDelta::hours(72));
    assert!(
        team.services
            .password_link_owner(late.token.expose())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn check_62_a_password_change_needs_the_current_one_and_ends_other_sessions() {
    let team = Team::new().await;
    let (here, there) = (
        team.log_in(team.mara.id).await,
        team.log_in(team.mara.id).await,
    );
    let facts = RequestFacts::default();
    let new = "nine drums under the bridge";
    let wrong = team
        .services
        .change_password(&here, "not my password", new, &facts)
        .await;
    assert!(matches!(wrong, Err(ServiceError::Invalid(f)) if f[0].field == "current_password"));
    team.services
        .change_password(&here, PASSWORD, new, &facts)
        .await
        .unwrap();
    let log = team.store.list_audit(0, 1000).await.unwrap().into_iter();
    let changes: Vec<_> = log
        .map(|entry| entry.event)
        .filter(|event| event.action == Action::PasswordChanged)
        .collect();
    let mara = Some(team.mara.id.to_string());
    let [change] = &changes[..] else {
        panic!("not one change: {changes:?}");
    };
    assert_eq!(change.outcome, Outcome::Done);
    assert_eq!((&change.actor_id, &change.object_id), (&mara, &mara));
    assert_eq!(change.address.as_deref(), Some("192.0.2.7"));
    assert_eq!(change.detail, "{}", "no password, and no hash of one");
    let session = |actor: &service::Actor| actor.person().unwrap().session;
    assert!(
        team.services
            .actor_of_session(session(&here), facts.clone())
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        team.services
            .actor_of_session(session(&there), facts.clone())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        team.services
            .log_in("mara@example.com", PASSWORD, &facts)
            .await
            .is_err()
    );
    assert!(
        team.services
            .log_in("mara@example.com", new, &facts)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn check_88_the_last_superuser_stays() {
    let team = Team::new().await;
    for result in [
        team.services
            .set_role(&team.host, team.mara.id, Role::Support)
            .await,
        team.services.disable_person(&team.host, team.mara.id).await,
    ] {
        assert!(matches!(
            result,
            Err(ServiceError::Conflict(Conflict::LastSuperuser))
        ));
    }
}

#[tokio::test]
async fn a_wrong_master_key_is_found_at_start() {
    let team = Team::new().await;
    let other = service::MasterKey::new([8; 32]);
    let opened = service::Services::open(
        team.store.clone(),
        &other,
        crate::harness::catalogue(),
        crate::harness::settings(),
        team.clock.clone(),
        Arc::new(crate::harness::Nobody),
    )
    .await;
    assert!(matches!(opened, Err(ServiceError::Internal(_))));
}

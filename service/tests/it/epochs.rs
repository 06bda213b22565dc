//! What ends a person's sessions ends what is under way as well, on both databases (check 95).

use std::sync::LazyLock;

use domain::audit::{Action, Outcome};
use domain::groups::{Groups, RoleMap};
use domain::role::Role;
use service::{
    Actor, AddPerson, GatewayDraft, HeaderIdentity, LogInStep, RequestFacts, ServiceError,
    SessionRow, Token,
};

use crate::harness::{PASSWORD, Team, postgres};

const OTHER: &str = "otters count nine kettles";

/// Where nobody knows from.
static FACTS: LazyLock<RequestFacts> = LazyLock::new(RequestFacts::default);

/// Whether somebody who has logged in gets a session that opens something.
async fn gets_in(team: &Team, step: LogInStep) -> bool {
    let LogInStep::Done(who) = step else {
        panic!("no second factor was made");
    };
    let (now, token) = (team.services.now(), Token::generate());
    let row = SessionRow {
        id: token.hash(),
        owner: Some(who.epoch()),
        data: "{}".to_owned(),
        created_at: now,
        idle_until: now + chrono::TimeDelta::hours(1),
        absolute_until: now + chrono::TimeDelta::hours(1),
    };
    // It is refused here, or found no more.
    let _ = team.store.create_session(row).await;
    let actor = team.services.actor_of_session(token.hash(), FACTS.clone());
    actor.await.unwrap().is_some()
}

async fn log_ins_under_way(team: &Team) {
    let log_ins: Vec<_> = (0..8)
        .map(|_| {
            let services = team.services.clone();
            tokio::spawn(async move { services.log_in("mara@example.com", PASSWORD, &FACTS).await })
        })
        .collect();
    // All have read the old password once the first has been hashed.
    while log_ins.iter().all(|one| !one.is_finished()) {
        tokio::task::yield_now().await;
    }
    let reset = team.services.reset_password(&team.host, &team.mara, OTHER);
    reset.await.unwrap();
    for one in log_ins {
        match one.await.unwrap() {
            Ok(step) => assert!(!gets_in(team, step).await, "an old password let in"),
            Err(ServiceError::LogInEnded | ServiceError::WrongLogin) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    let log = team.store.list_audit(0, 1_000).await.unwrap();
    let reset = log
        .iter()
        .position(|entry| entry.event.action == Action::PasswordChanged);
    let after = &log[reset.unwrap()..];
    let let_in = |entry: &&domain::audit::AuditEntry| {
        entry.event.action == Action::LogIn && entry.event.outcome == Outcome::Done
    };
    assert_eq!(after.iter().filter(let_in).count(), 0, "noted as let in");
    let new = team.services.log_in("mara@example.com", OTHER, &FACTS);
    assert!(gets_in(team, new.await.unwrap()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_95_log_ins_under_way_while_the_password_changes_end_with_it() {
    log_ins_under_way(&Team::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_95_log_ins_under_way_while_the_password_changes_end_with_it_on_postgres() {
    log_ins_under_way(&Team::at(&postgres()).await).await;
}

/// Whoever changes their password while the host resets it does not get their own way.
async fn change_under_way(team: &Team) {
    let mara = team.log_in(team.mara.id).await;
    let (services, owner) = (team.services.clone(), mara.clone());
    let change = tokio::spawn(async move {
        let own = "nine drums under the bridge";
        services
            .change_password(&owner, PASSWORD, own, &FACTS)
            .await
    });
    let reset = team.services.reset_password(&team.host, &team.mara, OTHER);
    reset.await.unwrap();
    let changed = change.await.unwrap();
    let is_refused = matches!(
        changed,
        Err(ServiceError::LogInEnded | ServiceError::Invalid(_))
    );
    assert!(changed.is_ok() || is_refused, "{changed:?}");
    let new = team.services.log_in("mara@example.com", OTHER, &FACTS);
    assert!(new.await.is_ok(), "the reset was overwritten");
    assert!(team.next_request(&mara).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn check_95_a_password_change_under_way_never_overwrites_a_newer_reset() {
    change_under_way(&Team::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_95_a_password_change_under_way_never_overwrites_a_newer_reset_on_postgres() {
    change_under_way(&Team::at(&postgres()).await).await;
}

#[tokio::test]
async fn check_95_what_was_begun_in_a_session_that_has_ended_is_not_done() {
    let team = Team::new().await;
    let (services, host) = (&team.services, &team.host);
    let mara = team.log_in(team.mara.id).await;
    // A request of this session goes on while all of them end.
    services
        .end_other_sessions(host, team.mara.id)
        .await
        .unwrap();
    let has_ended = |result: Result<(), ServiceError>, what: &str| {
        assert!(matches!(result, Err(ServiceError::LogInEnded)), "{what}");
    };
    let changed = services.change_password(&mara, PASSWORD, OTHER, &FACTS);
    has_ended(changed.await, "a password");
    let codes = services.renew_recovery_codes(&mara).await;
    has_ended(codes.map(drop), "recovery codes");
    let ended = services.end_other_sessions(&mara, team.mara.id).await;
    has_ended(ended, "all others");
    let same = services.log_in("mara@example.com", PASSWORD, &FACTS);
    assert!(same.await.is_ok(), "the password is the one of before");
}

async fn by_header(team: &Team, groups: &str) -> Actor {
    let roles = ["admins=superuser", "ops=operations"].map(ToOwned::to_owned);
    let roles = RoleMap::new(&roles, None).unwrap();
    let who = HeaderIdentity {
        user: "ada@example.com".to_owned(),
        email: None,
        name: None,
        groups: Groups::from_header(groups),
    };
    let who = team.services.log_in_by_header(who, &roles, &FACTS).await;
    team.log_in(who.unwrap().user.id).await
}

#[tokio::test]
async fn a_role_from_headers_bites_on_all_sessions_of_the_person() {
    let team = Team::new().await;
    let before = by_header(&team, "ops").await;
    let role = |actor: &Actor| actor.person().unwrap().role;
    assert_eq!(role(&before), Role::Operations);
    let same = by_header(&team, "ops").await;
    assert!(team.next_request(&before).await.is_some());
    let promoted = by_header(&team, "admins").await;
    assert_eq!(role(&promoted), Role::Superuser);
    for older in [&before, &same] {
        assert!(team.next_request(older).await.is_none(), "took it over");
    }
    let demoted = by_header(&team, "ops").await;
    assert!(team.next_request(&promoted).await.is_none());
    assert_eq!(role(&demoted), Role::Operations);
}

#[tokio::test]
async fn a_log_out_while_the_session_gets_a_new_id_ends_all() {
    let team = Team::new().await;
    let (mara, other) = (
        team.log_in(team.mara.id).await,
        team.log_in(team.mara.id).await,
    );
    let (store, now) = (&team.store, team.services.now());
    let session = mara.person().unwrap().session;
    let taken = store.take_session(session, now).await.unwrap().unwrap();
    team.services.log_out(&mara).await.unwrap();
    let renewed = SessionRow {
        id: Token::generate().hash(),
        ..taken
    };
    assert!(store.create_session(renewed).await.is_err());
    assert!(team.next_request(&other).await.is_none());
}

/// Whoever was let in before their end does nothing after it, however slowly their request arrives.
async fn nothing_is_done_by_whoever_has_ended(team: &Team) {
    let (services, jon) = (
        &team.services,
        team.add("Jon", "jon@example.com", "developer").await,
    );
    let mara = team.log_in(team.mara.id).await;
    let draft = team.draft("legacy", &[("accounts", "read")]);
    let issued = team.issue("legacy", &[("accounts", "read")]).await;
    let key_id = issued.credential.key_id;
    let ended = services.end_other_sessions(&team.host, team.mara.id);
    ended.await.unwrap();
    let written = team.store.audit_head().await.unwrap().0;

    let person = AddPerson {
        name: "Eve".to_owned(),
        email: "eve@example.com".to_owned(),
        role: "superuser".to_owned(),
    };
    let gateway = GatewayDraft {
        name: "edge".to_owned(),
        kind: "nginx".to_owned(),
        ..GatewayDraft::default()
    };
    let outcomes = [
        services.add_person(&mara, &person).await.map(drop),
        services.set_role(&mara, jon.id, Role::Superuser).await,
        services.disable_person(&mara, jon.id).await,
        services.offer_password_link(&mara, jon.id).await.map(drop),
        services.end_other_sessions(&mara, jon.id).await,
        services
            .issue_credential(&mara, &draft, None)
            .await
            .map(drop),
        services.add_gateway(&mara, &gateway).await.map(drop),
        services.rotate_signing_key(&mara).await.map(drop),
        services
            .revoke_credential(&mara, key_id, "under way")
            .await
            .map(drop),
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        assert!(
            matches!(outcome, Err(ServiceError::LogInEnded)),
            "{number}: {outcome:?}"
        );
    }
    assert_eq!(team.store.audit_head().await.unwrap().0, written);
}

#[tokio::test]
async fn check_95_a_request_under_way_does_nothing_after_its_person_has_ended() {
    nothing_is_done_by_whoever_has_ended(&Team::new().await).await;
}

#[tokio::test]
async fn check_95_a_request_under_way_does_nothing_after_its_person_has_ended_on_postgres() {
    nothing_is_done_by_whoever_has_ended(&Team::at(&postgres()).await).await;
}

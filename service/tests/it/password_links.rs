//! Invitations, links for a forgotten password, and what a person leaves behind.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::draft::CredentialDraft;
use domain::role::Role;
use domain::user::User;
use service::{
    Invitation, MasterKey, PasswordLogIn, PeopleQuery, PeopleStart, RequestFacts, ServiceError,
    ServiceResult, Services, Settings, SsoSettings,
};

use crate::harness::{Nobody, PASSWORD, Team, catalogue, settings};

fn invitation(people: &str, role: &str) -> Invitation {
    Invitation {
        people: people.to_owned(),
        role: role.to_owned(),
    }
}

/// The first problem of a form that was refused: its field and the words.
fn problem<T: std::fmt::Debug>(result: ServiceResult<T>) -> (String, String) {
    match result {
        Err(ServiceError::Invalid(mut fields)) => {
            let first = fields.remove(0);
            (first.field, first.message)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn several_people_are_invited_at_once_or_none_of_them() {
    let team = Team::new().await;
    let mara = team.log_in(team.mara.id).await;
    let invite = |people, role| {
        let invitation = invitation(people, role);
        let (services, mara) = (&team.services, &mara);
        async move { services.invite_people(mara, &invitation).await }
    };
    for (people, role, field) in [
        ("", "support", "people"),
        ("jon@example.com\nnobody", "support", "people"),
        ("jon@example.com\nMARA@example.com", "support", "people"),
        ("jon@example.com", "owner", "role"),
    ] {
        assert_eq!(problem(invite(people, role).await).0, field, "{people:?}");
    }
    let links = invite("jon.lind@example.com\nAda <ada@example.com>", "operations")
        .await
        .unwrap();
    let told = links.iter().map(|link| {
        let User { name, role, .. } = &link.user;
        (name.as_str(), *role, link.expires_at - team.services.now())
    });
    let three_days = TimeDelta::hours(72);
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("Jon Lind", Role::Operations, three_days),
            ("Ada", Role::Operations, three_days)
        ]
    );
}

#[tokio::test]
async fn check_63_a_new_invite_link_makes_the_old_one_worthless_and_a_withdrawn_one_stays_so() {
    let team = Team::new().await;
    let services = &team.services;
    let invited = invitation("jon@example.com", "support");
    let mut links = services.invite_people(&team.host, &invited).await.unwrap();
    let first = links.remove(0);
    let jon = first.user.id;
    let second = services.offer_password_link(&team.host, jon).await.unwrap();
    let owner = |token: service::Token| async move {
        services.password_link_owner(token.expose()).await.unwrap()
    };
    assert_eq!(owner(first.token).await, None);
    let token = second.token;
    let again = services.password_link_owner(token.expose()).await.unwrap();
    assert_eq!(again.map(|user| user.id), Some(jon));
    let person = services.person(&team.host, jon).await.unwrap();
    assert!(person.is_invited());
    assert_eq!(person.link_ends_at, Some(second.expires_at));

    services.disable_person(&team.host, jon).await.unwrap();
    services.enable_person(&team.host, jon).await.unwrap();
    assert_eq!(owner(token).await, None);
}

#[tokio::test]
async fn only_superusers_invite_and_the_lowest_role_is_no_way_round() {
    let team = Team::new().await;
    for role in ["developer", "operations", "support"] {
        let user = team.add("One", &format!("{role}@example.com"), role).await;
        let actor = team.log_in(user.id).await;
        for wanted in ["support", "superuser"] {
            let invitation = invitation("friend@example.com", wanted);
            let refused = team.services.invite_people(&actor, &invitation).await;
            assert!(matches!(refused, Err(ServiceError::Denied(_))), "{role}");
        }
        let to = team.mara.id;
        let refused = team
            .services
            .give_credentials(&actor, to, None, user.id)
            .await;
        assert!(matches!(refused, Err(ServiceError::Denied(_))), "{role}");
    }
}

#[tokio::test]
async fn people_see_their_own_page_and_superusers_everybodys() {
    let team = Team::new().await;
    let eve = team.add("Eve", "eve@example.com", "developer").await;
    let actor = team.log_in(eve.id).await;
    let own = team.services.person(&actor, eve.id).await.unwrap();
    assert_eq!(own.user.id, eve.id);
    let other = team.services.person(&actor, team.mara.id).await;
    assert!(matches!(other, Err(ServiceError::Denied(_))));
    let mara = team.log_in(team.mara.id).await;
    assert!(team.services.person(&mara, eve.id).await.is_ok());
    let nobody = "00000000-0000-7000-8000-000000000000".parse().unwrap();
    let nobody = team.services.person(&mara, nobody).await;
    assert!(matches!(nobody, Err(ServiceError::NotFound(_))));
    let query = PeopleQuery {
        now: team.services.now(),
        search: None,
        role: None,
        state: None,
        tell_invited: true,
        from: PeopleStart::First,
        limit: 1,
    };
    let page = team.services.people_page(&actor, query).await.unwrap();
    assert!(page.has_after);
}

#[tokio::test]
async fn check_63_only_an_active_person_with_a_password_gets_a_link_for_a_forgotten_one() {
    let team = Team::new().await;
    let facts = RequestFacts::default();
    let gone = team.add("Gone", "gone@example.com", "support").await;
    let services = &team.services;
    services.disable_person(&team.host, gone.id).await.unwrap();
    let invited = invitation("new@example.com", "support");
    let pending = services.invite_people(&team.host, &invited).await.unwrap();
    for email in ["nobody@example.com", "gone@example.com", "new@example.com"] {
        let link = services.reset_link(email, &facts).await.unwrap();
        assert!(link.is_none(), "{email}");
    }
    // A stranger's click does not spoil an invitation.
    let token = pending[0].token.expose();
    assert!(services.password_link_owner(token).await.unwrap().is_some());

    let link = services
        .reset_link("MARA@example.com", &facts)
        .await
        .unwrap()
        .unwrap();
    let new = "nine drums under the bridge";
    let chosen = services
        .choose_password(link.token.expose(), new, &facts)
        .await;
    assert_eq!(chosen.unwrap().id, team.mara.id);
    let again = services
        .choose_password(link.token.expose(), new, &facts)
        .await;
    assert!(again.is_err());
    let old = services.log_in("mara@example.com", PASSWORD, &facts).await;
    assert!(matches!(old, Err(ServiceError::WrongLogin)));
}

#[tokio::test]
async fn check_63_whoever_may_not_log_in_with_a_password_gets_no_link_for_one() {
    let team = Team::new().await;
    team.add("Ines Roth", "ines@example.com", "superuser").await;
    let passwords = PasswordLogIn::Only(vec!["ines@example.com".parse().unwrap()]);
    let sso = SsoSettings {
        passwords,
        ..SsoSettings::default()
    };
    let master = MasterKey::new([7; 32]);
    let services = Services::open(
        team.store.clone(),
        &master,
        catalogue(),
        Settings { sso, ..settings() },
        team.clock.clone(),
        Arc::new(Nobody),
    );
    let (services, facts) = (services.await.unwrap(), RequestFacts::default());
    for (email, gets_one) in [("mara@example.com", false), ("ines@example.com", true)] {
        let link = services.reset_link(email, &facts).await.unwrap();
        assert_eq!(link.is_some(), gets_one, "{email}");
    }
}

#[tokio::test]
async fn asking_for_reset_mails_is_throttled_whether_there_is_such_a_person_or_not() {
    let team = Team::new().await;
    let facts = RequestFacts::default();
    for email in ["mara@example.com", "nobody@example.com"] {
        let tries = (0..4).map(|_| team.services.may_ask_for_reset(email, &facts));
        let allowed: Vec<bool> = tries.map(|result| result.is_ok()).collect();
        assert_eq!(allowed, [true, true, true, false], "{email}");
    }
    let problem = problem(team.services.may_ask_for_reset("mara", &facts));
    assert_eq!(problem.0, "email");
}

#[tokio::test]
async fn what_a_disabled_person_leaves_behind_is_given_to_somebody_else() {
    let team = Team::new().await;
    let services = &team.services;
    let jon = team.add("Jon", "jon@example.com", "developer").await;
    let ada = team.add("Ada", "ada@example.com", "support").await;
    let mut keys = Vec::new();
    for _ in 0..4 {
        let draft = CredentialDraft {
            owner: jon.id.to_string(),
            ..team.draft("client_secret", &[("data", "read")])
        };
        let issued = services.issue_credential(&team.host, &draft, None).await;
        keys.push(issued.unwrap().credential.key_id);
    }
    let mara = team.log_in(team.mara.id).await;
    services
        .disable_credential(&mara, keys[1], "leaked")
        .await
        .unwrap();
    services
        .revoke_credential(&mara, keys[3], "")
        .await
        .unwrap();
    services.disable_person(&team.host, jon.id).await.unwrap();
    let owned = async |user: &User| services.person(&mara, user.id).await.unwrap().credentials;
    assert_eq!(owned(&jon).await, 3);
    assert_eq!(services.count_credentials(&mara).await.unwrap().orphaned, 3);

    let give = |which, to| services.give_credentials(&mara, jon.id, which, to);
    for to in [
        jon.id,
        "00000000-0000-7000-8000-000000000000".parse().unwrap(),
    ] {
        assert_eq!(problem(give(None, to).await).0, "to");
    }
    assert_eq!(give(Some(keys[2]), ada.id).await.unwrap(), 1);
    let foreign = give(Some(keys[2]), ada.id).await;
    assert!(matches!(foreign, Err(ServiceError::NotFound(_))));
    assert_eq!((owned(&jon).await, owned(&ada).await), (2, 1));

    let before = team.store.audit_head().await.unwrap().0;
    assert_eq!(give(None, ada.id).await.unwrap(), 2);
    assert_eq!((owned(&jon).await, owned(&ada).await), (0, 3));
    let entries = team.store.list_audit(before, 10).await.unwrap();
    let expected = format!(r#"{{"owner":{{"from":"{}","to":"{}"}}}}"#, jon.id, ada.id);
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry.event.detail == expected));
    // Quarantined stays quarantined, ended stays where it was.
    let of = async |key| services.credential(&mara, key).await.unwrap().credential;
    assert_eq!(of(keys[1]).await.standing.as_str(), "disabled");
    assert_eq!(of(keys[3]).await.owner, jon.id);
}

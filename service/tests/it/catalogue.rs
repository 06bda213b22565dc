//! Another catalogue in force: what it does to keys and tokens at once, and what is told of it.

use domain::audit::{Action, ActorKind};
use domain::catalogue::{Catalogue, CatalogueFile, Change};
use service::{IssuedCredential, Refusal, ServiceError, TokenError};

use crate::harness::{Team, call_with_secret, call_with_token, catalogue, open, scope_of, token};

const JOURNALS: (&str, &str) = ("POST", "/v1/journals");

/// The shipped catalogue as version 2, with an edit.
fn edited(edit: impl FnOnce(&mut CatalogueFile)) -> Catalogue {
    let mut file = catalogue().file().clone();
    file.version = "2".into();
    edit(&mut file);
    file.try_into().unwrap()
}

/// The scope journaling under another name, with the same calls.
fn renamed(file: &mut CatalogueFile) {
    let mut scopes = file.scopes.iter_mut();
    let journaling = scopes.find(|scope| scope.name == "journaling").unwrap();
    journaling.name = "moves".into();
}

async fn full(team: &Team, flow: &str) -> IssuedCredential {
    let mut draft = team.draft(flow, &[]);
    draft.access = "full".into();
    let issued = team.services.issue_credential(&team.host, &draft, None);
    issued.await.unwrap()
}

fn lacks(outcome: Result<service::Allowed, Refusal>, scope: &str) -> bool {
    matches!(outcome, Err(Refusal::InsufficientScope { required, .. })
        if required.to_string() == scope)
}

#[tokio::test]
async fn a_scope_that_is_gone_grants_nothing_from_the_next_call_on() {
    let team = Team::new().await;
    let services = &team.services;
    let (method, path) = JOURNALS;
    let custom = [("journaling", "write"), ("accounts", "read")];
    let legacy = team.issue("legacy", &custom).await;
    let client = team.issue("client_secret", &custom).await;
    let only = team.issue("client_secret", &custom[..1]).await;
    let everything = full(&team, "client_secret").await;
    let old = token(services, &client).await.unwrap();
    let old_of_everything = token(services, &everything).await.unwrap();
    for token in [&old, &old_of_everything] {
        let allowed = call_with_token(services, token, method, path)
            .await
            .unwrap();
        assert!(scope_of(&allowed).contains("journaling:write"));
    }
    call_with_secret(services, &legacy, method, path)
        .await
        .unwrap();

    assert!(services.take_up_catalogue(edited(renamed)).await.unwrap());

    assert!(lacks(
        call_with_secret(services, &legacy, method, path).await,
        "moves:write"
    ));
    for token in [&old, &old_of_everything] {
        assert!(lacks(
            call_with_token(services, token, method, path).await,
            "moves:write"
        ));
        let other = call_with_token(services, token, "GET", "/v1/accounts")
            .await
            .unwrap();
        assert!(
            !scope_of(&other).contains("journaling"),
            "{}",
            scope_of(&other)
        );
    }
    let new = token(services, &client).await.unwrap();
    assert!(lacks(
        call_with_token(services, &new, method, path).await,
        "moves:write"
    ));
    assert!(matches!(
        token(services, &only).await,
        Err(TokenError::InvalidScope)
    ));
    // Full access follows the catalogue, as soon as a token is asked for under it.
    let new = token(services, &everything).await.unwrap();
    call_with_token(services, &new, method, path).await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_gone_is_refused_and_a_new_one_goes_through() {
    let team = Team::new().await;
    let services = &team.services;
    let key = team.issue("legacy", &[("journaling", "write")]).await;
    call_with_secret(services, &key, "POST", "/v1/journals")
        .await
        .unwrap();
    let moved = edited(|file| {
        let mut scopes = file.scopes.iter_mut();
        let journaling = scopes.find(|scope| scope.name == "journaling").unwrap();
        for endpoint in &mut journaling.endpoints {
            endpoint.path = endpoint.path.replace("/v1/journals", "/v2/journals");
        }
    });
    services.take_up_catalogue(moved).await.unwrap();
    let gone = call_with_secret(services, &key, "POST", "/v1/journals").await;
    assert!(matches!(gone, Err(Refusal::Path(_))));
    call_with_secret(services, &key, "POST", "/v2/journals")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_sees_one_catalogue() {
    let team = Team::new().await;
    let services = &team.services;
    let key = full(&team, "legacy").await;
    // Under a mixture of the two the key would lack the scope of one of them.
    let (one, other) = (catalogue(), edited(renamed));
    let swapping = {
        let services = services.clone();
        tokio::spawn(async move {
            for catalogue in [&other, &one].into_iter().cycle().take(100) {
                services.take_up_catalogue(catalogue.clone()).await.unwrap();
            }
        })
    };
    let mut calls = 0;
    while !swapping.is_finished() {
        call_with_secret(services, &key, JOURNALS.0, JOURNALS.1)
            .await
            .unwrap();
        calls += 1;
        tokio::task::yield_now().await;
    }
    assert!(calls > 10, "{calls}");
}

#[tokio::test]
async fn what_is_issued_follows_the_catalogue_in_force() {
    let team = Team::new().await;
    let draft = team.draft("legacy", &[("moves", "write")]);
    let issue = || team.services.issue_credential(&team.host, &draft, None);
    assert!(matches!(issue().await, Err(ServiceError::Invalid(_))));
    team.services
        .take_up_catalogue(edited(renamed))
        .await
        .unwrap();
    let issued = issue().await.unwrap();
    call_with_secret(&team.services, &issued, JOURNALS.0, JOURNALS.1)
        .await
        .unwrap();
}

#[tokio::test]
async fn each_version_is_audited_once_whoever_takes_it_up() {
    let team = Team::new().await;
    let replica = open(team.store.clone(), team.clock.clone()).await;
    for services in [&team.services, &replica] {
        // At its start each notes the one that it was started with.
        assert!(!services.take_up_catalogue(catalogue()).await.unwrap());
    }
    for services in [&team.services, &replica] {
        assert!(services.take_up_catalogue(edited(renamed)).await.unwrap());
        assert!(!services.take_up_catalogue(edited(renamed)).await.unwrap());
        assert_eq!(services.catalogue().version(), "2");
    }
    let log = team.store.list_audit(0, 1000).await.unwrap();
    let events = log.into_iter().map(|entry| entry.event);
    let events: Vec<_> = events
        .filter(|event| event.action == Action::CatalogueReloaded)
        .collect();
    assert_eq!(events.len(), 2);
    let [first, second] = [0, 1].map(|index| {
        assert_eq!(events[index].actor_kind, ActorKind::System);
        serde_json::from_str::<serde_json::Value>(&events[index].detail).unwrap()
    });
    let shipped = catalogue();
    assert_eq!(
        first,
        serde_json::json!({
            "from": null,
            "to": shipped.version(),
            "scopes": shipped.scopes().len(),
            "endpoints": shipped.endpoint_count(),
        })
    );
    assert_eq!(second["from"], shipped.version());
    assert_eq!(second["to"], "2");
}

#[tokio::test]
async fn the_history_tells_changes_and_counts_whom_they_touch() {
    let team = Team::new().await;
    let services = &team.services;
    let eve = team.add("Eve Moreau", "eve@example.com", "support").await;
    let eve = team.log_in(eve.id).await;
    let empty = services.catalogue_history(&eve, None).await.unwrap();
    assert_eq!((empty.steps, empty.older), (Vec::new(), None));

    for _ in 0..3 {
        team.issue("legacy", &[("journaling", "read")]).await;
    }
    team.issue("legacy", &[("journaling", "write")]).await;
    full(&team, "legacy").await;
    services.take_up_catalogue(catalogue()).await.unwrap();
    services.take_up_catalogue(edited(renamed)).await.unwrap();
    let told = services.catalogue_history(&eve, None).await.unwrap();
    assert_eq!(told.steps[0].version, "2");
    assert_eq!(told.steps[1].changes, None);
    let changes = told.steps[0].changes.as_ref().unwrap();
    assert!(matches!(&changes[0], Change::ScopeAdded { scope, .. } if scope.as_str() == "moves"));
    let in_use = |right: &str| told.in_use.get(&right.parse().unwrap()).copied();
    assert_eq!(in_use("journaling:read"), Some(5));
    assert_eq!(in_use("journaling:write"), Some(2));
    assert_eq!(in_use("moves:write"), Some(1));
    assert_eq!(in_use("accounts:read"), None);
}

#[tokio::test]
async fn the_history_goes_back_ten_versions_at_a_time() {
    let team = Team::new().await;
    let services = &team.services;
    for number in 1..=13 {
        let version = edited(|file| file.version = number.to_string());
        services.take_up_catalogue(version).await.unwrap();
    }
    let versions = async |before| {
        let history = services
            .catalogue_history(&team.host, before)
            .await
            .unwrap();
        // Only the very first has nothing before it.
        let changes = history.steps.iter().filter(|step| step.changes.is_some());
        let known = changes.count();
        let versions = history.steps.into_iter().map(|step| step.version);
        (versions.collect::<Vec<_>>().join(" "), known, history.older)
    };
    let (newest, known, older) = versions(None).await;
    assert_eq!((newest.as_str(), known), ("13 12 11 10 9 8 7 6 5 4", 10));
    let (oldest, known, older) = versions(older).await;
    assert_eq!((oldest.as_str(), known, older), ("3 2 1", 2, None));
}

#[tokio::test]
async fn what_is_wrong_with_the_file_is_for_superusers() {
    let team = Team::new().await;
    let services = &team.services;
    let eve = team.add("Eve Moreau", "eve@example.com", "support").await;
    let (eve, mara) = (team.log_in(eve.id).await, team.log_in(team.mara.id).await);
    let fault = |actor| services.catalogue_status(actor).unwrap().fault;
    assert_eq!(fault(&mara), None);
    services.note_catalogue_fault(vec!["line 3: it has no title".to_owned()]);
    assert_eq!(fault(&mara).unwrap().problems, ["line 3: it has no title"]);
    assert_eq!(fault(&eve), None);
    services.take_up_catalogue(catalogue()).await.unwrap();
    assert_eq!(fault(&mara), None);
}

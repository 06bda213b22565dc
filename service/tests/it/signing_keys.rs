//! Signing keys change without a verifier ever missing one.

use std::time::Duration;

use chrono::TimeDelta;
use domain::audit::{Action, Outcome};
use domain::role::Permission;
use serde_json::Value;
use service::{Cause, Refusal, ServiceError, Services, SigningKeyStage};

use crate::gateways::introspector;
use crate::harness::{Team, call_with_token, open, token};

async fn published(services: &Services) -> Vec<String> {
    kids(&services.jwks().await.unwrap())
}

/// Why the gate refuses a token; nothing if it does not.
async fn refusal(services: &Services, token: &str) -> Option<Cause> {
    match call_with_token(services, token, "GET", "/v1/accounts").await {
        Ok(_) => None,
        Err(Refusal::InvalidToken(denial)) => Some(denial.cause.as_ref().clone()),
        Err(other) => panic!("{other}"),
    }
}

fn kids(jwks: &str) -> Vec<String> {
    let jwks: Value = serde_json::from_str(jwks).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

#[tokio::test]
async fn check_43_a_key_is_published_before_its_use_and_kept_after_it() {
    let team = Team::new().await;
    let services = &team.services;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    let first = kid(&token(services, &issued).await.unwrap());
    let used_from = services.rotate_signing_key(&team.host).await.unwrap();
    assert_eq!(used_from, services.now() + TimeDelta::minutes(15));
    let keys = published(services).await;
    assert_eq!((keys.len(), keys[0].clone()), (2, first.clone()));
    team.clock
        .advance(TimeDelta::minutes(15) - TimeDelta::seconds(1));
    let last_of_first = token(services, &issued).await.unwrap();
    assert_eq!(kid(&last_of_first), first, "not before its time");
    team.clock.advance(TimeDelta::seconds(1));
    let of_second = token(services, &issued).await.unwrap();
    assert_eq!(kid(&of_second), keys[1]);
    // Every token that still lives finds its key, at every minute; they may have been longer before.
    for minute in 0..61 {
        let known = published(services).await;
        for (token, life) in [(&last_of_first, 14), (&of_second, 15)] {
            if minute < life {
                assert!(known.contains(&kid(token)), "minute {minute}");
                let called = call_with_token(services, token, "GET", "/v1/accounts").await;
                assert!(called.is_ok(), "minute {minute}");
            }
        }
        team.clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(
        published(services).await,
        [keys[1].clone()],
        "the old one is gone"
    );
}

#[tokio::test]
async fn another_process_hears_of_a_new_key_and_keeps_the_old_ones() {
    let team = Team::new().await;
    let replica = open(team.store.clone(), team.clock.clone()).await;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    replica.rotate_signing_key(&team.host).await.unwrap();
    team.services.catch_up().await.unwrap();
    assert_eq!(published(&team.services).await, published(&replica).await);
    team.clock.advance(TimeDelta::minutes(16));
    let token = token(&replica, &issued).await.unwrap();
    let called = call_with_token(&team.services, &token, "GET", "/v1/accounts").await;
    assert!(called.is_ok());
}

#[tokio::test]
async fn an_old_key_is_replaced_when_it_is_due_and_only_then() {
    let team = Team::new().await;
    let settings = service::Settings {
        signing_key_life: Some(TimeDelta::days(90)),
        ..crate::harness::settings()
    };
    let services =
        crate::harness::open_with(team.store.clone(), team.clock.clone(), settings).await;
    assert!(!services.rotate_signing_key_if_due().await.unwrap());
    team.clock.advance(TimeDelta::days(90));
    assert!(services.rotate_signing_key_if_due().await.unwrap());
    assert!(!services.rotate_signing_key_if_due().await.unwrap());
    assert_eq!(published(&services).await.len(), 2);
    assert!(
        !team.services.rotate_signing_key_if_due().await.unwrap(),
        "off by choice"
    );
}

#[tokio::test]
async fn only_superusers_and_the_host_rotate() {
    let team = Team::new().await;
    let dev = team.add("Dev", "dev@example.com", "developer").await;
    let dev = team.log_in(dev.id).await;
    let refused = team.services.rotate_signing_key(&dev).await;
    assert!(matches!(refused, Err(ServiceError::Denied(_))));
    assert_eq!(published(&team.services).await.len(), 1);
}

#[tokio::test]
async fn check_99_a_key_that_no_longer_signs_has_no_private_half() {
    let team = Team::new().await;
    let services = &team.services;
    let replica = open(team.store.clone(), team.clock.clone()).await;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    let old = token(services, &issued).await.unwrap();
    services.rotate_signing_key(&team.host).await.unwrap();
    assert_eq!(services.retire_signing_keys().await.unwrap(), 0, "it signs");
    team.clock
        .advance(TimeDelta::minutes(15) - TimeDelta::seconds(1));
    let last = token(services, &issued).await.unwrap();
    assert_eq!(kid(&last), kid(&old));
    team.clock.advance(TimeDelta::seconds(1));
    assert_eq!(services.retire_signing_keys().await.unwrap(), 1);
    assert_eq!(services.retire_signing_keys().await.unwrap(), 0);
    let rows = team.store.list_signing_keys().await.unwrap();
    let has_private = rows.iter().map(|row| row.encrypted_private_key.is_some());
    assert!(has_private.eq([false, true]));
    let log = team.store.list_audit(0, 100).await.unwrap();
    let event = &log.last().unwrap().event;
    assert_eq!(
        (event.action, event.object_id.as_deref()),
        (Action::SigningKeyRetired, Some(&*kid(&old)))
    );
    replica.catch_up().await.unwrap();
    for process in [services, &replica] {
        let new = token(process, &issued).await.unwrap();
        assert_ne!(kid(&new), kid(&old));
        assert_eq!(refusal(process, &new).await, None);
        assert_eq!(
            refusal(process, &last).await,
            None,
            "what it signed lives on"
        );
    }
}

#[tokio::test]
async fn check_99_a_compromised_key_ends_at_once_everywhere_with_all_that_it_signed() {
    let team = Team::new().await;
    let services = &team.services;
    let replica = open(team.store.clone(), team.clock.clone()).await;
    let gateway = introspector(&team).await;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    let stolen = token(services, &issued).await.unwrap();
    replica.catch_up().await.unwrap();
    for process in [services, &replica] {
        assert_eq!(refusal(process, &stolen).await, None);
    }
    let told = services.introspect(&gateway, &stolen).await.unwrap();
    assert!(told.is_some());

    let leaked = kid(&stolen);
    let ended = services.end_signing_key(&team.host, &leaked, "on a laptop");
    let successor = ended.await.unwrap().unwrap();
    let ended = Some(Cause::SigningKeyEnded);
    assert_eq!(refusal(services, &stolen).await, ended);
    let told = services.introspect(&gateway, &stolen).await.unwrap();
    assert!(told.is_none());
    assert_eq!(published(services).await, std::slice::from_ref(&successor));
    let new = token(services, &issued).await.unwrap();
    assert_eq!(kid(&new), successor);
    assert_eq!(refusal(services, &new).await, None);

    replica.catch_up().await.unwrap();
    assert_eq!(refusal(&replica, &stolen).await, ended);
    assert_eq!(refusal(&replica, &new).await, None);
    assert_eq!(published(&replica).await, [successor]);
    // Nor does it come back by a restart.
    let restarted = open(team.store.clone(), team.clock.clone()).await;
    assert_eq!(refusal(&restarted, &stolen).await, ended);
}

#[tokio::test]
async fn a_process_that_hears_nothing_asks_for_the_keys_each_time() {
    let team = Team::new().await;
    let deaf = open(team.store.clone(), team.clock.clone()).await;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    let stolen = token(&deaf, &issued).await.unwrap();
    assert_eq!(refusal(&deaf, &stolen).await, None);
    let (services, leaked) = (&team.services, kid(&stolen));
    let ended = services.end_signing_key(&team.host, &leaked, "leaked");
    let successor = ended.await.unwrap().unwrap();
    // Nobody calls `catch_up`: what is in memory is set aside.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(refusal(&deaf, &stolen).await, Some(Cause::SigningKeyEnded));
    assert_eq!(published(&deaf).await, std::slice::from_ref(&successor));
    assert_eq!(kid(&token(&deaf, &issued).await.unwrap()), successor);
}

#[tokio::test]
async fn a_retired_key_can_be_ended_too_and_the_one_that_signs_goes_on() {
    let team = Team::new().await;
    let services = &team.services;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    services.rotate_signing_key(&team.host).await.unwrap();
    team.clock.advance(TimeDelta::minutes(14));
    let old = token(services, &issued).await.unwrap();
    team.clock.advance(TimeDelta::minutes(2));
    let new = token(services, &issued).await.unwrap();
    let keys = services.signing_keys(&team.host).await.unwrap();
    let stages: Vec<_> = keys
        .iter()
        .map(|key| (key.kid.clone(), key.stage))
        .collect();
    let end = services.now() + TimeDelta::minutes(60);
    let expected = [
        (kid(&old), SigningKeyStage::CountsUntil(end)),
        (kid(&new), SigningKeyStage::Signs),
    ];
    assert_eq!(stages, expected);
    let leaked = kid(&old);
    let ended = services.end_signing_key(&team.host, &leaked, "leaked");
    assert_eq!(ended.await.unwrap(), None);
    assert_eq!(refusal(services, &old).await, Some(Cause::SigningKeyEnded));
    assert_eq!(refusal(services, &new).await, None);
    assert_eq!(published(services).await, [kid(&new)]);
}

#[tokio::test]
async fn ending_a_key_needs_the_right_a_proof_a_reason_and_such_a_key() {
    let team = Team::new().await;
    let services = &team.services;
    let known = published(services).await.remove(0);
    let dev = team.add("Dev", "dev@example.com", "developer").await;
    let dev = team.log_in(dev.id).await;
    for (kid, kept) in [(&*known, Some(&*known)), ("made up", None)] {
        let refused = services.end_signing_key(&dev, kid, "leaked").await;
        let needed = Permission::ManageSettings;
        assert!(matches!(refused, Err(ServiceError::Denied(it)) if it == needed));
        let log = team.store.list_audit(0, 100).await.unwrap();
        let event = &log.last().unwrap().event;
        assert_eq!(
            (event.outcome, event.object_id.as_deref()),
            (Outcome::Denied, kept)
        );
    }
    let refused = services.signing_keys(&dev).await;
    assert!(matches!(refused, Err(ServiceError::Denied(_))));
    let superuser = team.log_in(team.mara.id).await;
    team.clock.advance(TimeDelta::minutes(20));
    let refused = services.end_signing_key(&superuser, &known, "leaked").await;
    assert!(matches!(refused, Err(ServiceError::ProofNeeded)));
    let refused = services.end_signing_key(&team.host, &known, " ").await;
    assert!(matches!(refused, Err(ServiceError::Invalid(_))));
    let refused = services
        .end_signing_key(&team.host, "unknown", "leaked")
        .await;
    assert!(matches!(refused, Err(ServiceError::NotFound(_))));
    assert_eq!(published(services).await, [known]);
}

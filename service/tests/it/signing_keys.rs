//! Signing keys change without a verifier ever missing one.

use chrono::TimeDelta;
use serde_json::Value;

use crate::harness::{Team, call_with_token, open, token};

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
    let published = kids(&services.jwks());
    assert_eq!((published.len(), published[0].clone()), (2, first.clone()));
    team.clock
        .advance(TimeDelta::minutes(15) - TimeDelta::seconds(1));
    let last_of_first = token(services, &issued).await.unwrap();
    assert_eq!(kid(&last_of_first), first, "not before its time");
    team.clock.advance(TimeDelta::seconds(1));
    let of_second = token(services, &issued).await.unwrap();
    assert_eq!(kid(&of_second), published[1]);
    // Every token that still lives finds its key, at every minute.
    for minute in 0..30 {
        let known = kids(&services.jwks());
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
        kids(&services.jwks()),
        [published[1].clone()],
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
    assert_eq!(kids(&team.services.jwks()), kids(&replica.jwks()));
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
    assert_eq!(kids(&services.jwks()).len(), 2);
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
    assert!(team.services.rotate_signing_key(&dev).await.is_err());
    assert_eq!(kids(&team.services.jwks()).len(), 1);
}

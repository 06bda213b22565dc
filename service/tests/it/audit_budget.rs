//! What anybody can cause as often as they like does not fill the audit log.

use chrono::TimeDelta;
use domain::audit::{Action, Outcome};
use serde_json::Value;
use service::{AuditQuery, ClientProof, RequestFacts, ServiceError, TokenError};

use crate::harness::{PASSWORD, Team, call_with_token, postgres, token};

/// As many addresses as somebody with a /48 of IPv6 likes.
fn from(number: u32) -> RequestFacts {
    RequestFacts {
        address: format!("2001:db8:0:{number:x}::{number:x}").parse().ok(),
        request_id: None,
    }
}

async fn number_of(team: &Team, action: Action, outcome: Outcome) -> usize {
    let query = AuditQuery {
        action: Some(action),
        outcome: Some(outcome),
        limit: 10_000,
        ..AuditQuery::default()
    };
    let entries = team.services.audit_entries(&team.host, query).await;
    entries.unwrap().len()
}

/// Ends the loop that writes now and then at once: then it writes all.
async fn end(team: &Team) {
    team.services.keep_flushing_usage(async {}).await;
}

/// What the only event about what was left out says.
async fn summary(team: &Team) -> Value {
    let query = AuditQuery {
        action: Some(Action::AuditSummedUp),
        limit: 10,
        ..AuditQuery::default()
    };
    let entries = team.services.audit_entries(&team.host, query).await;
    let entries = entries.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].event.actor_name, "Keyrack");
    serde_json::from_str(&entries[0].event.detail).unwrap()
}

#[tokio::test]
async fn check_98_what_people_do_to_themselves_does_not_fill_the_log() {
    let team = Team::new().await;
    let jonas = team.add("Jonas Lind", "jonas@example.com", "support").await;
    let mut here = team.log_in(jonas.id).await;
    let services = &team.services;
    for _ in 0..100 {
        services.end_other_sessions(&here, jonas.id).await.unwrap();
        here = team.next_request(&here).await.unwrap();
    }
    let ended = async || number_of(&team, Action::SessionEnded, Outcome::Done).await;
    assert_eq!(ended().await, 60);
    // Who has another session to end never waits.
    let there = team.log_in(jonas.id).await;
    services.end_other_sessions(&here, jonas.id).await.unwrap();
    assert!(team.next_request(&there).await.is_none());
    assert_eq!(ended().await, 61);
    here = team.next_request(&here).await.unwrap();
    let proof = services.prove(&here, PASSWORD).await;
    let is_throttled = matches!(proof, Err(ServiceError::Throttled(_)));
    assert!(is_throttled, "{proof:?}");
    let codes = services.renew_recovery_codes(&here).await;
    let is_throttled = matches!(codes, Err(ServiceError::Throttled(_)));
    assert!(is_throttled, "they would be an event, too: {codes:?}");
    assert_eq!(number_of(&team, Action::Proven, Outcome::Done).await, 0);
    team.clock.advance(TimeDelta::hours(1));
    let here = team.log_in(jonas.id).await;
    services.prove(&here, PASSWORD).await.unwrap();
    assert_eq!(number_of(&team, Action::Proven, Outcome::Done).await, 1);
}

#[tokio::test]
async fn check_98_strangers_with_any_number_of_addresses_do_not_fill_the_log() {
    for url in ["sqlite::memory:", &postgres()] {
        let team = Team::at(url).await;
        let services = &team.services;
        for number in 0..1_000 {
            let facts = from(number);
            let noted = services.note_ignored_header("admin", &facts).await;
            noted.unwrap();
        }
        let written = number_of(&team, Action::SsoHeaderIgnored, Outcome::Denied).await;
        assert_eq!(written, 200);
        // What is left out no more depends on whether there is such an account.
        let before = team.store.audit_head().await.unwrap();
        for email in ["mara@example.com", "nobody@example.com"] {
            let wrong = services.log_in(email, "wrong", &from(1)).await;
            assert!(matches!(wrong, Err(ServiceError::WrongLogin)), "{email}");
        }
        assert_eq!(team.store.audit_head().await.unwrap(), before);
        // What is done is written as ever.
        let right = services
            .log_in("mara@example.com", PASSWORD, &from(1))
            .await;
        assert!(right.is_ok());
        assert_eq!(number_of(&team, Action::LogIn, Outcome::Done).await, 1);
        end(&team).await;
        let told = summary(&team).await;
        assert_eq!(told["left_out"], 802);
        let kinds = told["kinds"].as_array().unwrap();
        let of = |action: &str| kinds.iter().find(|kind| kind["action"] == action).unwrap();
        assert_eq!(of("session.sso_header_ignored")["count"], 800);
        assert_eq!(of("session.log_in")["count"], 2);
        assert_eq!(of("session.log_in")["by"], Value::Null);
        // And as the time goes on, so do the events.
        team.clock.advance(TimeDelta::hours(1));
        let wrong = services.log_in("mara@example.com", "wrong", &from(1)).await;
        assert!(matches!(wrong, Err(ServiceError::WrongLogin)));
        assert_eq!(number_of(&team, Action::LogIn, Outcome::Failed).await, 1);
        let head = services.verify_audit(&team.host).await.unwrap();
        assert!(head.is_ok());
    }
}

#[tokio::test]
async fn check_98_a_low_role_that_tries_for_ever_does_not_fill_the_log_nor_use_up_others_budget() {
    let team = Team::new().await;
    let services = &team.services;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    let key_id = issued.credential.key_id;
    for (name, email) in [("Ada", "ada@example.com"), ("Bo", "bo@example.com")] {
        let person = team.add(name, email, "support").await;
        let person = team.log_in(person.id).await;
        for _ in 0..300 {
            let denied = services.revoke_credential(&person, key_id, "").await;
            assert!(matches!(denied, Err(ServiceError::Denied(_))));
        }
    }
    let denied = number_of(&team, Action::CredentialRevoked, Outcome::Denied).await;
    assert_eq!(denied, 2 * 20);
    end(&team).await;
    let told = summary(&team).await;
    assert_eq!(told["left_out"], 2 * 280);
    assert_eq!(told["kinds"][0]["count"], 280);
    assert_eq!(told["kinds"][0]["by"], "Ada");
    assert_eq!(told["kinds"][1]["by"], "Bo");
}

#[tokio::test]
async fn check_98_wrong_proofs_do_not_fill_the_log() {
    let team = Team::new().await;
    let mara = team.log_in(team.mara.id).await;
    for _ in 0..100 {
        assert!(team.services.prove(&mara, "wrong").await.is_err());
    }
    let failed = number_of(&team, Action::Proven, Outcome::Failed).await;
    assert_eq!(failed, 20);
}

#[tokio::test]
async fn check_98_a_client_that_fetches_and_revokes_for_ever_fills_neither_log_nor_memory() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    let other = team.issue("client_secret", &[("accounts", "read")]).await;
    let revoke = async |issued: &service::IssuedCredential, token: &str| {
        let proof = ClientProof::Secret {
            client_id: &issued.credential.key_id.to_string(),
            secret: issued.secret.as_ref().unwrap().expose(),
        };
        let facts = RequestFacts::default();
        team.services.revoke_token(proof, token, &facts).await
    };
    let works = async |token: &str| {
        let call = call_with_token(&team.services, token, "GET", "/v1/accounts");
        call.await.is_ok()
    };
    for number in 0..310 {
        let fetched = token(&team.services, &issued).await.unwrap();
        let revoked = revoke(&issued, &fetched).await;
        if number < 300 {
            assert!(revoked.is_ok(), "{number}: {revoked:?}");
        } else {
            let Err(TokenError::TooManyRevoked(wait)) = revoked else {
                panic!("{number}: {revoked:?}");
            };
            assert!(wait.as_secs() > 3_500, "{wait:?}");
        }
        assert_eq!(works(&fetched).await, number >= 300);
    }
    let written = number_of(&team, Action::TokenRevoked, Outcome::Done).await;
    assert_eq!(written, 300);
    let fetched = token(&team.services, &other).await.unwrap();
    assert!(revoke(&other, &fetched).await.is_ok());
    team.clock.advance(TimeDelta::hours(1));
    let fetched = token(&team.services, &issued).await.unwrap();
    assert!(revoke(&issued, &fetched).await.is_ok());
    assert!(!works(&fetched).await);
}

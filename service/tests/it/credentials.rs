//! Issuing, editing and ending credentials, and what the issuer and the gate make of it.

use chrono::TimeDelta;
use domain::credential::InvalidTransition;
use service::{Cause, Conflict, CredentialChange, Refusal, ServiceError, TokenError};

use crate::harness::{Team, call_with_secret, call_with_token, scope_of, token};

#[tokio::test]
async fn check_84_only_superusers_issue_and_a_refusal_is_audited() {
    let team = Team::new().await;
    let draft = team.draft("client_secret", &[("data", "read")]);
    for role in ["developer", "operations", "support"] {
        let user = team
            .add("Somebody", &format!("{role}@example.com"), role)
            .await;
        let actor = team.log_in(user.id).await;
        let before = team.store.audit_head().await.unwrap().0;
        let denied = team
            .services
            .issue_credential(&actor, &draft, Some("k"))
            .await;
        assert!(matches!(denied, Err(ServiceError::Denied(_))));
        let entries = team.store.list_audit(before, 10).await.unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].event.action.as_str(), "credential.issued");
        assert_eq!(entries[0].event.outcome.as_str(), "denied");
    }
    assert_eq!(
        team.services
            .count_credentials(&team.host)
            .await
            .unwrap()
            .all,
        0
    );
}

#[tokio::test]
async fn the_numbers_of_the_tabs_follow_changes_by_anybody_and_by_time() {
    let team = Team::new().await;
    let elsewhere = crate::harness::open(team.store.clone(), team.clock.clone()).await;
    let tabs = async || {
        let counts = team.services.count_credentials(&team.host).await.unwrap();
        (
            counts.in_use,
            counts.expiring,
            counts.quarantined,
            counts.ended,
        )
    };
    assert_eq!(tabs().await, (0, 0, 0, 0));
    let issued = team.issue("legacy", &[("data", "read")]).await;
    assert_eq!(tabs().await, (1, 0, 0, 0));
    // Another process.
    let draft = team.draft("legacy", &[("data", "read")]);
    elsewhere
        .issue_credential(&team.host, &draft, None)
        .await
        .unwrap();
    assert_eq!(tabs().await, (2, 0, 0, 0));
    let key_id = issued.credential.key_id;
    team.services
        .disable_credential(&team.host, key_id, "seen in a chat")
        .await
        .unwrap();
    assert_eq!(tabs().await, (1, 0, 1, 0));
    // Both live for 30 days, and expire soon for the last 14.
    team.clock
        .advance(TimeDelta::days(16) - TimeDelta::milliseconds(1));
    assert_eq!(tabs().await, (1, 0, 1, 0));
    team.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(tabs().await, (1, 1, 1, 0));
    team.clock.advance(TimeDelta::days(14));
    assert_eq!(tabs().await, (0, 0, 0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_85_two_clicks_issue_one_credential_and_show_one_secret() {
    let team = Team::new().await;
    let actor = team.log_in(team.mara.id).await;
    let draft = team.draft("client_secret", &[("data", "read")]);
    let (a, b) = tokio::join!(
        team.services
            .issue_credential(&actor, &draft, Some("form-1")),
        team.services
            .issue_credential(&actor, &draft, Some("form-1")),
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.credential.key_id, b.credential.key_id);
    assert_eq!(a.secret.unwrap().expose(), b.secret.unwrap().expose());
    assert_eq!(
        team.services.count_credentials(&actor).await.unwrap().all,
        1
    );
    // After a restart the secret is gone, and the second click is told so.
    let restarted = crate::harness::open(team.store.clone(), team.clock.clone()).await;
    let late = restarted
        .issue_credential(&actor, &draft, Some("form-1"))
        .await;
    assert!(matches!(
        late,
        Err(ServiceError::Conflict(Conflict::AlreadyIssued(_)))
    ));
}

#[tokio::test]
async fn quarantine_bites_on_the_next_call_and_re_enabling_ends_it() {
    let team = Team::new().await;
    let support = team.add("Eve", "eve@example.com", "support").await;
    let operations = team.add("Jonas", "jonas@example.com", "operations").await;
    let (support, operations) = (
        team.log_in(support.id).await,
        team.log_in(operations.id).await,
    );
    let oauth = team.issue("client_secret", &[("journaling", "read")]).await;
    let legacy = team.issue("legacy", &[("journaling", "read")]).await;
    let bearer = token(&team.services, &oauth).await.unwrap();
    let (a, b) = (oauth.credential.key_id, legacy.credential.key_id);
    let path = "/v1/journals";

    assert!(
        call_with_token(&team.services, &bearer, "GET", path)
            .await
            .is_ok()
    );
    assert!(
        call_with_secret(&team.services, &legacy, "GET", path)
            .await
            .is_ok()
    );

    let denied = team
        .services
        .disable_credential(&support, a, "because")
        .await;
    assert!(matches!(denied, Err(ServiceError::Denied(_))));
    let unexplained = team.services.disable_credential(&operations, a, " ").await;
    assert!(matches!(unexplained, Err(ServiceError::Invalid(f)) if f[0].field == "reason"));
    for key_id in [a, b] {
        team.services
            .disable_credential(&operations, key_id, "seen in a chat")
            .await
            .unwrap();
    }
    let refused = call_with_token(&team.services, &bearer, "GET", path)
        .await
        .unwrap_err();
    assert!(matches!(refused, Refusal::InvalidToken(_)));
    let refused = call_with_secret(&team.services, &legacy, "GET", path)
        .await
        .unwrap_err();
    assert!(matches!(refused, Refusal::InvalidSecret(_)));
    assert!(matches!(
        token(&team.services, &oauth).await,
        Err(TokenError::InvalidClient(_))
    ));

    let denied = team.services.enable_credential(&operations, a, "").await;
    assert!(matches!(denied, Err(ServiceError::Denied(_))));
    team.services
        .enable_credential(&team.host, a, "it was the test key")
        .await
        .unwrap();
    assert!(
        call_with_token(&team.services, &bearer, "GET", path)
            .await
            .is_ok()
    );

    team.services
        .revoke_credential(&team.host, a, "")
        .await
        .unwrap();
    let refused = call_with_token(&team.services, &bearer, "GET", path).await;
    assert_eq!(refused.unwrap_err().code(), "revoked");
    let again = team.services.enable_credential(&team.host, a, "").await;
    assert!(matches!(
        again,
        Err(ServiceError::Transition(InvalidTransition::Revoked))
    ));
    let story = team.services.credential_story(&support, a).await.unwrap();
    let words: Vec<_> = story
        .iter()
        .map(|e| (e.event.action.as_str(), e.event.outcome.as_str()))
        .collect();
    assert_eq!(
        words,
        [
            ("credential.revoked", "done"),
            ("credential.enabled", "done"),
            ("credential.enabled", "denied"),
            ("credential.disabled", "done"),
            ("credential.disabled", "denied"),
            ("credential.issued", "done"),
        ]
    );
}

#[tokio::test]
async fn narrowing_access_bites_on_tokens_that_are_out() {
    let team = Team::new().await;
    let issued = team
        .issue(
            "client_secret",
            &[("journaling", "write"), ("data", "read")],
        )
        .await;
    let bearer = token(&team.services, &issued).await.unwrap();
    let allowed = call_with_token(&team.services, &bearer, "POST", "/v1/journals")
        .await
        .unwrap();
    assert_eq!(
        scope_of(&allowed),
        "data:read journaling:read journaling:write"
    );

    let mut draft = team.draft("", &[("journaling", "read")]);
    draft.expires = "keep".to_owned();
    let change = CredentialChange {
        draft,
        read: issued.credential.updated_at,
    };
    let edited = team
        .services
        .edit_credential(&team.host, issued.credential.key_id, &change)
        .await
        .unwrap();
    assert_eq!(edited.expires_at, issued.credential.expires_at);

    let refused = call_with_token(&team.services, &bearer, "POST", "/v1/journals")
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "needs journaling:write, this key has journaling:read"
    );
    let refused = call_with_token(&team.services, &bearer, "GET", "/v1/assets")
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "needs data:read, this key has no access to data"
    );
    let allowed = call_with_token(&team.services, &bearer, "GET", "/v1/journals")
        .await
        .unwrap();
    assert_eq!(scope_of(&allowed), "journaling:read");

    let stale = team
        .services
        .edit_credential(&team.host, issued.credential.key_id, &change)
        .await;
    assert!(
        stale.is_ok_and(|same| same.updated_at == edited.updated_at),
        "nothing changed"
    );
    let mut other = change.clone();
    other.draft.name = "another".to_owned();
    let stale = team
        .services
        .edit_credential(&team.host, issued.credential.key_id, &other)
        .await;
    assert!(matches!(
        stale,
        Err(ServiceError::Conflict(Conflict::ChangedMeanwhile))
    ));
}

/// Checks 14, 15 and 87: the end bites at the instant on every surface, tokens included.
#[tokio::test]
async fn check_87_a_credential_ends_at_the_instant_on_every_surface() {
    let team = Team::new().await;
    let oauth = team.issue("client_secret", &[("data", "read")]).await;
    let legacy = team.issue("legacy", &[("data", "read")]).await;
    let end = oauth.credential.expires_at.unwrap();
    team.clock
        .advance(end - team.services.now() - TimeDelta::seconds(10));
    let bearer = token(&team.services, &oauth).await.unwrap();
    team.clock.advance(TimeDelta::seconds(9));
    assert!(
        call_with_token(&team.services, &bearer, "GET", "/v1/assets")
            .await
            .is_ok()
    );
    assert!(
        call_with_secret(&team.services, &legacy, "GET", "/v1/assets")
            .await
            .is_ok()
    );
    team.clock.advance(TimeDelta::seconds(1));
    let ended = async || {
        let services = &team.services;
        let refused = call_with_token(services, &bearer, "GET", "/v1/assets").await;
        assert!(matches!(
            refused.unwrap_err().code(),
            "expired" | "token_ended"
        ));
        let refused = call_with_secret(services, &legacy, "GET", "/v1/assets").await;
        assert_eq!(refused.unwrap_err().code(), "expired");
    };
    ended().await;
    let refused = token(&team.services, &oauth).await;
    assert!(matches!(refused, Err(TokenError::InvalidClient(denial))
        if matches!(*denial.cause, Cause::Expired(_))));
    // Check 92: a clock that goes back brings nothing back.
    team.clock.advance(TimeDelta::hours(-1));
    ended().await;
    // Not only for its end: nobody gets a token by such a clock.
    let refused = token(&team.services, &oauth).await;
    assert!(matches!(refused, Err(TokenError::Unavailable(_))));
}

#[tokio::test]
async fn check_45_flows_do_not_mix() {
    let team = Team::new().await;
    let oauth = team.issue("client_secret", &[("data", "read")]).await;
    let legacy = team.issue("legacy", &[("data", "read")]).await;
    let refused = call_with_secret(&team.services, &oauth, "GET", "/v1/assets").await;
    assert_eq!(refused.unwrap_err().code(), "other_flow");
    assert!(matches!(
        token(&team.services, &legacy).await,
        Err(TokenError::InvalidClient(_))
    ));
}

#[tokio::test]
async fn last_use_is_noted_and_survives() {
    let team = Team::new().await;
    let legacy = team.issue("legacy", &[("accounts", "read")]).await;
    let path = "/v1/accounts/0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69?x=1";
    call_with_secret(&team.services, &legacy, "GET", path)
        .await
        .unwrap();
    call_with_secret(&team.services, &legacy, "POST", "/v1/accounts")
        .await
        .unwrap_err();
    team.services.flush_usage().await.unwrap();
    let record = team
        .services
        .credential(&team.host, legacy.credential.key_id)
        .await
        .unwrap();
    let last_use = record.last_use.unwrap();
    assert_eq!(last_use.endpoint, "GET /v1/accounts/{account_id:uuid}");
    assert_eq!(last_use.at, team.services.now());
}

#[tokio::test]
async fn a_credential_needs_an_active_owner() {
    let team = Team::new().await;
    let eve = team.add("Eve", "eve@example.com", "support").await;
    team.services
        .disable_person(&team.host, eve.id)
        .await
        .unwrap();
    let mut draft = team.draft("client_secret", &[("data", "read")]);
    draft.owner = eve.id.to_string();
    let refused = team
        .services
        .issue_credential(&team.host, &draft, None)
        .await;
    assert!(matches!(refused, Err(ServiceError::Invalid(f)) if f[0].field == "owner"));
}

#[tokio::test]
async fn check_89_the_audit_log_is_whole_after_everything() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    team.services
        .disable_credential(&team.host, issued.credential.key_id, "test")
        .await
        .unwrap();
    let head = team
        .services
        .verify_audit(&team.host)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(head.entries, team.store.audit_head().await.unwrap().0);
    let support = team.add("Eve", "eve@example.com", "support").await;
    let support = team.log_in(support.id).await;
    assert!(matches!(
        team.services.verify_audit(&support).await,
        Err(ServiceError::Denied(_))
    ));
}

/// No secret in the database, whatever table it could be in: all bytes of its files are searched.
#[tokio::test]
async fn check_85_a_secret_is_in_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let team = Team::at(&format!("sqlite://{}/keyrack.db", folder.path().display())).await;
    let issued = team.issue("legacy", &[("data", "read")]).await;
    let secret = issued.secret.as_ref().unwrap().expose().to_owned();
    // Its use is noted, its misuse too.
    call_with_secret(&team.services, &issued, "GET", "/v1/assets")
        .await
        .unwrap();
    call_with_secret(&team.services, &issued, "POST", "/v1/journals")
        .await
        .unwrap_err();
    team.services.flush_usage().await.unwrap();
    let stored: Vec<u8> = std::fs::read_dir(folder.path())
        .unwrap()
        .flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let holds = |text: &str| {
        let text = text.as_bytes();
        stored.windows(text.len()).any(|window| window == text)
    };
    // The search finds what is there.
    assert!(holds(&issued.credential.key_id.to_string()));
    assert!(!holds(&secret) && !holds(&secret[4..40]));
}

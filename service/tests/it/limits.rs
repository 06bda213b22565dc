//! Limits of credentials, and what is kept of decisions and usage.

use chrono::TimeDelta;
use domain::limits::{LimitKind, LimitsDraft};
use domain::scope::Level;
use domain::secret::Secret;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use service::{
    Allowed, ClientProof, GateRequest, IssuedCredential, IssuedToken, Presented, Refusal,
    RequestFacts, ServiceError, TokenError, TokenRequest,
};

use crate::harness::{Team, token};

fn facts(address: &str, request_id: &str) -> RequestFacts {
    RequestFacts {
        address: Some(address.parse().unwrap()),
        request_id: Some(request_id.into()),
    }
}

async fn limit(team: &Team, issued: &IssuedCredential, draft: LimitsDraft) {
    let key_id = issued.credential.key_id;
    let read = team.services.credential(&team.host, key_id).await.unwrap();
    let read = read.credential.updated_at;
    team.services
        .limit_credential(&team.host, key_id, &draft, read)
        .await
        .unwrap();
}

async fn call(
    team: &Team,
    issued: &IssuedCredential,
    facts: &RequestFacts,
    path: &str,
) -> Result<Allowed, Refusal> {
    let key_id = issued.credential.key_id.to_string();
    let presented = Presented::Secret {
        key_id: &key_id,
        secret: issued.secret.as_ref().unwrap().expose(),
    };
    team.services
        .decide(GateRequest {
            preflight_for: None,
            gateway: None,
            method: "GET",
            path,
            presented,
            facts,
        })
        .await
}

async fn ask(
    team: &Team,
    issued: &IssuedCredential,
    facts: &RequestFacts,
) -> Result<IssuedToken, TokenError> {
    let request = TokenRequest {
        proof: ClientProof::Secret {
            client_id: &issued.credential.key_id.to_string(),
            secret: issued.secret.as_ref().unwrap().expose(),
        },
        scope: None,
        resources: &[],
    };
    team.services.issue_token(request, facts).await
}

const PATH: &str = "/v1/accounts";

/// Calls with a key that nobody has.
async fn call_as_nobody(team: &Team, facts: &RequestFacts) -> Result<Allowed, Refusal> {
    let secret = Secret::generate(&mut StdRng::seed_from_u64(1));
    let presented = Presented::Secret {
        key_id: "KRQ7M2XZLP4TAVJ6NDB3EH",
        secret: secret.expose(),
    };
    team.services
        .decide(GateRequest {
            preflight_for: None,
            gateway: None,
            method: "GET",
            path: PATH,
            presented,
            facts,
        })
        .await
}

#[tokio::test]
async fn a_key_works_from_its_addresses_only() {
    let team = Team::new().await;
    let issued = team.issue("legacy", &[("accounts", "read")]).await;
    let draft = LimitsDraft {
        addresses: "192.0.2.0/24, 2001:db8::/32".into(),
        per_minute: "2".into(),
        ..LimitsDraft::default()
    };
    limit(&team, &issued, draft).await;
    for refused in ["198.51.100.7", "::1", "::ffff:198.51.100.7"] {
        let decided = call(&team, &issued, &facts(refused, "r"), PATH).await;
        assert!(
            matches!(decided, Err(Refusal::AddressNotAllowed)),
            "{refused}"
        );
    }
    let found = team.services.decision(&team.host, "r").await.unwrap();
    assert_eq!(found.reason, "address_not_allowed");
    assert_eq!(found.template.as_deref(), Some(PATH));
    // Refused addresses have used nothing up.
    for allowed in ["192.0.2.7", "::ffff:192.0.2.8"] {
        let decided = call(&team, &issued, &facts(allowed, "r"), PATH).await;
        assert!(decided.is_ok(), "{allowed}");
    }
    let decided = call(&team, &issued, &facts("2001:db8::7", "r"), PATH).await;
    assert!(matches!(decided, Err(Refusal::RateLimited(_))));
    let decided = call(&team, &issued, &RequestFacts::default(), PATH).await;
    assert!(
        matches!(decided, Err(Refusal::AddressNotAllowed)),
        "from nowhere"
    );
}

#[tokio::test]
async fn calls_beyond_the_rate_wait_and_others_use_nothing_up() {
    let team = Team::new().await;
    let issued = team.issue("legacy", &[("accounts", "read")]).await;
    let draft = LimitsDraft {
        per_second: "1".into(),
        burst: "3".into(),
        ..LimitsDraft::default()
    };
    limit(&team, &issued, draft).await;
    let here = facts("192.0.2.7", "r");
    for _ in 0..10 {
        // Refused for other reasons.
        for (path, code) in [
            ("/v1/journals", "insufficient_scope"),
            ("/nowhere", "path_not_allowed"),
        ] {
            let refused = call(&team, &issued, &here, path).await;
            assert_eq!(refused.unwrap_err().code(), code);
        }
    }
    for left in [2, 1, 0] {
        let allowed = call(&team, &issued, &here, PATH).await.unwrap();
        let quota = allowed.quota().unwrap();
        assert_eq!((quota.limit, quota.window, quota.remaining), (3, 3, left));
    }
    let Err(Refusal::RateLimited(full)) = call(&team, &issued, &here, PATH).await else {
        panic!("it went through");
    };
    assert_eq!(full.reset.as_secs(), 1);
    team.clock.advance(TimeDelta::seconds(1));
    assert!(call(&team, &issued, &here, PATH).await.is_ok());
    let refused = call(&team, &issued, &here, PATH).await;
    assert_eq!(refused.unwrap_err().code(), "rate_limited");
    // An edit of something else does not fill the bucket.
    let read = team
        .services
        .credential(&team.host, issued.credential.key_id)
        .await
        .unwrap();
    let change = service::CredentialChange {
        draft: domain::draft::CredentialDraft {
            name: "renamed".into(),
            expires: "keep".into(),
            ..team.draft("legacy", &[("accounts", "read")])
        },
        read: read.credential.updated_at,
    };
    team.services
        .edit_credential(&team.host, issued.credential.key_id, &change)
        .await
        .unwrap();
    let refused = call(&team, &issued, &here, PATH).await;
    assert_eq!(refused.unwrap_err().code(), "rate_limited");
}

#[tokio::test]
async fn tokens_are_limited_by_the_hour() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    let draft = LimitsDraft {
        tokens_per_hour: "2".into(),
        ..LimitsDraft::default()
    };
    limit(&team, &issued, draft).await;
    assert!(token(&team.services, &issued).await.is_ok());
    assert!(token(&team.services, &issued).await.is_ok());
    let third = token(&team.services, &issued).await;
    assert!(matches!(third, Err(TokenError::RateLimited(_))));
    team.clock.advance(TimeDelta::minutes(30));
    assert!(token(&team.services, &issued).await.is_ok());
    let fourth = token(&team.services, &issued).await;
    assert!(matches!(fourth, Err(TokenError::RateLimited(_))));
}

/// Limits that are all exceeded by the second call and by the second token, from any address.
fn exceeded(report_only: &[LimitKind]) -> LimitsDraft {
    LimitsDraft {
        addresses: "192.0.2.0/24".into(),
        per_minute: "1".into(),
        tokens_per_hour: "1".into(),
        report_only: report_only.iter().copied().collect(),
        ..LimitsDraft::default()
    }
}

/// What was decided: whether it went through, the reason, and whether that was only reported.
async fn decision(team: &Team, request_id: &str) -> (bool, String, bool) {
    let found = team.services.decision(&team.host, request_id).await;
    let found = found.unwrap();
    let detail: serde_json::Value = serde_json::from_str(&found.detail).unwrap();
    (found.allowed, found.reason, detail["report_only"] == true)
}

#[tokio::test]
async fn at_the_gate_each_limit_reports_by_itself() {
    let (inside, outside) = ("192.0.2.7", "198.51.100.7");
    let refused = |reason: &str| (false, reason.to_owned(), false);
    let reported = |reason: &str| (true, reason.to_owned(), true);
    let (address, rate) = ("address_not_allowed", "rate_limited");
    for (kinds, from_outside, beyond_the_rate) in [
        (&[][..], refused(address), refused(rate)),
        (&[LimitKind::Tokens], refused(address), refused(rate)),
        (&[LimitKind::Addresses], reported(address), refused(rate)),
        (&[LimitKind::Calls], refused(address), reported(rate)),
        (&LimitKind::ALL, reported(address), reported(rate)),
    ] {
        let team = Team::new().await;
        let issued = team.issue("legacy", &[("accounts", "read")]).await;
        limit(&team, &issued, exceeded(kinds)).await;
        let first = call(&team, &issued, &facts(outside, "a"), PATH).await;
        assert_eq!(first.is_ok(), from_outside.0, "{kinds:?}");
        assert_eq!(decision(&team, "a").await, from_outside, "{kinds:?}");
        // Two: the first may be the one that there is room for.
        let _ = call(&team, &issued, &facts(inside, "b"), PATH).await;
        let beyond = call(&team, &issued, &facts(inside, "c"), PATH).await;
        assert_eq!(beyond.is_ok(), beyond_the_rate.0, "{kinds:?}");
        assert_eq!(decision(&team, "c").await, beyond_the_rate, "{kinds:?}");
        // A limit that only reports is no quota for the caller.
        assert!(beyond.is_err() || beyond.unwrap().quota().is_none());
    }
}

#[tokio::test]
async fn at_the_token_endpoint_each_limit_reports_by_itself() {
    let (inside, outside) = ("192.0.2.7", "198.51.100.7");
    let refused = |reason: &str| (false, reason.to_owned(), false);
    let reported = |reason: &str| (true, reason.to_owned(), true);
    let (address, rate) = ("address_not_allowed", "rate_limited");
    for (kinds, from_outside, beyond_the_rate) in [
        (&[][..], refused(address), refused(rate)),
        (&[LimitKind::Calls], refused(address), refused(rate)),
        (&[LimitKind::Addresses], reported(address), refused(rate)),
        (&[LimitKind::Tokens], refused(address), reported(rate)),
        (&LimitKind::ALL, reported(address), reported(rate)),
    ] {
        let team = Team::new().await;
        let issued = team.issue("client_secret", &[("accounts", "read")]).await;
        limit(&team, &issued, exceeded(kinds)).await;
        let first = ask(&team, &issued, &facts(outside, "a")).await;
        assert_eq!(first.is_ok(), from_outside.0, "{kinds:?}");
        assert_eq!(decision(&team, "a").await, from_outside, "{kinds:?}");
        let _ = ask(&team, &issued, &facts(inside, "b")).await;
        let beyond = ask(&team, &issued, &facts(inside, "c")).await;
        assert_eq!(beyond.is_ok(), beyond_the_rate.0, "{kinds:?}");
        assert_eq!(decision(&team, "c").await, beyond_the_rate, "{kinds:?}");
    }
}

#[tokio::test]
async fn a_client_that_must_wait_is_named_if_there_is_one() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    let secret = issued.secret.as_ref().unwrap().expose();
    let (known, unknown) = (issued.credential.key_id, "KRQ7M2XZLP4TAVJ6NDB3EH");
    for (client_id, named) in [(known.to_string(), Some(known)), (unknown.to_owned(), None)] {
        let proof = |secret| ClientProof::Secret {
            client_id: &client_id,
            secret,
        };
        let request = |proof| TokenRequest {
            proof,
            scope: None,
            resources: &[],
        };
        let here = facts("192.0.2.7", "guess");
        let mut tries = 0;
        loop {
            let guess = request(proof("krs_guess"));
            match team.services.issue_token(guess, &here).await {
                Err(TokenError::Throttled { .. }) => break,
                Err(TokenError::InvalidClient(_)) => {}
                _ => panic!("it is neither refused nor throttled"),
            }
            tries += 1;
            assert!(tries < 200, "guessing goes on for ever");
        }
        let here = facts("192.0.2.7", &client_id);
        let refused = team.services.issue_token(request(proof(secret)), &here);
        assert!(matches!(refused.await, Err(TokenError::Throttled { .. })));
        let found = team
            .services
            .decision(&team.host, &client_id)
            .await
            .unwrap();
        assert_eq!(found.reason, "too_many_failures");
        assert_eq!(found.key_id, named);
    }
}

#[tokio::test]
async fn of_what_goes_through_one_call_a_minute_can_be_looked_up() {
    let team = Team::new().await;
    let issued = team.issue("legacy", &[("accounts", "read")]).await;
    for (request_id, later, is_kept) in [
        ("first", 0, true),
        ("at once", 0, false),
        ("within the minute", 59, false),
        ("after a minute", 1, true),
        ("soon after", 30, false),
        ("after the next", 30, true),
    ] {
        team.clock.advance(TimeDelta::seconds(later));
        call(&team, &issued, &facts("192.0.2.7", request_id), PATH)
            .await
            .unwrap();
        let found = team.services.decision(&team.host, request_id).await;
        assert_eq!(found.is_ok(), is_kept, "{request_id}");
        if let Ok(found) = found {
            assert_eq!((found.allowed, &*found.reason), (true, "allowed"));
            assert_eq!(found.key_id, Some(issued.credential.key_id));
            assert_eq!(found.template.as_deref(), Some(PATH));
        }
    }
}

#[tokio::test]
async fn every_refusal_can_be_looked_up_by_its_request() {
    let team = Team::new().await;
    let issued = team.issue("legacy", &[("accounts", "read")]).await;
    let support = team.add("Sam", "sam@example.com", "support").await;
    let support = team.log_in(support.id).await;
    let look = async |id: &str| team.services.decision(&support, id).await.unwrap();

    call(&team, &issued, &facts("192.0.2.7", "a"), "/v1/journals")
        .await
        .unwrap_err();
    let found = look(" a ").await;
    assert_eq!(found.key_id, Some(issued.credential.key_id));
    assert_eq!(
        (found.method.as_str(), found.template.as_deref()),
        ("GET", Some("/v1/journals"))
    );
    assert_eq!(found.address.as_deref(), Some("192.0.2.7"));
    assert_eq!(found.reason, "insufficient_scope");
    assert!(found.detail.contains("journaling:read") && !found.allowed);

    call(&team, &issued, &facts("192.0.2.7", "b"), "/v1/x/SECRET")
        .await
        .unwrap_err();
    let found = look("b").await;
    assert_eq!(
        (found.reason.as_str(), found.template),
        ("path_not_allowed", None)
    );
    assert!(!found.detail.contains("SECRET"), "raw paths are not kept");

    team.services
        .disable_credential(&team.host, issued.credential.key_id, "leaked")
        .await
        .unwrap();
    call(&team, &issued, &facts("192.0.2.7", "c"), PATH)
        .await
        .unwrap_err();
    let found = look("c").await;
    assert_eq!(found.reason, "quarantined");
    assert_eq!(found.template.as_deref(), Some(PATH));
    assert!(
        found.detail.contains("quarantined by test"),
        "{}",
        found.detail
    );

    let request = TokenRequest {
        proof: ClientProof::Secret {
            client_id: "KRQ7M2XZLP4TAVJ6NDB3EH",
            secret: issued.secret.as_ref().unwrap().expose(),
        },
        scope: None,
        resources: &[],
    };
    let refused = team
        .services
        .issue_token(request, &facts("192.0.2.7", "d"))
        .await;
    assert!(refused.is_err());
    assert_eq!(look("d").await.reason, "unknown_key");

    let refused = call_as_nobody(&team, &facts("192.0.2.7", "e")).await;
    assert!(refused.is_err());
    let found = look("e").await;
    assert_eq!(found.reason, "unknown_key");
    assert_eq!(found.template.as_deref(), Some(PATH));

    let unknown = team.services.decision(&support, "nobody").await;
    assert!(matches!(unknown, Err(ServiceError::NotFound(_))));
    let of_key = team
        .services
        .decisions_of(&support, issued.credential.key_id, 10)
        .await
        .unwrap();
    assert_eq!(of_key.len(), 3);
    // After a week they are gone.
    team.clock.advance(TimeDelta::days(8));
    team.services.sweep().await.unwrap();
    let gone = team.services.decision(&team.host, "a").await;
    assert!(matches!(gone, Err(ServiceError::NotFound(_))));
}

#[tokio::test]
async fn usage_is_counted_by_hour_scope_and_level() {
    let team = Team::new().await;
    let issued = team.issue("legacy", &[("accounts", "read")]).await;
    let here = facts("192.0.2.7", "r");
    let began = team.services.now();
    for _ in 0..3 {
        call(&team, &issued, &here, PATH).await.unwrap();
        team.services.flush_usage().await.unwrap();
    }
    call(&team, &issued, &here, "/v1/journals")
        .await
        .unwrap_err();
    team.clock.advance(TimeDelta::hours(1));
    call(&team, &issued, &here, PATH).await.unwrap();
    team.services.flush_usage().await.unwrap();
    let rows = team
        .services
        .usage_of(
            &team.host,
            issued.credential.key_id,
            began - TimeDelta::hours(1),
        )
        .await
        .unwrap();
    let mut counts: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.hour,
                row.scope.as_str(),
                row.level,
                row.allowed,
                row.refused,
            )
        })
        .collect();
    counts.sort();
    let (first, second) = (counts[0].0, counts[2].0);
    assert_eq!(second - first, TimeDelta::hours(1));
    assert_eq!(
        counts,
        [
            (first, "accounts", Level::Read, 3, 0),
            (first, "journaling", Level::Read, 0, 1),
            (second, "accounts", Level::Read, 1, 0),
        ]
    );
}

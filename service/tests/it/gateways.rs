//! Gateways, introspection and revocation: who may ask, and what is true of a token.

use std::net::IpAddr;

use chrono::TimeDelta;
use domain::gateway::GatewayId;
use domain::role::Permission;
use service::{
    ClientProof, GateRequest, GatewayDraft, Introspector, IssuedCredential, Presented, Refusal,
    RequestFacts, ServiceError, Services, TokenError, TokenRequest,
};

use crate::harness::{Team, call_with_token, open, token};

fn draft(kind: &str, addresses: &str) -> GatewayDraft {
    GatewayDraft {
        audiences: String::new(),
        name: "edge".into(),
        kind: kind.into(),
        addresses: addresses.into(),
    }
}

pub async fn introspector(team: &Team) -> Introspector {
    let (_, token) = team
        .services
        .add_gateway(&team.host, &draft("introspection", ""))
        .await
        .unwrap();
    let known = team.services.authenticate_gateway(token.expose(), None);
    let known = known.await.unwrap().unwrap();
    known.introspector().unwrap()
}

/// Ends a token as a credential's program would.
pub async fn revoke(
    services: &Services,
    by: &IssuedCredential,
    token: &str,
) -> Result<(), TokenError> {
    let client_id = by.credential.key_id.to_string();
    let proof = ClientProof::Secret {
        client_id: &client_id,
        secret: by.secret.as_ref().unwrap().expose(),
    };
    services
        .revoke_token(proof, token, &RequestFacts::default())
        .await
}

#[tokio::test]
async fn check_32_a_gateway_is_known_by_its_token_and_address() {
    let team = Team::new().await;
    let services = &team.services;
    let (gateway, token) = services
        .add_gateway(&team.host, &draft("nginx", "192.0.2.0/24 2001:db8::1"))
        .await
        .unwrap();
    let knows = async |token: &str, peer: Option<&str>| {
        let peer: Option<IpAddr> = peer.map(|peer| peer.parse().unwrap());
        let known = services.authenticate_gateway(token, peer).await.unwrap();
        known.is_some()
    };
    assert!(token.expose().starts_with("krg_"));
    assert!(knows(token.expose(), Some("192.0.2.7")).await);
    assert!(knows(token.expose(), Some("::ffff:192.0.2.7")).await);
    assert!(knows(token.expose(), Some("2001:db8::1")).await);
    assert!(!knows(token.expose(), Some("2001:db8::2")).await);
    assert!(!knows(token.expose(), Some("198.51.100.7")).await);
    assert!(
        !knows(token.expose(), None).await,
        "nobody knows from where"
    );
    for bent in ["", "krg_", &token.expose()[1..], &token.expose()[..20]] {
        assert!(!knows(bent, Some("192.0.2.7")).await, "{bent}");
    }
    let (_, next) = services
        .replace_gateway_token(&team.host, gateway.id)
        .await
        .unwrap();
    assert!(!knows(token.expose(), Some("192.0.2.7")).await);
    assert!(knows(next.expose(), Some("192.0.2.7")).await);
    services
        .edit_gateway(&team.host, gateway.id, &draft("caddy", ""))
        .await
        .unwrap();
    assert!(knows(next.expose(), Some("198.51.100.7")).await);
    services.flush_usage().await.unwrap();
    let seen = &services.list_gateways(&team.host).await.unwrap()[0].last_seen;
    assert_eq!(seen.as_ref().unwrap().address, "198.51.100.7");
    services
        .remove_gateway(&team.host, gateway.id)
        .await
        .unwrap();
    assert!(!knows(next.expose(), Some("198.51.100.7")).await);
}

#[tokio::test]
async fn only_superusers_manage_gateways() {
    let team = Team::new().await;
    let dev = team.add("Dev", "dev@example.com", "developer").await;
    let dev = team.log_in(dev.id).await;
    let services = &team.services;
    let (gateway, _) = services
        .add_gateway(&team.host, &draft("nginx", ""))
        .await
        .unwrap();
    let id: GatewayId = gateway.id;
    let denied = |error: ServiceError| {
        assert!(matches!(
            error,
            ServiceError::Denied(Permission::ManageGateways)
        ));
    };
    denied(services.list_gateways(&dev).await.unwrap_err());
    denied(
        services
            .add_gateway(&dev, &draft("nginx", ""))
            .await
            .unwrap_err(),
    );
    denied(
        services
            .edit_gateway(&dev, id, &draft("nginx", ""))
            .await
            .unwrap_err(),
    );
    denied(services.replace_gateway_token(&dev, id).await.unwrap_err());
    denied(services.remove_gateway(&dev, id).await.unwrap_err());
    let twice = services.add_gateway(&team.host, &draft("nginx", "")).await;
    assert!(matches!(twice, Err(ServiceError::Invalid(fields)) if fields[0].field == "name"));
    let bad = GatewayDraft {
        audiences: String::new(),
        name: String::new(),
        kind: "apache".into(),
        addresses: "here".into(),
    };
    let refused = services.add_gateway(&team.host, &bad).await;
    assert!(matches!(refused, Err(ServiceError::Invalid(fields)) if fields.len() == 3));
}

#[tokio::test]
async fn checks_33_and_34_introspection_tells_active_tokens_from_all_others() {
    let team = Team::new().await;
    let gateway = introspector(&team).await;
    let issued = team
        .issue(
            "client_secret",
            &[("accounts", "read"), ("journaling", "write")],
        )
        .await;
    let good = token(&team.services, &issued).await.unwrap();
    let known = team.services.introspect(&gateway, &good).await.unwrap();
    let known = known.expect("it is active");
    let known = known.told();
    assert_eq!(
        known.scope,
        "accounts:read journaling:read journaling:write"
    );
    assert_eq!(known.client_id, issued.credential.key_id.as_str());
    assert_eq!((known.sub, known.exp - known.iat), (known.client_id, 900));
    let secret = issued.secret.as_ref().unwrap().expose().to_owned();
    let other_end = format!("{}A", &good[..good.len() - 1]);
    let long = "x".repeat(100_000);
    for bad in [
        "",
        "x",
        "a.b.c",
        &secret,
        &good[1..],
        &good[..good.len() - 1],
        &other_end,
        &long,
    ] {
        let known = team.services.introspect(&gateway, bad).await.unwrap();
        assert!(known.is_none() || bad == good, "{bad:.40}");
    }
    team.clock.advance(TimeDelta::seconds(899));
    assert!(
        team.services
            .introspect(&gateway, &good)
            .await
            .unwrap()
            .is_some()
    );
    team.clock.advance(TimeDelta::seconds(1));
    assert!(
        team.services
            .introspect(&gateway, &good)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn checks_36_and_37_a_revoked_token_is_dead_everywhere_and_stays_so() {
    let team = Team::new().await;
    let gateway = introspector(&team).await;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    let services = &team.services;
    let (one, two) = (
        token(services, &issued).await.unwrap(),
        token(services, &issued).await.unwrap(),
    );
    let is_active = async |services: &Services, token: &str| {
        let introspected = services
            .introspect(&gateway, token)
            .await
            .unwrap()
            .is_some();
        let called = call_with_token(services, token, "GET", "/v1/accounts").await;
        assert_eq!(introspected, called.is_ok(), "gate and introspection agree");
        introspected
    };
    assert!(is_active(services, &one).await);
    revoke(&team.services, &issued, &one).await.unwrap();
    assert!(!is_active(services, &one).await);
    assert!(is_active(services, &two).await, "the other token lives on");
    revoke(&team.services, &issued, &one)
        .await
        .expect("again is fine");
    for garbage in ["x", "a.b.c", ""] {
        revoke(&team.services, &issued, garbage)
            .await
            .expect("unknown is fine");
    }
    let restarted = open(team.store.clone(), team.clock.clone()).await;
    assert!(!is_active(&restarted, &one).await, "after a restart, too");
    assert!(is_active(&restarted, &two).await);
    revoke(&team.services, &issued, &two).await.unwrap();
    restarted.catch_up().await.unwrap();
    assert!(
        !is_active(&restarted, &two).await,
        "another process hears of it"
    );
}

#[tokio::test]
async fn check_38_nobody_revokes_the_tokens_of_others() {
    let team = Team::new().await;
    let (mine, theirs) = (
        team.issue("client_secret", &[("accounts", "read")]).await,
        team.issue("client_secret", &[("accounts", "read")]).await,
    );
    let token = token(&team.services, &mine).await.unwrap();
    let refused = revoke(&team.services, &theirs, &token).await;
    assert!(matches!(refused, Err(TokenError::ForeignToken)));
    let legacy = team.issue("legacy", &[("accounts", "read")]).await;
    let refused = revoke(&team.services, &legacy, &token).await;
    assert!(matches!(refused, Err(TokenError::InvalidClient(_))));
    let called = call_with_token(&team.services, &token, "GET", "/v1/accounts").await;
    assert!(called.is_ok(), "it still works");
}

const FIRST: &str = "https://a.example.com";
const SECOND: &str = "https://b.example.com";

/// A node whose tokens can be for two audiences, and whose gateways that are trusted by address are for some.
async fn with_audiences(team: &Team, of_address: &str) -> Services {
    let settings = service::Settings {
        audiences: vec![FIRST.to_owned(), SECOND.to_owned()],
        gate_audiences: of_address.parse().unwrap(),
        ..crate::harness::settings()
    };
    crate::harness::open_with(team.store.clone(), team.clock.clone(), settings).await
}

/// A gateway with a token, that is for some audiences.
async fn limited(
    services: &Services,
    team: &Team,
    kind: &str,
    audiences: &str,
) -> Result<service::KnownGateway, ServiceError> {
    let draft = GatewayDraft {
        name: format!("{kind} {audiences}"),
        audiences: audiences.to_owned(),
        ..draft(kind, "")
    };
    let (_, token) = services.add_gateway(&team.host, &draft).await?;
    let known = services.authenticate_gateway(token.expose(), None).await;
    Ok(known.unwrap().unwrap())
}

/// Why a call is refused, if it is.
async fn refusal(
    services: &Services,
    presented: Presented<'_>,
    gateway: Option<&service::KnownGateway>,
) -> Option<&'static str> {
    let request = GateRequest {
        preflight_for: None,
        method: "GET",
        path: "/v1/accounts",
        presented,
        gateway,
        facts: &RequestFacts::default(),
    };
    let refused = services.decide(request).await.err();
    refused.as_ref().map(Refusal::code)
}

#[tokio::test]
async fn a_token_for_one_audience_opens_no_gateway_of_another() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    let key_id = issued.credential.key_id.to_string();
    for (audiences, expected) in [
        ("", [true, true]),
        (FIRST, [true, false]),
        (SECOND, [false, true]),
        ("https://b.example.com https://a.example.com", [true, true]),
    ] {
        let services = &with_audiences(&team, audiences).await;
        let gate = limited(services, &team, "caddy", audiences).await.unwrap();
        let introspector = limited(services, &team, "introspection", audiences).await;
        let introspector = introspector.unwrap().introspector().unwrap();
        for (resource, expected) in [FIRST, SECOND].into_iter().zip(expected) {
            let proof = ClientProof::Secret {
                client_id: &key_id,
                secret: issued.secret.as_ref().unwrap().expose(),
            };
            let request = TokenRequest {
                proof,
                scope: None,
                resources: &[resource.into()],
            };
            let facts = RequestFacts::default();
            let token = services.issue_token(request, &facts).await.unwrap();
            let token = token.access_token.as_str();
            for gateway in [Some(&gate), None] {
                let code = refusal(services, Presented::Bearer(token), gateway).await;
                let expected = (!expected).then_some("other_audience");
                assert_eq!(code, expected, "{audiences:?} {gateway:?}");
            }
            let told = services.introspect(&introspector, token).await.unwrap();
            assert_eq!(told.is_some(), expected, "{audiences}");
        }
    }
    // What no token can be for is a slip of the pen.
    let services = with_audiences(&team, "").await;
    for wrong in ["https://c.example.com", "https://a.example.com/"] {
        let refused = limited(&services, &team, "caddy", wrong).await;
        assert!(matches!(refused, Err(ServiceError::Invalid(_))), "{wrong}");
    }
}

#[tokio::test]
async fn a_gateway_that_is_limited_to_audiences_takes_no_secret() {
    let team = Team::new().await;
    let issued = team.issue("legacy", &[("accounts", "read")]).await;
    let key_id = issued.credential.key_id.to_string();
    let presented = Presented::Secret {
        key_id: &key_id,
        secret: issued.secret.as_ref().unwrap().expose(),
    };
    for (audiences, expected) in [
        ("", None),
        (FIRST, Some("no_audience")),
        (SECOND, Some("no_audience")),
    ] {
        let services = &with_audiences(&team, audiences).await;
        let gate = limited(services, &team, "caddy", audiences).await.unwrap();
        for gateway in [Some(&gate), None] {
            let code = refusal(services, presented, gateway).await;
            assert_eq!(code, expected, "{audiences:?} {gateway:?}");
        }
    }
}

//! Each cache of a node, one by one: what another node changes is honoured as soon as the feed has
//! been read, which `live` shows to happen within a second. ARCHITECTURE.md lists them.

use std::sync::Arc;

use jsonwebtoken::Algorithm;
use service::{
    Cause, CredentialChange, GatewayDraft, OutboundError, Refusal, RequestFacts, Services,
};
use storage::NewCredential;
use tokio::sync::oneshot;

use crate::gateways::revoke;
use crate::harness::{Team, call_with_secret, call_with_token, open_asking, postgres, token};
use crate::key_urls::{Hosts, URL, ask, issue};
use crate::signing::Program;

/// A node where changes are made, and another one that has them cached.
struct Nodes {
    team: Team,
    other: Services,
    hosts: Arc<Hosts>,
    _folder: tempfile::TempDir,
}

impl Nodes {
    async fn new(on_postgresql: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = if on_postgresql {
            postgres()
        } else {
            format!("sqlite://{}/keyrack.db", folder.path().display())
        };
        let hosts = Arc::<Hosts>::default();
        let team = Team::with(&url, hosts.clone()).await;
        let store = service::connect(&url).await.unwrap();
        let other = open_asking(store, team.clock.clone(), hosts.clone()).await;
        Self {
            team,
            other,
            hosts,
            _folder: folder,
        }
    }

    /// The other node, once it has heard.
    async fn heard(&self) -> &Services {
        self.other.catch_up().await.unwrap();
        &self.other
    }
}

/// Makes one test of each function for each kind of database.
macro_rules! on_every_database {
    ($($test:ident)*) => { $(
        mod $test {
            #[tokio::test]
            async fn sqlite() {
                super::$test(super::Nodes::new(false).await).await;
            }

            #[tokio::test]
            async fn postgresql() {
                super::$test(super::Nodes::new(true).await).await;
            }
        }
    )* };
}

on_every_database! {
    check_100_a_credential
    check_100_a_key_id_that_nobody_had
    check_100_what_a_verified_token_may_do
    check_100_a_revoked_token
    check_100_a_signing_key
    check_100_a_gateway
    check_100_a_key_url_set_anew
    check_100_a_key_url_set_anew_while_its_host_is_asked
    check_100_keys_that_somebody_had_fetched
    check_100_the_counts_of_credentials
    check_100_a_session
}

async fn check_100_a_credential(nodes: Nodes) {
    let Nodes { team, other, .. } = &nodes;
    let issued = team.issue("legacy", &[("data", "read")]).await;
    let call = async |node: &Services| call_with_secret(node, &issued, "GET", "/v1/assets").await;
    call(other).await.unwrap();
    let key_id = issued.credential.key_id;
    let disabled = team.services.disable_credential(&team.host, key_id, "test");
    disabled.await.unwrap();
    call(nodes.heard().await).await.unwrap_err();
    let enabled = team.services.enable_credential(&team.host, key_id, "test");
    enabled.await.unwrap();
    call(nodes.heard().await).await.unwrap();
}

async fn check_100_a_key_id_that_nobody_had(nodes: Nodes) {
    let Nodes { team, other, .. } = &nodes;
    let issued = team.issue("legacy", &[("data", "read")]).await;
    let mut stranger = issued.clone();
    stranger.credential.key_id = "KRQ7M2XZLP4TAVJ6NDB3EH".parse().unwrap();
    let why = async |node: &Services| {
        let called = call_with_secret(node, &stranger, "GET", "/v1/assets").await;
        let Err(Refusal::InvalidSecret(denial)) = called else {
            panic!("let through")
        };
        denial.cause
    };
    assert!(matches!(*why(other).await, Cause::UnknownKey));
    let new = NewCredential {
        credential: stranger.credential.clone(),
        secret: None,
        public_keys: Vec::new(),
        key_set_url: None,
        idempotency_key: None,
    };
    let log = team.store.list_audit(0, 1_000).await.unwrap();
    let mut event = log.last().unwrap().event.clone();
    event.object_id = Some(stranger.credential.key_id.to_string());
    team.store.issue_credential(new, event).await.unwrap();
    assert!(matches!(
        *why(nodes.heard().await).await,
        Cause::WrongSecret
    ));
}

async fn check_100_what_a_verified_token_may_do(nodes: Nodes) {
    let Nodes { team, other, .. } = &nodes;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    let token = token(&team.services, &issued).await.unwrap();
    let call = async |node: &Services| call_with_token(node, &token, "GET", "/v1/assets").await;
    call(other).await.unwrap();
    let mut draft = team.draft("client_secret", &[("accounts", "read")]);
    "keep".clone_into(&mut draft.expires);
    let read = issued.credential.updated_at;
    let change = CredentialChange { draft, read };
    let key_id = issued.credential.key_id;
    let edited = team.services.edit_credential(&team.host, key_id, &change);
    edited.await.unwrap();
    let called = call(nodes.heard().await).await;
    assert!(matches!(called, Err(Refusal::InsufficientScope { .. })));
}

async fn check_100_a_revoked_token(nodes: Nodes) {
    let Nodes { team, other, .. } = &nodes;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    let token = token(&team.services, &issued).await.unwrap();
    let call = async |node: &Services| call_with_token(node, &token, "GET", "/v1/assets").await;
    call(other).await.unwrap();
    revoke(&team.services, &issued, &token).await.unwrap();
    call(nodes.heard().await).await.unwrap_err();
}

async fn check_100_a_signing_key(nodes: Nodes) {
    let Nodes { team, other, .. } = &nodes;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    let before = other.jwks().await.unwrap();
    team.services.rotate_signing_key(&team.host).await.unwrap();
    let published = nodes.heard().await.jwks().await.unwrap();
    assert_ne!(published, before);
    assert_eq!(published, team.services.jwks().await.unwrap());
    team.clock.advance(chrono::TimeDelta::minutes(16));
    let token = token(&team.services, &issued).await.unwrap();
    let called = call_with_token(other, &token, "GET", "/v1/assets").await;
    called.unwrap();
}

async fn check_100_a_gateway(nodes: Nodes) {
    let Nodes { team, .. } = &nodes;
    let draft = GatewayDraft {
        audiences: String::new(),
        name: "edge".into(),
        kind: "nginx".into(),
        addresses: "192.0.2.0/24".into(),
    };
    let knows = async |token: &service::Token| {
        let node = nodes.heard().await;
        let peer = Some("192.0.2.1".parse().unwrap());
        let known = node.authenticate_gateway(token.expose(), peer).await;
        known.unwrap().is_some()
    };
    let added = team.services.add_gateway(&team.host, &draft).await;
    let (gateway, first) = added.unwrap();
    assert!(knows(&first).await);
    let replaced = team
        .services
        .replace_gateway_token(&team.host, gateway.id)
        .await;
    let (_, second) = replaced.unwrap();
    assert_eq!((knows(&first).await, knows(&second).await), (false, true));
    let elsewhere = GatewayDraft {
        addresses: "198.51.100.0/24".into(),
        ..draft
    };
    let edited = team
        .services
        .edit_gateway(&team.host, gateway.id, &elsewhere)
        .await;
    edited.unwrap();
    assert!(!knows(&second).await);
    let back = GatewayDraft {
        addresses: String::new(),
        ..elsewhere
    };
    let edited = team.services.edit_gateway(&team.host, gateway.id, &back);
    edited.await.unwrap();
    assert!(knows(&second).await);
    let removed = team.services.remove_gateway(&team.host, gateway.id);
    removed.await.unwrap();
    assert!(!knows(&second).await);
}

/// The key of a program leaked. Its host publishes another one, and the URL is set anew so that the
/// old one is of no use at once: even if the host fails from then on.
async fn check_100_a_key_url_set_anew(nodes: Nodes) {
    let Nodes { team, hosts, .. } = &nodes;
    let [leaked, new] = [(); 2].map(|()| Program::new(Algorithm::EdDSA));
    hosts.publish(URL, &[("one", &leaked)]);
    let key_id = issue(team, URL).await;
    ask(nodes.heard().await, key_id, &leaked, "one")
        .await
        .unwrap();
    hosts.publish(URL, &[("one", &new)]);
    let set = team.services.set_key_url(&team.host, key_id, URL);
    set.await.unwrap();
    ask(&team.services, key_id, &new, "one").await.unwrap();
    let node = nodes.heard().await;
    ask(node, key_id, &leaked, "one").await.unwrap_err();
    ask(node, key_id, &new, "one").await.unwrap();

    hosts.publish(URL, &[("one", &leaked)]);
    team.clock.advance(chrono::TimeDelta::minutes(6));
    ask(node, key_id, &leaked, "one").await.unwrap();
    hosts.answer(URL, Err(OutboundError::Unreachable));
    let set = team.services.set_key_url(&team.host, key_id, URL);
    set.await.unwrap();
    ask(nodes.heard().await, key_id, &leaked, "one")
        .await
        .unwrap_err();
}

/// The same while the host is being asked for the leaked key: what comes late is kept nowhere, neither in
/// memory nor in the store, from which others read it.
async fn check_100_a_key_url_set_anew_while_its_host_is_asked(nodes: Nodes) {
    let Nodes {
        team, other, hosts, ..
    } = &nodes;
    let leaked = Program::new(Algorithm::EdDSA);
    hosts.publish(URL, &[("one", &leaked)]);
    let key_id = issue(team, URL).await;
    team.clock.advance(chrono::TimeDelta::minutes(6));
    let asked = async |times| {
        while hosts.asked() < times {
            tokio::task::yield_now().await;
        }
    };
    let (late, later) = (hosts.hold(), hosts.hold());
    let (done, came) = oneshot::channel();
    let asking = async {
        ask(other, key_id, &leaked, "one").await.unwrap();
        done.send(()).unwrap();
    };
    let setting = async {
        asked(2).await;
        hosts.answer(URL, Err(OutboundError::Unreachable));
        let set = team.services.set_key_url(&team.host, key_id, URL);
        set.await.unwrap();
    };
    let looking = async {
        asked(3).await;
        nodes.heard().await;
        drop(late);
        came.await.unwrap();
        let store = team.store.clone();
        let new = open_asking(store, team.clock.clone(), hosts.clone()).await;
        for node in [other, &new] {
            ask(node, key_id, &leaked, "one").await.unwrap_err();
        }
        drop(later);
    };
    tokio::join!(asking, setting, looking);
    ask(&team.services, key_id, &leaked, "one")
        .await
        .unwrap_err();
}

async fn check_100_keys_that_somebody_had_fetched(nodes: Nodes) {
    let Nodes { team, hosts, .. } = &nodes;
    let [before, after] = [(); 2].map(|()| Program::new(Algorithm::EdDSA));
    hosts.publish(URL, &[("one", &before)]);
    let key_id = issue(team, URL).await;
    ask(nodes.heard().await, key_id, &before, "one")
        .await
        .unwrap();
    hosts.publish(URL, &[("one", &after)]);
    team.clock.advance(chrono::TimeDelta::seconds(31));
    let fetched = team.services.fetch_keys(&team.host, key_id);
    fetched.await.unwrap();
    ask(nodes.heard().await, key_id, &before, "one")
        .await
        .unwrap_err();
}

async fn check_100_the_counts_of_credentials(nodes: Nodes) {
    let Nodes { team, other, .. } = &nodes;
    let before = other.count_credentials(&team.host).await.unwrap().all;
    team.issue("legacy", &[("data", "read")]).await;
    let after = other.count_credentials(&team.host).await.unwrap().all;
    assert_eq!(after, before + 1);
}

/// Sessions are in no cache: each request asks the store.
async fn check_100_a_session(nodes: Nodes) {
    let Nodes { team, other, .. } = &nodes;
    let mara = team.log_in(team.mara.id).await;
    let sessions = team
        .store
        .list_sessions_of(team.mara.id, team.services.now());
    let id = sessions.await.unwrap()[0].id;
    let found = async || {
        let actor = other.actor_of_session(id, RequestFacts::default()).await;
        actor.unwrap().is_some()
    };
    assert!(found().await);
    let jon = team.add("Jon", "jon@example.com", "superuser").await;
    let jon = team.log_in(jon.id).await;
    team.services
        .disable_person(&jon, mara.person().unwrap().id)
        .await
        .unwrap();
    assert!(!found().await);
}

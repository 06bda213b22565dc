//! Public keys by URL: who gets a token when, and how often and how long a host is asked.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::audit::{Action, Outcome};
use domain::key_id::KeyId;
use http::{Request, Response};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use service::{
    Cause, ClientProof, KeySetRow, Outbound, OutboundError, OutboundUrl, PublicKeyDraft,
    RequestFacts, Rule, ServiceError, Services, TokenError, TokenRequest,
};

use tokio::sync::oneshot;

use crate::harness::{Team, open_asking};
use crate::signing::Program;

pub const URL: &str = "https://app.example.com/jwks.json";
const OTHER: &str = "https://other.example.com/jwks.json";

/// Hosts that answer as a test wants. One that is unknown hangs for as long as the real one lets it.
#[derive(Debug, Default)]
pub struct Hosts {
    answers: Mutex<HashMap<String, Result<String, OutboundError>>>,
    /// What lets the next answers come, which are made at once.
    held: Mutex<VecDeque<oneshot::Receiver<()>>>,
    asked: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Hosts {
    pub fn answer(&self, url: &str, answer: Result<String, OutboundError>) {
        self.answers.lock().unwrap().insert(url.to_owned(), answer);
    }

    /// A key set with the keys of these programs, each under its `kid`.
    pub fn publish(&self, url: &str, programs: &[(&str, &Program)]) {
        let keys: Vec<Value> = programs
            .iter()
            .map(|(kid, program)| {
                let mut jwk = program.jwk();
                jwk["kid"] = json!(kid);
                jwk
            })
            .collect();
        self.answer(url, Ok(json!({ "keys": keys }).to_string()));
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Holds the next answer back, or the one after those that are held, until what this returns is dropped.
    pub fn hold(&self) -> oneshot::Sender<()> {
        let (release, held) = oneshot::channel();
        self.held.lock().unwrap().push_back(held);
        release
    }
}

#[async_trait]
impl Outbound for Hosts {
    async fn send(
        &self,
        url: &OutboundUrl,
        _: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, OutboundError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let held = self.held.lock().unwrap().pop_front();
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        let answer = self
            .answers
            .lock()
            .unwrap()
            .get(url.as_url().as_str())
            .cloned();
        let pause = if answer.is_some() { 20 } else { 300 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if let Some(released) = held {
            let _ = released.await;
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        answer
            .unwrap_or(Err(OutboundError::TimedOut))
            .map(|text| Response::new(text.into_bytes()))
    }
}

struct Scene {
    team: Team,
    hosts: Arc<Hosts>,
    program: Program,
    key_id: KeyId,
}

impl Scene {
    /// A credential whose host publishes the key of its program, which was fetched when it was issued.
    async fn new() -> Self {
        let hosts = Arc::<Hosts>::default();
        let program = Program::new(Algorithm::EdDSA);
        hosts.publish(URL, &[("one", &program)]);
        let team = Team::asking(hosts.clone()).await;
        let key_id = issue(&team, URL).await;
        assert_eq!(hosts.asked(), 1);
        Self {
            team,
            hosts,
            program,
            key_id,
        }
    }

    fn pass(&self, time: TimeDelta) {
        self.team.clock.advance(time);
    }

    async fn ask_as(&self, program: &Program, kid: &str) -> Result<(), TokenError> {
        ask(&self.team.services, self.key_id, program, kid).await
    }

    async fn ask(&self) -> Result<(), TokenError> {
        self.ask_as(&self.program, "one").await
    }

    /// What the credential's page shows.
    async fn shown(&self) -> KeySetRow {
        let services = &self.team.services;
        let record = services.credential(&self.team.host, self.key_id).await;
        record.unwrap().key_set.unwrap()
    }

    async fn set(&self, url: &str) -> Result<(), ServiceError> {
        let services = &self.team.services;
        services
            .set_key_url(&self.team.host, self.key_id, url)
            .await
    }
}

pub async fn issue(team: &Team, url: &str) -> KeyId {
    let mut draft = team.draft("private_key_jwt", &[("accounts", "read")]);
    draft.jwks_url = Some(url.to_owned());
    let issued = team
        .services
        .issue_credential(&team.host, &draft, None)
        .await;
    issued.unwrap().credential.key_id
}

pub fn assertion(services: &Services, key_id: KeyId, program: &Program, kid: &str) -> String {
    let now = services.now().timestamp();
    let claims = json!({
        "iss": key_id, "sub": key_id, "aud": services.settings().issuer,
        "iat": now, "exp": now + 60, "jti": service::Token::generate().expose(),
    });
    let mut header = program.header();
    header["kid"] = json!(kid);
    program.sign(&header, &claims)
}

pub async fn ask(
    services: &Services,
    key_id: KeyId,
    program: &Program,
    kid: &str,
) -> Result<(), TokenError> {
    let assertion = assertion(services, key_id, program, kid);
    send(services, &assertion).await
}

pub async fn send(services: &Services, assertion: &str) -> Result<(), TokenError> {
    let request = TokenRequest {
        proof: ClientProof::Assertion {
            client_id: None,
            assertion,
        },
        scope: None,
        resources: &[],
    };
    let issued = services
        .issue_token(request, &RequestFacts::default())
        .await;
    issued.map(|_| ())
}

#[track_caller]
fn refused(outcome: Result<(), TokenError>) {
    match outcome {
        Err(TokenError::InvalidClient(denial)) => assert!(
            matches!(
                *denial.cause,
                Cause::Assertion(Rule::Signature | Rule::Algorithm) | Cause::KeyHost(_)
            ),
            "{}",
            denial.cause
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn fresh_keys_are_used_without_asking_and_old_ones_are_fetched_anew() {
    let scene = Scene::new().await;
    for (passed, asked) in [(0, 1), (299, 1), (1, 2), (299, 2), (1, 3)] {
        scene.pass(TimeDelta::seconds(passed));
        scene.ask().await.unwrap();
        assert_eq!(scene.hosts.asked(), asked);
    }
}

#[tokio::test]
async fn check_72_a_new_key_works_at_once_and_its_host_is_asked_every_30_seconds_at_most() {
    let scene = Scene::new().await;
    let next = Program::new(Algorithm::EdDSA);
    refused(scene.ask_as(&next, "two").await);
    assert_eq!(scene.hosts.asked(), 1, "it was asked a moment ago");
    scene.pass(TimeDelta::seconds(30));
    scene
        .hosts
        .publish(URL, &[("one", &scene.program), ("two", &next)]);
    scene.ask_as(&next, "two").await.unwrap();
    scene.ask().await.unwrap();
    assert_eq!(scene.hosts.asked(), 2);
    // The old key goes, and a stranger tries: nothing is asked before its time.
    scene.hosts.publish(URL, &[("two", &next)]);
    let stranger = Program::new(Algorithm::EdDSA);
    for _ in 0..29 {
        scene.pass(TimeDelta::seconds(1));
        refused(scene.ask_as(&stranger, "three").await);
    }
    assert_eq!(scene.hosts.asked(), 2);
    scene.pass(TimeDelta::seconds(1));
    refused(scene.ask_as(&stranger, "three").await);
    assert_eq!(scene.hosts.asked(), 3);
    refused(scene.ask().await);
    scene.ask_as(&next, "two").await.unwrap();
}

#[tokio::test]
async fn check_72_a_key_of_another_kind_under_the_same_kid_is_found_too() {
    let scene = Scene::new().await;
    let next = Program::new(Algorithm::ES256);
    scene.hosts.publish(URL, &[("one", &next)]);
    scene.pass(TimeDelta::seconds(30));
    scene.ask_as(&next, "one").await.unwrap();
}

#[tokio::test]
async fn check_26_of_several_published_keys_under_one_kid_each_works() {
    let scene = Scene::new().await;
    let [next, stranger] = [(); 2].map(|()| Program::new(Algorithm::EdDSA));
    let elliptic = Program::new(Algorithm::ES256);
    let set = [&scene.program, &next, &elliptic].map(|program| ("one", program));
    scene.hosts.publish(URL, &set);
    scene.pass(TimeDelta::minutes(5));
    for (_, program) in set {
        scene.ask_as(program, "one").await.unwrap();
    }
    refused(scene.ask_as(&stranger, "one").await);
}

#[tokio::test]
async fn check_25_an_assertion_that_is_wrong_anyway_and_keys_that_come_with_it_ask_nobody() {
    let scene = Scene::new().await;
    scene.pass(TimeDelta::seconds(31));
    let stranger = Program::new(Algorithm::EdDSA);
    let now = scene.team.services.now().timestamp();
    let expired = json!({
        "iss": scene.key_id, "sub": scene.key_id, "aud": scene.team.services.settings().issuer,
        "exp": now - 60, "jti": "1",
    });
    let mut header = stranger.header();
    header["jku"] = json!(OTHER);
    header["x5u"] = json!(OTHER);
    assert!(
        send(&scene.team.services, &stranger.sign(&header, &expired))
            .await
            .is_err()
    );
    assert_eq!(scene.hosts.asked(), 1);
}

#[tokio::test]
async fn many_at_once_wait_for_one_question() {
    let scene = Scene::new().await;
    scene.pass(TimeDelta::minutes(5));
    let asking = (0..20).map(|_| scene.ask());
    for outcome in futures(asking).await {
        outcome.unwrap();
    }
    assert_eq!(scene.hosts.asked(), 2);
}

/// All of them at the same time.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut all {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if all.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_stop_the_question() {
    let scene = Scene::new().await;
    scene.pass(TimeDelta::minutes(5));
    let impatient = tokio::time::timeout(Duration::from_millis(5), scene.ask()).await;
    assert!(impatient.is_err());
    scene.ask().await.unwrap();
    assert_eq!(scene.hosts.asked(), 2);
}

#[tokio::test]
async fn hosts_that_hang_cost_a_bounded_time_and_number_of_connections() {
    let hosts = Arc::<Hosts>::default();
    let team = Team::asking(hosts.clone()).await;
    let mut key_ids = Vec::new();
    for number in 0..40 {
        // Issued with a host that answers, so that issuing does not wait.
        let url = format!("https://host{number}.example.com/");
        hosts.answer(&url, Err(OutboundError::Status(404)));
        key_ids.push(issue(&team, &url).await);
        hosts.answers.lock().unwrap().remove(&url);
    }
    team.clock.advance(TimeDelta::minutes(1));
    let program = Program::new(Algorithm::EdDSA);
    let began = std::time::Instant::now();
    let asking = key_ids
        .iter()
        .map(|key_id| ask(&team.services, *key_id, &program, "one"));
    for outcome in futures(asking).await {
        refused(outcome);
    }
    assert_eq!(hosts.most_at_once.load(Ordering::SeqCst), 16);
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn check_71_a_host_that_fails_keeps_its_last_keys_for_24_hours() {
    let scene = Scene::new().await;
    for (answer, problem) in [
        (
            Err(OutboundError::Status(404)),
            "app.example.com answered 404 where 200 was expected",
        ),
        (
            Err(OutboundError::TimedOut),
            "app.example.com took too long to answer",
        ),
        (
            Ok(format!(
                r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{}"}}]}}"#,
                "A".repeat(43)
            )),
            "app.example.com has an Ed25519 key in its key set that anybody can sign for: make a new \
             key pair",
        ),
        (
            Ok("<html>Not here</html>".to_owned()),
            "app.example.com answered with something that is not a set of public keys (JWKS)",
        ),
        (
            Ok(r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#.to_owned()),
            "app.example.com publishes a private or a symmetric key: take it down, and treat it as \
             leaked",
        ),
    ] {
        scene.hosts.answer(URL, answer);
        scene.pass(TimeDelta::minutes(5));
        scene.ask().await.unwrap();
        let shown = scene.shown().await;
        assert_eq!(shown.problem.as_deref(), Some(problem));
        assert_eq!(shown.asked_at, Some(scene.team.services.now()));
        assert_eq!(shown.keys.len(), 1);
    }
    let fetched_at = scene.shown().await.fetched_at.unwrap();
    let last_moment = fetched_at + TimeDelta::hours(24) - scene.team.services.now();
    scene.pass(last_moment - TimeDelta::milliseconds(1));
    scene.ask().await.unwrap();
    scene.pass(TimeDelta::milliseconds(1));
    let Err(TokenError::InvalidClient(denial)) = scene.ask().await else {
        panic!("the keys are too old");
    };
    let words = denial.cause.to_string();
    let why = "signature: app.example.com publishes a private or a symmetric key";
    assert!(words.contains(why), "{words}");
    scene.hosts.publish(URL, &[("one", &scene.program)]);
    scene.pass(TimeDelta::seconds(30));
    scene.ask().await.unwrap();
    assert_eq!(scene.shown().await.problem, None);
}

#[tokio::test]
async fn another_url_forgets_the_keys_of_the_one_before_at_once() {
    let scene = Scene::new().await;
    let other = Program::new(Algorithm::EdDSA);
    scene.hosts.publish(OTHER, &[("other", &other)]);
    scene.set(OTHER).await.unwrap();
    refused(scene.ask().await);
    scene.ask_as(&other, "other").await.unwrap();
    // Back to the first, which has other keys by now.
    scene.pass(TimeDelta::seconds(1));
    scene.hosts.publish(URL, &[("other", &other)]);
    scene.set(URL).await.unwrap();
    refused(scene.ask().await);
    scene.ask_as(&other, "other").await.unwrap();
}

#[tokio::test]
async fn a_credential_goes_from_keys_to_a_url_and_back() {
    let scene = Scene::new().await;
    let services = &scene.team.services;
    let pasted = Program::new(Algorithm::EdDSA);
    let draft = PublicKeyDraft {
        public_key: pasted.public_key.clone(),
        expires: "never".to_owned(),
        ..PublicKeyDraft::default()
    };
    services
        .add_public_keys(&scene.team.host, scene.key_id, &draft)
        .await
        .unwrap();
    scene.ask_as(&pasted, "ed").await.unwrap();
    refused(scene.ask().await);
    scene.pass(TimeDelta::seconds(1));
    scene.set(URL).await.unwrap();
    scene.ask().await.unwrap();
    refused(scene.ask_as(&pasted, "ed").await);
    let story = services.credential_story(&scene.team.host, scene.key_id);
    let story: Vec<_> = story
        .await
        .unwrap()
        .into_iter()
        .map(|entry| (entry.event.action, entry.event.detail))
        .collect();
    assert_eq!(story[0].0, Action::KeyUrlSet);
    assert!(story[0].1.contains(URL), "{}", story[0].1);
    assert_eq!(story[1].0, Action::PublicKeyAdded);
    assert!(
        story[1].1.contains(&format!(r#""in_place_of":"{URL}""#)),
        "{}",
        story[1].1
    );
    assert_eq!(story[2].0, Action::CredentialIssued);
    assert!(
        story[2].1.contains(&format!(r#""key_url":"{URL}""#)),
        "{}",
        story[2].1
    );
}

#[tokio::test]
async fn a_restart_and_another_replica_know_what_came_last() {
    let scene = Scene::new().await;
    scene.hosts.answer(URL, Err(OutboundError::Unreachable));
    scene.pass(TimeDelta::minutes(6));
    scene.ask().await.unwrap();
    let (store, clock) = (scene.team.store.clone(), scene.team.clock.clone());
    let restarted = Scene {
        team: Team {
            services: open_asking(store, clock, scene.hosts.clone()).await,
            ..scene.team
        },
        ..scene
    };
    let shown = restarted.shown().await;
    let words = "app.example.com can't be reached, or has no certificate that this server trusts";
    assert_eq!(shown.problem.as_deref(), Some(words));
    assert_eq!(shown.keys.len(), 1);
    let before = restarted.hosts.asked();
    restarted.ask().await.unwrap();
    assert_eq!(restarted.hosts.asked(), before + 1);
    restarted.pass(TimeDelta::hours(24));
    refused(restarted.ask().await);
}

#[tokio::test]
async fn a_person_can_have_the_keys_fetched_at_once() {
    let scene = Scene::new().await;
    let next = Program::new(Algorithm::EdDSA);
    scene.hosts.publish(URL, &[("two", &next)]);
    scene.pass(TimeDelta::seconds(1));
    let services = &scene.team.services;
    services
        .fetch_keys(&scene.team.host, scene.key_id)
        .await
        .unwrap();
    let stored = scene.team.store.find_credential(scene.key_id).await;
    let stored = stored.unwrap().unwrap().key_set.unwrap();
    assert_eq!(stored.asked_at, Some(services.now()));
    assert_eq!(stored.keys[0].kid.as_deref(), Some("two"));
    scene.ask_as(&next, "two").await.unwrap();
}

#[tokio::test]
async fn only_superusers_set_urls_and_have_keys_fetched() {
    let scene = Scene::new().await;
    let services = &scene.team.services;
    let user = scene
        .team
        .add("Ida Lund", "ida@example.com", "operations")
        .await;
    let ida = scene.team.log_in(user.id).await;
    let set = services.set_key_url(&ida, scene.key_id, OTHER).await;
    assert!(matches!(set, Err(ServiceError::Denied(_))), "{set:?}");
    let fetched = services.fetch_keys(&ida, scene.key_id).await;
    assert!(
        matches!(fetched, Err(ServiceError::Denied(_))),
        "{fetched:?}"
    );
    assert_eq!(scene.hosts.asked(), 1);
    assert_eq!(scene.shown().await.url, URL);
    let story = services.credential_story(&ida, scene.key_id).await.unwrap();
    let denied: Vec<_> = story
        .iter()
        .filter(|entry| entry.event.outcome == Outcome::Denied)
        .map(|entry| entry.event.action)
        .collect();
    assert_eq!(denied, [Action::KeysFetched, Action::KeyUrlSet]);
}

#[tokio::test]
async fn a_url_that_cannot_be_asked_is_refused_at_its_field() {
    let scene = Scene::new().await;
    for url in [
        "http://app.example.com/",
        "https://127.0.0.1/",
        "https://u:p@app.example.com/",
        "",
    ] {
        match scene.set(url).await {
            Err(ServiceError::Invalid(errors)) => assert_eq!(errors[0].field, "jwks_url", "{url}"),
            other => panic!("{url}: {other:?}"),
        }
    }
    assert_eq!(scene.shown().await.url, URL);
    let mut draft = scene.team.draft("private_key_jwt", &[("accounts", "read")]);
    draft.jwks_url = Some("https://169.254.169.254/".to_owned());
    let services = &scene.team.services;
    let issued = services
        .issue_credential(&scene.team.host, &draft, None)
        .await;
    assert!(
        matches!(issued, Err(ServiceError::Invalid(_))),
        "{issued:?}"
    );
    assert_eq!(scene.hosts.asked(), 1);
}

#[tokio::test]
async fn the_debugger_uses_the_same_keys_and_says_why_there_are_none() {
    let scene = Scene::new().await;
    let services = &scene.team.services;
    let signature = async |program: &Program| {
        let assertion = assertion(&scene.team.services, scene.key_id, program, "one");
        let report = services.debug_assertion(&scene.team.host, &assertion).await;
        let findings = report.unwrap().findings.into_iter();
        let mut signatures = findings.filter(|finding| finding.rule == Rule::Signature);
        signatures.next().unwrap()
    };
    assert!(signature(&scene.program).await.passed);
    scene.hosts.answer(URL, Err(OutboundError::Redirect(302)));
    scene.pass(TimeDelta::hours(24));
    let finding = signature(&scene.program).await;
    assert!(!finding.passed);
    assert!(
        finding.found.contains("app.example.com answered 302"),
        "{}",
        finding.found
    );
}

//! Random stories of two credentials against a model: the token endpoint, introspection and the
//! gate must agree with it, and so with each other, after every step (check 36).

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use domain::Instant;
use domain::draft::CredentialDraft;
use domain::key_id::KeyId;
use domain::scope::AccessLevel;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use service::{
    CredentialChange, GatewayDraft, Introspector, IssuedCredential, RequestFacts, Services,
};

use crate::gateways::revoke;
use crate::harness::{Team, call_with_secret, call_with_token, open, token_from};

/// What may happen next.
#[derive(Debug, Clone)]
enum Step {
    /// New credentials that end after so many hours take the place of those under test.
    Issue(i64),
    Access(AccessLevel),
    /// The end is moved to so many hours from now.
    MoveEnd(i64),
    Quarantine,
    Enable,
    Revoke,
    AskToken,
    RevokeToken,
    RotateSigningKey,
    Restart,
    Wait(i64),
    /// The clock moves to so many seconds before the end.
    WaitForEnd(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..4_i64).prop_map(Step::Issue),
        4 => prop_oneof![
            Just(AccessLevel::None), Just(AccessLevel::Read), Just(AccessLevel::Write),
        ].prop_map(Step::Access),
        2 => (1..4_i64).prop_map(Step::MoveEnd),
        3 => Just(Step::Quarantine),
        4 => Just(Step::Enable),
        1 => Just(Step::Revoke),
        6 => Just(Step::AskToken),
        2 => Just(Step::RevokeToken),
        1 => Just(Step::RotateSigningKey),
        2 => Just(Step::Restart),
        4 => prop_oneof![Just(1), Just(60), Just(899), Just(900), Just(3_600)].prop_map(Step::Wait),
        4 => prop_oneof![Just(600), Just(1), Just(0)].prop_map(Step::WaitForEnd),
    ]
}

/// A token: what it was issued for, when it ends, whether it was revoked.
#[derive(Debug, Clone)]
struct Held {
    token: String,
    level: AccessLevel,
    ends: Instant,
    is_revoked: bool,
}

/// What must be true of a credential.
#[derive(Debug, Clone)]
struct Model {
    level: AccessLevel,
    disabled: bool,
    revoked: bool,
    ends: Instant,
    tokens: Vec<Held>,
}

impl Model {
    fn of(issued: &IssuedCredential) -> Self {
        Self {
            level: AccessLevel::Write,
            disabled: false,
            revoked: false,
            ends: issued.credential.expires_at.unwrap(),
            tokens: Vec::new(),
        }
    }

    fn is_active(&self, now: Instant) -> bool {
        !self.disabled && !self.revoked && now < self.ends
    }
}

/// Both calls of the scope, and the level that each needs.
const CALLS: [(&str, &str, AccessLevel); 2] = [
    ("GET", "/v1/journals", AccessLevel::Read),
    ("POST", "/v1/journals", AccessLevel::Write),
];

struct World {
    team: Team,
    services: Services,
    gateway: Introspector,
    oauth: IssuedCredential,
    legacy: IssuedCredential,
    model: Model,
    /// How many tokens were asked for.
    asked: AtomicU32,
}

/// A draft of these credentials with this level.
fn draft(team: &Team, flow: &str, level: AccessLevel) -> CredentialDraft {
    team.draft(
        flow,
        &[("journaling", level.as_str()), ("accounts", "read")],
    )
}

/// The draft with its end so many hours from now.
fn ending(draft: CredentialDraft, now: Instant, hours: i64) -> CredentialDraft {
    CredentialDraft {
        expires: "custom".into(),
        expires_at: (now + TimeDelta::hours(hours))
            .format("%Y-%m-%dT%H:%M:%S")
            .to_string(),
        ..draft
    }
}

/// New credentials, one of each flow that the model knows.
async fn pair(team: &Team, services: &Services, hours: i64) -> [IssuedCredential; 2] {
    let issue = async |flow| {
        let draft = draft(team, flow, AccessLevel::Write);
        let draft = ending(draft, services.now(), hours);
        let issued = services.issue_credential(&team.host, &draft, None).await;
        issued.unwrap()
    };
    [issue("client_secret").await, issue("legacy").await]
}

impl World {
    async fn new(url: &str) -> Self {
        let team = Team::at(url).await;
        let services = team.services.clone();
        let name = format!("model {}", service::Token::generate().expose());
        let draft = GatewayDraft {
            audiences: String::new(),
            name: name.chars().take(40).collect(),
            kind: "introspection".into(),
            addresses: String::new(),
        };
        let (_, shown) = services.add_gateway(&team.host, &draft).await.unwrap();
        let gateway = services.authenticate_gateway(shown.expose(), None).await;
        let [oauth, legacy] = pair(&team, &services, 2).await;
        Self {
            gateway: gateway.unwrap().unwrap().introspector().unwrap(),
            team,
            services,
            model: Model::of(&oauth),
            oauth,
            legacy,
            asked: AtomicU32::new(0),
        }
    }

    /// Asks for a token, each time from another address: what failed before slows nobody down.
    async fn ask(&self) -> Option<Held> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let facts = RequestFacts {
            address: Some(Ipv4Addr::from(0x0a00_0000 + number).into()),
            request_id: None,
        };
        let token = token_from(&self.services, &self.oauth, &facts).await.ok()?;
        Some(Held {
            token,
            level: self.model.level,
            ends: (self.services.now() + TimeDelta::minutes(15)).min(self.model.ends),
            is_revoked: false,
        })
    }

    /// Does a step to both credentials, in the world and in the model.
    async fn go(&mut self, step: &Step) {
        self.change_both(step).await;
        let now = self.services.now();
        let is_active = self.model.is_active(now);
        let has_ended = self.model.revoked || now >= self.model.ends;
        match step {
            Step::Issue(hours) => {
                [self.oauth, self.legacy] = pair(&self.team, &self.services, *hours).await;
                self.model = Model::of(&self.oauth);
            }
            Step::Access(level) if !has_ended => self.model.level = *level,
            Step::MoveEnd(hours) if !has_ended => {
                self.model.ends = now + TimeDelta::hours(*hours);
            }
            Step::Quarantine if is_active => self.model.disabled = true,
            Step::Enable if !has_ended => self.model.disabled = false,
            Step::Revoke => (self.model.revoked, self.model.disabled) = (true, false),
            Step::AskToken => {
                let asked = self.ask().await;
                assert_eq!(asked.is_some(), is_active, "{:?}", self.model);
                self.model.tokens.extend(asked);
            }
            Step::RevokeToken => {
                if let Some(held) = self.model.tokens.last_mut() {
                    let ended = revoke(&self.services, &self.oauth, &held.token).await;
                    assert_eq!(ended.is_ok(), is_active);
                    held.is_revoked |= is_active;
                }
            }
            Step::RotateSigningKey => {
                let host = &self.team.host;
                let rotated = self.services.rotate_signing_key(host).await;
                // A PostgreSQL has a clock of its own, which does not move with ours.
                let is_apart = self.services.clock_skew().is_some();
                assert!(rotated.is_ok() || is_apart, "{rotated:?}");
            }
            Step::Restart => {
                self.services.note_time().await.unwrap();
                self.services = open(self.team.store.clone(), self.team.clock.clone()).await;
                self.services.catch_up().await.unwrap();
            }
            Step::Wait(seconds) => self.team.clock.advance(TimeDelta::seconds(*seconds)),
            Step::WaitForEnd(before) => {
                let wait = self.model.ends - now - TimeDelta::seconds(*before);
                self.team.clock.advance(wait.max(TimeDelta::zero()));
            }
            _ => {}
        }
    }

    /// Does what a person may do to both credentials, and compares whether that was possible.
    async fn change_both(&self, step: &Step) {
        let (services, host, model) = (&self.services, &self.team.host, &self.model);
        let now = services.now();
        let has_ended = model.revoked || now >= model.ends;
        for key_id in [self.oauth.credential.key_id, self.legacy.credential.key_id] {
            let (done, expected) = match step {
                Step::Access(level) => {
                    let draft = draft(&self.team, "", *level);
                    let expires = "keep".into();
                    let done = self
                        .edit(key_id, CredentialDraft { expires, ..draft })
                        .await;
                    (done, !has_ended)
                }
                Step::MoveEnd(hours) => {
                    let draft = draft(&self.team, "", model.level);
                    let done = self.edit(key_id, ending(draft, now, *hours)).await;
                    (done, !has_ended)
                }
                Step::Quarantine => {
                    let done = services.disable_credential(host, key_id, "leaked").await;
                    (done.is_ok(), model.is_active(now))
                }
                Step::Enable => {
                    let done = services.enable_credential(host, key_id, "").await;
                    (done.is_ok(), model.disabled && !has_ended)
                }
                Step::Revoke => {
                    let done = services.revoke_credential(host, key_id, "").await;
                    (done.is_ok(), !model.revoked)
                }
                _ => return,
            };
            assert_eq!(done, expected, "{step:?} {model:?}");
        }
    }

    /// Edits a credential; whether that was possible.
    async fn edit(&self, key_id: KeyId, draft: CredentialDraft) -> bool {
        let (services, host) = (&self.services, &self.team.host);
        let read = services.credential(host, key_id).await.unwrap();
        let read = read.credential.updated_at;
        let change = CredentialChange { draft, read };
        services
            .edit_credential(host, key_id, &change)
            .await
            .is_ok()
    }

    /// Compares every surface with the model.
    async fn check(&self, step: &Step) -> Result<(), TestCaseError> {
        let is_active = self.model.is_active(self.services.now());
        let fresh = self.ask().await;
        prop_assert_eq!(
            fresh.is_some(),
            is_active,
            "token endpoint after {:?}",
            step
        );
        for (method, path, needs) in CALLS {
            let called = call_with_secret(&self.services, &self.legacy, method, path).await;
            let expected = is_active && self.model.level >= needs;
            prop_assert_eq!(
                called.is_ok(),
                expected,
                "legacy {} after {:?}",
                method,
                step
            );
            for held in self.model.tokens.iter().chain(&fresh) {
                self.check_token(held, (method, path, needs), step).await?;
            }
        }
        Ok(())
    }

    /// Compares what the gate and introspection say of a token with the model.
    async fn check_token(
        &self,
        held: &Held,
        (method, path, needs): (&str, &str, AccessLevel),
        step: &Step,
    ) -> Result<(), TestCaseError> {
        let now = self.services.now();
        let lives = self.model.is_active(now) && now < held.ends && !held.is_revoked;
        // Narrowing bites at once; widening does not reach into a token.
        let reaches = self.model.level.min(held.level) >= needs;
        let called = call_with_token(&self.services, &held.token, method, path).await;
        prop_assert_eq!(
            called.is_ok(),
            lives && reaches,
            "token {} after {:?}",
            method,
            step
        );
        let told = self.services.introspect(&self.gateway, &held.token).await;
        let told = told.unwrap();
        prop_assert_eq!(told.is_some(), lives, "introspection after {:?}", step);
        if let Some(told) = &told {
            let told = told.told();
            let word = if method == "GET" {
                "journaling:read"
            } else {
                "journaling:write"
            };
            let says = told.scope.split(' ').any(|scope| scope == word);
            prop_assert_eq!(says, reaches, "{} after {:?}", told.scope, step);
        }
        Ok(())
    }
}

fn stories(database: impl Fn() -> String, cases: u32) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let steps = proptest::collection::vec(step(), 1..40);
    let outcome = runner.run(&steps, |steps| {
        runtime.block_on(async {
            let mut world = World::new(&database()).await;
            for step in &steps {
                world.go(step).await;
                world.check(step).await?;
            }
            Ok(())
        })
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn check_36_every_surface_agrees_with_the_model_on_sqlite() {
    stories(|| "sqlite::memory:".to_owned(), 64);
}

#[test]
fn check_36_every_surface_agrees_with_the_model_on_postgresql() {
    stories(crate::harness::postgres, 8);
}

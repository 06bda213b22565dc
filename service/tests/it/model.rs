//! Random stories of two credentials against a model: the token endpoint, introspection and the
//! gate must agree with it, and so with each other, after every step (check 36).

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use domain::Instant;
use domain::draft::CredentialDraft;
use domain::scope::AccessLevel;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use service::{CredentialChange, GatewayDraft, Introspector, IssuedCredential, Services};

use crate::gateways::revoke;
use crate::harness::{Team, call_with_secret, call_with_token, open, token};

/// What may happen next.
#[derive(Debug, Clone)]
enum Step {
    Access(AccessLevel),
    Quarantine,
    Enable,
    Revoke,
    AskToken,
    RevokeToken,
    RotateSigningKey,
    Restart,
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![
            Just(AccessLevel::None), Just(AccessLevel::Read), Just(AccessLevel::Write),
        ].prop_map(Step::Access),
        3 => Just(Step::Quarantine),
        4 => Just(Step::Enable),
        1 => Just(Step::Revoke),
        6 => Just(Step::AskToken),
        2 => Just(Step::RevokeToken),
        1 => Just(Step::RotateSigningKey),
        2 => Just(Step::Restart),
        4 => prop_oneof![Just(1), Just(60), Just(899), Just(900), Just(86_400)].prop_map(Step::Wait),
    ]
}

/// What must be true of a credential.
#[derive(Debug, Clone)]
struct Model {
    level: AccessLevel,
    disabled: bool,
    revoked: bool,
    ends: Instant,
    /// The tokens: what they were issued for, when they end, whether they were revoked.
    tokens: Vec<(String, AccessLevel, Instant, bool)>,
}

impl Model {
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
}

impl World {
    async fn new(url: &str) -> Self {
        let team = Team::at(url).await;
        let services = team.services.clone();
        let name = format!("model {}", service::Token::generate().expose());
        let draft = GatewayDraft {
            name: name.chars().take(40).collect(),
            kind: "introspection".into(),
            addresses: String::new(),
        };
        let (_, shown) = services.add_gateway(&team.host, &draft).await.unwrap();
        let gateway = services.authenticate_gateway(shown.expose(), None).await;
        let levels = [("journaling", "write"), ("accounts", "read")];
        let oauth = team.issue("client_secret", &levels).await;
        let legacy = team.issue("legacy", &levels).await;
        let model = Model {
            level: AccessLevel::Write,
            disabled: false,
            revoked: false,
            ends: oauth.credential.expires_at.unwrap(),
            tokens: Vec::new(),
        };
        Self {
            gateway: gateway.unwrap().unwrap().introspector().unwrap(),
            team,
            services,
            oauth,
            legacy,
            model,
        }
    }

    /// Does a step to both credentials, in the world and in the model.
    async fn go(&mut self, step: &Step) {
        let now = self.services.now();
        let is_active = self.model.is_active(now);
        let has_ended = self.model.revoked || now >= self.model.ends;
        let (services, host) = (&self.services, &self.team.host);
        for key_id in [self.oauth.credential.key_id, self.legacy.credential.key_id] {
            let done = match step {
                Step::Access(level) => {
                    let read = services.credential(host, key_id).await.unwrap().credential;
                    let draft = CredentialDraft {
                        expires: "keep".into(),
                        levels: [
                            ("journaling".to_owned(), level.as_str().to_owned()),
                            ("accounts".to_owned(), "read".to_owned()),
                        ]
                        .into(),
                        ..self.team.draft("", &[])
                    };
                    let read = read.updated_at;
                    let change = CredentialChange { draft, read };
                    let edited = services.edit_credential(host, key_id, &change).await;
                    Some((edited.is_ok(), !has_ended))
                }
                Step::Quarantine => {
                    let done = services.disable_credential(host, key_id, "leaked").await;
                    Some((done.is_ok(), is_active))
                }
                Step::Enable => {
                    let done = services.enable_credential(host, key_id, "").await;
                    Some((done.is_ok(), self.model.disabled && !has_ended))
                }
                Step::Revoke => {
                    let done = services.revoke_credential(host, key_id, "").await;
                    Some((done.is_ok(), !self.model.revoked))
                }
                _ => None,
            };
            if let Some((done, expected)) = done {
                assert_eq!(done, expected, "{step:?} {:?}", self.model);
            }
        }
        match step {
            Step::Access(level) if !has_ended => self.model.level = *level,
            Step::Quarantine if is_active => self.model.disabled = true,
            Step::Enable if !has_ended => self.model.disabled = false,
            Step::Revoke => (self.model.revoked, self.model.disabled) = (true, false),
            Step::AskToken => {
                let asked = token(services, &self.oauth).await;
                assert_eq!(asked.is_ok(), is_active, "{:?}", self.model);
                if let Ok(token) = asked {
                    let end = (now + TimeDelta::minutes(15)).min(self.model.ends);
                    self.model
                        .tokens
                        .push((token, self.model.level, end, false));
                }
            }
            Step::RevokeToken => {
                if let Some((token, _, _, is_revoked)) = self.model.tokens.last_mut() {
                    let ended = revoke(services, &self.oauth, token).await;
                    assert_eq!(ended.is_ok(), is_active);
                    *is_revoked |= is_active;
                }
            }
            Step::RotateSigningKey => {
                services.rotate_signing_key(host).await.unwrap();
            }
            Step::Restart => {
                self.services = open(self.team.store.clone(), self.team.clock.clone()).await;
                self.services.catch_up().await.unwrap();
            }
            Step::Wait(seconds) => self.team.clock.advance(TimeDelta::seconds(*seconds)),
            _ => {}
        }
    }

    /// Compares every surface with the model.
    async fn check(&self, step: &Step) -> Result<(), TestCaseError> {
        let now = self.services.now();
        let is_active = self.model.is_active(now);
        for (method, path, needs) in CALLS {
            let reaches = |has: AccessLevel| has >= needs;
            let called = call_with_secret(&self.services, &self.legacy, method, path).await;
            let expected = is_active && reaches(self.model.level);
            prop_assert_eq!(
                called.is_ok(),
                expected,
                "legacy {} after {:?}",
                method,
                step
            );
            for (token, issued, end, is_revoked) in &self.model.tokens {
                let lives = is_active && now < *end && !is_revoked;
                // Narrowing bites at once; widening does not reach into a token.
                let has = self.model.level.min(*issued);
                let called = call_with_token(&self.services, token, method, path).await;
                let expected = lives && reaches(has);
                prop_assert_eq!(
                    called.is_ok(),
                    expected,
                    "token {} after {:?}",
                    method,
                    step
                );
                let told = self.services.introspect(&self.gateway, token).await;
                let told = told.unwrap();
                prop_assert_eq!(told.is_some(), lives, "introspection after {:?}", step);
                if let Some(told) = told {
                    let word = if method == "GET" {
                        "journaling:read"
                    } else {
                        "journaling:write"
                    };
                    let says = told.scope.split(' ').any(|scope| scope == word);
                    prop_assert_eq!(says, reaches(has), "{} after {:?}", told.scope, step);
                }
            }
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

/// How many databases were made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A new database on the server that `tools/postgres.sh start` started.
fn postgres() -> String {
    let server = std::env::var("KEYRACK_TEST_POSTGRES")
        .expect("KEYRACK_TEST_POSTGRES names a server: eval \"$(tools/postgres.sh start)\"");
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("model_{}_{number}", std::process::id());
    let made = std::process::Command::new("psql")
        .args([&server, "-qc", &format!("CREATE DATABASE {name}")])
        .status();
    assert!(made.unwrap().success(), "no database was made");
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

#[test]
fn check_36_every_surface_agrees_with_the_model_on_postgresql() {
    stories(postgres, 8);
}

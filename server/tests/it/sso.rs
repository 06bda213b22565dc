//! Log-in at an OpenID provider, through the real router, at a provider that is really asked.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use domain::audit::{Action, Outcome};
use domain::groups::RoleMap;
use domain::role::Role;
use domain::user::User;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use service::crypto::hash_token;
use service::{
    AddPerson, Conflict, PasswordLogIn, ProviderSettings, ServiceError, SessionRow, SsoSettings,
};
use url::Url;

use crate::app::{Answer, PUBLIC_URL, TestApp};
use crate::identity_provider::{Inner, Mood, Provider, SigningKey};

const PASSWORD: &str = "mice juggle seven lamps";
/// What a log-in may take at most at a provider that never answers: five seconds, and some for us.
const BOUND: Duration = Duration::from_secs(8);
const ROLES: [&str; 3] = ["admins=superuser", "ops=operations", "help=support"];

struct Scene {
    app: TestApp,
    provider: Provider,
}

/// A browser on its way to the provider.
struct Begun {
    url: Url,
    ticket: String,
}

impl Begun {
    fn parameter(&self, name: &str) -> String {
        let found = self.url.query_pairs().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no {name}")).1.into_owned()
    }
}

fn ada() -> Value {
    json!({
        "sub": "ada-7", "email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace",
        "groups": ["staff", "ops"],
    })
}

fn with(changes: Value) -> Value {
    let mut claims = ada();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

impl Scene {
    async fn new() -> Self {
        Self::with(PasswordLogIn::Everybody, |settings| settings).await
    }

    async fn with(
        passwords: PasswordLogIn,
        change: impl FnOnce(ProviderSettings) -> ProviderSettings,
    ) -> Self {
        let provider = Provider::start(1_795_500_000).await;
        let settings = vec![change(provider.settings(&ROLES))];
        Self::of(provider, settings, passwords).await
    }

    async fn of(
        provider: Provider,
        providers: Vec<ProviderSettings>,
        passwords: PasswordLogIn,
    ) -> Self {
        let sso = SsoSettings {
            public_url: PUBLIC_URL.to_owned(),
            providers,
            passwords,
        };
        let app = TestApp::with_sso(sso, None).await;
        Self { app, provider }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        let request = Request::get(path).header(header::COOKIE, cookie);
        self.app.call(request.body(Body::empty()).unwrap()).await
    }

    async fn begin(&self) -> Begun {
        self.begin_at("acme").await
    }

    async fn begin_at(&self, provider: &str) -> Begun {
        let path = format!("/sso/{provider}?next=/catalogue");
        let answer = self.get(&path, "").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", text(&answer));
        let cookie = answer.header("set-cookie").unwrap();
        let (ticket, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(
            attributes,
            "Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        Begun {
            url: answer.header("location").unwrap().parse().unwrap(),
            ticket: ticket.to_owned(),
        }
    }

    /// Comes back from the provider with these parameters.
    async fn come_back(&self, ticket: &str, parameters: &[(&str, &str)]) -> Answer {
        self.come_back_at("acme", ticket, parameters).await
    }

    async fn come_back_at(
        &self,
        provider: &str,
        ticket: &str,
        parameters: &[(&str, &str)],
    ) -> Answer {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(parameters).finish();
        let path = format!("/sso/{provider}/callback?{query}");
        self.get(&path, ticket).await
    }

    /// All the way to the provider and back.
    async fn log_in(&self, claims: Value) -> Answer {
        let begun = self.begin().await;
        let code = self.provider.agree(&begun.url, claims);
        let state = begun.parameter("state");
        self.come_back(&begun.ticket, &[("code", &code), ("state", &state)])
            .await
    }

    async fn user(&self, email: &str) -> Option<User> {
        self.app
            .services
            .person_by_email(&self.app.host, email)
            .await
            .ok()
    }

    /// The newest events of an action: how they ended, and their details.
    async fn events(&self, action: Action) -> Vec<(Outcome, Value)> {
        let log = self.app.audit_log().await;
        let of_action = log.into_iter().filter(|event| event.action == action);
        of_action
            .map(|event| (event.outcome, serde_json::from_str(&event.detail).unwrap()))
            .collect()
    }
}

/// Without the marks that hydration counts by.
fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).replace("<!>", "")
}

/// The session's cookie, if the answer begins one.
fn session(answer: &Answer) -> Option<String> {
    let cookies = answer.headers.get_all(header::SET_COOKIE).iter();
    let mut cookies = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    let cookie = cookies.find(|cookie| cookie.starts_with("__Host-keyrack="))?;
    Some(cookie.to_owned()).filter(|cookie| cookie != "__Host-keyrack=")
}

#[track_caller]
fn refused(answer: &Answer, status: u16, words: &str) {
    let page = text(answer);
    assert_eq!(answer.status.as_u16(), status, "{page}");
    assert!(page.contains(words), "{words} is not in {page}");
    assert_eq!(session(answer), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_65_the_request_has_code_pkce_state_nonce_and_the_exact_way_back() {
    let scene = Scene::new().await;
    let (first, second) = (scene.begin().await, scene.begin().await);
    assert!(
        first
            .url
            .as_str()
            .starts_with(&format!("{}/authorize?", scene.provider.issuer()))
    );
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "keyrack"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", "https://keys.example.com/sso/acme/callback"),
        ("scope", "openid email"),
    ] {
        assert_eq!(first.parameter(name), value, "{name}");
    }
    for name in ["state", "nonce", "code_challenge"] {
        // 32 random bytes in base64url.
        assert_eq!(first.parameter(name).len(), 43, "{name}");
        assert_ne!(first.parameter(name), second.parameter(name), "{name}");
    }
    assert_ne!(first.ticket, second.ticket);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_new_gets_an_account_with_the_role_of_their_groups_and_goes_where_they_wanted() {
    let scene = Scene::new().await;
    let answer = scene.log_in(ada()).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", text(&answer));
    assert_eq!(answer.header("location"), Some("/catalogue"));
    let cookie = session(&answer).unwrap();
    let page = scene.get("/credentials", &cookie).await.ok();
    assert!(text(&page).contains("Ada Lovelace"));
    let user = scene.user("ada@example.com").await.unwrap();
    assert_eq!(
        (user.role, user.name.as_str()),
        (Role::Operations, "Ada Lovelace")
    );
    let made = scene.events(Action::UserProvisioned).await;
    assert_eq!(
        made,
        [(
            Outcome::Done,
            json!({ "email": "ada@example.com", "role": "operations", "by": "Acme" })
        )]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn name_and_address_follow_the_provider_and_a_given_up_address_is_free() {
    let scene = Scene::new().await;
    assert!(session(&scene.log_in(ada()).await).is_some());
    let user = scene.user("ada@example.com").await.unwrap();
    let moved = json!({ "email": "lovelace@example.com", "name": "A. Lovelace" });
    assert!(session(&scene.log_in(with(moved)).await).is_some());
    let moved = scene.user("lovelace@example.com").await.unwrap();
    assert_eq!((moved.id, moved.name.as_str()), (user.id, "A. Lovelace"));
    assert!(scene.user("ada@example.com").await.is_none());
    let change = json!({
        "name": { "from": "Ada Lovelace", "to": "A. Lovelace" },
        "email": { "from": "ada@example.com", "to": "lovelace@example.com" },
        "by": "Acme",
    });
    assert_eq!(
        scene.events(Action::UserChanged).await,
        [(Outcome::Done, change)]
    );
    assert_eq!(scene.events(Action::LogIn).await.len(), 2);
    // Who has the address now is somebody new.
    let heir = with(json!({ "sub": "ada-8", "name": "Ada Byron" }));
    assert!(session(&scene.log_in(heir).await).is_some());
    assert_ne!(scene.user("ada@example.com").await.unwrap().id, user.id);
    // An address that is not verified, or somebody else's here, is not followed; the name is.
    for email in [("eve@example.com", false), ("mara@example.com", true)] {
        let claims = json!({ "email": email.0, "email_verified": email.1, "name": "Ada L." });
        assert!(session(&scene.log_in(with(claims)).await).is_some());
        let user = scene.user("lovelace@example.com").await.unwrap();
        assert_eq!(user.name.as_str(), "Ada L.");
    }
    let mara = scene.user("mara@example.com").await.unwrap();
    assert_eq!(mara.id, scene.app.owner.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_break_glass_superuser_stays() {
    let glass = PasswordLogIn::Only(vec!["ada@example.com".parse().unwrap()]);
    let scene = Scene::with(glass, |settings| settings).await;
    assert!(session(&scene.log_in(ada()).await).is_some());
    let moved = json!({ "email": "lovelace@example.com", "name": "A. Lovelace" });
    assert!(session(&scene.log_in(with(moved)).await).is_some());
    let user = scene.user("ada@example.com").await.unwrap();
    assert_eq!(user.name.as_str(), "A. Lovelace");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_of_a_browser_finish_each_by_itself() {
    let scene = Scene::new().await;
    let (first, second) = (scene.begin().await, scene.begin().await);
    let jar = format!("{}; {}", first.ticket, second.ticket);
    for begun in [&first, &second] {
        let code = scene.provider.agree(&begun.url, ada());
        let state = begun.parameter("state");
        let answer = scene
            .come_back(&jar, &[("code", &code), ("state", &state)])
            .await;
        assert!(session(&answer).is_some(), "{}", text(&answer));
        // It ends its own cookie and leaves the other's.
        let cookies = answer.headers.get_all(header::SET_COOKIE).iter();
        let ended = cookies.filter(|cookie| cookie.to_str().unwrap().contains("-sso-"));
        let ended: Vec<_> = ended.map(|cookie| cookie.to_str().unwrap()).collect();
        let name = begun.ticket.split('=').next().unwrap();
        assert!(
            ended.len() == 1 && ended[0].starts_with(&format!("{name}=; Max-Age=0")),
            "{ended:?}"
        );
    }
    // A browser that begins one after the other does not collect them for ever.
    let jar: Vec<_> = (0..8)
        .map(|n| format!("__Host-keyrack-sso-{n}=x"))
        .collect();
    let answer = scene.get("/sso/acme", &jar.join("; ")).await;
    assert_eq!(answer.headers.get_all(header::SET_COOKIE).iter().count(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_66_a_state_works_once_in_its_browser_and_in_time() {
    let scene = Scene::new().await;
    let words = "begun in another browser";
    let (mine, other) = (scene.begin().await, scene.begin().await);
    let agree = |begun: &Begun| scene.provider.agree(&begun.url, ada());
    let code = agree(&mine);
    let state = mine.parameter("state");
    let well = [("code", code.as_str()), ("state", state.as_str())];
    let name = mine.ticket.split('=').next().unwrap();
    refused(&scene.come_back("", &well).await, 400, words);
    refused(
        &scene.come_back(&format!("{name}=guess"), &well).await,
        400,
        words,
    );
    let twice = format!("{}; {name}=guess", mine.ticket);
    refused(&scene.come_back(&twice, &well).await, 400, words);
    // Another browser's ticket is none, whatever its name.
    let (_, ticket) = other.ticket.split_once('=').unwrap();
    refused(
        &scene.come_back(&format!("{name}={ticket}"), &well).await,
        400,
        words,
    );
    refused(&scene.come_back(&other.ticket, &well).await, 400, words);
    let answer = scene.come_back(&mine.ticket, &well).await;
    assert!(session(&answer).is_some(), "{}", text(&answer));
    refused(&scene.come_back(&mine.ticket, &well).await, 400, words);

    for parameters in [
        vec![("code", "x")],
        vec![("code", "x"), ("state", "")],
        vec![("code", "x"), ("state", "wrong")],
        vec![],
    ] {
        let begun = scene.begin().await;
        refused(
            &scene.come_back(&begun.ticket, &parameters).await,
            400,
            words,
        );
    }
    let doubled = scene.begin().await;
    let state = doubled.parameter("state");
    let twice = [("code", "x"), ("state", &state), ("state", "y")];
    refused(&scene.come_back(&doubled.ticket, &twice).await, 400, words);

    let late = scene.begin().await;
    scene.app.clock.advance(chrono::TimeDelta::minutes(10));
    let state = late.parameter("state");
    let well = [("code", "x"), ("state", state.as_str())];
    refused(&scene.come_back(&late.ticket, &well).await, 400, words);
    let reasons = scene.events(Action::SsoRefused).await;
    assert!(
        reasons
            .iter()
            .all(|(outcome, _)| *outcome == Outcome::Denied)
    );
    assert_eq!(reasons.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_66_an_answer_of_another_issuer_is_refused() {
    for (names_itself, iss, is_taken) in [
        (false, None, true),
        (false, Some("right"), true),
        (false, Some("https://evil.example"), false),
        (false, Some(""), false),
        (true, Some("right"), true),
        (true, None, false),
    ] {
        let scene = Scene::new().await;
        scene.provider.inner().names_itself = names_itself;
        let begun = scene.begin().await;
        let code = scene.provider.agree(&begun.url, ada());
        let (state, issuer) = (begun.parameter("state"), scene.provider.issuer());
        let mut parameters = vec![("code", code.as_str()), ("state", &state)];
        let iss = iss.map(|iss| if iss == "right" { issuer.as_str() } else { iss });
        parameters.extend(iss.map(|iss| ("iss", iss)));
        let answer = scene.come_back(&begun.ticket, &parameters).await;
        if is_taken {
            assert!(session(&answer).is_some(), "{iss:?}: {}", text(&answer));
        } else {
            refused(&answer, 400, "another provider");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_67_a_bent_id_token_is_refused_and_audited() {
    let now = 1_795_500_000;
    for (bend, words) in [
        (json!({ "nonce": "another" }), "another log-in"),
        (json!({ "nonce": null }), "another log-in"),
        (json!({ "aud": "somebody-else" }), "for somebody else"),
        (json!({ "aud": [] }), "for somebody else"),
        (
            json!({ "aud": ["keyrack", "b"] }),
            "somebody else asked for",
        ),
        (
            json!({ "aud": ["keyrack", "b"], "azp": "b" }),
            "somebody else asked for",
        ),
        (json!({ "azp": "b" }), "somebody else asked for"),
        (json!({ "iss": "https://evil.example" }), "another issuer"),
        (json!({ "exp": now - 61 }), "has ended"),
        (json!({ "iat": now - 361 }), "has ended"),
        (json!({ "iat": now + 61 }), "has ended"),
        (json!({ "exp": null }), "whose claim exp is missing or"),
        (
            json!({ "exp": "1795500300" }),
            "whose claim exp is missing or",
        ),
        (json!({ "iat": null }), "whose claim iat is missing or"),
        (json!({ "sub": null }), "whose claim sub is missing or"),
        (json!({ "sub": ["ada-7"] }), "whose claim sub is missing or"),
        (json!({ "iss": ["x"] }), "whose claim iss is missing or"),
        (json!({ "aud": 7 }), "whose claim aud is missing or"),
        (json!({ "azp": 7 }), "somebody else asked for"),
    ] {
        let scene = Scene::new().await;
        scene.provider.inner().bend = bend.clone();
        refused(&scene.log_in(ada()).await, 502, words);
        assert!(scene.user("ada@example.com").await.is_none(), "{bend}");
        // Superusers read the same in the audit log.
        let refused = scene.events(Action::SsoRefused).await;
        assert_eq!(refused.len(), 1, "{bend}");
        assert!(refused[0].1.to_string().contains(words), "{refused:?}");
    }
    for bend in [
        json!({ "aud": ["keyrack"] }),
        json!({ "aud": ["b", "keyrack"], "azp": "keyrack" }),
        json!({ "exp": now - 59, "iat": now - 359 }),
        // As Auth0, Amazon Cognito, Apple and others send them.
        json!({ "updated_at": "2026-11-24T06:00:00.000Z" }),
        json!({ "email_verified": "true", "phone_number_verified": "true" }),
        json!({ "amr": "pwd", "acr": 1, "auth_time": "1795500000" }),
        json!({ "auth_time": "2026-11-24T06:00:00Z" }),
        json!({ "sub": 4_711 }),
        json!({ "address": "here", "locale": ["en"], "picture": {}, "birthdate": 1815, "zoneinfo": false }),
        json!({ "name": null, "given_name": "Ada", "family_name": "Lovelace", "unknown": [[{ "a": 1e300 }]] }),
    ] {
        let scene = Scene::new().await;
        scene.provider.inner().bend = bend.clone();
        let answer = scene.log_in(ada()).await;
        assert!(session(&answer).is_some(), "{bend}: {}", text(&answer));
        let user = scene.user("ada@example.com").await.unwrap();
        assert_eq!(user.name.as_str(), "Ada Lovelace", "{bend}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_67_only_an_asymmetric_signature_of_a_published_key_counts() {
    for algorithm in [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ] {
        let scene = Scene::new().await;
        scene.provider.inner().key = SigningKey::new(algorithm, "k");
        let answer = scene.log_in(ada()).await;
        assert!(
            session(&answer).is_some(),
            "{algorithm:?}: {}",
            text(&answer)
        );
    }
    let words = "an ID token whose signature";
    let scene = Scene::new().await;
    scene.provider.inner().unsigned = true;
    refused(&scene.log_in(ada()).await, 502, words);
    // A forger with the kid of the published key, one with another, and one with the client secret.
    for (algorithm, kid) in [
        (Algorithm::ES256, "first"),
        (Algorithm::ES256, "other"),
        (Algorithm::HS256, "first"),
    ] {
        let scene = Scene::new().await;
        scene.provider.inner().forger = Some(SigningKey::new(algorithm, kid));
        refused(&scene.log_in(ada()).await, 502, words);
        assert!(scene.user("ada@example.com").await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_68_an_address_alone_is_nobodys_account() {
    let scene = Scene::new().await;
    let alice = scene.log_in(with(
        json!({ "sub": "alice", "email": "alice@example.com" }),
    ));
    assert!(session(&alice.await).is_some());
    let before = scene.user("alice@example.com").await.unwrap();
    for verified in [json!(false), Value::Null] {
        let eve = json!({
            "sub": "eve", "email": "alice@example.com", "email_verified": verified,
            "groups": ["admins"],
        });
        refused(
            &scene.log_in(with(eve)).await,
            403,
            "address of yours that is verified",
        );
    }
    // Not even a verified one takes over an account of somebody else, or one with a password.
    for email in ["alice@example.com", "mara@example.com"] {
        let eve = json!({ "sub": "eve", "email": email, "groups": ["admins"] });
        let answer = scene.log_in(with(eve)).await;
        refused(&answer, 409, "Ask a superuser to find out whose it is");
        // What would hand the account over is no advice.
        assert!(!text(&answer).contains("user link"), "{}", text(&answer));
    }
    let after = scene.user("alice@example.com").await.unwrap();
    assert_eq!((after.id, after.role), (before.id, before.role));
    assert_eq!(after.last_login_at, before.last_login_at);

    // Whoever runs the host can say that they are one.
    let (services, host) = (&scene.app.services, &scene.app.host);
    let mara = scene.user("mara@example.com").await.unwrap();
    let issuer = scene.provider.issuer();
    services
        .link_identity(host, mara.id, &issuer, "mara-1")
        .await
        .unwrap();
    let claims = json!({ "sub": "mara-1", "email": "mara@example.com", "groups": ["admins"] });
    assert!(session(&scene.log_in(with(claims)).await).is_some());
    let unknown = services.link_identity(host, mara.id, "https://unknown.example", "mara-1");
    assert!(
        matches!(unknown.await, Err(ServiceError::Invalid(fields)) if fields[0].field == "issuer")
    );
    let taken = services.link_identity(host, before.id, &issuer, "mara-1");
    assert!(matches!(
        taken.await,
        Err(ServiceError::Conflict(Conflict::IdentityTaken))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_69_a_removed_group_demotes_and_no_group_ends_the_sessions() {
    let scene = Scene::new().await;
    for (claim, words) in [
        (Value::Null, "none of your groups"),
        (json!("Admins"), "none of your groups"),
        (json!(["Admins"]), "none of your groups"),
    ] {
        let answer = scene.log_in(with(json!({ "groups": claim }))).await;
        refused(&answer, 403, &words.replace("none", "None"));
        assert!(scene.user("ada@example.com").await.is_none());
    }
    let admin = scene
        .log_in(with(json!({ "groups": ["ops", "admins"] })))
        .await;
    let admin = session(&admin).unwrap();
    scene.get("/audit", &admin).await.ok();
    let demoted = session(&scene.log_in(ada()).await).unwrap();
    // At once: no older session goes on with it.
    assert_eq!(
        scene.get("/audit", &admin).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        scene.get("/audit", &demoted).await.status,
        StatusCode::FORBIDDEN
    );
    let mapped = scene.events(Action::UserRoleMapped).await;
    let change = json!({ "role": { "from": "superuser", "to": "operations" }, "by": "Acme" });
    assert_eq!(mapped, [(Outcome::Done, change)]);

    let answer = scene.log_in(with(json!({ "groups": [] }))).await;
    refused(&answer, 403, "None of your groups");
    for cookie in [admin, demoted] {
        let answer = scene.get("/credentials", &cookie).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_69_nobody_is_demoted_because_their_groups_are_not_known() {
    let lowest = RoleMap::new(&["admins=superuser".to_owned()], Some(Role::Support)).unwrap();
    let change = |settings| ProviderSettings {
        roles: lowest,
        ..settings
    };
    let scene = Scene::with(PasswordLogIn::Everybody, change).await;
    let admin = with(json!({ "groups": ["admins"] }));
    let cookie = session(&scene.log_in(admin).await).unwrap();
    for (claims, words) in [
        (
            json!({ "groups": null, "_claim_names": { "groups": "src1" } }),
            "assigned to the application",
        ),
        (
            json!({ "groups": null, "hasgroups": true }),
            "assigned to the application",
        ),
        (
            json!({ "groups": { "admins": true } }),
            "the claim groups is neither",
        ),
        (
            json!({ "groups": ["admins", 7] }),
            "the claim groups is neither",
        ),
    ] {
        let answer = scene.log_in(with(claims)).await;
        refused(&answer, 403, words);
        // Their session goes on, and so does their role.
        scene.get("/audit", &cookie).await.ok();
    }
    let many: Vec<_> = (0..2_000).map(|n| format!("group-{n}")).collect();
    let many = [many, vec!["admins".to_owned()]].concat();
    let many = with(json!({ "groups": many }));
    let answer = scene.log_in(many).await;
    assert!(session(&answer).is_some(), "{}", text(&answer));
    let user = scene.user("ada@example.com").await.unwrap();
    assert_eq!(user.role, Role::Superuser);
    assert_eq!(scene.events(Action::UserRoleMapped).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_found_within_other_claims() {
    let change = |settings| ProviderSettings {
        groups_claim: "realm_access.roles".to_owned(),
        ..settings
    };
    let scene = Scene::with(PasswordLogIn::Everybody, change).await;
    let claims = with(json!({ "groups": ["admins"], "realm_access": { "roles": ["ops"] } }));
    assert!(session(&scene.log_in(claims).await).is_some());
    let user = scene.user("ada@example.com").await.unwrap();
    assert_eq!(user.role, Role::Operations);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_69_the_last_superuser_stays_one() {
    let scene = Scene::new().await;
    let admins = with(json!({ "groups": ["admins"] }));
    assert!(session(&scene.log_in(admins).await).is_some());
    let mara = scene.app.owner.id;
    scene
        .app
        .services
        .disable_person(&scene.app.host, mara)
        .await
        .unwrap();
    // Somebody who was invited and never came in is of no help.
    let invited = AddPerson {
        name: "Jonas Lind".to_owned(),
        email: "jonas@example.com".to_owned(),
        role: "superuser".to_owned(),
    };
    let invited = scene.app.services.add_person(&scene.app.host, &invited);
    invited.await.unwrap();
    assert!(session(&scene.log_in(ada()).await).is_some());
    let user = scene.user("ada@example.com").await.unwrap();
    assert_eq!(user.role, Role::Superuser);
    let reason = json!({ "reason": "the last active superuser stays one", "by": "Acme" });
    let mapped = scene.events(Action::UserRoleMapped).await;
    assert_eq!(mapped, [(Outcome::Denied, reason)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_person_stays_out() {
    let scene = Scene::new().await;
    assert!(session(&scene.log_in(ada()).await).is_some());
    let user = scene.user("ada@example.com").await.unwrap();
    scene
        .app
        .services
        .disable_person(&scene.app.host, user.id)
        .await
        .unwrap();
    refused(&scene.log_in(ada()).await, 403, "is disabled");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_in_no_group_get_the_configured_role() {
    let lowest = RoleMap::new(&["admins=superuser".to_owned()], Some(Role::Support)).unwrap();
    let change = |settings| ProviderSettings {
        roles: lowest,
        require_verified_email: false,
        ..settings
    };
    let scene = Scene::with(PasswordLogIn::Everybody, change).await;
    let claims = with(json!({ "groups": null, "email_verified": null }));
    assert!(session(&scene.log_in(claims).await).is_some());
    let user = scene.user("ada@example.com").await.unwrap();
    assert_eq!(user.role, Role::Support);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_70_what_the_provider_says_is_text_and_short() {
    let scene = Scene::new().await;
    let begun = scene.begin().await;
    let (state, long) = (begun.parameter("state"), "x".repeat(5_000));
    let words = format!("</script><img src=x onerror=alert(1)>\r\nSet-Cookie: a\u{7}{long}");
    let parameters = [
        ("state", state.as_str()),
        ("error", "access_denied"),
        ("error_description", &words),
    ];
    let answer = scene.come_back(&begun.ticket, &parameters).await;
    refused(&answer, 403, "Acme refused the log-in: access_denied");
    let page = text(&answer);
    assert!(
        !page.contains("<img") && !page.contains(&long[..300]),
        "{page}"
    );
    assert!(answer.headers.get("set-cookie").is_some_and(|c| c != "a"));

    let script = "</script><img src=x onerror=alert(1)>";
    let answer = scene.log_in(with(json!({ "name": script }))).await;
    let page = text(&scene.get("/users", &session(&answer).unwrap()).await.ok());
    assert!(
        page.contains("&lt;img src=x") && !page.contains("<img src=x"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_71_a_provider_that_is_down_or_strange_is_a_clear_page_and_passwords_work() {
    for (mood, status, words) in [
        (Mood::Broken, 503, "Acme answered 500"),
        (Mood::Redirecting, 503, "Acme answered 307, a redirect"),
        (Mood::Hanging, 503, "Acme took too long to answer"),
        (Mood::Huge, 503, "Acme answered with more than 64 KiB"),
        (Mood::Mistaken, 502, "metadata of another issuer"),
    ] {
        let scene = Scene::new().await;
        scene.provider.inner().mood = mood;
        let began = Instant::now();
        let answer = scene.get("/sso/acme?next=/catalogue", "").await;
        refused(&answer, status, words);
        assert!(began.elapsed() < BOUND, "{words}");
        assert_eq!(scene.provider.inner().followed, 0);
        let page = text(&answer);
        assert!(page.contains("/sso/acme?next=%2Fcatalogue"), "{page}");
        assert!(page.contains("Log in with Acme"), "{page}");
        assert_eq!(
            log_in_with_password(&scene, "ada@example.com").await,
            StatusCode::SEE_OTHER
        );
        // As soon as it is well again, it works.
        scene.provider.inner().mood = Mood::Well;
        scene.app.clock.advance(chrono::TimeDelta::seconds(5));
        scene.begin().await;
    }
    let scene = Scene::new().await;
    let answer = scene.get("/sso/nobody", "").await;
    refused(&answer, 404, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_71_where_tokens_are_given_may_hang_redirect_or_flood_and_a_clear_page_comes_soon() {
    for (mood, words) in [
        (Mood::HangingTokens, "Acme took too long to answer"),
        (Mood::HugeTokens, "Acme answered with more than 64 KiB"),
        (Mood::RedirectingTokens, "Acme answered 307, a redirect"),
    ] {
        let scene = Scene::new().await;
        scene.provider.inner().mood = mood;
        let began = Instant::now();
        let answer = scene.log_in(ada()).await;
        refused(&answer, 503, words);
        assert!(began.elapsed() < BOUND, "{words}");
        // The code and the client's secret went nowhere else.
        assert_eq!(scene.provider.inner().followed, 0, "{words}");
        let page = text(&answer);
        assert!(page.contains("Log in with Acme"), "{page}");
        let log_in = log_in_with_password(&scene, "ada@example.com").await;
        assert_eq!(log_in, StatusCode::SEE_OTHER, "{words}");
        scene.provider.inner().mood = Mood::Well;
        let answer = scene
            .log_in(with(json!({ "email": "a@example.com" })))
            .await;
        assert!(session(&answer).is_some(), "{}", text(&answer));
    }
}

async fn log_in_with_password(scene: &Scene, email: &str) -> StatusCode {
    let person = AddPerson {
        name: "Somebody".to_owned(),
        email: email.to_owned(),
        role: "superuser".to_owned(),
    };
    let (services, host) = (&scene.app.services, &scene.app.host);
    let _ = services
        .add_person_with_password(host, &person, PASSWORD)
        .await;
    post_log_in(scene, email).await.status
}

async fn post_log_in(scene: &Scene, email: &str) -> Answer {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([("email", email), ("password", PASSWORD), ("next", "")]);
    let request = Request::post("/login")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ORIGIN, PUBLIC_URL);
    let request = request.body(Body::from(form.finish())).unwrap();
    scene.app.call(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn check_72_a_new_key_works_without_a_restart_and_is_asked_for_once_in_30_seconds() {
    let scene = Scene::new().await;
    assert!(session(&scene.log_in(ada()).await).is_some());
    assert_eq!(scene.provider.inner().keys_asked, 1);
    scene.app.clock.advance(chrono::TimeDelta::seconds(30));
    scene.provider.inner().key = SigningKey::new(Algorithm::ES256, "second");
    let answer = scene.log_in(ada()).await;
    assert!(session(&answer).is_some(), "{}", text(&answer));
    assert_eq!(scene.provider.inner().keys_asked, 2);
    // Tokens of unknown keys don't make Keyrack ask for each.
    scene.provider.inner().forger = Some(SigningKey::new(Algorithm::ES256, "third"));
    for _ in 0..5 {
        refused(&scene.log_in(ada()).await, 502, "signature");
    }
    assert_eq!(scene.provider.inner().keys_asked, 2);
    scene.app.clock.advance(chrono::TimeDelta::seconds(30));
    refused(&scene.log_in(ada()).await, 502, "signature");
    assert_eq!(scene.provider.inner().keys_asked, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_55_an_account_of_single_sign_on_is_the_same_answer_at_the_password_form() {
    let scene = Scene::new().await;
    assert!(session(&scene.log_in(ada()).await).is_some());
    let [sso, nobody] = ["ada@example.com", "eve@example.com"];
    let (sso, nobody) = (
        post_log_in(&scene, sso).await,
        post_log_in(&scene, nobody).await,
    );
    assert_eq!(sso.status, nobody.status);
    let same = |answer: &Answer, email: &str| {
        let nonce = text(answer).split("nonce=\"").nth(1).unwrap()[..20].to_owned();
        text(answer).replace(&nonce, "").replace(email, "").len()
    };
    assert_eq!(
        same(&sso, "ada@example.com"),
        same(&nobody, "eve@example.com")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_can_be_for_break_glass_superusers_only() {
    let only = PasswordLogIn::Only(vec!["glass@example.com".parse().unwrap()]);
    let scene = Scene::with(only, |settings| settings).await;
    assert_eq!(
        log_in_with_password(&scene, "other@example.com").await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(
        log_in_with_password(&scene, "glass@example.com").await,
        StatusCode::SEE_OTHER
    );
    let glass = scene.user("glass@example.com").await.unwrap();
    let (services, host) = (&scene.app.services, &scene.app.host);
    services
        .set_role(host, glass.id, Role::Support)
        .await
        .unwrap();
    assert_eq!(
        post_log_in(&scene, "glass@example.com").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let page = text(&scene.get("/login", "").await.ok());
    assert!(page.contains("<summary>Log in with a password"), "{page}");
}

async fn post(scene: &Scene, path: &str, cookie: &str, body: &str) -> Answer {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::COOKIE, cookie)
        .header(header::ORIGIN, PUBLIC_URL);
    let request = request.body(Body::from(body.to_owned())).unwrap();
    scene.app.call(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_leads_on_to_the_provider() {
    let scene = Scene::new().await;
    let cookie = session(&scene.log_in(ada()).await).unwrap();
    let answer = post(&scene, "/logout", &cookie, "").await.ok();
    let refresh = answer.header("refresh").unwrap();
    let url: Url = refresh.strip_prefix("0; url=").unwrap().parse().unwrap();
    assert_eq!(url.path(), "/logout");
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    let names: Vec<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "a",
        "id_token_hint",
        "client_id",
        "post_logout_redirect_uri",
    ];
    assert_eq!(names, expected);
    assert_eq!(crate::app::jwt_part(&pairs[1].1, 1)["sub"], "ada-7");
    assert_eq!(pairs[3].1, "https://keys.example.com/login?done=logged-out");
    assert!(answer.headers.contains_key("clear-site-data"));
    let after = scene.get("/credentials", &cookie).await;
    assert_eq!(after.status, StatusCode::SEE_OTHER);
    // A session by password ends here and nowhere else.
    log_in_with_password(&scene, "glass@example.com").await;
    let cookie = session(&post_log_in(&scene, "glass@example.com").await).unwrap();
    let answer = post(&scene, "/logout", &cookie, "").await;
    assert_eq!(answer.header("location"), Some("/login?done=logged-out"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_here_needs_no_id_token_that_opens() {
    let scene = Scene::new().await;
    let cookie = session(&scene.log_in(ada()).await).unwrap();
    let id = hash_token(cookie.split_once('=').unwrap().1);
    let (store, now) = (scene.app.services.session_store(), scene.app.services.now());
    let row = store.find_session(id, now).await.unwrap().unwrap();
    let mut data: Value = serde_json::from_str(&row.data).unwrap();
    data["at_provider"]["id_token"] = json!("c2VhbGVkIGVsc2V3aGVyZQ");
    let saved = store.save_session(id, data.to_string(), row.idle_until);
    assert!(saved.await.unwrap());
    let answer = post(&scene, "/logout", &cookie, "").await;
    assert_eq!(answer.header("location"), Some("/login?done=logged-out"));
    let after = scene.get("/credentials", &cookie).await;
    assert_eq!(after.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_at_the_provider_ends_the_session_that_it_names() {
    let scene = Scene::new().await;
    let log_in =
        async |sid: &str| session(&scene.log_in(with(json!({ "sid": sid }))).await).unwrap();
    let (first, second) = (log_in("s1").await, log_in("s2").await);
    let alive =
        async |cookie: &str| scene.get("/credentials", cookie).await.status == StatusCode::OK;
    let say = async |changes: Value| {
        let form = format!("logout_token={}", scene.provider.logout_token(changes));
        let request = Request::post("/sso/acme/backchannel")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        scene
            .app
            .call(request.body(Body::from(form)).unwrap())
            .await
            .status
    };
    for bend in [
        json!({ "events": null }),
        json!({ "events": { "other": {} } }),
        json!({ "events": "http://schemas.openid.net/event/backchannel-logout" }),
        json!({ "nonce": "n" }),
        json!({ "jti": null }),
        json!({ "aud": "somebody-else" }),
        json!({ "iss": "https://evil.example" }),
        json!({ "exp": 1_795_499_939 }),
        json!({ "iat": 1_795_499_639 }),
        json!({ "sub": null }),
    ] {
        assert_eq!(say(bend.clone()).await, StatusCode::BAD_REQUEST, "{bend}");
    }
    scene.provider.inner().forger = Some(SigningKey::new(Algorithm::ES256, "first"));
    assert_eq!(say(json!({})).await, StatusCode::BAD_REQUEST);
    scene.provider.inner().forger = None;
    assert!(alive(&first).await && alive(&second).await);

    assert_eq!(say(json!({ "sid": "s1" })).await, StatusCode::OK);
    assert!(!alive(&first).await && alive(&second).await);
    // The same message again does nothing; nor does one about nobody.
    assert_eq!(say(json!({ "sid": "s2" })).await, StatusCode::OK);
    assert_eq!(
        say(json!({ "sub": "nobody", "jti": "message-2" })).await,
        StatusCode::OK
    );
    assert!(alive(&second).await);
    assert_eq!(say(json!({ "jti": "message-3" })).await, StatusCode::OK);
    assert!(!alive(&second).await);
    assert_eq!(scene.events(Action::SessionEnded).await.len(), 2);
}

/// Somebody may be at the provider while all that they have here ends: then this has ended, too.
#[tokio::test(flavor = "multi_thread")]
async fn check_95_who_is_at_the_provider_while_their_sessions_end_begins_again() {
    let scene = Scene::new().await;
    let cookie = session(&scene.log_in(ada()).await).unwrap();
    let (services, host) = (&scene.app.services, &scene.app.host);
    let ada_here = scene.user("ada@example.com").await.unwrap().id;
    for ending in ["all sessions", "role", "there", "there, by name"] {
        let begun = scene.begin().await;
        match ending {
            "all sessions" => services.end_other_sessions(host, ada_here).await.unwrap(),
            "role" => {
                let role = Role::Support;
                services.set_role(host, ada_here, role).await.unwrap();
            }
            _ => {
                let named = json!({ "sid": "s1", "jti": "message-2" });
                let changes = if ending == "there" { json!({}) } else { named };
                assert_eq!(back_channel(&scene, changes).await, StatusCode::OK);
            }
        }
        let code = scene
            .provider
            .agree(&begun.url, with(json!({ "sid": "s1" })));
        let state = begun.parameter("state");
        let answer = [("code", code.as_str()), ("state", state.as_str())];
        let late = scene.come_back(&begun.ticket, &answer).await;
        refused(&late, 409, "has changed since you began to log in");
        assert_eq!(session(&late), None, "{ending}");
        let open = scene.get("/credentials", &cookie).await;
        assert_eq!(open.status, StatusCode::SEE_OTHER, "{ending}");
    }
    assert!(session(&scene.log_in(ada()).await).is_some(), "begun again");
}

/// Begins a confirmation at the provider: where the browser goes, and with what.
async fn begin_proof(scene: &Scene, next: &str) -> Begun {
    let path = format!("/sso/acme?prove=true&next={next}");
    let answer = scene.get(&path, "").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", text(&answer));
    let cookie = answer.header("set-cookie").unwrap();
    Begun {
        url: answer.header("location").unwrap().parse().unwrap(),
        ticket: cookie.split_once("; ").unwrap().0.to_owned(),
    }
}

async fn prove(scene: &Scene, next: &str, claims: Value) -> Answer {
    let begun = begin_proof(scene, next).await;
    assert_eq!(begun.parameter("prompt"), "login");
    // Zero is refused by some.
    assert_eq!(begun.parameter("max_age"), "1");
    let code = scene.provider.agree(&begun.url, claims);
    let state = begun.parameter("state");
    let answer = [("code", code.as_str()), ("state", state.as_str())];
    scene.come_back(&begun.ticket, &answer).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_confirms_at_the_provider_must_have_logged_in_there_just_now() {
    let scene = Scene::new().await;
    let now = scene.app.services.now().timestamp();
    for auth_time in [json!(null), json!(now - 600), json!(now + 600)] {
        let claims = with(json!({ "auth_time": auth_time }));
        let answer = prove(&scene, "/", claims).await;
        refused(&answer, 403, "did not say that you logged in just now");
    }
    let fresh = with(json!({ "auth_time": now }));
    let answer = prove(&scene, "/catalogue", fresh).await;
    assert_eq!(answer.header("location"), Some("/catalogue"));
    assert!(session(&answer).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_waits_for_its_sender_while_they_log_in_at_the_provider() {
    let scene = Scene::new().await;
    let now = scene.app.services.now().timestamp();
    let admin = json!({ "groups": ["admins"] });
    // A plain log-in that does not say when proves nothing.
    let cookie = session(&scene.log_in(with(admin)).await).unwrap();
    let post = async |cookie: &str, body: &str| {
        let request = Request::post("/gateways")
            .header(header::COOKIE, cookie)
            .header(header::ORIGIN, PUBLIC_URL)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(Body::from(body.to_owned())).unwrap();
        scene.app.call(request).await
    };
    let body = "name=edge&kind=nginx&addresses=";
    let asked = post(&cookie, body).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    let page = text(&asked);
    let (_, rest) = page.split_once("/sso/acme?prove=true").unwrap();
    let next = rest.split_once("next=").unwrap().1;
    let next = next.split_once('"').unwrap().0.to_owned();

    let proven = with(json!({ "groups": ["admins"], "auth_time": now }));
    let back = prove(&scene, &next, proven).await;
    let cookie = session(&back).unwrap();
    let waiting = back.header("location").unwrap().to_owned();
    assert!(waiting.starts_with("/confirm/resume?form="), "{waiting}");
    let page = text(&scene.get(&waiting, &cookie).await.ok());
    assert!(page.contains("action=\"/gateways\"") && page.contains("value=\"edge\""));
    let again = scene.get(&waiting, &cookie).await;
    assert_eq!(
        again.header("location"),
        Some("/confirm"),
        "it came back once"
    );
    let sent = post(&cookie, body).await.ok();
    assert!(text(&sent).contains("krg_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_takes_claims_is_asked_for_auth_time_when_somebody_confirms() {
    for takes_claims in [false, true] {
        let scene = Scene::new().await;
        scene.provider.inner().takes_claims = takes_claims;
        let plain = scene.begin().await;
        assert!(!plain.url.query_pairs().any(|(name, _)| name == "claims"));
        let confirmation = begin_proof(&scene, "/").await;
        let mut pairs = confirmation.url.query_pairs();
        let claims = pairs.find(|(name, _)| name == "claims");
        let claims: Option<Value> = claims.map(|(_, text)| serde_json::from_str(&text).unwrap());
        let expected = json!({ "id_token": { "auth_time": { "essential": true } } });
        assert_eq!(claims, takes_claims.then_some(expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_69_a_confirmation_asks_for_the_groups_again_and_a_lost_one_demotes_at_once() {
    let scene = Scene::new().await;
    let now = scene.app.services.now().timestamp();
    let groups = |groups: Value| with(json!({ "groups": groups, "auth_time": now }));
    let admin = session(&scene.log_in(groups(json!(["admins"]))).await).unwrap();
    scene.get("/audit", &admin).await.ok();

    let proven = session(&prove(&scene, "/", groups(json!(["ops"]))).await).unwrap();
    for (cookie, status) in [
        (&admin, StatusCode::SEE_OTHER),
        (&proven, StatusCode::FORBIDDEN),
    ] {
        assert_eq!(scene.get("/audit", cookie).await.status, status);
    }
    let user = scene.user("ada@example.com").await.unwrap();
    assert_eq!(user.role, Role::Operations);
    let change = json!({ "role": { "from": "superuser", "to": "operations" }, "by": "Acme" });
    let mapped = scene.events(Action::UserRoleMapped).await;
    assert_eq!(mapped, [(Outcome::Done, change)]);

    // Without any group there is no confirmation, and no session either.
    let refusal = prove(&scene, "/", groups(json!([]))).await;
    refused(&refusal, 403, "None of your groups");
    let gone = scene.get("/credentials", &proven).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_69_a_lost_group_outlives_itself_by_the_absolute_limit_at_most() {
    let scene = Scene::new().await;
    let admins = with(json!({ "groups": ["admins"] }));
    let cookie = session(&scene.log_in(admins).await).unwrap();
    // Kept alive all day, and never asked who they are.
    let half_an_hour = chrono::TimeDelta::minutes(30);
    for _ in 0..47 {
        scene.app.clock.advance(half_an_hour);
        scene.get("/audit", &cookie).await.ok();
    }
    scene.app.clock.advance(half_an_hour);
    let gone = scene.get("/audit", &cookie).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
}

/// Two providers, each with somebody of the subject `ada-7`; the other one's is Bea.
async fn two_providers() -> (Scene, Provider) {
    let acme = Provider::start(1_795_500_000).await;
    let other = Provider::start(1_795_500_000).await;
    let settings = vec![
        acme.settings(&ROLES),
        other.settings_as("other", "Other", &ROLES),
    ];
    let scene = Scene::of(acme, settings, PasswordLogIn::Everybody).await;
    (scene, other)
}

async fn log_in_at_other(scene: &Scene, other: &Provider) -> Answer {
    let begun = scene.begin_at("other").await;
    let bea = json!({ "email": "bea@example.com", "name": "Bea Lind" });
    let code = other.agree(&begun.url, with(bea));
    let state = begun.parameter("state");
    let answer = [("code", code.as_str()), ("state", state.as_str())];
    scene.come_back_at("other", &begun.ticket, &answer).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_provider_has_its_button_and_its_people() {
    let (scene, other) = two_providers().await;
    let page = text(&scene.get("/login?next=/catalogue", "").await.ok());
    for (id, name) in [("acme", "Acme"), ("other", "Other")] {
        let href = format!("href=\"/sso/{id}?next=%2Fcatalogue\"");
        assert!(page.contains(&href), "{href} is not in {page}");
        assert!(page.contains(&format!("Log in with {name}")), "{page}");
    }
    assert!(session(&scene.log_in(ada()).await).is_some());
    let answer = log_in_at_other(&scene, &other).await;
    let page = scene.get("/credentials", &session(&answer).unwrap()).await;
    assert!(text(&page.ok()).contains("Bea Lind"));
    // The same subject at another issuer is somebody else.
    let ids = ["ada@example.com", "bea@example.com"];
    let [ada, bea] = [scene.user(ids[0]).await, scene.user(ids[1]).await];
    assert_ne!(ada.unwrap().id, bea.unwrap().id);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_66_what_began_at_one_provider_does_not_end_at_another() {
    let (scene, other) = two_providers().await;
    for (from, to) in [("acme", "other"), ("other", "acme")] {
        let begun = scene.begin_at(from).await;
        let asked = if from == "acme" {
            &scene.provider
        } else {
            &other
        };
        let code = asked.agree(&begun.url, ada());
        let state = begun.parameter("state");
        let answer = [("code", code.as_str()), ("state", state.as_str())];
        let mixed_up = scene.come_back_at(to, &begun.ticket, &answer).await;
        refused(&mixed_up, 400, "begun in another browser");
        // The try has used the ticket up.
        let late = scene.come_back_at(from, &begun.ticket, &answer).await;
        refused(&late, 400, "begun in another browser");
    }
    assert!(scene.user("ada@example.com").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_at_one_provider_leaves_the_sessions_of_another() {
    let (scene, other) = two_providers().await;
    let here = session(&scene.log_in(ada()).await).unwrap();
    // The same person comes in by both.
    let (services, host) = (&scene.app.services, &scene.app.host);
    let user = scene.user("ada@example.com").await.unwrap().id;
    let issuer = other.issuer();
    let linked = services.link_identity(host, user, &issuer, "ada-7");
    linked.await.unwrap();
    let there = session(&log_in_at_other(&scene, &other).await).unwrap();
    let is_open =
        async |cookie: &str| scene.get("/credentials", cookie).await.status == StatusCode::OK;
    let say = async |to: &str, by: &Provider| {
        let form = format!("logout_token={}", by.logout_token(json!({})));
        let path = format!("/sso/{to}/backchannel");
        post(&scene, &path, "", &form).await.status
    };
    // One provider can't speak for the other.
    assert_eq!(say("other", &scene.provider).await, StatusCode::BAD_REQUEST);
    assert!(is_open(&here).await && is_open(&there).await);
    assert_eq!(say("acme", &scene.provider).await, StatusCode::OK);
    assert!(!is_open(&here).await && is_open(&there).await);
    assert_eq!(say("other", &other).await, StatusCode::OK);
    assert!(!is_open(&there).await);
}

/// Tells Keyrack that somebody logged out at the provider.
async fn back_channel(scene: &Scene, changes: Value) -> StatusCode {
    let form = format!("logout_token={}", scene.provider.logout_token(changes));
    post(scene, "/sso/acme/backchannel", "", &form).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_that_failed_counts_when_it_is_sent_again() {
    let scene = Scene::new().await;
    let cookie = session(&scene.log_in(ada()).await).unwrap();
    // Whichever step of it fails, it has ended nothing and is not used up.
    for step in [
        "find_user_by_identity",
        "page_sessions_of",
        "end_sessions_by_message",
    ] {
        scene.app.store.fail_next(step);
        let failed = back_channel(&scene, json!({})).await;
        assert_eq!(failed, StatusCode::SERVICE_UNAVAILABLE, "{step}");
        scene.get("/credentials", &cookie).await.ok();
    }
    assert_eq!(back_channel(&scene, json!({})).await, StatusCode::OK);
    let gone = scene.get("/credentials", &cookie).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
    // Once it has counted it ends nothing more.
    let cookie = session(&scene.log_in(ada()).await).unwrap();
    assert_eq!(back_channel(&scene, json!({})).await, StatusCode::OK);
    scene.get("/credentials", &cookie).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_ends_all_sessions_however_many_there_are() {
    let scene = Scene::new().await;
    let cookie = session(&scene.log_in(ada()).await).unwrap();
    let (store, now) = (scene.app.services.session_store(), scene.app.services.now());
    let id = hash_token(cookie.split_once('=').unwrap().1);
    let row = store.find_session(id, now).await.unwrap().unwrap();
    // Used later than the one above, and so listed before it. Of the others, who did not come from there,
    // none ends.
    let password = json!({ "method": "password", "proven_at": null, "device": "A test" });
    let mut kept = HashSet::new();
    for number in 0..500 {
        let id = hash_token(&number.to_string());
        let idle_until = row.idle_until + chrono::TimeDelta::seconds(1);
        let data = if number % 2 == 0 {
            row.data.clone()
        } else {
            kept.insert(id);
            json!({ "log_in": password }).to_string()
        };
        let other = SessionRow {
            id,
            idle_until,
            data,
            ..row.clone()
        };
        assert!(store.create_session(other).await.unwrap());
    }
    assert_eq!(back_channel(&scene, json!({})).await, StatusCode::OK);
    let (user, mut left, mut after) = (row.owner.unwrap().user(), HashSet::new(), None);
    loop {
        let page = store.page_sessions_of(user, now, after, 100).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        left.extend(page.iter().map(|row| row.id));
    }
    assert_eq!(left, kept);
    assert_eq!(scene.events(Action::SessionEnded).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_72_a_provider_with_a_new_key_under_an_old_name_recovers_at_once() {
    let scene = Scene::new().await;
    let log_in = async |scene: &Scene| session(&scene.log_in(ada()).await);
    assert!(log_in(&scene).await.is_some());
    for algorithm in [Algorithm::ES256, Algorithm::RS256] {
        scene.provider.inner().key = SigningKey::new(algorithm, "first");
        assert!(log_in(&scene).await.is_some(), "{algorithm:?}");
        scene.app.clock.advance(chrono::TimeDelta::seconds(30));
    }
    assert_eq!(scene.provider.inner().keys_asked, 3);
    // Strangers make Keyrack ask once in 30 seconds.
    scene.provider.inner().forger = Some(SigningKey::new(Algorithm::RS256, "first"));
    for _ in 0..5 {
        let refused = back_channel(&scene, json!({})).await;
        assert_eq!(refused, StatusCode::BAD_REQUEST);
    }
    assert_eq!(scene.provider.inner().keys_asked, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_72_and_101_callers_who_break_off_do_not_keep_new_keys_from_coming() {
    let scene = Scene::new().await;
    assert!(session(&scene.log_in(ada()).await).is_some());
    scene.provider.inner().key = SigningKey::new(Algorithm::ES256, "second");
    scene.provider.inner().mood = Mood::Waiting;
    let asked = async |times: usize, of: fn(&Inner) -> usize| {
        let deadline = Instant::now() + Duration::from_secs(5);
        while of(&scene.provider.inner()) < times {
            assert!(Instant::now() < deadline, "it was not asked");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // A stranger's message makes Keyrack ask, and the stranger goes away meanwhile.
    tokio::select! {
        status = back_channel(&scene, json!({ "sub": "eve" })) => panic!("{status}"),
        () = asked(2, |inner| inner.metadata_asked) => {}
    }
    scene.provider.inner().mood = Mood::Well;
    asked(2, |inner| inner.keys_asked).await;
    assert!(session(&scene.log_in(ada()).await).is_some());
    assert_eq!(scene.provider.inner().keys_asked, 2, "asked once for both");
}

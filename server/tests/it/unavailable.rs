//! While the database takes no writes, or is away: whatever fails for it says 503 in the format of its own
//! surface, and when to try again; and what needs no write goes on.

use axum::http::StatusCode;
use chrono::TimeDelta;
use domain::role::Role;
use serde_json::Value;
use storage::StoreError;

use crate::app::{Answer, Key, PASSWORD, TestApp};
use crate::dashboard::{Dashboard, FORM, form, text};
use crate::faulty::Health;
use crate::role_matrix::{FORMS, FUNCTIONS, PAGES};
use crate::second_factors::Browser;

/// What is tried beside a request, or after it, and whose failure is in the log alone.
const BESIDE: [&str; 3] = ["can_write", "record_decisions", "record_uses"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    NoWrites,
    Away,
}

impl Trouble {
    fn begin(self, app: &TestApp) {
        app.store.take_failed();
        match self {
            Self::NoWrites => app
                .store
                .refuse_writes(Some(|| StoreError::ReadOnly("SECRET-CAUSE".into()))),
            Self::Away => app.store.set(Health::Failing),
        }
    }

    fn end(app: &TestApp) -> Vec<&'static str> {
        app.store.refuse_writes(None);
        app.store.set(Health::Well);
        let mut failed = app.store.take_failed();
        failed.retain(|call| !BESIDE.contains(call));
        failed
    }
}

/// How a surface says that it can't.
#[derive(Debug, Clone, Copy)]
enum Says {
    /// With words for people: a page, or a line.
    Words,
    /// As server functions do.
    Function,
    /// RFC 6749 section 5.2.
    OAuth,
}

/// What was tried and failed, and what was answered.
struct Tried {
    what: String,
    failed: Vec<&'static str>,
    answer: Answer,
}

impl Tried {
    /// Asks for something while there is trouble.
    async fn of(
        app: &TestApp,
        trouble: Trouble,
        what: String,
        asked: impl Future<Output = Answer>,
    ) -> Self {
        trouble.begin(app);
        let answer = asked.await;
        let failed = Trouble::end(app);
        Self {
            what,
            failed,
            answer,
        }
    }

    /// What is wrong with it, if anything.
    fn problem(&self, says: Says) -> Option<String> {
        let Self {
            what,
            failed,
            answer,
        } = self;
        let status = answer.status;
        let body = text(answer);
        if failed.is_empty() {
            let is_failure = status.is_server_error();
            return is_failure.then(|| format!("{what}: {status} though nothing failed: {body}"));
        }
        if status != StatusCode::SERVICE_UNAVAILABLE {
            return Some(format!("{what}: {status} though {failed:?} failed"));
        }
        let retry = answer.header("retry-after").unwrap_or_default();
        if !retry.parse().is_ok_and(|seconds: u32| seconds > 0) {
            return Some(format!("{what}: no Retry-After"));
        }
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let is_told = match says {
            Says::Words => {
                let words = [
                    "be reached",
                    "can't reach its database",
                    "load the page again",
                ];
                words.iter().any(|words| body.contains(words))
            }
            Says::Function => json == "Unavailable",
            Says::OAuth => json["error"] == "temporarily_unavailable",
        };
        (!is_told || body.contains("SECRET-CAUSE")).then(|| format!("{what}: {body}"))
    }
}

/// Forms that get as far as to write.
pub fn writing() -> Vec<(&'static str, String)> {
    let plain = |path, fields: &str| (path, fields.to_owned());
    let log_in = |password| {
        form(&[
            ("email", "mara@example.com"),
            ("password", password),
            ("next", ""),
        ])
    };
    let issue = "name=x&purpose=x&owner={id}&flow=client_secret&expires=30d&expires_at=&expires_at_utc=\
                 &access=custom&scope.accounts=read&key_source=&public_key=&jwks_url=&idempotency_key=k";
    vec![
        ("/login", log_in(PASSWORD)),
        ("/login", log_in("wrong")),
        plain("/credentials/new", issue),
        plain("/credentials/{key_id}/disable", "reason=leaked"),
        plain("/credentials/{key_id}/revoke", "reason=leaked"),
        plain(
            "/gateways",
            "name=edge&kind=nginx&addresses=10.0.0.0/8&audiences=",
        ),
        plain("/users", "people=olu@example.com&role=support"),
        plain("/users/{id}/role", "role=support"),
        plain("/users/{id}/disable", ""),
        plain("/users/{id}/password-link", ""),
        plain("/users/{id}/sessions/end-others", ""),
        plain("/account/password", "current_password=wrong&new_password=x"),
        plain("/welcome", "token=x&password=y"),
        plain("/logout", ""),
    ]
}

/// Asks for everything that people can ask for, in trouble; what failed on the way.
async fn try_pages(dashboard: &Dashboard, cookie: &str, trouble: Trouble) -> Vec<(Tried, Says)> {
    let mut tried = Vec::new();
    let app = &dashboard.app;
    let rows = FORMS.iter().map(|row| (row.0, row.1.to_owned()));
    for (path, fields) in rows.chain(writing()) {
        let cookie = (path != "/login").then_some(cookie);
        let what = format!("{trouble:?} POST {path} {fields}");
        let asked = dashboard.post(path, cookie, &fields);
        tried.push((Tried::of(app, trouble, what, asked).await, Says::Words));
    }
    for (path, arguments, _) in FUNCTIONS.iter().copied() {
        let what = format!("{trouble:?} {path}");
        let asked = dashboard.call_function(path, Some(cookie), arguments);
        tried.push((Tried::of(app, trouble, what, asked).await, Says::Function));
    }
    let open = [
        "/login",
        "/login/second-factor",
        "/setup",
        "/welcome",
        "/forgot",
        "/sso/acme",
    ];
    let open = open.iter().map(|page| (*page, None));
    let pages = PAGES.iter().map(|row| (row.0, Some(cookie)));
    for (page, cookie) in pages.chain(open) {
        // A minute after the last request a session is kept alive.
        app.clock.advance(TimeDelta::seconds(61));
        let what = format!("{trouble:?} GET {page}");
        let asked = dashboard.get(page, cookie);
        tried.push((Tried::of(app, trouble, what, asked).await, Says::Words));
    }
    tried
}

/// What programs can ask for, each with what it takes.
pub async fn programs(dashboard: &Dashboard) -> Vec<(&'static str, String)> {
    let app = &dashboard.app;
    let signer = app.issue("private_key_jwt", "accounts=read").await;
    let token = app.token(&dashboard.key).await;
    let assertion = form(&[
        ("grant_type", "client_credentials"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", &app.assertion(&signer)),
    ]);
    let secret =
        |key: &Key, more: &str| format!("client_id={}&client_secret={}{more}", key.id, key.secret);
    let key = &dashboard.key;
    vec![
        ("/v1/oauth2/token", assertion),
        (
            "/v1/oauth2/token",
            secret(key, "&grant_type=client_credentials"),
        ),
        (
            "/v1/oauth2/token",
            "grant_type=client_credentials&client_id=x".to_owned(),
        ),
        ("/v1/oauth2/revoke", secret(key, &format!("&token={token}"))),
        ("/v1/oauth2/introspect", format!("token={token}")),
    ]
}

async fn try_programs(dashboard: &Dashboard, trouble: Trouble) -> Vec<(Tried, Says)> {
    let mut tried = Vec::new();
    for (path, fields) in programs(dashboard).await {
        let what = format!("{trouble:?} POST {path}");
        let asked = dashboard.send(path, None, FORM, &fields, &[]);
        let asked = Tried::of(&dashboard.app, trouble, what, asked);
        tried.push((asked.await, Says::OAuth));
    }
    tried
}

#[tokio::test(flavor = "multi_thread")]
async fn check_102_everything_that_fails_for_the_database_says_503_and_when_to_try_again() {
    let mut problems = Vec::new();
    let mut reached = Vec::new();
    for trouble in [Trouble::NoWrites, Trouble::Away] {
        let dashboard = Dashboard::new().await;
        let cookie = dashboard.log_in(Role::Superuser).await;
        let mut tried = try_programs(&dashboard, trouble).await;
        tried.extend(try_pages(&dashboard, &cookie, trouble).await);
        for (tried, says) in tried {
            problems.extend(tried.problem(says));
            reached.extend(tried.failed);
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    for write in [
        "password_was_wrong",
        "password_was_right",
        "issue_credential",
        "update_credential",
        "add_gateway",
        "add_user",
        "set_role",
        "disable_user",
        "offer_password_link",
        "end_sessions_of",
        "use_assertion_id",
        "revoke_token",
        "append_audit",
    ] {
        assert!(
            reached.contains(&write),
            "{write} was not tried: {reached:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_read_and_sessions_go_on_while_nothing_can_be_written() {
    let dashboard = Dashboard::new().await;
    let app = &dashboard.app;
    let cookie = dashboard.log_in(Role::Superuser).await;
    app.clock.advance(TimeDelta::minutes(2));
    app.store
        .refuse_writes(Some(|| StoreError::Full("SECRET-CAUSE".into())));
    for page in ["/credentials", "/users", "/audit"] {
        let answer = dashboard.get(page, Some(&cookie)).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", text(&answer));
    }
    app.store.refuse_writes(None);
    // Each request keeps it alive for an hour again.
    for _ in 0..2 {
        app.clock.advance(TimeDelta::minutes(50));
        dashboard.get("/credentials", Some(&cookie)).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_can_not_be_kept_is_a_503() {
    let dashboard = Dashboard::new().await;
    let app = &dashboard.app;
    let is_503 = |answer: Answer, call: &str| {
        assert!(app.store.take_failed().contains(&call), "{call}");
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{call}");
        assert_eq!(answer.header("retry-after"), Some("5"), "{call}");
        assert!(answer.cookie().is_none(), "{call}");
    };
    let fields = [
        ("email", "mara@example.com"),
        ("password", PASSWORD),
        ("next", ""),
    ];
    for call in ["record_login", "create_session"] {
        app.store.fail_next(call);
        is_503(dashboard.post("/login", None, &form(&fields)).await, call);
    }
    let cookie = dashboard.log_in(Role::Superuser).await;
    app.clock.advance(TimeDelta::minutes(2));
    app.store.fail_next("save_session");
    is_503(dashboard.get("/users", Some(&cookie)).await, "save_session");
    dashboard.get("/users", Some(&cookie)).await.ok();
}

/// Somebody whose password was right, and whose second factor is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_log_in_says_503_and_goes_on_when_the_database_does() {
    let mut browser = Browser::new().await;
    let secret = browser.set_up().await;
    let (mut problems, mut reached) = (Vec::new(), Vec::new());
    let step = "/login/second-factor";
    for trouble in [Trouble::NoWrites, Trouble::Away] {
        browser.log_in().await;
        let code = form(&[("proof", &browser.code(&secret))]);
        for (path, fields) in [
            (step, code.as_str()),
            (step, "proof=000000"),
            (step, "proof=AAAA-AAAA-AAAA-AAAA"),
            ("/login/second-factor/passkey", ""),
        ] {
            trouble.begin(&browser.app);
            let answer = browser.post(path, fields).await;
            let tried = Tried {
                what: format!("{trouble:?} POST {path} {fields}"),
                failed: Trouble::end(&browser.app),
                answer,
            };
            problems.extend(tried.problem(Says::Words));
            reached.extend(tried.failed);
        }
        let whole = browser.post(step, &code).await;
        assert_eq!(whole.header("location"), Some("/"), "{}", text(&whole));
        browser.app.clock.advance(TimeDelta::seconds(30));
    }
    assert!(problems.is_empty(), "{problems:#?}");
    for call in [
        "use_totp_step",
        "use_recovery_code",
        "append_audit",
        "find_session",
    ] {
        assert!(reached.contains(&call), "{call} was not tried: {reached:?}");
    }
}

/// One call fails, and all before it went well.
#[tokio::test(flavor = "multi_thread")]
async fn each_step_of_a_log_in_that_fails_is_a_503_and_lets_nobody_in() {
    let mut browser = Browser::new().await;
    let secret = browser.set_up().await;
    browser.cookie.clear();
    for call in ["find_second_factors", "create_session"] {
        browser.app.store.fail_next(call);
        let answer = browser.log_in().await;
        assert!(browser.app.store.take_failed().contains(&call), "{call}");
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{call}");
        assert!(answer.cookie().is_none(), "{call}");
    }
    for call in [
        "find_session",
        "find_second_factors",
        "use_totp_step",
        "record_login",
        "create_session",
    ] {
        browser.log_in().await;
        let code = form(&[("proof", &browser.code(&secret))]);
        browser.app.store.fail_next(call);
        let answer = browser.post("/login/second-factor", &code).await;
        assert!(browser.app.store.take_failed().contains(&call), "{call}");
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{call}");
        assert_eq!(answer.header("retry-after"), Some("5"), "{call}");
        let page = browser.get("/credentials").await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{call}");
        browser.app.clock.advance(TimeDelta::seconds(30));
    }
}

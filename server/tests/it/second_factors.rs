//! The two steps of a log-in and the confirmation before what counts, over HTTP and without WASM.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chrono::TimeDelta;
use service::{AddPerson, RequestFacts, ServiceError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use totp_rs::{Builder, Secret};

use crate::app::{Answer, PUBLIC_URL, TestApp};

const PASSWORD: &str = "mice juggle seven lamps";
const EMAIL: &str = "amina@example.com";

/// Somebody at a browser.
pub struct Browser {
    pub app: TestApp,
    pub cookie: String,
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// What stands between two texts of a page.
fn between<'p>(page: &'p str, before: &str, after: &str) -> &'p str {
    let (_, rest) = page
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {page}"));
    rest.split_once(after).unwrap().0
}

impl Browser {
    /// A superuser who has just logged in.
    pub async fn new() -> Self {
        let app = TestApp::new().await;
        let person = AddPerson {
            name: "Amina Said".into(),
            email: EMAIL.into(),
            role: "superuser".into(),
        };
        let added = app
            .services
            .add_person_with_password(&app.host, &person, PASSWORD);
        added.await.unwrap();
        let mut browser = Self {
            app,
            cookie: String::new(),
        };
        let answer = browser.log_in().await;
        assert_eq!(answer.headers[header::LOCATION], "/");
        browser
    }

    pub async fn log_in(&mut self) -> Answer {
        let fields = [("email", EMAIL), ("password", PASSWORD), ("next", "")];
        self.post("/login", &form(&fields)).await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(path).header(header::ACCEPT, "text/html");
        self.send(request, Body::empty()).await
    }

    pub async fn post(&mut self, path: &str, body: &str) -> Answer {
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, kind)
            .header(header::ORIGIN, PUBLIC_URL);
        self.send(request, Body::from(body.to_owned())).await
    }

    /// Sends what the browser has, and keeps what it gets.
    async fn send(&mut self, request: http::request::Builder, body: Body) -> Answer {
        let request = request.header(header::COOKIE, &self.cookie);
        let answer = self.app.call(request.body(body).unwrap()).await;
        if let Some(cookie) = answer.cookie() {
            self.cookie = cookie;
        }
        answer
    }

    pub fn code(&self, secret: &str) -> String {
        let secret = Secret::try_from_base32(secret).unwrap();
        let totp = Builder::new().with_secret(secret).build().unwrap();
        let now = u64::try_from(self.app.services.now().timestamp()).unwrap();
        totp.generate(now).to_string()
    }

    /// Makes a second factor on the account page: its secret.
    pub async fn set_up(&mut self) -> String {
        let page = text(&self.post("/account/totp", "").await.ok());
        let secret = between(&page, "?secret=", "&").to_owned();
        let draft = between(&page, "name=\"draft\" value=\"", "\"").to_owned();
        assert!(page.contains("aria-label=\"QR code of the key below\""));
        let wrong = form(&[("draft", &draft), ("code", "000000")]);
        let wrong = self.post("/account/totp/add", &wrong).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(text(&wrong).contains(&secret), "the same secret once more");
        let code = self.code(&secret);
        let right = form(&[("draft", &draft), ("code", &code)]);
        let shown = self.post("/account/totp/add", &right).await.ok();
        assert_eq!(shown.header("cache-control"), Some("no-store"));
        assert_eq!(text(&shown).matches("<li><code>").count(), 10);
        let later = text(&self.get("/account").await);
        assert!(!later.contains(&secret) && !later.contains("<li><code>"));
        self.app.clock.advance(TimeDelta::seconds(30));
        secret
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_56_each_step_of_a_log_in_is_a_session_of_its_own_and_half_of_one_opens_nothing() {
    let mut browser = Browser::new().await;
    let secret = browser.set_up().await;
    let whole = browser.cookie.clone();
    let answer = browser.log_in().await;
    assert_eq!(answer.headers[header::LOCATION], "/login/second-factor");
    let half = browser.cookie.clone();
    assert_ne!(half, whole);
    for path in ["/credentials", "/account", "/confirm"] {
        let closed = browser.get(path).await;
        assert_eq!(closed.status, StatusCode::SEE_OTHER, "{path}");
    }
    let closed = browser.post("/_fn/users/list", "").await;
    assert_eq!(closed.status, StatusCode::UNAUTHORIZED);
    browser.cookie.clone_from(&whole);
    let old = browser.get("/account").await;
    assert_eq!(old.status, StatusCode::SEE_OTHER, "the session before");

    browser.cookie.clone_from(&half);
    let page = browser.get("/login/second-factor").await.ok();
    assert!(text(&page).contains("one-time-code"));
    let wrong = browser.post("/login/second-factor", "proof=000000").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        text(&wrong).contains("This code is wrong"),
        "{}",
        text(&wrong)
    );
    let code = form(&[("proof", &browser.code(&secret))]);
    let right = browser.post("/login/second-factor", &code).await;
    assert_eq!(right.headers[header::LOCATION], "/");
    assert_ne!(browser.cookie, half);
    browser.get("/credentials").await.ok();
    browser.cookie = half;
    let again = browser.post("/login/second-factor", &code).await;
    assert_eq!(again.headers[header::LOCATION], "/login?expired=1");
}

/// A form with everything that could be lost on the way.
fn credential(owner: &str) -> Vec<(&'static str, String)> {
    let fields = [
        ("name", "worker \"&<b>"),
        ("purpose", "two lines & ünd + more %2B"),
        ("owner", owner),
        ("flow", "client_secret"),
        ("expires", "30d"),
        ("expires_at", ""),
        ("expires_at_utc", ""),
        ("access", "custom"),
        ("scope.accounts", "read"),
        ("public_key", ""),
        ("idempotency_key", "form-1"),
    ];
    fields.map(|(name, value)| (name, value.to_owned())).into()
}

fn encoded(fields: &[(&'static str, String)], more: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.extend_pairs(more);
    form.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_60_who_is_told_to_come_back_has_not_tried() {
    let app = Browser::new().await.app;
    let facts = |network: u32, number: u32| RequestFacts {
        address: Some(std::net::Ipv4Addr::from((network << 16) + number).into()),
        ..RequestFacts::default()
    };
    let (mut crowd, all_places_taken) = (JoinSet::new(), Arc::new(Notify::new()));
    for member in 1..=140 {
        let (services, all_places_taken) = (app.services.clone(), all_places_taken.clone());
        crowd.spawn(async move {
            for number in 0.. {
                let email = format!("nobody{member}.{number}@example.com");
                let tried = services
                    .log_in(&email, PASSWORD, &facts(member, number))
                    .await;
                if matches!(tried, Err(ServiceError::Busy)) {
                    all_places_taken.notify_one();
                    // At once again, it would leave no processor to those who hash.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
    }
    all_places_taken.notified().await;
    let (mut number, mut sent_away) = (0, 0);
    // Of 50 failures none would get past the limit.
    while sent_away <= 50 {
        number += 1;
        match app
            .services
            .log_in(EMAIL, PASSWORD, &facts(0, number))
            .await
        {
            Ok(_) => {}
            Err(ServiceError::Busy) => sent_away += 1,
            Err(other) => panic!("{other} after {sent_away}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_85_a_form_comes_through_a_confirmation_unharmed_and_counts_once() {
    let mut browser = Browser::new().await;
    let fields = credential(&browser.app.owner.id.to_string());
    browser.app.clock.advance(TimeDelta::minutes(16));
    let before = browser.cookie.clone();

    let asked = browser
        .post("/credentials/new", &encoded(&fields, &[]))
        .await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    assert_eq!(asked.header("cache-control"), Some("no-store"));
    let page = text(&asked);
    assert!(page.contains("action=\"/credentials/new\""), "{page}");
    for name in ["name", "purpose", "scope.accounts", "idempotency_key"] {
        assert!(
            page.contains(&format!("type=\"hidden\" name=\"{name}\"")),
            "{name}"
        );
    }
    assert!(!page.contains("<b>\"") && page.contains("current-password"));

    let wrong = encoded(&fields, &[("proof", "wrong")]);
    let wrong = browser.post("/credentials/new", &wrong).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = text(&wrong);
    assert!(
        page.contains("not your password") && page.contains("form-1"),
        "{page}"
    );
    assert!(!page.contains("value=\"wrong\""));
    assert_eq!(browser.cookie, before);

    let right = encoded(&fields, &[("proof", PASSWORD)]);
    let shown = browser.post("/credentials/new", &right).await.ok();
    assert!(text(&shown).contains("krs_"), "the secret is shown");
    assert_ne!(browser.cookie, before, "a new session id");
    let twice = browser
        .post("/credentials/new", &encoded(&fields, &[]))
        .await;
    assert_eq!(
        twice.status,
        StatusCode::OK,
        "within 15 minutes nobody is asked"
    );
    let (services, host) = (&browser.app.services, &browser.app.host);
    let counts = services.count_credentials(host).await.unwrap();
    assert_eq!(counts.all, 1, "one form, one credential");
    let issued = browser.app.audit_log().await.into_iter();
    let issued = issued.filter(|event| event.action.as_str() == "credential.issued");
    let issued: Vec<_> = issued.collect();
    assert_eq!(issued[0].object_name, "worker \"&<b>");
    let detail: serde_json::Value = serde_json::from_str(&issued[0].detail).unwrap();
    assert_eq!(detail["purpose"], "two lines & ünd + more %2B");

    browser.cookie = before;
    let old = browser.get("/credentials").await;
    assert_eq!(old.status, StatusCode::SEE_OTHER, "the old id is dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_text_come_through_a_confirmation_as_lines() {
    let mut browser = Browser::new().await;
    browser.app.clock.advance(TimeDelta::minutes(16));
    let people = "Jon Lind <jon@example.com>\r\nKay Sun <kay@example.com>";
    let fields = [("people", people), ("role", "support")];
    let asked = browser.post("/users", &form(&fields)).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    let page = text(&asked);
    let held = between(&page, "name=\"people\" value=\"", "\"");
    assert_eq!(held.lines().count(), 2, "{held}");
    let proven = form(&[fields[0], fields[1], ("proof", PASSWORD)]);
    let shown = browser.post("/users", &proven).await.ok();
    let page = text(&shown);
    assert!(page.contains("Pass these 2 links on"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_78_a_proof_opens_nothing_for_another_site() {
    let mut browser = Browser::new().await;
    browser.app.clock.advance(TimeDelta::minutes(16));
    let request = Request::post("/account/confirm")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ORIGIN, "https://evil.example");
    let body = Body::from(form(&[("proof", PASSWORD)]));
    let answer = browser.send(request, body).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let still = browser.post("/account/totp", "").await;
    assert_eq!(still.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dialog_is_told_in_words_and_then_the_form_goes_through() {
    let mut browser = Browser::new().await;
    let secret = browser.set_up().await;
    browser.app.clock.advance(TimeDelta::minutes(16));
    let ask = async |browser: &mut Browser, body: String| {
        let request = Request::post("/account/confirm")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "text/plain")
            .header(header::ORIGIN, PUBLIC_URL);
        browser.send(request, Body::from(body)).await
    };
    let asked = ask(&mut browser, String::new()).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    assert!(text(&asked).starts_with("This needs a log-in or second factor"));
    let wrong = ask(&mut browser, form(&[("proof", PASSWORD)])).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        text(&wrong).contains("This code is wrong"),
        "{}",
        text(&wrong)
    );
    let before = browser.cookie.clone();
    let code = browser.code(&secret);
    let right = ask(&mut browser, form(&[("proof", &code)])).await;
    assert_eq!(right.status, StatusCode::NO_CONTENT);
    assert_ne!(browser.cookie, before);
    let renewed = browser.post("/account/recovery-codes", "").await.ok();
    assert_eq!(text(&renewed).matches("<li><code>").count(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_76_a_confirmation_does_not_move_the_end_of_a_session() {
    let mut browser = Browser::new().await;
    let (services, host) = (browser.app.services.clone(), &browser.app.host);
    let amina = services.person_by_email(host, EMAIL).await.unwrap().id;
    let began = services.now();
    browser.app.clock.advance(TimeDelta::minutes(20));
    let proof = form(&[("proof", PASSWORD)]);
    let proven = browser.post("/account/confirm", &proof).await;
    assert_eq!(proven.status, StatusCode::NO_CONTENT);
    let store = services.session_store();
    let sessions = store.list_sessions_of(amina, services.now()).await.unwrap();
    let limits: Vec<_> = sessions
        .iter()
        .map(|row| (row.created_at, row.absolute_until))
        .collect();
    assert_eq!(limits, [(began, began + TimeDelta::hours(24))]);
}

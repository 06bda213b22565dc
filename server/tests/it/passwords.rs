//! Passwords over HTTP: how long, how often, and what an easy guess is answered with.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chrono::TimeDelta;
use domain::audit::{Action, AuditEvent, Outcome};
use domain::role::Role;
use service::{AddPerson, ServiceError};
use tokio::task::JoinSet;

use crate::app::{Answer, PASSWORD, PUBLIC_URL, TestApp};
use crate::dashboard::{Dashboard, form, text};

const MARA: &str = "mara@example.com";
const NEW: &str = "otters count nine kettles";
/// As many wrong ones in a row as may be.
const MOST: u32 = 100;

async fn log_in(app: &TestApp, peer: &str, password: &str) -> Answer {
    let body = form(&[("email", MARA), ("password", password), ("next", "")]);
    post(app, peer, "/login", body).await
}

async fn post(app: &TestApp, peer: &str, path: &str, body: String) -> Answer {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ORIGIN, PUBLIC_URL)
        .body(Body::from(body));
    app.call_from(peer, request.unwrap()).await
}

/// Wrong passwords, as if they came over days.
async fn fail(app: &TestApp, times: u32) {
    for _ in 0..times {
        app.wrong_password(MARA).await;
    }
}

/// What the page of a locked person says.
const LOCKED: &str = "Locked after too many wrong ones";

async fn page_of_mara(app: &TestApp, cookie: &str) -> String {
    let page = Request::get(format!("/users/{}", app.owner.id)).header(header::COOKIE, cookie);
    let page = app.call(page.body(Body::empty()).unwrap()).await;
    assert_eq!(page.status, StatusCode::OK);
    text(&page)
}

/// How many events there are with an action, an outcome and a reason.
fn count(log: &[AuditEvent], action: Action, outcome: Outcome, reason: &str) -> usize {
    let reason = format!("{{\"reason\":\"{reason}\"}}");
    let is_one = |event: &&AuditEvent| {
        event.action == action && event.outcome == outcome && event.detail == reason
    };
    log.iter().filter(is_one).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_61_a_hundred_wrong_passwords_in_a_row_lock_it_exactly_and_not_the_person() {
    let app = Arc::new(TestApp::new().await);
    let inside = log_in(&app, "192.0.2.1:40000", PASSWORD).await;
    let cookie = inside.cookie().unwrap();

    fail(&app, MOST - 5).await;
    let mut tries = JoinSet::new();
    for number in 0..100 {
        let app = app.clone();
        let peer = format!("10.0.0.{number}:40000");
        tries.spawn(async move { log_in(&app, &peer, "another password").await.status });
    }
    for status in tries.join_all().await {
        // The limits of this node, and its places, hold as well.
        let refusals = [
            StatusCode::UNPROCESSABLE_ENTITY,
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        assert!(refusals.contains(&status), "{status}");
    }
    let log = app.audit_log().await;
    let (log_in_event, failed) = (Action::LogIn, Outcome::Failed);
    assert_eq!(count(&log, log_in_event, failed, "wrong log-in"), 4);
    let reason = "100 wrong passwords in a row";
    assert_eq!(
        count(&log, Action::PasswordLocked, Outcome::Done, reason),
        1
    );
    assert!(count(&log, log_in_event, failed, "the password is locked") > 0);

    // A day later the right one is as wrong as any, while who is logged in stays so.
    app.clock.advance(TimeDelta::minutes(30));
    let right = log_in(&app, "192.0.2.1:40000", PASSWORD).await;
    assert_eq!(right.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page_of_mara(&app, &cookie).await.contains(LOCKED));

    // A link that somebody hands over, or a mail brings, helps.
    let (services, host) = (&app.services, &app.host);
    let link = services.offer_password_link(host, app.owner.id).await;
    let token = link.unwrap().token;
    let body = form(&[("token", token.expose()), ("password", NEW)]);
    let chosen = post(&app, "192.0.2.1:40000", "/welcome", body).await;
    assert_eq!(chosen.status, StatusCode::SEE_OTHER, "{}", text(&chosen));
    let inside = log_in(&app, "192.0.2.1:40000", NEW).await;
    assert_eq!(inside.status, StatusCode::SEE_OTHER);

    // So does the host.
    fail(&app, MOST).await;
    let locked = log_in(&app, "192.0.2.1:40000", NEW).await;
    assert_eq!(locked.status, StatusCode::UNPROCESSABLE_ENTITY);
    let reset = services.reset_password(host, &app.owner, PASSWORD);
    reset.await.unwrap();
    let inside = log_in(&app, "192.0.2.1:40000", PASSWORD).await;
    assert_eq!(inside.status, StatusCode::SEE_OTHER);
    let page = page_of_mara(&app, &inside.cookie().unwrap()).await;
    assert!(!page.contains(LOCKED));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_61_a_right_password_begins_the_count_anew() {
    let app = TestApp::new().await;
    for _ in 0..2 {
        fail(&app, MOST - 1).await;
        let inside = log_in(&app, "192.0.2.1:40000", PASSWORD).await;
        assert_eq!(inside.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_57_a_password_that_is_too_long_is_refused_before_anything_is_done_with_it() {
    let dashboard = Dashboard::new().await;
    let app = &dashboard.app;
    let cookie = dashboard.log_in(Role::Support).await;
    let link = app.services.offer_password_link(&app.host, app.owner.id);
    let link = link.await.unwrap();
    let token = link.token.expose();
    for long in ["a".repeat(257), "\u{1f511}".repeat(257), "a".repeat(9_000)] {
        for (path, fields) in [
            (
                "/login",
                vec![("email", MARA), ("password", &*long), ("next", "")],
            ),
            ("/welcome", vec![("token", token), ("password", &*long)]),
            (
                "/account/password",
                vec![("current_password", "x"), ("new_password", &*long)],
            ),
            (
                "/account/password",
                vec![("current_password", &*long), ("new_password", NEW)],
            ),
        ] {
            app.store.take_calls();
            let answer = dashboard.post(path, Some(&cookie), &form(&fields)).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
            let page = text(&answer);
            assert!(page.contains("Use 256 characters at most"), "{page}");
            assert!(page.contains("aria-invalid=\"true\""), "{page}");
            assert!(!page.contains(&long[..100]), "{path}");
            let calls = app.store.take_calls();
            assert!(!calls.contains(&"find_login"), "{path}: {calls:?}");
        }
    }
    // One of the longest is looked at.
    let longest = log_in(app, "192.0.2.1:40000", &"a".repeat(256)).await;
    assert_eq!(longest.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_58_an_easy_guess_is_refused_wherever_a_password_is_set() {
    let dashboard = Dashboard::new().await;
    let app = &dashboard.app;
    let cookie = dashboard.log_in(Role::Support).await;
    let link = app.services.offer_password_link(&app.host, app.owner.id);
    let link = link.await.unwrap();
    // The host of this Keyrack, its name, and the one whose password it is to be.
    for easy in ["1qaz2wsx3edc4rfv", "keys.example.com1", "Keyrack Mara 2026"] {
        let body = form(&[("token", link.token.expose()), ("password", easy)]);
        let refused = dashboard.post("/welcome", None, &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{easy}");
        let page = text(&refused);
        assert!(page.contains("This is easy to guess"), "{page}");
    }
    let easy = "support@example.com";
    let body = form(&[("current_password", PASSWORD), ("new_password", easy)]);
    let refused = dashboard
        .post("/account/password", Some(&cookie), &body)
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let person = AddPerson {
        name: "Jonas Lind".to_owned(),
        email: "jonas@example.com".to_owned(),
        role: "support".to_owned(),
    };
    let (services, host) = (&app.services, &app.host);
    let easy = "jonas lind jonas";
    let added = services.add_person_with_password(host, &person, easy);
    let is_easy = |error: &ServiceError| matches!(error, ServiceError::Invalid(fields) if fields[0].field == "password");
    assert!(added.await.is_err_and(|error| is_easy(&error)));
    let reset = services.reset_password(host, &app.owner, "liverpoolfootballclub");
    assert!(reset.await.is_err_and(|error| is_easy(&error)));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_88_an_invited_superuser_does_not_make_the_last_one_dispensable() {
    let dashboard = Dashboard::new().await;
    let app = &dashboard.app;
    let inside = log_in(app, "192.0.2.1:40000", PASSWORD).await;
    let cookie = inside.cookie().unwrap();
    let body = form(&[("people", "jonas@example.com"), ("role", "superuser")]);
    let invited = dashboard.post("/users", Some(&cookie), &body).await;
    assert_eq!(invited.status, StatusCode::OK, "{}", text(&invited));
    for (path, body) in [
        ("/users/{id}/role", "role=support"),
        ("/users/{id}/disable", ""),
    ] {
        let refused = dashboard.post(path, Some(&cookie), body).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{path}");
        let page = text(&refused);
        assert!(
            page.contains("last active superuser who can log in"),
            "{page}"
        );
    }
}

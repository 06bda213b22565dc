//! When a session ends, and when it gets another id.

use axum::http::{StatusCode, header};
use chrono::TimeDelta;
use domain::role::Role;

use crate::app::{Answer, TestApp};
use crate::dashboard::{Dashboard, PASSWORD, form, text};

/// The session that an answer gives, if it gives one.
fn given(answer: &Answer) -> Option<String> {
    answer.cookie().filter(|cookie| cookie != "__Host-keyrack=")
}

impl Dashboard {
    pub async fn is_open(&self, cookie: &str) -> bool {
        let page = self.get("/account", Some(cookie)).await;
        page.status == StatusCode::OK
    }
}

async fn change_role(app: &TestApp, email: &str, role: Role) {
    let user = app
        .services
        .person_by_email(&app.host, email)
        .await
        .unwrap();
    app.services
        .set_role(&app.host, user.id, role)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn check_76_a_session_ends_after_an_hour_without_a_request() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Support).await;
    for (seconds, is_open) in [(3599, true), (3599, true), (3600, false)] {
        dashboard.app.clock.advance(TimeDelta::seconds(seconds));
        assert_eq!(dashboard.is_open(&cookie).await, is_open, "{seconds} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_76_a_session_ends_after_a_day_however_much_it_is_used() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Support).await;
    let clock = &dashboard.app.clock;
    for _ in 0..47 {
        clock.advance(TimeDelta::minutes(30));
        assert!(dashboard.is_open(&cookie).await);
    }
    clock.advance(TimeDelta::minutes(30) - TimeDelta::milliseconds(1));
    assert!(dashboard.is_open(&cookie).await, "a millisecond before");
    clock.advance(TimeDelta::milliseconds(1));
    assert!(!dashboard.is_open(&cookie).await, "after 24 hours");
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_56_and_62_another_password_is_another_session_id_and_the_old_one_is_dead() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Support).await;
    let elsewhere = dashboard.log_in(Role::Support).await;
    let change = |current| {
        let new = ("new_password", "nine drums under the bridge");
        form(&[("current_password", current), new])
    };
    let path = "/account/password";
    let wrong = dashboard.post(path, Some(&cookie), &change("wrong")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(dashboard.is_open(&cookie).await && dashboard.is_open(&elsewhere).await);

    let changed = dashboard.post(path, Some(&cookie), &change(PASSWORD)).await;
    assert_eq!(
        changed.headers[header::LOCATION],
        "/account?done=password-changed"
    );
    let renewed = given(&changed).unwrap();
    assert_ne!(renewed, cookie);
    let page = dashboard.get("/account?done=password-changed", Some(&renewed));
    let words = "Password changed. Your other sessions were ended.";
    assert!(text(&page.await.ok()).contains(words));
    assert!(!dashboard.is_open(&cookie).await && !dashboard.is_open(&elsewhere).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_56_and_95_another_role_ends_the_sessions_of_before() {
    let dashboard = Dashboard::new().await;
    for role in [Role::Superuser, Role::Developer, Role::Support] {
        let cookie = dashboard.log_in(Role::Support).await;
        assert!(dashboard.is_open(&cookie).await);
        change_role(&dashboard.app, "support@example.com", role).await;
        let gateways = "/_fn/gateways/list";
        let function = dashboard.call_function(gateways, Some(&cookie), "").await;
        assert_eq!(function.status, StatusCode::UNAUTHORIZED, "{role}");
        let page = dashboard.get("/account", Some(&cookie)).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{role}");
        assert_eq!(given(&page), None);
    }
}

/// A log-out is not undone by a page that was asked for before.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_ended_gets_no_new_id() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Support).await;
    dashboard.post("/logout", Some(&cookie), "").await;
    let page = dashboard.get("/account", Some(&cookie)).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(given(&page), None);
}

/// What ends sessions while somebody logs in ends the log-in, or comes before it.
#[tokio::test(flavor = "multi_thread")]
async fn check_95_a_log_in_whose_person_changed_meanwhile_has_no_session() {
    let dashboard = Dashboard::new().await;
    let (services, host) = (&dashboard.app.services, &dashboard.app.host);
    dashboard.log_in(Role::Support).await;
    let person = services
        .person_by_email(host, "support@example.com")
        .await
        .unwrap();
    for round in 0..6 {
        let body = log_in_form();
        let log_in = dashboard.post("/login", None, &body);
        let end = services.end_other_sessions(host, person.id);
        let (answer, ended) = tokio::join!(log_in, end);
        ended.unwrap();
        let left = services.sessions_of(host, person.id).await.unwrap();
        // Either it was let in after the end, or it is not in.
        match given(&answer) {
            Some(cookie) => assert_eq!(dashboard.is_open(&cookie).await, left.len() == 1),
            None => assert!(left.is_empty(), "round {round}"),
        }
        services.end_other_sessions(host, person.id).await.unwrap();
    }
}

fn log_in_form() -> String {
    form(&[
        ("email", "support@example.com"),
        ("password", PASSWORD),
        ("next", ""),
    ])
}

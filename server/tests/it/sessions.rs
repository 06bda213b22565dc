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

    /// The cookie with which somebody goes on after a page: another one if their role is.
    pub async fn after_a_page(&self, cookie: &str) -> String {
        let page = self.get("/account", Some(cookie)).await.ok();
        given(&page).unwrap_or_else(|| cookie.to_owned())
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
async fn check_56_another_role_is_another_session_id_from_the_next_page_on() {
    let dashboard = Dashboard::new().await;
    let mut cookie = dashboard.log_in(Role::Support).await;
    let began = dashboard.app.services.now();
    for role in [Role::Superuser, Role::Developer] {
        dashboard.app.clock.advance(TimeDelta::minutes(2));
        change_role(&dashboard.app, "support@example.com", role).await;
        // A function bites at once, and leaves the id to the page.
        let gateways = "/_fn/gateways/list";
        let function = dashboard.call_function(gateways, Some(&cookie), "").await;
        let may = function.status == StatusCode::OK;
        assert_eq!(may, role == Role::Superuser);
        let page = dashboard.get("/account", Some(&cookie)).await.ok();
        let renewed = given(&page).unwrap();
        assert_ne!(renewed, cookie);
        assert!(!dashboard.is_open(&cookie).await, "the old id of {role}");
        let again = dashboard.get("/account", Some(&renewed)).await.ok();
        assert_eq!(given(&again), None, "once is enough");
        cookie = renewed;
    }
    // Its limits are those of before.
    let (services, host) = (&dashboard.app.services, &dashboard.app.host);
    let user = services.person_by_email(host, "support@example.com").await;
    let store = services.session_store();
    let sessions = store
        .list_sessions_of(user.unwrap().id, services.now())
        .await;
    let limits: Vec<_> = sessions
        .unwrap()
        .iter()
        .map(|row| (row.created_at, row.absolute_until))
        .collect();
    assert_eq!(limits, [(began, began + TimeDelta::hours(24))]);
}

/// Whoever opens two pages at once after their role was changed is in with one of the answers.
#[tokio::test(flavor = "multi_thread")]
async fn two_pages_at_once_give_one_new_id() {
    let dashboard = Dashboard::new().await;
    for round in 0..20 {
        let cookie = dashboard.log_in(Role::Support).await;
        let role = [Role::Developer, Role::Support][round % 2];
        change_role(&dashboard.app, "support@example.com", role).await;
        let (first, second) = tokio::join!(
            dashboard.get("/account", Some(&cookie)),
            dashboard.get("/account", Some(&cookie))
        );
        let ids: Vec<_> = [first, second].iter().filter_map(given).collect();
        assert_eq!(ids.len(), 1, "round {round}");
        assert!(dashboard.is_open(&ids[0]).await, "round {round}");
    }
}

/// A log-out is not undone by a page that gives the session another id meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_ended_gets_no_new_id() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Support).await;
    change_role(&dashboard.app, "support@example.com", Role::Developer).await;
    dashboard.post("/logout", Some(&cookie), "").await;
    let page = dashboard.get("/account", Some(&cookie)).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(given(&page), None);
}

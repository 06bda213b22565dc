//! Who may see and do what: every route and server function, and everybody who may ask.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chrono::TimeDelta;
use domain::audit::Outcome;
use domain::role::{Permission, Role};
use domain::user::UserId;

pub use rows::{FORMS, FUNCTIONS, PAGES};
use rows::{OPEN, TRIED};

use crate::app::Answer;
use crate::dashboard::{Dashboard, text};

/// Every route with its methods. What axum prints of a router is the only list of them.
fn registered(router: &Router) -> BTreeSet<String> {
    let printed = format!("{router:?}");
    let (routes, _) = printed.split_once(", fallback_router: ").unwrap();
    let (mut handlers, mut paths) = (BTreeMap::new(), BTreeMap::new());
    for entry in routes.split("RouteId(").skip(1) {
        let (id, what) = entry.split_once("): ").unwrap();
        match what.strip_prefix('"') {
            Some(path) => paths.insert(id, path.split('"').next().unwrap()),
            None => handlers.insert(id, what),
        };
    }
    let methods = [
        "get", "head", "delete", "options", "patch", "post", "put", "trace", "connect",
    ];
    let mut registered = BTreeSet::new();
    for (id, path) in paths {
        let has = |text: String| handlers[id].contains(&text);
        let handles = |m: &&str| has(format!("{m}: ")) && !has(format!("{m}: None"));
        let mut handled = methods.into_iter().filter(handles).peekable();
        if handled.peek().is_none() {
            registered.insert(format!("ANY {path}"));
        }
        registered.extend(handled.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    // The gate is no route: it is asked before.
    let gate = ["", "/", "/{*path}"].map(|rest| format!("ANY /v1/verify{rest}"));
    registered.extend(gate);
    registered
}

#[tokio::test(flavor = "multi_thread")]
async fn check_83_every_route_and_every_server_function_has_a_row() {
    let dashboard = Dashboard::new().await;
    let path = |row: &'static str| row.split('?').next().unwrap();
    let pages = PAGES.iter().map(|row| format!("GET {}", path(row.0)));
    let forms = FORMS.iter().map(|row| format!("POST {}", row.0));
    let functions = FUNCTIONS.iter().map(|row| format!("POST {}", row.0));
    let open = OPEN.iter().map(|row| (*row).to_owned());
    let listed: BTreeSet<_> = pages.chain(forms).chain(functions).chain(open).collect();
    let registered = registered(&dashboard.app.front.router);
    let without_row: Vec<_> = registered.difference(&listed).collect();
    let without_route: Vec<_> = listed.difference(&registered).collect();
    assert_eq!((without_row, without_route), (Vec::new(), Vec::new()));
}

/// How somebody fares.
#[derive(Debug, PartialEq, Eq)]
enum Fares {
    /// Sent to the log-in page, or told to log in.
    AsStranger,
    Refused,
    /// It is theirs, whatever comes of it.
    In,
}

impl Fares {
    #[track_caller]
    fn of(answer: &Answer, what: &str) -> Self {
        assert!(!answer.status.is_server_error(), "{what}: {}", text(answer));
        let to = answer.headers.get(header::LOCATION);
        let to = to.map_or("", |to| to.to_str().unwrap());
        let to_log_in = to == "/login" || to.starts_with("/login?next=%2F");
        match answer.status {
            StatusCode::SEE_OTHER if to_log_in => {
                assert!(answer.body.is_empty(), "{what}");
                Self::AsStranger
            }
            StatusCode::UNAUTHORIZED => Self::AsStranger,
            StatusCode::FORBIDDEN => Self::Refused,
            _ => Self::In,
        }
    }

    /// How somebody of a role, or nobody, fares, which must be what the permission says.
    #[track_caller]
    fn as_expected(
        answer: &Answer,
        role: Option<Role>,
        permission: Permission,
        what: &str,
    ) -> Self {
        let fares = Self::of(answer, what);
        let expected = Self::expected(role, permission);
        assert_eq!(fares, expected, "{what}: {}", answer.status);
        fares
    }

    fn expected(role: Option<Role>, permission: Permission) -> Self {
        match role {
            None => Self::AsStranger,
            Some(role) if role.can(permission) => Self::In,
            Some(_) => Self::Refused,
        }
    }
}

impl Dashboard {
    /// Asks for everything with a cookie: it must open what a role may do, and nothing else; without
    /// a role nothing at all.
    async fn opens(&self, cookie: Option<&str>, role: Option<Role>) {
        for (page, permission) in PAGES.iter().copied() {
            let what = format!("{role:?} GET {page}");
            let answer = self.get(page, cookie).await;
            match Fares::as_expected(&answer, role, permission, &what) {
                Fares::In => {
                    let status = answer.status;
                    assert!(
                        status.is_success() || status.is_redirection(),
                        "{what}: {status}"
                    );
                }
                Fares::Refused => {
                    assert!(
                        text(&answer).contains("href=\"/credentials\""),
                        "no way back: {page}"
                    );
                }
                Fares::AsStranger => {}
            }
        }
        for (path, arguments, permission) in FUNCTIONS.iter().copied() {
            let what = format!("{role:?} {path}");
            let answer = self.call_function(path, cookie, arguments).await;
            Fares::as_expected(&answer, role, permission, &what);
        }
        for (path, body, permission) in FORMS.iter().copied() {
            let what = format!("{role:?} POST {path}");
            let answer = self.post(path, cookie, body).await;
            Fares::as_expected(&answer, role, permission, &what);
        }
        // The forms may have ended what the next one needs.
        let (services, host, owner) = (&self.app.services, &self.app.host, self.app.owner.id);
        services.enable_person(host, owner).await.unwrap();
        services
            .set_role(host, owner, Role::Superuser)
            .await
            .unwrap();
    }

    /// A superuser's session, and who it is.
    async fn superuser(&self) -> (String, UserId) {
        let cookie = self.log_in(Role::Superuser).await;
        let (services, host) = (&self.app.services, &self.app.host);
        let user = services
            .person_by_email(host, "superuser@example.com")
            .await;
        (cookie, user.unwrap().id)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_83_strangers_get_nothing() {
    let dashboard = Dashboard::new().await;
    let planted = "__Host-keyrack=AAAAAAAAAAAAAAAAAAAAAA";
    for cookie in [None, Some(planted)] {
        dashboard.opens(cookie, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_83_each_role_may_exactly_what_the_table_says() {
    let dashboard = Dashboard::new().await;
    for role in Role::ALL {
        let cookie = dashboard.log_in(role).await;
        dashboard.opens(Some(&cookie), Some(role)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_83_a_session_of_another_role_is_a_strangers() {
    let dashboard = Dashboard::new().await;
    let (services, host) = (&dashboard.app.services, &dashboard.app.host);
    let (cookie, user) = dashboard.superuser().await;
    for role in [Role::Support, Role::Superuser] {
        services.set_role(host, user, role).await.unwrap();
        dashboard.opens(Some(&cookie), None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_83_a_person_who_is_disabled_is_a_stranger_at_once() {
    let dashboard = Dashboard::new().await;
    let (cookie, user) = dashboard.superuser().await;
    let (services, host) = (&dashboard.app.services, &dashboard.app.host);
    services.disable_person(host, user).await.unwrap();
    dashboard.opens(Some(&cookie), None).await;
    // And what has ended does not come back.
    services.enable_person(host, user).await.unwrap();
    dashboard.opens(Some(&cookie), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_84_each_refused_form_is_one_denied_event() {
    let dashboard = Dashboard::new().await;
    for role in Role::ALL {
        let cookie = dashboard.log_in(role).await;
        let email = format!("{role}@example.com");
        let (services, host) = (&dashboard.app.services, &dashboard.app.host);
        let person = services.person_by_email(host, &email).await.unwrap();
        for (path, body, permission) in FORMS.iter().copied() {
            if role.can(permission) {
                continue;
            }
            // Twenty at once are written of each person, and one a minute.
            dashboard.app.clock.advance(TimeDelta::minutes(1));
            let before = dashboard.app.audit_log().await.len();
            let answer = dashboard.post(path, Some(&cookie), body).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{role} {path}");
            let log = dashboard.app.audit_log().await;
            let [event] = &log[before..] else {
                panic!("{role} {path}: {:?}", &log[before..]);
            };
            let tried = TRIED.iter().find(|row| row.0 == path);
            let tried = tried.unwrap_or_else(|| panic!("{path} has no row in TRIED"));
            assert_eq!(
                (event.outcome, event.action, event.actor_id.as_deref()),
                (Outcome::Denied, tried.1, Some(&*person.id.to_string())),
                "{role} {path}"
            );
        }
    }
}

/// What scripts of any site may read: nothing but what is public anyway.
#[tokio::test(flavor = "multi_thread")]
async fn check_81_only_the_issuers_documents_are_for_scripts_of_other_sites() {
    let dashboard = Dashboard::new().await;
    let mut open_to_all = BTreeSet::new();
    for route in registered(&dashboard.app.front.router) {
        let cookie = dashboard.log_in(Role::Superuser).await;
        let (method, path) = route.split_once(' ').unwrap();
        let path = dashboard
            .fill(path)
            .replace("{*path}", "x")
            .replace("{*function}", "x");
        for method in [method.replace("ANY", "GET"), "OPTIONS".to_owned()] {
            let request = Request::builder()
                .method(&*method)
                .uri(&path)
                .header(header::ORIGIN, "https://evil.example")
                .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
                .header(header::COOKIE, &cookie);
            let answer = dashboard
                .app
                .call(request.body(Body::empty()).unwrap())
                .await;
            let credentials = header::ACCESS_CONTROL_ALLOW_CREDENTIALS;
            assert!(!answer.headers.contains_key(credentials), "{route}");
            if let Some(origin) = answer.header("access-control-allow-origin") {
                assert_eq!(origin, "*", "{route}");
                open_to_all.insert(route.clone());
            }
        }
    }
    let documents = [
        "GET /.well-known/oauth-authorization-server/v1",
        "GET /v1/.well-known/oauth-authorization-server",
        "GET /v1/oauth2/keys",
    ];
    assert!(open_to_all.iter().eq(documents.iter()), "{open_to_all:?}");
}

//! Log-in by the headers of a trusted proxy, through the real router.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use domain::audit::{Action, Outcome};
use domain::groups::RoleMap;
use domain::role::Role;
use http::{HeaderName, HeaderValue};
use server::http::Front;
use server::http::layers::proxy::HeaderLogIn;
use server::state::{HttpSettings, Shared};
use service::SsoSettings;

use crate::app::{Answer, PUBLIC_URL, TestApp};

const PROXY: &str = "10.0.0.7:40000";
const ADA: [(&str, &str); 4] = [
    ("x-auth-user", "ada"),
    ("x-auth-email", "ada@example.com"),
    ("x-auth-name", "Ada Lovelace"),
    ("x-auth-groups", "staff,ops"),
];
const BOB: [(&str, &str); 3] = [
    ("x-auth-user", "bob"),
    ("x-auth-email", "bob@example.com"),
    ("x-auth-groups", "admins"),
];

async fn open() -> TestApp {
    let roles = ["admins=superuser", "ops=operations"].map(ToOwned::to_owned);
    let header = |name| Some(HeaderName::from_static(name));
    let rules = HeaderLogIn {
        trusted: vec!["10.0.0.0/24".parse().unwrap()],
        user: HeaderName::from_static("x-auth-user"),
        email: header("x-auth-email"),
        name: header("x-auth-name"),
        groups: header("x-auth-groups"),
        roles: RoleMap::new(&roles, None).unwrap(),
    };
    TestApp::with_sso(SsoSettings::default(), Some(rules)).await
}

async fn send(
    app: &TestApp,
    peer: &str,
    method: Method,
    path: &str,
    cookie: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::COOKIE, cookie)
        .header(header::ORIGIN, PUBLIC_URL)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request = request.header(*name, value);
    }
    app.call_from(peer, request.body(Body::empty()).unwrap())
        .await
}

async fn get(app: &TestApp, cookie: &str, headers: &[(&str, &str)]) -> Answer {
    send(app, PROXY, Method::GET, "/credentials", cookie, headers).await
}

#[track_caller]
fn session(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// Whether a session still has a person.
async fn is_alive(app: &TestApp, cookie: &str, headers: &[(&str, &str)]) -> bool {
    let answer = get(app, cookie, headers).await;
    answer.status == StatusCode::OK && answer.headers.get("set-cookie").is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_73_a_trusted_proxy_says_who_it_is_and_nobody_else_does() {
    let app = open().await;
    let answer = get(&app, "", &ADA).await.ok();
    assert!(text(&answer).contains("Ada Lovelace"));
    let cookie = session(&answer);
    assert!(is_alive(&app, &cookie, &ADA).await);
    let user = app.services.person_by_email(&app.host, "ada@example.com");
    assert_eq!(user.await.unwrap().role, Role::Operations);

    // A stranger's header does nothing, even together with a session that the proxy began.
    for cookie in ["", &cookie] {
        let answer = send(
            &app,
            "10.0.1.7:1",
            Method::GET,
            "/credentials",
            cookie,
            &BOB,
        )
        .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    }
    let ignored = app.audit_log().await.into_iter();
    let ignored: Vec<_> = ignored
        .filter(|event| event.action == Action::SsoHeaderIgnored)
        .map(|event| (event.outcome, event.object_name, event.address))
        .collect();
    // Once in a minute.
    let expected = (
        Outcome::Denied,
        "bob".to_owned(),
        Some("10.0.1.7".to_owned()),
    );
    assert_eq!(ignored, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_73_headers_that_can_be_read_in_two_ways_are_refused() {
    let app = open().await;
    let mail = ("x-auth-email", "ada@example.com");
    for headers in [
        vec![("x-auth-user", "ada"), ("x-auth-user", "ada")],
        vec![("x-auth-user", "ada,bob")],
        vec![("x-auth-user", "")],
        vec![("x-auth-user", "UTF-8''%FF")],
        vec![("x-auth-user", "ada"), ("x_auth_user", "bob")],
        vec![("x-auth-user", "ada"), ("x.auth.groups", "admins")],
        vec![("x-auth-user", "ada"), mail, mail],
    ] {
        let answer = get(&app, "", &headers).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{headers:?}");
        assert!(answer.headers.get("set-cookie").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_74_another_header_is_another_session_and_none_is_the_end() {
    let app = open().await;
    let ada = session(&get(&app, "", &ADA).await.ok());
    let answer = get(&app, &ada, &BOB).await.ok();
    let bob = session(&answer);
    assert_ne!(ada, bob);
    assert!(text(&answer).contains("bob"));
    // Ada's session is dead: it is not taken up again, but begun anew.
    let again = session(&get(&app, &ada, &ADA).await.ok());
    assert_ne!(again, ada);
    assert!(is_alive(&app, &bob, &BOB).await);

    // Other groups are other rights, from this request on.
    let demoted = [("x-auth-user", "bob"), ("x-auth-groups", "ops")];
    let answer = send(&app, PROXY, Method::GET, "/audit", &bob, &demoted).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let bob = session(&answer);

    let gone = get(&app, &bob, &[]).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
    assert_eq!(gone.header("location"), Some("/login?next=%2Fcredentials"));
    let back = session(&get(&app, &bob, &demoted).await.ok());
    assert_ne!(back, bob);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_74_a_form_of_one_person_is_never_sent_by_another() {
    let app = open().await;
    let bob = session(&get(&app, "", &BOB).await.ok());
    let role = format!("/users/{}/disable", app.owner.id);
    for cookie in ["", &bob] {
        let answer = send(&app, PROXY, Method::POST, &role, cookie, &ADA).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.header("location"), Some("/login"));
    }
    let owner = app.services.person_by_email(&app.host, "mara@example.com");
    assert!(owner.await.unwrap().is_active());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_group_and_no_address_are_told() {
    let app = open().await;
    let answer = get(&app, "", &[("x-auth-user", "eve@example.com")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(text(&answer).contains("None of your groups"), "{answer:?}");
    let headers = [("x-auth-user", "eve"), ("x-auth-groups", "ops")];
    let answer = get(&app, "", &headers).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(text(&answer).contains("e-mail address"), "{answer:?}");
}

/// A forged header, or one proxy that knows of other groups than another, is a log-in like any other: it
/// changes the person's role, and no session takes that over which began by other words.
#[tokio::test(flavor = "multi_thread")]
async fn check_93_an_older_session_has_no_role_but_that_of_its_own_header() {
    let app = open().await;
    let older = session(&get(&app, "", &ADA).await.ok());
    let mut promoted = ADA;
    promoted[3].1 = "admins";
    let newer = session(&get(&app, "", &promoted).await.ok());

    // Nothing but a page begins anew, and nothing else takes the role over.
    let role = format!("/users/{}/disable", app.owner.id);
    let answer = send(&app, PROXY, Method::POST, &role, &older, &ADA).await;
    assert_eq!(answer.header("location"), Some("/login"));
    let answer = send(&app, PROXY, Method::GET, "/audit", &older, &ADA).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    // The person is what the last log-in made of them, and the other session isn't that any more.
    let ada = app.services.person_by_email(&app.host, "ada@example.com");
    assert_eq!(ada.await.unwrap().role, Role::Operations);
    let answer = send(&app, PROXY, Method::POST, &role, &newer, &promoted).await;
    assert_eq!(answer.header("location"), Some("/login"));
    let owner = app.services.person_by_email(&app.host, "mara@example.com");
    assert!(owner.await.unwrap().is_active());

    let log = app.audit_log().await;
    let of = |action| log.iter().filter(|event| event.action == action).count();
    assert_eq!(of(Action::UserRoleMapped), 2, "up and down");
    assert_eq!(of(Action::LogIn), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_93_a_header_session_ends_when_headers_are_no_longer_read() {
    let mut app = open().await;
    let cookie = session(&get(&app, "", &ADA).await.ok());
    let shared = Shared::clone(&app.state);
    let http = HttpSettings {
        header_log_in: None,
        ..shared.http
    };
    app.front = Front::new(Shared { http, ..shared }.into());
    let answer = get(&app, &cookie, &ADA).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

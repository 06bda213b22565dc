//! Changes that another site's page asks for, at every form and function that there is.

use axum::http::{StatusCode, header};
use domain::role::Role;
use service::UserQuery;

use crate::app::{Answer, PUBLIC_URL};
use crate::dashboard::{Dashboard, FORM, PASSWORD, form, text};
use crate::role_matrix::{FORMS, FUNCTIONS};

/// The forms of those who are not logged in.
const WAYS_IN: [&str; 6] = [
    "/login",
    "/login/second-factor",
    "/login/second-factor/passkey",
    "/forgot",
    "/setup",
    "/welcome",
];
/// The forms behind one-time links, whose pages send no referrer.
const LINKS: [&str; 2] = ["/setup", "/welcome"];

type Headers = &'static [(&'static str, &'static str)];

/// What browsers say of a request that another site's page makes, and what no browser says.
const ELSEWHERE: [Headers; 9] = [
    &[],
    &[("origin", "https://evil.example")],
    &[("origin", "https://keys.example.com.evil.example")],
    &[("origin", PUBLIC_URL), ("sec-fetch-site", "cross-site")],
    &[("origin", PUBLIC_URL), ("sec-fetch-site", "same-site")],
    &[("origin", PUBLIC_URL), ("sec-fetch-site", "none")],
    &[("origin", "null"), ("sec-fetch-site", "cross-site")],
    &[("origin", "null"), ("sec-fetch-site", "same-site")],
    &[("sec-fetch-site", "cross-site")],
];
/// What browsers say when a page hides where it is: nothing, of all but the pages behind links.
const HIDDEN: [Headers; 2] = [
    &[("origin", "null")],
    &[("origin", "null"), ("sec-fetch-site", "same-origin")],
];

#[track_caller]
fn refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}");
    let words = "This form was not sent from";
    assert!(text(answer).starts_with(words), "{what}: {}", text(answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_78_no_form_and_no_function_is_for_another_sites_page() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Superuser).await;
    let cookie = Some(cookie.as_str());
    let forms = FORMS.iter().map(|(path, body, _)| (*path, *body));
    let functions = FUNCTIONS.iter().map(|(path, body, _)| (*path, *body));
    let ways_in = WAYS_IN.iter().map(|path| (*path, ""));
    for (path, body) in forms.chain(functions).chain(ways_in) {
        let kind = if body.starts_with('{') {
            "application/json"
        } else {
            FORM
        };
        let may_hide = LINKS.contains(&path);
        let hidden = HIDDEN.iter().filter(|_| !may_hide);
        for headers in ELSEWHERE.iter().chain(hidden) {
            let answer = dashboard.send(path, cookie, kind, body, headers).await;
            refused(&answer, &format!("{path} {headers:?}"));
        }
        // What another site's page can send without being asked, and what only a script can.
        let is_function = path.starts_with("/_fn/");
        let others = ["text/plain", "multipart/form-data; boundary=x"];
        let json = (!is_function).then_some("application/json");
        for kind in others.into_iter().chain(json) {
            let ours = [("origin", PUBLIC_URL)];
            let answer = dashboard.send(path, cookie, kind, body, &ours).await;
            let expected = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            assert_eq!(answer.status, expected, "{path} {kind}");
        }
        if is_function {
            let answer = dashboard.get(path, cookie).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }
    nothing_has_changed(&dashboard, cookie).await;
}

/// Not even the session has ended, though a form for that was among them.
async fn nothing_has_changed(dashboard: &Dashboard, cookie: Option<&str>) {
    let page = dashboard.get("/account", cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    let (services, host) = (&dashboard.app.services, &dashboard.app.host);
    let record = services.credential(host, dashboard.key.key_id()).await;
    assert_eq!(record.unwrap().credential.standing.as_str(), "active");
    assert_eq!(services.count_credentials(host).await.unwrap().all, 1);
    let everybody = UserQuery {
        limit: 10,
        ..UserQuery::default()
    };
    let people = services.people(host, everybody).await.unwrap();
    assert_eq!(people.len(), 2);
    assert!(
        people
            .iter()
            .all(|user| user.is_active() && user.role == Role::Superuser)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_63_a_page_behind_a_link_sends_no_referrer_and_its_form_works_without() {
    let dashboard = Dashboard::new().await;
    let (services, host) = (&dashboard.app.services, &dashboard.app.host);
    let owner = dashboard.app.owner.id;
    for headers in HIDDEN {
        let link = services.offer_password_link(host, owner).await.unwrap();
        let token = link.token.expose();
        let page = dashboard
            .get(&format!("/welcome?token={token}"), None)
            .await;
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        let weak = form(&[("token", token), ("password", "short")]);
        let again = dashboard.send("/welcome", None, FORM, &weak, headers).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(again.header("referrer-policy"), Some("no-referrer"));
        let good = form(&[("token", token), ("password", PASSWORD)]);
        let done = dashboard.send("/welcome", None, FORM, &good, headers).await;
        assert_eq!(done.headers[header::LOCATION], "/login?done=welcome");
        // Set up it is already: the form is read, and refused for that.
        let fields = [("token", "x"), ("name", "x"), ("email", "x@example.com")];
        let body = form(&[fields[0], fields[1], fields[2], ("password", PASSWORD)]);
        let set_up = dashboard.send("/setup", None, FORM, &body, headers).await;
        assert!(!text(&set_up).starts_with("This form was not sent from"));
    }
    let set_up = dashboard.get("/setup?token=x", None).await;
    // Gone, it has no form, and leads to pages whose forms need their origin.
    let expected = if set_up.status == StatusCode::NOT_FOUND {
        "same-origin"
    } else {
        "no-referrer"
    };
    assert_eq!(set_up.header("referrer-policy"), Some(expected));
    for path in ["/login", "/forgot", "/welcome/more", "/login?next=/welcome"] {
        let page = dashboard.get(path, None).await;
        assert_eq!(
            page.header("referrer-policy"),
            Some("same-origin"),
            "{path}"
        );
    }
}

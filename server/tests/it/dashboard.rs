//! The dashboard over HTTP: sessions, forms, and what every answer carries. Who may see and do what
//! is in `role_matrix`.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use domain::expiry::rfc3339;
use domain::role::Role;
use service::AddPerson;

use server::http::Front;

use crate::app::{Answer, Key, PUBLIC_KEY, PUBLIC_URL, TestApp};
use crate::role_matrix::FUNCTIONS;

pub const PASSWORD: &str = "mice juggle seven lamps";
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Keyrack with one credential, and people at its dashboard.
pub struct Dashboard {
    pub app: TestApp,
    pub key: Key,
    user: String,
}

impl Dashboard {
    pub async fn new() -> Self {
        Self::of(TestApp::new().await).await
    }

    pub async fn of(app: TestApp) -> Self {
        let key = app.issue("client_secret", "accounts=read").await;
        let user = app.owner.id.to_string();
        Self { app, key, user }
    }

    /// A path of the router with something in its places.
    pub fn fill(&self, text: &str) -> String {
        text.replace("{key_id}", &self.key.id)
            .replace("{id}", &self.user)
            .replace("{session}", "00")
            .replace("{file}", "export.csv")
            .replace("{kid}", "unknown")
            .replace("{provider}", "acme")
    }

    /// A person of a role, logged in through the form; their cookie.
    pub async fn log_in(&self, role: Role) -> String {
        let email = format!("{role}@example.com");
        let person = AddPerson {
            name: "Somebody".into(),
            email: email.clone(),
            role: role.to_string(),
        };
        // Another test step may have added them.
        let _ = self
            .app
            .services
            .add_person_with_password(&self.app.host, &person, PASSWORD)
            .await;
        let answer = self
            .post(
                "/login",
                None,
                &form(&[("email", &email), ("password", PASSWORD), ("next", "")]),
            )
            .await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.cookie().unwrap()
    }

    pub async fn get(&self, path: &str, cookie: Option<&str>) -> Answer {
        let mut request = Request::get(self.fill(path)).header(header::ACCEPT, "text/html");
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        self.app.call(request.body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, cookie: Option<&str>, body: &str) -> Answer {
        self.send(path, cookie, FORM, body, &[("origin", PUBLIC_URL)])
            .await
    }

    pub async fn send(
        &self,
        path: &str,
        cookie: Option<&str>,
        kind: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::post(self.fill(path)).header(header::CONTENT_TYPE, kind);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        self.app
            .call(request.body(Body::from(self.fill(body))).unwrap())
            .await
    }

    pub async fn call_function(&self, path: &str, cookie: Option<&str>, arguments: &str) -> Answer {
        let kind = if arguments.is_empty() {
            FORM
        } else {
            "application/json"
        };
        self.send(path, cookie, kind, arguments, &[("origin", PUBLIC_URL)])
            .await
    }
}

pub fn form(fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}

pub fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_76_a_person_sees_where_they_are_logged_in_and_ends_it() {
    let dashboard = Dashboard::new().await;
    let (first, second) = (
        dashboard.log_in(Role::Support).await,
        dashboard.log_in(Role::Support).await,
    );
    let page = text(&dashboard.get("/account", Some(&second)).await);
    assert!(page.contains("This session"), "{page}");
    let (_, rest) = page.split_once("action=\"/users/").unwrap();
    let action = format!("/users/{}", rest.split('"').next().unwrap());
    assert!(action.ends_with("/end"), "{action}");

    let answer = dashboard.post(&action, Some(&second), "").await;
    assert_eq!(
        answer.headers[header::LOCATION],
        "/account?done=session-ended"
    );
    let gone = dashboard.get("/account", Some(&first)).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
    let stays = dashboard.get("/account", Some(&second)).await;
    assert_eq!(stays.status, StatusCode::OK);
    let again = dashboard.post(&action, Some(&second), "").await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_is_searched_and_exported_whole() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Superuser).await;
    let cookie = Some(cookie.as_str());
    let denied = dashboard.log_in(Role::Support).await;
    let answer = dashboard.post("/users", Some(&denied), "people=x&role=x");
    assert_eq!(answer.await.status, StatusCode::FORBIDDEN);

    let page = text(&dashboard.get("/audit", cookie).await);
    assert!(page.contains("tried to add "), "{page}");
    let found = dashboard.get("/audit?object={key_id}", cookie).await;
    assert!(text(&found).contains(&format!("href=\"/credentials/{}\"", dashboard.key.id)));
    let nothing = dashboard.get("/audit?actor=Nobody", cookie).await;
    assert!(text(&nothing).contains("Nothing matches"));

    let export = dashboard.get("/audit/export.jsonl", cookie).await;
    assert_eq!(export.headers[header::CONTENT_TYPE], "application/jsonl");
    let lines: Vec<serde_json::Value> = text(&export)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (line, seq) in lines.iter().zip(1..) {
        assert_eq!(line["seq"], seq.to_string());
    }
    // The export itself is the last entry.
    assert_eq!(lines.last().unwrap()["action"], "audit.exported");
    let only = "/audit/export.csv?outcome=denied";
    let only = text(&dashboard.get(only, cookie).await);
    assert!(only.lines().skip(1).all(|line| line.contains(",denied,")));
    assert!(only.lines().count() > 1, "{only}");
    let none = dashboard.get("/audit/export.xml", cookie).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_function_never_redirects_to_another_site() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Support).await;
    let headers = [
        ("origin", PUBLIC_URL),
        ("accept", "text/html"),
        ("referer", "https://evil.example/"),
    ];
    for (path, arguments, _) in FUNCTIONS.iter().copied() {
        let kind = if arguments.is_empty() {
            FORM
        } else {
            "application/json"
        };
        let answer = dashboard
            .send(path, Some(&cookie), kind, arguments, &headers)
            .await;
        let to = answer
            .headers
            .get(header::LOCATION)
            .map(|to| to.to_str().unwrap());
        assert!(
            to.is_none_or(|to| to.starts_with('/') && !to.starts_with("//")),
            "{path}: {to:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_75_the_session_cookie_is_bound_to_this_host() {
    let dashboard = Dashboard::new().await;
    let body = form(&[
        ("email", "support@example.com"),
        ("password", PASSWORD),
        ("next", "//evil.example"),
    ]);
    dashboard.log_in(Role::Support).await;
    let answer = dashboard
        .post(
            "/login",
            Some("__Host-keyrack=AAAAAAAAAAAAAAAAAAAAAA"),
            &body,
        )
        .await;
    assert_eq!(answer.headers[header::LOCATION], "/", "an open redirect");
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    for part in [
        "__Host-keyrack=",
        "HttpOnly",
        "SameSite=Lax",
        "Secure",
        "Path=/",
    ] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    assert!(!cookie.contains("Domain") && !cookie.contains("AAAAAAAAAAAAAAAAAAAAAA"));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_77_a_log_out_ends_everything() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Support).await;
    let answer = dashboard.post("/logout", Some(&cookie), "").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let removals: Vec<_> = answer.headers.get_all(header::SET_COOKIE).iter().collect();
    assert_eq!(removals.len(), 1);
    let removal = removals[0].to_str().unwrap();
    assert!(
        removal.contains("Max-Age=0") && removal.contains("Secure") && removal.contains("Path=/")
    );
    assert!(answer.headers.contains_key("clear-site-data"));
    assert_eq!(
        dashboard.get("/credentials", Some(&cookie)).await.status,
        StatusCode::SEE_OTHER
    );
}

/// A request that has read the session before a log-out must not write it back after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_is_not_undone_by_a_request_that_ran_beside_it() {
    let dashboard = Dashboard::new().await;
    for round in 0..30 {
        let cookie = dashboard.log_in(Role::Support).await;
        // Old enough that the request beside it wants to say that the session is alive.
        dashboard.app.clock.advance(chrono::TimeDelta::seconds(61));
        let (page, _) = tokio::join!(
            dashboard.get("/account", Some(&cookie)),
            dashboard.post("/logout", Some(&cookie), "")
        );
        assert!(!page.status.is_server_error());
        let after = dashboard.get("/credentials", Some(&cookie)).await;
        assert_eq!(after.status, StatusCode::SEE_OTHER, "round {round}");
    }
}

/// The kinds of limits whose box "only report" is ticked on a page.
fn ticked(page: &str) -> Vec<&str> {
    let kinds = ["addresses", "calls", "tokens"].into_iter();
    let is_ticked = |kind: &&str| {
        let name = format!("name=\"report_{kind}\"");
        let boxes: Vec<_> = page
            .split("<input ")
            .filter(|b| b.contains(&name))
            .collect();
        assert_eq!(boxes.len(), 1, "{kind}");
        boxes[0].split('>').next().unwrap().contains(" checked")
    };
    kinds.filter(is_ticked).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_has_its_own_box_for_only_reporting() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Superuser).await;
    let page = async || text(&dashboard.get("/credentials/{key_id}", Some(&cookie)).await);
    let save = async |per_minute: &str, reported: &[&str]| {
        let app = &dashboard.app;
        let record = app
            .services
            .credential(&app.host, dashboard.key.key_id())
            .await;
        let read = rfc3339(record.unwrap().credential.updated_at);
        let boxes: Vec<_> = reported
            .iter()
            .map(|kind| format!("report_{kind}"))
            .collect();
        let mut fields = vec![
            ("addresses", "192.0.2.0/24"),
            ("per_second", ""),
            ("burst", ""),
            ("per_minute", per_minute),
            ("tokens_per_hour", "4"),
            ("read", &*read),
        ];
        fields.extend(boxes.iter().map(|field| (field.as_str(), "on")));
        dashboard
            .post(
                "/credentials/{key_id}/limits",
                Some(&cookie),
                &form(&fields),
            )
            .await
    };
    assert_eq!(ticked(&page().await), [""; 0]);
    for reported in [&["calls"][..], &["addresses", "tokens"], &[]] {
        // What was ticked comes back with what is wrong.
        let refused = save("many", reported).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(ticked(&text(&refused)), reported);
        assert_eq!(save("60", reported).await.status, StatusCode::SEE_OTHER);
        let page = page().await;
        assert_eq!(ticked(&page), reported);
        for (kind, words) in [
            ("addresses", "only from 192.0.2.0/24"),
            ("calls", "at most 60 calls a minute"),
            ("tokens", "at most 4 tokens an hour"),
        ] {
            let is_reported = page.contains(&format!("{words} (reported, not refused)"));
            assert!(page.contains(words));
            assert_eq!(is_reported, reported.contains(&kind), "{kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_85_a_secret_is_shown_once_and_then_nowhere() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Superuser).await;
    let owner = dashboard.user.clone();
    let body = form(&[
        ("name", "<b>worker</b>"),
        ("purpose", "</script><img src=x onerror=alert(1)>"),
        ("owner", &owner),
        ("flow", "client_secret"),
        ("expires", "30d"),
        ("expires_at", ""),
        ("expires_at_utc", ""),
        ("access", "read_only"),
        ("public_key", ""),
        ("idempotency_key", "form-1"),
    ]);
    let shown = dashboard
        .post("/credentials/new", Some(&cookie), &body)
        .await;
    assert_eq!(shown.status, StatusCode::OK, "{}", text(&shown));
    assert_eq!(shown.headers[header::CACHE_CONTROL], "no-store");
    let page = text(&shown);
    let at = page.find("krs_").expect("the secret is shown");
    let secret = page[at..at + 50].to_owned();
    assert!(
        !page.contains("<b>worker") && !page.contains("<img src=x"),
        "names are escaped"
    );
    let twice = dashboard
        .post("/credentials/new", Some(&cookie), &body)
        .await;
    assert!(
        text(&twice).contains(&secret),
        "the second of two clicks shows the same secret"
    );
    let list = dashboard.get("/credentials", Some(&cookie)).await;
    let key_id = {
        let all = dashboard
            .app
            .services
            .count_credentials(&dashboard.app.host)
            .await
            .unwrap()
            .all;
        assert_eq!(all, 2, "two clicks, one credential");
        let list = text(&list);
        let at = list
            .match_indices("/credentials/KR")
            .map(|(at, _)| &list[at + 13..at + 35]);
        at.into_iter()
            .find(|id| *id != dashboard.key.id)
            .unwrap()
            .to_owned()
    };
    for path in [
        "/credentials",
        "/credentials/new",
        &format!("/credentials/{key_id}"),
        &format!("/credentials/{key_id}/edit"),
    ] {
        let page = text(&dashboard.get(path, Some(&cookie)).await);
        assert!(!page.contains(&secret[4..]), "{path}");
        assert!(!page.contains("<img src=x"), "{path}");
    }
    let get = dashboard
        .call_function(
            "/_fn/credentials/get",
            Some(&cookie),
            &format!(r#"{{"key_id":"{key_id}"}}"#),
        )
        .await;
    assert!(!text(&get).contains(&secret[4..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_86_forms_that_were_changed_on_the_way_are_refused() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Superuser).await;
    for (path, body) in [
        ("/credentials/{key_id}/disable", "reason=x&reason=y"),
        ("/credentials/{key_id}/disable", "reason=x&created_at=1"),
        (
            "/users",
            "name=x&email=x@example.com&role=support&role=superuser",
        ),
        (
            "/account/password",
            "current_password=x&new_password=y&user=z",
        ),
    ] {
        let answer = dashboard.post(path, Some(&cookie), body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {body}");
    }
    let answer = dashboard
        .get("/credentials/KRAAAAAAAAAAAAAAAAAAAA", Some(&cookie))
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_82_trace_and_unknown_paths_tell_nothing() {
    let dashboard = Dashboard::new().await;
    for path in [
        "/credentials",
        "/v1/verify",
        "/v1/verify/v1/accounts",
        "/v1/oauth2/token",
        "/healthz",
        "/nowhere",
    ] {
        let trace = Request::builder()
            .method("TRACE")
            .uri(path)
            .body(Body::empty())
            .unwrap();
        assert_eq!(
            dashboard.app.call(trace).await.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{path}"
        );
    }
    let cookie = dashboard.log_in(Role::Support).await;
    let answer = dashboard
        .send(
            "/_fn/%3Cscript%3E",
            Some(&cookie),
            FORM,
            "",
            &[("origin", PUBLIC_URL)],
        )
        .await;
    assert!(answer.status.is_client_error());
    assert!(
        !text(&answer).contains("<script>") && !text(&answer).contains("leptos"),
        "{}",
        text(&answer)
    );
}

/// While Leptos lists the pages of an app, it stops every resource of the process.
#[tokio::test(flavor = "multi_thread")]
async fn pages_load_while_another_router_is_made() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Superuser).await;
    let state = dashboard.app.state.clone();
    let making = tokio::spawn(async move {
        loop {
            let _ = Front::new(state.clone());
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..100 {
        let page = dashboard.get("/users", Some(&cookie));
        let page = tokio::time::timeout(Duration::from_secs(10), page).await;
        assert_eq!(page.expect("the page hangs").status, StatusCode::OK);
    }
    making.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_url_and_what_came_from_it_are_on_the_credentials_page() {
    let mut dashboard = Dashboard::new().await;
    dashboard.key = dashboard
        .app
        .issue("private_key_jwt", "accounts=read")
        .await;
    let cookie = dashboard.log_in(Role::Superuser).await;
    let cookie = Some(cookie.as_str());
    let (page, action) = ("/credentials/{key_id}", "/credentials/{key_id}/key-url");
    let before = text(&dashboard.get(page, cookie).await);
    assert!(before.contains("Use a key URL instead") && !before.contains("Fetch now"));

    let typed = "https://169.254.169.254/latest";
    let body = form(&[("jwks_url", typed)]);
    let refused = dashboard.post(action, cookie, &body).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let refused = text(&refused);
    assert!(refused.contains("This address is not a public one") && refused.contains(typed));

    let body = form(&[("jwks_url", "https://localhost:1/jwks.json")]);
    for (path, body) in [
        (action, body.as_str()),
        ("/credentials/{key_id}/key-url/fetch", ""),
    ] {
        let done = dashboard.post(path, cookie, body).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{path}");
        let shown = text(&dashboard.get(page, cookie).await);
        for words in [
            "https://localhost:1/jwks.json",
            "localhost has no public address",
            "no assertion gets a token",
            "Fetch now",
            "Change the URL",
            "Add a public key",
        ] {
            assert!(shown.contains(words), "{path}: {words}");
        }
    }
    let support = dashboard.log_in(Role::Support).await;
    let shown = text(&dashboard.get(page, Some(&support)).await);
    assert!(shown.contains("localhost has no public address"));
    assert!(!shown.contains("Fetch now") && !shown.contains("Change the URL"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_issued_with_a_key_url_and_what_was_pasted_beside_it_does_not_count() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Superuser).await;
    let owner = dashboard.user.clone();
    let issue = async |url: &str| {
        let body = form(&[
            ("name", "settlement-worker"),
            ("purpose", "Moves cash at night"),
            ("owner", &owner),
            ("flow", "private_key_jwt"),
            ("key_source", "url"),
            ("public_key", "half a key"),
            ("jwks_url", url),
            ("expires", "30d"),
            ("expires_at", ""),
            ("access", "read_only"),
            ("idempotency_key", url),
        ]);
        dashboard
            .post("/credentials/new", Some(&cookie), &body)
            .await
    };
    let refused = issue("http://app.example.com/").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = text(&refused);
    assert!(page.contains("Use https://, so that nobody on the way can change the keys"));
    assert!(page.contains("value=\"http://app.example.com/\""));
    let shown = issue("https://localhost:1/jwks.json").await;
    assert_eq!(shown.status, StatusCode::OK, "{}", text(&shown));
    let page = text(&shown);
    let at = page.find("KR").unwrap();
    let issued = dashboard
        .app
        .services
        .credential(&dashboard.app.host, page[at..at + 22].parse().unwrap());
    let key_set = issued.await.unwrap().key_set.unwrap();
    assert_eq!(key_set.url, "https://localhost:1/jwks.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_checks_assertions_and_none_is_echoed_or_kept() {
    let dashboard = Dashboard::new().await;
    let key = dashboard.app.issue("private_key_jwt", "read_only").await;
    let cookie = dashboard.log_in(Role::Support).await;
    let check = async |assertion: &str| {
        let body = form(&[("assertion", assertion)]);
        dashboard.post("/debugger", Some(&cookie), &body).await
    };
    let good = dashboard.app.assertion(&key);
    for _ in 0..2 {
        let answer = check(&good).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let page = text(&answer);
        assert!(page.contains("It would be accepted"), "{page}");
        assert_eq!(page.matches("data-label=\"Result\"").count(), 11);
        assert!(!page.contains(&good), "the assertion is in the page");
    }
    for confidential in [
        &*dashboard.key.secret,
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEA",
        r#"{"kty":"EC","d":"c2VjcmV0LW51bWJlcg"}"#,
    ] {
        let answer = check(confidential).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let page = text(&answer);
        assert!(page.contains("not an assertion"), "{page}");
        for part in [&dashboard.key.secret[4..], "MIGHAgEA", "c2VjcmV0LW51bWJlcg"] {
            assert!(!page.contains(part), "{part} is in the page");
        }
    }
    // A page that was opened, not sent, shows nothing of what was checked before.
    let page = text(&dashboard.get("/debugger", Some(&cookie)).await);
    assert!(page.contains("Nothing checked yet"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_previewed_by_the_rules_by_which_they_are_added() {
    let dashboard = Dashboard::new().await;
    let cookie = dashboard.log_in(Role::Superuser).await;
    let preview = async |text: &str| {
        let arguments = serde_json::json!({ "public_key": text }).to_string();
        let path = "/_fn/credentials/preview-keys";
        dashboard
            .call_function(path, Some(&cookie), &arguments)
            .await
    };
    let good = preview(PUBLIC_KEY).await.ok();
    assert_eq!(good.json()[0]["algorithm"], "ES256");
    assert_eq!(
        good.json()[0]["thumbprint"].as_str().map(str::len),
        Some(43)
    );
    for (text, problem) in [
        ("hello", "Paste a public key as PEM"),
        ("-----BEGIN PRIVATE KEY-----", "This is a private key"),
        (r#"{"keys":[]}"#, "A key set has 1 to 10 keys"),
        (&"x".repeat(20_000), "too long"),
    ] {
        let answer = preview(text).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        let body = String::from_utf8_lossy(&answer.body);
        assert!(body.contains(problem), "{text}: {body}");
    }
}

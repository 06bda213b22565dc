//! A path is decided once: whatever is no route is answered without a look at who asks, and no spelling
//! of it leads to another page. Sent byte by byte over a real connection, as a client library would tidy up.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{Request, header};
use domain::groups::RoleMap;
use domain::role::Role;
use http::HeaderName;
use server::http::layers::proxy::HeaderLogIn;
use service::{ServiceError, SsoSettings};

use crate::app::{Answer, PASSWORD, PUBLIC_URL, TestApp};
use crate::dashboard::{FORM, form, text};
use crate::wire;

/// Somebody whom the proxy names, with the role of superusers.
const BOB: [(&str, &str); 3] = [
    ("x-auth-user", "bob"),
    ("x-auth-email", "bob@example.com"),
    ("x-auth-groups", "admins"),
];
/// Somebody who has never been here, and would be a superuser.
const EVE: [(&str, &str); 3] = [
    ("x-auth-user", "eve"),
    ("x-auth-email", "eve@example.com"),
    ("x-auth-groups", "admins"),
];

/// What is answered, whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The one page for people.
    Page,
    /// The one error for programs.
    Json,
    /// A route of its own that needs nobody.
    Status(u16),
}
use Expected::{Json, Page, Status};

const ROWS: [(&str, Expected); 84] = [
    // What the review sent through an oauth2-proxy.
    ("/v1/x\\..\\..\\users", Json),
    ("/v1/..\\users", Json),
    ("/v1/../users", Json),
    ("/v1/./../users", Json),
    ("/v1/%2e%2e/users", Json),
    ("/v1/..%2fusers", Json),
    ("/v1/..%5cusers", Json),
    ("/v1/.%2E/users", Json),
    ("/v1//../users", Json),
    ("/v1/verify\\..\\..\\users", Json),
    ("/v1/verifyx/../../users", Json),
    ("/v1/oauth2/../../users", Json),
    ("/v1/oauth2/token/../../../users", Json),
    ("/v1/oauth2/keys\\..\\..\\..\\users", Json),
    ("/.well-known/../users", Json),
    ("/.well-known/..\\users", Json),
    ("/.well-known/%2e%2e/users", Json),
    ("/.well-known//../users", Json),
    // What leads nowhere below them, however plain.
    ("/v1", Json),
    ("/v1/", Json),
    ("/v1/nowhere", Json),
    ("/v1/users", Json),
    ("/v1/oauth2", Json),
    ("/v1/oauth2/", Json),
    ("/v1/oauth2/token/", Json),
    ("/v1/oauth2/TOKEN", Json),
    ("/v1/oauth2/keys.json", Json),
    ("/v1/oauth2/keys;x=1", Json),
    ("/v1/Verify", Json),
    ("/v1/verifyx", Json),
    ("/v1/users?x=/../../users", Json),
    ("/.well-known", Json),
    ("/.well-known/", Json),
    ("/.well-known/openid-configuration", Json),
    ("/.well-known/oauth-authorization-server", Json),
    ("http://evil.example/v1/x\\..\\..\\users", Json),
    ("http://evil.example/.well-known/../users", Json),
    // Other ways round what a proxy in front may pass unasked.
    ("/sso/../users", Page),
    ("/sso/..\\users", Page),
    ("/sso/%2e%2e/users", Page),
    ("/sso/..%2fusers", Page),
    ("/sso/acme/../../users", Page),
    ("/sso/acme/callback/../../../users", Page),
    ("/pkg/../users", Page),
    ("/pkg/..\\users", Page),
    ("/pkg/%2e%2e/users", Page),
    ("/pkg/..%2fusers", Page),
    ("/healthz/../users", Page),
    ("/healthz\\..\\users", Page),
    ("/readyz/%2E%2E/users", Page),
    ("/login/../users", Page),
    ("/login\\..\\users", Page),
    ("/favicon.svg/../users", Page),
    ("/_fn/../users", Page),
    ("/account/../users", Page),
    ("/credentials/../users", Page),
    ("/credentials/..%2Fusers", Page),
    ("/credentials\\..\\users", Page),
    // Spellings of a page that only some software takes for it.
    ("//users", Page),
    ("/.//users", Page),
    ("//evil.example/users", Page),
    ("/\\evil.example/users", Page),
    ("\\users", Status(400)),
    ("/users/", Page),
    ("/users//", Page),
    ("/./users", Page),
    ("/users/.", Page),
    ("/%75sers", Page),
    ("/users%2f", Page),
    ("/users%00", Page),
    ("/users%20", Page),
    ("/users;x=1", Page),
    ("/users.html", Page),
    ("/Users", Page),
    ("/USERS", Page),
    ("/V1/users", Page),
    ("/%2e/users", Page),
    ("/%5cusers", Page),
    ("/nowhere", Page),
    ("*", Page),
    ("http://evil.example/nowhere", Page),
    ("http://evil.example/x/../users", Page),
    ("/healthz?x=/../users", Status(200)),
    ("/v1/oauth2/keys?x=\\..\\users", Status(200)),
];

/// Routes by methods that they don't have, and the way in: neither reads who asks.
const METHODS: [(&str, u16); 11] = [
    ("PUT /users", 405),
    ("POST /credentials", 405),
    ("DELETE /account", 405),
    ("OPTIONS /users", 405),
    ("GET /logout", 405),
    ("GET /_fn/users/list", 405),
    ("CONNECT users.example:443", 404),
    ("GET /login", 200),
    ("GET /forgot", 200),
    ("GET /setup", 404),
    ("GET /v1/oauth2/token", 405),
];

struct Stage {
    app: TestApp,
    address: SocketAddr,
    /// Of Bob, by the headers of the proxy.
    by_header: String,
    /// Of the owner, by password.
    by_password: String,
    /// The page for people, as it is for every path.
    page: Vec<u8>,
}

impl Stage {
    async fn open() -> Self {
        let roles = ["admins=superuser".to_owned()];
        let header = |name| Some(HeaderName::from_static(name));
        let rules = HeaderLogIn {
            trusted: vec!["127.0.0.0/8".parse().unwrap()],
            user: HeaderName::from_static("x-auth-user"),
            email: header("x-auth-email"),
            name: None,
            groups: header("x-auth-groups"),
            roles: RoleMap::new(&roles, None).unwrap(),
        };
        let app = TestApp::with_sso(SsoSettings::default(), Some(rules)).await;
        let address = app.serve().await;
        let begun = wire::send(address, "GET /users", &BOB, "").await.ok();
        let log_in = form(&[("email", "mara@example.com"), ("password", PASSWORD)]);
        let log_in = Request::post("/login")
            .header(header::ORIGIN, PUBLIC_URL)
            .header(header::CONTENT_TYPE, FORM)
            .body(Body::from(format!("{log_in}&next=")));
        let log_in = app.call(log_in.unwrap()).await;
        let page = wire::send(address, "GET /nowhere", &[], "").await;
        assert!(text(&page).contains("There is no such page"));
        Self {
            by_header: begun.cookie().unwrap(),
            by_password: log_in.cookie().unwrap(),
            page: page.body,
            address,
            app,
        }
    }

    /// What a request may bring along to be somebody.
    fn identities(&self) -> [(&'static str, Vec<(&str, &str)>); 5] {
        let by_header = ("cookie", self.by_header.as_str());
        [
            ("nobody", Vec::new()),
            ("forged headers", EVE.to_vec()),
            ("the cookie alone", vec![by_header]),
            ("cookie and headers", [&[by_header], &BOB[..]].concat()),
            ("a password's cookie", vec![("cookie", &self.by_password)]),
        ]
    }

    async fn send(&self, line: &str, identity: &[(&str, &str)]) -> Answer {
        let form = [("origin", PUBLIC_URL), ("content-type", FORM)];
        let headers = [identity, &form[..]].concat();
        wire::send(self.address, line, &headers, "").await
    }

    #[track_caller]
    fn check(&self, answer: &Answer, expected: Expected, what: &str) {
        assert_eq!(answer.header("set-cookie"), None, "{what}");
        assert_eq!(answer.header("location"), None, "{what}");
        let status = match expected {
            Page | Json => 404,
            Status(status) => status,
        };
        assert_eq!(answer.status.as_u16(), status, "{what}: {}", text(answer));
        let people = ["mara@example.com", "bob@example.com"];
        assert!(!people.iter().any(|p| text(answer).contains(p)), "{what}");
        match expected {
            _ if what.contains("HEAD ") => assert!(answer.body.is_empty(), "{what}"),
            Page => assert!(answer.body == self.page, "{what}: {}", text(answer)),
            Json => {
                assert_eq!(answer.header("content-type"), Some("application/json"));
                assert_eq!(answer.json()["error"], "invalid_request", "{what}");
                let id = answer.header("x-request-id");
                assert_eq!(answer.json()["request_id"].as_str(), id, "{what}");
            }
            Status(_) => {}
        }
    }

    /// How many people there are, sessions of theirs, and audit events.
    async fn size(&self) -> (usize, usize, usize) {
        let (services, host) = (&self.app.services, &self.app.host);
        let everybody = service::UserQuery {
            limit: 100,
            ..service::UserQuery::default()
        };
        let people = services.people(host, everybody).await.unwrap();
        let mut sessions = 0;
        for person in &people {
            sessions += services.sessions_of(host, person.id).await.unwrap().len();
        }
        (people.len(), sessions, self.app.audit_log().await.len())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_93_and_94_no_spelling_of_a_path_leads_to_a_page_a_session_or_a_person() {
    let stage = Stage::open().await;
    let before = stage.size().await;
    for (who, identity) in stage.identities() {
        for (target, expected) in ROWS {
            for method in ["GET", "POST"] {
                // A route that is there has its methods.
                if method == "POST" && matches!(expected, Status(200)) {
                    continue;
                }
                let what = format!("{who}: {method} {target}");
                let answer = stage.send(&format!("{method} {target}"), &identity).await;
                stage.check(&answer, expected, &what);
            }
        }
        for method in ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
            for (path, expected) in [
                ("/v1/x\\..\\..\\users", Json),
                ("/.well-known/nowhere", Json),
                ("/v1/nowhere", Json),
                ("/nowhere", Page),
                ("/sso/../users", Page),
            ] {
                let line = format!("{method} {path}");
                let answer = stage.send(&line, &identity).await;
                stage.check(&answer, expected, &format!("{who}: {line}"));
            }
        }
        for (line, status) in METHODS {
            let answer = stage.send(line, &identity).await;
            stage.check(&answer, Status(status), &format!("{who}: {line}"));
        }
    }
    assert_eq!(stage.size().await, before);

    // And both sessions are as good as they were, each in its own way.
    let [_, forged, _, by_header, by_password] = stage.identities();
    for (who, identity) in [by_header, by_password] {
        let page = stage.send("GET /users", &identity).await.ok();
        let is_own = |cookie: String| identity.contains(&("cookie", &*cookie));
        assert!(page.cookie().is_none_or(is_own), "{who}");
    }
    // What the headers would have done, had anything read them.
    let page = stage.send("GET /users", &forged.1).await.ok();
    assert!(page.cookie().is_some());
    assert!(stage.size().await > before);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_93_a_header_session_is_nobody_without_its_header() {
    let stage = Stage::open().await;
    let alone = [("cookie", stage.by_header.as_str())];
    let answer = stage.send("GET /sso/../users", &alone).await;
    stage.check(&answer, Page, "a path that is public for some");
    let answer = stage.send("POST /_fn/users/list", &alone).await;
    assert_eq!(answer.status, 401, "{}", text(&answer));
    let eve = stage
        .app
        .services
        .person_by_email(&stage.app.host, EVE[1].1);
    assert!(matches!(eve.await, Err(ServiceError::NotFound(_))));
    let bob = stage
        .app
        .services
        .person_by_email(&stage.app.host, BOB[1].1);
    assert_eq!(bob.await.unwrap().role, Role::Superuser);
}

//! Secrets where people paste them by mistake: in every field of every form and server function, in
//! addresses, and while something is broken.

use axum::http::{Method, Request, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::role::Role;
use http::StatusCode;

use super::programs::Programs;
use super::stage::Stage;
use crate::app::{PUBLIC_URL, private_key_der};
use crate::dashboard::{form, text};
use crate::faulty::Health;
use crate::role_matrix::{FORMS, FUNCTIONS, PAGES};

const KIND: &str = "application/x-www-form-urlencoded";

/// What can be told to be a secret wherever it stands.
fn pasted(programs: &Programs) -> [String; 4] {
    let der = STANDARD.encode(private_key_der());
    [
        programs.client.secret.clone(),
        format!("Authorization: Bearer {}", programs.gateway),
        format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----"),
        r#"{"kty":"EC","crv":"P-256","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
            "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#.to_owned(),
    ]
}

/// Every form gets a secret in each of its fields beside others that are right, and each kind of
/// secret in all of them.
pub async fn forms(stage: &mut Stage, programs: &Programs) {
    let superuser = stage.somebody(Role::Superuser).cookie;
    for (path, body, _) in FORMS.iter().copied().filter(|row| row.0 != "/logout") {
        let (path, body) = (fill(stage, programs, path), fill(stage, programs, body));
        let right: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
        for secret in pasted(programs) {
            let all: Vec<_> = right.iter().map(|(name, _)| (&**name, &*secret)).collect();
            stage.post(&superuser, &path, &all).await;
        }
        for at in 0..right.len() {
            let mut fields: Vec<_> = right
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect();
            fields[at].1 = &programs.client.secret;
            stage.post(&superuser, &path, &fields).await;
        }
    }
    for (path, fields) in [
        ("/login", ["email", "next"]),
        ("/forgot", ["email", "x"]),
        ("/login/second-factor", ["proof", "x"]),
        ("/sso/acme/backchannel", ["logout_token", "x"]),
    ] {
        for secret in pasted(programs) {
            stage
                .post("", path, &fields.map(|field| (field, &*secret)))
                .await;
        }
    }
}

/// The same for the arguments of server functions.
pub async fn functions(stage: &mut Stage, programs: &Programs) {
    let superuser = stage.somebody(Role::Superuser).cookie;
    for (path, arguments, _) in FUNCTIONS.iter().copied().filter(|row| row.1.contains('"')) {
        for secret in pasted(programs) {
            let secret = serde_json::to_string(&secret).unwrap();
            for (at, _) in arguments.match_indices(":\"") {
                let (before, rest) = arguments.split_at(at + 1);
                let (_, rest) = rest[1..].split_once('"').unwrap();
                let request = Request::post(path)
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(header::ORIGIN, PUBLIC_URL)
                    .header(header::COOKIE, &superuser);
                stage.ask(request, &format!("{before}{secret}{rest}")).await;
            }
        }
    }
}

/// Searches for a secret, addresses that hold one, and requests that are refused for their form.
pub async fn addresses(stage: &mut Stage, programs: &Programs) {
    let secret = &programs.client.secret;
    for person in stage.people.clone() {
        for path in [
            format!("/credentials?q={secret}&owner={secret}"),
            format!("/users?q={secret}"),
            format!("/lookup?request={secret}"),
            format!("/audit?actor={secret}&object={secret}&after={secret}"),
            format!("/audit/export.csv?actor={secret}&object={secret}"),
            format!("/catalogue?method={secret}&path=/v1/{secret}"),
            format!("/credentials/{secret}"),
            format!("/users/{secret}"),
            format!("/nowhere/{secret}?{secret}={secret}"),
            format!("/_fn/{secret}"),
            format!("/v1/{secret}"),
        ] {
            stage.get(&person.cookie, &path).await;
        }
    }
    let superuser = stage.somebody(Role::Superuser).cookie;
    let twice = form(&[("reason", secret), ("reason", secret)]);
    let large = form(&[("reason", &secret.repeat(2_000))]);
    let path = fill(stage, programs, "/credentials/{key_id}/disable");
    for (method, kind, origin, body, status) in [
        (Method::POST, KIND, PUBLIC_URL, &twice, 400),
        (Method::POST, KIND, PUBLIC_URL, &large, 413),
        (Method::POST, "text/plain", PUBLIC_URL, secret, 415),
        (Method::POST, KIND, "https://evil.example", secret, 403),
        (Method::PUT, KIND, PUBLIC_URL, secret, 405),
    ] {
        let request = Request::builder().method(method).uri(&path);
        let request = request
            .header(header::CONTENT_TYPE, kind)
            .header(header::ORIGIN, origin)
            .header(header::COOKIE, &superuser);
        let answer = stage.ask(request, body).await;
        assert_eq!(answer.status.as_u16(), status, "{}", text(&answer));
    }
}

/// Every page and function for every role.
pub async fn pages(stage: &mut Stage, programs: &Programs) {
    for person in stage.people.clone() {
        for (page, _) in PAGES.iter().copied() {
            let page = fill(stage, programs, page);
            stage.get(&person.cookie, &page).await;
        }
        for file in ["csv", "jsonl"] {
            stage
                .get(&person.cookie, &format!("/audit/export.{file}"))
                .await;
        }
        for (path, arguments, _) in FUNCTIONS.iter().copied() {
            let kind = if arguments.is_empty() {
                KIND
            } else {
                "application/json"
            };
            let request = Request::post(path)
                .header(header::CONTENT_TYPE, kind)
                .header(header::ORIGIN, PUBLIC_URL)
                .header(header::COOKIE, &person.cookie);
            let arguments = fill(stage, programs, arguments);
            stage.ask(request, &arguments).await;
        }
    }
}

/// What people and programs present while the database fails, and while the server has a bug.
pub async fn faults(stage: &mut Stage, programs: &Programs, token: &str) {
    let superuser = stage.somebody(Role::Superuser);
    let (cookie, password) = (&*superuser.cookie, &*superuser.password);
    let bearer = format!("Bearer {token}");
    for health in [Health::Failing, Health::Panicking] {
        stage.app.store.set(health);
        let log_in = [
            ("email", &*superuser.email),
            ("password", password),
            ("next", ""),
        ];
        let answers = [
            stage.post("", "/login", &log_in).await,
            stage
                .post(
                    cookie,
                    "/account/password",
                    &[("current_password", password)],
                )
                .await,
            stage.get(cookie, "/credentials").await,
            stage
                .ask(basic_token(programs), "grant_type=client_credentials")
                .await,
            stage.ask(gate(&bearer), "").await,
            stage.ask(gate(&programs.legacy.basic()), "").await,
        ];
        for answer in answers {
            let status = answer.status;
            assert!(
                status.is_server_error() || status == StatusCode::FORBIDDEN,
                "{answer:?}"
            );
        }
    }
    stage.app.store.set(Health::Well);
}

fn basic_token(programs: &Programs) -> http::request::Builder {
    Request::post("/v1/oauth2/token")
        .header(header::CONTENT_TYPE, KIND)
        .header(header::AUTHORIZATION, programs.client.basic())
}

fn gate(authorization: &str) -> http::request::Builder {
    Request::get("/v1/verify")
        .header("X-Original-Method", "GET")
        .header("X-Original-URI", "/v1/accounts")
        .header(header::AUTHORIZATION, authorization)
}

/// A path of the router with something in its places.
fn fill(stage: &Stage, programs: &Programs, path: &str) -> String {
    path.replace("{key_id}", &programs.signer.id)
        .replace("{id}", &stage.app.owner.id.to_string())
        .replace("{session}", "00")
        .replace("{file}", "export.csv")
}

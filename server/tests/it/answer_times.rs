//! Who is on the team is told neither by what a failed log-in answers nor by what is done for it. How
//! long it takes is not measured here, where other tests run beside, but what takes the time is: the
//! questions to the database, and the hash.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use service::{AddPerson, PasswordLogIn, SsoSettings};
use storage::Store as _;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::{Answer, Needs, PUBLIC_URL, TestApp};
use crate::dashboard::{form, text};
use crate::faulty::Health;

const PASSWORD: &str = "mice juggle seven lamps";
/// Those who may log in with a password.
const BOSS: &str = "boss@example.com";
const LOCKED: &str = "lock@example.com";
/// All as long as each other: the form comes back with the address.
const REFUSED: [&str; 6] = [
    // With another password than this.
    "boss@example.com",
    "none@example.com",
    // Disabled.
    "gone@example.com",
    // By single sign-on only.
    "away@example.com",
    // Invited, with no password yet.
    "soon@example.com",
    // Tried too often, and now with the right password.
    LOCKED,
];
/// How many log-ins there is room for: one at work, and those that wait.
const ROOM: usize = 33;

async fn team() -> TestApp {
    let sso = SsoSettings {
        passwords: PasswordLogIn::Only([BOSS, LOCKED].map(|email| email.parse().unwrap()).into()),
        ..SsoSettings::default()
    };
    let app = TestApp::open(Needs {
        sso,
        ..Needs::default()
    });
    let app = app.await;
    let person = |email: &str, role: &str| AddPerson {
        name: "Somebody".to_owned(),
        email: email.to_owned(),
        role: role.to_owned(),
    };
    let (services, host) = (&app.services, &app.host);
    for (email, role) in [
        (BOSS, "superuser"),
        (LOCKED, "superuser"),
        (REFUSED[2], "support"),
        (REFUSED[3], "support"),
    ] {
        let person = person(email, role);
        let added = services.add_person_with_password(host, &person, PASSWORD);
        let added = added.await.unwrap();
        if email == REFUSED[2] {
            services.disable_person(host, added.id).await.unwrap();
        }
    }
    services
        .add_person(host, &person(REFUSED[4], "support"))
        .await
        .unwrap();
    for _ in 0..100 {
        let tried = app.store.begin_password_try(LOCKED.parse().unwrap(), 100);
        tried.await.unwrap();
    }
    app
}

async fn post(app: &TestApp, peer: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ORIGIN, PUBLIC_URL);
    app.call_from(peer, request.body(Body::from(form(fields))).unwrap())
        .await
}

async fn log_in(app: &TestApp, peer: &str, email: &str) -> Answer {
    let password = if email == BOSS {
        "another password"
    } else {
        PASSWORD
    };
    post(
        app,
        peer,
        "/login",
        &[("email", email), ("password", password), ("next", "")],
    )
    .await
}

/// What is not the same from one answer to the next, whoever it is for, taken out.
fn told(answer: &Answer, email: &str) -> (StatusCode, HeaderMap, String) {
    let mut headers = answer.headers.clone();
    headers.remove("x-request-id");
    let mut body = text(answer).replace(email, "");
    let policy = headers.remove("content-security-policy");
    let policy = policy.map(|policy| policy.to_str().unwrap().to_owned());
    if let Some((_, nonce)) = policy
        .as_deref()
        .and_then(|policy| policy.split_once("'nonce-"))
    {
        body = body.replace(nonce.split('\'').next().unwrap(), "");
    }
    (answer.status, headers, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn check_55_every_failed_log_in_is_the_same_answer_after_the_same_questions() {
    let app = team().await;
    let mut seen = Vec::new();
    for email in REFUSED {
        app.store.take_calls();
        let answer = log_in(&app, "192.0.2.1:40000", email).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        seen.push((
            answer.body.len(),
            told(&answer, email),
            app.store.take_calls(),
        ));
    }
    for (other, email) in seen.iter().zip(REFUSED) {
        assert_eq!(other, &seen[0], "{email}");
    }
}

/// The one thread that hashes is held, so whoever asks for a hash takes a place and keeps it. One
/// log-in more than there are places is told that the server is busy: had one of the others been
/// refused without a hash, there would be room, or an answer while the thread is held.
#[test]
fn check_55_every_failed_log_in_waits_for_a_hash() {
    let runtime = Builder::new_multi_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let app = Arc::new(team().await);
        for email in REFUSED {
            let (is_held, held) = oneshot::channel();
            let (release, released) = mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || {
                is_held.send(()).unwrap();
                released.recv()
            });
            held.await.unwrap();
            let mut tries = JoinSet::new();
            for number in 0..=ROOM {
                let app = app.clone();
                // From everywhere, as one address may fail ten times.
                let peer = format!("10.0.0.{number}:40000");
                tries.spawn(async move { log_in(&app, &peer, email).await.status });
            }
            let busy = timeout(Duration::from_mins(1), tries.join_next()).await;
            let busy = busy.expect(email).unwrap().unwrap();
            assert_eq!(busy, StatusCode::SERVICE_UNAVAILABLE, "{email}");
            let next = timeout(Duration::from_millis(500), tries.join_next()).await;
            assert!(next.is_err(), "{email} is answered without a hash");
            tries.shutdown().await;
            drop(release);
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn check_55_a_forgotten_password_is_answered_before_anybody_is_looked_up() {
    let folder = tempfile::tempdir().unwrap();
    let from = "Keyrack <keyrack@example.com>".parse().unwrap();
    let mailer = server::mail::Mailer::folder(from, folder.path().to_owned());
    let app = team().await.with_mail(mailer);
    app.store.set(Health::Hanging);
    let mut seen = Vec::new();
    for email in REFUSED {
        let fields = [("email", email)];
        let asked = post(&app, "192.0.2.1:40000", "/forgot", &fields);
        let answer = timeout(Duration::from_secs(30), asked).await.expect(email);
        assert_eq!(answer.header("location"), Some("/login?done=reset-asked"));
        seen.push(told(&answer, email));
    }
    for (other, email) in seen.iter().zip(REFUSED) {
        assert_eq!(other, &seen[0], "{email}");
    }
}

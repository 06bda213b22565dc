//! Who is on the team is told neither by what a failed log-in answers nor by what is done for it. How
//! long it takes is not measured here, where other tests run beside, but what takes the time is: the
//! questions to the database, and the hash.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use service::{AddPerson, PasswordLogIn, SsoSettings};
use storage::Store as _;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::{Answer, Needs, PUBLIC_URL, TestApp};
use crate::dashboard::{form, text};
use crate::faulty::Health;

const PASSWORD: &str = "mice juggle seven lamps";
/// Those who may log in with a password.
const BOSS: &str = "boss@example.com";
const LOCKED: &str = "lock@example.com";
const SLOW: &str = "slow@example.com";
/// Of no password, in 20,000 passes instead of two.
const SLOW_HASH: &str = "$argon2id$v=19$m=19456,t=20000,p=1$c2FsdCBvZiBub2JvZHkuLg\
                         $bm8gcGFzc3dvcmQgaGFzIHRoaXMgaGFzaCwgZXZlcjA";
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
const ROOM: usize = 129;

async fn team() -> TestApp {
    let sso = SsoSettings {
        passwords: PasswordLogIn::Only(
            [BOSS, LOCKED, SLOW]
                .map(|email| email.parse().unwrap())
                .into(),
        ),
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
        (SLOW, "superuser"),
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
        app.wrong_password(LOCKED).await;
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

/// The one thread that hashes is held by a hash that takes minutes, so whoever asks for another takes a
/// place and keeps it. When one place is left, of two log-ins one is told that the server is busy: had the
/// other been refused without a hash, there would be room, or an answer while the thread is held.
#[tokio::test(flavor = "multi_thread")]
async fn check_55_every_failed_log_in_waits_for_a_hash() {
    let app = Arc::new(team().await);
    let login = app.store.find_login(SLOW.parse().unwrap()).await.unwrap();
    let (id, hash) = login
        .map(|login| (login.user.id, login.password_hash))
        .unwrap();
    let upgraded = app
        .store
        .upgrade_password_hash(id, hash.unwrap(), SLOW_HASH.to_owned());
    upgraded.await.unwrap();
    app.store.take_calls();
    let holder = {
        let app = app.clone();
        tokio::spawn(async move { log_in(&app, "192.0.2.9:40000", SLOW).await })
    };
    while !app.store.take_calls().contains(&"find_login") {
        sleep(Duration::from_millis(1)).await;
    }
    sleep(Duration::from_millis(200)).await;
    // All places but one are taken, each from elsewhere, as one address may fail ten times.
    let mut others = JoinSet::new();
    for number in 2..ROOM {
        let app = app.clone();
        others.spawn(async move {
            let (peer, email) = (
                format!("10.0.0.{number}:40000"),
                format!("{number}@example.com"),
            );
            log_in(&app, &peer, &email).await
        });
    }
    let everybody_waits = async {
        let mut tries = 0;
        while tries < ROOM - 2 {
            let calls = app.store.take_calls();
            tries += calls.iter().filter(|call| **call == "find_login").count();
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_mins(1), everybody_waits)
        .await
        .unwrap();
    for email in REFUSED {
        let mut tries = JoinSet::new();
        for number in 0..2 {
            let app = app.clone();
            let peer = format!("10.0.1.{number}:40000");
            tries.spawn(async move { log_in(&app, &peer, email).await });
        }
        let busy = timeout(Duration::from_mins(1), tries.join_next()).await;
        let busy = busy.expect(email).unwrap().unwrap();
        assert_eq!(busy.status, StatusCode::SERVICE_UNAVAILABLE, "{email}");
        assert_eq!(busy.header("retry-after"), Some("2"));
        assert!(text(&busy).contains("href=\"/login\""));
        let next = timeout(Duration::from_millis(500), tries.join_next()).await;
        assert!(next.is_err(), "{email} is answered without a hash");
        tries.shutdown().await;
    }
    assert!(
        others.try_join_next().is_none(),
        "somebody else was answered"
    );
    assert!(!holder.is_finished(), "the thread was not held to the end");
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

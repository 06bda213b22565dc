//! The system's clock jumps back and forth under a running server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use chrono::TimeDelta;
use domain::expiry::rfc3339;
use domain::role::Role;
use http::StatusCode;
use service::GatewayDraft;

use crate::app::{Answer, READ, TestApp, basic};
use crate::commands::{Host, KEYRACK};
use crate::dashboard::Dashboard;

/// Asks what a token is worth.
async fn introspect(app: &TestApp, gateway: &str, token: &str) -> Answer {
    let request = http::Request::post("/v1/oauth2/introspect")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Authorization", format!("Bearer {gateway}"));
    let body = format!("token={token}");
    app.call(request.body(body.into()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn check_92_a_clock_that_jumps_back_revives_nothing() {
    let dashboard = Dashboard::new().await;
    let app = &dashboard.app;
    let end = rfc3339(app.services.now() + TimeDelta::hours(2));
    let legacy = app.issue_until("legacy", "full", &end).await;
    let client = app.issue_until("client_secret", "full", &end).await;
    let signer = app.issue_until("private_key_jwt", "full", &end).await;
    let gateway = GatewayDraft {
        audiences: String::new(),
        name: "edge".to_owned(),
        kind: "introspection".to_owned(),
        addresses: String::new(),
    };
    let gateway = app.services.add_gateway(&app.host, &gateway).await.unwrap();
    let gateway = gateway.1.expose();
    let cookie = dashboard.log_in(Role::Superuser).await;
    let token = app.token(&client).await;
    let assertion = app.assertion(&signer);
    let form = |assertion: &str| {
        format!(
            "grant_type=client_credentials&client_assertion={assertion}&client_assertion_type=\
             urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        )
    };
    app.ask_token(&form(&assertion), &[]).await.ok();
    app.ask_with_token(READ, &token).await.ok();

    app.clock.advance(TimeDelta::hours(2));
    for back in [0, 1, 2, 24 * 365] {
        app.clock.advance(TimeDelta::hours(-back));
        let gate = app
            .ask_gate(READ, &[("Authorization", &legacy.basic())])
            .await;
        gate.gate_refuses(401, "invalid_credentials");
        let gate = app.ask_with_token(READ, &token).await;
        gate.gate_refuses(401, "invalid_token");
        // Set back, nobody gets a token from it.
        let (status, error) = match back {
            0 => (401, "invalid_client"),
            _ => (503, "temporarily_unavailable"),
        };
        app.post_token(&client, "").await.refuses(status, error);
        for assertion in [&assertion, &app.assertion(&signer)] {
            let answer = app.ask_token(&form(assertion), &[]).await;
            answer.refuses(status, error);
        }
        let active = introspect(app, gateway, &token).await.ok().json()["active"].clone();
        assert_eq!(active, false, "{back} hours back");
        let page = dashboard.get("/credentials", Some(&cookie)).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{back} hours back");
    }
}

#[tokio::test]
async fn check_92_and_105_whatever_the_clock_does_a_token_lasts_no_longer_than_it_may() {
    let app = TestApp::new().await;
    let end = rfc3339(app.services.now() + TimeDelta::hours(3));
    let key = app.issue_until("client_secret", "full", &end).await;
    // A minute either way, and a second told twice, as when a leap second is smeared out.
    for jump in [59, -59, -1, 1, -1, 1, 59, -30, -28] {
        app.clock.set_by(TimeDelta::seconds(jump));
        let answer = app.post_token(&key, "").await.ok().json();
        let left = answer["expires_in"].as_i64().unwrap();
        assert!((1..=900).contains(&left), "{left} s after {jump} s");
        let token = answer["access_token"].as_str().unwrap();
        app.ask_with_token(READ, token).await.ok();
    }
    // An hour is too much to believe: ahead, back again, further back, and ahead once more.
    let token = app.token(&key).await;
    for jump in [3600, -3600, -7200, 10_800] {
        app.clock.set_by(TimeDelta::seconds(jump));
        let answer = app.post_token(&key, "").await;
        answer.refuses(503, "temporarily_unavailable");
        // The token has ended by the clock that was an hour ahead, and stays so.
        let gate = app.ask_with_token(READ, &token).await;
        gate.gate_refuses(401, "invalid_token");
    }
    app.clock.advance(TimeDelta::minutes(5));
    let token = app.token(&key).await;
    app.ask_with_token(READ, &token).await.ok();
}

#[tokio::test]
async fn check_105_a_clock_that_is_not_believed_is_told_of() {
    let app = TestApp::new().await;
    let ready = async || {
        let request = http::Request::get("/readyz").body(axum::body::Body::empty());
        let answer = app.call(request.unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK);
        String::from_utf8(answer.body).unwrap()
    };
    let metric_of = |name: &str| {
        app.metrics.look(&app.services);
        let text = app.metrics.to_text().unwrap();
        let line = text.lines().find(|line| line.starts_with(name));
        line.unwrap().to_owned()
    };
    let metric = || metric_of("keyrack_clock_disbelieved ");
    assert_eq!(ready().await, "ready\n");
    assert_eq!(metric(), "keyrack_clock_disbelieved 0");
    app.clock.set_by(TimeDelta::hours(2));
    let text = ready().await;
    let words = "ready\nno tokens are issued: the system's clock has jumped ahead by 7200 seconds";
    assert!(text.starts_with(words), "{text}");
    assert_eq!(metric(), "keyrack_clock_disbelieved 1");
    app.clock.set_by(TimeDelta::hours(-2));
    let text = ready().await;
    assert!(text.contains("is 7200 seconds behind"), "{text}");

    // As after a long pause: nobody but a person can tell.
    let metric = || metric_of("keyrack_clock_unaccepted ");
    assert_eq!(metric(), "keyrack_clock_unaccepted 0");
    app.clock.set_by(TimeDelta::days(90));
    ready().await;
    app.clock.advance(TimeDelta::minutes(5));
    let text = ready().await;
    let words = "ready\nsigning keys do not rotate, and clearing away lags behind: the system's clock is 7776000";
    assert!(text.starts_with(words), "{text}");
    assert_eq!(metric(), "keyrack_clock_unaccepted 1");
    app.services.accept_clock(&app.host).await.unwrap();
    assert_eq!(ready().await, "ready\n");
    assert_eq!(metric(), "keyrack_clock_unaccepted 0");
}

/// The library that puts itself between a process and the system's clock.
fn faketime() -> PathBuf {
    let libraries = fs::read_dir("/usr/lib").unwrap().map(Result::unwrap);
    libraries
        .map(|library| library.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
        .expect("faketime is installed: tools/setup.sh test")
}

#[test]
fn checks_92_and_105_a_process_under_a_clock_that_jumps_stays_right() {
    let (host, [key_id, secret]) = Host::with_credential();
    let clock = host.path().join("clock");
    let jump = |by: TimeDelta| {
        let written = clock.with_extension("new");
        fs::write(&written, format!("{:+}", by.num_seconds())).unwrap();
        fs::rename(&written, &clock).unwrap();
    };
    jump(TimeDelta::zero());
    let mut serve = Command::new(KEYRACK);
    serve
        .arg("serve")
        .env("LD_PRELOAD", faketime())
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        // What waits goes on waiting.
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut server = host.spawn(&mut serve);
    host.wait_until_ready();
    let mut asked = Vec::new();
    // The credential lives for a week.
    for (by, status) in [
        (TimeDelta::zero(), 200),
        (TimeDelta::hours(1), 200),
        (TimeDelta::hours(-1), 200),
        (TimeDelta::days(8), 401),
        (TimeDelta::hours(-1), 401),
        (TimeDelta::days(-365), 401),
        (TimeDelta::zero(), 401),
    ] {
        jump(by);
        asked.push((by, host.ask_gate(&basic(&key_id, &secret)), status));
        // Nobody gets a token while the clock is not believed, whoever they are.
        let token = if by == TimeDelta::zero() && asked.len() == 1 {
            401
        } else {
            503
        };
        assert_eq!(host.ask_token(), token, "after {by}");
    }
    server.kill().unwrap();
    let output = server.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    for (by, answered, status) in asked {
        assert_eq!(answered, status, "after {by}: {log}");
    }
    assert!(!log.contains("panicked"), "{log}");
    assert!(
        log.contains("no tokens are issued: the system's clock"),
        "{log}"
    );
}

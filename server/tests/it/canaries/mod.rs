//! Secrets are planted wherever they belong and wherever somebody may put one by mistake; then
//! everything is done, by everybody, well and badly. No secret may be found in what came back, was
//! logged or is kept, but in the one answer that shows it to whoever made it.

mod log;
mod people;
mod places;
mod programs;
mod secrets;
mod stage;

use domain::role::Role;

use server::state::GateMode;

use crate::app::{READ, TestApp, default_catalogue};
use crate::faulty::Health;
use crate::wire;
use stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn check_85_a_secret_is_in_no_answer_but_one_in_no_log_and_in_no_dump() {
    let mut stage = Stage::new().await;
    people::single_sign_on(&mut stage).await;
    people::log_in(&mut stage).await;
    let superuser = stage.somebody(Role::Superuser).cookie;
    let made = programs::issue(&mut stage).await;
    people::links(&mut stage, &superuser).await;
    people::second_factor(&mut stage).await;
    let token = programs::tokens(&mut stage, &made).await;
    programs::gate(&mut stage, &made, &token).await;
    programs::look_up(&mut stage).await;
    places::forms(&mut stage, &made).await;
    places::functions(&mut stage, &made).await;
    places::addresses(&mut stage, &made).await;
    places::faults(&mut stage, &made, &token).await;
    places::pages(&mut stage, &made).await;
    stage.search().await;
}

/// Over a real connection: a gateway whose question gets no answer may well let the call through.
#[tokio::test(flavor = "multi_thread")]
async fn check_53_a_decision_that_panics_is_an_answer_that_refuses() {
    for (mode, status) in [(GateMode::Nginx, 403), (GateMode::Caddy, 503)] {
        let app = TestApp::with(mode, default_catalogue()).await;
        let (address, key) = (app.serve().await, app.issue("legacy", "full").await);
        let authorization = key.basic();
        let ask = async || {
            let headers = [
                ("X-Original-Method", READ.0),
                ("X-Original-URI", READ.1),
                ("X-Forwarded-Method", READ.0),
                ("X-Forwarded-Uri", READ.1),
                ("Authorization", &authorization),
            ];
            wire::send(address, "GET /v1/verify", &headers, "").await
        };
        app.store.set(Health::Panicking);
        let answer = ask().await;
        answer.gate_refuses(status, "temporarily_unavailable");
        assert_eq!(app.metrics.gate_unavailable.get(), 1);
        assert!(!String::from_utf8_lossy(&answer.body).contains("SECRET-CAUSE"));
        app.store.set(Health::Well);
        ask().await.ok();
        let id = answer.header("x-request-id").unwrap();
        let found = app.services.decision(&app.host, id).await.unwrap();
        assert_eq!(
            (found.reason.as_str(), found.template.as_deref()),
            ("unavailable", Some(READ.1))
        );
    }
}

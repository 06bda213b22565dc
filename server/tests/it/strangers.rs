//! Strangers at the gate and at the token endpoint, with key ids that they made up: they cost the database
//! nothing, so that they can keep no credential of anybody from being read.

use std::time::Duration;

use domain::key_id::KeyId;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::task::JoinSet;

use crate::app::{Key, READ, TestApp, basic};

/// What is asked of the store about one credential.
const LOOK_UP: &str = "find_live_credential";

/// Somebody with a key id that nobody has, and a secret of the right form.
fn stranger(number: u64, somebody: &Key) -> Key {
    Key {
        id: KeyId::generate(&mut StdRng::seed_from_u64(number)).to_string(),
        secret: somebody.secret.clone(),
    }
}

async fn at_the_gate(app: &TestApp, key: &Key) -> u16 {
    let basic = basic(&key.id, &key.secret);
    let headers = [("authorization", basic.as_str())];
    app.ask_gate(READ, &headers).await.status.as_u16()
}

/// A server that knows which key ids there are.
async fn follower(app: &TestApp) -> tokio_util::task::AbortOnDropHandle<()> {
    let services = app.services.clone();
    let follower = tokio::spawn(async move { services.follow_changes().await });
    while !app.services.knows_key_ids() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio_util::task::AbortOnDropHandle::new(follower)
}

#[tokio::test]
async fn strangers_cost_no_look_into_the_database() {
    let app = TestApp::new().await;
    let legacy = app.issue("legacy", "read_only").await;
    let oauth = app.issue("client_secret", "read_only").await;
    let _follower = follower(&app).await;
    app.store.take_calls();
    for number in 0..50 {
        let stranger = stranger(number, &legacy);
        assert_eq!(at_the_gate(&app, &stranger).await, 401);
        app.post_token(&stranger, "")
            .await
            .refuses(401, "invalid_client");
    }
    let calls = app.store.take_calls();
    assert!(calls.contains(&"changes_after"), "they are looked for");
    assert!(!calls.contains(&LOOK_UP), "{calls:?}");
    assert_eq!(at_the_gate(&app, &legacy).await, 200);
    app.post_token(&oauth, "").await.ok();
    let calls = app.store.take_calls();
    let looked_up = calls.iter().filter(|call| **call == LOOK_UP).count();
    assert_eq!(looked_up, 2, "{calls:?}");
}

/// The pool of the gate has three connections with PostgreSQL. Here each look-up of a made-up id takes one
/// and never gives it back.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_keep_no_credential_from_being_read() {
    let app = std::sync::Arc::new(TestApp::new().await);
    let key = app.issue("legacy", "read_only").await;
    let _follower = follower(&app).await;
    app.store.lose_look_ups_of_strangers(3);
    let mut strangers = JoinSet::new();
    for number in 0..20 {
        let (app, stranger) = (app.clone(), stranger(number, &key));
        strangers.spawn(async move { at_the_gate(&app, &stranger).await });
    }
    while let Some(answered) = strangers.join_next().await {
        assert_eq!(answered.unwrap(), 401);
    }
    assert_eq!(at_the_gate(&app, &key).await, 200);
}

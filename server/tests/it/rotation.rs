//! Signing keys change under load, and a verifier that asks for the key set no more often than its
//! headers allow never meets a token that it can't verify.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::Request;
use chrono::TimeDelta;
use domain::Instant;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::app::{ISSUER, Key, READ, TestApp};

const WORKERS: usize = 8;
const ROTATIONS: usize = 5;
/// The minutes from one rotation to the next: enough for the old key's last token to end.
const MINUTES: usize = 25;

/// Somebody's API that verifies tokens by itself.
#[derive(Default)]
struct Verifier {
    keys: Option<(JwkSet, Instant)>,
}

impl Verifier {
    /// Verifies a token with the key set as it was kept, fetched anew only once it may no longer be
    /// kept. The key's id, or what is wrong.
    async fn verify(&mut self, app: &TestApp, token: &str) -> Result<String, String> {
        let now = app.services.now();
        let keys = match self.keys.take() {
            Some((keys, until)) if now < until => self.keys.insert((keys, until)),
            _ => self.keys.insert(fetch(app, now).await),
        };
        let header = jsonwebtoken::decode_header(token).map_err(|error| error.to_string())?;
        let kid = header.kid.ok_or("no kid")?;
        let key = keys.0.find(&kid).ok_or("its key is not in the set")?;
        let key = DecodingKey::from_jwk(key).map_err(|error| error.to_string())?;
        let mut validation = Validation::new(Algorithm::ES256);
        // The clock is the test's.
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[ISSUER]);
        jsonwebtoken::decode::<Value>(token, &key, &validation)
            .map(|_| kid)
            .map_err(|error| error.to_string())
    }
}

/// The key set, and until when it may be kept (RFC 9111 section 5.2.2.1).
async fn fetch(app: &TestApp, now: Instant) -> (JwkSet, Instant) {
    let request = Request::get("/v1/oauth2/keys").body(Body::empty()).unwrap();
    let answer = app.call(request).await.ok();
    let age = answer
        .header("cache-control")
        .and_then(|value| value.split("max-age=").nth(1)?.parse().ok())
        .unwrap();
    let keys = serde_json::from_slice(&answer.body).unwrap();
    (keys, now + TimeDelta::seconds(age))
}

/// Fetches tokens and verifies them, new and old ones, until told to stop; the keys that it met.
async fn work(
    app: Arc<TestApp>,
    key: Key,
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> BTreeSet<String> {
    let mut verifier = Verifier::default();
    let mut tokens = VecDeque::new();
    let mut met = BTreeSet::new();
    while !stop.load(Ordering::SeqCst) {
        let began = app.services.now();
        tokens.push_back((app.token(&key).await, began + TimeDelta::minutes(15)));
        // The newest, and the oldest that lives.
        for at in [tokens.len() - 1, 0] {
            let (token, end) = &tokens[at];
            let verified = verifier.verify(&app, token).await;
            let asked = app.ask_with_token(READ, token).await;
            // The clock may have moved past its end in between.
            if app.services.now() < *end {
                assert!(verified.is_ok(), "{verified:?}");
                asked.ok();
                met.extend(verified);
            }
        }
        tokens.retain(|(_, end)| *end > app.services.now());
        done.fetch_add(1, Ordering::SeqCst);
    }
    met
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_43_no_verification_fails_while_keys_rotate_under_load() {
    let app = Arc::new(TestApp::new().await);
    let (done, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        let key = app.issue("client_secret", "accounts=read").await;
        let work = work(app.clone(), key, done.clone(), stop.clone());
        workers.push(tokio::spawn(work));
    }
    let (first, _) = fetch(&app, app.services.now()).await;
    for minute in 0..ROTATIONS * MINUTES {
        if minute % MINUTES == 0 {
            app.services.rotate_signing_key(&app.host).await.unwrap();
        }
        // Each minute has its load.
        let enough = done.load(Ordering::SeqCst) + WORKERS;
        while done.load(Ordering::SeqCst) < enough {
            assert!(workers.iter().all(|worker| !worker.is_finished()));
            tokio::task::yield_now().await;
        }
        app.clock.advance(TimeDelta::minutes(1));
    }
    stop.store(true, Ordering::SeqCst);
    let mut met = BTreeSet::new();
    for worker in workers {
        met.extend(worker.await.unwrap());
    }
    assert_eq!(met.len(), ROTATIONS + 1, "each key signed: {met:?}");
    let (last, _) = fetch(&app, app.services.now()).await;
    let first = first.keys[0].common.key_id.as_deref().unwrap();
    assert!(last.find(first).is_none(), "the first key is retired");
}

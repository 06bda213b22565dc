//! How those who watch over the server are told that the feed of changes can't be read.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::app::TestApp;
use crate::faulty::Health;

/// The age of the feed in seconds, as the metrics tell it.
fn age(app: &TestApp) -> f64 {
    app.metrics.look(&app.services);
    let text = app.metrics.to_text().unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("keyrack_feed_age_seconds "));
    line.expect("the age is told").parse().unwrap()
}

#[tokio::test]
async fn the_age_of_the_feed_is_in_the_metrics() {
    let app = TestApp::new().await;
    let pass = || tokio::time::sleep(Duration::from_millis(150));
    app.services.catch_up().await.unwrap();
    pass().await;
    let before = age(&app);
    assert!(before >= 0.15, "{before}");
    // A look that fails makes it no younger, one that goes well does.
    app.store.set(Health::Failing);
    app.services.catch_up().await.unwrap_err();
    pass().await;
    let older = age(&app);
    assert!(older >= before + 0.15, "{older} after {before}");
    app.store.set(Health::Well);
    app.services.catch_up().await.unwrap();
    let young = age(&app);
    assert!(young < older, "{young} after {older}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// On one thread, whose subscriber hears no other test.
#[tokio::test]
async fn the_log_says_once_that_the_feed_can_not_be_read_and_once_that_it_can() {
    let app = TestApp::new().await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _heard = tracing::subscriber::set_default(subscriber);
    let services = app.services.clone();
    let follower = tokio::spawn(async move { services.follow_changes().await });
    let count = |words: &str| {
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(words)).count()
    };
    let until = async |words: &str| {
        let wait = async {
            while count(words) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), wait).await;
        waited.expect(words);
    };
    let (down, up) = (
        "ERROR service::feed: the feed of changes can't be read",
        "the feed of changes can be read again",
    );
    app.store.set(Health::Failing);
    until(down).await;
    let looks = |calls: Vec<&str>| calls.iter().filter(|it| **it == "wait_for_change").count();
    let mut tried = 0;
    while tried < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        tried += looks(app.store.take_calls());
    }
    app.store.set(Health::Well);
    until(up).await;
    assert_eq!((count(down), count(up)), (1, 1));
    follower.abort();
}

//! Two processes over one database: what one changes bites in the other.

use crate::harness::{Team, call_with_secret, open, postgres};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_another_process_bites_within_half_a_second_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    bites(&format!("sqlite://{}/keyrack.db", folder.path().display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_another_node_bites_within_half_a_second_on_postgresql() {
    bites(&postgres()).await;
}

async fn bites(url: &str) {
    let team = Team::at(url).await;
    let issued = team.issue("legacy", &[("data", "read")]).await;
    let node = open(service::connect(url).await.unwrap(), team.clock.clone()).await;
    let follower = {
        let node = node.clone();
        tokio::spawn(async move { node.follow_changes().await })
    };
    for _ in 0..3 {
        assert!(
            call_with_secret(&node, &issued, "GET", "/v1/assets")
                .await
                .is_ok()
        );
    }
    // From here the cache is good for 0.9 s: within half a second nothing but the feed can end that.
    node.catch_up().await.unwrap();
    team.services
        .disable_credential(&team.host, issued.credential.key_id, "test")
        .await
        .unwrap();
    let began = std::time::Instant::now();
    while call_with_secret(&node, &issued, "GET", "/v1/assets")
        .await
        .is_ok()
    {
        assert!(
            began.elapsed().as_millis() < 500,
            "still let through after half a second"
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    follower.abort();
}

/// Nobody follows the feed here: after 0.9 s the cache is not trusted, and the database is asked.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_feed_the_cache_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/keyrack.db", folder.path().display());
    let team = Team::at(&url).await;
    let issued = team.issue("legacy", &[("data", "read")]).await;
    let node = open(service::connect(&url).await.unwrap(), team.clock.clone()).await;
    node.catch_up().await.unwrap();
    assert!(
        call_with_secret(&node, &issued, "GET", "/v1/assets")
            .await
            .is_ok()
    );
    team.services
        .disable_credential(&team.host, issued.credential.key_id, "test")
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(950)).await;
    let refused = call_with_secret(&node, &issued, "GET", "/v1/assets").await;
    assert_eq!(refused.unwrap_err().code(), "quarantined");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_issued_works_at_once_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    works_at_once(&format!("sqlite://{}/keyrack.db", folder.path().display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_issued_works_at_once_on_postgresql() {
    works_at_once(&postgres()).await;
}

/// A node that knows which key ids there are hears of a new one no later than it is asked for it.
async fn works_at_once(url: &str) {
    let team = Team::at(url).await;
    let node = open(service::connect(url).await.unwrap(), team.clock.clone()).await;
    let follower = {
        let node = node.clone();
        tokio::spawn(async move { node.follow_changes().await })
    };
    while !node.knows_key_ids() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    for _ in 0..20 {
        let issued = team.issue("legacy", &[("data", "read")]).await;
        let called = call_with_secret(&node, &issued, "GET", "/v1/assets").await;
        called.unwrap();
    }
    follower.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_id_looked_up_before_it_exists_works_once_it_does() {
    let team = Team::new().await;
    team.services.catch_up().await.unwrap();
    let issued = team.issue("legacy", &[("data", "read")]).await;
    assert!(
        call_with_secret(&team.services, &issued, "GET", "/v1/assets")
            .await
            .is_ok()
    );
    let mut stranger = issued.clone();
    stranger.credential.key_id = "KRQ7M2XZLP4TAVJ6NDB3EH".parse().unwrap();
    for _ in 0..2 {
        let refused = call_with_secret(&team.services, &stranger, "GET", "/v1/assets").await;
        assert_eq!(refused.unwrap_err().code(), "unknown_key");
    }
}

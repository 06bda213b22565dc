//! The catalogues that were in force.

use storage::{CATALOGUE_VERSIONS_KEPT, CatalogueVersion, SharedStore};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, at, event};

fn version(number: u8) -> CatalogueVersion {
    CatalogueVersion {
        hash: [number; 32],
        name: "Library".to_owned(),
        version: format!("2.{number}"),
        file: format!("{{\"version\":\"2.{number}\"}}"),
        taken_up_at: at(number.into()),
    }
}

async fn take_up(store: &SharedStore, number: u8) -> bool {
    let version = version(number);
    store.take_up_catalogue(version, event()).await.unwrap()
}

async fn list(store: &SharedStore, before: i64, limit: u32) -> Vec<(i64, CatalogueVersion)> {
    let versions = store.list_catalogue_versions(before, limit).await;
    versions.unwrap()
}

pub async fn versions_are_listed_newest_first(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(list(store, i64::MAX, 9).await, []);
    for number in 1..=3 {
        assert!(take_up(store, number).await);
    }
    let all = [(3, version(3)), (2, version(2)), (1, version(1))];
    assert_eq!(list(store, i64::MAX, 9).await, all);
    assert_eq!(list(store, i64::MAX, 2).await, all[..2]);
    assert_eq!(list(store, 3, 1).await, all[1..2]);
    assert_eq!(list(store, 1, 9).await, []);
    assert_eq!(fixture.audit_log().await.len(), 3);
}

/// But one that was in force before is a step of its own.
pub async fn the_newest_version_is_not_kept_twice(fixture: &Fixture) {
    let store = &fixture.store;
    for (number, is_new) in [(1, true), (1, false), (2, true), (2, false), (1, true)] {
        assert_eq!(take_up(store, number).await, is_new);
    }
    let kept = list(store, i64::MAX, 9).await;
    let kept: Vec<_> = kept
        .iter()
        .map(|(number, one)| (*number, one.hash[0]))
        .collect();
    assert_eq!(kept, [(3, 1), (2, 2), (1, 1)]);
    assert_eq!(fixture.audit_log().await.len(), 3);
}

pub async fn of_two_nodes_that_take_up_a_file_one_keeps_it(fixture: &Fixture) {
    let mut nodes = JoinSet::new();
    for _ in 0..8 {
        let store = fixture.store.clone();
        nodes.spawn(async move { take_up(&store, 7).await });
    }
    let taken = nodes.join_all().await;
    assert_eq!(taken.into_iter().filter(|taken| *taken).count(), 1);
    assert_eq!(list(&fixture.store, i64::MAX, 9).await, [(1, version(7))]);
    assert_eq!(fixture.audit_log().await.len(), 1);
}

pub async fn only_the_newest_versions_are_kept(fixture: &Fixture) {
    let store = &fixture.store;
    let all = CATALOGUE_VERSIONS_KEPT + 3;
    for number in 1..=all {
        take_up(store, number.try_into().unwrap()).await;
    }
    let kept = list(store, i64::MAX, 1000).await;
    assert_eq!(kept.len(), CATALOGUE_VERSIONS_KEPT as usize);
    assert_eq!(kept[0].0, i64::from(all));
    assert_eq!(kept.last().unwrap().0, 4);
}

//! What the gate remembers: decisions, and how often credentials called.

use chrono::{DateTime, TimeDelta};
use domain::Instant;
use domain::scope::Level;
use storage::{DecisionRow, StoreError, UsageRow};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, at, credential, key_id};

fn decision(number: u32, millis: i64) -> DecisionRow {
    DecisionRow {
        request_id: format!("request-{number:04}"),
        at: at(millis),
        key_id: Some(key_id(1)),
        is_stranger: false,
        surface: "gate".to_owned(),
        method: "GET".to_owned(),
        template: Some("/v1/accounts/{account_id}".to_owned()),
        address: Some("2001:db8::1".to_owned()),
        allowed: false,
        reason: "scope_missing".to_owned(),
        detail: "{\"needed\":\"accounts:read\"}".to_owned(),
    }
}

pub async fn a_decision_is_found_as_recorded(fixture: &Fixture) {
    let store = &fixture.store;
    let bare = DecisionRow {
        key_id: None,
        is_stranger: true,
        template: None,
        address: None,
        allowed: true,
        ..decision(2, 6)
    };
    let all = vec![decision(1, 5), bare];
    store.record_decisions(all.clone()).await.unwrap();
    for decision in all {
        let found = store.find_decision(decision.request_id.clone()).await;
        assert_eq!(found.unwrap(), Some(decision));
    }
    for unknown in ["request-0003", "", "REQUEST-0001"] {
        let found = store.find_decision(unknown.to_owned()).await;
        assert_eq!(found.unwrap(), None, "{unknown:?}");
    }
    assert!(fixture.audit_log().await.is_empty());
}

pub async fn of_two_decisions_about_a_request_the_first_stays(fixture: &Fixture) {
    let store = &fixture.store;
    store.record_decisions(vec![decision(1, 5)]).await.unwrap();
    let second = DecisionRow {
        allowed: true,
        ..decision(1, 6)
    };
    store
        .record_decisions(vec![second, decision(2, 7)])
        .await
        .unwrap();
    for expected in [decision(1, 5), decision(2, 7)] {
        let found = store.find_decision(expected.request_id.clone()).await;
        assert_eq!(found.unwrap(), Some(expected));
    }
}

pub async fn decisions_about_a_credential_come_newest_first(fixture: &Fixture) {
    let store = &fixture.store;
    let of_another = DecisionRow {
        key_id: Some(key_id(2)),
        ..decision(9, 9)
    };
    let all = vec![decision(1, 5), decision(2, 7), decision(3, 5), of_another];
    store.record_decisions(all).await.unwrap();
    let newest_first = [decision(2, 7), decision(3, 5), decision(1, 5)];
    for limit in [0, 2, 3, 100] {
        let listed = store.list_decisions_of(key_id(1), limit).await.unwrap();
        let expected = &newest_first[..3.min(limit as usize)];
        assert_eq!(listed, expected, "the last {limit}");
    }
}

pub async fn decisions_are_trimmed_by_age_and_number(fixture: &Fixture) {
    let store = &fixture.store;
    // Two at each instant.
    let all: Vec<_> = (0..1210).map(|n| decision(n, i64::from(n / 2))).collect();
    store.record_decisions(all).await.unwrap();
    let left = async || store.list_decisions_of(key_id(1), 9999).await.unwrap();
    for (before, keep, removed, oldest) in [
        (0, 1210, 0, 0),
        // By age: everything before the fifth instant, and nothing at it.
        (5, 9999, 10, 10),
        (5, 9999, 0, 10),
        // By number: of two at the same instant one is beyond the newest 1,199.
        (0, 1199, 1, 11),
        // By whichever leaves less.
        (7, 1197, 3, 14),
        (7, 1195, 1, 15),
        // At most a thousand, oldest first.
        (9999, 9999, 1000, 1015),
        (0, 3, 192, 1207),
    ] {
        assert_eq!(
            store.trim_decisions(at(before), keep, 0).await.unwrap(),
            removed,
            "before {before}, keep {keep}"
        );
        let left = left().await;
        assert_eq!(left.last(), Some(&decision(oldest, i64::from(oldest / 2))));
        assert_eq!(left.len(), 1210 - oldest as usize);
    }
    assert_eq!(store.trim_decisions(at(0), 0, 0).await.unwrap(), 3);
    assert_eq!(left().await, []);
    assert_eq!(store.trim_decisions(at(9999), 0, 0).await.unwrap(), 0);
}

pub async fn strangers_push_out_only_strangers(fixture: &Fixture) {
    let store = &fixture.store;
    // The team's are the oldest of all.
    let all = (0..30).map(|number| DecisionRow {
        is_stranger: number >= 10,
        ..decision(number, i64::from(number))
    });
    store.record_decisions(all.collect()).await.unwrap();
    let left = async || {
        let left = store.list_decisions_of(key_id(1), 9999).await.unwrap();
        left.iter().rev().map(|row| row.at).collect::<Vec<_>>()
    };
    let millis = |ranges: [std::ops::Range<i64>; 2]| -> Vec<_> {
        ranges.into_iter().flatten().map(at).collect()
    };
    for (before, keep_strangers, removed, expected) in [
        (0, 20, 0, [0..10, 10..30]),
        (0, 5, 15, [0..10, 25..30]),
        (0, 5, 0, [0..10, 25..30]),
        (4, 5, 4, [4..10, 25..30]),
        (0, 0, 5, [4..10, 30..30]),
    ] {
        let trimmed = store.trim_decisions(at(before), 9999, keep_strangers);
        assert_eq!(trimmed.await.unwrap(), removed);
        assert_eq!(left().await, millis(expected));
    }
}

fn hour(number: i64) -> Instant {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::hours(number)
}

pub fn usage(
    number: u64,
    at: i64,
    scope: &str,
    level: Level,
    (allowed, refused): (u64, u64),
) -> UsageRow {
    UsageRow {
        key_id: key_id(number),
        hour: hour(at),
        scope: scope.to_owned(),
        level,
        allowed,
        refused,
    }
}

async fn with_credentials(fixture: &Fixture) {
    let mara = fixture.add_superuser(1).await;
    for number in 1..=2 {
        fixture.issue(&credential(number, mara.id)).await;
    }
}

pub async fn counts_of_an_hour_add_up(fixture: &Fixture) {
    use Level::{Read, Write};
    with_credentials(fixture).await;
    let store = &fixture.store;
    for counted in [
        vec![
            usage(1, 0, "data", Read, (1, 0)),
            usage(1, 0, "data", Read, (2, 5)),
            usage(1, 0, "data", Write, (4, 0)),
            usage(2, 0, "data", Read, (100, 100)),
        ],
        vec![
            usage(1, 1, "accounts", Read, (0, 7)),
            usage(1, 0, "data", Read, (3, 1)),
            usage(1, 1, "data", Read, (8, 0)),
        ],
        vec![],
    ] {
        store.add_usage(counted).await.unwrap();
    }
    let all = [
        usage(1, 0, "data", Read, (6, 6)),
        usage(1, 0, "data", Write, (4, 0)),
        usage(1, 1, "accounts", Read, (0, 7)),
        usage(1, 1, "data", Read, (8, 0)),
    ];
    for (since, from) in [(-5, 0), (0, 0), (1, 2), (2, 4)] {
        let found = store.usage_of(key_id(1), hour(since)).await.unwrap();
        assert_eq!(found, all[from..], "since {since}");
    }
}

pub async fn parallel_counts_lose_nothing(fixture: &Fixture) {
    with_credentials(fixture).await;
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let store = fixture.store.clone();
        writers.spawn(async move {
            let mut counted: Vec<_> = (0..20)
                .map(|n| usage(n % 2 + 1, 0, &format!("scope_{n}"), Level::Read, (1, 2)))
                .collect();
            if writer % 2 == 0 {
                counted.reverse();
            }
            store.add_usage(counted).await.unwrap();
        });
    }
    writers.join_all().await;
    for number in 1..=2 {
        let found = fixture
            .store
            .usage_of(key_id(number), hour(0))
            .await
            .unwrap();
        assert_eq!(found.len(), 10);
        assert!(
            found
                .iter()
                .all(|row| (row.allowed, row.refused) == (16, 32))
        );
    }
}

pub async fn a_count_that_cannot_be_adds_nothing(fixture: &Fixture) {
    with_credentials(fixture).await;
    let store = &fixture.store;
    let good = usage(1, 0, "data", Level::Read, (1, 1));
    let within_the_hour = UsageRow {
        hour: hour(0) + TimeDelta::milliseconds(1),
        ..good.clone()
    };
    let of_nobody = usage(9, 0, "data", Level::Read, (1, 1));
    for bad in [within_the_hour, of_nobody] {
        let refused = store.add_usage(vec![good.clone(), bad]).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
    }
    assert_eq!(store.usage_of(key_id(1), hour(-9)).await.unwrap(), []);
}

pub async fn counts_are_trimmed_by_age(fixture: &Fixture) {
    with_credentials(fixture).await;
    let store = &fixture.store;
    let counted =
        (0..1100).map(|n| usage(n % 2 + 1, n.cast_signed() / 2, "data", Level::Read, (1, 0)));
    store.add_usage(counted.collect()).await.unwrap();
    for (before, removed) in [(0, 0), (1, 2), (549, 1000), (549, 96), (549, 0)] {
        assert_eq!(store.trim_usage(hour(before)).await.unwrap(), removed);
    }
    for number in 1..=2 {
        let found = store.usage_of(key_id(number), hour(0)).await.unwrap();
        assert_eq!(found, [usage(number, 549, "data", Level::Read, (1, 0))]);
    }
}

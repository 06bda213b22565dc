//! Somebody says that the clock is right, and the audit log wrong: all nodes take it over, and what those
//! write that have not heard yet undoes nothing.

use chrono::TimeDelta;
use domain::audit::Action;
use domain::expiry::rfc3339;
use service::{AuditQuery, ManualClock, RequestFacts};

use crate::clocks::{gets_no_token, node_off_by};
use crate::gateways::revoke;
use crate::harness::{Team, call_with_secret, call_with_token, token};

/// Makes one test of each function for each kind of database.
macro_rules! on_every_database {
    ($($test:ident)*) => { $(
        mod $test {
            #[tokio::test]
            async fn sqlite() {
                super::$test(&crate::harness::Team::before_now("sqlite::memory:").await).await;
            }

            #[tokio::test]
            async fn postgresql() {
                super::$test(&crate::harness::Team::before_now(&crate::harness::postgres()).await).await;
            }
        }
    )* };
}

on_every_database! {
    check_105_an_accepted_clock_holds_while_other_nodes_run
    check_105_the_last_words_of_a_node_do_not_undo_that_the_clock_was_accepted
    check_105_what_ends_after_the_clock_was_accepted_stays_ended
    check_105_a_token_stays_revoked_when_the_time_begins_anew
}

/// The clocks of all nodes are a year ahead, long enough to be believed.
fn set_ahead(clocks: &[&ManualClock]) {
    for clock in clocks {
        clock.set_by(TimeDelta::days(365));
        clock.advance(TimeDelta::minutes(1));
    }
}

async fn check_105_an_accepted_clock_holds_while_other_nodes_run(team: &Team) {
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    let (other, others_clock) = node_off_by(team, TimeDelta::zero()).await;
    let (deaf, deafs_clock) = node_off_by(team, TimeDelta::zero()).await;
    let clocks = [&*team.clock, &*others_clock, &*deafs_clock];
    let begun = team.services.now();
    set_ahead(&clocks);
    for node in [&team.services, &other, &deaf] {
        assert!(node.now() > begun + TimeDelta::days(364));
    }
    let exported = team.services.begin_audit_export(&team.host, "csv").await;
    exported.unwrap();
    for clock in clocks {
        clock.set_by(TimeDelta::days(-365));
    }
    for node in [&team.services, &other, &deaf] {
        assert!(gets_no_token(node, &issued).await);
    }

    let accepted = team.services.accept_clock(&team.host).await.unwrap();
    other.catch_up().await.unwrap();
    for node in [&team.services, &other] {
        assert_eq!(node.clock_problem(), None);
        assert_eq!(node.now(), accepted);
        token(node, &issued).await.unwrap();
    }
    // One more event with the wrong time, of a node that has not heard yet.
    assert!(deaf.now() > accepted + TimeDelta::days(300));
    deaf.begin_audit_export(&team.host, "csv").await.unwrap();
    for node in [&team.services, &other] {
        node.catch_up().await.unwrap();
        assert_eq!(node.now(), accepted);
    }
    let (restarted, clock) = node_off_by(team, TimeDelta::zero()).await;
    // It may count for as much as an event of a running server can.
    clock.advance(TimeDelta::minutes(15));
    assert_eq!(restarted.clock_problem(), None);
    token(&restarted, &issued).await.unwrap();
    deaf.catch_up().await.unwrap();
    token(&deaf, &issued).await.unwrap();
}

async fn check_105_the_last_words_of_a_node_do_not_undo_that_the_clock_was_accepted(team: &Team) {
    let (ends, clock) = node_off_by(team, TimeDelta::zero()).await;
    set_ahead(&[&clock]);
    // More than is written at once: the rest is told at the end.
    for number in 0..210 {
        let facts = RequestFacts {
            address: Some(std::net::Ipv4Addr::new(192, 0, 2, number).into()),
            ..RequestFacts::default()
        };
        ends.note_ignored_header("mara", &facts).await.unwrap();
    }
    clock.set_by(TimeDelta::days(-365));
    let accepted = team.services.accept_clock(&team.host).await.unwrap();
    ends.keep_flushing_usage(std::future::ready(())).await;
    let query = AuditQuery {
        newest_first: true,
        limit: 1,
        ..AuditQuery::default()
    };
    let last = team
        .services
        .audit_entries(&team.host, query)
        .await
        .unwrap();
    let last = &last[0].event;
    assert_eq!(last.action, Action::AuditSummedUp);
    assert!(last.at <= accepted + TimeDelta::minutes(1), "{}", last.at);
    let (restarted, _) = node_off_by(team, TimeDelta::zero()).await;
    assert_eq!(restarted.clock_problem(), None);
}

async fn check_105_what_ends_after_the_clock_was_accepted_stays_ended(team: &Team) {
    team.services.accept_clock(&team.host).await.unwrap();
    let mut draft = team.draft("legacy", &[("data", "read")]);
    draft.expires = rfc3339(team.services.now() + TimeDelta::hours(1));
    let issued = team.services.issue_credential(&team.host, &draft, None);
    let issued = issued.await.unwrap();
    team.clock.advance(TimeDelta::hours(2));
    team.issue("legacy", &[("data", "read")]).await;
    for (back, noted) in [(TimeDelta::days(1), false), (TimeDelta::minutes(90), true)] {
        if noted {
            let known = team.services.now();
            team.store.note_time(known, 1).await.unwrap();
        }
        let (restarted, _) = node_off_by(team, -back).await;
        let called = call_with_secret(&restarted, &issued, "GET", "/v1/assets").await;
        called.unwrap_err();
    }
}

async fn check_105_a_token_stays_revoked_when_the_time_begins_anew(team: &Team) {
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    let token = token(&team.services, &issued).await.unwrap();
    revoke(&team.services, &issued, &token).await.unwrap();
    let (late, clock) = node_off_by(team, TimeDelta::days(365)).await;
    for node in [&team.services, &late] {
        node.sweep().await.unwrap();
    }
    clock.set_by(TimeDelta::days(-365));
    team.services.accept_clock(&team.host).await.unwrap();
    late.catch_up().await.unwrap();
    let called = call_with_token(&late, &token, "GET", "/v1/assets").await;
    called.unwrap_err();
}

//! Clocks that are wrong: of one node, of all, for a moment or over a restart. Nothing that has ended
//! begins again, nothing lasts longer than it may, and nothing is thrown away too early.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use domain::audit::Action;
use domain::expiry::rfc3339;
use jsonwebtoken::Algorithm;
use service::{
    AuditQuery, Clock as _, ClockProblem, IssuedCredential, ManualClock, RequestFacts, Services,
    Settings, SystemClock, TokenError,
};

use crate::gateways::revoke;
use crate::harness::{
    PASSWORD, Team, call_with_secret, call_with_token, open, open_asking, open_with, postgres,
    psql, settings, token,
};
use crate::key_urls::{Hosts, URL, assertion, issue, send};
use crate::signing::Program;

/// Another node on the team's database, whose clock is off by so much.
async fn node_off_by(team: &Team, by: TimeDelta) -> (Services, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(team.services.now() + by));
    (open(team.store.clone(), clock.clone()).await, clock)
}

async fn gets_no_token(node: &Services, issued: &IssuedCredential) -> bool {
    matches!(token(node, issued).await, Err(TokenError::Unavailable(_)))
}

#[tokio::test]
async fn check_105_an_assertion_works_once_though_a_node_that_is_ahead_clears_away() {
    let hosts = Arc::<Hosts>::default();
    let program = Program::new(Algorithm::EdDSA);
    hosts.publish(URL, &[("one", &program)]);
    let team = Team::asking(hosts.clone()).await;
    let key_id = issue(&team, URL).await;
    let assertion = assertion(&team.services, key_id, &program, "one");
    send(&team.services, &assertion).await.unwrap();
    let clock = Arc::new(ManualClock::at(team.services.now() + TimeDelta::hours(2)));
    let ahead = open_asking(team.store.clone(), clock, hosts).await;
    ahead.sweep().await.unwrap();
    send(&team.services, &assertion).await.unwrap_err();
}

#[tokio::test]
async fn check_105_a_token_stays_revoked_though_a_node_that_is_ahead_clears_away() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    let token = token(&team.services, &issued).await.unwrap();
    revoke(&team.services, &issued, &token).await.unwrap();
    let (ahead, _) = node_off_by(&team, TimeDelta::hours(2)).await;
    ahead.sweep().await.unwrap();
    let restarted = open(team.store.clone(), team.clock.clone()).await;
    let called = call_with_token(&restarted, &token, "GET", "/v1/assets").await;
    called.unwrap_err();
}

#[tokio::test]
async fn check_105_a_node_that_is_behind_remembers_what_it_hears_of_until_it_ends() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    let (behind, clock) = node_off_by(&team, TimeDelta::seconds(-50)).await;
    let token = token(&team.services, &issued).await.unwrap();
    revoke(&team.services, &issued, &token).await.unwrap();
    behind.catch_up().await.unwrap();
    for _ in 0..40 {
        let called = call_with_token(&behind, &token, "GET", "/v1/assets").await;
        called.unwrap_err();
        clock.advance(TimeDelta::seconds(30));
        behind.sweep().await.unwrap();
    }
}

#[tokio::test]
async fn check_105_after_a_jump_ahead_and_back_no_token_is_made() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    let services = &team.services;
    token(services, &issued).await.unwrap();
    for jump in [TimeDelta::hours(24), TimeDelta::seconds(61)] {
        let fresh = open(team.store.clone(), team.clock.clone()).await;
        let before = fresh.now();
        team.clock.set_by(jump);
        assert!(gets_no_token(&fresh, &issued).await, "ahead by {jump}");
        assert_eq!(fresh.clock_problem(), Some(ClockProblem::Ahead(jump)));
        team.clock.set_by(-jump);
        assert!(gets_no_token(&fresh, &issued).await, "back by {jump}");
        assert_eq!(fresh.clock_problem(), Some(ClockProblem::Behind(jump)));
        assert_eq!(fresh.now(), before + jump, "what has ended stays ended");
        // A restart clears it up, as nothing was written meanwhile.
        let restarted = open(team.store.clone(), team.clock.clone()).await;
        token(&restarted, &issued).await.unwrap();
        // So does a clock that gets there.
        team.clock.set_by(jump);
        token(&fresh, &issued).await.unwrap_err();
        team.clock.advance(TimeDelta::minutes(5));
        token(&fresh, &issued).await.unwrap();
    }
}

#[tokio::test]
async fn check_105_what_was_made_by_a_wrong_clock_ends_though_the_clock_went_back() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    team.clock.set_by(TimeDelta::hours(24));
    team.clock.advance(TimeDelta::minutes(1));
    team.clock.advance(TimeDelta::minutes(6));
    // The wrong clock is believed by now.
    assert!(gets_no_token(&team.services, &issued).await);
    team.clock.advance(TimeDelta::minutes(6));
    let token = token(&team.services, &issued).await.unwrap();
    team.clock.set_by(TimeDelta::hours(-24));
    let call = async || call_with_token(&team.services, &token, "GET", "/v1/assets").await;
    call().await.unwrap();
    team.clock.advance(TimeDelta::minutes(15));
    call().await.unwrap_err();
}

#[tokio::test]
async fn check_105_a_clock_that_stays_ahead_is_believed_after_five_minutes() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    team.clock.set_by(TimeDelta::hours(1));
    assert!(gets_no_token(&team.services, &issued).await);
    team.clock.advance(TimeDelta::minutes(4));
    assert!(gets_no_token(&team.services, &issued).await);
    // Another jump: the five minutes begin again.
    team.clock.set_by(TimeDelta::hours(1));
    assert!(gets_no_token(&team.services, &issued).await);
    team.clock
        .advance(TimeDelta::minutes(5) - TimeDelta::seconds(1));
    assert!(gets_no_token(&team.services, &issued).await);
    team.clock.advance(TimeDelta::seconds(1));
    token(&team.services, &issued).await.unwrap();
}

#[tokio::test]
async fn check_105_time_that_passes_and_small_steps_are_no_jump() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    for (passes, steps) in [(0, 59), (86_400, -59), (1, 60), (7 * 86_400, 30), (0, -60)] {
        team.clock.advance(TimeDelta::seconds(passes));
        team.clock.set_by(TimeDelta::seconds(steps));
        token(&team.services, &issued).await.unwrap();
    }
}

#[tokio::test]
async fn check_105_a_restart_with_the_clock_a_day_back_revives_nothing() {
    let team = Team::new().await;
    let mut draft = team.draft("legacy", &[("data", "read")]);
    draft.expires = rfc3339(team.services.now() + TimeDelta::hours(1));
    let issued = team.services.issue_credential(&team.host, &draft, None);
    let issued = issued.await.unwrap();
    let lasting = team.issue("client_secret", &[("data", "read")]).await;
    let gets_through = async |node: &Services| {
        let called = call_with_secret(node, &issued, "GET", "/v1/assets").await;
        called.is_ok()
    };
    assert!(gets_through(&team.services).await);
    team.clock.advance(TimeDelta::hours(2));
    assert!(!gets_through(&team.services).await);
    // Something happens, and the log keeps when.
    team.issue("legacy", &[("data", "read")]).await;

    let (restarted, clock) = node_off_by(&team, TimeDelta::days(-1)).await;
    assert!(!gets_through(&restarted).await);
    assert!(gets_no_token(&restarted, &lasting).await, "a day too long");
    assert_eq!(
        restarted.clock_problem(),
        Some(ClockProblem::Behind(TimeDelta::days(1)))
    );
    clock.set_by(TimeDelta::days(1));
    assert!(gets_no_token(&restarted, &lasting).await, "another jump");
    clock.advance(TimeDelta::minutes(5));
    token(&restarted, &lasting).await.unwrap();

    // If it was the log that was wrong, somebody on the host has to say so.
    let (restarted, clock) = node_off_by(&team, TimeDelta::days(-1)).await;
    let nobody = team.add("Dev", "dev@example.com", "developer").await;
    let nobody = team.log_in(nobody.id).await;
    restarted.accept_clock(&nobody).await.unwrap_err();
    let accepted = restarted.accept_clock(&team.host).await.unwrap();
    let restarted = open(team.store.clone(), clock).await;
    assert_eq!(restarted.now(), accepted);
    token(&restarted, &lasting).await.unwrap();
    let query = AuditQuery {
        action: Some(Action::ClockAccepted),
        limit: 10,
        ..AuditQuery::default()
    };
    let told = restarted.audit_entries(&team.host, query).await.unwrap();
    assert_eq!(told.len(), 2, "the refusal and the deed");
}

#[tokio::test]
async fn check_105_a_node_is_followed_if_it_is_a_little_ahead_and_not_if_it_is_far_ahead() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    let now = team.services.now();
    for (by, followed) in [
        (TimeDelta::seconds(30), true),
        (TimeDelta::seconds(60), true),
        (TimeDelta::seconds(61), false),
        (TimeDelta::days(365), false),
    ] {
        let (ahead, _) = node_off_by(&team, now + by - team.services.now()).await;
        assert_eq!(ahead.now(), now + by);
        ahead.rotate_signing_key(&team.host).await.unwrap();
        team.services.catch_up().await.unwrap();
        let followed = if followed { by } else { TimeDelta::seconds(60) };
        assert_eq!(team.services.now(), now + followed, "{by} ahead");
        token(&team.services, &issued).await.unwrap();
    }
}

/// Decisions that can't be undone come due within a month.
fn a_month() -> Settings {
    Settings {
        audit_kept: Some(TimeDelta::days(30)),
        signing_key_life: Some(TimeDelta::days(30)),
        ..settings()
    }
}

/// What the server does every ten minutes that can't be undone; whether anything came of each.
async fn clears_away(node: &Services) -> [bool; 3] {
    node.note_time().await.unwrap();
    let retired = node.retire_signing_keys().await.unwrap() > 0;
    let rotated = node.rotate_signing_key_if_due().await.unwrap();
    let trimmed = node.trim_audit().await.unwrap() > 0;
    let swept = node.sweep().await.unwrap() > 0;
    [rotated || retired, trimmed, swept]
}

#[tokio::test]
async fn check_105_by_a_clock_that_jumped_nothing_is_thrown_away_and_no_key_rotates() {
    let team = Team::new().await;
    let node = open_with(team.store.clone(), team.clock.clone(), a_month()).await;
    team.log_in(team.mara.id).await;
    team.clock
        .advance(TimeDelta::days(30) - TimeDelta::hours(1));
    team.log_in(team.mara.id).await;
    assert_eq!(clears_away(&node).await, [false, false, true]);
    team.clock.set_by(TimeDelta::hours(23));
    assert_eq!(clears_away(&node).await, [false; 3]);
    team.clock.advance(TimeDelta::minutes(5));
    assert_eq!(node.put_off(), None);
    assert_eq!(clears_away(&node).await, [true; 3]);
}

/// On SQLite there is no second clock. Off for three months, or a clock that is wrong: nobody can tell but a
/// person. All that can be undone goes on by itself, whatever is written and however often it starts.
#[tokio::test]
async fn check_105_a_clock_that_starts_far_ahead_does_nothing_for_good_until_it_is_accepted() {
    let team = Team::new().await;
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    team.log_in(team.mara.id).await;
    let node = open_with(team.store.clone(), team.clock.clone(), a_month()).await;
    assert_eq!(clears_away(&node).await, [false; 3]);
    team.clock.set_by(TimeDelta::days(730));
    for start in 0..3 {
        let node = open_with(team.store.clone(), team.clock.clone(), a_month()).await;
        assert_eq!(clears_away(&node).await, [false; 3], "start {start}");
        let told = node.put_off().unwrap().to_string();
        assert!(told.contains("run `keyrack clock accept`"), "{told}");
        assert_eq!(node.clock_problem(), None);
        // It goes on as it does after a pause.
        let draft = team.draft("client_secret", &[("data", "read")]);
        let new = node.issue_credential(&team.host, &draft, None).await;
        token(&node, &new.unwrap()).await.unwrap();
        token(&node, &issued).await.unwrap_err();
        team.clock.advance(TimeDelta::days(2));
        assert_eq!(clears_away(&node).await[..2], [false; 2], "start {start}");
    }
    let node = open_with(team.store.clone(), team.clock.clone(), a_month()).await;
    node.accept_clock(&team.host).await.unwrap();
    assert_eq!(node.put_off(), None);
    assert_eq!(clears_away(&node).await[..2], [true; 2]);
}

#[tokio::test]
async fn check_105_what_is_put_off_goes_on_with_the_time_that_passes() {
    let team = Team::new().await;
    team.clock.set_by(TimeDelta::days(90));
    let node = open_with(team.store.clone(), team.clock.clone(), a_month()).await;
    assert_ne!(node.put_off(), None);
    team.log_in(team.mara.id).await;
    assert_eq!(clears_away(&node).await, [false; 3]);
    // What is from before the pause is a month old now, whatever the clock tells.
    team.clock.advance(TimeDelta::days(31));
    assert_eq!(clears_away(&node).await[..2], [false, true]);
}

#[tokio::test]
async fn check_105_the_distance_to_the_databases_clock_is_measured() {
    let team = Team::new().await;
    team.services.look_at_clocks().await.unwrap();
    assert_eq!(
        team.services.clock_skew(),
        None,
        "SQLite has this machine's"
    );

    let seconds = psql("SELECT extract(epoch FROM clock_timestamp())::bigint");
    let theirs = DateTime::from_timestamp(seconds.trim().parse().unwrap(), 0).unwrap();
    let store = service::connect(&postgres()).await.unwrap();
    store.migrate().await.unwrap();
    let clock = Arc::new(ManualClock::at(theirs - TimeDelta::minutes(10)));
    let node = open(store, clock).await;
    assert_eq!(node.clock_skew(), None);
    node.look_at_clocks().await.unwrap();
    let skew = node.clock_skew().unwrap();
    assert!((10..12).contains(&skew.num_minutes()), "{skew}");
}

/// A node whose clock is years ahead of the database's: what it can't undo it leaves, and what it writes
/// leads no other node astray.
#[tokio::test]
async fn check_105_a_node_that_is_not_at_the_databases_time_does_nothing_for_good() {
    let team = Team::at(&postgres()).await;
    let now = SystemClock.now();
    let at = |by| Arc::new(ManualClock::at(now + by));
    let settings = Settings {
        signing_key_life: Some(TimeDelta::days(90)),
        ..a_month()
    };
    let ahead = at(TimeDelta::days(730));
    let ahead = open_with(team.store.clone(), ahead, settings.clone()).await;
    let written = team.store.audit_head().await.unwrap();
    assert_eq!(ahead.trim_audit().await.unwrap(), 0);
    assert_eq!(ahead.sweep().await.unwrap(), 0);
    assert!(!ahead.rotate_signing_key_if_due().await.unwrap());
    assert_eq!(team.store.audit_head().await.unwrap(), written);

    let mail = "nobody@example.com";
    let facts = RequestFacts::default();
    let refused = ahead.log_in(mail, PASSWORD, &facts).await;
    refused.unwrap_err();
    assert_ne!(team.store.audit_head().await.unwrap(), written);
    let clock = at(TimeDelta::zero());
    let right = open_with(team.store.clone(), clock.clone(), settings).await;
    // The database's clock counts give or take a minute.
    clock.advance(TimeDelta::minutes(2));
    assert_eq!(right.clock_problem(), None);
    assert!(right.now() < now + TimeDelta::minutes(5));
}

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
    team.issue("client_secret", &[("data", "read")]).await;
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

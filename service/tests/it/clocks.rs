//! Clocks that are wrong: of one node, of all, for a moment or over a restart. Nothing that has ended
//! begins again, nothing lasts longer than it may, and nothing is thrown away too early.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use domain::audit::Action;
use domain::draft::CredentialDraft;
use domain::expiry::rfc3339;
use jsonwebtoken::Algorithm;
use service::{
    AddPerson, AuditQuery, Clock as _, ClockProblem, CredentialChange, IssuedCredential,
    MAX_TOKEN_LIFE, ManualClock, PublicKeyDraft, RequestFacts, ServiceError, Services, SessionRow,
    Settings, SystemClock, Token, TokenError,
};

use crate::gateways::revoke;
use crate::harness::{
    PASSWORD, Team, call_with_secret, call_with_token, open, open_asking, open_with, postgres,
    psql, settings, token,
};
use crate::key_urls::{Hosts, URL, assertion, issue, send};
use crate::signing::Program;

/// Another node on the team's database, whose clock is off by so much.
pub async fn node_off_by(team: &Team, by: TimeDelta) -> (Services, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(team.services.now() + by));
    (open(team.store.clone(), clock.clone()).await, clock)
}

pub async fn gets_no_token(node: &Services, issued: &IssuedCredential) -> bool {
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

/// It hears of a revocation whose end is cleared away by then, so it reckons with the last that there can be.
#[tokio::test]
async fn check_105_a_node_that_stood_still_for_a_day_remembers_what_others_have_cleared_away() {
    let team = Team::new().await;
    let longest = Settings {
        token_life: MAX_TOKEN_LIFE,
        ..settings()
    };
    let (still, clock) = node_off_by(&team, TimeDelta::zero()).await;
    let other = open_with(team.store.clone(), team.clock.clone(), longest).await;
    let day = TimeDelta::days(1);
    team.clock.advance(day);
    let issued = team.issue("client_secret", &[("data", "read")]).await;
    let revoked = token(&other, &issued).await.unwrap();
    let good = token(&other, &issued).await.unwrap();
    revoke(&other, &issued, &revoked).await.unwrap();
    let now = other.now();
    team.clock.advance(MAX_TOKEN_LIFE + day);
    assert!(other.sweep().await.unwrap() > 0, "nothing was cleared away");
    let stored = team.store.list_revoked_tokens(now).await.unwrap();
    assert!(stored.is_empty(), "{stored:?}");

    still.catch_up().await.unwrap();
    clock.advance(day);
    let minutes = MAX_TOKEN_LIFE.num_minutes();
    for minute in 0..minutes {
        still.sweep().await.unwrap();
        let call = async |token| call_with_token(&still, token, "GET", "/v1/assets").await;
        call(&good).await.unwrap();
        assert!(call(&revoked).await.is_err(), "after {minute} minutes");
        clock.advance(TimeDelta::minutes(1));
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
        ahead.begin_audit_export(&team.host, "csv").await.unwrap();
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

    let seconds = psql("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint");
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

/// What others check, whose end stands alone, or that somebody hands on is not made by a clock that nobody
/// believes; what ends something is done all the same, and people can still log in.
#[tokio::test]
async fn check_105_nothing_that_lasts_is_made_while_the_clock_is_not_believed() {
    let team = Team::new().await;
    let signer = team.draft("private_key_jwt", &[("data", "read")]);
    let program = Program::new(Algorithm::EdDSA);
    let signer = CredentialDraft {
        public_key: program.jwk().to_string(),
        ..signer
    };
    let signer = team.services.issue_credential(&team.host, &signer, None);
    let signer = signer.await.unwrap().credential;
    let issued = team.issue("legacy", &[("data", "read")]).await.credential;
    let (node, host) = (&team.services, &team.host);
    let facts = RequestFacts::default();
    let mut again = Program::new(Algorithm::EdDSA).jwk();
    again["kid"] = "two".into();
    for jump in [TimeDelta::hours(2), TimeDelta::hours(-4)] {
        team.clock.set_by(jump);
        let refused = |error: ServiceError| match error {
            ServiceError::Clock(_) => (),
            other => panic!("{other:?}"),
        };
        refused(node.rotate_signing_key(host).await.unwrap_err());
        let draft = team.draft("legacy", &[("data", "read")]);
        let refusal = node.issue_credential(host, &draft, None).await;
        refused(refusal.unwrap_err());
        let change = |expires: &str, purpose: &str| CredentialChange {
            draft: CredentialDraft {
                expires: expires.to_owned(),
                purpose: purpose.to_owned(),
                ..draft.clone()
            },
            read: issued.updated_at,
        };
        let edit = change("90d", "Moves cash at night");
        let refusal = node.edit_credential(host, issued.key_id, &edit).await;
        refused(refusal.unwrap_err());
        let key = |expires: &str| PublicKeyDraft {
            public_key: again.to_string(),
            expires: expires.to_owned(),
            ..PublicKeyDraft::default()
        };
        let refusal = node.add_public_keys(host, signer.key_id, &key("30d")).await;
        refused(refusal.unwrap_err());
        let refusal = node.offer_password_link(host, team.mara.id).await;
        refused(refusal.unwrap_err());
        for mail in ["mara@example.com", "nobody@example.com"] {
            refused(node.reset_link(mail, &facts).await.unwrap_err());
        }
        let person = AddPerson {
            name: "Dev".into(),
            email: "dev@example.com".into(),
            role: "developer".into(),
        };
        refused(node.add_person(host, &person).await.unwrap_err());
    }
    let step = node.log_in("mara@example.com", PASSWORD, &facts).await;
    step.unwrap();
    team.log_in(team.mara.id).await;
    let again = PublicKeyDraft {
        public_key: again.to_string(),
        expires: "never".to_owned(),
        ..PublicKeyDraft::default()
    };
    let added = node.add_public_keys(host, signer.key_id, &again).await;
    added.unwrap();
    let keys = node.signing_keys(host).await.unwrap();
    let ended = node.end_signing_key(host, &keys[0].kid, "leaked").await;
    ended.unwrap();
    let revoked = node.revoke_credential(host, issued.key_id, "leaked").await;
    revoked.unwrap();
}

#[tokio::test]
async fn check_105_a_key_that_a_node_far_ahead_made_in_place_of_an_ended_one_does_not_stop_the_schedule()
 {
    let team = Team::new().await;
    let node = open_with(team.store.clone(), team.clock.clone(), a_month()).await;
    let (ahead, _) = node_off_by(&team, TimeDelta::days(365)).await;
    let keys = ahead.signing_keys(&team.host).await.unwrap();
    let ended = ahead
        .end_signing_key(&team.host, &keys[0].kid, "leaked")
        .await;
    ended.unwrap();
    node.catch_up().await.unwrap();
    node.rotate_signing_key(&team.host).await.unwrap();
    team.clock.advance(TimeDelta::days(29));
    assert!(!node.rotate_signing_key_if_due().await.unwrap());
    team.clock.advance(TimeDelta::days(2));
    assert!(node.rotate_signing_key_if_due().await.unwrap());
    assert!(!node.rotate_signing_key_if_due().await.unwrap());
}

/// A clock that started far ahead looks right to its own node, but not to the others.
#[tokio::test]
async fn check_105_what_a_node_far_ahead_has_begun_is_nothing_for_the_others() {
    let team = Team::new().await;
    let (ahead, _) = node_off_by(&team, TimeDelta::days(365)).await;
    let refusal = ahead.rotate_signing_key(&team.host).await.unwrap_err();
    assert!(
        matches!(refusal, ServiceError::Clock(ClockProblem::Unaccepted(_))),
        "{refusal:?}"
    );

    let link = ahead.offer_password_link(&team.host, team.mara.id).await;
    let link = link.unwrap();
    let is_link = async |node: &Services| {
        let owner = node.password_link_owner(link.token.expose()).await;
        owner.unwrap().is_some()
    };
    assert_eq!(
        (is_link(&ahead).await, is_link(&team.services).await),
        (true, false)
    );
    let (password, facts) = ("seven lamps juggle mice", RequestFacts::default());
    let chosen = team
        .services
        .choose_password(link.token.expose(), password, &facts);
    chosen.await.unwrap_err();

    let now = ahead.now();
    for (begins, lasts) in [
        (now, false),
        (team.services.now() + TimeDelta::seconds(61), false),
        (team.services.now() + TimeDelta::seconds(60), true),
    ] {
        let row = SessionRow {
            id: Token::generate().hash(),
            owner: Some(team.epoch(team.mara.id).await),
            data: "{}".to_owned(),
            created_at: begins,
            idle_until: now + TimeDelta::hours(1),
            absolute_until: now + TimeDelta::hours(24),
        };
        assert!(team.store.create_session(row.clone()).await.unwrap());
        let (store, at) = (&team.store, team.services.now());
        let actor = team
            .services
            .actor_of_session(row.id, RequestFacts::default());
        assert_eq!(actor.await.unwrap().is_some(), lasts);
        assert_eq!(
            store.find_session(row.id, at).await.unwrap().is_some(),
            lasts
        );
        let listed = store.list_sessions_of(team.mara.id, at).await.unwrap();
        assert_eq!(listed.iter().any(|one| one.id == row.id), lasts);
        let page = store
            .page_sessions_of(team.mara.id, at, None, 100)
            .await
            .unwrap();
        assert_eq!(page.iter().any(|one| one.id == row.id), lasts);
        assert_eq!(
            store.take_session(row.id, at).await.unwrap().is_some(),
            lasts
        );
    }
}

//! The audit log: who reads it, and that it stays provable when it is trimmed.

use chrono::TimeDelta;
use domain::audit::{Action, BrokenChain};
use domain::role::Permission;
use service::{AuditQuery, ServiceError, Settings};

use crate::harness::{Team, open_with, settings};

fn all() -> AuditQuery {
    AuditQuery {
        limit: 1_000,
        ..AuditQuery::default()
    }
}

#[tokio::test]
async fn only_superusers_read_the_whole_log() {
    let team = Team::new().await;
    let jonas = team
        .add("Jonas Lind", "jonas@example.com", "developer")
        .await;
    let (jonas, mara) = (team.log_in(jonas.id).await, team.log_in(team.mara.id).await);
    let denied = team.services.audit_entries(&jonas, all()).await;
    assert!(matches!(
        denied,
        Err(ServiceError::Denied(Permission::SeeAuditLog))
    ));
    let export = team.services.begin_audit_export(&jonas, "csv").await;
    assert!(matches!(export, Err(ServiceError::Denied(_))));
    let entries = team.services.audit_entries(&mara, all()).await.unwrap();
    let last = entries.last().unwrap();
    assert_eq!(last.event.action, Action::AuditExported);
    assert_eq!(last.event.actor_name, "Jonas Lind");
    // One's own story everybody may read, that of others only superusers.
    let own = jonas.person().unwrap().id;
    assert!(team.services.person_story(&jonas, own).await.is_ok());
    let others = team.services.person_story(&jonas, team.mara.id).await;
    assert!(matches!(others, Err(ServiceError::Denied(_))));
}

#[tokio::test]
async fn check_89_a_trimmed_log_is_whole_and_says_where_it_begins() {
    let team = Team::new().await;
    let keeping = Settings {
        audit_kept: Some(TimeDelta::days(30)),
        ..settings()
    };
    let services = open_with(team.store.clone(), team.clock.clone(), keeping).await;
    assert_eq!(services.trim_audit().await.unwrap(), 0);
    let old = team.store.audit_head().await.unwrap().0;
    team.clock.advance(TimeDelta::days(31));
    team.add("Jonas Lind", "jonas@example.com", "developer")
        .await;
    assert_eq!(services.trim_audit().await.unwrap(), old);
    assert_eq!(services.trim_audit().await.unwrap(), 0);
    services.sweep().await.unwrap();

    let entries = services.audit_entries(&team.host, all()).await.unwrap();
    assert_eq!(entries[0].seq, old + 1);
    assert_eq!(entries.last().unwrap().event.action, Action::AuditTrimmed);
    let head = services.verify_audit(&team.host).await.unwrap().unwrap();
    assert_eq!(head.entries, entries.last().unwrap().seq);
}

#[tokio::test]
async fn check_89_a_log_that_was_cut_without_a_word_is_found() {
    let team = Team::new().await;
    team.add("Jonas Lind", "jonas@example.com", "developer")
        .await;
    let first = team.store.list_audit(0, 1).await.unwrap().remove(0);
    // Whoever can write to the database can move the base; no entry of ours says so.
    let unrelated = team.store.list_audit(1, 1).await.unwrap().remove(0).event;
    let base = (first.seq, first.hash);
    team.store.trim_audit(base, unrelated).await.unwrap();
    let broken = team.services.verify_audit(&team.host).await.unwrap();
    assert_eq!(broken, Err(BrokenChain::Trimmed { base: first.seq }));
}

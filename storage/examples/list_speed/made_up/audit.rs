//! An audit log of two years, by a few who do much and many who do little.

use chrono::TimeDelta;
use domain::audit::{Action, ActorKind, AuditEvent, ObjectKind, Outcome};
use domain::key_id::KeyId;
use domain::user::User;
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::now;

/// When the log begins.
pub fn begin() -> domain::Instant {
    now() - TimeDelta::days(730)
}

/// So many events, one after the other.
pub fn events(
    count: usize,
    people: Vec<User>,
    credentials: Vec<(KeyId, String)>,
    mut rng: StdRng,
) -> impl Iterator<Item = AuditEvent> {
    let begin = begin();
    let step = (now() - begin) / i32::try_from(count).unwrap_or(i32::MAX);
    (0..count).scan(begin, move |at, _| {
        *at += step;
        let rng = &mut rng;
        let person = often_the_first(&people, rng);
        let credential = often_the_first(&credentials, rng);
        let event = match rng.random_range(0..100_000) {
            0 => host(Action::BackupWritten),
            1..10 => host(Action::AuditTrimmed),
            10..5_000 => failed_log_in(person),
            5_000..9_000 => revoked_token(credential, rng),
            9_000..9_500 => on_person(person, often_the_first(&people, rng)),
            9_500..70_000 => session(person, rng),
            _ => on_credential(person, credential, rng),
        };
        Some(AuditEvent {
            at: *at,
            address: Some(format!("192.0.2.{}", rng.random_range(1..255))),
            request_id: Some(format!("{:024x}", rng.random::<u64>())),
            ..event
        })
    })
}

/// Of 10,000 the first is it one time in twenty, the middle one hardly ever.
fn often_the_first<'a, T>(of: &'a [T], rng: &mut StdRng) -> &'a T {
    let at = (0..6).fold(of.len() - 1, |last, _| rng.random_range(0..=last));
    &of[at]
}

fn session(person: &User, rng: &mut StdRng) -> AuditEvent {
    let action = match rng.random_range(0..10) {
        0..6 => Action::LogIn,
        6..9 => Action::LogOut,
        _ => Action::Proven,
    };
    AuditEvent {
        action,
        ..by(person, to_person(person))
    }
}

fn failed_log_in(person: &User) -> AuditEvent {
    AuditEvent {
        actor_kind: ActorKind::Anonymous,
        actor_name: "anonymous".to_owned(),
        action: Action::LogIn,
        outcome: Outcome::Failed,
        detail: r#"{"reason":"wrong log-in"}"#.to_owned(),
        ..to_person(person)
    }
}

fn on_person(person: &User, other: &User) -> AuditEvent {
    AuditEvent {
        action: Action::UserRoleChanged,
        detail: r#"{"role":{"from":"support","to":"developer"}}"#.to_owned(),
        ..by(person, to_person(other))
    }
}

fn on_credential(person: &User, credential: &(KeyId, String), rng: &mut StdRng) -> AuditEvent {
    let action = match rng.random_range(0..100) {
        0..50 => Action::CredentialEdited,
        50..75 => Action::CredentialIssued,
        75..85 => Action::CredentialDisabled,
        85..93 => Action::CredentialEnabled,
        93..99 => Action::CredentialRevoked,
        _ => Action::LimitsChanged,
    };
    let outcome = if rng.random_bool(0.01) {
        Outcome::Denied
    } else {
        Outcome::Done
    };
    AuditEvent {
        action,
        outcome,
        detail: r#"{"purpose":{"from":"Moves cash","to":"Moves cash at the end of the day"}}"#
            .to_owned(),
        ..by(person, to_credential(credential))
    }
}

fn revoked_token(credential: &(KeyId, String), rng: &mut StdRng) -> AuditEvent {
    let (key_id, name) = credential;
    AuditEvent {
        actor_kind: ActorKind::Program,
        actor_id: Some(key_id.to_string()),
        actor_name: name.clone(),
        action: Action::TokenRevoked,
        object_kind: ObjectKind::Token,
        object_id: Some(format!("{:022x}", rng.random::<u64>())),
        object_name: "access token".to_owned(),
        ..to_credential(credential)
    }
}

fn host(action: Action) -> AuditEvent {
    AuditEvent {
        actor_kind: ActorKind::Host,
        actor_id: None,
        actor_epoch: None,
        actor_name: "root".to_owned(),
        action,
        object_kind: ObjectKind::System,
        object_id: None,
        object_name: "database".to_owned(),
        outcome: Outcome::Done,
        at: begin(),
        address: None,
        request_id: None,
        detail: "{}".to_owned(),
    }
}

fn to_person(person: &User) -> AuditEvent {
    AuditEvent {
        object_kind: ObjectKind::User,
        object_id: Some(person.id.to_string()),
        object_name: person.name.to_string(),
        ..host(Action::LogIn)
    }
}

fn to_credential((key_id, name): &(KeyId, String)) -> AuditEvent {
    AuditEvent {
        object_kind: ObjectKind::Credential,
        object_id: Some(key_id.to_string()),
        object_name: name.clone(),
        ..host(Action::CredentialEdited)
    }
}

fn by(person: &User, event: AuditEvent) -> AuditEvent {
    AuditEvent {
        actor_kind: ActorKind::Person,
        actor_id: Some(person.id.to_string()),
        actor_name: person.name.to_string(),
        ..event
    }
}

//! Pages of the audit log.

use chrono::TimeDelta;
use domain::audit::{Action, AuditEntry, ObjectKind, Outcome};
use storage::{AuditQuery, Named, SharedStore};

use super::{OTHERS, PAGE};
use crate::{Result, now};

/// Who and what the log is about: in it very often, sometimes, and never.
struct Known {
    busy: (String, String),
    somebody: (String, String),
    credential: (String, String),
    last: i64,
}

impl Known {
    async fn of(store: &SharedStore) -> Result<Self> {
        let (last, _) = store.audit_head().await?;
        Ok(Self {
            busy: person(store, "person0@example.com").await?,
            somebody: person(store, "person77@example.com").await?,
            credential: first_credential(store, last).await?,
            last,
        })
    }
}

async fn person(store: &SharedStore, email: &str) -> Result<(String, String)> {
    let login = store.find_login(email.parse()?).await?;
    let user = login.ok_or(OTHERS)?.user;
    Ok((user.id.to_string(), user.name.to_string()))
}

/// The credential that is edited most.
async fn first_credential(store: &SharedStore, last: i64) -> Result<(String, String)> {
    let edited = AuditQuery {
        action: Some(Action::CredentialEdited),
        beyond: Some(last / 2),
        limit: 1000,
        ..AuditQuery::default()
    };
    let entries = store.search_audit(edited).await?;
    let is_first = |entry: &&AuditEntry| entry.event.object_name.ends_with("-0");
    let event = &entries.iter().find(is_first).ok_or(OTHERS)?.event;
    let id = event.object_id.clone().unwrap_or_default();
    Ok((id, event.object_name.clone()))
}

fn everything() -> AuditQuery {
    AuditQuery {
        newest_first: true,
        limit: PAGE + 1,
        ..AuditQuery::default()
    }
}

fn id((id, _): &(String, String)) -> Named {
    Named::Id(id.clone())
}

fn name((_, name): &(String, String)) -> Named {
    Named::Name(name.clone())
}

/// One filter more.
trait Narrow {
    fn actor(self, actor: Named) -> Self;
    fn object(self, object: Named) -> Self;
    fn action(self, action: Action) -> Self;
    fn outcome(self, outcome: Outcome) -> Self;
    /// Between so many days ago and so many.
    fn days(self, from: i64, until: i64) -> Self;
    fn beyond(self, entry: i64) -> Self;
}

impl Narrow for AuditQuery {
    fn actor(mut self, actor: Named) -> Self {
        self.actor = Some(actor);
        self
    }

    fn object(mut self, object: Named) -> Self {
        self.object = Some(object);
        self
    }

    fn action(mut self, action: Action) -> Self {
        self.action = Some(action);
        self
    }

    fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    fn days(mut self, from: i64, until: i64) -> Self {
        self.from = Some(now() - TimeDelta::days(from));
        self.until = Some(now() - TimeDelta::days(until));
        self
    }

    fn beyond(mut self, entry: i64) -> Self {
        self.beyond = Some(entry);
        self
    }
}

/// The kinds of queries that people make of the log.
pub async fn audit(store: &SharedStore) -> Result<Vec<(&'static str, AuditQuery)>> {
    let known = Known::of(store).await?;
    Ok([one_filter(&known), several_filters(&known)].concat())
}

/// The stories on the pages of a credential and of a person.
pub async fn stories(store: &SharedStore) -> Result<Vec<(&'static str, ObjectKind, String)>> {
    let known = Known::of(store).await?;
    let (credential, person) = (known.credential.0, known.busy.0);
    Ok(vec![
        ("story of a credential", ObjectKind::Credential, credential),
        ("story of a person", ObjectKind::User, person),
    ])
}

fn one_filter(known: &Known) -> Vec<(&'static str, AuditQuery)> {
    use self::everything as all;
    let (busy, somebody, credential) = (&known.busy, &known.somebody, &known.credential);
    let nobody = &("nobody".to_owned(), "Nobody".to_owned());
    let deep = all().beyond(known.last / 2);
    let newer = AuditQuery {
        newest_first: false,
        ..deep.clone()
    };
    vec![
        ("first page", all()),
        ("deep page", deep),
        ("page before a deep one", newer),
        ("actor by id, busy", all().actor(id(busy))),
        ("actor by id, rare", all().actor(id(somebody))),
        ("actor by id, unknown", all().actor(id(nobody))),
        ("actor by name, busy", all().actor(name(busy))),
        ("actor by name, rare", all().actor(name(somebody))),
        ("actor by name, unknown", all().actor(name(nobody))),
        ("object by id, busy", all().object(id(credential))),
        ("object by id, unknown", all().object(id(nobody))),
        ("object by name, busy", all().object(name(credential))),
        ("object by name, unknown", all().object(name(nobody))),
        ("action, frequent", all().action(Action::LogIn)),
        ("action, rare", all().action(Action::BackupWritten)),
        ("action, never", all().action(Action::SetUpOffered)),
        ("outcome, frequent", all().outcome(Outcome::Done)),
        ("outcome, rare", all().outcome(Outcome::Denied)),
        ("a day long ago", all().days(501, 500)),
        ("a year", all().days(600, 235)),
        ("a time before all", all().days(2000, 1000)),
    ]
}

fn several_filters(known: &Known) -> Vec<(&'static str, AuditQuery)> {
    let actor = || everything().actor(id(&known.busy));
    let action = |action| everything().action(action);
    let (denied, failed) = (Outcome::Denied, Outcome::Failed);
    let (edited, often) = (Action::CredentialEdited, Action::LogIn);
    let all_filters = action(edited)
        .actor(name(&known.busy))
        .object(name(&known.credential))
        .outcome(denied)
        .days(600, 235);
    vec![
        ("busy actor, frequent action", actor().action(edited)),
        (
            "busy actor, rare action",
            actor().action(Action::LimitsChanged),
        ),
        (
            "busy actor, others' action",
            actor().action(Action::TokenRevoked),
        ),
        ("busy actor, denied", actor().outcome(denied)),
        ("busy actor, failed (never)", actor().outcome(failed)),
        (
            "busy actor, busy object",
            actor().object(id(&known.credential)),
        ),
        ("busy actor, a day long ago", actor().days(501, 500)),
        (
            "frequent action, denied (never)",
            action(often).outcome(denied),
        ),
        (
            "frequent action, failed (never)",
            action(edited).outcome(failed),
        ),
        ("frequent action, long ago", action(often).days(2000, 700)),
        (
            "rare action, a year",
            action(Action::BackupWritten).days(600, 235),
        ),
        (
            "action, outcome and a year, deep",
            action(edited)
                .outcome(denied)
                .days(600, 235)
                .beyond(known.last / 2),
        ),
        ("everything at once", all_filters),
    ]
}

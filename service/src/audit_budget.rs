//! The one way into the audit log for events that are part of no change's transaction.
//!
//! What tells of a refusal or a failure can be caused as often as somebody likes. So all strangers together
//! have a budget for such events, and each person has one; what is above is summed up, and one event now
//! and then says how many of what kind were left out. What was done is always written.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use domain::Instant;
use domain::audit::{Action, ActorKind, AuditEvent, Outcome};
use domain::expiry::rfc3339;
use serde_json::{Value, json};

use crate::Services;
use crate::actor::{Actor, Object};
use crate::error::ServiceResult;
use crate::limiter::Bucket;

/// What all strangers together may have written at once, and in an hour: 4,320 events a day at most, some
/// 3 MB. That is far above what a team mistypes, and a log of 400 days stays at a few gigabytes.
const STRANGERS: (u32, u32) = (200, 180);
/// What each person may: nobody is refused as often by mistake.
const PERSON: (u32, u32) = (20, 60);
/// For how long events are summed up in one.
const SUMMED_UP: TimeDelta = TimeDelta::minutes(15);
/// More kinds than this are told apart by their action only.
const MOST_KINDS: usize = 50;
/// The longest reason that is told, in characters.
const LONGEST_REASON: usize = 100;

/// What may still be written, and what was left out.
#[derive(Debug)]
pub(crate) struct AuditBudget(Mutex<State>);

#[derive(Debug)]
struct State {
    strangers: Bucket,
    people: HashMap<String, Bucket>,
    left_out: BTreeMap<Kind, u64>,
    /// When the first of them was.
    since: Option<Instant>,
}

/// Of what kind an event was that was left out.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    action: Action,
    outcome: Outcome,
    /// The person, by name and id; nobody for strangers.
    by: Option<(String, String)>,
    reason: String,
}

impl AuditBudget {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            strangers: bucket(STRANGERS),
            people: HashMap::new(),
            left_out: BTreeMap::new(),
            since: None,
        }))
    }

    /// Whether an event is to be written. If not, it has been summed up. Never depends on what the event
    /// is about, so a stranger can't tell by it whether there is such an account.
    pub(crate) fn admits(&self, event: &AuditEvent) -> bool {
        let person = match (event.outcome, event.actor_kind) {
            (Outcome::Done, _) | (_, ActorKind::Host) => return true,
            (Outcome::Denied | Outcome::Failed, ActorKind::Person) => event.actor_id.clone(),
            (Outcome::Denied | Outcome::Failed, _) => None,
        };
        let mut state = self.state();
        let is_admitted = match &person {
            Some(id) => {
                let person = state.people.entry(id.clone());
                take(person.or_insert_with(|| bucket(PERSON)), event.at)
            }
            None => take(&mut state.strangers, event.at),
        };
        if !is_admitted {
            state.since.get_or_insert(event.at);
            let mut kind = Kind {
                action: event.action,
                outcome: event.outcome,
                by: person.map(|id| (event.actor_name.clone(), id)),
                reason: reason(event),
            };
            if state.left_out.len() >= MOST_KINDS && !state.left_out.contains_key(&kind) {
                (kind.by, kind.reason) = (None, "all other reasons".to_owned());
            }
            *state.left_out.entry(kind).or_default() += 1;
        }
        is_admitted
    }

    /// What was left out since when, if that is long enough ago or the process ends.
    fn take_left_out(&self, now: Instant, ends: bool) -> Option<(Instant, BTreeMap<Kind, u64>)> {
        let mut state = self.state();
        let is_due = |since: &mut Instant| ends || *since + SUMMED_UP <= now;
        let since = state.since.take_if(is_due)?;
        let at = since_epoch(now);
        state.people.retain(|_, person| !person.is_whole(at));
        Some((since, std::mem::take(&mut state.left_out)))
    }

    /// Takes back what could not be written.
    fn give_back(&self, since: Instant, left_out: BTreeMap<Kind, u64>) {
        let mut state = self.state();
        state.since = Some(since);
        for (kind, count) in left_out {
            *state.left_out.entry(kind).or_default() += count;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bucket((at_once, an_hour): (u32, u32)) -> Bucket {
    let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Bucket::new(number(at_once), number(an_hour), Duration::from_hours(1))
}

/// Takes one, if there is one.
fn take(bucket: &mut Bucket, at: Instant) -> bool {
    let now = since_epoch(at);
    bucket.settle(now);
    let has_one = bucket.wait(now).is_zero();
    if has_one {
        bucket.take(now);
    }
    has_one
}

fn since_epoch(at: Instant) -> Duration {
    Duration::from_millis(u64::try_from(at.timestamp_millis()).unwrap_or(0))
}

fn reason(event: &AuditEvent) -> String {
    let detail = serde_json::from_str::<Value>(&event.detail).ok();
    let reason = detail.as_ref().and_then(|detail| detail.get("reason"));
    let reason = reason.and_then(Value::as_str).unwrap_or_default();
    reason.chars().take(LONGEST_REASON).collect()
}

/// The detail of the event about what was left out.
fn told(since: Instant, until: Instant, left_out: &BTreeMap<Kind, u64>) -> Value {
    let kinds = left_out.iter().map(|(kind, count)| {
        let (name, id) = kind.by.clone().unzip();
        json!({
            "count": count,
            "action": kind.action.as_str(),
            "outcome": kind.outcome.as_str(),
            "reason": (!kind.reason.is_empty()).then_some(&kind.reason),
            "by": name,
            "person_id": id,
        })
    });
    json!({
        "since": rfc3339(since),
        "until": rfc3339(until),
        "left_out": left_out.values().sum::<u64>(),
        "kinds": kinds.collect::<Vec<_>>(),
    })
}

impl Services {
    /// Writes an event that is part of no change's transaction, or sums it up if who caused it has used up
    /// their budget. Every event that no method of the store takes along comes by here.
    pub(crate) async fn append_audit(&self, event: AuditEvent) -> ServiceResult<()> {
        if self.0.audit_budget.admits(&event) {
            self.write_audit(event).await?;
        }
        Ok(())
    }

    /// Writes how many events were left out, if there are any and it is time.
    pub(crate) async fn write_left_out(&self, ends: bool) -> ServiceResult<()> {
        let (now, budget) = (self.now(), &self.0.audit_budget);
        let Some((since, left_out)) = budget.take_left_out(now, ends) else {
            return Ok(());
        };
        let event = Actor::system().event(
            now,
            Action::AuditSummedUp,
            Outcome::Done,
            Object::system("audit log"),
            told(since, now, &left_out),
        );
        let written = self.write_audit(event).await;
        if written.is_err() {
            budget.give_back(since, left_out);
        }
        written
    }

    #[expect(clippy::disallowed_methods, reason = "the budget was asked")]
    async fn write_audit(&self, event: AuditEvent) -> ServiceResult<()> {
        Ok(self.store().append_audit(event).await?)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn event(second: i64, kind: ActorKind, outcome: Outcome) -> AuditEvent {
        AuditEvent {
            at: DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap(),
            actor_kind: kind,
            actor_id: (kind == ActorKind::Person).then(|| "1".to_owned()),
            actor_epoch: None,
            actor_name: "Mara".to_owned(),
            action: Action::LogIn,
            object_kind: domain::audit::ObjectKind::User,
            object_id: None,
            object_name: String::new(),
            outcome,
            address: None,
            request_id: None,
            detail: json!({ "reason": "wrong log-in" }).to_string(),
        }
    }

    fn admitted(budget: &AuditBudget, event: &AuditEvent, times: usize) -> usize {
        (0..times).filter(|_| budget.admits(event)).count()
    }

    #[test]
    fn strangers_share_a_budget_and_each_person_has_one() {
        let budget = AuditBudget::new();
        for (kind, expected) in [
            (ActorKind::Anonymous, 200),
            (ActorKind::Program, 0),
            (ActorKind::System, 0),
            (ActorKind::Person, 20),
            (ActorKind::Host, 1_000),
        ] {
            for (outcome, expected) in [(Outcome::Done, 1_000), (Outcome::Failed, expected)] {
                let event = event(0, kind, outcome);
                assert_eq!(admitted(&budget, &event, 1_000), expected, "{kind}");
            }
        }
        let other = AuditEvent {
            actor_id: Some("2".to_owned()),
            ..event(0, ActorKind::Person, Outcome::Denied)
        };
        assert_eq!(admitted(&budget, &other, 1_000), 20);
        let later = |kind| event(3_600, kind, Outcome::Failed);
        assert_eq!(
            admitted(&budget, &later(ActorKind::Anonymous), 1_000),
            180,
            "an hour later"
        );
    }

    #[test]
    fn what_is_left_out_is_told_once_with_its_number() {
        let budget = AuditBudget::new();
        let stranger = event(0, ActorKind::Anonymous, Outcome::Failed);
        admitted(&budget, &stranger, 1_000);
        admitted(&budget, &event(60, ActorKind::Person, Outcome::Denied), 25);
        let now = |second| event(second, ActorKind::System, Outcome::Done).at;
        assert!(budget.take_left_out(now(899), false).is_none());
        let (since, left_out) = budget.take_left_out(now(900), false).unwrap();
        let told = told(since, now(900), &left_out);
        assert_eq!(told["left_out"], 805);
        assert_eq!(told["kinds"][0]["count"], 5);
        assert_eq!(told["kinds"][0]["by"], "Mara");
        assert_eq!(told["kinds"][1]["count"], 800);
        assert_eq!(told["kinds"][1]["reason"], "wrong log-in");
        assert!(budget.take_left_out(now(10_000), true).is_none());
        budget.give_back(since, left_out);
        let again = budget.take_left_out(now(901), false).unwrap();
        assert_eq!(again.1.values().sum::<u64>(), 805);
    }

    #[test]
    fn more_kinds_than_can_be_told_are_one() {
        let budget = AuditBudget::new();
        admitted(
            &budget,
            &event(0, ActorKind::Anonymous, Outcome::Failed),
            200,
        );
        for number in 0..10_000 {
            budget.admits(&AuditEvent {
                detail: json!({ "reason": format!("{number} {}", "x".repeat(1_000)) }).to_string(),
                ..event(0, ActorKind::Anonymous, Outcome::Failed)
            });
        }
        let (_, left_out) = budget.take_left_out(DateTime::UNIX_EPOCH, true).unwrap();
        assert_eq!(left_out.values().sum::<u64>(), 10_000);
        assert_eq!(left_out.len(), 51);
        assert!(left_out.keys().all(|kind| kind.reason.len() <= 100));
    }
}

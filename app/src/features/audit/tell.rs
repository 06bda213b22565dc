//! Entries of the audit log in words. Compiled for the server only.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::{Access, AccessKind};
use domain::audit::{Action, ActorKind, AuditEntry, AuditEvent, ObjectKind, Outcome};
use domain::catalogue::Catalogue;
use domain::credential::Flow;
use domain::scope::AccessLevel;
use domain::user::User;
use serde_json::{Map, Value};

use super::deeds::words;
use super::{Change, Deed, StoryEntry, Target};
use crate::words::{capitalised, listed};

/// How a sentence calls what it is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    /// `it`: the page is about one thing.
    It,
    /// By its name.
    Named,
}

/// Puts entries into words. `people` are those whose names may have to stand for ids.
pub(crate) fn tell(
    entries: Vec<AuditEntry>,
    catalogue: &Catalogue,
    people: &[User],
    subject: Subject,
) -> Vec<StoryEntry> {
    let names = people
        .iter()
        .map(|one| (one.id.to_string(), one.name.to_string()))
        .collect();
    let teller = Teller {
        catalogue,
        names,
        subject,
    };
    entries
        .into_iter()
        .map(|entry| teller.entry(entry))
        .collect()
}

struct Teller<'a> {
    catalogue: &'a Catalogue,
    names: BTreeMap<String, String>,
    subject: Subject,
}

impl Teller<'_> {
    fn entry(&self, entry: AuditEntry) -> StoryEntry {
        let event = entry.event;
        // Written by this program as an object; anything else has nothing to tell.
        let mut detail: Map<String, Value> =
            serde_json::from_str(&event.detail).unwrap_or_default();
        let deed = deed(&event, self.subject);
        let reason = match detail.remove("reason") {
            Some(Value::String(reason)) => Some(reason),
            _ => None,
        };
        let mut told = StoryEntry {
            seq: entry.seq,
            at: event.at,
            actor: match event.actor_kind {
                ActorKind::Host => format!("{} on the server’s host", event.actor_name),
                _ => event.actor_name,
            },
            deed,
            refused: event.outcome != Outcome::Done,
            reason,
            changes: Vec::new(),
            facts: Vec::new(),
            address: event.address,
            request_id: event.request_id,
        };
        // Before and after as wholes: of a gateway all its facts, of a catalogue its version.
        if let (Some(from), Some(to)) = (detail.remove("from"), detail.remove("to")) {
            told.changes.extend(self.wholes(&from, &to));
        }
        for (fact, value) in &detail {
            match (value.get("from"), value.get("to")) {
                (Some(from), Some(to)) => told.changes.extend(self.change(fact, from, to)),
                _ if value.is_null() || value == &Value::Array(Vec::new()) => {}
                // What an edit touched is told by what it changed.
                _ if event.action == Action::CredentialEdited && !told.refused => {}
                _ => told.facts.push(self.fact(fact, value)),
            }
        }
        told
    }

    /// A fact that stands for itself, and what it is called.
    fn fact(&self, fact: &str, value: &Value) -> (String, String) {
        let (fact, known) = match fact {
            "owner" => ("Owner".to_owned(), Some(self.person(value))),
            "expires_at" => ("Expires".to_owned(), Some(end(value))),
            "access" => {
                let access = serde_json::from_value(value.clone()).ok();
                (label(fact), access.map(|access| self.spelt(&access)))
            }
            "flow" => {
                let flow = value.as_str().and_then(|flow| flow.parse::<Flow>().ok());
                (label(fact), flow.map(|flow| flow.label().to_owned()))
            }
            other => (label(other), None),
        };
        (fact, known.unwrap_or_else(|| plain(value)))
    }

    fn change(&self, fact: &str, from: &Value, to: &Value) -> Vec<Change> {
        let change = |fact: String, from: String, to: String| vec![Change { fact, from, to }];
        match fact {
            "owner" => change("Owner".to_owned(), self.person(from), self.person(to)),
            "expires_at" => change("Expires".to_owned(), end(from), end(to)),
            "access" => self.access(from, to),
            "limits" => self.wholes(from, to),
            other => change(label(other), plain(from), plain(to)),
        }
    }

    fn wholes(&self, from: &Value, to: &Value) -> Vec<Change> {
        match (from, to) {
            (Value::Object(from), Value::Object(to)) => {
                let facts: BTreeSet<_> = from.keys().chain(to.keys()).collect();
                facts
                    .into_iter()
                    .map(|fact| (fact, from.get(fact), to.get(fact)))
                    .filter(|(_, from, to)| from != to)
                    .flat_map(|(fact, from, to)| {
                        let value = |known: Option<_>| known.unwrap_or(&Value::Null);
                        self.change(fact, value(from), value(to))
                    })
                    .collect()
            }
            _ => self.change("version", from, to),
        }
    }

    fn person(&self, id: &Value) -> String {
        let id = text(id);
        self.names.get(&id).cloned().unwrap_or(id)
    }

    /// Between two custom accesses: scope by scope. Otherwise the kinds, a custom one spelt out.
    fn access(&self, from: &Value, to: &Value) -> Vec<Change> {
        let read = |value: &Value| serde_json::from_value::<Access>(value.clone()).ok();
        let (Some(from), Some(to)) = (read(from), read(to)) else {
            return Vec::new();
        };
        if (from.kind(), to.kind()) != (AccessKind::Custom, AccessKind::Custom) {
            let (from, to) = (self.spelt(&from), self.spelt(&to));
            return vec![Change {
                fact: "Access".to_owned(),
                from,
                to,
            }];
        }
        self.catalogue
            .scopes()
            .iter()
            .map(|scope| (&scope.title, from.level(&scope.name), to.level(&scope.name)))
            .filter(|(_, from, to)| from != to)
            .map(|(title, from, to)| Change {
                fact: title.clone(),
                from: from.label().to_owned(),
                to: to.label().to_owned(),
            })
            .collect()
    }

    fn spelt(&self, access: &Access) -> String {
        let Access::Custom(_) = access else {
            return access.kind().label().to_owned();
        };
        let titles = |level: AccessLevel| -> Vec<&str> {
            let scopes = self.catalogue.scopes().iter();
            scopes
                .filter(|scope| access.level(&scope.name) == level)
                .map(|scope| scope.title.as_str())
                .collect()
        };
        let parts: Vec<String> = [(AccessLevel::Read, "reads"), (AccessLevel::Write, "writes")]
            .into_iter()
            .map(|(level, verb)| (titles(level), verb))
            .filter(|(titles, _)| !titles.is_empty())
            .map(|(titles, verb)| format!("{verb} {}", listed(&titles)))
            .collect();
        format!("Custom: {}", parts.join(", "))
    }
}

fn deed(event: &AuditEvent, subject: Subject) -> Deed {
    let (done, tried) = words(event.action);
    let (words, ending) = match event.outcome {
        Outcome::Done => (done.to_owned(), ""),
        Outcome::Denied => (format!("tried to {tried}"), " and was refused"),
        Outcome::Failed => (format!("tried to {tried}"), " and failed"),
    };
    let Some((before, after)) = words.split_once("{}") else {
        return Deed {
            before: format!("{words}{ending}"),
            ..Deed::default()
        };
    };
    let target = match subject {
        Subject::It => Target {
            name: "it".to_owned(),
            href: None,
        },
        Subject::Named => target(event),
    };
    Deed {
        before: before.to_owned(),
        target: Some(target),
        after: format!("{after}{ending}"),
    }
}

/// A refused attempt may know the object by its id only.
fn target(event: &AuditEvent) -> Target {
    let id = event.object_id.clone().unwrap_or_default();
    let name = match event.object_name.as_str() {
        "" => id.clone(),
        name => name.to_owned(),
    };
    let href = match event.object_kind {
        _ if id.is_empty() => None,
        ObjectKind::Credential => Some(format!("/credentials/{id}")),
        ObjectKind::User => Some(format!("/users/{id}")),
        ObjectKind::Gateway => Some("/gateways".to_owned()),
        ObjectKind::Catalogue => Some("/catalogue".to_owned()),
        _ => None,
    };
    Target { name, href }
}

/// A fact's name as people read it: `expires_at` is `Expires at`.
fn label(fact: &str) -> String {
    match fact {
        "email" => "E-mail".to_owned(),
        "per_second" => "Calls a second".to_owned(),
        "burst" => "Calls at once".to_owned(),
        "per_minute" => "Calls a minute".to_owned(),
        "tokens_per_hour" => "Tokens an hour".to_owned(),
        "report_only" => "Only reported".to_owned(),
        other => capitalised(&other.replace('_', " ")),
    }
}

/// A value as people read it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(facts) => {
            let known: Vec<_> = facts
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(fact, value)| format!("{} {}", fact.replace('_', " "), plain(value)))
                .collect();
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn end(value: &Value) -> String {
    let at = value
        .as_str()
        .and_then(|text| text.parse::<domain::Instant>().ok());
    at.map_or_else(
        || "never".to_owned(),
        |at| at.format("%-d %b %Y, %H:%M UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::sample::catalogue;
    use domain::audit::ChainHash;
    use serde_json::json;

    fn told(action: Action, outcome: Outcome, detail: &Value) -> StoryEntry {
        let event = AuditEvent {
            at: "2026-11-24T09:00:00Z".parse().unwrap(),
            actor_kind: ActorKind::Person,
            actor_id: None,
            actor_epoch: None,
            actor_name: "Mara Okafor".to_owned(),
            action,
            object_kind: ObjectKind::Credential,
            object_id: None,
            object_name: "settlement-worker".to_owned(),
            outcome,
            address: Some("10.0.0.7".to_owned()),
            request_id: None,
            detail: detail.to_string(),
        };
        let entry = AuditEntry {
            seq: 1,
            event,
            hash: ChainHash::START,
        };
        tell(vec![entry], &catalogue(), &[], Subject::It).remove(0)
    }

    fn changes(detail: &Value) -> Vec<String> {
        told(Action::CredentialEdited, Outcome::Done, detail)
            .changes
            .into_iter()
            .map(|change| format!("{}: {} → {}", change.fact, change.from, change.to))
            .collect()
    }

    fn sentence(deed: &Deed) -> String {
        let name = deed
            .target
            .as_ref()
            .map_or("", |target| target.name.as_str());
        format!("{}{name}{}", deed.before, deed.after)
    }

    #[test]
    fn deeds_and_refusals_are_told_apart() {
        let reason = json!({ "reason": "seen in a log" });
        let done = told(Action::CredentialDisabled, Outcome::Done, &reason);
        assert_eq!(
            (sentence(&done.deed).as_str(), done.refused),
            ("quarantined it", false)
        );
        assert_eq!(done.reason.as_deref(), Some("seen in a log"));
        let denied = json!({ "needs": "edit" });
        let denied = told(Action::CredentialRevoked, Outcome::Denied, &denied);
        assert_eq!(
            (sentence(&denied.deed).as_str(), denied.refused),
            ("tried to revoke it and was refused", true)
        );
        assert_eq!(denied.facts, [("Needs".to_owned(), "edit".to_owned())]);
    }

    #[test]
    fn every_action_is_a_sentence_for_each_outcome() {
        for &action in Action::ALL {
            for &outcome in Outcome::ALL {
                let told = sentence(&told(action, outcome, &json!({})).deed);
                let word = action.as_str();
                assert!(
                    !told.contains(word) && !told.contains("{}"),
                    "{word}: {told}"
                );
                assert_eq!(
                    outcome != Outcome::Done,
                    told.starts_with("tried to "),
                    "{told}"
                );
            }
        }
    }

    #[test]
    fn the_log_names_what_it_is_about_and_links_to_it() {
        let event = |id: Option<&str>, name: &str| AuditEvent {
            at: "2026-11-24T09:00:00Z".parse().unwrap(),
            actor_kind: ActorKind::Person,
            actor_id: None,
            actor_epoch: None,
            actor_name: "Mara".to_owned(),
            action: Action::CredentialIssued,
            object_kind: ObjectKind::Credential,
            object_id: id.map(ToOwned::to_owned),
            object_name: name.to_owned(),
            outcome: Outcome::Done,
            address: None,
            request_id: None,
            detail: "{}".to_owned(),
        };
        let named = deed(&event(Some("KR7"), "worker"), Subject::Named).target;
        let expected = Target {
            name: "worker".to_owned(),
            href: Some("/credentials/KR7".to_owned()),
        };
        assert_eq!(named, Some(expected));
        let unnamed = deed(&event(Some("KR7"), ""), Subject::Named)
            .target
            .unwrap();
        assert_eq!(unnamed.name, "KR7");
        let new = deed(&event(None, "new credential"), Subject::Named)
            .target
            .unwrap();
        assert_eq!(new.href, None);
    }

    #[test]
    fn what_was_issued_is_told_in_words() {
        let detail = json!({
            "access": { "kind": "custom", "levels": { "accounts": "read" } },
            "expires_at": "2027-05-24T09:00:00Z",
            "flow": "private_key_jwt",
            "key_url": null,
            "owner": "nobody we know",
            "public_keys": [],
        });
        let told = told(Action::CredentialIssued, Outcome::Done, &detail);
        let facts: Vec<_> = told
            .facts
            .iter()
            .map(|(fact, value)| format!("{fact}: {value}"))
            .collect();
        assert_eq!(
            facts,
            [
                "Access: Custom: reads Accounts",
                "Expires: 24 May 2027, 09:00 UTC",
                "Flow: Private key JWT",
                "Owner: nobody we know",
            ]
        );
    }

    #[test]
    fn values_read_like_words() {
        let changed = json!({
            "enabled": { "from": false, "to": true },
            "addresses": { "from": [], "to": ["10.0.0.0/8", "::1/128"] },
        });
        assert_eq!(
            changes(&changed),
            ["Addresses: none → 10.0.0.0/8, ::1/128", "Enabled: no → yes"]
        );
    }

    #[test]
    fn limits_are_told_one_by_one() {
        let limits =
            |from: Value, to: Value| changes(&json!({ "limits": { "from": from, "to": to } }));
        assert_eq!(
            limits(
                json!({ "per_second": 5, "per_minute": 60, "report_only": ["calls"] }),
                json!({
                    "addresses": ["10.0.0.0/8"],
                    "per_minute": 60,
                    "tokens_per_hour": 4,
                    "report_only": ["addresses", "tokens"],
                }),
            ),
            [
                "Addresses: none → 10.0.0.0/8",
                "Calls a second: 5 → none",
                "Only reported: calls → addresses, tokens",
                "Tokens an hour: none → 4",
            ]
        );
        // As it was written when one switch was for all.
        assert_eq!(
            limits(
                json!({ "burst": 5, "report_only": true }),
                json!({ "burst": 5 })
            ),
            ["Only reported: yes → none"]
        );
    }

    #[test]
    fn wholes_are_told_by_what_differs() {
        assert_eq!(
            changes(&json!({
                "from": { "name": "edge", "addresses": [] },
                "to": { "name": "edge", "addresses": ["10.0.0.7/32"] },
            })),
            ["Addresses: none → 10.0.0.7/32"]
        );
        assert_eq!(
            changes(&json!({ "from": "1", "to": "2" })),
            ["Version: 1 → 2"]
        );
    }

    #[test]
    fn edits_are_told_fact_by_fact() {
        assert_eq!(
            changes(&json!({
                "expires_at": { "from": "2027-05-24T09:00:00Z", "to": null },
                "name": { "from": "a", "to": "b" },
            })),
            ["Expires: 24 May 2027, 09:00 UTC → never", "Name: a → b"]
        );
    }

    #[test]
    fn a_changed_access_is_told_scope_by_scope() {
        let custom = |levels: Value| json!({ "kind": "custom", "levels": levels });
        let from = custom(json!({ "accounts": "read", "journaling": "write" }));
        let to = custom(json!({ "accounts": "read", "journaling": "read", "sse_events": "read" }));
        assert_eq!(
            changes(&json!({ "access": { "from": &from, "to": to } })),
            [
                "Journaling: Read & write → Read only",
                "SSE events: No access → Read only"
            ]
        );
        assert_eq!(
            changes(&json!({ "access": { "from": from, "to": { "kind": "full" } } })),
            ["Access: Custom: reads Accounts, writes Journaling → Full access"]
        );
    }

    #[test]
    fn a_detail_that_is_no_object_tells_nothing() {
        assert_eq!(changes(&json!("x")), Vec::<String>::new());
        assert_eq!(changes(&json!({ "access": 7 })), Vec::<String>::new());
    }
}

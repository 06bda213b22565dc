//! What happened to a credential, in words, from its audit entries. Compiled for the server only.

use std::collections::BTreeMap;

use domain::access::{Access, AccessKind};
use domain::audit::{Action, ActorKind, AuditEntry, Outcome};
use domain::catalogue::Catalogue;
use domain::scope::AccessLevel;
use domain::user::User;
use serde_json::{Map, Value};

use super::{Change, StoryEntry};
use crate::words::listed;

/// Tells the story. `people` are those whose names may have to stand for ids.
pub(super) fn tell(
    entries: Vec<AuditEntry>,
    catalogue: &Catalogue,
    people: &[User],
) -> Vec<StoryEntry> {
    let names = people
        .iter()
        .map(|one| (one.id.to_string(), one.name.to_string()))
        .collect();
    let teller = Teller { catalogue, names };
    entries
        .into_iter()
        .map(|entry| teller.entry(entry))
        .collect()
}

struct Teller<'a> {
    catalogue: &'a Catalogue,
    names: BTreeMap<String, String>,
}

impl Teller<'_> {
    fn entry(&self, entry: AuditEntry) -> StoryEntry {
        let event = entry.event;
        // Written by this program as an object; anything else has nothing to tell.
        let detail: Map<String, Value> = serde_json::from_str(&event.detail).unwrap_or_default();
        let refused = event.outcome != Outcome::Done;
        let changes = if event.action == Action::CredentialEdited && !refused {
            self.changes(&detail)
        } else {
            Vec::new()
        };
        let actor = match event.actor_kind {
            ActorKind::Host => format!("{} on the server’s host", event.actor_name),
            _ => event.actor_name,
        };
        StoryEntry {
            at: event.at,
            actor,
            deed: deed(event.action, refused).to_owned(),
            refused,
            reason: detail
                .get("reason")
                .and_then(Value::as_str)
                .map(ToOwned::to_owned),
            changes,
            address: event.address,
            request_id: event.request_id,
        }
    }

    fn changes(&self, detail: &Map<String, Value>) -> Vec<Change> {
        ["name", "purpose", "owner", "access", "expires_at"]
            .into_iter()
            .filter_map(|fact| Some((fact, detail.get(fact)?)))
            .flat_map(|(fact, change)| self.change(fact, &change["from"], &change["to"]))
            .collect()
    }

    fn change(&self, fact: &str, from: &Value, to: &Value) -> Vec<Change> {
        let change = |fact: &str, from: String, to: String| {
            vec![Change {
                fact: fact.to_owned(),
                from,
                to,
            }]
        };
        match fact {
            "owner" => change("Owner", self.person(from), self.person(to)),
            "expires_at" => change("Expires", end(from), end(to)),
            "access" => self.access(from, to),
            "name" => change("Name", text(from), text(to)),
            _ => change("Purpose", text(from), text(to)),
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

/// What was done, after the name of who did it.
const fn deed(action: Action, refused: bool) -> &'static str {
    match (action, refused) {
        (Action::CredentialIssued, _) => "issued it",
        (Action::CredentialEdited, false) => "edited it",
        (Action::CredentialEdited, true) => "tried to edit it and was refused",
        (Action::CredentialDisabled, false) => "quarantined it",
        (Action::CredentialDisabled, true) => "tried to quarantine it and was refused",
        (Action::CredentialEnabled, false) => "re-enabled it",
        (Action::CredentialEnabled, true) => "tried to re-enable it and was refused",
        (Action::CredentialRevoked, false) => "revoked it",
        (Action::CredentialRevoked, true) => "tried to revoke it and was refused",
        (Action::PublicKeyAdded, false) => "added a public key",
        (Action::PublicKeyAdded, true) => "tried to add a public key and was refused",
        (Action::PublicKeyRemoved, false) => "removed a public key",
        (Action::PublicKeyRemoved, true) => "tried to remove a public key and was refused",
        (Action::KeyUrlSet, false) => "set the URL of its public keys",
        (Action::KeyUrlSet, true) => "tried to set the URL of its public keys and was refused",
        (Action::KeysFetched, false) => "had its public keys fetched",
        (Action::KeysFetched, true) => "tried to have its public keys fetched and was refused",
        (Action::LimitsChanged, false) => "changed its limits",
        (Action::LimitsChanged, true) => "tried to change its limits and was refused",
        (other, _) => other.as_str(),
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
    use domain::audit::{AuditEvent, ChainHash, ObjectKind};
    use serde_json::json;

    fn told(action: Action, outcome: Outcome, detail: &Value) -> StoryEntry {
        let event = AuditEvent {
            at: "2026-11-24T09:00:00Z".parse().unwrap(),
            actor_kind: ActorKind::Person,
            actor_id: None,
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
        tell(vec![entry], &catalogue(), &[]).remove(0)
    }

    fn changes(detail: &Value) -> Vec<String> {
        told(Action::CredentialEdited, Outcome::Done, detail)
            .changes
            .into_iter()
            .map(|change| format!("{}: {} → {}", change.fact, change.from, change.to))
            .collect()
    }

    #[test]
    fn deeds_and_refusals_are_told_apart() {
        let reason = json!({ "reason": "seen in a log" });
        let done = told(Action::CredentialDisabled, Outcome::Done, &reason);
        assert_eq!(
            (done.deed.as_str(), done.refused),
            ("quarantined it", false)
        );
        assert_eq!(done.reason.as_deref(), Some("seen in a log"));
        let denied = json!({ "needs": "edit" });
        let denied = told(Action::CredentialRevoked, Outcome::Denied, &denied);
        assert_eq!(
            (denied.deed.as_str(), denied.refused),
            ("tried to revoke it and was refused", true)
        );
    }

    #[test]
    fn edits_are_told_fact_by_fact() {
        assert_eq!(
            changes(&json!({
                "expires_at": { "from": "2027-05-24T09:00:00Z", "to": null },
                "name": { "from": "a", "to": "b" },
            })),
            ["Name: a → b", "Expires: 24 May 2027, 09:00 UTC → never"]
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

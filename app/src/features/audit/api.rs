//! What the audit page asks the server.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use super::AuditParams;
use crate::error::ApiError;

/// An entry of the audit log in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryEntry {
    /// Its number in the log.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What they did.
    pub deed: Deed,
    /// Whether it was refused, or went wrong.
    pub refused: bool,
    /// Why they did it.
    pub reason: Option<String>,
    /// What it changed.
    pub changes: Vec<Change>,
    /// What else is known of it: name and value.
    pub facts: Vec<(String, String)>,
    /// From where.
    pub address: Option<String>,
    /// The request, for looking it up in the log.
    pub request_id: Option<String>,
}

/// What was done, after the name of who did it: `issued`, the object, nothing more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// Before the object.
    pub before: String,
    /// What it was done to; nothing if the words say it.
    pub target: Option<Target>,
    /// After the object.
    pub after: String,
}

/// What something was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its name, as it was then.
    pub name: String,
    /// Its page, if it has one.
    pub href: Option<String>,
}

/// A fact before and after an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which fact.
    pub fact: String,
    /// What it was.
    pub from: String,
    /// What it is.
    pub to: String,
}

/// A page of the audit log, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditResults {
    /// Its entries.
    pub entries: Vec<StoryEntry>,
    /// Whether there are newer ones.
    pub has_newer: bool,
    /// Whether there are older ones.
    pub has_older: bool,
    /// How many entries the log has had in all.
    pub count: i64,
    /// The hash of the last one.
    pub head: String,
}

/// A page of the audit log.
#[server(prefix = "/_fn", endpoint = "audit/search", input = Json)]
pub async fn search_audit(params: AuditParams) -> Result<AuditResults, ApiError> {
    use service::AuditQuery;

    use super::tell::{Subject, tell};
    use crate::server_context::{actor, reply, services};

    const ROWS: usize = 50;

    let (services, actor) = (services()?, actor()?);
    let limit = u32::try_from(ROWS + 1).unwrap_or(u32::MAX);
    let (before, after) = (params.before.parse().ok(), params.after.parse().ok());
    // Towards the newer ones if a link back was followed, towards the older ones otherwise.
    let newest_first = before.is_none();
    let query = AuditQuery {
        newest_first,
        beyond: if newest_first { after } else { before },
        limit,
        ..params.filter()
    };
    let mut entries = reply(services.audit_entries(&actor, query).await)?;
    let more = entries.len() > ROWS;
    entries.truncate(ROWS);
    if !newest_first {
        entries.reverse();
    }
    let head = reply(services.audit_head(&actor).await)?;
    let people = reply(services.people(&actor, owners(&entries)).await)?;
    Ok(AuditResults {
        has_newer: if newest_first { after.is_some() } else { more },
        has_older: if newest_first { more } else { true },
        entries: tell(entries, &services.catalogue(), &people, Subject::Named),
        count: head.entries,
        head: head.hash.to_string(),
    })
}

/// The people whose names stand for ids in the entries: those who were given a credential.
#[cfg(feature = "ssr")]
pub(crate) fn owners(entries: &[domain::audit::AuditEntry]) -> service::UserQuery {
    use serde_json::Value;

    let of = |owner: Value| match owner {
        Value::Object(change) => change.into_iter().map(|(_, id)| id).collect(),
        id => vec![id],
    };
    let ids: Vec<_> = entries
        .iter()
        .filter(|entry| entry.event.detail.contains("\"owner\""))
        .filter_map(|entry| serde_json::from_str::<Value>(&entry.event.detail).ok())
        .filter_map(|mut detail| detail.get_mut("owner").map(Value::take))
        .flat_map(of)
        .filter_map(|id| id.as_str()?.parse().ok())
        .collect();
    service::UserQuery {
        limit: u32::try_from(ids.len()).unwrap_or(u32::MAX),
        ids: Some(ids),
        ..service::UserQuery::default()
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use chrono::DateTime;
    use domain::audit::{
        Action, ActorKind, AuditEntry, AuditEvent, ChainHash, ObjectKind, Outcome,
    };

    use super::*;

    fn entry(detail: &str) -> AuditEntry {
        let event = AuditEvent {
            at: DateTime::UNIX_EPOCH,
            actor_kind: ActorKind::System,
            actor_id: None,
            actor_epoch: None,
            actor_name: "keyrack".to_owned(),
            action: Action::CredentialEdited,
            object_kind: ObjectKind::Credential,
            object_id: None,
            object_name: "worker".to_owned(),
            outcome: Outcome::Done,
            address: None,
            request_id: None,
            detail: detail.to_owned(),
        };
        AuditEntry {
            seq: 1,
            event,
            hash: ChainHash::START,
        }
    }

    #[test]
    fn the_owners_of_entries_are_those_who_have_one_and_who_had_one() {
        let id = |number: u32| format!("00000000-0000-7000-8000-{number:012}");
        let entries = [
            entry("{}"),
            entry(r#"{"owner":null,"name":"\"owner\""}"#),
            entry(&format!(r#"{{"owner":"{}"}}"#, id(1))),
            entry(&format!(
                r#"{{"owner":{{"from":"{}","to":"{}"}}}}"#,
                id(2),
                id(3)
            )),
            entry(r#"{"owner":"nobody"}"#),
        ];
        let wanted = owners(&entries);
        let mut ids: Vec<_> = wanted
            .ids
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        ids.sort();
        assert_eq!(ids, [1, 2, 3].map(id));
        assert_eq!((wanted.limit, owners(&[]).limit), (3, 0));
    }
}

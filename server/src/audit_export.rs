//! The audit log as a file: CSV for people and their spreadsheets, JSON Lines for programs.

use std::fmt;
use std::str::FromStr;

use domain::audit::AuditEntry;
use domain::expiry::rfc3339;
use serde_json::json;
use service::{Actor, AuditQuery, ServiceResult, Services};

/// How many entries are read at once: an export of any length takes as much memory as these.
const BATCH: u32 = 1_000;

const COLUMNS: [&str; 14] = [
    "seq",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "object_kind",
    "object_id",
    "object_name",
    "outcome",
    "address",
    "request_id",
    "detail",
    "hash",
];

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated (RFC 4180), with a head line.
    Csv,
    /// One JSON object in each line.
    Jsonl,
}

impl Format {
    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/jsonl",
        }
    }

    /// What comes before the first entry.
    fn head(self) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Csv => records([COLUMNS.map(str::to_owned)]),
            Self::Jsonl => Ok(Vec::new()),
        }
    }

    fn lines(self, entries: &[AuditEntry]) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Csv => records(
                entries
                    .iter()
                    .map(|entry| values(entry).map(|value| harmless(value.unwrap_or_default()))),
            ),
            Self::Jsonl => {
                let mut lines = Vec::new();
                for entry in entries {
                    let object: serde_json::Map<_, _> = COLUMNS
                        .iter()
                        .zip(values(entry))
                        .map(|(name, value)| ((*name).to_owned(), json!(value)))
                        .collect();
                    serde_json::to_writer(&mut lines, &object)?;
                    lines.push(b'\n');
                }
                Ok(lines)
            }
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        })
    }
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::Jsonl),
            _ => Err("a format is csv or jsonl"),
        }
    }
}

/// An export on its way, given out batch by batch.
pub struct Export {
    services: Services,
    actor: Actor,
    format: Format,
    filter: AuditQuery,
    /// The last entry that was given out; nothing before the first batch.
    beyond: Option<i64>,
    state: State,
}

enum State {
    Head,
    Entries,
    Ended,
}

impl Export {
    /// Begins an export of what a filter lets through, oldest first.
    ///
    /// # Errors
    /// The actor may not see the log, or the store fails.
    pub async fn begin(
        services: Services,
        actor: Actor,
        format: Format,
        filter: AuditQuery,
    ) -> ServiceResult<Self> {
        services
            .begin_audit_export(&actor, &format.to_string())
            .await?;
        Ok(Self {
            services,
            actor,
            format,
            filter,
            beyond: None,
            state: State::Head,
        })
    }

    /// The next part; nothing at the end.
    ///
    /// # Errors
    /// The store fails: what was given out so far is not the whole.
    pub async fn next(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        match self.state {
            State::Ended => return Ok(None),
            State::Head => {
                self.state = State::Entries;
                return Ok(Some(self.format.head()?));
            }
            State::Entries => {}
        }
        let query = AuditQuery {
            newest_first: false,
            beyond: self.beyond,
            limit: BATCH,
            ..self.filter.clone()
        };
        let entries = self.services.audit_entries(&self.actor, query).await?;
        let Some(last) = entries.last() else {
            self.state = State::Ended;
            return Ok(None);
        };
        self.beyond = Some(last.seq);
        Ok(Some(self.format.lines(&entries)?))
    }
}

/// The values of an entry, in the order of [`COLUMNS`].
fn values(entry: &AuditEntry) -> [Option<String>; 14] {
    let event = entry.event.clone();
    [
        Some(entry.seq.to_string()),
        Some(rfc3339(event.at)),
        Some(event.actor_kind.to_string()),
        event.actor_id,
        Some(event.actor_name),
        Some(event.action.to_string()),
        Some(event.object_kind.to_string()),
        event.object_id,
        Some(event.object_name),
        Some(event.outcome.to_string()),
        event.address,
        event.request_id,
        Some(event.detail),
        Some(entry.hash.to_string()),
    ]
}

/// A spreadsheet takes a value that begins so for a formula (OWASP, CSV injection).
fn harmless(value: String) -> String {
    if value.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{value}")
    } else {
        value
    }
}

fn records(rows: impl IntoIterator<Item = [String; 14]>) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    Ok(writer.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::audit::{Action, ActorKind, AuditEvent, ChainHash, ObjectKind, Outcome};

    fn entry(name: &str) -> AuditEntry {
        AuditEntry {
            seq: 7,
            event: AuditEvent {
                at: "2026-11-24T09:00:00.123Z".parse().unwrap(),
                actor_kind: ActorKind::Person,
                actor_id: None,
                actor_epoch: None,
                actor_name: name.to_owned(),
                action: Action::CredentialIssued,
                object_kind: ObjectKind::Credential,
                object_id: Some("KR7".to_owned()),
                object_name: "a \"b\", c\nd".to_owned(),
                outcome: Outcome::Done,
                address: None,
                request_id: None,
                detail: "{\"reason\":\"x\"}".to_owned(),
            },
            hash: ChainHash::START,
        }
    }

    #[test]
    fn check_89_no_value_of_the_csv_is_a_formula() {
        for name in ["=1+1", "+1", "-1", "@x", "\tx", "\rx"] {
            let text = Format::Csv.lines(&[entry(name)]).unwrap();
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .from_reader(text.as_slice());
            let row = reader.records().next().unwrap().unwrap();
            assert_eq!(&row[4], format!("'{name}"));
            assert_eq!(&row[8], "a \"b\", c\nd");
            assert!(
                row.iter()
                    .all(|value| !value.starts_with(['=', '+', '-', '@', '\t', '\r']))
            );
        }
    }

    #[test]
    fn a_line_of_json_has_every_column() {
        let text = Format::Jsonl
            .lines(&[entry("=Mara"), entry("Jon")])
            .unwrap();
        let lines: Vec<_> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["actor_name"], "=Mara");
        assert_eq!(lines[0]["actor_id"], serde_json::Value::Null);
        assert_eq!(lines[0].as_object().unwrap().len(), COLUMNS.len());
    }
}

//! What a credential may do and for how long, in plain words: beside the form and on its page.

use std::collections::BTreeMap;

use domain::Instant;
use domain::access::Access;
use domain::catalogue::Catalogue;
use domain::draft::CredentialDraft;
use domain::scope::{AccessLevel, ScopeName};
use leptos::prelude::*;

use crate::components::Moment;
use crate::words::listed;

/// One sentence: `Can` **read** `Accounts and Data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    mark: &'static str,
    lead: &'static str,
    strong: &'static str,
    rest: String,
}

impl Line {
    fn may(strong: &'static str, rest: String) -> Self {
        Self {
            mark: "state ok",
            lead: "Can ",
            strong,
            rest,
        }
    }

    fn may_not(lead: &'static str, rest: String) -> Self {
        Self {
            mark: "state ended",
            lead,
            strong: "",
            rest,
        }
    }
}

/// What an access comes to under a catalogue.
pub(super) fn access_lines(catalogue: &Catalogue, access: &Access) -> Vec<Line> {
    match access {
        Access::ReadOnly => {
            let rest = " every scope, and those that the catalogue gets later".to_owned();
            vec![
                Line::may("read", rest),
                Line::may_not("Changes nothing", String::new()),
            ]
        }
        Access::Full => {
            let rest = " every scope, and those that the catalogue gets later".to_owned();
            vec![Line::may("read and write", rest)]
        }
        Access::Custom(levels) => custom_lines(catalogue, access, levels),
    }
}

fn custom_lines(
    catalogue: &Catalogue,
    access: &Access,
    levels: &BTreeMap<ScopeName, AccessLevel>,
) -> Vec<Line> {
    let titles = |wanted: AccessLevel| -> Vec<&str> {
        let scopes = catalogue.scopes().iter();
        scopes
            .filter(|scope| {
                // Where all endpoints are reads, writing adds nothing.
                let most = if scope.all_reads() {
                    AccessLevel::Read
                } else {
                    AccessLevel::Write
                };
                access.level(&scope.name).min(most) == wanted
            })
            .map(|scope| scope.title.as_str())
            .collect()
    };
    let (none, read, write) = (
        titles(AccessLevel::None),
        titles(AccessLevel::Read),
        titles(AccessLevel::Write),
    );
    // Given while the catalogue had them; they grant nothing any more.
    let gone: Vec<&str> = levels
        .iter()
        .filter(|(name, level)| **level != AccessLevel::None && catalogue.scope(name).is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if read.is_empty() && write.is_empty() && gone.is_empty() {
        return vec![Line::may_not(
            "Can do nothing yet: ",
            "choose at least one scope".to_owned(),
        )];
    }
    let line = |titles: Vec<&str>, make: fn(String) -> Line| {
        (!titles.is_empty()).then(|| make(listed(&titles)))
    };
    [
        line(read, |titles| Line::may("read", format!(" {titles}"))),
        line(write, |titles| {
            Line::may("read and write", format!(" {titles}"))
        }),
        line(none, |titles| Line::may_not("Has no access to ", titles)),
        line(gone, |names| {
            Line::may_not("Had access to what the catalogue no longer has: ", names)
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Sentences about an access.
pub(super) fn access_words(catalogue: &Catalogue, access: &Access) -> AnyView {
    let lines = access_lines(catalogue, access).into_iter().map(|line| {
        let class = if line.mark == "state ended" {
            "quiet"
        } else {
            ""
        };
        view! {
            <li>
                <span class=line.mark></span>
                <span class=class>{line.lead} <b>{line.strong}</b> {line.rest}</span>
            </li>
        }
    });
    lines.collect_view().into_any()
}

/// When a draft's credential would end, or why that can't be said.
pub(super) fn draft_end(draft: &CredentialDraft, now: Instant) -> Result<Option<Instant>, String> {
    if draft.expires == "custom" && draft.expires_at.trim().is_empty() {
        return Err("Choose when it ends".to_owned());
    }
    draft
        .end(now, None)
        .map_err(|error| domain::draft::FieldError::new("", error).message)
}

/// The sentence about the end.
pub(super) fn end_words(end: Result<Option<Instant>, String>) -> AnyView {
    let (mark, words) = match end {
        Ok(Some(at)) => (
            "state warn",
            view! { "Works until " <b><Moment at=at time=true /></b> }.into_any(),
        ),
        Ok(None) => (
            "state warn",
            view! { "Works " <b>"without an end"</b> }.into_any(),
        ),
        Err(problem) => ("state bad", problem.into_any()),
    };
    view! { <li><span class=mark></span><span>{words}</span></li> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::sample::catalogue;

    fn words(access: &Access) -> Vec<String> {
        access_lines(&catalogue(), access)
            .into_iter()
            .map(|line| format!("{}{}{}", line.lead, line.strong, line.rest))
            .collect()
    }

    fn custom(levels: &[(&str, AccessLevel)]) -> Access {
        Access::Custom(
            levels
                .iter()
                .map(|(scope, level)| (scope.parse().unwrap(), *level))
                .collect(),
        )
    }

    #[test]
    fn access_is_told_in_plain_words() {
        use AccessLevel::{None, Read, Write};
        let table: [(Access, &[&str]); 6] = [
            (
                Access::ReadOnly,
                &[
                    "Can read every scope, and those that the catalogue gets later",
                    "Changes nothing",
                ],
            ),
            (
                Access::Full,
                &["Can read and write every scope, and those that the catalogue gets later"],
            ),
            (
                custom(&[]),
                &["Can do nothing yet: choose at least one scope"],
            ),
            (
                custom(&[("accounts", None)]),
                &["Can do nothing yet: choose at least one scope"],
            ),
            (
                custom(&[("accounts", Read), ("crypto", Write), ("journaling", None)]),
                &[
                    "Can read Accounts",
                    "Has no access to Journaling and SSE events",
                    "Had access to what the catalogue no longer has: crypto",
                ],
            ),
            (
                custom(&[("accounts", Read), ("journaling", Write)]),
                &[
                    "Can read Accounts",
                    "Can read and write Journaling",
                    "Has no access to SSE events",
                ],
            ),
        ];
        for (access, expected) in table {
            assert_eq!(words(&access), expected);
        }
        // Writing to a scope of reads comes to reading.
        assert_eq!(
            words(&custom(&[
                ("sse_events", Write),
                ("accounts", Read),
                ("journaling", Read)
            ])),
            ["Can read Accounts, Journaling and SSE events"]
        );
    }

    #[test]
    fn the_end_is_told_or_asked_for() {
        let now = "2026-11-24T09:00:00Z".parse().unwrap();
        let end = |expires: &str, expires_at: &str| {
            let draft = CredentialDraft {
                expires: expires.to_owned(),
                expires_at: expires_at.to_owned(),
                ..CredentialDraft::default()
            };
            draft_end(&draft, now)
        };
        assert_eq!(end("never", ""), Ok(None));
        assert_eq!(
            end("1w", ""),
            Ok(Some("2026-12-01T09:00:00Z".parse().unwrap()))
        );
        assert_eq!(end("custom", ""), Err("Choose when it ends".to_owned()));
        let past = "Choose a date and time in the future".to_owned();
        assert_eq!(end("custom", "2020-01-01T00:00"), Err(past));
    }
}

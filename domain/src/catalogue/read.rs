//! A catalogue file's text. It is read with the place of every value, so that all its problems
//! are named at once, each with its line; loading a file and checking it are the same.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::{CatalogueFile, EndpointAccess, EndpointEntry, ScopeEntry};
use super::{Catalogue, Place, Problem, build, overlap, variant};
use crate::nearest::nearest;
use crate::scope::Level;

/// A catalogue file that was read, and all that there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The catalogue; nothing if one of the findings is an error.
    pub catalogue: Option<Catalogue>,
    /// What was found, from top to bottom.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// How many findings are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings.filter(|found| found.severity == severity).count()
    }
}

/// Something to say about one place of a catalogue file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub message: String,
}

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file can't be used.
    Error,
    /// The file can be used, but probably isn't what was meant.
    Warning,
    /// Something to know.
    Note,
}

impl Severity {
    /// `error`, `warning` or `note`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// `line:column: severity: message`, to go behind a file's name and a colon.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column, severity) = (self.line, self.column, self.severity.as_str());
        write!(f, "{line}:{column}: {severity}: {}", self.message)
    }
}

impl Catalogue {
    /// Reads and checks a catalogue file, TOML. Broken syntax hides all other problems.
    #[must_use]
    pub fn read(text: &str) -> Checked {
        let (root, errors) = DeTable::parse_recoverable(text);
        let lines = Lines::of(text);
        let mut reader = Reader::default();
        for error in &errors {
            reader.error(error.span().unwrap_or_default(), error.message().to_owned());
        }
        let mut catalogue = None;
        if errors.is_empty() {
            let (built, problems) = build::build(reader.file(root.get_ref()));
            for problem in problems {
                reader.add(&problem, &lines);
            }
            let is_error = |(_, severity, _): &Found| *severity == Severity::Error;
            catalogue = built.filter(|_| !reader.found.iter().any(is_error));
            if let Some(catalogue) = &catalogue {
                let remarks = overlap::of(catalogue)
                    .into_iter()
                    .chain(variant::of(catalogue));
                remarks.for_each(|remark| reader.add(&remark, &lines));
            }
        }
        Checked {
            catalogue,
            findings: reader.findings(&lines),
        }
    }
}

/// A finding with the bytes of the text that it is about.
type Found = (Range<usize>, Severity, String);

/// A table of the file, what it is, and the bytes to point at when something is missing there.
struct Part<'t> {
    place: Place,
    what: &'static str,
    span: Range<usize>,
    table: &'t DeTable<'t>,
}

#[derive(Default)]
struct Reader {
    found: Vec<Found>,
    /// Where each value is; nothing for one that is missing or of the wrong kind, which has been
    /// said already.
    spans: HashMap<(Place, &'static str), Option<Range<usize>>>,
}

impl Reader {
    fn file(&mut self, table: &DeTable<'_>) -> CatalogueFile {
        let top = Part {
            place: Place::Top,
            what: "the catalogue",
            span: 0..0,
            table,
        };
        self.refuse_unknown_keys(&top, &["name", "version", "scope"]);
        CatalogueFile {
            name: self.text(&top, "name"),
            version: self.text(&top, "version"),
            scopes: if table.contains_key("scope") {
                let scopes = self.tables(&top, "scope", "a scope", Place::Scope);
                scopes.iter().map(|scope| self.scope(scope)).collect()
            } else {
                Vec::new()
            },
        }
    }

    fn scope(&mut self, part: &Part<'_>) -> ScopeEntry {
        self.refuse_unknown_keys(part, &["name", "title", "description", "endpoints"]);
        let place = |endpoint| match part.place {
            Place::Scope(scope) => Place::Endpoint(scope, endpoint),
            other => other,
        };
        let endpoints = self.tables(part, "endpoints", "an endpoint", place);
        ScopeEntry {
            name: self.text(part, "name"),
            title: self.text(part, "title"),
            description: self.text(part, "description"),
            endpoints: endpoints.iter().map(|line| self.endpoint(line)).collect(),
        }
    }

    fn endpoint(&mut self, part: &Part<'_>) -> EndpointEntry {
        const KEYS: [&str; 6] = ["method", "path", "summary", "level", "access", "reserved"];
        self.refuse_unknown_keys(part, &KEYS);
        EndpointEntry {
            method: self.text(part, "method"),
            path: self.text(part, "path"),
            summary: self.text(part, "summary"),
            level: part.table.get("level").and_then(|value| self.level(value)),
            access: self.access(part),
            reserved: (part.table.get("reserved")).is_some_and(|value| self.truth(value)),
        }
    }

    fn level(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Level> {
        let level = [Level::Read, Level::Write]
            .into_iter()
            .find(|level| value.get_ref().as_str() == Some(level.as_str()));
        if level.is_none() {
            self.error(
                value.span(),
                "level must be \"read\" or \"write\"".to_owned(),
            );
        }
        level
    }

    fn access(&mut self, part: &Part<'_>) -> Option<EndpointAccess> {
        let value = part.table.get("access")?;
        let access = (value.get_ref().as_str() == Some("public")).then_some(EndpointAccess::Public);
        if access.is_none() {
            let problem =
                "access must be \"public\", or left out where access to the scope decides";
            self.error(value.span(), problem.to_owned());
        }
        let span = access.map(|_| value.span());
        self.spans.insert((part.place, "access"), span);
        access
    }

    fn truth(&mut self, value: &Spanned<DeValue<'_>>) -> bool {
        let truth = value.get_ref().as_bool();
        if truth.is_none() {
            self.error(value.span(), "reserved must be true or false".to_owned());
        }
        truth.unwrap_or_default()
    }

    fn text(&mut self, part: &Part<'_>, key: &'static str) -> String {
        let text = self.value(part, key, "must be a text in quotes", DeValue::as_str);
        text.unwrap_or_default().to_owned()
    }

    /// The tables of a list; whatever else is in it is an error.
    fn tables<'t>(
        &mut self,
        part: &Part<'t>,
        key: &'static str,
        what: &'static str,
        place: impl Fn(usize) -> Place,
    ) -> Vec<Part<'t>> {
        let wanted = if key == "scope" {
            "must be written as [[scope]]"
        } else {
            "must be a list of { … }"
        };
        let mut parts = Vec::new();
        let list = self.value(part, key, wanted, DeValue::as_array);
        for value in list.into_iter().flat_map(|list| list.iter()) {
            let span = value.span();
            match value.get_ref().as_table() {
                None => self.error(span, format!("{what} {wanted}")),
                Some(table) => parts.push(Part {
                    place: place(parts.len()),
                    what,
                    span,
                    table,
                }),
            }
        }
        parts
    }

    /// The value of a key that must be there, and of a kind.
    fn value<'t, T>(
        &mut self,
        part: &Part<'t>,
        key: &'static str,
        wanted: &str,
        read: impl FnOnce(&'t DeValue<'t>) -> Option<T>,
    ) -> Option<T> {
        let value = part.table.get(key);
        let read = value.and_then(|value| read(value.get_ref()));
        match value {
            None => self.error(
                part.span.clone(),
                format!("{} needs the key {key}", part.what),
            ),
            Some(value) if read.is_none() => self.error(value.span(), format!("{key} {wanted}")),
            Some(_) => {}
        }
        let span = value.filter(|_| read.is_some()).map(Spanned::span);
        self.spans.insert((part.place, key), span);
        read
    }

    fn refuse_unknown_keys(&mut self, part: &Part<'_>, known: &[&str]) {
        for (key, _) in part.table {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let near = nearest(name, known)
                    .map(|near| format!(": did you mean {near}?"))
                    .unwrap_or_default();
                self.error(
                    key.span(),
                    format!("{name} is not a key of {}{near}", part.what),
                );
            }
        }
    }

    fn error(&mut self, span: Range<usize>, message: String) {
        self.found.push((span, Severity::Error, message));
    }

    /// Adds a problem at its value, unless the value itself is one already.
    fn add(&mut self, problem: &Problem, lines: &Lines<'_>) {
        let span = match self.spans.get(&(problem.place, problem.key)) {
            Some(None) => return,
            Some(Some(span)) => span.clone(),
            None => 0..0,
        };
        let mut message = problem.to_string();
        if let Some(first) = problem.fault.first()
            && let Some(Some(span)) = self.spans.get(&(first, problem.key))
        {
            message.push_str(&format!(" (line {})", lines.position(span.start).0));
        }
        self.found.push((span, problem.fault.severity(), message));
    }

    fn findings(mut self, lines: &Lines<'_>) -> Vec<Finding> {
        self.found.sort_by_key(|(span, ..)| span.start);
        let finding = |(span, severity, message): Found| {
            let (line, column) = lines.position(span.start);
            Finding {
                line,
                column,
                severity,
                message,
            }
        };
        self.found.into_iter().map(finding).collect()
    }
}

/// A text and where its lines start.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(after_breaks).collect();
        Self { text, starts }
    }

    /// Line and column of a byte, both from 1.
    fn position(&self, byte: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= byte);
        let start = self.starts[line - 1];
        let before = self.text.get(start..byte).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

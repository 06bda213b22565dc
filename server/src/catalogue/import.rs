//! Drafts a catalogue from an OpenAPI document: tags become scopes, operations their endpoints. The
//! draft passes the catalogue's check; what can't be in a catalogue is left out and named on top.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use domain::catalogue::{
    Catalogue, CatalogueFile, EndpointEntry, MAX_RULES, MAX_SCOPES, Place, ScopeEntry,
};
use toml::Value;

use super::openapi::{Document, Lenient, Operation, PathItem, Server};

/// The scope of operations without a tag.
const OTHER: &str = "other";
/// The scope of tags that there is no room for.
const REST: &str = "rest";
/// The longest summary or description, in characters.
const MAX_TEXT: usize = 200;

/// What to know before using a draft.
const REVIEW: &str = "\
# Drafted from an OpenAPI document. Review it before use:
#
# - Scopes come from tags. Each is a row of the permission matrix: rename, merge and split them, and
#   describe each in a sentence. Rename one before its first credential is issued, not after.
# - GET, HEAD and OPTIONS read, every other method writes. Add level = \"read\" to a POST that only
#   searches, and level = \"write\" to a GET that changes data.
# - Paths must be as the gateway receives them. A call that isn't here is refused.
# - Parameters have the kinds that the document's formats say. Give one to the others, and take one away
#   where the API takes more: integer, for one, takes no negative number.
# - Give the file a new version at each change.
";

/// The text of a catalogue file that has the document's operations, sorted, each under its first
/// tag.
///
/// # Errors
/// Nothing can be in a catalogue, or more than a catalogue takes.
pub fn draft(document: &Document) -> anyhow::Result<String> {
    let mut notes = Vec::new();
    let mut file = CatalogueFile {
        name: one_line(&document.info.title.0, "API"),
        version: format!("{}-draft", one_line(&document.info.version.0, "0")),
        scopes: scopes(document, &mut notes),
    };
    leave_out(&mut file, &mut notes)?;
    if file.scopes.is_empty() {
        if notes.is_empty() {
            bail!("it has no operations");
        }
        let notes: String = notes
            .iter()
            .map(|note| format!("\n- {}", words(note)))
            .collect();
        bail!("it has no operation that a catalogue can list{notes}");
    }
    Ok(written(&file, &notes))
}

/// The scopes by wire name, that of untagged operations last.
fn scopes(document: &Document, notes: &mut Vec<String>) -> Vec<ScopeEntry> {
    let naming = Naming::of(document, notes);
    let mixed = mixed_places(document, notes);
    let calls = calls(document);
    let mut scopes = BTreeMap::new();
    for (template, item) in &document.paths.0 {
        let Some(item) = document.item(item) else {
            let reference = item.reference.as_deref().unwrap_or_default();
            notes.push(format!(
                "left out: {template}: its $ref, {reference}, is not in this document; put the operations in its place"
            ));
            continue;
        };
        for (method, operation) in item.operations() {
            let (plain, behind) = split_path(template);
            let path = full_path(document, item, operation, plain);
            let alike = calls[&(method, without_parameters(&path))];
            let path = without_mixed_kinds(&path, &mixed);
            let call = format!("{method} {path}");
            if !behind.is_empty() && alike > 1 {
                notes.push(format!(
                    "left out: {call}{behind}: {behind} is no part of a path, so this is the same call as other \
                     operations; add {call} yourself, if one scope may have them all"
                ));
                continue;
            }
            if !behind.is_empty() {
                notes.push(format!(
                    "{call}: without {behind}, which is no part of a path"
                ));
            }
            let tag = naming.tag(template, operation);
            match operation.tags.as_slice() {
                [] if tag.is_none() => {
                    notes.push(format!("{call}: no tag, so its scope is \"{OTHER}\""));
                }
                [_, more @ ..] if !more.is_empty() => {
                    let more: Vec<&str> = more.iter().map(|tag| tag.0.as_str()).collect();
                    notes.push(format!("{call}: also tagged {}", more.join(", ")));
                }
                _ => {}
            }
            let (place, name, title) = naming.scope(tag);
            let scope = scopes.entry((place, name)).or_insert_with(|| ScopeEntry {
                name: name.to_owned(),
                title,
                description: description(document, tag, place),
                endpoints: Vec::new(),
            });
            scope.endpoints.push(EndpointEntry {
                method: method.to_owned(),
                path,
                summary: summary(item, operation),
                level: None,
                access: None,
                reserved: false,
            });
        }
    }
    scopes.into_values().collect()
}

/// Where a scope stands in the draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ScopePlace {
    Own,
    /// Of tags that there is no room for.
    Rest,
    /// Of operations without a tag.
    Other,
}

/// Which scope an operation comes under.
struct Naming<'d> {
    /// Whether scopes come from tags; from the first segment of each path, if no operation has one.
    has_tags: bool,
    /// The wire names of tags, but of those without room.
    names: BTreeMap<&'d str, String>,
    /// The scope of the others.
    rest: String,
}

impl<'d> Naming<'d> {
    fn of(document: &'d Document, notes: &mut Vec<String>) -> Self {
        let items = document.paths.0.iter();
        let operations: Vec<(&str, &Operation)> = items
            .filter_map(|(path, item)| Some((path, document.item(item)?)))
            .flat_map(|(path, item)| item.operations().map(|(_, one)| (path.as_str(), one)))
            .collect();
        let mut naming = Naming {
            has_tags: operations.iter().any(|(_, one)| !one.tags.is_empty()),
            names: BTreeMap::new(),
            rest: String::new(),
        };
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        let tags = operations.iter();
        for tag in tags.filter_map(|(path, operation)| naming.tag(path, operation)) {
            *sizes.entry(tag).or_default() += 1;
        }
        if !naming.has_tags && !sizes.is_empty() {
            notes.push(
                "no operation has a tag, so scopes come from the first segment of each path"
                    .to_owned(),
            );
        }
        let others = operations
            .iter()
            .any(|(path, one)| naming.tag(path, one).is_none());
        let room = MAX_SCOPES - usize::from(others);
        let mut kept: Vec<(&str, usize)> = sizes.into_iter().collect();
        if kept.len() > room {
            kept.sort_by_key(|(tag, size)| (Reverse(*size), *tag));
            let merged: Vec<&str> = kept.drain(room - 1..).map(|(tag, _)| tag).collect();
            notes.push(format!(
                "{} scopes are more than the {MAX_SCOPES} that a catalogue takes, so those with the fewest \
                 operations are one, \"{REST}\": merge and split until each is a row that you would give \
                 access to",
                merged.len() + room - 1 + usize::from(others)
            ));
            notes.push(format!("together in \"{REST}\": {}", merged.join(", ")));
        }
        let mut taken = BTreeSet::from([OTHER.to_owned()]);
        kept.sort_unstable();
        for (tag, _) in kept {
            let name = free_name(&snake_case(tag), &mut taken);
            naming.names.insert(tag, name);
        }
        naming.rest = free_name(REST, &mut taken);
        naming
    }

    /// What decides the scope of an operation, if anything does.
    fn tag<'t>(&self, path: &'t str, operation: &'t Operation) -> Option<&'t str> {
        if self.has_tags {
            return operation.tags.first().map(|tag| tag.0.as_str());
        }
        let (path, _) = split_path(path);
        path.split('/')
            .find(|segment| !segment.is_empty() && !is_version(segment))
            .filter(|segment| !segment.contains('{'))
    }

    /// Place, wire name and title.
    fn scope(&self, tag: Option<&str>) -> (ScopePlace, &str, String) {
        match tag {
            None => (ScopePlace::Other, OTHER, title(OTHER)),
            Some(tag) => match self.names.get(tag) {
                Some(name) => (ScopePlace::Own, name, title(tag)),
                None => (ScopePlace::Rest, &self.rest, title(REST)),
            },
        }
    }
}

/// `v1`, `v2beta1`, `api`: what many paths begin with and no scope is named after.
fn is_version(segment: &str) -> bool {
    let number = segment.strip_prefix(['v', 'V']);
    segment == "api" || number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The places of paths, `/v2/books/{}`, where not all parameters have the same kind, which no catalogue takes.
fn mixed_places(document: &Document, notes: &mut Vec<String>) -> BTreeSet<String> {
    let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, item) in &document.paths.0 {
        let item = document.item(item).unwrap_or(item);
        for (_, operation) in item.operations() {
            let path = full_path(document, item, operation, split_path(path).0);
            for (place, segment) in places(&path) {
                if let Some((_, parameter)) = segment.split_once('{') {
                    let inside = parameter.split_once('}').map_or("", |(inside, _)| inside);
                    let kind = inside.split_once(':').map_or("none", |(_, kind)| kind);
                    kinds.entry(place).or_default().insert(kind.to_owned());
                }
            }
        }
    }
    kinds.retain(|_, kinds| kinds.len() > 1);
    for (place, kinds) in &kinds {
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        notes.push(format!(
            "{place}: the last parameter has no kind, as the document gives it several ({})",
            kinds.join(", ")
        ));
    }
    kinds.into_keys().collect()
}

/// The segments of a path, each with its place, in which no parameter's name counts.
fn places(path: &str) -> Vec<(String, &str)> {
    let mut place = String::new();
    let mut places = Vec::new();
    for segment in path.split('/').skip(1) {
        place.push('/');
        place.push_str(&without_parameters(segment));
        places.push((place.clone(), segment));
    }
    places
}

/// A path whose parameters have no kind where kinds differ.
fn without_mixed_kinds(path: &str, mixed: &BTreeSet<String>) -> String {
    let without_kind = |inside: &str| {
        let name = inside.split_once(':').map_or(inside, |(name, _)| name);
        format!("{{{name}}}")
    };
    let mut plain = String::new();
    for (place, segment) in places(path) {
        plain.push('/');
        if mixed.contains(&place) {
            plain.push_str(&with_parameters(segment, without_kind));
        } else {
            plain.push_str(segment);
        }
    }
    plain
}

/// A path with something else in the place of each pair of braces, by what is between them.
fn with_parameters(path: &str, parameter: impl Fn(&str) -> String) -> String {
    let mut plain = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{')
        && let Some((inside, after)) = after.split_once('}')
    {
        plain.push_str(before);
        plain.push_str(&parameter(inside));
        rest = after;
    }
    plain + rest
}

/// A path in which no parameter's name or kind counts.
fn without_parameters(path: &str) -> String {
    with_parameters(path, |_| "{}".to_owned())
}

/// How many operations are the same call to a gateway, which decides by method and path alone.
fn calls(document: &Document) -> BTreeMap<(&'static str, String), usize> {
    let mut calls = BTreeMap::new();
    for (template, item) in &document.paths.0 {
        let item = document.item(item).unwrap_or(item);
        for (method, operation) in item.operations() {
            let path = full_path(document, item, operation, split_path(template).0);
            *calls
                .entry((method, without_parameters(&path)))
                .or_default() += 1;
        }
    }
    calls
}

/// A path, and the query or fragment that some documents write behind it.
fn split_path(template: &str) -> (&str, &str) {
    template.split_at(template.find(['?', '#']).unwrap_or(template.len()))
}

/// Takes out what the catalogue's own check refuses, and what is too much for it.
fn leave_out(file: &mut CatalogueFile, notes: &mut Vec<String>) -> anyhow::Result<()> {
    let mut room = MAX_RULES;
    for scope in &mut file.scopes {
        let too_many = scope.endpoints.split_off(scope.endpoints.len().min(room));
        room -= scope.endpoints.len();
        notes.extend(too_many.iter().map(|line| {
            let (method, path) = (&line.method, &line.path);
            format!("left out: {method} {path}: beyond the {MAX_RULES} endpoints of a catalogue")
        }));
    }
    file.scopes.retain(|scope| !scope.endpoints.is_empty());
    if let Err(invalid) = Catalogue::try_from(file.clone()) {
        let mut refused = BTreeSet::new();
        for problem in invalid.problems() {
            let Place::Endpoint(scope, endpoint) = problem.place else {
                continue;
            };
            refused.insert((scope, endpoint));
            notes.push(format!("left out: {problem}"));
        }
        for (scope, endpoint) in refused.into_iter().rev() {
            file.scopes[scope].endpoints.remove(endpoint);
        }
    }
    file.scopes.retain(|scope| !scope.endpoints.is_empty());
    if !file.scopes.is_empty() {
        Catalogue::try_from(file.clone()).context("it makes no catalogue")?;
    }
    Ok(())
}

fn written(file: &CatalogueFile, notes: &[String]) -> String {
    let mut text = REVIEW.to_owned();
    if !notes.is_empty() {
        text.push_str("#\n# Look at these first:\n");
    }
    for note in notes {
        text.push_str(&format!("# - {}\n", words(note)));
    }
    let quoted = |text: &str| Value::from(text);
    text.push_str(&format!(
        "\nname = {}\nversion = {}\n",
        quoted(&file.name),
        quoted(&file.version)
    ));
    for scope in &file.scopes {
        text.push_str(&format!(
            "\n[[scope]]\nname = {}\ntitle = {}\ndescription = {}\nendpoints = [\n",
            quoted(&scope.name),
            quoted(&scope.title),
            quoted(&scope.description),
        ));
        for line in &scope.endpoints {
            text.push_str(&format!(
                "    {{ method = {}, path = {}, summary = {} }},\n",
                quoted(&line.method),
                quoted(&line.path),
                quoted(&line.summary),
            ));
        }
        text.push_str("]\n");
    }
    text
}

/// A wire name that no other tag has: merging what they give access to is the reviewer's choice.
fn free_name(base: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name = base.to_owned();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{base}_{number}");
        number += 1;
    }
    name
}

/// A wire name, with room for a number behind it; `scope` if the tag has no letter for one.
fn snake_case(tag: &str) -> String {
    let mut name = String::new();
    let mut after_lower = false;
    for c in tag.chars() {
        if !c.is_ascii_alphanumeric() || (after_lower && c.is_ascii_uppercase()) {
            name.push('_');
        }
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    let words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    let mut name = words.join("_");
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert_str(0, if name.is_empty() { "scope" } else { "scope_" });
    }
    name.truncate(36);
    name.trim_end_matches('_').to_owned()
}

/// A tag in sentence case.
fn title(tag: &str) -> String {
    let words = one_line(&tag.replace(['_', '-'], " "), tag.trim());
    let mut chars = words.chars();
    chars.next().map_or_else(
        || "Untitled".to_owned(),
        |first| first.to_uppercase().chain(chars).collect(),
    )
}

fn description(document: &Document, tag: Option<&str>, place: ScopePlace) -> String {
    let tag = match (tag, place) {
        (Some(tag), ScopePlace::Own) => tag,
        (_, ScopePlace::Rest) => {
            return "Operations of tags that there was no room for.".to_owned();
        }
        _ => return "Operations without a tag.".to_owned(),
    };
    let mut described = document.tags.iter().filter_map(Lenient::known);
    let described = described.find(|described| described.name.0 == tag);
    let text = described.map(|tag| tag.description.0.as_str());
    one_line(first_paragraph(text.unwrap_or_default()), "")
}

/// What the operation is said to do, and whether it is to be avoided.
fn summary(item: &PathItem, operation: &Operation) -> String {
    let texts = [
        &operation.summary.0,
        first_paragraph(&operation.description.0),
        &operation.id.0,
    ];
    let mut texts = texts.into_iter().map(|text| one_line(text, ""));
    let text = texts.find(|text| !text.is_empty()).unwrap_or_default();
    let marks = [
        ("deprecated", operation.deprecated),
        ("internal", operation.internal || item.internal),
    ];
    let marks: Vec<&str> = marks
        .into_iter()
        .filter_map(|(mark, set)| set.then_some(mark))
        .collect();
    let text = text.trim_end_matches('.');
    if marks.is_empty() {
        text.to_owned()
    } else {
        format!("{text} ({})", marks.join(", "))
            .trim_start()
            .to_owned()
    }
}

fn first_paragraph(text: &str) -> &str {
    text.trim().split("\n\n").next().unwrap_or_default()
}

/// The path as a caller writes it, behind that of the first server, with the kinds of its parameters. Their
/// names decide nothing, so those that a catalogue doesn't take are made to fit.
fn full_path(document: &Document, item: &PathItem, operation: &Operation, path: &str) -> String {
    let server = [&operation.servers, &item.servers, &document.servers]
        .into_iter()
        .find_map(|servers| servers.first());
    let base = match server {
        Some(server) => base_path(server),
        None => document.base_path.clone().unwrap_or_default(),
    };
    let base = base.trim_matches('/');
    let slash = if path.starts_with('/') { "" } else { "/" };
    let path = if base.is_empty() {
        format!("{slash}{path}")
    } else {
        format!("/{base}{slash}{path}")
    };
    let kinds = document.kinds(item, operation);
    with_parameters(&path, |name| {
        let kind = kinds.get(name).map(|kind| format!(":{kind}"));
        format!("{{{}{}}}", plain_name(name), kind.unwrap_or_default())
    })
}

/// A parameter's name of letters, digits and underscores.
fn plain_name(name: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let plain: String = name
        .trim_matches(|c: char| !is_plain(&c))
        .chars()
        .map(|c| if is_plain(&c) { c } else { '_' })
        .collect();
    if plain.is_empty() {
        "value".to_owned()
    } else {
        plain
    }
}

/// The path of a server's address, with the usual value of each variable.
fn base_path(server: &Server) -> String {
    let mut url = server.url.0.clone();
    for (name, variable) in &server.variables {
        url = url.replace(&format!("{{{name}}}"), &variable.default.0);
    }
    let url = url.split(['?', '#']).next().unwrap_or_default().trim();
    let behind_scheme = url.split_once("://").map(|(_, rest)| rest);
    // Without a scheme, a variable in the first place is one for scheme and host, too.
    let behind_scheme = behind_scheme
        .or_else(|| url.strip_prefix("//"))
        .or_else(|| url.starts_with('{').then_some(url));
    match behind_scheme {
        Some(rest) => rest.split_once('/').map_or("", |(_host, path)| path),
        None => url,
    }
    .to_owned()
}

/// A text in one line of plain characters.
fn words(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// The same, cut to [`MAX_TEXT`], or something else for an empty one.
fn one_line(text: &str, otherwise: &str) -> String {
    let text = words(text);
    if text.is_empty() {
        return otherwise.to_owned();
    }
    match text.char_indices().nth(MAX_TEXT) {
        Some((cut, _)) => format!("{}…", text[..cut].trim_end()),
        None => text,
    }
}

//! Drafts a catalogue from an OpenAPI document: tags become scopes, operations their endpoints. The
//! draft passes the catalogue's check; what can't be in a catalogue is left out and named on top.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use domain::catalogue::{Catalogue, CatalogueFile, EndpointEntry, Place, ScopeEntry};
use toml::Value;

use super::openapi::{Document, Operation, PathItem, Server};

/// The scope of operations without a tag.
const OTHER: &str = "other";
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
        name: one_line(&document.info.title, "API"),
        version: format!("{}-draft", one_line(&document.info.version, "0")),
        scopes: scopes(document, &mut notes),
    };
    leave_out(&mut file, &mut notes)?;
    if file.scopes.is_empty() {
        bail!("it has no operation that a catalogue can list");
    }
    Ok(written(&file, &notes))
}

/// The scopes by wire name, that of untagged operations last.
fn scopes(document: &Document, notes: &mut Vec<String>) -> Vec<ScopeEntry> {
    let names = scope_names(document);
    let mixed = mixed_places(document, notes);
    let mut scopes = BTreeMap::new();
    for (path, item) in &document.paths.0 {
        if item.reference.is_some() {
            notes.push(format!(
                "{path}: left out, as it is a $ref; put the operations in its place"
            ));
        }
        for (method, operation) in item.operations() {
            let path = full_path(document, item, operation, path);
            let path = without_mixed_kinds(&path, &mixed);
            let call = format!("{method} {path}");
            let tag = operation.tags.first().map(String::as_str);
            match operation.tags.as_slice() {
                [] => notes.push(format!("{call}: no tag, so its scope is \"{OTHER}\"")),
                [_] => {}
                [_, more @ ..] => notes.push(format!("{call}: also tagged {}", more.join(", "))),
            }
            let name = tag
                .and_then(|tag| names.get(tag))
                .map_or(OTHER, String::as_str);
            let scope = scopes
                .entry((tag.is_none(), name))
                .or_insert_with(|| ScopeEntry {
                    name: name.to_owned(),
                    title: title(tag.unwrap_or(OTHER)),
                    description: description(document, tag),
                    endpoints: Vec::new(),
                });
            scope.endpoints.push(EndpointEntry {
                method: method.to_owned(),
                path,
                summary: summary(item, operation),
                level: None,
                reserved: false,
            });
        }
    }
    scopes.into_values().collect()
}

/// The places of paths, `/v2/books/{}`, where not all parameters have the same kind, which no catalogue takes.
fn mixed_places(document: &Document, notes: &mut Vec<String>) -> BTreeSet<String> {
    let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, item) in &document.paths.0 {
        for (_, operation) in item.operations() {
            let path = full_path(document, item, operation, path);
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
        place.push_str(&with_parameters(segment, |_| "{}".to_owned()));
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

/// Takes out what the catalogue's own check refuses.
fn leave_out(file: &mut CatalogueFile, notes: &mut Vec<String>) -> anyhow::Result<()> {
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
        text.push_str(&format!("# - {}\n", one_line(note, "")));
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

/// A wire name for each tag that comes first somewhere. Two tags never share one: merging what
/// they give access to is the reviewer's choice.
fn scope_names(document: &Document) -> BTreeMap<&str, String> {
    let operations = document.paths.0.values().flat_map(PathItem::operations);
    let tags: BTreeSet<&str> = operations
        .filter_map(|(_, operation)| operation.tags.first().map(String::as_str))
        .collect();
    let mut taken = BTreeSet::from([OTHER.to_owned()]);
    let mut names = BTreeMap::new();
    for tag in tags {
        let base = snake_case(tag);
        let mut name = base.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{base}_{number}");
            number += 1;
        }
        names.insert(tag, name);
    }
    names
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

fn description(document: &Document, tag: Option<&str>) -> String {
    let Some(tag) = tag else {
        return "Operations without a tag.".to_owned();
    };
    let described = document.tags.iter().find(|described| described.name == tag);
    let text = described.and_then(|tag| tag.description.as_deref());
    one_line(first_paragraph(text.unwrap_or_default()), "")
}

/// What the operation is said to do, and whether it is to be avoided.
fn summary(item: &PathItem, operation: &Operation) -> String {
    let texts = [
        operation.summary.as_deref(),
        operation.description.as_deref().map(first_paragraph),
        operation.id.as_deref(),
    ];
    let mut texts = texts.into_iter().flatten().map(|text| one_line(text, ""));
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
    let path = if base.is_empty() {
        path.to_owned()
    } else {
        format!("/{base}{path}")
    };
    let kinds = document.kinds(item, operation);
    with_parameters(&path, |name| {
        let kind = kinds.get(name).map(|kind| format!(":{kind}"));
        let name = name.replace(['-', '.'], "_");
        format!("{{{name}{}}}", kind.unwrap_or_default())
    })
}

/// The path of a server's address, with the usual value of each variable.
fn base_path(server: &Server) -> String {
    let mut url = server.url.clone();
    for (name, variable) in &server.variables {
        url = url.replace(&format!("{{{name}}}"), &variable.default);
    }
    match url.split_once("://") {
        Some((_, rest)) => rest
            .split_once('/')
            .map_or("", |(_host, path)| path)
            .to_owned(),
        None => url,
    }
}

/// A text in one line of plain characters, cut to [`MAX_TEXT`], or something else for an empty one.
fn one_line(text: &str, otherwise: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let text = words.join(" ");
    if text.is_empty() {
        return otherwise.to_owned();
    }
    match text.char_indices().nth(MAX_TEXT) {
        Some((cut, _)) => format!("{}…", text[..cut].trim_end()),
        None => text,
    }
}

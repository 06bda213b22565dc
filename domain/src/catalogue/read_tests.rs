use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

const SHIPPED: &str = include_str!("../../../catalogue/alpaca-broker.toml");
const BROKEN: &str = include_str!("../../tests/data/broken-catalogue.toml");
const FINDINGS: &str = include_str!("../../tests/data/broken-catalogue.txt");

const GOOD: &str = r#"
name = "Library"
version = "1"

[[scope]]
name = "books"
title = "Books"
description = ""
endpoints = [{ method = "GET", path = "/books", summary = "List books", level = "read" }]
"#;

fn lines(checked: &Checked) -> Vec<String> {
    checked.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn the_shipped_catalogue_checks_without_a_warning() {
    let checked = Catalogue::read(SHIPPED);
    assert_eq!(
        checked.count(Severity::Warning),
        0,
        "{:#?}",
        lines(&checked)
    );
    let known = [
        "note: scope \"funding\", GET /v1/instant_funding/{instant_funding_id}: \
         {instant_funding_id} never takes another spelling of limits, reports, settlements: ",
        "note: scope \"data\", GET /v1/assets/{symbol_or_asset_id:slashes}: {symbol_or_asset_id:slashes} never takes \
         another spelling of entry-requirements: ",
    ];
    let found = lines(&checked);
    assert_eq!(found.len(), known.len(), "{found:#?}");
    for (line, known) in found.iter().zip(known) {
        assert!(line.contains(known), "{line}");
    }
    let catalogue = checked.catalogue.unwrap();
    assert_eq!(
        (catalogue.scopes().len(), catalogue.endpoint_count()),
        (10, 198)
    );
}

#[test]
fn an_overlap_is_a_warning_with_both_lines() {
    let text = GOOD.replace(
        "endpoints = [",
        "endpoints = [\n{ method = \"GET\", path = \"/books/{id}\", summary = \"\" },\n\
         { method = \"POST\", path = \"/books/search\", summary = \"\" },\n",
    );
    let checked = Catalogue::read(&text);
    assert_eq!(
        lines(&checked),
        [
            "10:26: note: scope \"books\", GET /books/{id}: {id} never takes another spelling of \
             search: what differs from it only in case, by an extension or by signs at its end is \
             refused",
            "11:27: warning: scope \"books\", POST /books/search: goes before /books/{id}: \
             at /books/search, GET is refused (line 10)"
        ]
    );
    assert!(checked.catalogue.is_some());
}

/// A catalogue whose first endpoints are these.
fn with_endpoints(paths: &[&str]) -> String {
    let endpoint = |path: &&str| {
        let (method, path) = path.split_once(' ').unwrap();
        format!("\n{{ method = \"{method}\", path = \"{path}\", summary = \"\" }},")
    };
    let endpoints: String = paths.iter().map(endpoint).collect();
    GOOD.replace("endpoints = [", &format!("endpoints = [{endpoints}\n"))
}

#[test]
fn a_reserved_path_is_meant_to_go_before_others() {
    let text = |reserved: &str| {
        let text = with_endpoints(&["GET /x/{id}", "POST /x/y", "DELETE /x/y", "PUT /{a}/y"]);
        text.replacen("/x/y\",", &format!("/x/y\", reserved = {reserved},"), 1)
    };
    let warnings = |reserved| Catalogue::read(&text(reserved)).count(Severity::Warning);
    assert_eq!((warnings("false"), warnings("true")), (2, 0));
    let plain = Catalogue::read(&text("false")).catalogue.unwrap();
    let catalogue = Catalogue::read(&text("true")).catalogue.unwrap();
    let refusal = catalogue.find("GET", "/x/y");
    assert_eq!(refusal, Err(Refusal::MethodNotInCatalogue));
    assert_eq!(catalogue.changes_since(&plain), []);
    let found = lines(&Catalogue::read(&text("1")));
    assert!(
        found[0].ends_with("error: reserved must be true or false"),
        "{found:?}"
    );
}

#[test]
fn a_kind_that_leaves_the_literal_out_leaves_no_overlap() {
    let paths = |kind: &str| {
        let id = format!("GET /books/{{id{kind}}}");
        let text = with_endpoints(&[&id, "POST /books/search", "POST /books/7"]);
        lines(&Catalogue::read(&text))
    };
    let overlap = |literal: &str| format!("goes before /books/{{id:integer}}: at /books/{literal}");
    let found = paths(":integer");
    assert!(
        found.len() == 1 && found[0].contains(&overlap("7")),
        "{found:#?}"
    );
    assert_eq!(paths(":uuid"), [""; 0]);
    assert_eq!(paths("").len(), 3);
}

#[test]
fn a_kind_that_refuses_what_a_looser_path_takes_is_an_overlap() {
    let text = with_endpoints(&["GET /x/a/{id:uuid}", "GET /x/{y}/foo", "GET /x/{y}/foo/z"]);
    let found = lines(&Catalogue::read(&text));
    let warning = "GET /x/a/{id:uuid}: goes before /x/{y}/foo: at /x/a/foo, GET is refused";
    let warnings: Vec<_> = found
        .iter()
        .filter(|line| line.contains("warning"))
        .collect();
    assert!(
        warnings.len() == 1 && warnings[0].contains(warning),
        "{found:#?}"
    );
}

#[test]
fn where_variants_are_refused_is_noted() {
    let table: [(&[&str], &[&str]); 6] = [
        (
            &["GET /books/{id}", "GET /books/new", "GET /books/lent"],
            &[
                "10:26: note: scope \"books\", GET /books/{id}: {id} never takes another spelling of \
                 lent, new: what differs from it only in case, by an extension or by signs at its \
                 end is refused",
            ],
        ),
        // No value of the kind is another spelling.
        (&["GET /books/{id:uuid}", "GET /books/new"], &[]),
        (&["GET /books/{id:integer}", "GET /books/12"], &[]),
        (
            &["GET /books/{id:word}", "GET /books/new"],
            &["10:26: note: scope \"books\", GET /books/{id:word}: {id:word} never takes"],
        ),
        // They go on differently.
        (&["GET /books/{id}/pages", "GET /books/new"], &[]),
        (
            &["GET /books/{id}/pages", "GET /books/new/Pages"],
            &["10:26: note: scope \"books\", GET /books/{id}/pages: {id} never takes"],
        ),
    ];
    for (paths, wanted) in table {
        let checked = Catalogue::read(&with_endpoints(paths));
        let found = lines(&checked);
        assert_eq!(found.len(), wanted.len(), "{found:#?}");
        for (line, wanted) in found.iter().zip(wanted) {
            assert!(line.starts_with(wanted), "{line}");
        }
        assert_eq!(checked.count(Severity::Note), wanted.len());
        assert!(checked.catalogue.is_some());
    }
}

#[test]
fn every_problem_is_named_at_once_with_its_line() {
    let checked = Catalogue::read(BROKEN);
    let found = lines(&checked).join("\n") + "\n";
    assert_eq!(found, FINDINGS, "{found}");
    assert_eq!(checked.catalogue, None);
}

#[test]
fn all_broken_syntax_is_named_at_once() {
    let text = GOOD
        .replace("\"Library\"", "Library")
        .replace("\"Books\"", "\"Books");
    let checked = Catalogue::read(&text);
    let places: Vec<usize> = checked.findings.iter().map(|f| f.line).collect();
    assert_eq!(places, [2, 7], "{:#?}", checked.findings);
    assert_eq!(checked.catalogue, None);
}

#[test]
fn a_key_that_is_there_twice_is_named_where_it_is_again() {
    let text = GOOD.replace("version =", "name = \"Again\"\nversion =");
    assert_eq!(
        lines(&Catalogue::read(&text)),
        ["3:1: error: duplicate key"]
    );
}

#[test]
fn an_empty_file_needs_everything() {
    assert_eq!(
        lines(&Catalogue::read("")),
        [
            "1:1: error: the catalogue needs the key name",
            "1:1: error: the catalogue needs the key version",
            "1:1: error: the catalogue has no scopes",
        ]
    );
}

#[test]
fn one_scope_in_single_brackets_is_told_to_be_a_list() {
    let checked = Catalogue::read(&GOOD.replace("[[scope]]", "[scope]"));
    assert_eq!(
        lines(&checked),
        ["5:1: error: scope must be written as [[scope]]"]
    );
    let checked = Catalogue::read(&GOOD.replace("[[scope]]", "[[scopes]]"));
    assert_eq!(
        lines(&checked),
        [
            "1:1: error: the catalogue has no scopes",
            "5:3: error: scopes is not a key of the catalogue: did you mean scope?",
        ]
    );
}

#[test]
fn a_scope_without_endpoints_is_a_warning() {
    let empty =
        "[[scope]]\nname = \"loans\"\ntitle = \"Loans\"\ndescription = \"\"\nendpoints = []\n";
    let checked = Catalogue::read(&format!("{GOOD}{empty}"));
    assert_eq!(
        lines(&checked),
        ["14:13: warning: scope \"loans\" has no endpoints, so access to it allows nothing"]
    );
    assert_eq!(checked.catalogue.unwrap().scopes().len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The reader and serde take the same files for good, and understand them alike.
    #[test]
    fn reading_agrees_with_deserialising(
        edits in proptest::collection::vec((any::<Index>(), select(vec![
            "", "\"", "x", "{", "}", "[", "]", ",", "=", "\n", "/", "é", "name = \"n\"\n", " ",
        ]), 0..3_usize), 0..3),
    ) {
        let mut text = GOOD.to_owned();
        for (place, insert, cut) in edits {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let at = place.index(places.len());
            let end = places.get(at + cut).copied().unwrap_or(text.len());
            text.replace_range(places[at]..end, insert);
        }
        let checked = Catalogue::read(&text);
        let error = checked.findings.iter().any(|f| f.severity == Severity::Error);
        prop_assert_eq!(checked.catalogue.is_none(), error);
        prop_assert_eq!(checked.catalogue, toml::from_str::<Catalogue>(&text).ok());
    }

    #[test]
    fn any_text_is_read_without_panic(text in ".*") {
        let _ = Catalogue::read(&text);
    }
}

#[test]
fn a_public_endpoint_needs_nothing_and_is_written_as_it_was_read() {
    let text = |rest: &str| GOOD.replace("level = \"read\"", rest);
    let checked = Catalogue::read(&text("access = \"public\""));
    assert_eq!(lines(&checked), [""; 0]);
    let catalogue = checked.catalogue.unwrap();
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert!(catalogue.find(method, "/books").unwrap().public, "{method}");
    }
    let json = serde_json::to_string(&catalogue).unwrap();
    assert_eq!(serde_json::from_str::<Catalogue>(&json).unwrap(), catalogue);
    assert!(json.contains(r#""access":"public""#), "{json}");
    // An older one, as it is kept, has no such key.
    let closed = Catalogue::read(GOOD).catalogue.unwrap();
    assert!(!closed.find("GET", "/books").unwrap().public);
    assert!(!serde_json::to_string(&closed).unwrap().contains("access"));
    for (rest, problem) in [
        (
            "access = \"open\"",
            "9:82: error: access must be \"public\", or left out where access to the scope decides",
        ),
        (
            "access = true",
            "9:82: error: access must be \"public\", or left out where access to the scope decides",
        ),
        (
            "access = \"public\", level = \"read\"",
            "9:82: error: scope \"books\", GET /books: it has a level, which decides nothing where \
             access = \"public\": take one of them out",
        ),
    ] {
        let checked = Catalogue::read(&text(rest));
        assert_eq!(lines(&checked), [problem]);
        assert_eq!(checked.catalogue, None);
    }
}

//! Catalogue files: the commands as a person runs them, drafts from OpenAPI documents, and the
//! worked example of the documentation.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use domain::catalogue::{Catalogue, Finding, Severity};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use server::catalogue::{Document, Format, draft};
use tempfile::TempDir;

use crate::commands::stub_site;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples");
const REFERENCE: &str = include_str!("../../../docs/catalogue.md");
const BROKEN: &str = "name = \"Library\"\nversion = \"1\"\n[[scopes]]\n";

/// What there is to say about the reviewed example.
const OVERLAP: &str = "scope \"collection\", POST /v2/books/search: goes before \
    /v2/books/{book_id}: at /v2/books/search, GET is refused, DELETE is refused (line 16)";

/// What is noted of it.
const NOTE: &str = "scope \"collection\", GET /v2/books/{book_id}: {book_id} never takes another \
    spelling of search, {book_id}.pdf: what differs from it only in case, by an extension or by signs \
    at its end is refused";
/// And of another parameter there.
const NOTE_OF_PDF: &str = "scope \"collection\", GET /v2/books/{book_id}.pdf: {book_id}.pdf never takes \
    another spelling of search: what differs from it only in case, by an extension or by signs at its \
    end is refused";

fn keyrack(folder: &Path, arguments: &[&str]) -> Output {
    // Not in the folder, which may be one of the documentation's.
    let site = TempDir::new().unwrap();
    Command::new(env!("CARGO_BIN_EXE_keyrack"))
        .args(arguments)
        .current_dir(folder)
        .env("KEYRACK_SITE_DIR", stub_site(site.path()))
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn folder_with(name: &str, content: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join(name), content).unwrap();
    folder
}

fn example(name: &str) -> PathBuf {
    Path::new(EXAMPLES).join(name)
}

/// The catalogue of a draft, which must check without a word but for paths that overlap, and notes.
fn checked(draft: &str) -> Catalogue {
    let checked = Catalogue::read(draft);
    let overlaps = |finding: &&Finding| {
        finding.severity == Severity::Note
            || finding.severity == Severity::Warning && finding.message.contains(": goes before ")
    };
    let others: Vec<_> = checked.findings.iter().filter(|f| !overlaps(f)).collect();
    assert!(others.is_empty(), "{others:?} {draft}");
    checked.catalogue.unwrap()
}

/// The draft of a document in JSON, which is YAML too and must mean the same there.
fn drafted(document: &Value) -> anyhow::Result<String> {
    let text = document.to_string();
    let from_json = draft(&Document::parse(&text, Format::Json)?);
    let from_yaml = draft(&Document::parse(&text, Format::Yaml)?);
    assert_eq!(from_json.as_ref().ok(), from_yaml.ok().as_ref());
    from_json
}

fn document(paths: Value) -> Value {
    json!({ "openapi": "3.1.0", "info": { "title": "Test", "version": "1" }, "paths": paths })
}

#[test]
fn check_sums_up_a_good_file_with_its_warnings() {
    let output = keyrack(
        Path::new(EXAMPLES),
        &["catalogue", "check", "library-api.toml"],
    );
    assert_eq!(
        text(&output.stdout),
        format!(
            "library-api.toml:15:31: warning: {OVERLAP}\n\
             library-api.toml:16:30: note: {NOTE}\n\
             library-api.toml:19:30: note: {NOTE_OF_PDF}\n\
             library-api.toml: Library API, 3 scopes, 13 endpoints, version 2.3-1\n"
        )
    );
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

#[test]
fn check_lists_the_problems_of_a_bad_file_and_fails() {
    let folder = folder_with("bad.toml", BROKEN);
    let output = keyrack(folder.path(), &["catalogue", "check", "bad.toml"]);
    assert_eq!(
        text(&output.stdout),
        "bad.toml:1:1: error: the catalogue has no scopes\n\
         bad.toml:3:3: error: scopes is not a key of the catalogue: did you mean scope?\n"
    );
    assert_eq!(
        text(&output.stderr),
        "keyrack: the catalogue bad.toml can't be used: 2 errors\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn check_reports_to_machines() {
    let folder = folder_with("bad.toml", BROKEN);
    let output = keyrack(folder.path(), &["catalogue", "check", "bad.toml", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        report,
        json!({
            "file": "bad.toml", "usable": false,
            "name": null, "version": null, "scopes": null, "endpoints": null,
            "findings": [
                { "line": 1, "column": 1, "severity": "error", "message": "the catalogue has no scopes" },
                { "line": 3, "column": 3, "severity": "error",
                  "message": "scopes is not a key of the catalogue: did you mean scope?" },
            ],
        })
    );
    assert_eq!(output.status.code(), Some(1));

    let good = ["catalogue", "check", "library-api.toml", "--json"];
    let output = keyrack(Path::new(EXAMPLES), &good);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        report,
        json!({
            "file": "library-api.toml", "usable": true, "name": "Library API", "version": "2.3-1",
            "scopes": 3, "endpoints": 13,
            "findings": [
                { "line": 15, "column": 31, "severity": "warning", "message": OVERLAP },
                { "line": 16, "column": 30, "severity": "note", "message": NOTE },
                { "line": 19, "column": 30, "severity": "note", "message": NOTE_OF_PDF },
            ],
        })
    );
    assert_eq!(output.status.code(), Some(0));
}

/// The reviewed example, without its last scope and with one call more in its first.
fn changed_example() -> TempDir {
    let mut file = Catalogue::read(&std::fs::read_to_string(example("library-api.toml")).unwrap())
        .catalogue
        .unwrap()
        .file()
        .clone();
    file.version = "3".into();
    file.scopes.pop();
    let mut endpoint = file.scopes[0].endpoints[0].clone();
    (endpoint.method, endpoint.path) = ("DELETE".into(), "/v2/shelves/{id}".into());
    file.scopes[0].endpoints.push(endpoint);
    folder_with("new.toml", &toml::to_string(&file).unwrap())
}

#[test]
fn diff_tells_what_keys_feel_and_succeeds() {
    let folder = changed_example();
    let old = example("library-api.toml");
    let old = old.to_str().unwrap();
    let output = keyrack(folder.path(), &["catalogue", "diff", old, "new.toml"]);
    assert!(output.status.success());
    let printed = text(&output.stdout);
    assert!(printed.contains("2.3-1 to 3: "), "{printed}");
    assert!(printed.contains("- the scope Members (members) is gone and grants nothing\n"));
    assert!(
        printed
            .contains("- write access to Collection now includes\n    DELETE /v2/shelves/{id}\n")
    );

    let output = keyrack(
        folder.path(),
        &["catalogue", "diff", old, "new.toml", "--json"],
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        report["to"],
        json!({ "name": "Library API", "version": "3" })
    );
    assert_eq!(
        report["changes"][1],
        json!({
            "change": "calls_added",
            "calls": [{ "method": "DELETE", "path": "/v2/shelves/{id}" }],
            "to": { "scope": "collection:write", "title": "Collection" },
        })
    );
}

#[test]
fn diff_of_equal_files_is_empty() {
    let folder = TempDir::new().unwrap();
    let file = example("library-api.toml");
    let file = file.to_str().unwrap();
    let output = keyrack(folder.path(), &["catalogue", "diff", file, file]);
    assert!(output.status.success());
    assert_eq!(
        text(&output.stdout),
        "2.3-1 to 2.3-1: every call needs what it needed\n"
    );
}

#[test]
fn a_missing_file_is_named() {
    let folder = TempDir::new().unwrap();
    let output = keyrack(folder.path(), &["catalogue", "check", "none.toml"]);
    assert!(
        text(&output.stderr).starts_with("keyrack: the catalogue none.toml can't be read: "),
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn serve_refuses_a_bad_file_with_the_words_of_check() {
    let folder = folder_with("bad.toml", BROKEN);
    let config = "catalogue = \"bad.toml\"\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(folder.path().join("keyrack.toml"), config).unwrap();
    for command in ["serve", "config check"] {
        let arguments: Vec<&str> = command.split(' ').collect();
        let output = keyrack(folder.path(), &arguments);
        assert_eq!(
            text(&output.stderr),
            "keyrack: the catalogue bad.toml can't be used:\n\
             bad.toml:1:1: error: the catalogue has no scopes\n\
             bad.toml:3:3: error: scopes is not a key of the catalogue: did you mean scope?\n"
        );
        assert_eq!(output.status.code(), Some(1));
    }
    assert!(!folder.path().join("data").exists(), "nothing was made");
}

#[test]
fn the_worked_example_is_what_the_documentation_says() {
    let document = Document::read(&example("library-api.openapi.yaml")).unwrap();
    let draft = draft(&document).unwrap();
    assert!(
        REFERENCE.contains(&format!("```toml\n{draft}```\n")),
        "put this into docs/catalogue.md:\n{draft}"
    );
    let (draft, reviewed) = (
        checked(&draft),
        checked(&std::fs::read_to_string(example("library-api.toml")).unwrap()),
    );
    assert_eq!(
        (draft.endpoint_count(), reviewed.endpoint_count()),
        (13, 13)
    );
    for (method, path, in_draft, after_review) in [
        ("GET", "/v2/books/1", "catalog:read", "collection:read"),
        ("HEAD", "/v2/books/1", "catalog:read", "collection:read"),
        (
            "POST",
            "/v2/books/search",
            "catalog:write",
            "collection:read",
        ),
        ("GET", "/v2/loans/1/return", "loans:read", "loans:write"),
        (
            "PUT",
            "/v2/members/0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69/card",
            "members:write",
            "members:write",
        ),
        ("PUT", "/v2/members/1/card", "refused", "refused"),
        ("GET", "/v2/loans/late/return", "refused", "refused"),
        ("GET", "/v2/status", "other:read", "collection:read"),
        ("GET", "/books/1", "refused", "refused"),
        ("PATCH", "/v2/books/1", "refused", "refused"),
    ] {
        let answer = |catalogue: &Catalogue| {
            let found = catalogue.find(method, path);
            found.map_or("refused".to_owned(), |r| {
                r.scope.name.at(r.level).to_string()
            })
        };
        let answers = (answer(&draft), answer(&reviewed));
        assert_eq!(
            answers,
            (in_draft.to_owned(), after_review.to_owned()),
            "{method} {path}"
        );
    }
}

/// The paths of a draft from a document with these paths and what stands beside them.
fn drafted_paths(paths: Value, beside: Value) -> (Vec<String>, String) {
    let mut document = json!({ "openapi": "3.1.0", "info": { "title": "T", "version": "1" } });
    document["paths"] = paths;
    for (key, value) in beside.as_object().unwrap() {
        document[key] = value.clone();
    }
    let document = Document::parse(&document.to_string(), Format::Json).unwrap();
    let text = draft(&document).unwrap();
    let catalogue = checked(&text);
    let endpoints = catalogue.scopes().iter().flat_map(|scope| &scope.endpoints);
    let paths = endpoints.map(|endpoint| endpoint.path.clone());
    (paths.collect(), text)
}

#[test]
fn import_gives_parameters_the_kinds_that_the_document_says() {
    let in_path = |what: Value| {
        let mut parameter = json!({ "name": "id", "in": "path", "required": true });
        for (key, value) in what.as_object().unwrap() {
            parameter[key] = value.clone();
        }
        parameter
    };
    let schema = |schema: Value| in_path(json!({ "schema": schema }));
    let components = json!({ "components": {
        "parameters": { "Id": schema(json!({ "$ref": "#/components/schemas/Id" })) },
        "schemas": {
            "Id": { "type": "string", "format": "uuid" },
            "Odd": true,
            "Loop": { "$ref": "#/components/schemas/Loop" },
        },
        "responses": { "X": { "description": "x" } },
    }, "parameters": { "Id": in_path(json!({ "type": "string", "format": "date" })) } });
    for (parameter, kind) in [
        (
            schema(json!({ "type": "string", "format": "uuid" })),
            ":uuid",
        ),
        (
            schema(json!({ "type": "string", "format": "date" })),
            ":date",
        ),
        (
            schema(json!({ "type": "integer", "format": "int64" })),
            ":integer",
        ),
        (
            schema(json!({ "type": "integer", "minimum": 0 })),
            ":integer",
        ),
        (schema(json!({ "type": "integer", "minimum": -1 })), ""),
        (schema(json!({ "type": "string" })), ""),
        (
            schema(json!({ "type": "string", "format": "date-time" })),
            "",
        ),
        (schema(json!({ "type": "number" })), ""),
        (schema(json!(true)), ""),
        (
            schema(json!({ "type": ["string", "null"], "format": "uuid" })),
            "",
        ),
        (
            schema(json!({ "$ref": "#/components/schemas/Id" })),
            ":uuid",
        ),
        (schema(json!({ "$ref": "#/components/schemas/Odd" })), ""),
        (schema(json!({ "$ref": "#/components/schemas/Loop" })), ""),
        (schema(json!({ "$ref": "other.json#/Id" })), ""),
        (json!({ "$ref": "#/components/parameters/Id" }), ":uuid"),
        // As Swagger 2 says it.
        (
            in_path(json!({ "type": "string", "format": "uuid" })),
            ":uuid",
        ),
        (json!({ "$ref": "#/parameters/Id" }), ":date"),
        // Of something else than the path.
        (
            json!({ "name": "id", "in": "query", "schema": { "type": "integer" } }),
            "",
        ),
        (json!("nonsense"), ""),
    ] {
        let paths = json!({ "/x/{id}": { "parameters": [parameter], "get": {} } });
        let (paths, _) = drafted_paths(paths, components.clone());
        assert_eq!(paths, [format!("/x/{{id{kind}}}")], "{parameter}");
    }
    // What an operation says of a parameter goes before what its path says; in one place all have one kind.
    let of = |kind: &str| json!([schema(json!({ "type": "string", "format": kind }))]);
    let paths = json!({
        "/a/{id}": { "parameters": of("date"), "get": { "parameters": of("uuid") } },
        "/b/{id}": { "parameters": of("date"), "get": { "parameters": of("uuid") }, "put": {} },
        "/b/{id}/c/{id}": { "parameters": of("uuid"), "get": {} },
    });
    let (paths, text) = drafted_paths(paths, json!({}));
    assert_eq!(
        paths,
        ["/a/{id:uuid}", "/b/{id}", "/b/{id}", "/b/{id}/c/{id:uuid}"]
    );
    assert!(
        text.contains("# - /b/{}: the last parameter has no kind"),
        "{text}"
    );
}

#[test]
fn import_writes_a_new_file_and_never_over_an_old_one() {
    let folder = TempDir::new().unwrap();
    let source = example("library-api.openapi.yaml").display().to_string();
    let import = ["catalogue", "import", &source, "--out", "draft.toml"];
    let output = keyrack(folder.path(), &import);
    assert_eq!(
        text(&output.stdout),
        "draft.toml: Library API, 4 scopes, 13 endpoints, version 2.3-draft\n"
    );
    assert_eq!(output.status.code(), Some(0));
    let written = std::fs::read_to_string(folder.path().join("draft.toml")).unwrap();

    let printed = keyrack(folder.path(), &["catalogue", "import", &source]);
    assert_eq!(text(&printed.stdout), written);

    std::fs::write(folder.path().join("draft.toml"), "reviewed").unwrap();
    let output = keyrack(folder.path(), &import);
    assert!(text(&output.stderr).starts_with("keyrack: the draft draft.toml can't be written: "));
    assert_eq!(output.status.code(), Some(1));
    let kept = std::fs::read_to_string(folder.path().join("draft.toml")).unwrap();
    assert_eq!(kept, "reviewed");
}

#[test]
fn import_says_why_a_document_cant_be_imported() {
    let good = r#"{ "openapi": "3.0.3", "info": { "title": "T", "version": "1" } }"#;
    for (name, content, reason) in [
        ("a.txt", good, "must be a file .json, .yaml or .yml"),
        ("a.json", good, "it has no operations"),
        ("a.json", "{}", "missing field `info` at line 1 column 2"),
        (
            "a.json",
            &good.replace("3.0.3", "4.0.0"),
            "neither OpenAPI 3 nor Swagger 2",
        ),
        (
            "a.json",
            &good.replace("openapi", "asyncapi"),
            "neither openapi nor swagger",
        ),
        ("a.yaml", "openapi: 3.0.3\ninfo: [\n", "at line 2, column 7"),
        (
            "a.json",
            &"[".repeat(1000),
            "recursion limit exceeded at line 1 column 128",
        ),
        (
            "a.yaml",
            &format!("x: {}", "[".repeat(1000)),
            "recursion limit exceeded at line 1, column 259",
        ),
        (
            "a.yaml",
            &"#\n".repeat(17 * 1024 * 1024),
            "larger than 32 MiB",
        ),
    ] {
        let folder = folder_with(name, content);
        let output = keyrack(folder.path(), &["catalogue", "import", name]);
        let said = text(&output.stderr);
        assert!(
            said.starts_with(&format!("keyrack: the document {name} ")) && said.contains(reason),
            "{reason}: {said}"
        );
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    }
}

#[test]
fn alias_bombs_are_refused_before_they_go_off() {
    let head = "openapi: 3.0.3\ninfo: { title: T, version: '1' }\n";
    // Each line holds the one before ten times: 10^9 texts in the last.
    let mut nested = format!("{head}a0: &a0 boom\n");
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(nested, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    // One large text, many times.
    let tags = "- { name: t, description: *a }\n".repeat(900);
    let large = format!("{head}a: &a {}\ntags:\n{tags}", "x".repeat(500_000));
    let many = format!("{head}a: &a x\nb: [{}]\n", "*a, ".repeat(5_000));
    for bomb in [nested, large, many] {
        let started = std::time::Instant::now();
        let refused = Document::parse(&bomb, Format::Yaml)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("budget") || refused.contains("alias"),
            "{refused}"
        );
        assert!(started.elapsed().as_secs() < 5);
    }
    let harmless = format!("{head}a: &a [Books]\npaths: {{ /b: {{ get: {{ tags: *a }} }} }}\n");
    let draft = draft(&Document::parse(&harmless, Format::Yaml).unwrap()).unwrap();
    assert!(checked(&draft).find("GET", "/b").is_ok());
}

#[test]
fn the_base_path_is_that_of_the_nearest_server() {
    let mut api = document(json!({
        "/a": { "get": {} },
        "/b": { "servers": [{ "url": "/item" }], "get": {}, "post": { "servers": [{ "url": "/" }] } },
    }));
    for (server, base) in [
        (json!({ "url": "https://api.example.com" }), ""),
        (json!({ "url": "https://api.example.com/v1/" }), "/v1"),
        (json!({ "url": "/v1/x" }), "/v1/x"),
        (
            json!({ "url": "{scheme}://a/{v}", "variables": {
            "scheme": { "default": "https" }, "v": { "default": "v3" } } }),
            "/v3",
        ),
    ] {
        api["servers"] = json!([server, { "url": "https://other.example.com/unused" }]);
        let catalogue = checked(&drafted(&api).unwrap());
        assert!(
            catalogue.find("GET", &format!("{base}/a")).is_ok(),
            "{server}"
        );
        assert!(catalogue.find("GET", "/item/b").is_ok());
        assert!(catalogue.find("POST", "/b").is_ok());
    }
    let mut swagger = document(json!({ "/a": { "get": {} } }));
    swagger["swagger"] = json!("2.0");
    swagger["openapi"].take();
    swagger["basePath"] = json!("/old");
    assert!(
        checked(&drafted(&swagger).unwrap())
            .find("GET", "/old/a")
            .is_ok()
    );
}

#[test]
fn tags_become_wire_names_that_no_two_share() {
    let tags = [
        "Users",
        "users",
        "SSE Events",
        "PetStore",
        "2nd",
        "会员",
        "Other",
        "_",
    ];
    let long = "a".repeat(60);
    let mut paths = Map::new();
    for (index, tag) in tags.into_iter().chain([&*long]).enumerate() {
        paths.insert(format!("/{index}"), json!({ "get": { "tags": [tag] } }));
    }
    paths.insert("/none".to_owned(), json!({ "get": {} }));
    let catalogue = checked(&drafted(&document(paths.into())).unwrap());
    let names: Vec<&str> = catalogue.scopes().iter().map(|s| s.name.as_str()).collect();
    assert_eq!(
        names,
        [
            &*"a".repeat(36),
            "other_2",
            "pet_store",
            "scope",
            "scope_2",
            "scope_2nd",
            "sse_events",
            "users",
            "users_2",
            "other",
        ]
    );
}

#[test]
fn what_cant_be_in_a_catalogue_is_left_out_and_named() {
    let draft = drafted(&document(json!({
        "x-note": "not a path",
        "/good": { "get": { "deprecated": true, "summary": "Look\n# not a comment\u{1b}[31m." } },
        "/a/{x}": { "get": {} },
        "/a/{y}": { "get": {} },
        "/b//": { "get": {} },
        "/c/{x}-{y}": { "post": {} },
        "/d": { "trace": {}, "query": {} },
        "/e": { "$ref": "#/components/pathItems/e" },
    })))
    .unwrap();
    let catalogue = checked(&draft);
    assert_eq!(catalogue.endpoint_count(), 2);
    assert_eq!(
        catalogue.scopes()[1].endpoints[0].summary,
        "Look # not a comment [31m (deprecated)"
    );
    for left_out in [
        "GET /a/{y}: never reached",
        "GET /b//: the path can't be matched",
        "POST /c/{x}-{y}: a segment has one parameter at most",
        "TRACE /d: the method must be",
        "QUERY /d: the method must be",
        "left out: /e: its $ref, #/components/pathItems/e, is not in this document",
    ] {
        assert!(draft.contains(left_out), "{left_out}: {draft}");
    }
}

#[test]
fn a_tag_of_blanks_still_has_a_title() {
    let paths = json!({ "/books": { "get": { "tags": [" "] } } });
    let draft = checked(&drafted(&document(paths)).unwrap());
    assert_eq!(draft.scopes()[0].title, "Untitled");
}

#[test]
fn a_document_with_too_many_tags_is_drafted_with_what_to_merge() {
    let mut paths = Map::new();
    for index in 10..75 {
        let operation = json!({ "tags": [format!("t{index}")] });
        paths.insert(format!("/{index}"), json!({ "get": operation }));
    }
    paths.insert("/74/more".into(), json!({ "get": { "tags": ["t74"] } }));
    let draft = drafted(&document(paths.into())).unwrap();
    let catalogue = checked(&draft);
    assert_eq!(
        (catalogue.scopes().len(), catalogue.endpoint_count()),
        (64, 66)
    );
    for note in [
        "# - 65 scopes are more than the 64 that a catalogue takes",
        "# - together in \"rest\": t72, t73\n",
    ] {
        assert!(draft.contains(note), "{note}: {draft}");
    }
    let scope = |path| catalogue.find("GET", path).unwrap().scope.name.as_str();
    assert_eq!(
        (scope("/72"), scope("/73"), scope("/74")),
        ("rest", "rest", "t74")
    );
}

#[test]
fn a_document_without_tags_has_scopes_of_its_paths() {
    let draft = drafted(&document(json!({
        "/api/v1/pets/{id}": { "get": {} },
        "/api/v1/pets": { "post": { "tags": [] } },
        "/api/v2beta1/owners/": { "get": { "tags": null } },
        "/{id}/x": { "get": {} },
        "/": { "get": {} },
    })))
    .unwrap();
    let catalogue = checked(&draft);
    for (method, path, scope) in [
        ("GET", "/api/v1/pets/7", "pets"),
        ("POST", "/api/v1/pets", "pets"),
        ("GET", "/api/v2beta1/owners/", "owners"),
        ("GET", "/7/x", "other"),
        ("GET", "/", "other"),
    ] {
        let found = catalogue.find(method, path).unwrap();
        assert_eq!(found.scope.name.as_str(), scope, "{path}");
    }
    assert!(
        draft.contains("# - no operation has a tag, so scopes come from"),
        "{draft}"
    );
}

#[test]
fn what_real_documents_write_is_understood() {
    let mut api = document(json!({
        "/a": { "get": { "tags": null, "summary": 7, "description": null, "deprecated": null } },
        "/b": { "$ref": "#/components/pathItems/b" },
        "/c": { "$ref": "#/paths/~1a" },
        "/d": { "$ref": "other.json#/d" },
        "/e": null,
        "/f?x=1": { "post": {} },
        "/f?x=2": { "post": {} },
        "/g?q={q}": { "get": {} },
        "/{a b}/{+c}": { "get": {} },
    }));
    api["info"] = json!({ "title": null, "version": 1.5 });
    api["tags"] = json!(null);
    api["servers"] = json!([{ "url": "https://{host}:{port}/v{n}/?x", "variables": {
        "n": { "default": 3 }, "port": { "default": 443 },
    } }]);
    api["components"] = json!({ "pathItems": { "b": { "put": {} } } });
    let draft = drafted(&api).unwrap();
    let catalogue = checked(&draft);
    assert_eq!(
        (catalogue.name(), catalogue.version()),
        ("API", "1.5-draft")
    );
    for (method, path) in [
        ("GET", "/v3/a"),
        ("PUT", "/v3/b"),
        ("GET", "/v3/c"),
        ("GET", "/v3/x/y"),
        ("GET", "/v3/g"),
    ] {
        assert!(catalogue.find(method, path).is_ok(), "{path}: {draft}");
    }
    assert_eq!(catalogue.endpoint_count(), 5);
    for note in [
        "left out: /d: its $ref, other.json#/d, is not in this document",
        "left out: POST /v3/f?x=1: ?x=1 is no part of a path, so this is the same call as other operations; \
         add POST /v3/f yourself, if one scope may have them all",
        "left out: POST /v3/f?x=2: ?x=2 is no part of a path",
        "GET /v3/g: without ?q={q}, which is no part of a path",
    ] {
        assert!(draft.contains(note), "{note}: {draft}");
    }
    let folder = folder_with("bom.json", &format!("\u{feff}{api}"));
    let read = Document::read(&folder.path().join("bom.json")).unwrap();
    assert_eq!(server::catalogue::draft(&read).unwrap(), draft);
}

#[test]
fn a_document_that_has_nothing_to_list_says_why() {
    let long = "x".repeat(250);
    let actions = (0..50).map(|n| (format!("/#Action={long}{n}"), json!({ "post": {} })));
    let mut paths: Map<_, _> = actions.collect();
    paths.insert("/x".to_owned(), json!({ "trace": {} }));
    let error = format!("{:#}", drafted(&document(json!(paths))).unwrap_err());
    assert!(error.starts_with("it has no operation that a catalogue can list\n"));
    for n in 0..50 {
        let action = format!("#Action={long}{n}");
        let reason = format!("\n- left out: POST /{action}: {action} is no part of a path, so");
        assert!(error.contains(&reason), "{reason}: {error}");
    }
    assert!(error.contains("TRACE /x: the method must be"), "{error}");
    assert_eq!(error.matches("\n- left out: ").count(), 51);
    let nothing = drafted(&document(json!({}))).unwrap_err();
    assert_eq!(nothing.to_string(), "it has no operations");
}

fn operation() -> impl Strategy<Value = Value> {
    let tag = prop_oneof![".{0,50}", "[a-zA-Z _-]{0,50}"];
    let tags = proptest::collection::vec(tag, 0..3);
    (tags, proptest::option::of(".{0,300}"), any::<bool>()).prop_map(|(tags, summary, marked)| {
        let mut operation = json!({ "tags": tags, "deprecated": marked, "x-internal": !marked });
        if let Some(summary) = summary {
            operation["summary"] = summary.into();
        }
        operation
    })
}

fn documents() -> impl Strategy<Value = Value> {
    let segment = prop_oneof![
        select(vec!["books", "{id}", "{a-b}", "{x}.pdf", "", ".."]).prop_map(str::to_owned),
        ".{0,8}",
    ];
    let path = proptest::collection::vec(segment, 0..4).prop_map(|s| format!("/{}", s.join("/")));
    let method = select(vec![
        "get", "head", "options", "post", "put", "patch", "delete", "trace",
    ]);
    let item = proptest::collection::btree_map(method, operation(), 0..3);
    let paths = proptest::collection::btree_map(path, item, 0..8);
    (".*", ".*", ".*", paths).prop_map(|(title, version, server, paths)| {
        let mut api = document(json!(paths));
        api["info"] = json!({ "title": title, "version": version });
        api["servers"] = json!([{ "url": server }, { "url": "/v1" }]);
        api
    })
}

proptest! {
    #[test]
    fn any_draft_checks_without_an_error(api in documents()) {
        let text = api.to_string();
        match draft(&Document::parse(&text, Format::Json).unwrap()) {
            Ok(draft) => { checked(&draft); }
            Err(error) => prop_assert!(
                error.to_string().starts_with("it has no operation")
            ),
        }
    }

    #[test]
    fn any_text_is_parsed_without_panic(text in ".*") {
        let _ = Document::parse(&text, Format::Json);
        let _ = Document::parse(&text, Format::Yaml);
    }
}

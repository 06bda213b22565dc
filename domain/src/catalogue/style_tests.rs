//! How APIs write their paths: slashes at the end, verbs behind a colon, extensions, keys in
//! parentheses, the root. Each is matched exactly, and no path is read in two ways.

use std::cmp::Reverse;

use proptest::prelude::*;
use proptest::sample::select;

use super::tests::{answer, catalogue, faults, file};
use super::*;

#[test]
fn a_slash_at_the_end_makes_another_path() {
    let catalogue = catalogue(
        "a GET /users/
         b GET /users/{id}/
         c GET /users/{id}/posts
         d GET /users
         d GET /
         e GET /groups/
         e GET /groups/{id}
         e GET /groups/search/",
    );
    for (path, wanted) in [
        ("/users/", Ok("a:read /users/")),
        ("/users", Ok("d:read /users")),
        ("/users/7/", Ok("b:read /users/{id}/")),
        ("/users/7", Err(Refusal::UnknownPath)),
        ("/users/7/posts", Ok("c:read /users/{id}/posts")),
        ("/users/7/posts/", Err(Refusal::UnknownPath)),
        ("/", Ok("d:read /")),
        ("/groups", Err(Refusal::UnknownPath)),
        ("/groups/7", Ok("e:read /groups/{id}")),
        ("/groups/7/", Err(Refusal::UnknownPath)),
        ("/groups/search/", Ok("e:read /groups/search/")),
        // With or without the slash, it is no group.
        ("/groups/search", Err(Refusal::VariantOfLiteral)),
        ("/groups/Search", Err(Refusal::VariantOfLiteral)),
        ("/groups/%20", Err(Refusal::VariantOfLiteral)),
        ("/users//", Err(PathFault::EmptySegment.into())),
        ("//", Err(PathFault::EmptySegment.into())),
    ] {
        let wanted = wanted.map(str::to_owned);
        assert_eq!(answer(&catalogue, "GET", path), wanted, "{path}");
    }
}

#[test]
fn a_path_whose_twin_with_a_slash_is_listed_is_no_value() {
    let catalogue = catalogue("a GET /books/{id}/\nb GET /books/search");
    for (path, wanted) in [
        ("/books/7/", Ok("a:read /books/{id}/")),
        ("/books/search", Ok("b:read /books/search")),
        ("/books/search/", Err(Refusal::VariantOfLiteral)),
        ("/books/SEARCH/", Err(Refusal::VariantOfLiteral)),
    ] {
        let wanted = wanted.map(str::to_owned);
        assert_eq!(answer(&catalogue, "GET", path), wanted, "{path}");
    }
}

#[test]
fn text_around_a_parameter_is_matched_exactly() {
    let catalogue = catalogue(
        "a GET /v1/{name}
         b POST /v1/{name}:cancel
         b POST /v1/{name}:undelete
         c GET /o/users('{id:integer}')
         c GET /o/users
         d GET /r/{id}.json
         d GET /r/{id}.geo.json
         e GET /r/{id}
         f GET /r/index.json
         g GET /w/v{version:integer}",
    );
    for (method, path, wanted) in [
        ("GET", "/v1/7", Ok("a:read /v1/{name}")),
        ("POST", "/v1/7:cancel", Ok("b:write /v1/{name}:cancel")),
        ("POST", "/v1/7:8:cancel", Ok("b:write /v1/{name}:cancel")),
        ("GET", "/v1/7:cancel", Err(Refusal::MethodNotInCatalogue)),
        ("GET", "/v1/7:Cancel", Err(Refusal::VariantOfLiteral)),
        ("GET", "/v1/7:cancel.json", Err(Refusal::VariantOfLiteral)),
        ("GET", "/v1/7:cancel~", Err(Refusal::VariantOfLiteral)),
        ("GET", "/v1/7:cancelled", Ok("a:read /v1/{name}")),
        ("GET", "/v1/:cancel", Ok("a:read /v1/{name}")),
        (
            "GET",
            "/o/users('7')",
            Ok("c:read /o/users('{id:integer}')"),
        ),
        (
            "GET",
            "/o/users(%277%27)",
            Ok("c:read /o/users('{id:integer}')"),
        ),
        ("GET", "/o/users('x')", Err(Refusal::WrongKind)),
        ("GET", "/o/users('')", Err(Refusal::UnknownPath)),
        ("GET", "/o/Users('7')", Err(Refusal::UnknownPath)),
        ("GET", "/o/users(7)", Err(Refusal::UnknownPath)),
        ("GET", "/o/users", Ok("c:read /o/users")),
        ("GET", "/r/7.json", Ok("d:read /r/{id}.json")),
        ("GET", "/r/7.geo.json", Ok("d:read /r/{id}.geo.json")),
        ("GET", "/r/7.GEO.json", Err(Refusal::VariantOfLiteral)),
        ("GET", "/r/7.JSON", Err(Refusal::VariantOfLiteral)),
        ("GET", "/r/7.json.gz", Err(Refusal::VariantOfLiteral)),
        ("GET", "/r/7.xml", Ok("e:read /r/{id}")),
        ("GET", "/r/7", Ok("e:read /r/{id}")),
        ("GET", "/r/index.json", Ok("f:read /r/index.json")),
        ("GET", "/r/Index.json", Err(Refusal::VariantOfLiteral)),
        ("GET", "/r/.json", Ok("e:read /r/{id}")),
        ("GET", "/w/v7", Ok("g:read /w/v{version:integer}")),
        ("GET", "/w/v", Err(Refusal::UnknownPath)),
        ("GET", "/w/vx", Err(Refusal::WrongKind)),
    ] {
        let wanted = wanted.map(str::to_owned);
        assert_eq!(answer(&catalogue, method, path), wanted, "{method} {path}");
    }
}

#[test]
fn no_two_rules_are_one_call() {
    for (lines, fault) in [
        ("a GET /{x}:go\nb GET /{y}:go", "same call already: /{x}:go"),
        ("a GET /x/\nb GET /x/", "same call already: /x/"),
        ("a GET /{x*}\nb GET /{y*}", "same call already: /{x*}"),
        ("a GET /{x}.a\nb GET /{x:uuid}.a", "all have the same kind"),
        ("a GET /{x}{y}", "one parameter at most"),
        ("a GET /{x}-{y}", "one parameter at most"),
        ("a GET /a{x}/b{", "one parameter at most"),
        ("a GET /}{x}", "one parameter at most"),
        ("a GET /%{x}", "no place there"),
        ("a GET /{x};v", "no place there"),
    ] {
        let error = Catalogue::try_from(file(lines)).unwrap_err();
        assert_eq!(faults(&error).len(), 1);
        assert!(error.to_string().contains(fault), "{error}");
    }
}

#[test]
fn changes_tell_the_new_paths_apart() {
    let before = catalogue("a GET /{x}:go\na GET /x\na GET /{p*}\na GET /b/{x}.json");
    let now = catalogue("a GET /{y}:go\na GET /x/\na GET /{q*}\na GET /b/{x:uuid}.json");
    let changes: Vec<String> = now
        .changes_since(&before)
        .iter()
        .flat_map(|change| {
            let change_words = change.to_string();
            change
                .calls()
                .iter()
                .map(move |call| format!("{change_words}: {call}"))
        })
        .collect();
    assert_eq!(
        changes,
        [
            "read access to A title now includes: GET /x/",
            "read access to A title takes other values than before in: GET /b/{x:uuid}.json",
            "read access to A title no longer includes, nor does any other: GET /x",
        ]
    );
}

#[test]
fn an_example_of_each_style_is_its_own_call() {
    for path in [
        "/x/",
        "/{x}:go",
        "/{x:date}.json",
        "/o('{id}')",
        "/f/{p*}",
        "/{s:slashes}",
        "/",
    ] {
        let catalogue = catalogue(&format!("a GET {path}"));
        let (method, example) = catalogue.example(|_, _| true).unwrap();
        let found = catalogue.find(method.as_str(), &example).unwrap();
        assert_eq!(found.template, path);
    }
}

/// A segment of the model: what a template's segment is, told in code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Literal(&'static str),
    Around(&'static str, &'static str),
    Value,
    Rest,
}

const PARTS: [Part; 11] = [
    Part::Literal("a"),
    Part::Literal("b"),
    Part::Literal("a:go"),
    Part::Literal("b.json"),
    Part::Around("", ":go"),
    Part::Around("", ".json"),
    Part::Around("a", ""),
    Part::Around("a", "b"),
    Part::Around("f('", "')"),
    Part::Value,
    Part::Value,
];

fn templates() -> impl Strategy<Value = Vec<Vec<Part>>> {
    let end = select(vec![
        None,
        None,
        None,
        Some(Part::Literal("")),
        Some(Part::Rest),
    ]);
    let template = (proptest::collection::vec(select(PARTS.to_vec()), 0..4), end).prop_map(
        |(mut parts, end)| {
            // `//` is no path.
            parts.extend(end.filter(|end| *end == Part::Rest || !parts.is_empty()));
            parts
        },
    );
    proptest::collection::btree_set(template, 1..10).prop_map(|set| set.into_iter().collect())
}

fn written(template: &[Part]) -> String {
    let segments: Vec<String> = template
        .iter()
        .map(|part| match part {
            Part::Literal(text) => (*text).to_owned(),
            Part::Around(before, behind) => format!("{before}{{x}}{behind}"),
            Part::Value => "{x}".to_owned(),
            Part::Rest => "{x*}".to_owned(),
        })
        .collect();
    format!("/{}", segments.join("/"))
}

fn paths() -> impl Strategy<Value = String> {
    let segment = select(vec![
        "a",
        "b",
        "c",
        "ab",
        "a:go",
        "b:go",
        "ab:go",
        "c:go:go",
        "b.json",
        "c.json",
        "ab.json",
        "f('a')",
        "f('b.json')",
        "acb",
        "a.json:go",
    ]);
    let end = select(vec!["", "", "", "/"]);
    (proptest::collection::vec(segment, 0..5), end).prop_map(|(segments, end)| {
        let path = format!("/{}", segments.join("/"));
        if segments.is_empty() {
            path
        } else {
            path + end
        }
    })
}

/// Whether a template matches a path, word for word.
fn matches(template: &[Part], path: &[&str]) -> bool {
    match (template, path) {
        ([], []) => true,
        ([Part::Rest], [_, ..]) => path.iter().all(|segment| !segment.is_empty()),
        ([part, parts @ ..], [segment, segments @ ..]) => {
            let here = match part {
                Part::Literal(text) => text == segment,
                Part::Around(before, behind) => {
                    segment.len() > before.len() + behind.len()
                        && segment.starts_with(before)
                        && segment.ends_with(behind)
                }
                Part::Value => !segment.is_empty(),
                Part::Rest => false,
            };
            here && matches(parts, segments)
        }
        _ => false,
    }
}

/// Smaller is more exact.
fn exactness(template: &[Part]) -> Vec<(u8, Reverse<usize>, Reverse<usize>)> {
    let of = |part: &Part| match part {
        Part::Literal(_) => (0, Reverse(0), Reverse(0)),
        Part::Around(before, behind) => (1, Reverse(before.len()), Reverse(behind.len())),
        Part::Value => (2, Reverse(0), Reverse(0)),
        Part::Rest => (3, Reverse(0), Reverse(0)),
    };
    template.iter().map(of).collect()
}

fn of_all(templates: &[Vec<Part>]) -> Catalogue {
    let lines = templates.iter().enumerate();
    let lines: Vec<String> = lines
        .map(|(index, template)| format!("s{index} GET {}", written(template)))
        .collect();
    catalogue(&lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Which rule decides is one and the same for the tree and for a reader who compares each
    /// template with the path: of those that match no two are equally exact, and the most exact one
    /// decides or the path is refused as readable in two ways; another one never does.
    #[test]
    fn no_path_is_decided_by_two_rules(templates in templates(), path in paths()) {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let segments = if path == "/" { Vec::new() } else { segments };
        let mut matching: Vec<_> = templates.iter().filter(|t| matches(t, &segments)).collect();
        matching.sort_by_key(|template| exactness(template));
        let apart = matching.windows(2).all(|two| exactness(two[0]) != exactness(two[1]));
        prop_assert!(apart, "{:?}", matching);
        let all = of_all(&templates);
        let found = all.find("GET", &path).map(|found| found.template.to_owned());
        match matching.first() {
            None => prop_assert_eq!(found, Err(Refusal::UnknownPath)),
            Some(best) => {
                let wanted = Ok(written(best));
                prop_assert!(found == wanted || found == Err(Refusal::VariantOfLiteral), "{:?}", found);
                // Alone it takes the path: the refusal was for the sake of another.
                let alone = of_all(std::slice::from_ref(best));
                let found = alone.find("GET", &path).map(|found| found.template.to_owned());
                prop_assert_eq!(found, wanted);
            }
        }
    }

    /// The order of the file decides nothing.
    #[test]
    fn the_order_of_rules_decides_nothing(templates in templates(), path in paths()) {
        let mut reversed = templates.clone();
        reversed.reverse();
        let (one, other) = (of_all(&templates), of_all(&reversed));
        prop_assert_eq!(
            one.find("GET", &path).map(|found| found.template),
            other.find("GET", &path).map(|found| found.template)
        );
    }

    /// A slash at the end is in the template as it is in the path.
    #[test]
    fn a_slash_at_the_end_never_comes_or_goes(templates in templates(), path in paths()) {
        if let Ok(found) = of_all(&templates).find("GET", &path) {
            prop_assert_eq!(found.template.ends_with('/'), path.ends_with('/'));
        }
    }

    /// Two scopes for one path are never passed over in silence.
    #[test]
    fn a_path_of_two_rules_is_warned_of(templates in templates(), path in paths()) {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        if templates.iter().filter(|template| matches(template, &segments)).count() > 1 {
            prop_assert!(!overlap::of(&of_all(&templates)).is_empty());
        }
    }
}

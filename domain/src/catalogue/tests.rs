//! The rules of catalogues. Long tables: each row is a path that somebody could try.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const SHIPPED: &str = include_str!("../../../catalogue/alpaca-broker.toml");
const PUBLISHED: &str = include_str!("../../tests/data/broker-endpoints.tsv");

pub(super) fn shipped() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| toml::from_str(SHIPPED).unwrap());
    &CATALOGUE
}

/// A catalogue from lines of `scope METHOD path`, with a level or `public` behind.
pub(super) fn file(lines: &str) -> CatalogueFile {
    let mut scopes: Vec<ScopeEntry> = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        if scopes.last().is_none_or(|scope| scope.name != words[0]) {
            scopes.push(ScopeEntry {
                name: words[0].to_owned(),
                title: "A title".to_owned(),
                description: String::new(),
                endpoints: Vec::new(),
            });
        }
        scopes.last_mut().unwrap().endpoints.push(EndpointEntry {
            method: words[1].to_owned(),
            path: words[2].to_owned(),
            summary: String::new(),
            access: (words.get(3) == Some(&"public")).then_some(EndpointAccess::Public),
            reserved: false,
            level: (words.get(3).filter(|word| **word != "public"))
                .map(|word| word.parse().unwrap()),
        });
    }
    CatalogueFile {
        name: "A test".to_owned(),
        version: "1".to_owned(),
        scopes,
    }
}

pub(super) fn catalogue(lines: &str) -> Catalogue {
    file(lines).try_into().unwrap()
}

pub(super) fn faults(error: &InvalidCatalogue) -> Vec<Fault> {
    let problems = error.problems().iter();
    problems.map(|problem| problem.fault.clone()).collect()
}

/// `scope:level template`, or the refusal.
pub(super) fn answer(catalogue: &Catalogue, method: &str, path: &str) -> Result<String, Refusal> {
    let found = catalogue.find(method, path)?;
    Ok(format!(
        "{} {}",
        found.scope.name.at(found.level),
        found.template
    ))
}

/// A path that a template matches and, with the shipped file, no more literal one.
fn sample(template: &str) -> String {
    let value = |segment: &str| match segment {
        "{symbol}" | "{symbol_or_asset_id}" => "BRK.B",
        _ if segment.starts_with('{') => "0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69",
        _ => "",
    };
    template
        .split('/')
        .map(|segment| match value(segment) {
            "" => segment,
            value => value,
        })
        .collect::<Vec<_>>()
        .join("/")
}

/// Alpaca's documents say in another place what a parameter takes.
fn without_kinds(path: &str) -> String {
    Kind::ALL.iter().fold(path.to_owned(), |path, kind| {
        path.replace(&format!(":{kind}}}"), "}")
    })
}

#[test]
fn every_published_endpoint_matches_one_rule_of_its_scope_and_level() {
    let catalogue = shipped();
    let mut rows = 0;
    for row in PUBLISHED.lines().skip(1) {
        let [method, path, scope, level] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let wanted = format!("{scope}:{level} {path}");
        let found = answer(catalogue, method, &sample(path)).map(|found| without_kinds(&found));
        assert_eq!(found, Ok(wanted), "{row}");
        let listed = catalogue.scopes().iter().flat_map(|scope| &scope.endpoints);
        let same = listed.filter(|e| e.method.as_str() == method && without_kinds(&e.path) == path);
        assert_eq!(same.count(), 1, "{row}");
        rows += 1;
    }
    assert_eq!(rows, 90);
}

#[test]
fn every_shipped_rule_is_reachable() {
    let catalogue = shipped();
    for scope in catalogue.scopes() {
        for endpoint in &scope.endpoints {
            let found = catalogue
                .find(endpoint.method.as_str(), &sample(&endpoint.path))
                .unwrap();
            assert_eq!(
                found,
                Requirement {
                    scope,
                    level: endpoint.level,
                    public: false,
                    listed: endpoint.method,
                    template: &endpoint.path
                }
            );
        }
    }
    assert!(catalogue.endpoint_count() > 190);
}

#[test]
fn the_shipped_catalogue_has_the_ten_scopes_in_order() {
    let catalogue = shipped();
    let titles: Vec<&str> = catalogue
        .scopes()
        .iter()
        .map(|scope| &*scope.title)
        .collect();
    assert_eq!(
        titles,
        [
            "Accounts",
            "Funding",
            "Admin",
            "Crypto",
            "Rebalancing",
            "Trading",
            "Journaling",
            "Data",
            "Reporting",
            "SSE events",
        ]
    );
    let reading: Vec<&str> = catalogue
        .scopes()
        .iter()
        .filter(|scope| scope.all_reads())
        .map(|scope| scope.name.as_str())
        .collect();
    assert_eq!(reading, ["data", "reporting", "sse_events"]);
    let trading = catalogue.scope(&"trading".parse().unwrap()).unwrap();
    assert_eq!(trading.title, "Trading");
    assert!(catalogue.scope(&"nothing".parse().unwrap()).is_none());
}

#[test]
fn the_shipped_summaries_are_short_and_in_sentence_case() {
    for scope in shipped().scopes() {
        assert!(scope.description.ends_with('.'), "{}", scope.title);
        for Endpoint { summary, .. } in &scope.endpoints {
            assert!(summary.starts_with(char::is_uppercase), "{summary}");
            assert!(!summary.ends_with('.') && summary.len() <= 48, "{summary}");
        }
    }
}

#[test]
fn an_endpoints_level_overrides_its_methods() {
    let catalogue = catalogue(
        "a GET /look
         a POST /look
         a POST /search read
         a GET /undo write
         a PUT /put
         a PATCH /patch
         a DELETE /delete",
    );
    for (method, path, level) in [
        ("GET", "/look", "read"),
        ("POST", "/look", "write"),
        ("POST", "/search", "read"),
        ("GET", "/undo", "write"),
        ("HEAD", "/undo", "write"),
        ("PUT", "/put", "write"),
        ("PATCH", "/patch", "write"),
        ("DELETE", "/delete", "write"),
    ] {
        assert_eq!(
            answer(&catalogue, method, path),
            Ok(format!("a:{level} {path}"))
        );
    }
    let shipped = shipped();
    let estimate = shipped
        .find(
            "POST",
            &sample("/v1/trading/accounts/{id}/orders/estimation"),
        )
        .unwrap();
    assert_eq!(estimate.level, Level::Read);
}

#[test]
fn check_46_head_and_options_are_reads() {
    let catalogue = catalogue(
        "a POST /both
         a POST /only
         a GET /own
         b GET /both
         b DELETE /only
         b OPTIONS /own write
         b HEAD /own write",
    );
    for (method, path, wanted) in [
        ("HEAD", "/both", Ok("b:read /both")),
        ("OPTIONS", "/both", Ok("b:read /both")),
        ("HEAD", "/only", Err(Refusal::MethodNotInCatalogue)),
        ("OPTIONS", "/only", Ok("a:read /only")),
        ("HEAD", "/own", Ok("b:write /own")),
        ("OPTIONS", "/own", Ok("b:write /own")),
        ("OPTIONS", "/unknown", Err(Refusal::UnknownPath)),
        ("HEAD", "/unknown", Err(Refusal::UnknownPath)),
    ] {
        assert_eq!(
            answer(&catalogue, method, path),
            wanted.map(str::to_owned),
            "{method} {path}"
        );
    }
}

#[test]
fn check_46_other_methods_are_refused() {
    let catalogue = shipped();
    assert!(catalogue.find("GET", "/v1/journals").is_ok());
    for method in [
        "",
        "get",
        "Get",
        "gET",
        "post",
        "head",
        "options",
        " GET",
        "GET ",
        "GET\0",
        "GETS",
        "GE",
        "TRACE",
        "CONNECT",
        "PROPFIND",
        "QUERY",
        "*",
        "ＧＥＴ",
        "PUT",
        "PATCH",
        "DELETE",
    ] {
        assert_eq!(
            catalogue.find(method, "/v1/journals"),
            Err(Refusal::MethodNotInCatalogue),
            "{method:?}"
        );
    }
}

#[test]
fn check_48_a_path_that_is_not_listed_is_refused() {
    let catalogue = shipped();
    for path in [
        "/",
        "/v1",
        "/v1/journal",
        "/V1/journals",
        "/v1/Journals",
        "/v1/journals/1/2",
        "/v2/journals",
        "/v1/accounts/0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69/unknown",
        "/v1/accounts/{account_id}/unknown",
        "/v1/oauth",
    ] {
        let refusal = catalogue.find("GET", path).unwrap_err();
        let wanted = if path.contains('{') {
            Refusal::NotCanonical(PathFault::Character)
        } else {
            Refusal::UnknownPath
        };
        assert_eq!(refusal, wanted, "{path}");
    }
}

#[test]
fn the_earliest_literal_wins_and_a_dead_end_goes_back_to_the_parameter() {
    let catalogue = catalogue(
        "a GET /a/{x}/c
         b GET /a/b/{y}
         c GET /a/b
         d GET /{x}/b/c/d
         e POST /a/{z}
         f GET /",
    );
    for (method, path, wanted) in [
        ("GET", "/a/b/c", Ok("b:read /a/b/{y}")),
        ("GET", "/a/x/c", Ok("a:read /a/{x}/c")),
        ("GET", "/a/b/x", Ok("b:read /a/b/{y}")),
        ("GET", "/a/b/c/d", Ok("d:read /{x}/b/c/d")),
        ("GET", "/a/b", Ok("c:read /a/b")),
        ("GET", "/", Ok("f:read /")),
        // A looser template doesn't lend its method to the path of a more exact one.
        ("POST", "/a/x", Ok("e:write /a/{z}")),
        ("POST", "/a/b", Err(Refusal::MethodNotInCatalogue)),
        // A path on the way to a rule is no rule.
        ("GET", "/a", Err(Refusal::UnknownPath)),
        ("GET", "/x/b/c", Err(Refusal::UnknownPath)),
    ] {
        assert_eq!(
            answer(&catalogue, method, path),
            wanted.map(str::to_owned),
            "{method} {path}"
        );
    }
}

/// Each of the paths would be let through, or to a looser rule, if it were matched as it is or
/// after one more step of tidying up.
fn assert_refused(fault: PathFault, paths: &[&str]) {
    let catalogue = catalogue(
        "a GET /a/{x}
         a GET /a/{x}/{y}
         a GET /a/b
         a GET /{x}
         a GET /{x}/{y}/{z}/{w}
         a GET /",
    );
    for path in paths {
        assert_eq!(catalogue.find("GET", path), Err(fault.into()), "{path:?}");
    }
}

#[test]
fn check_49_targets_that_are_no_path_are_refused() {
    let absolute = [
        "http://api.example/a/b",
        "https://api.example/a/b?x=1",
        "api.example:443",
    ];
    assert_refused(PathFault::NotAbsolute, &absolute);
    let other = ["", "*", "a/b", "?/a/b", "#/a/b", "\\a\\b", " /a/b", "%61/b"];
    assert_refused(PathFault::NotAbsolute, &other);
}

#[test]
fn check_49_empty_segments_are_refused() {
    let leading = ["//", "///", "//a/b", "//host/a/b"];
    assert_refused(PathFault::EmptySegment, &leading);
    let inner_or_last = ["/a//b", "/a/b//", "/a/b//?x=1", "/a//%62"];
    assert_refused(PathFault::EmptySegment, &inner_or_last);
    // One slash at the end makes another path, which isn't listed.
    let catalogue = catalogue("a GET /a/{x}\na GET /a/b\na GET /\na GET /{x}");
    for path in ["/a/b/", "/a/c/", "/a/", "/c/", "/a/b/?x=1", "/a/%62/"] {
        let refusal = catalogue.find("GET", path);
        assert_eq!(refusal, Err(Refusal::UnknownPath), "{path}");
    }
}

#[test]
fn check_49_dot_segments_are_refused() {
    let plain = [
        "/.",
        "/..",
        "/a/..",
        "/a/../b",
        "/../a/b",
        "/a/./b",
        "/a/b/.",
        "/a/b/..?x=1",
    ];
    assert_refused(PathFault::DotSegment, &plain);
    let encoded = [
        "/a/%2e",
        "/a/%2E%2E/b",
        "/a/.%2e/b",
        "/a/%2e./b",
        "/%2e%2e/a/b",
    ];
    assert_refused(PathFault::DotSegment, &encoded);
}

#[test]
fn check_49_broken_escapes_are_refused() {
    let cut_short = [
        "/a/%", "/a/b%", "/a/%4", "/a/%2", "/a/%2?e", "/%/b", "/a/%2/b",
    ];
    assert_refused(PathFault::BadEscape, &cut_short);
    let no_digits = [
        "/a/%zz",
        "/a/%4g",
        "/a/%g4",
        "/a/%%41",
        "/a/%u0041",
        "/a/%é",
        "/a/%２f",
    ];
    assert_refused(PathFault::BadEscape, &no_digits);
    let signs = ["/a/%+4", "/a/%-1", "/a/% 4", "/a/%0x"];
    assert_refused(PathFault::BadEscape, &signs);
}

#[test]
fn check_49_separators_and_second_layers_in_escapes_are_refused() {
    // An encoded slash stays in its segment, where no parameter takes it.
    let slash = ["/a%2fb", "/a%2Fb", "/a/c%2Fd", "/x/y/z/w%2Fv"];
    assert_refused(PathFault::EncodedSlash, &slash);
    let dots = [
        "/a/..%2fb",
        "/a/%2e%2e%2fb",
        "/a/b%2F.",
        "/a/x%2F%2E%2e%2Fb",
    ];
    assert_refused(PathFault::DotSegment, &dots);
    let empty = ["/a/%2F", "/a/b%2F", "/a/%2Fb", "/a/b%2f%2fc"];
    assert_refused(PathFault::EmptySegment, &empty);
    let no_first = ["%2fa/b", "%2Fa%2Fb"];
    assert_refused(PathFault::NotAbsolute, &no_first);
    let backslash = ["/a/b%5cc", "/a/b%5Cc", "/a/..%5cb", "/a\\b", "/a/..\\b"];
    assert_refused(PathFault::Character, &backslash);
    let ends_of_path = ["/a/b%3fx=1", "/a/b%23x", "/a/b#c", "/a/b#"];
    assert_refused(PathFault::Character, &ends_of_path);
    let semicolon = ["/a/b;x", "/a/..;/b", "/a;/b", "/a/b%3bx", "/a/b%3B"];
    assert_refused(PathFault::Character, &semicolon);
    let twice = [
        "/a/%252e%252e/b",
        "/a/%252f",
        "/a/%2525",
        "/a/%2541",
        "/a/%25%34%31",
        "/a/%2%35%34%31",
        "/a/x%25u0041",
        "/a/%EF%BC%8541",
    ];
    assert_refused(PathFault::BadEscape, &twice[5..6]);
    assert_refused(PathFault::EncodedTwice, &twice[..5]);
    assert_refused(PathFault::EncodedTwice, &twice[6..]);
}

#[test]
fn check_49_control_characters_and_delimiters_are_refused() {
    let nul = ["/a/b\0", "/a/b%00", "/a/%00b", "/a/b%00.json"];
    assert_refused(PathFault::Character, &nul);
    let control = [
        "/a/b\n",
        "/a/b\t",
        "/a/b\u{7f}",
        "/a/b%0a",
        "/a/b%09",
        "/a/b%7f",
        "/a/b%1f",
    ];
    assert_refused(PathFault::Character, &control);
    let new_header = [
        "/a/b\r\nX-Scope: a",
        "/a/b%0d%0aX-Scope:%20a",
        "/a/b ",
        "/a/b c",
    ];
    assert_refused(PathFault::Character, &new_header);
    let never_plain = ["/a/{x}", "/a/[b]", "/a/\"b\"", "/a/<b>", "/a/b|c", "/a/b^c"];
    assert_refused(PathFault::Character, &never_plain);
}

#[test]
fn check_49_characters_outside_ascii_are_refused() {
    let fullwidth = [
        "/a/b／c",
        "/a/．．/b",
        "/a/．．",
        "/a/b；c",
        "/a/b＼c",
        "/a/％2e",
        "/ａ/b",
    ];
    assert_refused(PathFault::Character, &fullwidth);
    // What normalisation makes a separator of, and what can't be seen.
    let encoded = [
        "/a/%ef%bc%8fb",
        "/a/b%ef%bc%9b",
        "/a/%e2%84%80",
        "/a/b%ef%bc%bcc",
    ];
    assert_refused(PathFault::Character, &encoded);
    let unseen = [
        "/a/%e2%80%ae",
        "/a/%e2%80%8bb",
        "/a/%ef%bb%bfb",
        "/a/%e2%80%a8",
        "/a/%c2%85",
    ];
    assert_refused(PathFault::Character, &unseen);
    let dots = ["/a/%ef%bc%8e%ef%bc%8e/b", "/a/%e2%80%a5", "/a/%e2%80%a4"];
    assert_refused(PathFault::DotSegment, &dots);
    let overlong = ["/a/%c0%ae%c0%ae/b", "/a/%c0%af", "/a/%e0%80%af"];
    assert_refused(PathFault::NotText, &overlong);
    let broken = ["/a/%ff", "/a/%fe%ff", "/a/%80", "/a/%c3", "/a/%ed%a0%80"];
    assert_refused(PathFault::NotText, &broken);
    let other = ["/a/é", "/a/\u{200b}b", "/a/\u{2024}\u{2024}/b"];
    assert_refused(PathFault::Character, &other);
}

#[test]
fn check_49_paths_over_8_kib_are_refused() {
    let catalogue = catalogue("a GET /{x}");
    let longest = format!("/{}", "a".repeat(MAX_PATH_BYTES - 1));
    assert!(catalogue.find("GET", &longest).is_ok());
    assert_eq!(
        catalogue.find("GET", &format!("{longest}a")),
        Err(Refusal::PathTooLong)
    );
    let escaped = format!("/{}", "%61".repeat(MAX_PATH_BYTES / 3));
    assert_eq!(escaped.len(), MAX_PATH_BYTES - 1);
    assert!(catalogue.find("GET", &escaped).is_ok());
    assert_eq!(
        catalogue.find("GET", &format!("{escaped}%61")),
        Err(Refusal::PathTooLong)
    );
}

#[test]
fn a_plain_path_is_understood_as_the_api_understands_it() {
    let catalogue = catalogue(
        "a GET /a/b
         b GET /a/{x}
         c GET /a/b:by_name",
    );
    for (path, wanted) in [
        ("/a/b", "a:read /a/b"),
        ("/a/b?", "a:read /a/b"),
        ("/a/b?x=/../;%00#", "a:read /a/b"),
        ("/%61/%62", "a:read /a/b"),
        ("/a/b:by_name", "c:read /a/b:by_name"),
        ("/a/b%3Aby_name", "c:read /a/b:by_name"),
        ("/a/c", "b:read /a/{x}"),
        ("/a/BRK.B", "b:read /a/{x}"),
        ("/a/...", "b:read /a/{x}"),
        ("/a/.c", "b:read /a/{x}"),
        ("/a/-._~!$&'()*+,=:@", "b:read /a/{x}"),
        ("/a/x%2Dy", "b:read /a/{x}"),
    ] {
        assert_eq!(
            answer(&catalogue, "GET", path),
            Ok(wanted.to_owned()),
            "{path}"
        );
    }
}

#[test]
fn a_plain_path_is_compared_without_a_copy() {
    assert!(matches!(
        path::canonical("/a/b?x=%41"),
        Ok(Cow::Borrowed("/a/b"))
    ));
    assert!(matches!(path::canonical("/a/%62"), Ok(Cow::Owned(_))));
}

#[test]
fn all_problems_of_a_file_are_named_at_once() {
    let mut wrong = file(
        "a GET /one
         a get /one
         a TRACE /one
         a GET /one
         a GET two
         a GET /three//
         a GET /three/../four
         a GET /three/%41
         a GET /{}
         a GET /{x}.{y}
         a GET /{x
         a GET /{x-y}
         a GET /five;v=1
         a GET /six?x
         Big GET /seven
         b GET /{other}/eight
         a GET /{another}/eight",
    );
    wrong.scopes[2].title = " ".to_owned();
    wrong.name = String::new();
    wrong.version = String::new();
    let error = Catalogue::try_from(wrong).unwrap_err();
    let lines: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    let says = [
        ("the catalogue has no name", ""),
        ("the catalogue has no version", ""),
        ("scope \"a\", get /one: ", "the method must be one of GET"),
        ("scope \"a\", TRACE /one: ", "the method must be one of GET"),
        (
            "scope \"a\", GET /one: ",
            "never reached, as scope \"a\" has the same call already: /one",
        ),
        ("scope \"a\", GET two: ", "doesn't start with /"),
        ("scope \"a\", GET /three//: ", "empty segment"),
        ("scope \"a\", GET /three/../four: ", "segment . or .."),
        ("scope \"a\", GET /three/%41: ", "no place there"),
        ("scope \"a\", GET /{}: ", "one parameter at most, {name}"),
        (
            "scope \"a\", GET /{x}.{y}: ",
            "one parameter at most, {name}",
        ),
        ("scope \"a\", GET /{x: ", "one parameter at most, {name}"),
        ("scope \"a\", GET /{x-y}: ", "one parameter at most, {name}"),
        ("scope \"a\", GET /five;v=1: ", "no place there"),
        ("scope \"a\", GET /six?x: ", "no place there"),
        ("scope \"Big\": ", "lower-case"),
        ("scope \"b\" has no title", ""),
        ("scope \"a\" is there twice", ""),
        (
            "scope \"a\", GET /{another}/eight: ",
            "scope \"b\" has the same call already",
        ),
    ];
    for (line, (place, fault)) in lines.iter().zip(says) {
        assert!(line.starts_with(place) && line.contains(fault), "{line}");
    }
    assert_eq!(lines.len(), says.len(), "{lines:#?}");
    assert_eq!(error.to_string(), lines.join("\n"));
}

#[test]
fn a_catalogue_without_scopes_is_refused() {
    let error = Catalogue::try_from(file("")).unwrap_err();
    assert_eq!(faults(&error), [Fault::NoScopes]);
}

#[test]
fn a_catalogue_has_bounds() {
    let rules = |count: usize| {
        let mut lines = String::new();
        for index in 0..count {
            writeln!(lines, "a GET /{index}").unwrap();
        }
        Catalogue::try_from(file(&lines))
    };
    assert_eq!(rules(MAX_RULES).unwrap().endpoint_count(), MAX_RULES);
    assert_eq!(
        faults(&rules(MAX_RULES + 1).unwrap_err()),
        [Fault::TooManyRules(10_001)]
    );

    let scopes = |count: usize| {
        let mut lines = String::new();
        for index in 0..count {
            writeln!(lines, "a{index} GET /{index}").unwrap();
        }
        Catalogue::try_from(file(&lines))
    };
    assert_eq!(scopes(MAX_SCOPES).unwrap().scopes().len(), MAX_SCOPES);
    assert_eq!(
        faults(&scopes(MAX_SCOPES + 1).unwrap_err()),
        [Fault::TooManyScopes(65)]
    );

    let path = |bytes: usize| Catalogue::try_from(file(&format!("a GET /{}", "x".repeat(bytes))));
    assert!(path(MAX_TEMPLATE_BYTES - 1).is_ok());
    let error = path(MAX_TEMPLATE_BYTES).unwrap_err().to_string();
    assert!(
        error.ends_with("the path is longer than 1024 characters"),
        "{error}"
    );
}

#[test]
fn a_catalogue_travels_as_its_file() {
    let catalogue = shipped();
    let json = serde_json::to_string(catalogue).unwrap();
    assert_eq!(
        serde_json::from_str::<CatalogueFile>(&json).unwrap(),
        *catalogue.file()
    );
    assert_eq!(
        serde_json::from_str::<Catalogue>(&json).unwrap(),
        *catalogue
    );
    assert_eq!(
        (catalogue.name(), catalogue.version()),
        ("Alpaca Broker API", "1.1.1-3")
    );
}

#[test]
fn unknown_keys_in_a_file_are_refused() {
    let good = r#"
        name = "n"
        version = "1"
        [[scope]]
        name = "a"
        title = "A"
        description = "d"
        endpoints = [{ method = "GET", path = "/a", summary = "s", level = "read" }]
    "#;
    assert!(toml::from_str::<Catalogue>(good).is_ok());
    for (from, to) in [
        ("version =", "colour = 1\nversion ="),
        ("title =", "colour = 1\ntitle ="),
        ("summary =", "colour = 1, summary ="),
        ("[[scope]]", "[[scopes]]"),
        ("\"read\"", "\"READ\""),
        ("\"read\"", "\"none\""),
        ("path = \"/a\", ", ""),
    ] {
        let bad = good.replace(from, to);
        assert!(
            bad != good && toml::from_str::<Catalogue>(&bad).is_err(),
            "{bad}"
        );
    }
}

/// Paths that look like the shipped ones, with now and then a trick in them.
fn tricky_paths() -> impl Strategy<Value = String> {
    let templates: Vec<String> = shipped()
        .scopes()
        .iter()
        .flat_map(|scope| &scope.endpoints)
        .map(|endpoint| sample(&endpoint.path))
        .collect();
    let trick = select(vec![
        "",
        "/",
        "//",
        ".",
        "..",
        "/..",
        "/.",
        "%2e",
        "%2E%2e",
        "%2f",
        "%5C",
        "\\",
        ";",
        "%3b",
        "%00",
        "\0",
        "%",
        "%2",
        "%25",
        "%252e",
        "%61",
        "a",
        "?",
        "#",
        " ",
        "%20",
        "é",
        "．",
        "／",
        "%c0%ae",
        "%ef%bc%8f",
        "\r\n",
        "%0d",
        "~",
        ":",
    ]);
    let tricks = proptest::collection::vec((any::<prop::sample::Index>(), trick), 0..4);
    (select(templates), tricks).prop_map(|(mut path, tricks)| {
        for (place, trick) in tricks {
            let places: Vec<usize> = (0..=path.len())
                .filter(|&i| path.is_char_boundary(i))
                .collect();
            path.insert_str(*place.get(&places), trick);
        }
        path
    })
}

/// What one rule of the model matches: the template's segments, `None` for a parameter.
pub(super) type Template = Vec<Option<&'static str>>;

pub(super) fn small_templates() -> impl Strategy<Value = Vec<Template>> {
    let segment = select(vec![Some("a"), Some("b"), None]);
    let template = proptest::collection::vec(segment, 0..5);
    proptest::collection::btree_set(template, 1..12).prop_map(|set| set.into_iter().collect())
}

pub(super) fn written(template: &Template) -> String {
    let segments: Vec<&str> = template
        .iter()
        .map(|segment| segment.unwrap_or("{x}"))
        .collect();
    format!("/{}", segments.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn check_49_a_path_that_matches_is_plain_once_decoded(path in tricky_paths()) {
        let catalogue = shipped();
        if catalogue.find("OPTIONS", &path).is_ok() {
            let path = path.split('?').next().unwrap();
            prop_assert!(path.starts_with('/') && path.is_ascii());
            for segment in path.split('/').skip(1) {
                let decoded = percent_encoding::percent_decode_str(segment).decode_utf8().unwrap();
                // No separator came out of an escape but one that its parameter takes.
                prop_assert!(decoded.split('/').all(|s| !matches!(s, "" | "." | "..")));
                prop_assert!(!decoded.contains(['\\', ';', '#', '?']));
                prop_assert!(!decoded.contains(|c: char| c.is_control()));
                let again = percent_encoding::percent_decode_str(&decoded).collect::<Vec<u8>>();
                prop_assert_eq!(again, decoded.as_bytes());
            }
        }
    }

    #[test]
    fn any_call_is_answered_without_panic(method in ".*", path in ".*", tricky in tricky_paths()) {
        let catalogue = shipped();
        let _ = catalogue.find(&method, &path);
        let _ = catalogue.find("GET", &format!("/{path}"));
        let _ = catalogue.find("GET", &tricky);
    }

    #[test]
    fn a_query_never_changes_the_answer(path in tricky_paths(), query in ".*") {
        let catalogue = shipped();
        for method in ["GET", "POST", "OPTIONS"] {
            prop_assert_eq!(
                catalogue.find(method, &format!("{path}?{query}")),
                catalogue.find(method, &path)
            );
        }
    }

    #[test]
    fn any_file_is_checked_without_panic(
        lines in proptest::collection::vec((".*", ".*", ".*"), 0..8)
    ) {
        let entry = |(name, method, path): (String, String, String)| ScopeEntry {
            title: name.clone(),
            name,
            description: String::new(),
            endpoints: vec![EndpointEntry { method, path, summary: String::new(), level: None, access: None, reserved: false }],
        };
        let scopes = lines.into_iter().map(entry).collect();
        let file = CatalogueFile { name: String::new(), version: String::new(), scopes };
        let _ = Catalogue::try_from(file).unwrap_err().to_string();
    }

    /// So no check for unreachable rules is needed beyond the one for duplicates.
    #[test]
    fn every_rule_of_a_good_catalogue_is_reached(templates in small_templates()) {
        let lines: Vec<String> = templates.iter().map(|t| format!("a GET {}", written(t))).collect();
        let catalogue = catalogue(&lines.join("\n"));
        for template in templates.iter().map(written) {
            // No template has this value as a literal.
            let found = catalogue.find("GET", &template.replace("{x}", "fresh")).unwrap();
            prop_assert_eq!(found.template, template);
        }
    }

    /// The tree agrees with reading the list from top to bottom and keeping the best match.
    #[test]
    fn the_most_exact_template_wins(
        templates in small_templates(),
        path in proptest::collection::vec(select(vec!["a", "b", "c"]), 0..5),
    ) {
        let lines: Vec<String> = templates.iter().map(|t| format!("a GET {}", written(t))).collect();
        let catalogue = catalogue(&lines.join("\n"));
        let matches = |template: &&Template| {
            template.len() == path.len()
                && template.iter().zip(&path).all(|(want, have)| want.is_none_or(|w| w == *have))
        };
        let exactness = |template: &&Template| -> Vec<bool> {
            template.iter().map(Option::is_some).collect()
        };
        let best = templates.iter().filter(matches).max_by_key(exactness).map(written);
        let target = format!("/{}", path.join("/"));
        let found = catalogue.find("GET", &target).ok().map(|found| found.template.to_owned());
        prop_assert_eq!(found, best);
    }
}

proptest! {
    /// What is public changes neither which endpoint a path belongs to nor what any other one needs.
    #[test]
    fn a_public_endpoint_opens_itself_alone(
        templates in small_templates(),
        public in any::<proptest::sample::Index>(),
        path in proptest::collection::vec(select(vec!["a", "b", "A", "b.x", "a%2Fb", ""]), 0..4),
    ) {
        let open = public.index(templates.len());
        let rules = |marked: bool| {
            let lines = templates.iter().enumerate().map(|(i, template)| {
                let mark = if marked && i == open { " public" } else { "" };
                format!("s{i} GET {}{mark}", written(template))
            });
            catalogue(&lines.collect::<Vec<_>>().join("\n"))
        };
        let (closed, opened) = (rules(false), rules(true));
        let path = format!("/{}", path.join("/"));
        for method in ["GET", "HEAD", "OPTIONS", "POST"] {
            match (closed.find(method, &path), opened.find(method, &path)) {
                (Ok(before), Ok(now)) => {
                    prop_assert_eq!(before.template, now.template);
                    prop_assert_eq!((&before.scope.name, before.level), (&now.scope.name, now.level));
                    prop_assert_eq!(now.public, now.template == written(&templates[open]));
                }
                (before, now) => prop_assert_eq!(before.err(), now.err()),
            }
        }
    }
}

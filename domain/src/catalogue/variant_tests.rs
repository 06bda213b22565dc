//! Variants of literals, and kinds of values: what an API might read differently goes nowhere.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::tests::{Template, answer, catalogue, faults, file, shipped, written};
use super::*;

const ACCOUNTS: &str = "
    accounts GET /v1/accounts/{id}
    accounts POST /v1/accounts/{id}
    accounts GET /v1/accounts/{id}/cip
    accounts GET /v1/accounts/{id}/{thing}
    trading GET /v1/accounts/positions
    trading GET /v1/accounts/positions/open
    reports GET /v1/accounts/eod.csv";

#[test]
fn check_97_variants_of_a_literal_never_fall_to_the_parameter() {
    let catalogue = catalogue(ACCOUNTS);
    for variant in [
        "Positions",
        "POSITIONS",
        "p%4Fsitions",
        "positions.json",
        "positions%2Ejson",
        "positions%2ejson",
        "POSITIONS.JSON",
        "positions.json.gz",
        "positions.",
        "positions..",
        ".positions",
        "positions~",
        "~positions",
        "positions+",
        "+positions",
        "positions-",
        "positions_",
        "positions:",
        "positions@",
        "positions()",
        "positions(1)",
        "positions,1",
        "positions=1",
        "positions&1",
        "positions$",
        "positions*",
        "positions!",
        "'positions'",
        // Of a literal that has an extension itself.
        "eod",
        "eod.pdf",
        "EOD.csv",
        // Further down, or on the way.
        "Positions/open",
        "positions/Open",
        "positions/open.json",
        "Positions.json/open.json",
    ] {
        for method in ["GET", "HEAD", "OPTIONS", "POST", "DELETE"] {
            assert_eq!(
                answer(&catalogue, method, &format!("/v1/accounts/{variant}")),
                Err(Refusal::VariantOfLiteral),
                "{method} {variant}"
            );
        }
    }
    // Nor do those that take an escape, or a slash at the end.
    for variant in [
        "positions%20",
        "%20positions",
        "positions%22",
        "po%C5%BFitions",
        "%EF%BD%90ositions",
        "p%C3%B3sitions",
        "po%CC%81sitions",
        "posi%E2%80%8Dtions",
        "positions/open%20",
        "Positions/%6Fpen",
    ] {
        assert_eq!(
            answer(&catalogue, "GET", &format!("/v1/accounts/{variant}")),
            Err(Refusal::VariantOfLiteral),
            "{variant}"
        );
    }
    assert_eq!(
        answer(&catalogue, "GET", "/v1/accounts/positions/"),
        Err(Refusal::UnknownPath)
    );
    // What else a server may make a literal of is no path at all.
    for refused in [
        "positions;v=1",
        "positions%3Bv=1",
        "positions%00",
        "positions%3F",
        "positions%2F",
        "po%2573itions",
        "po\u{17f}itions",
        "\u{212a}",
        "ｐositions",
    ] {
        let refusal = catalogue.find("GET", &format!("/v1/accounts/{refused}"));
        assert!(
            matches!(refusal, Err(Refusal::NotCanonical(_))),
            "{refused}"
        );
    }
}

#[test]
fn what_no_server_takes_for_the_literal_is_a_value() {
    let catalogue = catalogue(ACCOUNTS);
    for (path, wanted) in [
        ("positions", "trading:read /v1/accounts/positions"),
        ("positions/open", "trading:read /v1/accounts/positions/open"),
        ("eod.csv", "reports:read /v1/accounts/eod.csv"),
        ("position", "accounts:read /v1/accounts/{id}"),
        ("positions2", "accounts:read /v1/accounts/{id}"),
        ("my.positions", "accounts:read /v1/accounts/{id}"),
        ("positions-old", "accounts:read /v1/accounts/{id}"),
        ("positions_old", "accounts:read /v1/accounts/{id}"),
        ("positions:close", "accounts:read /v1/accounts/{id}"),
        ("positions@example.com", "accounts:read /v1/accounts/{id}"),
        // No call begins with the literal and goes on so.
        ("Positions/cip", "accounts:read /v1/accounts/{id}/cip"),
        ("positions/cip", "accounts:read /v1/accounts/{id}/cip"),
        ("41f2/other", "accounts:read /v1/accounts/{id}/{thing}"),
    ] {
        assert_eq!(
            answer(&catalogue, "GET", &format!("/v1/accounts/{path}")),
            Ok(wanted.to_owned()),
            "{path}"
        );
    }
    assert_eq!(
        answer(&catalogue, "GET", "/v1/accounts/41f2/Cip.json"),
        Err(Refusal::VariantOfLiteral)
    );
}

#[test]
fn a_listed_spelling_is_no_variant() {
    let catalogue = catalogue(
        "a GET /x/{id}
         b GET /x/books
         c GET /x/Books
         d GET /x/books.json",
    );
    for (path, wanted) in [
        ("/x/books", Ok("b:read /x/books")),
        ("/x/Books", Ok("c:read /x/Books")),
        ("/x/books.json", Ok("d:read /x/books.json")),
        ("/x/BOOKS", Err(Refusal::VariantOfLiteral)),
        ("/x/books.xml", Err(Refusal::VariantOfLiteral)),
    ] {
        let wanted = wanted.map(str::to_owned);
        assert_eq!(answer(&catalogue, "GET", path), wanted, "{path}");
    }
}

const UUID: &str = "0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69";

#[test]
fn the_shipped_catalogue_takes_no_literal_for_an_id() {
    let catalogue = shipped();
    for (method, path, wanted) in [
        ("GET", "/v1/accounts/{}", Ok("accounts:read")),
        ("GET", "/v1/accounts/positions", Ok("trading:read")),
        (
            "GET",
            "/v1/accounts/Positions",
            Err(Refusal::VariantOfLiteral),
        ),
        (
            "GET",
            "/v1/accounts/POSITIONS",
            Err(Refusal::VariantOfLiteral),
        ),
        (
            "GET",
            "/v1/accounts/positions.json",
            Err(Refusal::VariantOfLiteral),
        ),
        ("GET", "/v1/accounts/positions/cip", Err(Refusal::WrongKind)),
        ("GET", "/v1/accounts/41f2", Err(Refusal::WrongKind)),
        ("GET", "/v1/accounts/{}.json", Err(Refusal::WrongKind)),
        (
            "DELETE",
            "/v1/journals/batch",
            Err(Refusal::MethodNotInCatalogue),
        ),
        (
            "DELETE",
            "/v1/journals/Batch",
            Err(Refusal::VariantOfLiteral),
        ),
        ("DELETE", "/v1/journals/{}", Ok("journaling:write")),
        (
            "GET",
            "/v1/instant_funding/Limits",
            Err(Refusal::VariantOfLiteral),
        ),
        ("GET", "/v1/instant_funding/41f2", Ok("funding:read")),
        (
            "GET",
            "/v1/assets/Entry-Requirements",
            Err(Refusal::VariantOfLiteral),
        ),
        ("GET", "/v1/assets/BRK.B", Ok("data:read")),
        // A company whose symbol is a literal, but no call that begins with it goes on so.
        ("GET", "/v2/stocks/META/bars", Ok("data:read")),
        ("GET", "/v2/stocks/meta/exchanges", Ok("data:read")),
        (
            "GET",
            "/v2/stocks/META/exchanges",
            Err(Refusal::UnknownPath),
        ),
    ] {
        let path = path.replace("{}", UUID);
        let found = catalogue.find(method, &path);
        let found = found.map(|found| found.scope.name.at(found.level).to_string());
        assert_eq!(found, wanted.map(str::to_owned), "{method} {path}");
    }
}

#[test]
fn a_kind_refuses_and_never_chooses() {
    let catalogue = catalogue(
        "a GET /x/{id:integer}
         a GET /x/{id:integer}/pages
         b GET /x/{id:integer}/{page:word}
         c GET /{any}/7/index",
    );
    for (path, wanted) in [
        ("/x/7", Ok("a:read /x/{id:integer}")),
        ("/x/%37", Ok("a:read /x/{id:integer}")),
        ("/x/seven", Err(Refusal::WrongKind)),
        ("/x/7/pages", Ok("a:read /x/{id:integer}/pages")),
        ("/x/07/pages", Err(Refusal::WrongKind)),
        ("/x/7/cover", Ok("b:read /x/{id:integer}/{page:word}")),
        ("/x/7/cover.png", Err(Refusal::WrongKind)),
        ("/x/7/Pages", Err(Refusal::VariantOfLiteral)),
        // The template with the earliest literal decides, though the other one would take it.
        ("/x/7/index", Ok("b:read /x/{id:integer}/{page:word}")),
        ("/y/7/index", Ok("c:read /{any}/7/index")),
    ] {
        let wanted = wanted.map(str::to_owned);
        assert_eq!(answer(&catalogue, "GET", path), wanted, "{path}");
    }
}

#[test]
fn two_kinds_in_one_place_are_refused() {
    for (lines, named) in [
        (
            "a GET /x/{id:uuid}\nb GET /x/{number:integer}",
            "scope \"b\", GET /x/{number:integer}: {number:integer} stands where /x/{id:uuid} has \
             {id:uuid}: in one place, all have the same kind",
        ),
        (
            "a GET /x/{id:uuid}\nb POST /x/{id}/y",
            "scope \"b\", POST /x/{id}/y: {id} stands where /x/{id:uuid} has {id:uuid}: in one \
             place, all have the same kind",
        ),
        (
            "a GET /{a}/{b:date}\nb POST /{a}/{c:word}/d",
            "scope \"b\", POST /{a}/{c:word}/d: {c:word} stands where /{a}/{b:date} has {b:date}: \
             in one place, all have the same kind",
        ),
    ] {
        let error = Catalogue::try_from(file(lines)).unwrap_err();
        assert_eq!(error.to_string(), named);
        let first = Some(Place::Endpoint(0, 0));
        assert_eq!(faults(&error)[0].first(), first);
    }
    // In two places they may differ.
    catalogue("a GET /x/{id:uuid}\na GET /y/{id:integer}\na GET /x/{id:uuid}/{n:integer}");
}

#[test]
fn a_kind_that_is_none_is_refused() {
    for path in ["/{id:}", "/{id:UUID}", "/{id:guid}", "/{id:uuid:word}"] {
        let error = Catalogue::try_from(file(&format!("a GET {path}"))).unwrap_err();
        let error = error.to_string();
        let names = Kind::ALL.map(Kind::as_str);
        assert!(
            error.contains("{name:kind}") && names.iter().all(|name| error.contains(name)),
            "{error}"
        );
    }
    for path in ["/{:uuid}", "/{i-d:uuid}", "/{id:uuid}{n:integer}"] {
        let error = Catalogue::try_from(file(&format!("a GET {path}"))).unwrap_err();
        assert!(
            error.to_string().contains("one parameter at most, {name}"),
            "{error}"
        );
    }
}

#[test]
fn an_example_has_values_of_the_right_kinds() {
    let kinds = Kind::ALL.map(Kind::as_str);
    for kind in kinds {
        let catalogue = catalogue(&format!("a GET /x/{{id:{kind}}}/{{any}}"));
        let (method, path) = catalogue.example(|_, _| true).unwrap();
        assert!(catalogue.find(method.as_str(), &path).is_ok(), "{path}");
    }
    let root = catalogue("a GET /").example(|_, _| true).unwrap();
    assert_eq!(root.1, "/");
}

#[test]
fn kinds_take_what_their_name_says() {
    let most = "18446744073709551615";
    let table: [(Kind, &[&str], &[&str]); 5] = [
        (
            Kind::Uuid,
            &[
                UUID,
                "0C6B1F3E-7A55-4B0E-9D8E-6F2D3C4B5A69",
                "00000000-0000-0000-0000-000000000000",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
            ],
            &[
                "",
                "0c6b1f3e7a554b0e9d8e6f2d3c4b5a69",
                "{0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69}",
                "urn:uuid:0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69",
                "0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a6",
                "0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a690",
                "0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a6g",
                "0c6b1f3e-7a55-4b0e-9d8e_6f2d3c4b5a69",
                "0c6b1f3e7-a55-4b0e-9d8e-6f2d3c4b5a69",
            ],
        ),
        (
            Kind::Integer,
            &["0", "1", "42", "9007199254740993", most],
            &[
                "",
                "00",
                "01",
                "-1",
                "+1",
                "1.0",
                "1e3",
                "0x1",
                "1_000",
                "18446744073709551616",
                "99999999999999999999",
            ],
        ),
        (
            Kind::Date,
            &["2026-11-30", "2024-02-29", "0001-01-01", "9999-12-31"],
            &[
                "",
                "2026-02-29",
                "2026-13-01",
                "2026-00-10",
                "2026-11-31",
                "2026-1-1",
                "20261130",
                "2026-11-30T00:00",
                "+2026-11-30",
                "2026/11/30",
                "26-11-30",
            ],
        ),
        (
            Kind::Word,
            &["a", "A1", "us-1", "snake_case", "-", "0"],
            &[
                "", "a.b", "a.json", "a~", "a+b", "a:b", "a@b", "a,b", "a=b", "é",
            ],
        ),
        (
            Kind::Slashes,
            &["a", "BRK.B", "BTC%2FUSD", "a b", "Jürgen", "100%"],
            &[],
        ),
    ];
    for (kind, taken, refused) in table {
        for value in taken {
            assert!(kind.takes(value), "{kind} {value}");
        }
        for value in refused {
            assert!(!kind.takes(value), "{kind} {value}");
        }
        assert_eq!(Kind::from_name(kind.as_str()), Some(kind));
        assert!(kind.takes(kind.example()), "{kind}");
    }
    assert!(Kind::Word.takes(&"a".repeat(64)) && !Kind::Word.takes(&"a".repeat(65)));
}

/// A segment of a call, and what servers could make of it: written out, so that it owes nothing to
/// the code.
const SPELLINGS: [(&str, &str); 10] = [
    ("a", "a"),
    ("A", "a"),
    ("a.json", "a"),
    ("A.xml", "a"),
    ("a~", "a"),
    ("b", "b"),
    ("B", "b"),
    ("b.", "b"),
    ("ab", "ab"),
    ("c", "c"),
];

fn spelled(segment: &str) -> &'static str {
    let known = SPELLINGS.iter().find(|(text, _)| *text == segment);
    known.unwrap().1
}

fn templates() -> impl Strategy<Value = Vec<Template>> {
    let segment = select(vec![
        Some("a"),
        Some("b"),
        Some("B"),
        Some("a.json"),
        None,
        None,
    ]);
    let template = proptest::collection::vec(segment, 1..4);
    proptest::collection::btree_set(template, 1..10).prop_map(|set| set.into_iter().collect())
}

/// Values near to those of some kind.
fn values() -> impl Strategy<Value = String> {
    let edit = (any::<Index>(), 0..2_usize, "[0-9a-gA-G.:_~ -]?");
    let near = prop_oneof![
        Just(UUID.to_owned()),
        "[0-9]{1,21}",
        "[0-9]{4}-[01][0-9]-[0-3][0-9]",
        "[A-Za-z0-9_-]{0,66}",
        ".{0,8}",
    ];
    (near, proptest::collection::vec(edit, 0..3)).prop_map(|(mut value, edits)| {
        for (place, cut, insert) in edits {
            let places: Vec<usize> = (0..=value.len())
                .filter(|&at| value.is_char_boundary(at))
                .collect();
            let at = place.index(places.len());
            let end = places.get(at + cut).copied().unwrap_or(value.len());
            value.replace_range(places[at]..end, &insert);
        }
        value
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The tree agrees with comparing the call with each template, word for word and leniently: a
    /// parameter never has a value that leads, in its literal's place, to another template.
    #[test]
    fn check_97_no_parameter_takes_what_folds_to_a_sibling_literal(
        templates in templates(),
        call in proptest::collection::vec(select(SPELLINGS.map(|(text, _)| text).to_vec()), 1..4),
    ) {
        let lines: Vec<String> = templates.iter().map(|t| format!("a GET {}", written(t))).collect();
        let catalogue = catalogue(&lines.join("\n"));
        let fits = |template: &&Template, same: fn(&str, &str) -> bool| {
            template.len() == call.len()
                && template.iter().zip(&call).all(|(want, have)| want.is_none_or(|w| same(w, have)))
        };
        let exactness = |t: &&Template| -> Vec<bool> { t.iter().map(Option::is_some).collect() };
        let exact = templates.iter().filter(|t| fits(t, |a, b| a == b));
        let wanted = match exact.max_by_key(exactness) {
            None => Err(Refusal::UnknownPath),
            Some(winner) => {
                let other = templates.iter().filter(|t| fits(t, |a, b| spelled(a) == spelled(b)));
                // Where the two go apart, the winner has the parameter and the other one a literal.
                let mut mistaken = other.filter(|other| {
                    let apart = winner.iter().zip(*other).find(|(a, b)| a != b);
                    matches!(apart, Some((None, Some(_))))
                });
                if mistaken.next().is_some() {
                    Err(Refusal::VariantOfLiteral)
                } else {
                    Ok(written(winner))
                }
            }
        };
        let target = format!("/{}", call.join("/"));
        let found = catalogue.find("GET", &target).map(|found| found.template.to_owned());
        prop_assert_eq!(found, wanted);
    }

    /// Each kind against somebody else's reader of the same thing.
    #[test]
    fn kinds_take_exactly_their_grammar(value in values()) {
        let is_date = chrono::NaiveDate::parse_from_str(&value, "%Y-%m-%d")
            .is_ok_and(|date| date.to_string() == value);
        let expected = [
            value.len() == 36 && uuid::Uuid::try_parse(&value).is_ok(),
            value.parse::<u64>().is_ok_and(|number| number.to_string() == value),
            is_date && value.len() == 10,
            !value.is_empty()
                && value.len() <= 64
                && value.chars().all(|c| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_')),
            true,
        ];
        prop_assert_eq!(Kind::ALL.map(|kind| kind.takes(&value)), expected, "{}", value);
    }
}

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::scope::WireScope;

/// A catalogue from scopes, each with its title and lines of `METHOD path` or `METHOD path level`.
fn catalogue(scopes: &[(&str, &str, &[&str])]) -> Catalogue {
    let endpoint = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        EndpointEntry {
            method: words[0].to_owned(),
            path: words[1].to_owned(),
            summary: String::new(),
            access: (words.get(2) == Some(&"public")).then_some(EndpointAccess::Public),
            reserved: false,
            level: (words.get(2).filter(|word| **word != "public"))
                .map(|word| word.parse().unwrap()),
        }
    };
    let scopes = scopes.iter().map(|(name, title, lines)| ScopeEntry {
        name: (*name).to_owned(),
        title: (*title).to_owned(),
        description: String::new(),
        endpoints: lines.iter().map(endpoint).collect(),
    });
    let file = CatalogueFile {
        name: "Test".to_owned(),
        version: "1".to_owned(),
        scopes: scopes.collect(),
    };
    file.try_into().unwrap()
}

const LOANS: (&str, &str, &[&str]) = ("loans", "Loans", &["GET /loans", "POST /loans"]);

/// Each change as a line.
fn lines(from: &Catalogue, to: &Catalogue) -> Vec<String> {
    let changes = to.changes_since(from);
    let line = |change: &Change| {
        let calls: Vec<String> = change.calls().iter().map(ToString::to_string).collect();
        format!("{change} {}", calls.join(", ")).trim().to_owned()
    };
    changes.iter().map(line).collect()
}

#[test]
fn each_kind_of_change_is_told_in_words() {
    let books = |calls| ("books", "Books", calls);
    for (from, to, words) in [
        (
            vec![LOANS],
            vec![books(&["GET /books"][..]), LOANS],
            vec![
                "the scope Books (books) is new",
                "read access to Books now includes GET /books",
            ],
        ),
        (
            vec![books(&["GET /books"]), LOANS],
            vec![LOANS],
            vec![
                "the scope Books (books) is gone and grants nothing",
                "read access to Books no longer includes, nor does any other GET /books",
            ],
        ),
        (
            vec![LOANS],
            vec![("loans", "Lending", LOANS.2)],
            vec!["the scope Loans (loans) is now called Lending"],
        ),
        (
            vec![books(&["GET /books"])],
            vec![books(&[
                "GET /books",
                "DELETE /books/{id}",
                "PUT /books/{id}",
            ])],
            vec!["write access to Books now includes DELETE /books/{id}, PUT /books/{id}"],
        ),
        (
            vec![books(&["GET /books", "POST /search"])],
            vec![books(&["GET /books", "POST /search read"])],
            vec![
                "read access to Books now includes, in the place of write access to Books \
                 POST /search",
            ],
        ),
        (
            vec![books(&["GET /books", "PUT /card"]), LOANS],
            vec![
                books(&["GET /books"]),
                (
                    "loans",
                    "Loans",
                    &["GET /loans", "POST /loans", "PUT /card"],
                ),
            ],
            vec![
                "write access to Loans now includes, in the place of write access to Books PUT /card",
            ],
        ),
        (
            vec![books(&["GET /books"])],
            vec![("library", "Books", &["GET /books"][..])],
            vec![
                "the scope Books (library) is new",
                "the scope Books (books) is gone and grants nothing",
                "read access to Books (library) now includes, in the place of read access to Books \
                 (books) GET /books",
            ],
        ),
        (
            vec![books(&["GET /books/{id}", "GET /books/{id}/{page}"])],
            vec![books(&[
                "GET /books/{book:integer}",
                "GET /books/{book:integer}/{page}",
                "PUT /books/{book:integer}",
            ])],
            vec![
                "read access to Books takes other values than before in \
                 GET /books/{book:integer}, GET /books/{book:integer}/{page}",
                "write access to Books now includes PUT /books/{book:integer}",
            ],
        ),
        (
            vec![books(&["GET /books/{id:integer}"])],
            vec![books(&["GET /books/{id}"])],
            vec!["read access to Books takes other values than before in GET /books/{id}"],
        ),
        (
            vec![books(&["GET /books/{id:integer}"])],
            vec![books(&["GET /books/{id:word} write"])],
            vec![
                "write access to Books now includes, in the place of read access to Books \
                 GET /books/{id:word}",
            ],
        ),
    ] {
        assert_eq!(lines(&catalogue(&from), &catalogue(&to)), words);
    }
}

#[test]
fn what_decides_nothing_is_no_change() {
    let before = catalogue(&[LOANS, ("books", "Books", &["GET /books/{id}", "GET /"])]);
    let after = catalogue(&[
        ("books", "Books", &["GET /", "GET /books/{book_id}"]),
        LOANS,
    ]);
    assert_eq!(lines(&before, &after), [""; 0]);
    let (mut file, other) = (after.file().clone(), after);
    file.version = "2".into();
    file.scopes[0].description = "All that can be read".into();
    file.scopes[0].endpoints[0].summary = "The front door".into();
    assert_eq!(lines(&other, &file.try_into().unwrap()), [""; 0]);
}

#[test]
fn a_level_that_is_only_spelled_out_is_no_change() {
    let before = catalogue(&[("books", "Books", &["GET /books"])]);
    let after = catalogue(&[("books", "Books", &["GET /books read"])]);
    assert_eq!(lines(&before, &after), [""; 0]);
}

#[test]
fn a_change_touches_whoever_has_what_it_is_about() {
    let before = catalogue(&[("books", "Books", &["GET /books", "PUT /card"]), LOANS]);
    let after = catalogue(&[(
        "lending",
        "Lending",
        &["GET /loans", "POST /loans", "PUT /card read"],
    )]);
    let touched = after.changes_since(&before).into_iter().map(|change| {
        let rights = change.touches().into_iter();
        let rights: Vec<String> = rights.map(|right| right.scope.to_string()).collect();
        rights.join(" ")
    });
    assert_eq!(
        touched.collect::<Vec<_>>(),
        [
            "lending:read",
            "books:read",
            "loans:read",
            "books:write lending:read",
            "loans:read lending:read",
            "loans:write lending:write",
            "books:read",
        ]
    );
}

#[test]
fn a_change_is_read_back_as_it_was_written() {
    let before = catalogue(&[("books", "Books", &["GET /books", "PUT /card"])]);
    let after = catalogue(&[("loans", "Loans", &["GET /loans", "PUT /card"])]);
    let changes = after.changes_since(&before);
    assert_eq!(changes.len(), 5, "{changes:?}");
    for change in changes {
        let text = serde_json::to_string(&change).unwrap();
        assert_eq!(
            serde_json::from_str::<Change>(&text).unwrap(),
            change,
            "{text}"
        );
    }
}

/// Which scope has which title, and what each call needs, if it is not public, with its path and the kinds there.
type Meaning = (
    BTreeMap<String, String>,
    BTreeMap<String, (Option<WireScope>, String)>,
);

/// A call whatever the kind of its parameter.
fn shape(method: Method, path: &str) -> String {
    let path = path.split(':').next().unwrap().trim_end_matches('}');
    format!("{method} {path}")
}

fn meaning(catalogue: &Catalogue) -> Meaning {
    let titles = catalogue.scopes().iter();
    let titles = titles.map(|scope| (scope.name.to_string(), scope.title.clone()));
    let calls = catalogue.scopes().iter().flat_map(|scope| {
        scope.endpoints.iter().map(|endpoint| {
            let call = shape(endpoint.method, &endpoint.path);
            let needed = (!endpoint.public).then(|| scope.name.at(endpoint.level));
            (call, (needed, endpoint.path.clone()))
        })
    });
    (titles.collect(), calls.collect())
}

/// Does to a meaning what a change says, and insists that it was as the change says.
fn apply((titles, calls): &mut Meaning, change: &Change) {
    match change {
        Change::ScopeAdded { scope, title } => {
            assert_eq!(titles.insert(scope.to_string(), title.clone()), None);
        }
        Change::ScopeRemoved { scope, title } => {
            assert_eq!(titles.remove(scope.as_str()).as_ref(), Some(title));
        }
        Change::ScopeRetitled { scope, from, to } => {
            let was = titles.insert(scope.to_string(), to.clone());
            assert_eq!(was.as_ref(), Some(from));
        }
        Change::CallsAdded { calls: added, to } => {
            for call in added {
                assert_eq!(set(calls, call, to.as_ref()), None);
            }
        }
        Change::CallsRemoved {
            calls: removed,
            from,
        } => {
            for call in removed {
                let was = calls.remove(&shape(call.method, &call.path));
                assert_eq!(was, Some((needed(from.as_ref()), call.path.clone())));
            }
        }
        Change::CallsMoved {
            calls: moved,
            from,
            to,
        } => {
            for call in moved {
                let was = set(calls, call, to.as_ref()).unwrap();
                assert_eq!(was.0, needed(from.as_ref()));
            }
        }
        Change::ValuesChanged { calls: changed, to } => {
            for call in changed {
                let was = set(calls, call, to.as_ref()).unwrap();
                assert_eq!(was.0, needed(to.as_ref()));
                assert_ne!(was.1, call.path);
            }
        }
    }
}

fn set(
    calls: &mut BTreeMap<String, (Option<WireScope>, String)>,
    call: &Call,
    to: Option<&Right>,
) -> Option<(Option<WireScope>, String)> {
    let shape = shape(call.method, &call.path);
    calls.insert(shape, (needed(to), call.path.clone()))
}

fn needed(right: Option<&Right>) -> Option<WireScope> {
    right.map(|right| right.scope.clone())
}

/// A catalogue of up to four scopes, with twelve calls that are in one of them or in none; those
/// without a level are public.
fn catalogues() -> impl Strategy<Value = Catalogue> {
    let kind = select(vec!["", ":uuid", ":word"]);
    let levels = vec![None, Some(Level::Read), Some(Level::Write)];
    let places = proptest::collection::vec((0..5_usize, select(levels), kind), 12);
    let titles = proptest::array::uniform4("[AB]");
    (places, titles).prop_filter_map("a catalogue has scopes", |(places, titles)| {
        let scopes = titles
            .into_iter()
            .enumerate()
            .map(|(scope, title)| ScopeEntry {
                name: format!("scope_{scope}"),
                title,
                description: String::new(),
                endpoints: (0..)
                    .zip(&places)
                    .filter(|(_, (place, ..))| *place == scope)
                    .map(|(number, (_, level, kind))| EndpointEntry {
                        method: if number % 2 == 0 { "GET" } else { "POST" }.to_owned(),
                        path: format!("/{number}/{{id{kind}}}"),
                        summary: String::new(),
                        access: level.is_none().then_some(EndpointAccess::Public),
                        reserved: false,
                        level: *level,
                    })
                    .collect(),
            });
        let file = CatalogueFile {
            name: "Test".to_owned(),
            version: "1".to_owned(),
            scopes: scopes.filter(|scope| !scope.endpoints.is_empty()).collect(),
        };
        Catalogue::try_from(file).ok()
    })
}

proptest! {
    #[test]
    fn the_changes_lead_from_one_catalogue_to_the_other(from in catalogues(), to in catalogues()) {
        let changes = to.changes_since(&from);
        let mut reached = meaning(&from);
        for change in &changes {
            apply(&mut reached, change);
        }
        prop_assert_eq!(&reached, &meaning(&to));
        prop_assert_eq!(changes.is_empty(), meaning(&from) == meaning(&to));
        prop_assert_eq!(to.changes_since(&to), []);
    }
}

#[test]
fn what_becomes_public_or_ceases_to_be_is_told() {
    let loans = |call: &'static [&'static str]| catalogue(&[LOANS, ("books", "Books", call)]);
    let (closed, open) = (loans(&["GET /books"]), loans(&["GET /books public"]));
    let public = "public access now includes";
    let change = format!("{public}, in the place of read access to Books GET /books");
    assert_eq!(lines(&closed, &open), [change]);
    let change = "read access to Books now includes, in the place of public access GET /books";
    assert_eq!(lines(&open, &closed), [change]);
    assert_eq!(open.changes_since(&closed)[0].touches().len(), 1);
    // Where it is listed does not matter.
    let elsewhere = catalogue(&[
        (
            "loans",
            "Loans",
            &["GET /loans", "POST /loans", "GET /books public"],
        ),
        ("books", "Books", &["GET /other public"]),
    ]);
    let change = format!("{public} GET /other");
    assert_eq!(lines(&open, &elsewhere), [change]);
}

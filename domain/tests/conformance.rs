//! `docs/conformance.md` lists which tests hold each numbered check; it is made from their names.
//! `UPDATE_DOCS=1 cargo test -p domain --test conformance` writes it anew.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by a panic, its helpers as well"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// The last check of the protocol; those after it are about people and sessions.
const PROTOCOL: u32 = 54;

/// Adds every test of a folder: its name, by the numbers in it.
fn collect(folder: &Path, root: &Path, found: &mut BTreeMap<u32, BTreeSet<String>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect(&path, root, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let file = path.strip_prefix(root).unwrap().display().to_string();
            for name in text.split("fn check").skip(1) {
                let name: String = name
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                for number in numbers(&name) {
                    let test = format!("`{file}` check{name}");
                    found.entry(number).or_default().insert(test);
                }
            }
        }
    }
}

/// The numbers at the start of a name: `_19_a_good…`, `s_33_and_34_intro…`.
fn numbers(name: &str) -> Vec<u32> {
    name.trim_start_matches('s')
        .split('_')
        .filter(|part| !part.is_empty())
        .take_while(|part| *part == "and" || part.parse::<u32>().is_ok())
        .filter_map(|part| part.parse().ok())
        .collect()
}

#[test]
fn every_check_of_the_protocol_has_a_test_and_a_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeMap::new();
    for folder in ["domain", "storage", "service", "server", "app"] {
        collect(&root.join(folder), root, &mut found);
    }
    let mut page = String::from(
        "# Conformance\n\nThe numbered checks of the threat model, and the tests that hold each. Made from the \
         names of the tests by\n`domain/tests/conformance.rs`, which fails when a check of the protocol (1 to 54) \
         has none.\n\n| check | tests |\n| --- | --- |\n",
    );
    let missing: Vec<u32> = (1..=PROTOCOL).filter(|n| !found.contains_key(n)).collect();
    assert_eq!(missing, [], "these checks have no test");
    for (number, tests) in &found {
        let tests: Vec<_> = tests.iter().cloned().collect();
        writeln!(page, "| {number} | {} |", tests.join("<br>")).unwrap();
    }
    let file = root.join("docs/conformance.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == page,
        "docs/conformance.md is not what the tests are: make it anew"
    );
}

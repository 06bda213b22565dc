//! `docs/conformance.md` lists which tests hold each numbered check; it is made from their names.
//! `UPDATE_DOCS=1 cargo test -p domain --test conformance` writes it anew.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by a panic, its helpers as well"
)]

mod checks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use checks::{CHECKS, GROUPS};

/// Checks that no test of these crates holds: what is measured, and what is not built yet.
const WITHOUT_TEST: [u32; 3] = [104, 106, 107];

/// The Rust files of a folder, each with its text.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

/// Adds every test of a crate: its name, by the numbers in it.
fn collect(folder: &Path, root: &Path, found: &mut BTreeMap<u32, BTreeSet<String>>) {
    let mut files = Vec::new();
    sources(folder, &mut files);
    let listed: BTreeSet<&str> = files.iter().flat_map(|(_, text)| listed(text)).collect();
    for (path, text) in &files {
        let file = path.strip_prefix(root).unwrap().display();
        for name in tests(text, &listed) {
            for number in numbers(name) {
                let test = format!("`{file}` {name}");
                found.entry(number).or_default().insert(test);
            }
        }
    }
}

/// The names that stand in a line of their own: a macro makes a test of each.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |line: &&str| {
        line.starts_with("check")
            && line
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    text.lines().map(str::trim).filter(is_name)
}

/// The functions whose names are those of checks, and that run as tests: an attribute says so, or
/// they are listed. A helper is none, whatever it is called.
fn tests<'t>(text: &'t str, listed: &BTreeSet<&str>) -> Vec<&'t str> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if !line.starts_with('#') && !line.starts_with("//") {
            let name = line.split_once("fn check").map(|(before, _)| {
                let name = &line[before.len() + "fn ".len()..];
                name.split(['(', '<']).next().unwrap_or(name)
            });
            found.extend(name.filter(|name| is_test || listed.contains(name)));
            is_test = false;
        }
    }
    found
}

/// The numbers at the start of a name: `check_19_a_good…`, `checks_33_and_34_intro…`.
fn numbers(name: &str) -> Vec<u32> {
    name.trim_start_matches("check")
        .trim_start_matches('s')
        .split('_')
        .filter(|part| !part.is_empty())
        .take_while(|part| *part == "and" || part.parse::<u32>().is_ok())
        .filter_map(|part| part.parse().ok())
        .collect()
}

#[test]
fn every_check_has_a_test_and_a_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeMap::new();
    for folder in ["domain", "storage", "service", "server", "app"] {
        collect(&root.join(folder), root, &mut found);
    }
    let mut page = String::from(
        "# Conformance\n\nThe numbered checks of the threat model, and the tests that hold each. Made by \
         `domain/tests/conformance`, from\n`checks.rs` there and the names of the tests; it fails when a \
         check has none.\n",
    );
    let mut known = BTreeSet::new();
    for (number, says) in (1..).zip(CHECKS) {
        known.insert(number);
        if let Some((_, group)) = GROUPS.iter().find(|(first, _)| *first == number) {
            write!(
                page,
                "\n## {group}\n\n| check | what holds | tests |\n| --- | --- | --- |\n"
            )
            .unwrap();
        }
        let tests: Vec<_> = found.get(&number).into_iter().flatten().cloned().collect();
        assert_eq!(
            tests.is_empty(),
            WITHOUT_TEST.contains(&number),
            "{number}: {tests:?}"
        );
        writeln!(page, "| {number} | {says} | {} |", tests.join("<br>")).unwrap();
    }
    let unknown: Vec<_> = found.keys().filter(|n| !known.contains(*n)).collect();
    assert!(
        unknown.is_empty(),
        "these checks have no meaning: {unknown:?}"
    );
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

#[test]
fn only_what_runs_is_counted() {
    // Spelled so that this file has no such functions itself.
    let text = &"
        /// A helper.
        async fn @_54(mode: GateMode) {
            @_54_too(mode);
        }
        fn @_54_too(mode: GateMode) {}
        #[tokio::test(flavor = \"multi_thread\")]
        async fn @_54_nginx_refuses() {
        #[test]
        // Why.
        fn @s_1_and_2_hold(text in \".*\") {
        pub async fn @_91_files_are_private(fixture: &Fixture) {
        contract! {
            @_91_files_are_private
        }
    "
    .replace('@', "check");
    let listed = listed(text).collect();
    assert_eq!(
        tests(text, &listed),
        [
            "check_54_nginx_refuses",
            "checks_1_and_2_hold",
            "check_91_files_are_private"
        ]
    );
    assert_eq!(numbers("checks_1_and_2_hold"), [1, 2]);
    assert_eq!(numbers("check_07_a_2_b"), [7]);
}

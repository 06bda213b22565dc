//! The fuzz targets without a fuzzer: their corpus, and some hundred changes to it, the same in
//! every run. What a file of the corpus is named for, `accepted-…` or `refused-…`, must happen to it;
//! files that a fuzzer found have other names.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{RngSeed, TestRunner};

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// What follows comes from another file of the corpus.
    Splice(Index, Index),
}

/// What parsers stumble over.
const TRICKS: [&[u8]; 18] = [
    b"\0",
    b"\r\n",
    b" ",
    b":",
    b"=",
    b"/",
    b"..",
    b"%2f",
    b"%2e",
    b"%25",
    b"?",
    b"\"",
    b"\\",
    b"\xff",
    b"\xc3\xa9",
    b"-1",
    b"1e999",
    b"9223372036854775807",
];

fn change() -> impl Strategy<Value = Change> {
    let bytes = prop_oneof![
        select(&TRICKS[..]).prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop_oneof![
        (any::<Index>(), 1..=u8::MAX).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (any::<Index>(), bytes).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), 1..8_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<Index>(), any::<Index>()).prop_map(|(at, other)| Change::Splice(at, other)),
    ]
}

fn apply(mut data: Vec<u8>, change: &Change, corpus: &[(String, Vec<u8>)]) -> Vec<u8> {
    match change {
        Change::Flip(at, bits) if !data.is_empty() => *at.get_mut(&mut data) ^= bits,
        Change::Flip(..) => {}
        Change::Insert(at, bytes) => {
            let at = at.index(data.len() + 1);
            data.splice(at..at, bytes.iter().copied());
        }
        Change::Remove(at, count) => {
            let at = at.index(data.len() + 1);
            data.drain(at..(at + count).min(data.len()));
        }
        Change::Splice(at, other) => {
            let other = &other.get(corpus).1;
            let cut = at.index(data.len().min(other.len()) + 1);
            data.truncate(cut);
            data.extend(&other[cut..]);
        }
    }
    data
}

fn run(name: &str, cases: u32, target: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut corpus: Vec<_> = std::fs::read_dir(folder.join(name))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect();
    corpus.sort();
    let mut seen = [false; 2];
    for (name, data) in &corpus {
        let accepted = target(data);
        match name.split('-').next() {
            Some("accepted") => assert!(accepted, "{name}"),
            Some("refused") => assert!(!accepted, "{name}"),
            _ => {}
        }
        seen[usize::from(accepted)] = true;
    }
    assert_eq!(seen, [true; 2], "the corpus has both kinds");

    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0x4b65_7972),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let changed = (any::<Index>(), prop::collection::vec(change(), 1..5));
    let changed = changed.prop_map({
        let corpus = corpus.clone();
        move |(file, changes)| {
            let file = file.get(&corpus).1.clone();
            changes
                .iter()
                .fold(file, |data, change| apply(data, change, &corpus))
        }
    });
    let result = TestRunner::new(config).run(&changed, |data| {
        target(&data);
        Ok(())
    });
    result.unwrap();
}

#[test]
fn check_44_basic_that_is_accepted_has_one_spelling() {
    run("basic", 2000, targets::basic);
}

#[test]
fn check_13_a_scope_string_that_is_accepted_says_the_same_when_printed() {
    run("scope", 2000, targets::scope);
}

#[test]
fn check_49_a_path_that_matches_is_plain_and_matches_in_its_plain_form() {
    run("path", 2000, targets::path);
}

#[test]
fn a_catalogue_that_is_accepted_is_the_same_when_printed() {
    run("catalogue", 500, targets::catalogue);
}

#[test]
fn check_19_an_assertion_gets_no_token_unless_another_reading_finds_it_right() {
    run("assertion", 500, targets::assertion);
}

//! The planted secrets, and where they are found again, in whatever form.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The planted secrets.
pub struct Canaries {
    /// What each of them is.
    names: Vec<String>,
    /// Every text that would give one away, by its first two bytes: there is much to be searched.
    forms: Vec<Vec<(String, usize)>>,
}

impl Default for Canaries {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            forms: vec![Vec::new(); 1 << 16],
        }
    }
}

/// Where the texts are that begin as this one does.
fn start(text: &[u8]) -> usize {
    usize::from(text[0]) << 8 | usize::from(text[1])
}

impl Canaries {
    /// Plants a secret, if it is new.
    pub fn plant(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= 16, "{name} could be there by chance");
        for form in forms(secret) {
            let alike = &mut self.forms[start(form.as_bytes())];
            if alike.iter().all(|(known, _)| *known != form) {
                alike.push((form, self.names.len()));
            }
        }
        self.names.push(name.to_owned());
    }

    /// The planted secrets that are in a text.
    pub fn found_in(&self, text: &str) -> BTreeSet<&str> {
        let text = text.as_bytes();
        let mut found = BTreeSet::new();
        for at in 1..text.len() {
            let rest = &text[at - 1..];
            for (form, secret) in &self.forms[start(rest)] {
                if rest.starts_with(form.as_bytes()) {
                    found.insert(&*self.names[*secret]);
                }
            }
        }
        found
    }
}

/// A secret as it is, in a URL, in a header's name, in hexadecimal, in base64 with anything around
/// it, and as `Debug` prints bytes.
fn forms(secret: &[u8]) -> Vec<String> {
    let mut forms = vec![
        hex::encode(secret),
        hex::encode_upper(secret),
        format!("{secret:?}").trim_matches(['[', ']']).to_owned(),
    ];
    if let Ok(text) = str::from_utf8(secret) {
        let escaped = form_urlencoded::byte_serialize(secret).collect();
        forms.extend([text.to_owned(), text.to_lowercase(), escaped]);
    }
    for before in 0..3 {
        let around = [&vec![0; before], secret].concat();
        // The characters at the edges depend on what stands beside.
        let inner = (before * 8).div_ceil(6)..around.len() * 8 / 6;
        for encoded in [
            STANDARD_NO_PAD.encode(&around),
            URL_SAFE_NO_PAD.encode(&around),
        ] {
            forms.push(encoded[inner.clone()].to_owned());
        }
    }
    forms.sort_unstable();
    forms.dedup();
    forms
}

#[test]
fn a_planted_secret_is_found_in_every_form() {
    let secret = "kr?s/Mice~juggle>lamps";
    let mut canaries = Canaries::default();
    canaries.plant("secret", secret.as_bytes());
    let engine = STANDARD_NO_PAD;
    for text in [
        format!("<p>{secret}</p>"),
        format!("x-{}: 1", secret.to_lowercase()),
        "/search?q=kr%3Fs%2FMice%7Ejuggle%3Elamps&a=b".to_owned(),
        engine.encode(format!("a:{secret}")),
        engine.encode(format!("ab:{secret}xyz")),
        URL_SAFE_NO_PAD.encode(format!("{{\"a\":\"{secret}\"}}")),
        format!("[{}]", hex::encode(secret)),
        format!("{:?}", secret.as_bytes()),
    ] {
        let found = canaries.found_in(&text);
        assert!(found.into_iter().eq(["secret"]), "{text}");
    }
    assert!(canaries.found_in("mice juggle lamps").is_empty());
}

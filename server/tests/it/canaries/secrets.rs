//! The planted secrets, and where they are found again, in whatever form.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A secret, and every text that would give it away.
struct Canary {
    what: String,
    forms: Vec<String>,
}

#[derive(Default)]
pub struct Canaries(Vec<Canary>);

impl Canaries {
    /// Plants a secret, if it is new.
    pub fn plant(&mut self, what: &str, secret: &[u8]) {
        assert!(
            secret.len() >= 16,
            "{what} is too short to be told from chance"
        );
        let (what, forms) = (what.to_owned(), forms(secret));
        if self.0.iter().all(|canary| canary.forms != forms) {
            self.0.push(Canary { what, forms });
        }
    }

    /// The planted secrets that are in a text.
    pub fn found_in(&self, text: &str) -> Vec<&str> {
        let is_in = |canary: &&Canary| canary.forms.iter().any(|form| text.contains(form));
        self.0
            .iter()
            .filter(is_in)
            .map(|canary| &*canary.what)
            .collect()
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
        assert_eq!(canaries.found_in(&text), ["secret"], "{text}");
    }
    assert!(canaries.found_in("mice juggle lamps").is_empty());
}

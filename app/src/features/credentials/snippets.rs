//! A credential in the forms in which programs take it. The texts are templates beside this file:
//! `@KEY_ID@` and its like are filled in.

use domain::credential::Flow;
use domain::expiry::rfc3339;

use super::IssuedKey;

/// A text to take away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snippet {
    /// What it is.
    pub label: &'static str,
    /// The text.
    pub text: String,
    /// The name of the file, if it is worth one.
    pub file: Option<String>,
}

/// Everything that fits the credential's flow.
pub(super) fn snippets(issued: &IssuedKey) -> Vec<Snippet> {
    let name = file_name(&issued.name);
    let code = |label, template| Snippet {
        label,
        text: fill(issued, template),
        file: None,
    };
    let file = |label, template, end| Snippet {
        label,
        text: fill(issued, template),
        file: Some(format!("{name}{end}")),
    };
    match issued.flow {
        Flow::ClientSecret => vec![
            file(".env", include_str!("snippets/secret.env.txt"), ".env"),
            file("JSON", include_str!("snippets/secret.json.txt"), ".json"),
            file(
                "Kubernetes",
                include_str!("snippets/secret.yaml.txt"),
                ".yaml",
            ),
            code("curl", include_str!("snippets/secret.curl.txt")),
            code("Python", include_str!("snippets/secret.py.txt")),
            code("Node", include_str!("snippets/secret.mjs.txt")),
            code("Go", include_str!("snippets/secret.go.txt")),
            code("Rust", include_str!("snippets/secret.rs.txt")),
        ],
        Flow::Legacy => vec![
            file(".env", include_str!("snippets/legacy.env.txt"), ".env"),
            file("JSON", include_str!("snippets/legacy.json.txt"), ".json"),
            file(
                "Kubernetes",
                include_str!("snippets/legacy.yaml.txt"),
                ".yaml",
            ),
            code("curl", include_str!("snippets/legacy.curl.txt")),
            code("Python", include_str!("snippets/legacy.py.txt")),
            code("Node", include_str!("snippets/legacy.mjs.txt")),
            code("Go", include_str!("snippets/legacy.go.txt")),
            code("Rust", include_str!("snippets/legacy.rs.txt")),
        ],
        Flow::PrivateKeyJwt => vec![
            code("What to sign", include_str!("snippets/assertion.txt")),
            file(".env", include_str!("snippets/assertion.env.txt"), ".env"),
            file("JSON", include_str!("snippets/assertion.json.txt"), ".json"),
            code("curl", include_str!("snippets/assertion.curl.txt")),
            code("Python", include_str!("snippets/assertion.py.txt")),
            code("Node", include_str!("snippets/assertion.mjs.txt")),
            code("Go", include_str!("snippets/assertion.go.txt")),
            code("Rust", include_str!("snippets/assertion.rs.txt")),
        ],
    }
}

/// Fills a template in, in one pass: what is filled in is not looked at again.
fn fill(issued: &IssuedKey, template: &str) -> String {
    let parts = template.trim_end().split('@').enumerate();
    parts
        .map(|(index, part)| {
            if index % 2 == 0 {
                part.to_owned()
            } else {
                placeholder(issued, part)
            }
        })
        .collect()
}

fn placeholder(issued: &IssuedKey, name: &str) -> String {
    match name {
        "KEY_ID" => issued.key_id.clone(),
        "SECRET" => issued.secret.clone().unwrap_or_default(),
        "TOKEN_URL" => format!("{}/oauth2/token", issued.issuer),
        "ISSUER" => issued.issuer.clone(),
        "PATH" => issued.example_path.clone(),
        "EXPIRES" => issued
            .expires_at
            .map_or_else(|| "null".to_owned(), |at| json(&rfc3339(at))),
        "KEY_ID_HEADER" => issued.headers.key_id.clone(),
        "SECRET_HEADER" => issued.headers.secret.clone(),
        "FILE_NAME" => file_name(&issued.name),
        "JSON_NAME" => json(&issued.name),
        "NAME" => issued.name.clone(),
        other => format!("@{other}@"),
    }
}

/// A text as JSON. Names have no control characters, so only these two need care.
fn json(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The name as files and Kubernetes objects may be called (RFC 1123): lower-case letters, digits
/// and single hyphens between them.
fn file_name(name: &str) -> String {
    let letters = name.chars().map(|c| c.to_ascii_lowercase());
    let spaced: String = letters
        .map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' })
        .collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let name = words.join("-");
    let name = name.get(..63).unwrap_or(&name).trim_end_matches('-');
    if name.is_empty() {
        "credential".to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::LegacyHeaders;
    use super::*;

    fn issued(flow: Flow, name: &str) -> IssuedKey {
        IssuedKey {
            key_id: "KRQ7M2XZLP4TAVJ6NDB3EH".to_owned(),
            name: name.to_owned(),
            flow,
            secret: flow.has_secret().then(|| "krs_secret".to_owned()),
            expires_at: Some("2027-05-24T09:00:00Z".parse().unwrap()),
            issuer: "https://keys.example.com/v1".to_owned(),
            example_path: "/v1/accounts".to_owned(),
            headers: LegacyHeaders::default(),
        }
    }

    #[test]
    fn every_snippet_is_filled_in_and_knows_the_key() {
        for flow in Flow::ALL {
            for Snippet { label, text, .. } in snippets(&issued(flow, "settlement-worker")) {
                assert!(!text.contains('@'), "{flow:?} {label}: {text}");
                assert!(
                    text.contains("KRQ7M2XZLP4TAVJ6NDB3EH"),
                    "{flow:?} {label}: {text}"
                );
                assert_eq!(
                    text.contains("krs_secret"),
                    flow.has_secret(),
                    "{flow:?} {label}"
                );
            }
        }
    }

    #[test]
    fn hostile_names_stay_in_their_place() {
        let name = r#"@NAME@"; rm -rf / # @SECRET@ \ $(id)"#;
        let all = snippets(&issued(Flow::ClientSecret, name));
        let text = |label| {
            all.iter()
                .find(|one| one.label == label)
                .unwrap()
                .text
                .clone()
        };
        let json: serde_json::Value = serde_json::from_str(&text("JSON")).unwrap();
        assert_eq!(json["name"], name);
        assert_eq!(json["key_id"], "KRQ7M2XZLP4TAVJ6NDB3EH");
        assert_eq!(json["expires_at"], "2027-05-24T09:00:00Z");
        assert!(text("Kubernetes").contains("name: name-rm-rf-secret-id\n"));
        // Elsewhere the name is in comments only, and none of them is filled in twice.
        for line in text(".env").lines().filter(|line| line.contains("rm -rf")) {
            assert!(
                line.starts_with("# ") && line.contains("@SECRET@"),
                "{line}"
            );
        }
    }

    #[test]
    fn file_names_are_plain() {
        for (name, file) in [
            ("settlement-worker", "settlement-worker"),
            ("  Über/../Größe 2 ", "ber-gr-e-2"),
            ("日本", "credential"),
        ] {
            assert_eq!(file_name(name), file);
        }
        assert_eq!(file_name(&"x".repeat(80)).len(), 63);
    }

    #[test]
    fn the_end_of_an_endless_key_is_null() {
        let endless = IssuedKey {
            expires_at: None,
            ..issued(Flow::Legacy, "x")
        };
        let all = snippets(&endless);
        let json: serde_json::Value = serde_json::from_str(&all[1].text).unwrap();
        assert!(json["expires_at"].is_null());
    }
}

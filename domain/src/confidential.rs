//! What people paste where it does not belong: private keys and secrets. The browser looks before
//! it sends, and the server looks again before it keeps or shows anything.

use crate::secret::{InvalidSecret, Secret};

/// The members of a JWK that only its owner may see (RFC 7518 sections 6.2.2, 6.3.2 and 6.4).
pub const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What is said to whoever pasted a private key.
pub const PRIVATE_KEY_ADVICE: &str = "this is a private key: keep it where it is, and paste the \
     public key. Treat this one as leaked if anyone else could have seen it";

/// What is said to whoever pasted a secret or a private key in the place of an assertion.
pub const SECRET_ADVICE: &str = "this is a secret or a private key, not an assertion. It was not \
     kept, but treat it as leaked if anyone else could have seen it";

/// What is said to whoever pasted either into a text that the team reads.
pub const TEXT_ADVICE: &str = "this is a secret or a private key, which everybody on the team could \
     read here. It was not kept, but treat it as leaked if anyone else could have seen it";

/// Whether a text holds a secret or a private key: it is not kept, and does not even go back to who
/// sent it.
#[must_use]
pub fn is_confidential(text: &str) -> bool {
    holds_private_key(text) || holds_secret(text)
}

/// Whether a text holds a private key: in PEM, as OpenSSH or PuTTY write it, or as a JWK.
#[must_use]
pub fn holds_private_key(text: &str) -> bool {
    let has_member = |name: &str| {
        let name = format!("\"{name}\"");
        text.split(&name)
            .skip(1)
            .any(|after| after.trim_start().starts_with(':'))
    };
    text.contains("PRIVATE KEY-----")
        || (text.contains("BEGIN ") && text.contains("PRIVATE"))
        || text.contains("Private-Lines:")
        || PRIVATE_MEMBERS.into_iter().any(has_member)
}

/// Whether a text holds the secret of a credential, mistyped ones included, or the token of a
/// gateway.
#[must_use]
pub fn holds_secret(text: &str) -> bool {
    let is_secret = |word: &str| {
        word.starts_with("krg_")
            || matches!(word.parse::<Secret>(), Ok(_) | Err(InvalidSecret::Checksum))
    };
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .any(is_secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_keys_are_recognised_in_every_form_that_people_have_them_in() {
        for text in [
            "-----BEGIN PRIVATE KEY-----\nMIGH",
            "-----BEGIN EC PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1",
            r#"{"kty":"EC","crv":"P-256","d":"x"}"#,
            "{\"keys\": [{\"kty\": \"RSA\", \"p\" \n : \"x\"}]}",
            r#"{"kty":"oct","k":"c2VjcmV0"}"#,
        ] {
            assert!(holds_private_key(text), "{text}");
        }
    }

    #[test]
    fn public_keys_and_assertions_are_not_taken_for_private_ones() {
        for text in [
            "",
            "-----BEGIN PUBLIC KEY-----\nMFkw",
            r#"{"kty":"EC","crv":"P-256","x":"d","y":"k","kid":"d"}"#,
            r#"{"kty":"RSA","n":"p","e":"AQAB","use":"sig"}"#,
            "eyJhbGciOiJFUzI1NiJ9.e30.AAAA",
            "Rotates the PRIVATE KEY of the nightly job",
        ] {
            assert!(!holds_private_key(text), "{text}");
            assert!(!holds_secret(text), "{text}");
        }
    }

    #[test]
    fn secrets_are_recognised_between_other_words_and_with_a_typing_error() {
        let secret = format!("krs_{}2RwIfI", "a".repeat(40));
        for text in [
            secret.clone(),
            format!("Authorization: Bearer {secret}"),
            format!("API_SECRET={secret}\n"),
            secret.replace("2Rw", "2rw"),
            "krg_x".to_owned(),
        ] {
            assert!(holds_secret(&text), "{text}");
        }
        assert!(!holds_secret("krs_short"));
    }
}

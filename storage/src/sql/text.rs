//! Texts in the form in which they are searched and sorted: lower case, so that case is one thing in
//! both databases, whatever their locale.

use domain::credential::Credential;
use unicode_normalization::UnicodeNormalization as _;

/// A text for comparing without regard to case.
pub(super) fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// What somebody typed to search for, composed (NFC) as stored texts are: some keyboards type letters and
/// their marks apart. A NUL is in no stored text, and PostgreSQL refuses it.
pub(super) fn search_term(typed: &str) -> Option<String> {
    let typed: String = typed.trim().nfc().collect();
    let term = fold(&typed).replace('\0', "");
    (!term.is_empty()).then_some(term)
}

/// The facts by which a credential is found, besides its last endpoint. The line breaks keep a
/// search from matching across two of them.
pub(super) fn search_facts(credential: &Credential, owner_name: &str) -> String {
    fold(&format!(
        "{}\n{}\n{owner_name}\n",
        credential.name, credential.key_id
    ))
}

//! Credentials: the list, issuing one, the one page where its secret is shown, its story, edits.

mod api;
mod detail;
mod draft;
mod dto;
mod edit;
mod fields;
mod issue;
mod key_field;
mod key_pair;
mod key_url;
mod keys;
mod leave;
mod limits;
mod list;
mod live;
mod query;
mod rows;
#[cfg(feature = "ssr")]
mod server;
mod shown;
mod snippets;
mod summary;
mod usage;
mod web_crypto;

pub use api::{
    credential_filters, credential_form, get_credential, issue_credential, list_credentials,
    preview_public_keys, try_out,
};
pub use detail::CredentialPage;
pub use draft::{chosen_key, read_draft};
pub use dto::{
    Counts, CredentialDetail, CredentialList, CredentialRow, Filters, FormFacts, IssuedKey,
    KeyPreview, KeyUrl, LastUse, LegacyHeaders, Life, Mark, Owner, PublicKey, Refused, Usage,
    UsageDay,
};
pub use edit::EditCredentialPage;
pub use issue::NewCredentialPage;
pub(crate) use leave::Back;
pub use list::CredentialsPage;
pub(crate) use live::{form_of, text_of};
pub use query::{ListParams, Sort, Tab};
#[cfg(feature = "ssr")]
pub use server::shown_once;

//! What a credential proves itself with: its secrets, or its public keys, which come and go one by
//! one so that a program can change its key without a pause.

use domain::credential::Flow;
use domain::expiry::ExpiryChoice;
use domain::role::Permission;
use leptos::prelude::*;

use super::key_field::KeyField;
use super::key_url::{change, key_url};
use super::{CredentialDetail, PublicKey};
use crate::components::{
    Chip, CopyButton, Dialog, DialogActions, DialogLink, Field, Moment, PostForm, Select, Time,
};
use crate::form::FormOutcome;
use crate::viewer::Viewer;

/// The id of the dialog for adding a key.
const ADD: &str = "add-key";

/// The section of the credential's page.
pub(super) fn keys(
    credential: &CredentialDetail,
    page: &str,
    outcome: Option<&FormOutcome>,
) -> AnyView {
    if credential.flow != Flow::PrivateKeyJwt {
        return secrets(credential);
    }
    let manages =
        Viewer::current().can(Permission::ManageCredentials) && !credential.life.has_ended();
    if let Some(url) = &credential.key_url {
        let change = manages.then(|| change(Some(&url.url), page, outcome));
        let paste = manages.then(|| add(page, outcome));
        return key_url(url, page, change, paste);
    }
    let is_last = credential.public_keys.len() == 1;
    let items = credential.public_keys.iter().cloned().map(|key| {
        let remove = (manages && !is_last).then(|| remove(&key, page));
        public_key(key, remove)
    });
    let items = items.collect_view();
    let add = manages.then(|| (add(page, outcome), change(None, page, outcome)));
    view! {
        <section class="card section">
            <h2>"Public keys"</h2>
            <p>
                "Told apart by their thumbprints (RFC 7638). Each of them signs in. An assertion is "
                "refused? The " <a class="link" href="/debugger">"assertion debugger"</a> " says why."
            </p>
            <ul class="stack-s">{items}</ul>
            {add}
        </section>
    }
    .into_any()
}

fn secrets(credential: &CredentialDetail) -> AnyView {
    let items = credential.secrets.iter().map(|&made_at| {
        view! { <li class="line">"A secret, made " <Moment at=made_at time=true /></li> }
    });
    let items = items.collect_view();
    view! {
        <section class="card section">
            <h2>"Secrets"</h2>
            <p>"Only a fingerprint is kept: nobody can look a secret up."</p>
            <ul class="stack-s">{items}</ul>
        </section>
    }
    .into_any()
}

fn public_key(key: PublicKey, remove: Option<AnyView>) -> AnyView {
    let name = (!key.name.is_empty()).then(|| view! { <b>{key.name}</b> });
    let end = key
        .expires_at
        .map(|at| view! { ", until " <Moment at=at time=true /> });
    let used = match key.last_used_at {
        Some(at) => view! { ", used " <Time at=at /> }.into_any(),
        None => ", never used".into_any(),
    };
    view! {
        <li class="line">
            <Chip>{key.algorithm}</Chip>
            {name}
            <code>{key.thumbprint.clone()}</code>
            <CopyButton text=key.thumbprint what="thumbprint" />
            <span class="quiet">"added " <Moment at=key.created_at /> {end} {used}</span>
            {remove}
        </li>
    }
    .into_any()
}

fn remove(key: &PublicKey, page: &str) -> AnyView {
    let (dialog, action) = (
        format!("remove-{}", key.thumbprint),
        format!("{page}/keys/remove"),
    );
    let (shown, sent) = (key.thumbprint.clone(), key.thumbprint.clone());
    let title = if key.name.is_empty() {
        "Remove this key?".to_owned()
    } else {
        format!("Remove {}?", key.name)
    };
    view! {
        <DialogLink dialog=dialog.clone() class="btn small danger">
            "Remove"
        </DialogLink>
        <Dialog id=dialog title=title>
            <p class="dialog-text">
                "What it signs is refused from the next request on. " <code>{shown}</code>
            </p>
            <form method="post" action=action>
                <input type="hidden" name="thumbprint" value=sent />
                <DialogActions>
                    <button class="btn danger primary">"Remove"</button>
                </DialogActions>
            </form>
        </Dialog>
    }
    .into_any()
}

fn add(page: &str, outcome: Option<&FormOutcome>) -> AnyView {
    let (action, outcome) = (format!("{page}/keys"), outcome.cloned());
    let choices = ExpiryChoice::FIXED.map(|choice| (choice.to_string(), choice.label().to_owned()));
    view! {
        <div class="line">
            <DialogLink dialog=ADD class="btn small">
                "Add a public key"
            </DialogLink>
        </div>
        <Dialog id=ADD title="Add a public key">
            <PostForm action=action outcome=outcome proof=true>
                <Field
                    name="name"
                    id="key-name"
                    label="Name"
                    hint="Such as the machine that holds it."
                    maxlength=80
                    optional=true
                />
                <KeyField hint="PEM, a certificate, a JWK, or a set of JWKs. Never a private key." />
                <Select
                    name="expires"
                    id="key-expires"
                    label="Works"
                    options=choices.to_vec()
                    value="never"
                />
                <DialogActions>
                    <button class="btn primary">"Add key"</button>
                </DialogActions>
            </PostForm>
        </Dialog>
    }
    .into_any()
}

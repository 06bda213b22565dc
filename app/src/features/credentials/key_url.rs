//! Public keys by URL: what came from it last, the dialog that sets it, and the choice between
//! pasting a key and giving a URL when a credential is issued.

use leptos::prelude::*;

use super::KeyUrl;
use super::draft::BY_URL;
use crate::components::{
    Chip, Choice, CopyButton, Dialog, DialogActions, DialogLink, Field, Moment, Notice, Pills,
    PostForm, Tone,
};
use crate::form::FormOutcome;
use crate::words::count;

/// The id of the dialog.
const DIALOG: &str = "key-url";
/// What to know before typing one.
const HINT: &str = "A JWK set (JWKS) over https, such as https://app.example.com/jwks.json. It must answer by \
    itself, without a redirect.";

/// The section of the credential's page; `change` and `paste` are for those who may do so.
pub(super) fn key_url(
    set: &KeyUrl,
    page: &str,
    change: Option<AnyView>,
    paste: Option<AnyView>,
) -> AnyView {
    let keys = set.keys.iter().cloned().map(|(algorithm, thumbprint)| {
        view! {
            <li class="line">
                <Chip>{algorithm}</Chip>
                <code>{thumbprint.clone()}</code>
                <CopyButton text=thumbprint what="thumbprint" />
            </li>
        }
    });
    let keys = keys.collect_view();
    let action = format!("{page}/key-url/fetch");
    let actions = change.map(|change| {
        view! {
            <div class="line">
                <form method="post" action=action>
                    <button class="btn small">"Fetch now"</button>
                </form>
                {change}
                {paste}
            </div>
            <p class="quiet">"A public key that you add takes the place of the URL."</p>
        }
    });
    view! {
        <section class="card section">
            <h2>"Public keys"</h2>
            <p>"Fetched from " <code>{set.url.clone()}</code> ", and told apart by their thumbprints."</p>
            {outcome(set)}
            <ul class="stack-s">{keys}</ul>
            {actions}
        </section>
    }
    .into_any()
}

/// What came last, in words.
fn outcome(set: &KeyUrl) -> AnyView {
    let count = count(set.keys.len(), "key");
    let Some(asked_at) = set.asked_at else {
        return view! { <p>"Not fetched yet: the first assertion fetches them."</p> }.into_any();
    };
    let Some(problem) = set.problem.clone() else {
        return view! { <p>"Last fetched " <Moment at=asked_at time=true /> ", " {count} "."</p> }
            .into_any();
    };
    let consequence = match set.work_until {
        Some(until) => view! {
            <p>
                "The " {count} " from before go on working until "
                <Moment at=until time=true /> "."
            </p>
        }
        .into_any(),
        None => view! { <p>"Until that is mended no assertion gets a token."</p> }.into_any(),
    };
    view! {
        <Notice tone=Tone::Bad>
            <p>
                <b>{problem} "."</b> " Last tried " <Moment at=asked_at time=true /> "."
            </p>
            {consequence}
        </Notice>
    }
    .into_any()
}

/// The button and the dialog that set the URL, in place of public keys or of the URL before.
pub(super) fn change(current: Option<&str>, page: &str, outcome: Option<&FormOutcome>) -> AnyView {
    let (action, outcome) = (format!("{page}/key-url"), outcome.cloned());
    let (words, consequence) = match current {
        None => (
            "Use a key URL instead",
            "The public keys above stop working at once, and those from the URL take their place.",
        ),
        Some(_) => (
            "Change the URL",
            "The keys of the URL before stop working at once.",
        ),
    };
    let value = current.unwrap_or_default().to_owned();
    view! {
        <DialogLink dialog=DIALOG class="btn small">
            {words}
        </DialogLink>
        <Dialog id=DIALOG title=words>
            <p class="dialog-text">{consequence}</p>
            <PostForm action=action outcome=outcome proof=true>
                <Field name="jwks_url" label="Key URL" hint=HINT value=value maxlength=2000 />
                <DialogActions>
                    <button class="btn primary">"Save URL"</button>
                </DialogActions>
            </PostForm>
        </Dialog>
    }
    .into_any()
}

/// The choice when a credential is issued: the field for a pasted key, or one for a URL. What is not
/// chosen is folded away by style alone.
#[component]
pub(super) fn KeySource(
    /// The field for a pasted key.
    children: Children,
) -> impl IntoView {
    let choices = vec![
        Choice::new("paste", "Paste a public key"),
        Choice::new(BY_URL, "Give a URL"),
    ];
    view! {
        <div class="stack">
            <Pills
                name="key_source"
                legend="Where its public keys are"
                choices=choices
                value="paste"
            />
            <div class="with-pasted-key">{children()}</div>
            <div class="with-key-url">
                <Field name="jwks_url" label="Key URL" hint=HINT maxlength=2000 optional=true />
            </div>
        </div>
    }
    .into_any()
}

//! From where and how often a credential may be used: the words, and the dialog that changes them.

use domain::expiry::rfc3339;
use domain::limits::{LimitKind, LimitsDraft};
use domain::role::Permission;
use leptos::prelude::*;

use super::CredentialDetail;
use crate::components::{Dialog, DialogActions, DialogLink, Field, PostForm};
use crate::form::{FormOutcome, FormState};
use crate::viewer::Viewer;

/// The id of the dialog.
const DIALOG: &str = "limits";

/// The section of the credential's page.
pub(super) fn limits(
    credential: &CredentialDetail,
    page: &str,
    outcome: Option<&FormOutcome>,
) -> AnyView {
    let words = credential.limits.words();
    let words = if words.is_empty() {
        view! { <p>"None: it may be used from anywhere, as often as its program likes."</p> }
            .into_any()
    } else {
        let items = words.into_iter().map(|word| view! { <li>{word}</li> });
        view! { <ul>{items.collect_view()}</ul> }.into_any()
    };
    let manages =
        Viewer::current().can(Permission::ManageCredentials) && !credential.life.has_ended();
    let change = manages.then(|| change(credential, page, outcome));
    view! {
        <section class="card section">
            <h2>"Limits"</h2>
            {words}
            {change}
        </section>
    }
    .into_any()
}

fn change(credential: &CredentialDetail, page: &str, outcome: Option<&FormOutcome>) -> AnyView {
    let action = format!("{page}/limits");
    let typed = FormState::of(&action, outcome.cloned());
    let (read, outcome) = (rfc3339(credential.updated_at), outcome.cloned());
    let draft = LimitsDraft::of(&credential.limits);
    let report_only = |kind: LimitKind, label: &'static str| {
        let field = kind.report_field();
        let is_on = if typed.is_refused() {
            typed.value(field).is_some()
        } else {
            draft.report_only.contains(&kind)
        };
        view! {
            <label class="check">
                <input type="checkbox" name=field value="on" checked=is_on />
                {label}
            </label>
        }
    };
    let report_addresses = report_only(LimitKind::Addresses, "Only report calls from elsewhere");
    let report_calls = report_only(LimitKind::Calls, "Only report calls beyond these");
    let report_tokens = report_only(LimitKind::Tokens, "Only report tokens beyond this");
    view! {
        <div class="line">
            <DialogLink dialog=DIALOG class="btn small">
                "Change limits"
            </DialogLink>
        </div>
        <Dialog id=DIALOG title="Change limits">
            <PostForm action=action outcome=outcome proof=true>
                <input type="hidden" name="read" value=read />
                <Field
                    name="addresses"
                    label="Addresses"
                    value=draft.addresses
                    hint="Such as 192.0.2.7 or 10.0.0.0/8, with commas between. From anywhere if empty."
                    maxlength=2_000
                    optional=true
                />
                {report_addresses}
                <Field
                    name="per_second"
                    label="Calls a second"
                    value=draft.per_second
                    maxlength=7
                    optional=true
                />
                <Field
                    name="burst"
                    label="Calls at once"
                    value=draft.burst
                    hint="After a pause; goes with calls a second, and is not less."
                    maxlength=7
                    optional=true
                />
                <Field
                    name="per_minute"
                    label="Calls a minute"
                    value=draft.per_minute
                    maxlength=7
                    optional=true
                />
                {report_calls}
                <Field
                    name="tokens_per_hour"
                    label="Tokens an hour"
                    value=draft.tokens_per_hour
                    maxlength=7
                    optional=true
                />
                {report_tokens}
                <DialogActions>
                    <button class="btn primary">"Save limits"</button>
                </DialogActions>
            </PostForm>
        </Dialog>
    }
    .into_any()
}

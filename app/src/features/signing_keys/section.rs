//! The list, and ending one of them.

use leptos::prelude::*;

use super::{SigningKeyRow, SigningKeyStage, list_signing_keys};
use crate::components::{
    Cell, Column, Dialog, DialogActions, DialogLink, ErrorState, Field, PostForm, Skeleton, Table,
    Time,
};
use crate::error::ApiError;
use crate::form::FormOutcome;

/// The section with the signing keys.
#[component]
pub fn SigningKeys(
    /// What came back from the server, of whichever form of the page.
    #[prop(optional_no_strip)]
    outcome: Option<FormOutcome>,
) -> impl IntoView {
    let keys = Resource::new_blocking(|| (), |()| list_signing_keys());
    let outcome = StoredValue::new(outcome);
    view! {
        <section class="card section" id="signing-keys" aria-labelledby="signing-keys-title">
            <h2 id="signing-keys-title">"Signing keys"</h2>
            <p>
                "Access tokens are signed with these. Each signs until the next one takes over, and counts \
                until the last token that it signed has ended."
            </p>
            <Transition fallback=|| view! { <Skeleton /> }>
                {move || Suspend::new(async move { table(keys.await, outcome.get_value()) })}
            </Transition>
        </section>
    }
    .into_any()
}

fn table(keys: Result<Vec<SigningKeyRow>, ApiError>, outcome: Option<FormOutcome>) -> AnyView {
    let keys = match keys {
        Ok(keys) => keys,
        Err(error) => return view! { <ErrorState error=error /> }.into_any(),
    };
    let columns = ["Key", "State", "Signs from"]
        .map(Column::new)
        .into_iter()
        .chain([Column::hidden("End")])
        .collect();
    let rows = keys
        .into_iter()
        .map(|key| view! { <Line key=key outcome=outcome.clone() /> })
        .collect_view();
    view! {
        <Table caption="Signing keys" columns=columns>
            {rows}
        </Table>
    }
    .into_any()
}

#[component]
fn Line(key: SigningKeyRow, outcome: Option<FormOutcome>) -> impl IntoView {
    let (class, state, until) = match key.stage {
        SigningKeyStage::Signs => ("state ok", "Signs", None),
        SigningKeyStage::Published => ("state warn", "Published, signs next", None),
        SigningKeyStage::CountsUntil(end) => {
            ("state ended", "No longer signs, counts until ", Some(end))
        }
    };
    let until = until.map(|at| view! { <Time at=at /> });
    let kid = key.kid.clone();
    view! {
        <tr role="row">
            <Cell names_row=true>
                <code>{kid}</code>
            </Cell>
            <Cell label="State">
                <span class=class>{state} {until}</span>
            </Cell>
            <Cell label="Signs from">
                <Time at=key.used_from />
            </Cell>
            <Cell>
                <div class="row-actions">
                    <End kid=key.kid stage=key.stage outcome=outcome />
                </div>
            </Cell>
        </tr>
    }
    .into_any()
}

/// The question before a key is ended.
#[component]
fn End(kid: String, stage: SigningKeyStage, outcome: Option<FormOutcome>) -> impl IntoView {
    let dialog = format!("end-{kid}");
    let reason = format!("reason-{kid}");
    let action = format!("/signing-keys/{kid}/end");
    let next = match stage {
        SigningKeyStage::CountsUntil(_) => "",
        SigningKeyStage::Published | SigningKeyStage::Signs => " A new key signs at once.",
    };
    view! {
        <DialogLink dialog=dialog.clone() class="btn small danger">
            "End now "
            <span class="vh">{kid}</span>
        </DialogLink>
        <Dialog id=dialog title="End this signing key now?">
            <p class="dialog-text">
                "Do this when somebody else may have it. Every token that it signed is refused from the next \
                request on: programs must get new ones. This can't be undone." {next}
            </p>
            <PostForm action=action outcome=outcome proof=true>
                <Field
                    name="reason"
                    id=reason
                    label="Reason"
                    hint="It goes into the audit log."
                    maxlength=300
                />
                <DialogActions>
                    <button class="btn danger primary">"End signing key"</button>
                </DialogActions>
            </PostForm>
        </Dialog>
    }
    .into_any()
}

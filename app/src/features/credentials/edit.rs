//! The page that edits a credential: name, purpose, owner, access and end.

use domain::catalogue::Catalogue;
use domain::role::Permission;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::fields::{AccessSection, LifeSection, PurposeSection};
use super::{CredentialDetail, FormFacts, credential_form, get_credential};
use crate::components::{EmptyState, ErrorState, Glyph, Moment, PageHead, PostForm, Skeleton};
use crate::features::catalogue::get_catalogue;
use crate::form::{FormOutcome, use_answer};
use crate::frame::Only;

/// The page that edits a credential.
#[component]
pub fn EditCredentialPage() -> impl IntoView {
    let outcome = use_answer().outcome;
    view! {
        <Only permission=Permission::ManageCredentials>
            <EditCredential outcome=outcome.clone() />
        </Only>
    }
    .into_any()
}

#[component]
fn EditCredential(outcome: Option<FormOutcome>) -> impl IntoView {
    let params = use_params_map();
    let key_id = move || params.with(|params| params.get("key_id").unwrap_or_default());
    let credential = Resource::new_blocking(key_id, get_credential);
    let facts = Resource::new_blocking(|| (), |()| credential_form());
    let catalogue = Resource::new_blocking(|| (), |()| get_catalogue());
    let outcome = StoredValue::new(outcome);
    view! {
        <Transition fallback=|| {
            view! { <div class="card"><Skeleton /></div> }
        }>
            {move || Suspend::new(async move {
                match (credential.await, facts.await, catalogue.await) {
                    (Ok(credential), Ok(facts), Ok(catalogue)) => {
                        page(credential, facts, catalogue, outcome.get_value())
                    }
                    (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => {
                        view! { <div class="card"><ErrorState error=error /></div> }.into_any()
                    }
                }
            })}
        </Transition>
    }
    .into_any()
}

fn page(
    credential: CredentialDetail,
    facts: FormFacts,
    catalogue: Catalogue,
    outcome: Option<FormOutcome>,
) -> AnyView {
    let back = format!("/credentials/{}", credential.key_id);
    if credential.life.has_ended() {
        return view! {
            <PageHead title=credential.name />
            <div class="card">
                <EmptyState
                    glyph=Glyph::Lock
                    title="This credential has ended"
                    text="What has ended can't be edited. Issue a new credential in its place."
                >
                    <a class="btn" href=back>
                        "To the credential"
                    </a>
                </EmptyState>
            </div>
        }
        .into_any();
    }
    let action = format!("{back}/edit");
    // After a refusal: what the editor saw at first, so that nobody's change is overwritten unseen.
    let typed = outcome.as_ref().and_then(|outcome| {
        outcome
            .values
            .iter()
            .find(|(name, _)| name == "read")
            .map(|(_, read)| read.clone())
    });
    let read = typed.unwrap_or_else(|| domain::expiry::rfc3339(credential.updated_at));
    let end = credential.life.expires_at.map_or_else(
        || view! { <p>"It has no end now."</p> }.into_any(),
        |at| view! { <p>"It ends on " <Moment at=at time=true /> " now."</p> }.into_any(),
    );
    let catalogue = StoredValue::new(catalogue);
    view! {
        <PageHead
            title=format!("Edit {}", credential.name)
            lead="A change holds from the next call on. Key id and secret stay the same."
        />
        <div class="one-column">
            <PostForm action=action outcome=outcome proof=true>
                <input type="hidden" name="read" value=read />
                <PurposeSection
                    name=credential.name
                    purpose=credential.purpose
                    owner=credential.owner.id
                    owners=facts.owners
                />
                <AccessSection catalogue=catalogue access=credential.access />
                <LifeSection
                    first=("keep", "Leave as it is")
                    lifetimes=facts.lifetimes
                    value="keep"
                >
                    {end}
                </LifeSection>
                <div class="form-actions">
                    <button class="btn primary">"Save changes"</button>
                    <a class="btn" href=back>
                        "Cancel"
                    </a>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}

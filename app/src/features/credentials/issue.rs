//! The page that issues a credential. The form is a plain POST; with WASM it goes to the server
//! function of the same use case, so that nothing typed is lost, and sums itself up meanwhile.

use domain::access::Access;
use domain::catalogue::Catalogue;
use domain::credential::Flow;
use domain::draft::CredentialDraft;
use domain::expiry::ExpiryChoice;
use domain::role::Permission;
use domain::text::CredentialName;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::SubmitEvent;

use super::draft::{access_so_far, read_draft};
use super::fields::{AccessSection, LifeSection, PurposeSection};
use super::key_field::KeyField;
use super::key_url::KeySource;
use super::live::{fields, focus, form_in, form_of};
use super::shown::StoreIt;
use super::summary::{access_words, draft_end, end_words};
use super::{FormFacts, credential_form, issue_credential};
use crate::clock::PageClock;
use crate::components::{Choice, ChoiceCards, ErrorState, PageHead, PostForm, Skeleton};
use crate::error::ApiError;
use crate::features::catalogue::{Ask, can_call, get_catalogue};
use crate::form::{Answer, FormOutcome, ShownOnce, use_answer};
use crate::frame::Only;
use crate::viewer::Viewer;

/// The path of the page and of its form.
const PATH: &str = "/credentials/new";

/// The page for a new credential, and then for its secret.
#[component]
pub fn NewCredentialPage() -> impl IntoView {
    let answer = use_answer();
    view! {
        <Only permission=Permission::ManageCredentials>
            <NewCredential answer=answer.clone() />
        </Only>
    }
    .into_any()
}

#[component]
fn NewCredential(answer: Answer) -> impl IntoView {
    let facts = Resource::new_blocking(|| (), |()| credential_form());
    let catalogue = Resource::new_blocking(|| (), |()| get_catalogue());
    let outcome = RwSignal::new(answer.outcome);
    let shown = RwSignal::new(answer.shown_once);
    let form = move || {
        view! {
            <PageHead
                title="New credential"
                lead="Only superusers create credentials. Everyone on the team will see it in the list."
                back=("/credentials", "Credentials")
            />
            <Transition fallback=|| {
                view! { <div class="card"><Skeleton /></div> }
            }>
                {move || Suspend::new(async move {
                    match (facts.await, catalogue.await) {
                        (Ok(facts), Ok(catalogue)) => {
                            let catalogue = StoredValue::new(catalogue);
                            let form = move || form(facts.clone(), catalogue, outcome, shown);
                            form.into_any()
                        }
                        (Err(error), _) | (_, Err(error)) => {
                            view! { <div class="card"><ErrorState error=error /></div> }.into_any()
                        }
                    }
                })}
            </Transition>
        }
    };
    let page = move || match shown.get() {
        Some(ShownOnce::Credential(issued)) => view! { <StoreIt issued=issued /> }.into_any(),
        _ => form().into_any(),
    };
    page.into_any()
}

/// The form with what is in it at first: nothing, or what was typed when it was refused.
fn form(
    facts: FormFacts,
    catalogue: StoredValue<Catalogue>,
    outcome: RwSignal<Option<FormOutcome>>,
    shown: RwSignal<Option<ShownOnce>>,
) -> AnyView {
    let refused = outcome.get();
    let viewer = Viewer::current().user().map(|user| user.id);
    let usual = usual_draft(&facts, viewer.unwrap_or_default());
    let draft = RwSignal::new(match &refused {
        Some(refused) => read_draft(&refused.values),
        None => usual.clone(),
    });
    let sending = RwSignal::new(false);
    let around = NodeRef::<html::Div>::new();
    // What was typed before hydration counts too.
    Effect::new(move |_| {
        if let Some(form) = around.get().and_then(|around| form_in(&around)) {
            draft.set(read_draft(&fields(&form)));
        }
    });
    let note = move |event: web_sys::Event| {
        if let Some(form) = form_of(&event) {
            // By the next frame the date field has written down which instant it means, or the
            // form is gone.
            request_animation_frame(move || {
                draft.try_set(read_draft(&fields(&form)));
            });
        }
    };
    let send = move |event: SubmitEvent| {
        let Some(form) = form_of(&event) else { return };
        event.prevent_default();
        if sending.get_untracked() {
            return;
        }
        sending.set(true);
        let values = fields(&form);
        spawn_local(async move {
            let key = values.iter().find(|(name, _)| name == "idempotency_key");
            let key = key.map(|(_, value)| value.clone()).unwrap_or_default();
            match issue_credential(read_draft(&values), key).await {
                Ok(issued) => {
                    shown.set(Some(issued));
                    focus("h1");
                }
                // The page's clock thought otherwise.
                Err(ApiError::ProofNeeded) => drop(form.submit()),
                Err(error) => {
                    outcome.set(Some(FormOutcome::refused(PATH, values, error)));
                    focus("main [role=alert]");
                }
            }
        });
    };
    view! {
        <div node_ref=around on:input=note on:change=note on:submit=send>
            <PostForm action=PATH outcome=refused proof=true>
                <input type="hidden" name="idempotency_key" value=facts.idempotency_key />
                <div class="split">
                    <div class="stack">
                        <PurposeSection owner=usual.owner owners=facts.owners />
                        <FlowSection />
                        <AccessSection catalogue=catalogue access=Access::Custom([].into()) />
                        <LifeSection lifetimes=facts.lifetimes value=usual.expires />
                    </div>
                    <aside class="card summary">
                        <Summary draft=draft catalogue=catalogue />
                        <button class="btn primary wide" disabled=move || sending.get()>
                            "Create credential"
                        </button>
                    </aside>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}

/// What is chosen at first: the viewer as owner, nothing allowed, 90 days where the policy lets.
fn usual_draft(facts: &FormFacts, owner: String) -> CredentialDraft {
    let longest = [
        ExpiryChoice::NinetyDays,
        ExpiryChoice::ThirtyDays,
        ExpiryChoice::OneWeek,
    ];
    let expires = longest
        .into_iter()
        .find(|one| facts.lifetimes.contains(one));
    CredentialDraft {
        owner,
        flow: Flow::ClientSecret.as_str().to_owned(),
        access: "custom".to_owned(),
        expires: expires.map_or_else(|| "custom".to_owned(), |one| one.to_string()),
        ..CredentialDraft::default()
    }
}

/// How it signs in.
#[component]
fn FlowSection() -> impl IntoView {
    let choices = Flow::ALL
        .map(|flow| {
            let choice = Choice::new(flow.as_str(), flow.label());
            match flow {
                Flow::ClientSecret => choice
                    .text("A shared secret, shown once.")
                    .chip("Recommended"),
                Flow::PrivateKeyJwt => choice
                    .text("The private key never leaves its owner. Strongest.")
                    .chip("Recommended"),
                Flow::Legacy => choice
                    .text("Key and secret on every call. For programs that can't fetch tokens."),
            }
        })
        .to_vec();
    view! {
        <section class="card section">
            <h2>"How does it sign in?"</h2>
            <p>"Both recommended ways trade the credential for a short-lived token."</p>
            <div class="stack">
                <ChoiceCards
                    name="flow"
                    legend="How it signs in"
                    choices=choices
                    value=Flow::ClientSecret.as_str()
                />
                <div class="with-private-key">
                    <KeySource>
                        <KeyField
                            hint="PEM, a certificate or a JWK: P-256, P-384, Ed25519, or RSA of 2,048 bits or more. Never paste the private key."
                            optional=true
                        />
                    </KeySource>
                </div>
            </div>
        </section>
    }
    .into_any()
}

/// The draft in plain words. Until WASM runs, a fixed text stands in its place.
#[component]
fn Summary(
    /// The draft.
    draft: RwSignal<CredentialDraft>,
    /// The catalogue.
    catalogue: StoredValue<Catalogue>,
) -> impl IntoView {
    let clock = PageClock::current();
    let name = move || {
        let typed = draft.with(|draft| draft.name.parse::<CredentialName>().ok());
        typed.map_or_else(|| "New credential".to_owned(), |name| name.to_string())
    };
    let access = Memo::new(move |_| draft.with(access_so_far));
    let may = move || {
        catalogue.with_value(|catalogue| access.with(|access| access_words(catalogue, access)))
    };
    let end = Memo::new(move |_| draft.with(|draft| draft_end(draft, clock.now())));
    let answer = move |(method, path): (String, String)| {
        catalogue.with_value(|catalogue| {
            access.with(|access| can_call(catalogue, access, &method, &path))
        })
    };
    view! {
        <h2>{name}</h2>
        <div class="either">
            <p class="until-live quiet">
                "It works from the moment it is created, and only for what you choose here. The "
                "next page shows its secret, once."
            </p>
            <ul class="live-only" aria-label="Summary">
                {may} {move || end_words(end.get())}
            </ul>
        </div>
        <Ask title="Can this key call …?" answer=answer />
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_lifetime_is_the_longest_usual_one_that_is_allowed() {
        let usual = |lifetimes: &[ExpiryChoice]| {
            let facts = FormFacts {
                owners: Vec::new(),
                lifetimes: lifetimes.to_vec(),
                idempotency_key: String::new(),
            };
            usual_draft(&facts, String::new()).expires
        };
        assert_eq!(usual(&ExpiryChoice::FIXED), "90d");
        assert_eq!(usual(&[ExpiryChoice::OneWeek]), "1w");
        assert_eq!(usual(&[]), "custom");
    }
}

//! The frames of forms: a plain POST with the state of its fields and what is wrong on top, and a search.

use leptos::context::Provider;
use leptos::prelude::*;

use super::{Notice, Tone};
use crate::form::{FormOutcome, FormState};

/// A form that posts to a route of the server. Its fields find what was typed before and what is
/// wrong with it in context. If it was refused, the first thing in it says so and takes the focus.
#[component]
pub fn PostForm(
    /// The path that it posts to.
    #[prop(into)]
    action: String,
    /// What came back from the server, of whichever form of the page.
    #[prop(optional_no_strip)]
    outcome: Option<FormOutcome>,
    /// What it does needs a fresh proof of who the viewer is: the dialog asks for it before.
    #[prop(optional)]
    proof: bool,
    /// A class in place of `form`.
    #[prop(default = "form")]
    class: &'static str,
    /// Fields and buttons.
    children: Children,
) -> impl IntoView {
    let state = FormState::of(&action, outcome);
    let summary = state
        .is_refused()
        .then(|| view! { <Refused state=state.clone() /> });
    view! {
        <form class=class method="post" action=action data-proof=proof.then_some("")>
            <Provider value=state>{summary} {children()}</Provider>
        </form>
    }
    .into_any()
}

/// A search: a plain GET, the answer is a page with the filters in its address.
#[component]
pub fn SearchForm(
    /// The path of the page.
    action: &'static str,
    /// Whether a filter is set, which can then be cleared.
    filtered: bool,
    /// The filters.
    children: Children,
) -> impl IntoView {
    let clear = filtered.then(|| view! { <a class="btn ghost" href=action>"Clear filters"</a> });
    view! {
        <form class="card section stack" method="get" action=action role="search">
            <div class="fields">{children()}</div>
            <div class="form-actions">
                <button class="btn primary">"Search"</button>
                {clear}
            </div>
        </form>
    }
    .into_any()
}

/// What is wrong, with a link to each field.
#[component]
fn Refused(state: FormState) -> impl IntoView {
    let message = state
        .message()
        .unwrap_or_else(|| "Nothing was saved. Some fields need another look:".to_owned());
    let fields = state
        .errors()
        .iter()
        .map(|error| {
            let href = format!("#{}", error.field);
            view! { <li><a href=href>{error.message.clone()}</a></li> }
        })
        .collect::<Vec<_>>();
    let fields = (!fields.is_empty()).then(|| view! { <ul>{fields}</ul> });
    view! {
        <div role="alert" tabindex="-1" autofocus=true>
            <Notice tone=Tone::Bad>
                <p>{message}</p>
                {fields}
            </Notice>
        </div>
    }
    .into_any()
}

/// A refused form that is not on the page itself but in a dialog of one of its rows: said above the
/// list, as a row has no room for it.
#[component]
pub fn RefusedElsewhere(
    /// What came back from the server, of whichever form of the page.
    #[prop(optional_no_strip)]
    outcome: Option<FormOutcome>,
    /// The action of the form that shows its own refusals.
    form: &'static str,
) -> impl IntoView {
    let outcome = outcome.filter(|outcome| outcome.action != form);
    let first = |outcome: FormOutcome| {
        let error = outcome.errors.into_iter().next().map(|error| error.message);
        outcome.message.or(error)
    };
    outcome
        .and_then(first)
        .map(|words| view! { <div role="alert"><Notice tone=Tone::Bad>{words}</Notice></div> })
}

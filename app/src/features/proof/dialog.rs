//! The dialog that asks before a form is sent.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use web_sys::{HtmlDialogElement, HtmlElement, HtmlFormElement, SubmitEvent};

use super::{PasswordProof, ProofQuestion, ask_for_proof, second_factor};
use crate::clock::PageClock;
use crate::components::{Dialog, DialogActions, FieldProblem};
use crate::features::credentials::{form_of, text_of};
use crate::fetch::post;
use crate::listener::Listener;
use crate::viewer::Viewer;

/// The id of the dialog.
const DIALOG: &str = "proof-dialog";
/// What marks the form that waits for a proof. The page itself remembers it: it lives in the browser
/// only, and whatever a component holds lives on the server as well.
const STOPPED: &str = "data-stopped";
/// How long a proof is fresh.
const LASTS: chrono::TimeDelta = domain::proof::PROOF_LASTS;

/// The dialog, once in the frame: it stops the forms that need a proof while there is none, and sends
/// them when it has one. The server asks in any case; this only asks before.
#[component]
pub(crate) fn ProofDialog() -> impl IntoView {
    let clock = PageClock::current();
    let until = Viewer::current().user().and_then(|user| user.proven_until);
    let until = RwSignal::new(until);
    let question = RwSignal::new(None::<ProofQuestion>);
    let problem = RwSignal::new(None::<String>);
    Effect::new(move |_| {
        let listener = Listener::new("submit", move |event| {
            let form = form_of(event).filter(|form| form.has_attribute("data-proof"));
            let is_fresh = untrack(|| until.get().is_none_or(|until| clock.now() < until));
            let Some(form) = form.filter(|_| !is_fresh) else {
                return;
            };
            event.prevent_default();
            event.stop_immediate_propagation();
            // One that was stopped before and given up.
            let _ = stopped();
            let _ = form.set_attribute(STOPPED, "");
            spawn_local(async move {
                match ask_for_proof().await {
                    Ok(found @ (ProofQuestion::Password | ProofQuestion::SecondFactor { .. })) => {
                        question.set(Some(found));
                        problem.set(None);
                        request_animation_frame(open);
                    }
                    // The page of the server knows the way.
                    _ => drop(form.submit()),
                }
            });
        });
        StoredValue::new_local(listener);
    });
    let send = move |event: SubmitEvent| {
        event.prevent_default();
        let Some(typed) = form_of(&event).and_then(|form| text_of(&form, "proof")) else {
            return;
        };
        spawn_local(async move {
            let body = format!("proof={}", crate::url::escape(&typed));
            match post("/account/confirm", &body).await {
                Ok(_) => {
                    until.set(Some(untrack(|| clock.now()) + LASTS));
                    question.set(None);
                    close();
                    if let Some(form) = stopped() {
                        let _ = form.request_submit();
                    }
                }
                Err(words) => problem.set(Some(words)),
            }
        });
    };
    let control = move || match question.get() {
        Some(ProofQuestion::Password) => view! { <PasswordProof /> }.into_any(),
        Some(ProofQuestion::SecondFactor { passkey }) => second_factor(passkey),
        _ => ().into_any(),
    };
    let wrong = move || {
        let problem = problem.get();
        problem.map(|words| view! { <div role="alert"><FieldProblem words=words /></div> })
    };
    view! {
        <Dialog id=DIALOG title="Confirm that it is you">
            <p class="dialog-text">
                "For what makes or widens a right, once in 15 minutes. What you entered is not lost."
            </p>
            <form class="form" on:submit=send>
                {control}
                {wrong}
                <DialogActions>
                    <button class="btn primary">"Confirm and go on"</button>
                </DialogActions>
            </form>
        </Dialog>
    }
    .into_any()
}

/// The form that was stopped, which is marked no longer.
fn stopped() -> Option<HtmlFormElement> {
    let marked = document().query_selector(&format!("form[{STOPPED}]"));
    let form = marked.ok()??;
    let _ = form.remove_attribute(STOPPED);
    form.dyn_into().ok()
}

fn dialog() -> Option<HtmlDialogElement> {
    document().get_element_by_id(DIALOG)?.dyn_into().ok()
}

fn open() {
    if let Some(dialog) = dialog().filter(|dialog| dialog.show_modal().is_ok())
        && let Ok(Some(field)) = dialog.query_selector("[name=proof]")
        && let Ok(field) = field.dyn_into::<HtmlElement>()
    {
        let _ = field.focus();
    }
}

fn close() {
    if let Some(dialog) = dialog() {
        dialog.close();
    }
}

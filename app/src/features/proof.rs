//! Confirming who one is before what counts. Without WASM the server answers a form with a page that
//! keeps its fields and asks; with WASM a dialog asks before the form is sent.

use std::fmt;

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast;
use web_sys::{HtmlDialogElement, HtmlElement, HtmlFormElement, SubmitEvent};

use super::credentials::{form_of, text_of};
use super::passkeys::{Ceremony, PasskeyButton};
use crate::clock::PageClock;
use crate::components::{
    Dialog, DialogActions, Field, FieldProblem, Notice, PasswordField, PostForm, Tone,
};
use crate::error::ApiError;
use crate::fetch::post;
use crate::form::{Answer, FormOutcome, ShownOnce, use_answer};
use crate::frame::Bare;
use crate::listener::Listener;
use crate::viewer::Viewer;

/// How the viewer is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProofQuestion {
    /// For their password.
    Password,
    /// For a second factor: a code of their app, a recovery code, or a passkey.
    SecondFactor {
        /// Whether they have a passkey.
        passkey: bool,
    },
    /// To log in at their provider anew.
    Provider {
        /// What it is called.
        name: String,
        /// Where that begins.
        href: String,
    },
    /// To log in anew.
    LogIn,
    /// No more: they have just proven it.
    Nothing,
}

#[cfg(feature = "ssr")]
impl ProofQuestion {
    /// The question for a way.
    #[must_use]
    pub fn of(way: service::ProofWay) -> Self {
        match way {
            service::ProofWay::Password => Self::Password,
            service::ProofWay::SecondFactor { passkey } => Self::SecondFactor { passkey },
            service::ProofWay::Provider { id, name } => Self::Provider {
                name,
                href: format!("/sso/{id}"),
            },
            service::ProofWay::LogIn => Self::LogIn,
        }
    }
}

/// A form that waits for a confirmation. `Debug` does not print what was typed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Where it is posted to.
    pub action: String,
    /// Its fields, in order.
    pub fields: Vec<(String, String)>,
    /// What is asked.
    pub question: ProofQuestion,
}

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Confirmation({})", self.action)
    }
}

/// How the viewer is asked, for the dialog.
#[server(prefix = "/_fn", endpoint = "account/proof")]
pub async fn ask_for_proof() -> Result<ProofQuestion, ApiError> {
    use crate::server_context::{actor, reply, services};

    let way = reply(services()?.proof_way(&actor()?).await)?;
    Ok(ProofQuestion::of(way))
}

/// The page that asks. It is only ever an answer to a form.
#[component]
pub fn ConfirmPage() -> impl IntoView {
    let Answer {
        outcome,
        shown_once,
    } = use_answer();
    let contents = match shown_once {
        Some(ShownOnce::Confirmation(form)) => waiting(form, outcome),
        _ => view! {
            <Notice>"Nothing waits for you here. It may have been sent already, or waited too long."</Notice>
            <a class="btn wide" href="/">
                "To the start"
            </a>
        }
        .into_any(),
    };
    view! {
        <Bare
            title="Confirm that it is you"
            lead="For what makes or widens a right, once in 15 minutes. What you entered is not lost."
        >
            {contents}
        </Bare>
    }
    .into_any()
}

fn waiting(form: Confirmation, outcome: Option<FormOutcome>) -> AnyView {
    let Confirmation {
        action,
        fields,
        question,
    } = form;
    let carried = fields
        .into_iter()
        .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
        .collect_view();
    let control = match question {
        ProofQuestion::Provider { name, href } => {
            return view! {
                <p>{format!("What you entered waits here for ten minutes while you log in at {name}.")}</p>
                <a class="btn primary wide" href=href rel="external">
                    "Log in with "
                    {name}
                </a>
            }
            .into_any();
        }
        ProofQuestion::LogIn => {
            return view! {
                <Notice tone=Tone::Warn>
                    "Nothing here can check that it is you. Log out, log in again, and repeat it within 15 minutes."
                </Notice>
                <form method="post" action="/logout">
                    <button class="btn wide">"Log out"</button>
                </form>
            }
            .into_any();
        }
        ProofQuestion::Nothing => {
            view! { <p>"You have confirmed that it is you. Send what you entered before:"</p> }
                .into_any()
        }
        ProofQuestion::Password => view! { <PasswordProof /> }.into_any(),
        ProofQuestion::SecondFactor { passkey } => second_factor(passkey),
    };
    view! {
        <PostForm action=action outcome=outcome>
            {carried} {control} <button class="btn primary wide">"Confirm and go on"</button>
        </PostForm>
    }
    .into_any()
}

#[component]
fn PasswordProof() -> impl IntoView {
    view! { <PasswordField name="proof" label="Your password" autocomplete="current-password" /> }
}

/// The field for a code of an app, or a recovery code.
#[component]
pub(super) fn CodeProof(
    /// Takes the focus when the page opens.
    #[prop(optional)]
    autofocus: bool,
) -> impl IntoView {
    view! {
        <Field
            name="proof"
            label="Code"
            hint="The six digits that your app shows, or a recovery code."
            autocomplete="one-time-code"
            maxlength=40
            autofocus=autofocus
        />
    }
}

fn second_factor(passkey: bool) -> AnyView {
    let button = passkey.then(|| {
        view! {
            <PasskeyButton
                ceremony=Ceremony::Use
                path="/account/passkeys/question"
                field="proof"
                words="Use a passkey"
            />
        }
    });
    view! { <CodeProof /> {button} }.into_any()
}

/// The id of the dialog.
const DIALOG: &str = "proof-dialog";
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
    let stopped = StoredValue::new_local(None::<HtmlFormElement>);
    Effect::new(move |_| {
        let listener = Listener::new("submit", move |event| {
            let form = form_of(event).filter(|form| form.has_attribute("data-proof"));
            let is_fresh = untrack(|| until.get().is_none_or(|until| clock.now() < until));
            let Some(form) = form.filter(|_| !is_fresh) else {
                return;
            };
            event.prevent_default();
            event.stop_immediate_propagation();
            stopped.set_value(Some(form.clone()));
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
                    if let Some(form) = stopped.get_value() {
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

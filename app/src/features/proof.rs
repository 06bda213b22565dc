//! Confirming who one is before what counts. Without WASM the server answers a form with a page that
//! keeps its fields and asks; with WASM a dialog asks before the form is sent.

mod dialog;

use std::fmt;

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::passkeys::{Ceremony, PasskeyButton};
use crate::components::{Field, Notice, PasswordField, PostForm, Tone};
use crate::error::ApiError;
use crate::form::{Answer, FormOutcome, ShownOnce, use_answer};
use crate::frame::Bare;
pub(crate) use dialog::ProofDialog;

/// How the viewer is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

//! Passkeys in the browser: the server's question goes to an authenticator, its answer into a form.
//! There are none without WASM, so everything here shows itself once it runs.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::js_sys::{Function, JSON, Object, Promise, Reflect};
use web_sys::{Event, HtmlInputElement};

use super::credentials::form_of;
use crate::components::FieldProblem;
use crate::fetch::post;

/// What an authenticator is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ceremony {
    /// To make a passkey.
    Make,
    /// To use one.
    Use,
}

impl Ceremony {
    const fn parser(self) -> &'static str {
        match self {
            Self::Make => "parseCreationOptionsFromJSON",
            Self::Use => "parseRequestOptionsFromJSON",
        }
    }

    const fn method(self) -> &'static str {
        match self {
            Self::Make => "create",
            Self::Use => "get",
        }
    }
}

/// A button that has a passkey answer the form that it is in.
#[component]
pub(super) fn PasskeyButton(
    /// What it is for.
    ceremony: Ceremony,
    /// Where the question comes from.
    path: &'static str,
    /// The field of the form that the answer goes into.
    field: &'static str,
    /// The words.
    words: &'static str,
) -> impl IntoView {
    let problem = RwSignal::new(None::<String>);
    let ask = move |event: web_sys::MouseEvent| {
        let event: Event = event.into();
        let Some(form) = form_of(&event) else { return };
        spawn_local(async move {
            match answer(path, ceremony).await {
                Ok(answer) => {
                    let found = form.query_selector(&format!("[name={field}]"));
                    let input = found.ok().flatten();
                    if let Some(input) = input.and_then(|it| it.dyn_into::<HtmlInputElement>().ok())
                    {
                        input.set_value(&answer);
                        problem.set(None);
                        let _ = form.request_submit();
                    }
                }
                Err(words) => problem.set(Some(words)),
            }
        });
    };
    let wrong = move || {
        let problem = problem.get();
        problem.map(|words| view! { <div role="alert"><FieldProblem words=words /></div> })
    };
    view! {
        <button class="btn wide live-only" type="button" on:click=ask>
            {words}
        </button>
        {wrong}
    }
    .into_any()
}

/// Fetches a question and has it answered: JSON with the ticket and what the authenticator signed.
async fn answer(path: &str, ceremony: Ceremony) -> Result<String, String> {
    let question = post(path, "").await?;
    let signed = ask(&question, ceremony).await;
    signed.map_err(|_| {
        "No passkey was used: it was cancelled, took too long, or this browser has none for Keyrack."
            .to_owned()
    })
}

async fn ask(question: &str, ceremony: Ceremony) -> Result<String, JsValue> {
    let question = JSON::parse(question)?;
    let [ticket, options] = ["ticket", "options"].map(|name| Reflect::get(&question, &name.into()));
    let class = Reflect::get(&window(), &"PublicKeyCredential".into())?;
    let options = call(&class, ceremony.parser(), &[options?])?;
    let request = Object::new();
    Reflect::set(&request, &"publicKey".into(), &options)?;
    let credentials = Reflect::get(&window().navigator(), &"credentials".into())?;
    let promise = call(&credentials, ceremony.method(), &[request.into()])?;
    let credential = JsFuture::from(promise.dyn_into::<Promise>()?).await?;
    let answer = Object::new();
    Reflect::set(&answer, &"ticket".into(), &ticket?)?;
    Reflect::set(
        &answer,
        &"response".into(),
        &call(&credential, "toJSON", &[])?,
    )?;
    JSON::stringify(&answer).map(String::from)
}

fn call(object: &JsValue, method: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let method: Function = Reflect::get(object, &method.into())?.dyn_into()?;
    method.apply(object, &arguments.iter().collect())
}

//! The field for public keys: typed, pasted, dropped, read from a file or made in the browser, and
//! told back as types and thumbprints. A private key does not stay in it and is sent nowhere.

use std::time::Duration;

use domain::confidential::holds_private_key;
use leptos::html;
use leptos::leptos_dom::helpers::TimeoutHandle;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DragEvent, Event, File, HtmlInputElement, HtmlTextAreaElement};

use super::key_pair::{Maker, MakerButton, Openssl};
use super::{KeyPreview, preview_public_keys};
use crate::components::{Chip, FieldProblem, TextArea};
use crate::error::ApiError;

/// More text than any key needs, in bytes; the server takes no more.
const LONGEST: u32 = 16 * 1024;
/// How long nobody types before the text is looked at.
const PAUSE: Duration = Duration::from_millis(300);

const PRIVATE: &str = "That was a private key, so it was taken out again and sent nowhere. Keep it \
     where it is, and paste its public part: openssl pkey -in private-key.pem -pubout";
const TOO_LONG: &str = "This is longer than 16 KiB, so it is no public key. Choose the file with \
     the public key alone.";
const NO_TEXT: &str = "This file is not text. Turn it into PEM first: openssl pkey -pubin -inform \
     DER -in FILE";

/// What is said about the text in the field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Nothing,
    Private,
    Wrong(String),
    Keys(Vec<KeyPreview>),
}

impl From<Result<Vec<KeyPreview>, ApiError>> for Said {
    fn from(answer: Result<Vec<KeyPreview>, ApiError>) -> Self {
        answer.map_or_else(|error| Self::Wrong(error.advice()), Self::Keys)
    }
}

/// The field `public_key` with everything that fills it.
#[component]
pub(super) fn KeyField(
    /// What to know before typing.
    hint: &'static str,
    /// May be left empty.
    #[prop(optional)]
    optional: bool,
) -> impl IntoView {
    let around = NodeRef::<html::Div>::new();
    let (said, making, over) = (
        RwSignal::new(Said::Nothing),
        RwSignal::new(false),
        RwSignal::new(false),
    );
    let consider = considering(said);
    let area = move || {
        let area = around.get_untracked()?.query_selector("textarea").ok()??;
        area.dyn_into::<HtmlTextAreaElement>().ok()
    };
    let look = move |area: &HtmlTextAreaElement| {
        let text = area.value();
        if holds_private_key(&text) {
            area.set_value("");
            consider.run(String::new());
            said.set(Said::Private);
        } else if !(text.is_empty() && said.get_untracked() == Said::Private) {
            // Browsers may tell of one paste several times; the field is empty from the second on.
            consider.run(text);
        }
    };
    // What was typed before hydration counts too, and what came back with a refused form.
    Effect::new(move |_| {
        if around.get().is_some()
            && let Some(area) = area()
        {
            look(&area);
        }
    });
    let typed = move |event: Event| {
        let target = event.target().and_then(|target| target.dyn_into().ok());
        if let Some(area) = target {
            look(&area);
        }
    };
    let put = Callback::new(move |text: String| {
        let Some(area) = area() else { return };
        area.set_value(&text);
        // As if it were typed: the form around listens too.
        let event = web_sys::EventInit::new();
        event.set_bubbles(true);
        if let Ok(event) = Event::new_with_event_init_dict("input", &event) {
            let _ = area.dispatch_event(&event);
        }
    });
    let open = Callback::new(move |file: File| {
        spawn_local(async move {
            match read(&file).await {
                Ok(text) => put.run(text),
                Err(problem) => {
                    said.try_set(Said::Wrong(problem.to_owned()));
                }
            }
        });
    });
    let drag = move |event: DragEvent| {
        if holds_file(&event) {
            event.prevent_default();
            over.set(true);
        }
    };
    let drop = move |event: DragEvent| {
        over.set(false);
        if let Some(file) = event.data_transfer().and_then(|data| data.files()?.get(0)) {
            event.prevent_default();
            open.run(file);
        }
    };
    view! {
        <div
            class="key-field"
            class:over=move || over.get()
            node_ref=around
            on:input=typed
            on:dragover=drag
            on:dragleave=move |_| over.set(false)
            on:drop=drop
        >
            <TextArea
                name="public_key"
                label="Public key"
                hint=hint
                maxlength=LONGEST
                rows=6
                optional=optional
            />
            <div aria-live="polite">{move || words(said.get())}</div>
            <div class="either">
                <div class="line live-only">
                    <FileButton open=open />
                    <MakerButton open=making />
                    <span class="quiet drop-hint">"or drop a file on the field"</span>
                </div>
                <details class="until-live">
                    <summary class="link">"Make a key pair with openssl"</summary>
                    <Openssl />
                </details>
            </div>
            {move || making.get().then(|| view! { <Maker put=put /> })}
        </div>
    }
    .into_any()
}

/// Asks the server what a text holds, once nobody has typed for a while; the last text wins.
fn considering(said: RwSignal<Said>) -> Callback<String> {
    let waiting = StoredValue::new(None::<TimeoutHandle>);
    let turn = StoredValue::new(0_u32);
    Callback::new(move |text: String| {
        if let Some(earlier) = waiting.get_value() {
            earlier.clear();
        }
        turn.update_value(|turn| *turn = turn.wrapping_add(1));
        said.set(Said::Nothing);
        if text.trim().is_empty() {
            return;
        }
        if text.len() > LONGEST as usize {
            said.set(Said::Wrong(TOO_LONG.to_owned()));
            return;
        }
        let mine = turn.get_value();
        let ask = move || {
            spawn_local(async move {
                let answer = preview_public_keys(text).await;
                // The form may be gone by now, or its text another.
                if turn.try_get_value() == Some(mine) {
                    said.set(answer.into());
                }
            });
        };
        waiting.set_value(set_timeout_with_handle(ask, PAUSE).ok());
    })
}

fn words(said: Said) -> Option<AnyView> {
    match said {
        Said::Nothing => None,
        Said::Private => Some(view! { <FieldProblem words=PRIVATE /> }.into_any()),
        Said::Wrong(problem) => Some(view! { <FieldProblem words=problem /> }.into_any()),
        Said::Keys(keys) => {
            let items = keys.into_iter().map(|key| {
                view! {
                    <li class="line">
                        <Chip>{key.algorithm}</Chip>
                        <span class="quiet">"thumbprint"</span>
                        <code>{key.thumbprint}</code>
                    </li>
                }
            });
            Some(view! { <ul class="stack-s preview">{items.collect_view()}</ul> }.into_any())
        }
    }
}

/// Opens the browser's own dialog for a file, which is read here and sent nowhere.
#[component]
fn FileButton(open: Callback<File>) -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    let choose = move |_| {
        if let Some(input) = input.get_untracked() {
            input.click();
        }
    };
    let chosen = move |event: Event| {
        let input = event
            .target()
            .and_then(|it| it.dyn_into::<HtmlInputElement>().ok());
        let Some(input) = input else { return };
        if let Some(file) = input.files().and_then(|files| files.get(0)) {
            open.run(file);
        }
        // The same file may be chosen again.
        input.set_value("");
    };
    view! {
        <button class="btn small" type="button" on:click=choose>
            "Choose a file"
        </button>
        <input type="file" hidden node_ref=input accept=".pem,.pub,.jwk,.jwks,.json,.txt" on:change=chosen />
    }
    .into_any()
}

fn holds_file(event: &DragEvent) -> bool {
    let types = event.data_transfer().map(|data| data.types());
    types.is_some_and(|types| types.includes(&"Files".into(), 0))
}

/// The text of a file that may be a key.
async fn read(file: &File) -> Result<String, &'static str> {
    if file.size() > f64::from(LONGEST) {
        return Err(TOO_LONG);
    }
    let text = JsFuture::from(file.text()).await.ok();
    let text = text.and_then(|text| text.as_string()).ok_or(NO_TEXT)?;
    if text.contains(['\0', char::REPLACEMENT_CHARACTER]) {
        return Err(NO_TEXT);
    }
    Ok(text)
}

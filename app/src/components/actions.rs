//! Buttons that act in the browser only; they show themselves once WASM runs.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;

use super::{Glyph, Icon};

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copied {
    NotYet,
    Done,
    Refused,
}

/// Copies a text to the clipboard and says so.
#[component]
pub fn CopyButton(
    /// The text.
    #[prop(into)]
    text: String,
    /// What it is, for screen readers: `key id`.
    #[prop(into)]
    what: String,
) -> impl IntoView {
    let copied = RwSignal::new(Copied::NotYet);
    let copy = move |_| {
        let text = text.clone();
        spawn_local(async move {
            copied.set(if write(&text).await {
                Copied::Done
            } else {
                Copied::Refused
            });
        });
    };
    let words = move || match copied.get() {
        Copied::NotYet => "Copy",
        Copied::Done => "Copied",
        Copied::Refused => "Select it",
    };
    let glyph = move || {
        let glyph = if copied.get() == Copied::Done {
            Glyph::Check
        } else {
            Glyph::Copy
        };
        view! { <Icon glyph=glyph /> }
    };
    view! {
        <button class="btn small live-only" type="button" on:click=copy>
            {glyph}
            <span aria-live="polite">{words}</span>
            <span class="vh">" " {what}</span>
        </button>
    }
    .into_any()
}

/// Whether the browser took the text. It has no clipboard on pages without TLS.
async fn write(text: &str) -> bool {
    let clipboard = window().navigator().clipboard();
    if clipboard.is_undefined() {
        return false;
    }
    JsFuture::from(clipboard.write_text(text)).await.is_ok()
}

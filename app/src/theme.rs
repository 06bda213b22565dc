//! Light, dark, or as the system has it. The choice lives in the browser.

use leptos::prelude::*;

use crate::components::{Glyph, Icon};

/// Runs before anything is painted: puts the chosen theme on `<html>`, so nothing flashes, and the
/// page's own address into the address bar where the page is the answer to a POST.
pub const HEAD_SCRIPT: &str = "\
    try{const t=localStorage.getItem('theme');\
    if(t==='light'||t==='dark')document.documentElement.dataset.theme=t}catch{}\
    const p=document.querySelector('meta[name=page]');\
    if(p)history.replaceState(null,'',p.content)";

const KEY: &str = "theme";

/// The three choices, as radios. They need WASM.
#[component]
pub fn ThemeSwitch() -> impl IntoView {
    let chosen = RwSignal::new(String::new());
    Effect::new(move |_| chosen.set(stored()));
    let item = |value: &'static str, words: &'static str, glyph: Glyph| {
        view! {
            <label title=words>
                <input
                    type="radio"
                    name="theme"
                    value=value
                    autocomplete="off"
                    prop:checked=move || chosen.get() == value
                    on:change=move |_| {
                        choose(value);
                        chosen.set(value.to_owned());
                    }
                />
                <Icon glyph=glyph />
                <span class="vh">{words}</span>
            </label>
        }
    };
    view! {
        <fieldset class="theme live-only">
            <legend class="vh">"Colours"</legend>
            {item("", "As the system", Glyph::Screen)}
            {item("light", "Light", Glyph::Sun)}
            {item("dark", "Dark", Glyph::Moon)}
        </fieldset>
    }
    .into_any()
}

/// What was chosen before; nothing where the browser stores nothing.
fn stored() -> String {
    let storage = window().local_storage().ok().flatten();
    storage
        .and_then(|storage| storage.get_item(KEY).ok().flatten())
        .unwrap_or_default()
}

fn choose(theme: &str) {
    if let Some(root) = document().document_element() {
        let _ = if theme.is_empty() {
            root.remove_attribute("data-theme")
        } else {
            root.set_attribute("data-theme", theme)
        };
    }
    // Without storage the choice lasts as long as the page.
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(KEY, theme);
    }
}

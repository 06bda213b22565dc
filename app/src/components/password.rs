//! A password field.

use leptos::prelude::*;

use super::field::Frame;
use super::{Glyph, Icon};

/// A password, which can be shown while it is typed. It never comes back from the server.
#[component]
pub fn PasswordField(
    /// The name in the form.
    #[prop(into)]
    name: String,
    /// The words above it.
    #[prop(into)]
    label: String,
    /// `current-password` or `new-password`.
    autocomplete: &'static str,
    /// What to know before typing.
    #[prop(optional, into)]
    hint: Option<String>,
    /// The fewest characters, for a new password.
    #[prop(optional, into)]
    minlength: Option<usize>,
) -> impl IntoView {
    let frame = Frame::new(&name, None, label, hint);
    let shown = RwSignal::new(false);
    let control = view! {
        <div class="input-with">
            <input
                class="input"
                type=move || if shown.get() { "text" } else { "password" }
                id=frame.id.clone()
                name=name
                autocomplete=autocomplete
                minlength=minlength.map(|count| count.to_string())
                maxlength="256"
                required=true
                spellcheck="false"
                autocapitalize="off"
                aria-invalid=frame.invalid()
                aria-describedby=frame.described_by()
            />
            <button
                class="btn ghost small icon live-only"
                type="button"
                aria-pressed=move || shown.get().to_string()
                aria-label="Show password"
                on:click=move |_| shown.update(|shown| *shown = !*shown)
            >
                <Icon glyph=Glyph::Eye />
            </button>
        </div>
    };
    frame.around(control.into_any())
}

//! A field for a date and a time of day.

use leptos::html;
use leptos::prelude::*;

use super::field::Frame;
use super::time::local_to_instant;

/// A date and a time. It means UTC until WASM runs, the viewer's zone from then on: what was chosen
/// is then also sent as an instant in a hidden field `<name>_utc`, which counts when it is there.
#[component]
pub fn DateTimeField(
    /// The name in the form.
    #[prop(into)]
    name: String,
    /// The words above it.
    #[prop(into)]
    label: String,
    /// May be left empty.
    #[prop(optional)]
    optional: bool,
    /// Called after a change with the instant as RFC 3339, or nothing.
    #[prop(optional, into)]
    on_instant: Option<Callback<String>>,
) -> impl IntoView {
    let local = RwSignal::new(false);
    let instant = RwSignal::new(String::new());
    let input = NodeRef::<html::Input>::new();
    let read = move || {
        let Some(input) = input.get_untracked() else {
            return;
        };
        let text = local_to_instant(&input.value()).unwrap_or_default();
        instant.set(text.clone());
        if let Some(on_instant) = on_instant {
            on_instant.run(text);
        }
    };
    Effect::new(move |_| {
        local.set(true);
        read();
    });

    let hint_id = format!("{name}-hint");
    let frame = Frame::new(&name, None, label, None).with(optional, false);
    let described_by = match frame.described_by() {
        Some(error) => format!("{error} {hint_id}"),
        None => hint_id.clone(),
    };
    let hidden = format!("{name}_utc");
    let control = view! {
        <input
            class="input"
            type="datetime-local"
            id=frame.id.clone()
            name=name
            value=frame.value.clone()
            required=!optional
            aria-invalid=frame.invalid()
            aria-describedby=described_by
            node_ref=input
            on:change=move |_| read()
        />
        <input type="hidden" name=hidden prop:value=move || instant.get() />
        <span class="hint" id=hint_id>
            {move || if local.get() { "In your time zone." } else { "In UTC." }}
        </span>
    };
    frame.around(control.into_any())
}

//! A question that cannot be missed, for what cannot be undone. A native `<dialog>`: its opener is
//! a link to its id, so that without WASM the dialog shows as the `:target`; with WASM it opens as
//! a modal, which keeps the focus inside and closes on Escape.

use leptos::ev::MouseEvent;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlDialogElement};

/// Opens the [`Dialog`] with this id.
#[component]
pub fn DialogLink(
    /// The dialog's id.
    #[prop(into)]
    dialog: String,
    /// The class of the link.
    #[prop(default = "btn")]
    class: &'static str,
    /// The words.
    children: Children,
) -> impl IntoView {
    let href = format!("#{dialog}");
    let open = move |event: MouseEvent| {
        let element = document().get_element_by_id(&dialog);
        let element = element.and_then(|element| element.dyn_into::<HtmlDialogElement>().ok());
        if element.is_some_and(|element| element.show_modal().is_ok()) {
            event.prevent_default();
        }
    };
    view! { <a class=class href=href aria-haspopup="dialog" on:click=open>{children()}</a> }
        .into_any()
}

/// A dialog: a question, what will happen, and a form that ends with [`DialogActions`].
#[component]
pub fn Dialog(
    /// Its id.
    #[prop(into)]
    id: String,
    /// The question.
    #[prop(into)]
    title: String,
    /// The text and the form.
    children: Children,
) -> impl IntoView {
    let title_id = format!("{id}-title");
    let labelled_by = title_id.clone();
    view! {
        <dialog class="dialog" id=id aria-labelledby=labelled_by>
            <div class="dialog-body">
                <h2 id=title_id>{title}</h2>
                {children()}
            </div>
        </dialog>
    }
    .into_any()
}

/// The last line of a dialog: a way out and the button that does it.
#[component]
pub fn DialogActions(
    /// The word for the way out.
    #[prop(default = "Cancel")]
    leave: &'static str,
    /// The button.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let close = |event: MouseEvent| {
        let link = event
            .current_target()
            .and_then(|target| target.dyn_into::<Element>().ok());
        let dialog = link.and_then(|link| link.closest("dialog").ok().flatten());
        let dialog = dialog.and_then(|dialog| dialog.dyn_into::<HtmlDialogElement>().ok());
        if let Some(dialog) = dialog.filter(HtmlDialogElement::open) {
            event.prevent_default();
            dialog.close();
        }
    };
    // Without WASM: nothing has this id, so nothing is the :target any more.
    view! {
        <div class="form-actions">
            <a class="btn" href="#-" on:click=close>
                {leave}
            </a>
            {children.map(|children| children())}
        </div>
    }
    .into_any()
}

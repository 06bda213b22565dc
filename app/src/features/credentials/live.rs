//! Reading and filling forms in the browser, while somebody types. Runs in event handlers and
//! effects only.

use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::js_sys::{self, Array};
use web_sys::{
    Element, Event, FormData, HtmlElement, HtmlFormElement, HtmlInputElement, HtmlSelectElement,
};

/// The form in which something happened.
pub(crate) fn form_of(event: &Event) -> Option<HtmlFormElement> {
    form_around(&event.target()?.dyn_into::<Element>().ok()?)
}

/// What is typed into a field of a form.
pub(crate) fn text_of(form: &HtmlFormElement, name: &str) -> Option<String> {
    let found = fields(form).into_iter().find(|field| field.0 == name);
    found.map(|field| field.1)
}

/// The form that an element is in.
fn form_around(element: &Element) -> Option<HtmlFormElement> {
    element.closest("form").ok()??.dyn_into().ok()
}

/// The form inside an element.
pub(super) fn form_in(element: &Element) -> Option<HtmlFormElement> {
    element.query_selector("form").ok()??.dyn_into().ok()
}

/// The fields of a form with their values, as it would send them.
pub(super) fn fields(form: &HtmlFormElement) -> Vec<(String, String)> {
    let data: JsValue = FormData::new_with_form(form).map_or(JsValue::NULL, JsValue::from);
    let entries = js_sys::try_iter(&data).ok().flatten();
    let texts = |entry: JsValue| {
        let pair = Array::from(&entry);
        Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
    };
    entries
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(texts)
        .collect()
}

/// Puts values into fields, except into the one that somebody is in.
pub(super) fn fill(form: &HtmlFormElement, values: &[(&'static str, String)]) {
    let active = document().active_element();
    for (name, value) in values {
        let Some(field) = form
            .query_selector(&format!("[name={name}]"))
            .ok()
            .flatten()
        else {
            continue;
        };
        if Some(&field) == active.as_ref() {
            continue;
        }
        if let Some(input) = field.dyn_ref::<HtmlInputElement>() {
            input.set_value(value);
        } else if let Some(select) = field.dyn_ref::<HtmlSelectElement>() {
            select.set_value(value);
        }
    }
}

/// Moves the focus to the first element that a selector finds, once it is on the page.
pub(super) fn focus(selector: &'static str) {
    request_animation_frame(move || {
        let found = document().query_selector(selector).ok().flatten();
        if let Some(element) = found.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
            // An element that takes no focus leaves it where it is.
            let _ = element.focus();
        }
    });
}

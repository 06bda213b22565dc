//! Asks before a page is left that shows something once: by closing, by a link, by Back.
//!
//! The browser asks by itself when a document goes away (`beforeunload`), but the router follows
//! links and Back without leaving the document. So links are kept from the router, and Back is
//! asked about here.

use leptos::prelude::*;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, Event};

const QUESTION: &str = "Leave without storing the secret? It can't be shown again.";

/// Asks before the page is left while `at_risk` holds, until the view is gone.
pub(super) fn ask_before_leaving(at_risk: impl Fn() -> bool + Copy + 'static) {
    Effect::new(move |_| {
        let leaving = RwSignal::new(false);
        let asks = move || at_risk() && !leaving.get_untracked();
        let closing = Listener::new("beforeunload", move |event| {
            if asks() {
                event.prevent_default();
            }
        });
        let link = Listener::new("click", move |event| {
            if asks() && is_in_link(event) {
                event.stop_propagation();
            }
        });
        let here = window().location().href().unwrap_or_default();
        let back = Listener::new("popstate", move |event| {
            if !asks() {
                return;
            }
            event.stop_immediate_propagation();
            if window().confirm_with_message(QUESTION).unwrap_or(true) {
                leaving.set(true);
                // The address bar is there already; the page follows.
                let _ = window().location().reload();
            } else if let Ok(history) = window().history() {
                let _ = history.push_state_with_url(&JsValue::NULL, "", Some(&here));
            }
        });
        // Dropped, and so taken away, with the view.
        StoredValue::new_local([closing, link, back]);
    });
}

fn is_in_link(event: &Event) -> bool {
    let target = event
        .target()
        .and_then(|target| target.dyn_into::<Element>().ok());
    target.is_some_and(|element| element.closest("a[href]").ok().flatten().is_some())
}

/// Hears an event before everything else on the page does, until it is dropped.
struct Listener {
    kind: &'static str,
    closure: Closure<dyn FnMut(Event)>,
}

impl Listener {
    fn new(kind: &'static str, mut heard: impl FnMut(&Event) + 'static) -> Self {
        let closure = Closure::<dyn FnMut(Event)>::new(move |event: Event| heard(&event));
        let function = closure.as_ref().unchecked_ref();
        let _ = window().add_event_listener_with_callback_and_bool(kind, function, true);
        Self { kind, closure }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let function = self.closure.as_ref().unchecked_ref();
        let _ = window().remove_event_listener_with_callback_and_bool(self.kind, function, true);
    }
}

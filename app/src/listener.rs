//! Hearing an event of the window before everything else on the page does.

use leptos::prelude::window;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::Event;

/// Hears an event first, until it is dropped.
pub(crate) struct Listener {
    kind: &'static str,
    closure: Closure<dyn FnMut(Event)>,
}

impl Listener {
    pub(crate) fn new(kind: &'static str, mut heard: impl FnMut(&Event) + 'static) -> Self {
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

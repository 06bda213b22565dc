//! Asks before a page is left that shows something once: by closing, by a link, by Back.
//!
//! The browser asks by itself when a document goes away (`beforeunload`), but the router follows
//! links and Back without leaving the document. So links are kept from the router, and Back is
//! heard before the router hears it: both listen on the window, where the first to come is the
//! first to be told.

use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, Event};

use crate::listener::Listener;

/// Links that lead away: no downloads, and no places on the same page.
const LINK: &str = "a[href]:not([download], [href^='#'])";

/// Whether Back may leave the page that is shown, where that page has a say.
#[derive(Clone, Copy)]
pub(crate) struct Back(StoredValue<Option<Callback<(), bool>>>);

impl Back {
    /// Listens for Back. Once, in `App`, before there is a router.
    pub(crate) fn provide() {
        let back = Self(StoredValue::new(None));
        provide_context(back);
        #[cfg(feature = "hydrate")]
        StoredValue::new_local(Listener::new("popstate", move |event| {
            let asks = back.0.get_value();
            if asks.is_some_and(|may_leave| !may_leave.run(())) {
                event.stop_immediate_propagation();
            }
        }));
    }
}

/// Asks `question` before the page is left while `at_risk` holds, until the view is gone.
pub(super) fn ask_before_leaving(
    question: &'static str,
    at_risk: impl Fn() -> bool + Copy + Send + Sync + 'static,
) {
    let back = use_context::<Back>();
    Effect::new(move |_| {
        let closing = Listener::new("beforeunload", move |event| {
            if at_risk() {
                event.prevent_default();
            }
        });
        let link = Listener::new("click", move |event| {
            if at_risk() && is_in_link(event) {
                event.stop_propagation();
            }
        });
        // Dropped, and so taken away, with the view.
        StoredValue::new_local([closing, link]);

        let Some(Back(asks)) = back else { return };
        let here = window().location().href().unwrap_or_default();
        asks.set_value(Some(Callback::new(move |()| {
            let leaves = !at_risk() || window().confirm_with_message(question).unwrap_or(true);
            if !leaves && let Ok(history) = window().history() {
                // The address bar has left already.
                let _ = history.push_state_with_url(&JsValue::NULL, "", Some(&here));
            }
            leaves
        })));
        on_cleanup(move || asks.set_value(None));
    });
}

/// Asks `question` before a form is sent while something is `at_risk`; who says yes is not asked
/// again by the browser.
pub(super) fn ask_before_sending(question: &'static str, at_risk: RwSignal<bool>) {
    Effect::new(move |_| {
        let sending = Listener::new("submit", move |event| {
            if at_risk.try_get_untracked() != Some(true) {
                return;
            }
            if window().confirm_with_message(question).unwrap_or(true) {
                at_risk.set(false);
            } else {
                event.prevent_default();
                event.stop_propagation();
            }
        });
        StoredValue::new_local(sending);
    });
}

fn is_in_link(event: &Event) -> bool {
    let target = event
        .target()
        .and_then(|target| target.dyn_into::<Element>().ok());
    target.is_some_and(|element| element.closest(LINK).ok().flatten().is_some())
}

//! The WASM entry point: hydrates the page that the server rendered, and nothing else.

use leptos::mount::hydrate_from_async;
use leptos::prelude::document;
use leptos::task::tick;

/// Takes over the server-rendered page in the browser, as soon as the code of its group is there.
#[wasm_bindgen::prelude::wasm_bindgen]
pub async fn hydrate() {
    console_error_panic_hook::set_once();
    if let Some(body) = document().body() {
        hydrate_from_async(body.clone(), app::App).await.forget();
        // The effects of the page have run as well then.
        tick().await;
        // Tells style sheet and tests that the page reacts.
        let _ = body.set_attribute("data-hydrated", "");
    }
}

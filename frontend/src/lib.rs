//! The WASM entry point: hydrates the page that the server rendered, and nothing else.

/// Takes over the server-rendered page in the browser.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_lazy(app::App);
}

//! What the tests of pages share: a small catalogue, and rendering.

use domain::catalogue::{Catalogue, CatalogueFile, EndpointEntry, ScopeEntry};
use leptos::prelude::*;

/// The HTML of a view, as the server renders it: nobody is logged in, the clock stands.
pub fn html<V: IntoView>(view: impl FnOnce() -> V) -> String {
    Owner::new_root(None).with(|| {
        leptos_meta::provide_meta_context();
        // Without the marks that hydration counts by.
        view().into_view().to_html().replace("<!>", "")
    })
}

/// Accounts and Journaling, which read and write, and SSE events, which only read.
pub fn catalogue() -> Catalogue {
    let endpoint = |(method, path, summary): (&str, &str, &str)| EndpointEntry {
        method: method.to_owned(),
        path: path.to_owned(),
        summary: summary.to_owned(),
        level: None,
        access: None,
        reserved: false,
    };
    let scope = |name: &str, title: &str, endpoints: &[(&str, &str, &str)]| ScopeEntry {
        name: name.to_owned(),
        title: title.to_owned(),
        description: String::new(),
        endpoints: endpoints.iter().copied().map(endpoint).collect(),
    };
    let file = CatalogueFile {
        name: "Sample".to_owned(),
        version: "1".to_owned(),
        scopes: vec![
            scope(
                "accounts",
                "Accounts",
                &[
                    ("GET", "/v1/accounts", "List accounts"),
                    ("POST", "/v1/accounts", "Open an account"),
                ],
            ),
            scope(
                "journaling",
                "Journaling",
                &[
                    ("GET", "/v1/journals", "List journals"),
                    ("POST", "/v1/journals", "Move cash"),
                ],
            ),
            scope(
                "sse_events",
                "SSE events",
                &[("GET", "/v1/events/trades", "Follow trades")],
            ),
        ],
    };
    Catalogue::try_from(file).unwrap()
}

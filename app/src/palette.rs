//! The command palette: every page and what can be done there, from anywhere, by `Ctrl` and `K`. Its
//! entries are links, so the keyboard needs nothing of its own but up and down. It needs WASM.

use domain::key_id::KeyId;
use domain::role::Permission;
use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlDialogElement, HtmlElement};

use crate::components::{Glyph, Icon};
use crate::listener::Listener;
use crate::url::with_query;
use crate::viewer::Viewer;

/// The id of the dialog.
const PALETTE: &str = "palette";

/// Where one can go whatever is typed, and who may.
const GOALS: [(&str, &str, Permission); 12] = [
    ("Credentials", "/credentials", Permission::See),
    (
        "New credential",
        "/credentials/new",
        Permission::ManageCredentials,
    ),
    (
        "Credentials that expire soon",
        "/credentials?tab=expiring",
        Permission::See,
    ),
    (
        "Quarantined credentials",
        "/credentials?tab=quarantined",
        Permission::See,
    ),
    ("Catalogue", "/catalogue", Permission::See),
    (
        "What changed in the catalogue",
        "/catalogue/changes",
        Permission::See,
    ),
    ("Look up a request", "/lookup", Permission::See),
    ("Assertion debugger", "/debugger", Permission::See),
    ("Users", "/users", Permission::See),
    ("Gateways", "/gateways", Permission::ManageGateways),
    ("Audit log", "/audit", Permission::SeeAuditLog),
    (
        "Your account: password, second factor, sessions",
        "/account",
        Permission::See,
    ),
];

/// Words and address of everything that fits what is typed.
fn goals(typed: &str, can: impl Fn(Permission) -> bool) -> Vec<(String, String)> {
    let typed = typed.trim();
    let wanted = typed.to_lowercase();
    let fits = |words: &str| {
        wanted
            .split_whitespace()
            .all(|part| words.to_lowercase().contains(part))
    };
    let fixed = GOALS
        .iter()
        .filter(|(words, _, needed)| can(*needed) && fits(words));
    let mut goals: Vec<_> = fixed
        .map(|(words, href, _)| ((*words).to_owned(), (*href).to_owned()))
        .collect();
    if let Ok(key_id) = typed.parse::<KeyId>() {
        goals.push((
            format!("Credential {key_id}"),
            format!("/credentials/{key_id}"),
        ));
    }
    if !typed.is_empty() {
        for (words, page, field) in [
            ("Credentials with", "/credentials", "q"),
            ("People with", "/users", "q"),
            ("The request with the id", "/lookup", "request"),
        ] {
            goals.push((
                format!("{words} “{typed}”"),
                with_query(page, &[(field, typed)]),
            ));
        }
    }
    goals
}

/// Opens the palette.
#[component]
pub(crate) fn PaletteButton() -> impl IntoView {
    view! {
        <button
            class="btn palette-button live-only"
            type="button"
            aria-haspopup="dialog"
            on:click=|_| open()
        >
            <Icon glyph=Glyph::Search />
            "Go to"
            <kbd>"Ctrl K"</kbd>
        </button>
    }
    .into_any()
}

/// The palette. Once, in the frame.
#[component]
pub(crate) fn Palette() -> impl IntoView {
    let typed = RwSignal::new(String::new());
    Effect::new(move |_| {
        StoredValue::new_local(Listener::new("keydown", |event| {
            if let Some(pressed) = event.dyn_ref::<KeyboardEvent>()
                && (pressed.ctrl_key() || pressed.meta_key())
                && pressed.key() == "k"
            {
                event.prevent_default();
                open();
            }
        }));
    });
    let viewer = Viewer::current();
    let items = move || {
        let goals = goals(&typed.get(), |permission| viewer.can(permission));
        let item = |(words, href): (String, String)| view! { <li><a href=href>{words}</a></li> };
        goals.into_iter().map(item).collect_view()
    };
    view! {
        <dialog
            class="dialog palette"
            id=PALETTE
            aria-label="Go to"
            on:keydown=walk
            on:close=move |_| typed.set(String::new())
        >
            <input
                class="input"
                type="search"
                aria-label="Where to"
                placeholder="A page, a name, a key id, a request id"
                autocomplete="off"
                spellcheck="false"
                maxlength="200"
                autofocus
                prop:value=move || typed.get()
                on:input:target=move |event| typed.set(event.target().value())
            />
            <ul on:click=|_| close()>{items}</ul>
        </dialog>
    }
    .into_any()
}

fn dialog() -> Option<HtmlDialogElement> {
    document().get_element_by_id(PALETTE)?.dyn_into().ok()
}

/// Not over a question that waits for its answer.
fn open() {
    if let (Ok(None), Some(dialog)) = (document().query_selector("dialog[open]"), dialog()) {
        // It is in the document and not open, so it can be opened.
        let _ = dialog.show_modal();
    }
}

fn close() {
    if let Some(dialog) = dialog() {
        dialog.close();
    }
}

/// Up and down go from the field through the entries; `Enter` in the field is the first entry.
fn walk(event: KeyboardEvent) {
    let Some(dialog) = dialog() else { return };
    let Ok(stops) = dialog.query_selector_all("input, a") else {
        return;
    };
    let stops: Vec<HtmlElement> = (0..stops.length())
        .filter_map(|index| stops.get(index)?.dyn_into().ok())
        .collect();
    let focused = document().active_element();
    let at = stops.iter().position(|stop| focused.as_ref() == Some(stop));
    let to = match (event.key().as_str(), at) {
        ("ArrowDown", Some(at)) => (at + 1) % stops.len(),
        ("ArrowUp", Some(at)) => (at + stops.len() - 1) % stops.len(),
        ("Enter", Some(0)) => {
            event.prevent_default();
            if let Some(first) = stops.get(1) {
                first.click();
            }
            return;
        }
        _ => return,
    };
    event.prevent_default();
    let _ = stops[to].focus();
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::role::Role;

    fn words(typed: &str, role: Role) -> Vec<String> {
        let goals = goals(typed, |permission| role.can(permission));
        goals.into_iter().map(|(words, _)| words).collect()
    }

    #[test]
    fn it_offers_what_the_role_may_see() {
        assert_eq!(words("", Role::Superuser).len(), GOALS.len());
        let support = words("", Role::Support);
        for hidden in ["New credential", "Gateways", "Audit log"] {
            assert!(!support.contains(&hidden.to_owned()), "{hidden}");
        }
    }

    #[test]
    fn what_is_typed_narrows_it_and_can_be_looked_for() {
        assert_eq!(
            words(" Expire SOON ", Role::Support),
            [
                "Credentials that expire soon",
                "Credentials with “Expire SOON”",
                "People with “Expire SOON”",
                "The request with the id “Expire SOON”",
            ]
        );
        let key_id = "KRQ7M2XZLP4TAVJ6NDB3EH";
        let found = goals(key_id, |_| true);
        assert_eq!(found[0].1, format!("/credentials/{key_id}"));
        let found = goals("a&b", |_| true);
        assert_eq!(found[0].1, "/credentials?q=a%26b");
    }
}

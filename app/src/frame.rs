//! The frames: side navigation and page for people who are logged in, a centred card for the rest;
//! and the pages that stand for pages which cannot be shown.

use domain::role::Permission;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::{A, Outlet};
use leptos_router::hooks::use_location;
use web_sys::js_sys::Reflect;

use crate::components::{Avatar, ErrorState, Glyph, Icon, Toast};
use crate::error::ApiError;
use crate::features::proof::ProofDialog;
use crate::palette::{Palette, PaletteButton};
use crate::theme::ThemeSwitch;
use crate::viewer::{CurrentUser, Viewer};

/// The id of the menu, which is a popover on narrow screens.
const MENU: &str = "menu";

/// The frame of a person who is logged in.
#[component]
pub fn Frame() -> impl IntoView {
    let user = Viewer::current().user();
    let main = view! {
        <main class="page" id="main" tabindex="-1">
            <Outlet />
        </main>
    };
    close_menu_after_navigation();
    view! {
        <a class="skip" href="#main" rel="external">
            "Skip to the page"
        </a>
        <div class="frame">
            <header class="side">
                <Brand />
                <button
                    class="btn ghost icon menu-button"
                    type="button"
                    popovertarget=MENU
                    aria-label="Menu"
                >
                    <Icon glyph=Glyph::Menu />
                </button>
                <div class="menu" id=MENU popover="auto">
                    <PaletteButton />
                    <Navigation />
                    <div class="menu-foot">
                        <ThemeSwitch /> {user.map(|user| view! { <Me user=user /> })}
                    </div>
                </div>
            </header>
            {main}
        </div>
        <Toast />
        <ProofDialog />
        <Palette />
    }
    .into_any()
}

#[component]
fn Navigation() -> impl IntoView {
    let item = |href: &'static str, words: &'static str, glyph: Glyph| {
        view! {
            <A href=href>
                <Icon glyph=glyph />
                {words}
            </A>
        }
    };
    view! {
        <nav aria-label="Main">
            {item("/credentials", "Credentials", Glyph::Key)}
            {item("/catalogue", "Catalogue", Glyph::List)}
            {item("/lookup", "Look up", Glyph::Search)}
            {item("/debugger", "Debugger", Glyph::Shield)} {item("/users", "Users", Glyph::Users)}
            {Viewer::current()
                .can(Permission::ManageGateways)
                .then(|| item("/gateways", "Gateways", Glyph::Lock))}
            {Viewer::current()
                .can(Permission::SeeAuditLog)
                .then(|| item("/audit", "Audit", Glyph::Clock))}
        </nav>
    }
    .into_any()
}

/// The viewer: a link to their account and the way out.
#[component]
fn Me(user: CurrentUser) -> impl IntoView {
    view! {
        <div class="me">
            <A href="/account">
                <Avatar name=user.name.clone() />
                <span class="two">
                    <b>{user.name}</b>
                    <span class="quiet">{user.role.label()}</span>
                </span>
            </A>
            <form method="post" action="/logout">
                <button class="btn ghost icon" aria-label="Log out" title="Log out">
                    <Icon glyph=Glyph::SignOut />
                </button>
            </form>
        </div>
    }
    .into_any()
}

/// A link in the popover leads to another page without closing it; this does.
fn close_menu_after_navigation() {
    let path = use_location().pathname;
    Effect::new(move |before: Option<String>| {
        // Read, not just tracked: a memo that nobody has read hears of no change.
        let here = path.get();
        if before.is_some()
            && let Some(menu) = document().get_element_by_id(MENU)
            && let Ok(hide) = Reflect::get(&menu, &"hidePopover".into())
            && let Ok(hide) = wasm_bindgen::JsCast::dyn_into::<web_sys::js_sys::Function>(hide)
        {
            // A closed popover stays closed.
            let _ = hide.call0(&menu);
        }
        here
    });
}

/// The frame of pages for people who are not logged in.
#[component]
pub fn Bare(
    /// The heading and the document's title.
    title: &'static str,
    /// A sentence below it.
    lead: &'static str,
    /// The form.
    children: Children,
) -> impl IntoView {
    view! {
        <Title text=title />
        <div class="bare">
            <main>
                // Loaded anew: a page of a one-time link has another referrer policy than the rest.
                <Brand rel="external" />
                <div class="card stack">
                    <header>
                        <h1>{title}</h1>
                        <p>{lead}</p>
                    </header>
                    {children()}
                </div>
            </main>
        </div>
        <Toast />
    }
    .into_any()
}

/// The name of the place, which leads to its first page.
#[component]
pub(crate) fn Brand(
    /// `external` where the browser is to load the next page.
    #[prop(optional)]
    rel: Option<&'static str>,
) -> impl IntoView {
    view! {
        <a class="brand" href="/" rel=rel>
            <svg
                viewBox="0 0 24 24"
                fill="none"
                stroke="currentColor"
                stroke-width="2"
                aria-hidden="true"
            >
                <path d="M3 5h18M7 5v3M12 5v3M17 5v3M4 11a3 3 0 1 0 6 0a3 3 0 1 0-6 0M7 14v6M7 17h2M14 11a3 3 0 1 0 6 0a3 3 0 1 0-6 0M17 14v6M17 18h2" />
            </svg>
            "Keyrack"
        </a>
    }
    .into_any()
}

/// The page for an address that leads nowhere.
#[component]
pub fn NotFound() -> impl IntoView {
    #[cfg(feature = "ssr")]
    crate::server_context::set_status(404);
    view! {
        <Title text="Not found" />
        <div class="bare">
            <main>
                <Brand />
                <div class="card">
                    <ErrorState error=ApiError::NotFound { what: "page".to_owned() } whole_page=true />
                </div>
            </main>
        </div>
    }
    .into_any()
}

/// Shows its children to those who have the permission, and to the rest why not.
#[component]
pub fn Only(
    /// What the page needs.
    permission: Permission,
    /// The page.
    children: ChildrenFn,
) -> impl IntoView {
    if Viewer::current().can(permission) {
        return children().into_any();
    }
    let error = if Viewer::current().user().is_some() {
        ApiError::Forbidden {
            message:
                "This page is for superusers only. Ask one of them if you need something here."
                    .to_owned(),
        }
    } else {
        ApiError::Unauthenticated
    };
    #[cfg(feature = "ssr")]
    crate::server_context::set_status(error.status());
    view! {
        <Title text="Superusers only" />
        <div class="card">
            <ErrorState error=error whole_page=true />
        </div>
    }
    .into_any()
}

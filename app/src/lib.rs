//! Keyrack's pages: the document, the routes, the frame around them. Each feature keeps its pages,
//! data types and server functions together; the kit they are made of is in [`components`].

pub mod clock;
pub mod components;
pub mod error;
pub mod features;
mod fetch;
#[cfg(feature = "ssr")]
mod fixed;
pub mod flash;
pub mod form;
mod frame;
mod listener;
mod pages;
mod palette;
#[cfg(feature = "ssr")]
pub mod server_context;
mod theme;
pub mod url;
pub mod viewer;
mod words;

use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, MetaTags, Title, provide_meta_context};
use leptos_router::components::{ParentRoute, Redirect, Route, Router, Routes};
use leptos_router::{SsrMode, path};

use crate::clock::PageClock;
use crate::features::credentials::Back;
use crate::form::AnsweredPage;
use crate::frame::{Frame, NotFound};
use crate::viewer::Viewer;

#[cfg(feature = "ssr")]
pub use fixed::{crowded, elsewhere, not_found, not_kept, not_our_form};

/// What the head of every document has.
fn head() -> impl IntoView {
    view! {
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
    }
    .into_any()
}

/// The document around [`App`], on the server only.
#[must_use]
pub fn shell(options: LeptosOptions) -> impl IntoView {
    // After a POST the address bar shows where the form went; the page belongs to another address.
    let page = use_context::<AnsweredPage>().map(|page| page.0);
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                {head()}
                {page.map(|page| view! { <meta name="page" content=page /> })}
                <script nonce=use_nonce()>{theme::HEAD_SCRIPT}</script>
                <HashedStylesheet options=options.clone() id="style" />
                <AutoReload options=options.clone() />
                <HydrationScripts options=options />
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
    .into_any()
}

/// The pages that strangers may see, by the paths of their routes below; every other page needs somebody
/// who is logged in.
pub const OPEN_PAGES: [&str; 5] = [
    "/setup",
    "/login",
    "/login/second-factor",
    "/forgot",
    "/welcome",
];

/// The pages.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    PageClock::provide();
    Viewer::provide();
    Back::provide();
    view! {
        <Title formatter=|title: String| {
            if title.is_empty() { "Keyrack".to_owned() } else { format!("{title} · Keyrack") }
        } />
        <Router>
            <Routes fallback=NotFound>
                <Route path=path!("/setup") view=pages::SetUp::lazy() ssr=SsrMode::Async />
                <Route path=path!("/login") view=pages::Login::lazy() ssr=SsrMode::Async />
                <Route path=path!("/login/second-factor") view=pages::SecondStep::lazy() ssr=SsrMode::Async />
                <Route path=path!("/confirm") view=pages::Confirm::lazy() ssr=SsrMode::Async />
                <Route path=path!("/forgot") view=pages::Forgot::lazy() ssr=SsrMode::Async />
                <Route path=path!("/welcome") view=pages::Welcome::lazy() ssr=SsrMode::Async />
                <ParentRoute path=path!("") view=Frame ssr=SsrMode::Async>
                    <Route path=path!("") view=|| view! { <Redirect path="/credentials" /> } />
                    <Route path=path!("credentials") view=pages::Credentials::lazy() />
                    <Route path=path!("credentials/new") view=pages::NewCredential::lazy() />
                    <Route path=path!("credentials/:key_id") view=pages::Credential::lazy() />
                    <Route path=path!("credentials/:key_id/edit") view=pages::EditCredential::lazy() />
                    <Route path=path!("catalogue") view=pages::Catalogue::lazy() />
                    <Route path=path!("catalogue/changes") view=pages::Changes::lazy() />
                    <Route path=path!("lookup") view=pages::LookUp::lazy() />
                    <Route path=path!("debugger") view=pages::Debugger::lazy() />
                    <Route path=path!("users") view=pages::Users::lazy() />
                    <Route path=path!("users/:id") view=pages::Person::lazy() />
                    <Route path=path!("gateways") view=pages::Gateways::lazy() />
                    <Route path=path!("audit") view=pages::Audit::lazy() />
                    <Route path=path!("account") view=pages::Account::lazy() />
                </ParentRoute>
            </Routes>
        </Router>
    }
    .into_any()
}

//! Keyrack's pages: the document, the routes, the frame around them. Each feature keeps its pages,
//! data types and server functions together; the kit they are made of is in [`components`].

pub mod clock;
pub mod components;
pub mod error;
pub mod features;
pub mod flash;
pub mod form;
mod frame;
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
use crate::features::account::AccountPage;
use crate::features::audit::AuditPage;
use crate::features::catalogue::{CataloguePage, ChangesPage};
use crate::features::credentials::{
    Back, CredentialPage, CredentialsPage, EditCredentialPage, NewCredentialPage,
};
use crate::features::debugger::DebuggerPage;
use crate::features::entry::{ForgotPage, LoginPage, SetUpPage, WelcomePage};
use crate::features::gateways::GatewaysPage;
use crate::features::requests::LookUpPage;
use crate::features::users::{PersonPage, UsersPage};
use crate::form::AnsweredPage;
use crate::frame::{Frame, NotFound};
use crate::viewer::Viewer;

/// The document around [`App`], on the server only.
#[must_use]
pub fn shell(options: LeptosOptions) -> impl IntoView {
    // After a POST the address bar shows where the form went; the page belongs to another address.
    let page = use_context::<AnsweredPage>().map(|page| page.0);
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <meta name="robots" content="noindex" />
                {page.map(|page| view! { <meta name="page" content=page /> })}
                <script nonce=use_nonce()>{theme::HEAD_SCRIPT}</script>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
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

/// The pages.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    PageClock::provide();
    Viewer::provide();
    Back::provide();
    // Tells style sheet and tests that the page reacts.
    Effect::new(|_| {
        if let Some(body) = document().body() {
            let _ = body.set_attribute("data-hydrated", "");
        }
    });

    view! {
        <Title formatter=|title: String| {
            if title.is_empty() { "Keyrack".to_owned() } else { format!("{title} · Keyrack") }
        } />
        <Router>
            <Routes fallback=NotFound>
                <Route path=path!("/setup") view=SetUpPage ssr=SsrMode::Async />
                <Route path=path!("/login") view=LoginPage ssr=SsrMode::Async />
                <Route path=path!("/forgot") view=ForgotPage ssr=SsrMode::Async />
                <Route path=path!("/welcome") view=WelcomePage ssr=SsrMode::Async />
                <ParentRoute path=path!("") view=Frame ssr=SsrMode::Async>
                    <Route path=path!("") view=|| view! { <Redirect path="/credentials" /> } />
                    <Route path=path!("credentials") view=CredentialsPage />
                    <Route path=path!("credentials/new") view=NewCredentialPage />
                    <Route path=path!("credentials/:key_id") view=CredentialPage />
                    <Route path=path!("credentials/:key_id/edit") view=EditCredentialPage />
                    <Route path=path!("catalogue") view=CataloguePage />
                    <Route path=path!("catalogue/changes") view=ChangesPage />
                    <Route path=path!("lookup") view=LookUpPage />
                    <Route path=path!("debugger") view=DebuggerPage />
                    <Route path=path!("users") view=UsersPage />
                    <Route path=path!("users/:id") view=PersonPage />
                    <Route path=path!("gateways") view=GatewaysPage />
                    <Route path=path!("audit") view=AuditPage />
                    <Route path=path!("account") view=AccountPage />
                </ParentRoute>
            </Routes>
        </Router>
    }
    .into_any()
}

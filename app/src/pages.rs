//! The pages as routes. A browser loads the code of a group of pages when it first shows one of them
//! (`cargo leptos build --split`); what all groups share comes at once. More and smaller groups would
//! make more files than they save: each set of groups that shares code is a file.

use leptos::prelude::*;
#[cfg(feature = "hydrate")]
use leptos_router::location::Url;
use leptos_router::{Lazy, LazyRoute};

use crate::features::account::AccountPage;
use crate::features::audit::AuditPage;
use crate::features::catalogue::{CataloguePage, ChangesPage};
use crate::features::credentials::{
    CredentialPage, CredentialsPage, EditCredentialPage, NewCredentialPage,
};
use crate::features::debugger::DebuggerPage;
use crate::features::entry::{ForgotPage, LoginPage, SecondStepPage, SetUpPage, WelcomePage};
use crate::features::gateways::GatewaysPage;
use crate::features::proof::ConfirmPage;
use crate::features::requests::LookUpPage;
use crate::features::users::{PersonPage, UsersPage};
#[cfg(feature = "hydrate")]
use crate::listener::Listener;

macro_rules! group {
    ($load:ident $preload:ident $render:ident $Group:ident: $($name:ident $page:ident)+) => {
        enum $Group {
            $($name),+
        }

        fn $render(page: $Group) -> AnyView {
            match page {
                $($Group::$name => $page().into_any()),+
            }
        }

        // What `#[lazy]` makes, but for a load that fails, which would be a panic.
        #[cfg(feature = "hydrate")]
        #[leptos::wasm_split::wasm_split(
            $load,
            wasm_split_path = leptos::wasm_split,
            preload($preload),
            fallible
        )]
        fn $load(page: $Group) -> Result<AnyView, leptos::wasm_split::SplitLoaderError> {
            Ok($render(page))
        }

        #[cfg(not(feature = "hydrate"))]
        async fn $load(page: $Group) -> Result<AnyView, std::convert::Infallible> {
            leptos::prefetch_lazy_fn_on_server(stringify!($load));
            Ok($render(page))
        }

        $(
            pub(crate) struct $name;

            impl $name {
                pub(crate) fn lazy() -> Lazy<Self> {
                    Lazy::new()
                }
            }

            impl LazyRoute for $name {
                fn data() -> Self {
                    Self
                }

                async fn view(_page: Self) -> AnyView {
                    match $load($Group::$name).await {
                        Ok(view) => view,
                        // `preload` has seen to it.
                        Err(_) => std::future::pending().await,
                    }
                }

                async fn preload() {
                    #[cfg(feature = "hydrate")]
                    if $preload().await.is_err() {
                        leave_it_to_the_browser().await;
                    }
                }
            }
        )+
    };
}

/// What happens when the code of a page does not come, because the server was updated or can't be
/// reached: the browser loads the page that somebody goes to, as it does without WASM. The page that
/// it has just loaded stays as the server rendered it.
#[cfg(feature = "hydrate")]
async fn leave_it_to_the_browser() {
    let reacts = document()
        .body()
        .is_some_and(|body| body.has_attribute("data-hydrated"));
    if reacts && let Some(url) = use_context::<ArcRwSignal<Url>>() {
        let (path, search) =
            url.with_untracked(|url| (url.path().to_owned(), url.search().to_owned()));
        let query = if search.is_empty() { "" } else { "?" };
        let _ = window()
            .location()
            .set_href(&format!("{path}{query}{search}"));
    } else {
        // The router listens already, and would swallow the clicks on links.
        std::mem::forget(Listener::new("click", web_sys::Event::stop_propagation));
    }
    std::future::pending::<()>().await;
}

group! { load_entry preload_entry render_entry Entry:
    SetUp SetUpPage
    Login LoginPage
    SecondStep SecondStepPage
    Forgot ForgotPage
    Welcome WelcomePage
}

group! { load_list preload_list render_list List:
    Credentials CredentialsPage
}

group! { load_credential preload_credential render_credential One:
    NewCredential NewCredentialPage
    Credential CredentialPage
    EditCredential EditCredentialPage
}

group! { load_rest preload_rest render_rest Rest:
    Catalogue CataloguePage
    Changes ChangesPage
    LookUp LookUpPage
    Debugger DebuggerPage
    Users UsersPage
    Person PersonPage
    Gateways GatewaysPage
    Audit AuditPage
    Account AccountPage
    Confirm ConfirmPage
}

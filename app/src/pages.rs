//! The pages as routes. A browser loads the code of a group of pages when it first shows one of them
//! (`cargo leptos build --split`); what all groups share comes at once. More and smaller groups would
//! make more files than they save: each set of groups that shares code is a file.

use leptos::prelude::*;
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

macro_rules! group {
    ($load:ident $preload:ident $Group:ident: $($name:ident $page:ident)+) => {
        enum $Group {
            $($name),+
        }

        #[lazy]
        fn $load(page: $Group) -> AnyView {
            match page {
                $($Group::$name => $page().into_any()),+
            }
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
                    $load($Group::$name).await
                }

                async fn preload() {
                    // `#[lazy]` makes it, for browsers only.
                    #[cfg(target_arch = "wasm32")]
                    $preload().await;
                }
            }
        )+
    };
}

group! { load_entry __preload_load_entry Entry:
    SetUp SetUpPage
    Login LoginPage
    SecondStep SecondStepPage
    Forgot ForgotPage
    Welcome WelcomePage
}

group! { load_list __preload_load_list List:
    Credentials CredentialsPage
}

group! { load_credential __preload_load_credential One:
    NewCredential NewCredentialPage
    Credential CredentialPage
    EditCredential EditCredentialPage
}

group! { load_rest __preload_load_rest Rest:
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

//! Who looks at the page. The server knows when it renders; logging in, logging out and everything
//! else that changes it is a plain POST, which loads a new document. So it is a constant of the
//! document: no request, no waiting, no flash.

use chrono::{DateTime, Utc};
use domain::role::{Permission, Role};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// A person who is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentUser {
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
    /// Their role.
    pub role: Role,
    /// Until when their last proof of who they are counts; nothing if they need none.
    pub proven_until: Option<DateTime<Utc>>,
}

/// The viewer, to be taken from context.
#[derive(Debug, Clone, Copy)]
pub struct Viewer(StoredValue<Option<CurrentUser>>);

impl Viewer {
    /// Finds out who looks. Once, in `App`.
    pub fn provide() {
        let user = SharedValue::new(who).into_inner();
        provide_context(Self(StoredValue::new(user)));
    }

    /// The viewer of this page.
    #[must_use]
    pub fn current() -> Self {
        use_context().unwrap_or_else(|| Self(StoredValue::new(None)))
    }

    /// The person, if one is logged in.
    #[must_use]
    pub fn user(&self) -> Option<CurrentUser> {
        self.0.get_value()
    }

    /// Whether the viewer may do this. Only decides what is shown; the service decides what is done.
    #[must_use]
    pub fn can(&self, permission: Permission) -> bool {
        self.0
            .with_value(|user| user.as_ref().is_some_and(|user| user.role.can(permission)))
    }
}

#[cfg(feature = "ssr")]
fn who() -> Option<CurrentUser> {
    crate::server_context::current_user()
}

/// In the browser the server's value is read from the document.
#[cfg(not(feature = "ssr"))]
fn who() -> Option<CurrentUser> {
    None
}

//! Forms are plain POSTs to routes of the server, with and without WASM. When the server cannot
//! accept one, or has something to show once, it answers by rendering a page of this crate and
//! hands it an [`Answer`]; the page takes that up with [`use_answer`] and both passes see the same.

use std::fmt;
use std::sync::Arc;

use domain::confidential::is_confidential;
use domain::draft::FieldError;
use domain::gateway::GatewayKind;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::features::credentials::IssuedKey;
use crate::features::debugger::Checked;
use crate::features::proof::Confirmation;
use crate::features::second_factors::{RecoveryCodes, TotpSetup};
use crate::features::users::WelcomeLink;

/// What a POST handler has to say through the page that it renders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// A form that was not accepted.
    pub outcome: Option<FormOutcome>,
    /// What the page shows now and never again.
    pub shown_once: Option<ShownOnce>,
}

/// A form that was not accepted: what was typed and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormOutcome {
    /// Which form: the path that it was posted to.
    pub action: String,
    /// What was typed, without passwords and secrets.
    pub values: Vec<(String, String)>,
    /// What is wrong, field by field.
    pub errors: Vec<FieldError>,
    /// What is wrong with the form as a whole.
    pub message: Option<String>,
    /// The HTTP status of the answer.
    pub status: u16,
}

impl FormOutcome {
    /// The outcome of a form that `error` refused. Leave passwords out of `values`; what was pasted
    /// by mistake does not go back.
    #[must_use]
    pub fn refused(action: &str, values: Vec<(String, String)>, error: ApiError) -> Self {
        let status = error.status();
        let (errors, message) = match error {
            ApiError::Invalid { fields } | ApiError::TooLong { fields } => {
                let (of_form, errors): (Vec<_>, Vec<_>) =
                    fields.into_iter().partition(|error| error.field.is_empty());
                (
                    errors,
                    of_form.into_iter().next().map(|error| error.message),
                )
            }
            other => (Vec::new(), Some(other.advice())),
        };
        let goes_back = |(_, value): &(String, String)| !is_confidential(value);
        Self {
            action: action.to_owned(),
            values: values.into_iter().filter(goes_back).collect(),
            errors,
            message,
            status,
        }
    }
}

/// Something that exists in clear for this one answer only. `Debug` prints none of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShownOnce {
    /// Links with which people choose a password.
    WelcomeLinks {
        /// One for each of them.
        links: Vec<WelcomeLink>,
    },
    /// The token of a gateway.
    GatewayToken {
        /// What the gateway is called.
        name: String,
        /// What it is.
        gateway: GatewayKind,
        /// The token.
        token: String,
        /// Its configuration, with the token.
        configuration: String,
    },
    /// A credential that was just issued.
    Credential(IssuedKey),
    /// A form that waits for its sender to prove who they are.
    Confirmation(Confirmation),
    /// A secret for an authenticator app.
    Totp(TotpSetup),
    /// New recovery codes.
    RecoveryCodes(RecoveryCodes),
    /// What the rules came to for an assertion.
    Checked(Checked),
}

impl fmt::Debug for ShownOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownOnce(…)")
    }
}

/// The server's answer to the POST that made this page, or nothing. Call it at the top of the page
/// component, outside every `Suspense`: it reads what the server wrote into the document, so it
/// must run in the same place in both passes. A later visit by a link finds nothing.
#[must_use]
pub fn use_answer() -> Answer {
    SharedValue::new(|| {
        let answer: Answer = use_context().unwrap_or_default();
        #[cfg(feature = "ssr")]
        if let Some(outcome) = &answer.outcome {
            crate::server_context::set_status(outcome.status);
        }
        answer
    })
    .into_inner()
}

/// The state of one form, which its fields read from context: what was typed, what is wrong.
#[derive(Debug, Clone, Default)]
pub struct FormState(Option<Arc<FormOutcome>>);

impl FormState {
    /// The state of the form that posts to `action`, given what came back.
    #[must_use]
    pub fn of(action: &str, outcome: Option<FormOutcome>) -> Self {
        Self(
            outcome
                .filter(|outcome| outcome.action == action)
                .map(Arc::new),
        )
    }

    /// The state that the surrounding form provides.
    #[must_use]
    pub fn current() -> Self {
        use_context().unwrap_or_default()
    }

    /// Whether the form comes back from the server.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.0.is_some()
    }

    /// What was typed into a field before.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<String> {
        let values = &self.0.as_ref()?.values;
        values
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, value)| value.clone())
    }

    /// What is wrong with a field.
    #[must_use]
    pub fn error(&self, field: &str) -> Option<String> {
        self.errors()
            .iter()
            .find(|error| error.field == field)
            .map(|error| error.message.clone())
    }

    /// Everything that is wrong, in the order of the form.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        self.0.as_ref().map_or(&[], |outcome| &outcome.errors)
    }

    /// What is wrong with the form as a whole.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        self.0.as_ref()?.message.clone()
    }
}

/// The address that a page rendered in answer to a POST belongs to; the shell puts it into the
/// address bar, where the router of the browser looks.
#[derive(Debug, Clone)]
pub struct AnsweredPage(pub String);

//! The one error that pages and server functions share: what went wrong, in words for people, and
//! the HTTP status that says the same. Internal causes never get in here.

use domain::draft::FieldError;
use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

/// Why a server function or a form gave no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ApiError {
    /// Nobody is logged in, or not any more.
    #[error("log in first")]
    Unauthenticated,
    /// The role does not allow it.
    #[error("{message}")]
    Forbidden {
        /// What is not allowed, and to whom it is.
        message: String,
    },
    /// The viewer has to prove anew who they are.
    #[error("confirm first that it is you")]
    ProofNeeded,
    /// There is no such thing.
    #[error("there is no such {what}")]
    NotFound {
        /// The kind of thing: `credential`, `person`.
        what: String,
    },
    /// It does not go together with how things are now.
    #[error("{message}")]
    Conflict {
        /// What is in the way.
        message: String,
    },
    /// Some fields cannot be accepted.
    #[error("some fields need another look")]
    Invalid {
        /// Which, and why.
        fields: Vec<FieldError>,
    },
    /// A field holds more than it ever can.
    #[error("a field is too long")]
    TooLong {
        /// Which, and what fits.
        fields: Vec<FieldError>,
    },
    /// Single sign-on came to nothing.
    #[error("{message}")]
    SingleSignOn {
        /// The HTTP status that says the same.
        status: u16,
        /// What happened, and what to do next.
        message: String,
    },
    /// Too many attempts.
    #[error("too many attempts: wait {retry_after_seconds} seconds and try again")]
    Throttled {
        /// When the next attempt is accepted.
        retry_after_seconds: u32,
    },
    /// The server or the way to it is down for the moment.
    #[error("the server cannot be reached at the moment")]
    Unavailable,
    /// Something broke; the log knows what.
    #[error("something went wrong on the server")]
    Internal {
        /// Finds the cause in the log.
        request_id: String,
    },
}

impl ApiError {
    /// The HTTP status that says the same.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::TooLong { .. } => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden { .. } | Self::ProofNeeded => 403,
            Self::NotFound { .. } => 404,
            Self::Conflict { .. } => 409,
            Self::Invalid { .. } => 422,
            Self::SingleSignOn { status, .. } => *status,
            Self::Throttled { .. } => 429,
            Self::Internal { .. } => 500,
            Self::Unavailable => 503,
        }
    }

    /// A heading for a page or section that shows nothing but the error.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Unauthenticated | Self::SingleSignOn { .. } => "You are not logged in".to_owned(),
            Self::ProofNeeded => "Confirm that it is you".to_owned(),
            Self::Forbidden { .. } => "This is not open to your role".to_owned(),
            Self::NotFound { what } => format!("There is no such {what}"),
            Self::Conflict { .. } | Self::Invalid { .. } | Self::TooLong { .. } => {
                "This cannot be done".to_owned()
            }
            Self::Throttled { .. } => "Too many attempts".to_owned(),
            Self::Unavailable => "The server cannot be reached".to_owned(),
            Self::Internal { .. } => "Something went wrong".to_owned(),
        }
    }

    /// What happened and what to do next.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Unauthenticated => "Your session has ended. Log in to go on.".to_owned(),
            Self::Forbidden { message }
            | Self::Conflict { message }
            | Self::SingleSignOn { message, .. } => message.clone(),
            Self::ProofNeeded => {
                "This needs a log-in or second factor of the last 15 minutes. Confirm that it is \
                 you, and send it again."
                    .to_owned()
            }
            Self::NotFound { .. } => "The link may be mistyped or out of date.".to_owned(),
            Self::Invalid { fields } | Self::TooLong { fields } => fields
                .iter()
                .map(|f| f.message.as_str())
                .collect::<Vec<_>>()
                .join(" "),
            Self::Throttled {
                retry_after_seconds,
            } => {
                format!("Wait {retry_after_seconds} seconds and try again.")
            }
            Self::Unavailable => "Check your connection, then load the page again.".to_owned(),
            Self::Internal { request_id } => format!(
                "Nothing was changed. Try again; if it happens again, show request id {request_id} \
                 to the person who runs this server."
            ),
        }
    }
}

impl FromServerFnError for ApiError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Args(message)
            | ServerFnErrorErr::MissingArg(message)
            | ServerFnErrorErr::Deserialization(message) => Self::Invalid {
                fields: vec![FieldError::new("", message)],
            },
            _ => Self::Unavailable,
        }
    }
}

//! What a use case can answer besides success.

use std::time::Duration;

use domain::access::InvalidAccess;
use domain::credential::InvalidTransition;
use domain::draft::FieldError;
use domain::password::InvalidPassword;
use domain::role::Permission;
use storage::{Conflict, StoreError};

use crate::sso::SsoError;
use crate::time::ClockProblem;

/// The outcome of a use case.
pub type ServiceResult<T> = Result<T, ServiceError>;

/// Why a use case did nothing.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The actor's role does not have the permission. The refusal has been audited.
    #[error("your role may not {}", .0.label())]
    Denied(Permission),
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// What was typed can't be used; nothing was changed.
    #[error("some of what you entered can't be used")]
    Invalid(Vec<FieldError>),
    /// A password in this field is longer than any that there is. It was not looked at.
    #[error("{}", InvalidPassword::TooLong)]
    TooLong(&'static str),
    /// It contradicts what is there.
    #[error(transparent)]
    Conflict(Conflict),
    /// The credential's state does not allow it.
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    /// Address and password don't fit, or the person may not log in: which, is not said.
    #[error("the e-mail address and the password don't match")]
    WrongLogin,
    /// The actor has to prove anew who they are. Nothing was tried, so nothing is audited.
    #[error("confirm first that it is you")]
    ProofNeeded,
    /// A log-in or session can't go on: it took too long, or what it was begun with has changed.
    #[error("this log-in took too long, or your account has changed meanwhile: log in again")]
    LogInEnded,
    /// Too many failures; try again later.
    #[error("too many failed tries: wait {} seconds and try again", .0.as_secs())]
    Throttled(Duration),
    /// Single sign-on came to nothing.
    #[error(transparent)]
    Sso(#[from] SsoError),
    /// The time can't be believed, so nothing was made that would last from it.
    #[error(
        "the server's clock can't be relied on, so nothing was made that lasts from now on: {0}"
    )]
    Clock(#[from] ClockProblem),
    /// More work at once than is good for the server.
    #[error("the server is busy: try again in a moment")]
    Busy,
    /// The store failed; the cause is for the log.
    #[error("the server can't reach its database: try again in a moment")]
    Unavailable(#[source] StoreError),
    /// Something that should not happen; the cause is for the log.
    #[error("something went wrong on the server")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ServiceError {
    /// One field's error.
    #[must_use]
    pub fn field(name: &'static str, problem: impl ToString) -> Self {
        Self::Invalid(vec![FieldError::new(name, problem)])
    }

    /// What is wrong with the password in a field.
    pub(crate) fn password(field: &'static str, problem: InvalidPassword) -> Self {
        match problem {
            InvalidPassword::TooLong => Self::TooLong(field),
            InvalidPassword::TooShort => Self::field(field, problem),
        }
    }

    /// Something that should not happen, with its cause for the log.
    #[must_use]
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(Conflict::SessionEnded) => Self::LogInEnded,
            StoreError::Conflict(conflict) => Self::Conflict(conflict),
            StoreError::NotFound(what) => Self::NotFound(what),
            other => Self::Unavailable(other),
        }
    }
}

impl From<InvalidAccess> for ServiceError {
    fn from(error: InvalidAccess) -> Self {
        Self::field("access", error)
    }
}

//! The one place where pages meet the server: who asks, what answers, with which HTTP status.
//! Compiled for the server only.

use axum::body::Body;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::draft::FieldError;
use domain::password::InvalidPassword;
use http::request::Parts;
use http::{Method, Request, StatusCode, Uri};
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use service::{Actor, RequestFacts, ServiceError, Services, whole_seconds};

use crate::error::ApiError;
use crate::form::{Answer, AnsweredPage};
use crate::viewer::CurrentUser;
use crate::words::sentence;

/// The use cases; the server provides them to every render and every server function.
///
/// # Errors
/// It did not, so nothing can be answered.
pub fn services() -> Result<Services, ApiError> {
    use_context().ok_or_else(|| refused(ApiError::Unavailable))
}

/// Who asks; the server's session layer puts them into the request's extensions.
///
/// # Errors
/// Nobody is logged in.
pub fn actor() -> Result<Actor, ApiError> {
    extension().ok_or_else(|| refused(ApiError::Unauthenticated))
}

/// The result of a use case as server functions give it on: an error sets the HTTP status.
pub fn reply<T>(result: Result<T, ServiceError>) -> Result<T, ApiError> {
    result.map_err(|error| refused(explain(error, extension::<RequestFacts>().as_ref())))
}

/// What people are told about an error of a use case. What only the log may know goes there, under
/// the id of the request.
#[must_use]
pub fn explain(error: ServiceError, facts: Option<&RequestFacts>) -> ApiError {
    let request_id = facts.and_then(|facts| facts.request_id.as_deref());
    let request_id = request_id.unwrap_or("unknown");
    match error {
        ServiceError::Denied(permission) => ApiError::Forbidden {
            message: format!("Your role may not {}. Ask a superuser.", permission.label()),
        },
        ServiceError::NotFound(what) => ApiError::NotFound {
            what: what.to_owned(),
        },
        ServiceError::Invalid(fields) => ApiError::Invalid { fields },
        ServiceError::TooLong(field) => ApiError::TooLong {
            fields: vec![FieldError::new(field, InvalidPassword::TooLong)],
        },
        ServiceError::WrongLogin => ApiError::Invalid {
            fields: vec![FieldError::new("", ServiceError::WrongLogin)],
        },
        ServiceError::ProofNeeded => ApiError::ProofNeeded,
        ServiceError::LogInEnded => ApiError::Unauthenticated,
        ServiceError::Conflict(conflict) => ApiError::Conflict {
            message: sentence(&conflict.to_string()),
        },
        ServiceError::Clock(problem) => ApiError::Conflict {
            message: sentence(&ServiceError::Clock(problem).to_string()),
        },
        ServiceError::Transition(reason) => ApiError::Conflict {
            message: sentence(&reason.to_string()),
        },
        ServiceError::Sso(error) => ApiError::SingleSignOn {
            status: error.status(),
            message: sentence(&error.to_string()),
        },
        ServiceError::Throttled(wait) => ApiError::Throttled {
            retry_after_seconds: u32::try_from(whole_seconds(wait)).unwrap_or(u32::MAX),
        },
        ServiceError::Busy => ApiError::Unavailable,
        ServiceError::Unavailable(cause) => {
            tracing::error!(
                request_id,
                error = &cause as &dyn std::error::Error,
                "store failed"
            );
            ApiError::Unavailable
        }
        ServiceError::Internal(cause) => {
            tracing::error!(
                request_id,
                error = cause.as_ref() as &dyn std::error::Error,
                "bug"
            );
            ApiError::Internal {
                request_id: request_id.to_owned(),
            }
        }
    }
}

/// Sets the HTTP status of the answer.
pub fn set_status(status: u16) {
    if let Some(response) = use_context::<ResponseOptions>()
        && let Ok(status) = StatusCode::from_u16(status)
    {
        response.set_status(status);
    }
}

/// Sets the status that says the same as an error.
fn refused(error: ApiError) -> ApiError {
    set_status(error.status());
    error
}

/// Who looks at the page, if anybody is logged in.
pub(crate) fn current_user() -> Option<CurrentUser> {
    let actor: Actor = extension()?;
    actor.person().map(|person| CurrentUser {
        id: person.id.to_string(),
        name: person.name.clone(),
        email: person.email.clone(),
        role: person.role,
        proven_until: person.proven_until(),
    })
}

/// The time of the use cases' clock; outside a request (when routes are listed) it does not matter.
pub(crate) fn now() -> DateTime<Utc> {
    use_context::<Services>().map_or(DateTime::UNIX_EPOCH, |services| services.now())
}

/// Something that the server left in the request.
fn extension<T: Clone + Send + Sync + 'static>() -> Option<T> {
    use_context::<Parts>()?.extensions.get::<T>().cloned()
}

/// Renders a page as the answer to a POST: `parts` are those of the request, `page` is the path of
/// the page (with its query, where it needs one) and `answer` what it has to say. `context` provides
/// what the server provides to every page.
pub async fn render_answer(
    options: LeptosOptions,
    mut parts: Parts,
    page: &str,
    answer: Answer,
    context: impl Fn() + Clone + Send + Sync + 'static,
) -> Response {
    parts.method = Method::GET;
    parts.uri = page.parse().unwrap_or_else(|_| Uri::from_static("/"));
    let page = page.to_owned();
    let context = move || {
        context();
        provide_context(answer.clone());
        provide_context(AnsweredPage(page.clone()));
    };
    let render =
        leptos_axum::render_app_async_with_context(context, move || crate::shell(options.clone()));
    render(Request::from_parts(parts, Body::empty())).await
}

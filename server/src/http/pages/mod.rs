//! The forms that people send. Each is a plain POST that works with WASM off: the use case runs,
//! and then the browser is sent on, or the page comes back with what was typed and what is wrong.

mod account;
mod audit;
mod credentials;
mod debugger;
mod entry;
mod form;
mod gateways;
mod links;
mod passkeys;
mod proof;
mod second_factors;
mod signing_keys;
pub mod sso;
mod users;

use std::sync::OnceLock;

use app::error::ApiError;
use app::flash::Flash;
use app::form::{Answer, FormOutcome, ShownOnce};
use app::server_context::{explain, render_answer};
use axum::Router;
use axum::extract::{FromRef as _, FromRequestParts};
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{StatusCode, header};
use leptos::config::LeptosOptions;
use service::{Actor, RequestFacts, ServiceError};

use crate::http::layers;
use crate::state::AppState;

/// The way in: what strangers may send. Identity headers and sessions say nothing here.
pub fn open_routes() -> Router<AppState> {
    Router::new()
        .merge(entry::open_routes())
        .merge(sso::open_routes())
        .merge(passkeys::open_routes())
}

/// Every form that needs somebody.
pub fn routes() -> Router<AppState> {
    Router::new()
        .merge(entry::routes())
        .merge(account::routes())
        .merge(proof::routes())
        .merge(second_factors::routes())
        .merge(passkeys::routes())
        .merge(users::routes())
        .merge(audit::routes())
        .merge(gateways::routes())
        .merge(signing_keys::routes())
        .merge(credentials::routes())
        .merge(debugger::routes())
}

/// What each form's handler needs of its request.
struct Context {
    state: AppState,
    parts: Parts,
    facts: RequestFacts,
}

impl FromRequestParts<AppState> for Context {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let facts = parts.extensions.get().cloned().unwrap_or_default();
        Ok(Self {
            state: state.clone(),
            parts: parts.clone(),
            facts,
        })
    }
}

impl Context {
    /// Who sent the form. The session layer has turned strangers away; should it ever not, they stop
    /// here.
    fn actor(&self) -> Result<Actor, Response> {
        self.parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| Redirect::to(&log_in_address("/")).into_response())
    }

    fn explain(&self, error: ServiceError) -> ApiError {
        explain(error, Some(&self.facts))
    }

    /// The page again, with what was typed and what is wrong. If a proof is missing it is another one:
    /// the layer around the forms asks for it and keeps what was sent. If the session has ended it is the
    /// log-in page: nothing more is shown to who is out.
    async fn refuse(
        self,
        page: &str,
        action: &str,
        typed: Vec<(String, String)>,
        error: ServiceError,
    ) -> Response {
        if matches!(error, ServiceError::ProofNeeded) {
            return layers::proof::needed();
        }
        if matches!(error, ServiceError::LogInEnded) {
            return Redirect::to(LOG_IN_ENDED).into_response();
        }
        let outcome = FormOutcome::refused(action, typed, self.explain(error));
        self.render(
            page,
            Answer {
                outcome: Some(outcome),
                shown_once: None,
            },
        )
        .await
    }

    /// A page that shows something this once.
    async fn show_once(self, page: &str, shown: ShownOnce) -> Response {
        self.render(
            page,
            Answer {
                outcome: None,
                shown_once: Some(shown),
            },
        )
        .await
    }

    async fn render(self, page: &str, answer: Answer) -> Response {
        let context = super::page_context(&self.state);
        let options = LeptosOptions::from_ref(&self.state);
        render_answer(options, self.parts, page, answer, context).await
    }
}

/// The log-in page, for somebody whose log-in or session has ended under way.
const LOG_IN_ENDED: &str = "/login?expired=1";

/// Sends the browser on, with a word about what was done.
fn done(page: &str, flash: Flash) -> Response {
    Redirect::to(&format!("{page}?done={}", flash.as_str())).into_response()
}

/// The address of the log-in page that leads on to `next` afterwards.
#[must_use]
pub fn log_in_address(next: &str) -> String {
    match safe_next(next) {
        "/" => "/login".to_owned(),
        next => {
            let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
            format!("/login?next={next}")
        }
    }
}

/// Where to go after log-in: a path of this site, or the start.
///
/// Browsers read `//`, `/\` and what is between them with tabs and line ends taken out as another
/// host; so only a slash with a plain character after it leads anywhere.
#[must_use]
pub fn safe_next(next: &str) -> &str {
    let mut bytes = next.bytes();
    let is_path = bytes.next() == Some(b'/')
        && bytes
            .next()
            .is_none_or(|second| second.is_ascii_alphanumeric() || b"?_-.~".contains(&second))
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !next
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .split('/')
            .any(|part| part == ".." || part == ".");
    if is_path { next } else { "/" }
}

/// An answer for when not even the page can be rendered.
#[must_use]
pub fn failed(error: &ServiceError) -> Response {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "a request could not be answered"
    );
    let text = "The server can't reach its database. Try again in a moment.";
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

/// An answer for a crowd that logs in, most of whom can only be sent away: making the log-in page again for
/// each would cost the programs beside them more than the log-ins.
#[must_use]
pub fn crowded(state: &AppState) -> Response {
    static PAGE: OnceLock<String> = OnceLock::new();
    let page = PAGE.get_or_init(|| app::crowded(state.leptos.clone()));
    let headers = [
        (header::RETRY_AFTER, "2"),
        (header::CONTENT_SECURITY_POLICY, layers::headers::PLAIN_PAGE),
    ];
    (
        StatusCode::SERVICE_UNAVAILABLE,
        headers,
        Html(page.as_str()),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_in_leads_only_to_pages_of_this_site() {
        for good in [
            "/",
            "/credentials",
            "/credentials?tab=all&q=a%20b",
            "/users?done=saved",
        ] {
            assert_eq!(safe_next(good), good);
        }
        for bad in [
            "",
            "//e.example",
            "/\\e.example",
            "/%09/e.example",
            "\\\\e.example",
            "https:e.example",
            "https://e.example/",
            "/..//e.example",
            "/a/../..//e",
            "/./x",
            "/a\r\nSet-Cookie: x",
            "javascript:alert(1)",
            "/\t/e.example",
            " /credentials",
            "credentials",
        ] {
            assert_eq!(safe_next(bad), "/", "{bad:?}");
        }
        assert_eq!(
            log_in_address("/credentials?tab=all"),
            "/login?next=%2Fcredentials%3Ftab%3Dall"
        );
        assert_eq!(log_in_address("//e.example"), "/login");
    }
}

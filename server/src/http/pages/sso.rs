//! To an OpenID provider and back. What the browser keeps meanwhile is in a cookie of its own: the
//! provider sends it back from another site, and the session's cookie begins only then. Each log-in has one, so that
//! two tabs don't take each other's.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use service::crypto::hash_token;
use service::{LogIn, ServiceError, SsoAnswer};
use tower_sessions::Session;

use super::form::Form;
use super::{Context, safe_next};
use crate::http::device::device;
use crate::http::layers::session;
use crate::state::AppState;

/// What the names of the cookies begin with; the rest says which log-in it is.
const TICKET: &str = "__Host-keyrack-sso-";
/// How many log-ins a browser may have begun at once. More are those of nobody who goes on with them.
const AT_ONCE: usize = 8;
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// Where browsers leave for a provider, and come back.
pub fn open_routes() -> Router<AppState> {
    Router::new()
        .route("/sso/{provider}", get(begin))
        .route("/sso/{provider}/callback", get(finish))
}

/// What providers call, which have no session here.
pub fn back_channel() -> Router<AppState> {
    Router::new().route("/sso/{provider}/backchannel", post(logged_out))
}

#[derive(Debug, Default, Deserialize)]
struct Begin {
    #[serde(default)]
    next: String,
    /// Whether somebody logs in anew to prove who they are.
    #[serde(default)]
    prove: bool,
}

async fn begin(
    context: Context,
    Path(provider): Path<String>,
    query: Result<Query<Begin>, QueryRejection>,
) -> Result<Response, Response> {
    let Begin { next, prove } = query.map(|query| query.0).unwrap_or_default();
    let services = &context.state.services;
    let begun = services.begin_sso(&provider, safe_next(&next), prove, &context.facts);
    match begun.await {
        Ok(begun) => {
            let (name, ticket) = (name_of(&begun.state), begun.ticket.expose());
            let cookie = format!("{name}={ticket}; Max-Age=600; {ATTRIBUTES}");
            let answer = Redirect::to(begun.url.as_str()).into_response();
            let mut answer = with_cookie(answer, &cookie)?;
            // Which is the oldest nobody knows: all go, and whoever still comes back begins again.
            let others: Vec<_> = tickets(&context.parts.headers)
                .map(|(name, _)| name)
                .collect();
            if others.len() >= AT_ONCE {
                for name in others {
                    answer = with_cookie(answer, &format!("{name}=; Max-Age=0; {ATTRIBUTES}"))?;
                }
            }
            Ok(answer)
        }
        Err(error) => {
            let typed = vec![("next".to_owned(), next)];
            Ok(context.refuse("/login", "/login", typed, error).await)
        }
    }
}

async fn finish(
    context: Context,
    session: Session,
    Path(provider): Path<String>,
    answer: Result<Query<SsoAnswer>, QueryRejection>,
) -> Result<Response, Response> {
    // A parameter that is there twice is none (RFC 6749 section 3.1): the state is missing, then.
    let answer = answer.map(|answer| answer.0).unwrap_or_default();
    let name = name_of(answer.state.as_deref().unwrap_or_default());
    let ticket = ticket(&context.parts.headers, &name).unwrap_or_default();
    let services = &context.state.services;
    let finished = services.finish_sso(&provider, ticket, answer, &context.facts);
    let finished = match finished.await {
        Ok(done) => {
            let log_in = LogIn {
                method: done.method,
                proven_at: done.proven_at,
                address: context.facts.address.map(|address| address.to_string()),
                device: device(&context.parts.headers),
            };
            let begun = async {
                session::begin(&session, &done.who, log_in).await?;
                session::note_provider(&session, done.at_provider).await
            };
            match begun.await {
                Ok(()) => session::settle(services, &session).await,
                Err(error) => Err(session::failed(error)),
            }
            .map(|()| done.next)
        }
        Err(error) => Err(error),
    };
    let answer = match finished {
        Ok(next) => Redirect::to(safe_next(&next)).into_response(),
        Err(error) => context.refuse("/login", "/login", Vec::new(), error).await,
    };
    with_cookie(answer, &format!("{name}=; Max-Age=0; {ATTRIBUTES}"))
}

/// A provider says that somebody logged out there (OpenID Connect Back-Channel Logout section 2.5).
async fn logged_out(
    context: Context,
    Path(provider): Path<String>,
    mut form: Form,
) -> Result<StatusCode, Response> {
    let token = form.take("logout_token");
    let services = &context.state.services;
    let ended = services.logged_out_elsewhere(&provider, &token, &context.facts);
    match ended.await {
        Ok(()) => Ok(StatusCode::OK),
        Err(error @ (ServiceError::Unavailable(_) | ServiceError::Internal(_))) => {
            Err(super::failed(&error))
        }
        Err(_) => {
            let error = axum::Json(serde_json::json!({ "error": "invalid_request" }));
            Err((StatusCode::BAD_REQUEST, error).into_response())
        }
    }
}

/// The name of the cookie of a log-in: by a hash, as the state itself is for the provider alone.
fn name_of(state: &str) -> String {
    let hash = hex::encode(hash_token(state).0);
    format!("{TICKET}{}", hash.get(..16).unwrap_or_default())
}

/// The tickets in the cookies, with the names of these.
fn tickets(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let cookies = headers.get_all(COOKIE).iter();
    cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(name, _)| name.starts_with(TICKET))
}

/// The ticket of a log-in, if there is just one.
fn ticket<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut tickets = tickets(headers).filter(|(found, _)| *found == name);
    let (_, ticket) = tickets.next()?;
    tickets.next().is_none().then_some(ticket)
}

fn with_cookie(mut response: Response, cookie: &str) -> Result<Response, Response> {
    let cookie = HeaderValue::from_str(cookie);
    let cookie = cookie.map_err(|error| super::failed(&ServiceError::internal(error)))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

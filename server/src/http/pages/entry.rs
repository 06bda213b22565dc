//! Set-up, log-in, log-out, the first password of a person who was added, and a forgotten one.

use app::flash::Flash;
use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use http::StatusCode;
use service::{LogIn, LogInMethod, LogInStep, LoggedIn, RequestFacts, ServiceError, ServiceResult};
use tower_sessions::Session;
use url::Url;

use super::form::Form;
use super::links::deliver;
use super::{Context, LOG_IN_ENDED, done, safe_next};
use crate::http::device::device;
use crate::http::layers::session;
use crate::state::AppState;

pub fn open_routes() -> Router<AppState> {
    Router::new()
        .route("/setup", post(set_up))
        .route("/login", post(log_in))
        .route("/login/second-factor", post(finish_log_in))
        .route("/welcome", post(welcome))
        .route("/forgot", post(forgot))
}

pub fn routes() -> Router<AppState> {
    Router::new().route("/logout", post(log_out))
}

async fn set_up(context: Context, mut form: Form) -> Result<Response, Response> {
    let typed = form.typed(&["password"]);
    let [token, name, email, password] =
        ["token", "name", "email", "password"].map(|field| form.take(field));
    form.finish().map_err(IntoResponse::into_response)?;
    let services = &context.state.services;
    match services
        .set_up(&token, &name, &email, &password, &context.facts)
        .await
    {
        Ok(_) => Ok(done("/login", Flash::SetUp)),
        Err(error) => Ok(context.refuse("/setup", "/setup", typed, error).await),
    }
}

async fn log_in(context: Context, session: Session, mut form: Form) -> Result<Response, Response> {
    let typed = form.typed(&["password"]);
    let [email, password, next] = ["email", "password", "next"].map(|field| form.take(field));
    form.finish().map_err(IntoResponse::into_response)?;
    let services = &context.state.services;
    let step = services.log_in(&email, &password, &context.facts).await;
    let begun = match step {
        Ok(LogInStep::Done(who)) => begin(&context, &session, &who, &next).await,
        Ok(LogInStep::Half(half)) => {
            let begun = session::begin_half(&session, half, safe_next(&next)).await;
            begun.map(|()| Redirect::to(SECOND_STEP).into_response())
        }
        Err(error) => Err(error),
    };
    match begun {
        Ok(response) => Ok(response),
        Err(ServiceError::Busy) => Ok(super::crowded(&context.state)),
        Err(error) => Ok(context.refuse("/login", "/login", typed, error).await),
    }
}

/// The page of the second step, and where its form goes.
const SECOND_STEP: &str = "/login/second-factor";

/// Takes the code of somebody whose password was right.
async fn finish_log_in(
    context: Context,
    session: Session,
    mut form: Form,
) -> Result<Response, Response> {
    let code = form.take("proof");
    form.finish().map_err(IntoResponse::into_response)?;
    let failed = |error| super::failed(&session::failed(error));
    let Some((half, next)) = session::half(&session).await.map_err(failed)? else {
        return Ok(Redirect::to(LOG_IN_ENDED).into_response());
    };
    let services = &context.state.services;
    let who = services.finish_log_in(&half, &code, &context.facts).await;
    let begun = match who {
        Ok(who) => begin(&context, &session, &who, &next).await,
        Err(error) => Err(error),
    };
    match begun {
        Ok(response) => Ok(response),
        Err(ServiceError::LogInEnded) => {
            session.flush().await.map_err(failed)?;
            Ok(Redirect::to(LOG_IN_ENDED).into_response())
        }
        Err(error) => Ok(context
            .refuse(SECOND_STEP, SECOND_STEP, Vec::new(), error)
            .await),
    }
}

/// Begins the session of somebody who has proven who they are.
async fn begin(
    context: &Context,
    session: &Session,
    who: &LoggedIn,
    next: &str,
) -> ServiceResult<Response> {
    let log_in = LogIn {
        method: LogInMethod::Password,
        proven_at: Some(context.state.services.now()),
        address: context.facts.address.map(|address| address.to_string()),
        device: device(&context.parts.headers),
    };
    let begun = session::begin(session, who, log_in).await;
    begun.map_err(session::failed)?;
    session::settle(&context.state.services, session).await?;
    Ok(Redirect::to(safe_next(next)).into_response())
}

/// Ends the session and everything that the browser keeps of it, the pages behind Back included.
async fn log_out(context: Context, form: Form) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let elsewhere = context.state.services.log_out(&actor).await;
    let mut response = match elsewhere.map_err(|error| super::failed(&error))? {
        None => done("/login", Flash::LoggedOut),
        Some(url) => go_on_to(&url),
    };
    let (name, value) = session::end_cookie();
    response.headers_mut().append(name, value);
    let data = http::HeaderValue::from_static("\"cache\", \"storage\"");
    response.headers_mut().insert("clear-site-data", data);
    Ok(response)
}

/// Leads to another site after a form, which a redirect can't: our policy ends forms here.
fn go_on_to(url: &Url) -> Response {
    let refresh = [("refresh", format!("0; url={url}"))];
    let text = format!("You are logged out of Keyrack. To log out at your provider too: {url}");
    (refresh, text).into_response()
}

async fn welcome(context: Context, mut form: Form) -> Result<Response, Response> {
    let typed = form.typed(&["password"]);
    let [token, password] = ["token", "password"].map(|field| form.take(field));
    form.finish().map_err(IntoResponse::into_response)?;
    match context
        .state
        .services
        .choose_password(&token, &password, &context.facts)
        .await
    {
        Ok(_) => Ok(done("/login", Flash::Welcome)),
        Err(error) => Ok(context.refuse("/welcome", "/welcome", typed, error).await),
    }
}

/// Answers before anybody is looked up, so that the answer and its time tell nothing about who is on
/// the team.
async fn forgot(context: Context, mut form: Form) -> Result<Response, Response> {
    let typed = form.typed(&[]);
    let email = form.take("email");
    form.finish().map_err(IntoResponse::into_response)?;
    if context.state.mail.is_none() {
        return Err(StatusCode::NOT_FOUND.into_response());
    }
    let services = &context.state.services;
    if let Err(error) = services.may_ask_for_reset(&email, &context.facts) {
        return Ok(context.refuse("/forgot", "/forgot", typed, error).await);
    }
    let (state, facts) = (context.state, context.facts);
    tokio::spawn(async move { mail_reset_link(&state, &email, &facts).await });
    Ok(done("/login", Flash::ResetAsked))
}

async fn mail_reset_link(state: &AppState, email: &str, facts: &RequestFacts) {
    match state.services.reset_link(email, facts).await {
        Ok(link) => {
            deliver(state, link.into_iter().collect()).await;
        }
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "a link for a forgotten password could not be made"
        ),
    }
}

//! Passkeys: the questions that the browser puts to an authenticator, and the forms of the account page.

use app::flash::Flash;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use service::{PasskeyQuestion, SecondFactorId, ServiceError, ServiceResult};
use tower_sessions::Session;

use super::form::Form;
use super::second_factors::{PAGE, refuse, show};
use super::{Context, done, failed};
use crate::http::layers::{proof, session};
use crate::state::AppState;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/account/passkeys", post(add))
        .route("/account/passkeys/remove", post(remove))
        .route("/account/passkeys/new", post(ask_for_new))
        .route("/account/passkeys/question", post(ask))
}

pub fn open_routes() -> Router<AppState> {
    Router::new().route("/login/second-factor/passkey", post(ask_at_log_in))
}

async fn add(context: Context, mut form: Form) -> Result<Response, Response> {
    let [name, passkey] = ["name", "passkey"].map(|field| form.take(field));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    match services.add_passkey(&actor, &name, &passkey).await {
        Ok(codes) if codes.is_empty() => Ok(done(PAGE, Flash::SecondFactorAdded)),
        Ok(codes) => Ok(show(context, codes).await),
        Err(error) => Ok(refuse(context, "passkeys", error).await),
    }
}

async fn remove(context: Context, mut form: Form) -> Result<Response, Response> {
    let id = form.take("id");
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    let factor = SecondFactorId::Passkey(id);
    match services.remove_second_factor(&actor, factor).await {
        Ok(()) => Ok(done(PAGE, Flash::SecondFactorRemoved)),
        Err(error) => Ok(refuse(context, "passkeys/remove", error).await),
    }
}

async fn ask_for_new(context: Context, form: Form) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let asked = context.state.services.ask_for_new_passkey(&actor).await;
    Ok(answer(&context, asked))
}

async fn ask(context: Context, form: Form) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let asked = context.state.services.ask_for_passkey(&actor).await;
    Ok(answer(&context, asked))
}

/// Of somebody whose password was right.
async fn ask_at_log_in(
    context: Context,
    session: Session,
    form: Form,
) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let half = session::half(&session).await;
    let half = half.map_err(|error| failed(&session::failed(error)))?;
    let services = &context.state.services;
    let asked = match half {
        Some((half, _)) => services.ask_half_for_passkey(&half).await,
        None => Err(ServiceError::LogInEnded),
    };
    Ok(answer(&context, asked))
}

/// The question, or in words why there is none.
fn answer(context: &Context, asked: ServiceResult<PasskeyQuestion>) -> Response {
    match asked {
        Ok(question) => Json(question).into_response(),
        Err(ServiceError::ProofNeeded) => proof::needed(),
        Err(error) => proof::in_words(&context.explain(error)),
    }
}

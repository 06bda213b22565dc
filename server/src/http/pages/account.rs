//! The forms of the account page.

use app::flash::Flash;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use service::ServiceError;
use tower_sessions::Session;

use super::form::Form;
use super::{Context, done};
use crate::http::layers::session;
use crate::state::AppState;

pub fn routes() -> Router<AppState> {
    Router::new().route("/account/password", post(change_password))
}

async fn change_password(
    context: Context,
    session: Session,
    mut form: Form,
) -> Result<Response, Response> {
    let [current, new] = ["current_password", "new_password"].map(|field| form.take(field));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    match services
        .change_password(&actor, &current, &new, &context.facts)
        .await
    {
        Ok(()) => {
            // Whoever has a copy of this session's id is as little welcome as those in the other ones.
            match session::renew_id(services, &session, &context.facts).await {
                // Ended meanwhile: the next page asks for the new password.
                Ok(_) | Err(ServiceError::LogInEnded) => {
                    Ok(done("/account", Flash::PasswordChanged))
                }
                Err(error) => Err(super::failed(&error)),
            }
        }
        Err(error) => Ok(context
            .refuse("/account", "/account/password", Vec::new(), error)
            .await),
    }
}

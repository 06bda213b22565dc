//! The forms of the account page.

use app::flash::Flash;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::form::Form;
use super::{Context, done};
use crate::state::AppState;

pub fn routes() -> Router<AppState> {
    Router::new().route("/account/password", post(change_password))
}

async fn change_password(context: Context, mut form: Form) -> Result<Response, Response> {
    let [current, new] = ["current_password", "new_password"].map(|field| form.take(field));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    match services
        .change_password(&actor, &current, &new, &context.facts)
        .await
    {
        Ok(()) => Ok(done("/account", Flash::PasswordChanged)),
        Err(error) => Ok(context
            .refuse("/account", "/account/password", Vec::new(), error)
            .await),
    }
}

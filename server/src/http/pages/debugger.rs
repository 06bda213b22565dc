//! The form of the assertion debugger: what it answers is shown once and kept nowhere.

use app::form::ShownOnce;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::Context;
use super::form::Form;
use crate::state::AppState;

const PAGE: &str = "/debugger";

pub fn routes() -> Router<AppState> {
    Router::new().route(PAGE, post(check))
}

async fn check(context: Context, mut form: Form) -> Result<Response, Response> {
    let assertion = form.take("assertion");
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    match services.debug_assertion(&actor, &assertion).await {
        Ok(report) => Ok(context
            .show_once(PAGE, ShownOnce::Checked(report.into()))
            .await),
        // A secret may be in what was typed: it does not go back.
        Err(error) => Ok(context.refuse(PAGE, PAGE, Vec::new(), error).await),
    }
}

//! Where the dialog sends a proof, and where somebody comes back to from their provider to send the
//! form that has waited.

use app::features::proof::{Confirmation, ProofQuestion};
use app::form::ShownOnce;
use axum::Router;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;

use super::form::Form;
use super::{Context, failed};
use crate::http::layers;
use crate::state::AppState;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/account/confirm", post(confirm))
        .route("/confirm/resume", get(resume))
}

/// The layer around the forms has taken the proof, if one came.
async fn confirm(context: Context, form: Form) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    Ok(if context.state.services.is_proven(&actor) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        layers::proof::needed()
    })
}

#[derive(Debug, Default, Deserialize)]
struct Resume {
    #[serde(default)]
    form: String,
}

async fn resume(
    context: Context,
    query: Result<Query<Resume>, QueryRejection>,
) -> Result<Response, Response> {
    let token = query.map(|query| query.0.form).unwrap_or_default();
    let actor = context.actor()?;
    let kept = context.state.services.take_form(&actor, &token).await;
    let Some(form) = kept.map_err(|error| failed(&error))? else {
        return Ok(Redirect::to("/confirm").into_response());
    };
    let shown = Confirmation {
        action: form.action,
        fields: form.fields,
        question: ProofQuestion::Nothing,
    };
    Ok(context
        .show_once("/confirm", ShownOnce::Confirmation(shown))
        .await)
}

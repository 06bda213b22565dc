//! The form that ends a signing key; it is on the gateways page.

use app::flash::Flash;
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::form::Form;
use super::{Context, done};
use crate::state::AppState;

const PAGE: &str = "/gateways";

pub fn routes() -> Router<AppState> {
    Router::new().route("/signing-keys/{kid}/end", post(end))
}

async fn end(
    context: Context,
    Path(kid): Path<String>,
    mut form: Form,
) -> Result<Response, Response> {
    let reason = form.take("reason");
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    match services.end_signing_key(&actor, &kid, &reason).await {
        Ok(_) => Ok(done(PAGE, Flash::SigningKeyEnded)),
        Err(error) => {
            let action = format!("/signing-keys/{kid}/end");
            let typed = vec![("reason".to_owned(), reason)];
            Ok(context.refuse(PAGE, &action, typed, error).await)
        }
    }
}

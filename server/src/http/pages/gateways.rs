//! The forms of the gateways page.

use app::features::gateways::configuration;
use app::flash::Flash;
use app::form::ShownOnce;
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::gateway::{Gateway, GatewayId};
use service::{GatewayDraft, Token};
use uuid::Uuid;

use super::form::Form;
use super::{Context, done};
use crate::state::AppState;

const PAGE: &str = "/gateways";

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/gateways", post(add))
        .route("/gateways/{id}/edit", post(edit))
        .route("/gateways/{id}/token", post(replace_token))
        .route("/gateways/{id}/remove", post(remove))
}

fn draft(form: &mut Form) -> GatewayDraft {
    let fields = ["name", "kind", "addresses", "audiences"];
    let [name, kind, addresses, audiences] = fields.map(|field| form.take(field));
    GatewayDraft {
        name,
        kind,
        addresses,
        audiences,
    }
}

async fn add(context: Context, mut form: Form) -> Result<Response, Response> {
    let typed = form.typed(&[]);
    let draft = draft(&mut form);
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    match context.state.services.add_gateway(&actor, &draft).await {
        Ok(added) => Ok(show(context, added).await),
        Err(error) => Ok(context.refuse(PAGE, PAGE, typed, error).await),
    }
}

async fn edit(
    context: Context,
    Path(id): Path<Uuid>,
    mut form: Form,
) -> Result<Response, Response> {
    let draft = draft(&mut form);
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    match services.edit_gateway(&actor, GatewayId(id), &draft).await {
        Ok(_) => Ok(done(PAGE, Flash::GatewaySaved)),
        Err(error) => Ok(refuse(context, id, "edit", error).await),
    }
}

async fn replace_token(
    context: Context,
    Path(id): Path<Uuid>,
    form: Form,
) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    match services.replace_gateway_token(&actor, GatewayId(id)).await {
        Ok(replaced) => Ok(show(context, replaced).await),
        Err(error) => Ok(refuse(context, id, "token", error).await),
    }
}

async fn remove(context: Context, Path(id): Path<Uuid>, form: Form) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    match context
        .state
        .services
        .remove_gateway(&actor, GatewayId(id))
        .await
    {
        Ok(()) => Ok(done(PAGE, Flash::GatewayRemoved)),
        Err(error) => Ok(refuse(context, id, "remove", error).await),
    }
}

/// What was typed into a dialog of the list is short: the page says what was wrong with it.
async fn refuse(context: Context, id: Uuid, step: &str, error: service::ServiceError) -> Response {
    let action = format!("{PAGE}/{id}/{step}");
    context.refuse(PAGE, &action, Vec::new(), error).await
}

async fn show(context: Context, (gateway, token): (Gateway, Token)) -> Response {
    let url = context.state.http.link("");
    let shown = ShownOnce::GatewayToken {
        name: gateway.name.to_string(),
        gateway: gateway.kind,
        token: token.expose().to_owned(),
        configuration: configuration(gateway.kind, &url, token.expose()),
    };
    context.show_once(PAGE, shown).await
}

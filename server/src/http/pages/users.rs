//! The forms of the users page.

use app::flash::Flash;
use app::form::ShownOnce;
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::role::Role;
use domain::user::UserId;
use service::{Actor, AddPerson, PasswordLink, ServiceError, ServiceResult};
use uuid::Uuid;

use super::form::Form;
use super::{Context, done};
use crate::state::AppState;

const PAGE: &str = "/users";

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/users", post(add))
        .route("/users/{id}/role", post(set_role))
        .route("/users/{id}/disable", post(disable))
        .route("/users/{id}/enable", post(enable))
        .route("/users/{id}/password-link", post(offer_link))
        .route("/users/{id}/sessions/end-others", post(end_other_sessions))
        .route("/users/{id}/sessions/{session}/end", post(end_session))
}

async fn add(context: Context, mut form: Form) -> Result<Response, Response> {
    let typed = form.typed(&[]);
    let [name, email, role] = ["name", "email", "role"].map(|field| form.take(field));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let person = AddPerson { name, email, role };
    match context.state.services.add_person(&actor, &person).await {
        Ok(link) => Ok(show(context, link).await),
        Err(error) => Ok(context.refuse(PAGE, PAGE, typed, error).await),
    }
}

async fn set_role(
    context: Context,
    Path(id): Path<Uuid>,
    mut form: Form,
) -> Result<Response, Response> {
    let role = form.take("role");
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let result = match role.parse::<Role>() {
        Ok(role) => {
            context
                .state
                .services
                .set_role(&actor, UserId(id), role)
                .await
        }
        Err(error) => Err(ServiceError::field("role", error)),
    };
    Ok(answer(context, result, Flash::RoleChanged).await)
}

async fn disable(context: Context, Path(id): Path<Uuid>, form: Form) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let result = context
        .state
        .services
        .disable_person(&context.actor()?, UserId(id))
        .await;
    Ok(answer(context, result, Flash::PersonDisabled).await)
}

async fn enable(context: Context, Path(id): Path<Uuid>, form: Form) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let result = context
        .state
        .services
        .enable_person(&context.actor()?, UserId(id))
        .await;
    Ok(answer(context, result, Flash::PersonEnabled).await)
}

async fn offer_link(
    context: Context,
    Path(id): Path<Uuid>,
    form: Form,
) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    match context
        .state
        .services
        .offer_password_link(&context.actor()?, UserId(id))
        .await
    {
        Ok(link) => Ok(show(context, link).await),
        Err(error) => Ok(context.refuse(PAGE, PAGE, Vec::new(), error).await),
    }
}

async fn end_session(
    context: Context,
    Path((id, session)): Path<(Uuid, String)>,
    form: Form,
) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let (actor, person) = (context.actor()?, UserId(id));
    let services = &context.state.services;
    let result = services.end_session(&actor, person, &session).await;
    Ok(sessions_answer(context, &actor, person, result).await)
}

async fn end_other_sessions(
    context: Context,
    Path(id): Path<Uuid>,
    form: Form,
) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let (actor, person) = (context.actor()?, UserId(id));
    let result = context
        .state
        .services
        .end_other_sessions(&actor, person)
        .await;
    Ok(sessions_answer(context, &actor, person, result).await)
}

/// Back to where the list of sessions is: one's own account, or the page of the person.
async fn sessions_answer(
    context: Context,
    actor: &Actor,
    person: UserId,
    result: ServiceResult<()>,
) -> Response {
    let is_self = actor.person().is_some_and(|own| own.id == person);
    let page = if is_self { "/account" } else { PAGE };
    match result {
        Ok(()) => done(page, Flash::SessionEnded),
        Err(error) => context.refuse(page, page, Vec::new(), error).await,
    }
}

async fn show(context: Context, link: PasswordLink) -> Response {
    let url = context
        .state
        .http
        .link(&format!("/welcome?token={}", link.token.expose()));
    let shown = ShownOnce::WelcomeLink {
        name: link.user.name.to_string(),
        email: link.user.email.to_string(),
        url,
        expires_at: link.expires_at,
    };
    context.show_once(PAGE, shown).await
}

async fn answer(context: Context, result: ServiceResult<()>, flash: Flash) -> Response {
    match result {
        Ok(()) => done(PAGE, flash),
        Err(error) => context.refuse(PAGE, PAGE, Vec::new(), error).await,
    }
}

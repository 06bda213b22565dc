//! The forms of the users page and of the page of a person.

use app::flash::Flash;
use app::form::ShownOnce;
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::role::Role;
use domain::user::UserId;
use service::{Actor, Invitation, PasswordLink, ServiceError, ServiceResult};
use uuid::Uuid;

use super::form::Form;
use super::links::deliver;
use super::{Context, done};
use crate::state::AppState;

const PAGE: &str = "/users";

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/users", post(invite))
        .route("/users/{id}/person", post(change))
        .route("/users/{id}/role", post(set_role))
        .route("/users/{id}/disable", post(disable))
        .route("/users/{id}/enable", post(enable))
        .route("/users/{id}/password-link", post(offer_link))
        .route(
            "/users/{id}/second-factor/reset",
            post(reset_second_factors),
        )
        .route("/users/{id}/give", post(give))
        .route("/users/{id}/sessions/end-others", post(end_other_sessions))
        .route("/users/{id}/sessions/{session}/end", post(end_session))
}

async fn invite(context: Context, mut form: Form) -> Result<Response, Response> {
    let typed = form.typed(&[]);
    let [people, role] = ["people", "role"].map(|field| form.take(field));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let invitation = Invitation { people, role };
    let services = &context.state.services;
    match services.invite_people(&actor, &invitation).await {
        Ok(links) => Ok(show(context, PAGE, links).await),
        Err(error) => Ok(context.refuse(PAGE, PAGE, typed, error).await),
    }
}

async fn change(
    context: Context,
    Path(id): Path<Uuid>,
    mut form: Form,
) -> Result<Response, Response> {
    let typed = form.typed(&[]);
    let [name, email] = ["name", "email"].map(|field| form.take(field));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    match services
        .change_person(&actor, UserId(id), &name, &email)
        .await
    {
        Ok(_) => Ok(done(&page_of(id), Flash::PersonChanged)),
        Err(error) => Ok(refuse(context, id, "person", typed, error).await),
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
    let services = &context.state.services;
    let result = match role.parse::<Role>() {
        Ok(role) => services.set_role(&actor, UserId(id), role).await,
        Err(error) => Err(ServiceError::field("role", error)),
    };
    Ok(answer(context, id, "role", result, Flash::RoleChanged).await)
}

async fn disable(context: Context, Path(id): Path<Uuid>, form: Form) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    let result = services.disable_person(&actor, UserId(id)).await;
    Ok(answer(context, id, "disable", result, Flash::PersonDisabled).await)
}

async fn enable(context: Context, Path(id): Path<Uuid>, form: Form) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    let result = services.enable_person(&actor, UserId(id)).await;
    Ok(answer(context, id, "enable", result, Flash::PersonEnabled).await)
}

async fn offer_link(
    context: Context,
    Path(id): Path<Uuid>,
    form: Form,
) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    match services.offer_password_link(&actor, UserId(id)).await {
        Ok(link) => Ok(show(context, &page_of(id), vec![link]).await),
        Err(error) => Ok(refuse(context, id, "password-link", Vec::new(), error).await),
    }
}

async fn reset_second_factors(
    context: Context,
    Path(id): Path<Uuid>,
    form: Form,
) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    let result = services.reset_second_factors(&actor, UserId(id)).await;
    let (what, flash) = ("second-factor/reset", Flash::SecondFactorReset);
    Ok(answer(context, id, what, result, flash).await)
}

/// Gives credentials of the person to somebody else: one of them, or `all`.
async fn give(
    context: Context,
    Path(id): Path<Uuid>,
    mut form: Form,
) -> Result<Response, Response> {
    let typed = form.typed(&[]);
    let [which, to] = ["which", "to"].map(|field| form.take(field));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    let which = match which.as_str() {
        "all" => Ok(None),
        key_id => key_id.parse().map(Some),
    };
    let result = match (which, to.parse()) {
        (Ok(which), Ok(to)) => {
            let given = services.give_credentials(&actor, UserId(id), which, to);
            given.await.map(|_| ())
        }
        (Err(_), _) => Err(ServiceError::field("which", "choose one, or all")),
        (_, Err(_)) => Err(ServiceError::field("to", "choose somebody")),
    };
    match result {
        Ok(()) => Ok(done(&page_of(id), Flash::CredentialsGiven)),
        Err(error) => Ok(refuse(context, id, "give", typed, error).await),
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
    let page = if is_self {
        "/account".to_owned()
    } else {
        page_of(person.0)
    };
    match result {
        Ok(()) => done(&page, Flash::SessionEnded),
        Err(error) => context.refuse(&page, &page, Vec::new(), error).await,
    }
}

/// The page of a person.
fn page_of(id: Uuid) -> String {
    format!("{PAGE}/{id}")
}

/// Links are shown even if they were mailed: a mail may not arrive.
async fn show(context: Context, page: &str, links: Vec<PasswordLink>) -> Response {
    let links = deliver(&context.state, links).await;
    context
        .show_once(page, ShownOnce::WelcomeLinks { links })
        .await
}

async fn answer(
    context: Context,
    id: Uuid,
    what: &str,
    result: ServiceResult<()>,
    flash: Flash,
) -> Response {
    match result {
        Ok(()) => done(&page_of(id), flash),
        Err(error) => refuse(context, id, what, Vec::new(), error).await,
    }
}

/// The page of the person again, with what is wrong at one of its forms.
async fn refuse(
    context: Context,
    id: Uuid,
    what: &str,
    typed: Vec<(String, String)>,
    error: ServiceError,
) -> Response {
    let page = page_of(id);
    let action = format!("{page}/{what}");
    context.refuse(&page, &action, typed, error).await
}

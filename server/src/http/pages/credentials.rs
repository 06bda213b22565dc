//! The forms of the credentials pages.

use app::features::credentials::{chosen_key, shown_once};
use app::flash::Flash;
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::DateTime;
use domain::draft::CredentialDraft;
use domain::key_id::KeyId;
use domain::limits::{LimitKind, LimitsDraft};
use service::{CredentialChange, PublicKeyDraft, ServiceError, ServiceResult};

use super::form::Form;
use super::{Context, done};
use crate::state::AppState;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/credentials/new", post(issue))
        .route("/credentials/{key_id}/edit", post(edit))
        .route("/credentials/{key_id}/limits", post(limit))
        .route("/credentials/{key_id}/keys", post(add_key))
        .route("/credentials/{key_id}/keys/remove", post(remove_key))
        .route("/credentials/{key_id}/key-url", post(set_key_url))
        .route("/credentials/{key_id}/key-url/fetch", post(fetch_keys))
        .route("/credentials/{key_id}/disable", post(disable))
        .route("/credentials/{key_id}/enable", post(enable))
        .route("/credentials/{key_id}/revoke", post(revoke))
}

/// The fields that a new credential and an edit have in common.
fn draft(form: &mut Form) -> CredentialDraft {
    let [source, public_key, jwks_url] =
        ["key_source", "public_key", "jwks_url"].map(|field| form.take(field));
    let (public_key, jwks_url) = chosen_key(&source, public_key, jwks_url);
    // With WASM on, the browser adds the chosen time in UTC; without, the field is read as UTC.
    let (local, utc) = (form.take("expires_at"), form.take("expires_at_utc"));
    CredentialDraft {
        name: form.take("name"),
        purpose: form.take("purpose"),
        owner: form.take("owner"),
        flow: form.take("flow"),
        expires: form.take("expires"),
        expires_at: if utc.is_empty() { local } else { utc },
        access: form.take("access"),
        levels: form.take_all("scope.").into_iter().collect(),
        public_key,
        jwks_url,
    }
}

async fn issue(context: Context, mut form: Form) -> Result<Response, Response> {
    const PAGE: &str = "/credentials/new";
    let typed = form.typed(&[]);
    let draft = draft(&mut form);
    let key = form.take("idempotency_key");
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let issued = match context
        .state
        .services
        .issue_credential(&actor, &draft, Some(&key))
        .await
    {
        Ok(issued) => issued,
        Err(error) => return Ok(context.refuse(PAGE, PAGE, typed, error).await),
    };
    let shown = shown_once(
        &context.state.services,
        issued,
        context.state.http.legacy_headers(),
    );
    Ok(context.show_once(PAGE, shown).await)
}

async fn edit(
    context: Context,
    Path(key_id): Path<KeyId>,
    mut form: Form,
) -> Result<Response, Response> {
    let typed = form.typed(&[]);
    let (draft, read) = (draft(&mut form), form.take("read"));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    let result = match DateTime::parse_from_rfc3339(&read) {
        Ok(read) => {
            let change = CredentialChange {
                draft,
                read: read.to_utc(),
            };
            services.edit_credential(&actor, key_id, &change).await
        }
        Err(_) => Err(ServiceError::field(
            "",
            "load the page again and repeat your change",
        )),
    };
    match result {
        Ok(_) => Ok(done(&format!("/credentials/{key_id}"), Flash::Saved)),
        Err(error) => {
            let page = format!("/credentials/{key_id}/edit");
            Ok(context.refuse(&page, &page, typed, error).await)
        }
    }
}

async fn limit(
    context: Context,
    Path(key_id): Path<KeyId>,
    mut form: Form,
) -> Result<Response, Response> {
    let typed = form.typed(&[]);
    let [
        addresses,
        per_second,
        burst,
        per_minute,
        tokens_per_hour,
        read,
    ] = [
        "addresses",
        "per_second",
        "burst",
        "per_minute",
        "tokens_per_hour",
        "read",
    ]
    .map(|field| form.take(field));
    let report_only = LimitKind::ALL
        .into_iter()
        .filter(|kind| !form.take(kind.report_field()).is_empty())
        .collect();
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let draft = LimitsDraft {
        addresses,
        per_second,
        burst,
        per_minute,
        tokens_per_hour,
        report_only,
    };
    let services = &context.state.services;
    let result = match DateTime::parse_from_rfc3339(&read) {
        Ok(read) => {
            let read = read.to_utc();
            services
                .limit_credential(&actor, key_id, &draft, read)
                .await
        }
        Err(_) => Err(ServiceError::field(
            "",
            "load the page again and repeat your change",
        )),
    };
    Ok(answer(context, key_id, "limits", typed, result, Flash::LimitsSaved).await)
}

async fn add_key(
    context: Context,
    Path(key_id): Path<KeyId>,
    mut form: Form,
) -> Result<Response, Response> {
    let typed = form.typed(&[]);
    let [name, public_key, expires] =
        ["name", "public_key", "expires"].map(|field| form.take(field));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let draft = PublicKeyDraft {
        name,
        public_key,
        expires,
    };
    let services = &context.state.services;
    let result = services.add_public_keys(&actor, key_id, &draft).await;
    Ok(answer(context, key_id, "keys", typed, result, Flash::KeyAdded).await)
}

async fn remove_key(
    context: Context,
    Path(key_id): Path<KeyId>,
    mut form: Form,
) -> Result<Response, Response> {
    let thumbprint = form.take("thumbprint");
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    let result = services
        .remove_public_key(&actor, key_id, &thumbprint)
        .await;
    Ok(answer(
        context,
        key_id,
        "keys/remove",
        Vec::new(),
        result,
        Flash::KeyRemoved,
    )
    .await)
}

async fn set_key_url(
    context: Context,
    Path(key_id): Path<KeyId>,
    mut form: Form,
) -> Result<Response, Response> {
    let (typed, url) = (form.typed(&[]), form.take("jwks_url"));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    let result = services.set_key_url(&actor, key_id, &url).await;
    Ok(answer(context, key_id, "key-url", typed, result, Flash::KeyUrlSet).await)
}

async fn fetch_keys(
    context: Context,
    Path(key_id): Path<KeyId>,
    form: Form,
) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    let result = services.fetch_keys(&actor, key_id).await;
    let step = "key-url/fetch";
    Ok(answer(
        context,
        key_id,
        step,
        Vec::new(),
        result,
        Flash::KeysFetched,
    )
    .await)
}

async fn disable(
    context: Context,
    Path(key_id): Path<KeyId>,
    mut form: Form,
) -> Result<Response, Response> {
    let (typed, reason) = (form.typed(&[]), form.take("reason"));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let result = context
        .state
        .services
        .disable_credential(&actor, key_id, &reason)
        .await;
    Ok(answer(
        context,
        key_id,
        "disable",
        typed,
        result,
        Flash::Quarantined,
    )
    .await)
}

async fn enable(
    context: Context,
    Path(key_id): Path<KeyId>,
    mut form: Form,
) -> Result<Response, Response> {
    let (typed, reason) = (form.typed(&[]), form.take("reason"));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let result = context
        .state
        .services
        .enable_credential(&actor, key_id, &reason)
        .await;
    Ok(answer(context, key_id, "enable", typed, result, Flash::Reenabled).await)
}

async fn revoke(
    context: Context,
    Path(key_id): Path<KeyId>,
    mut form: Form,
) -> Result<Response, Response> {
    let (typed, reason) = (form.typed(&[]), form.take("reason"));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let result = context
        .state
        .services
        .revoke_credential(&actor, key_id, &reason)
        .await;
    Ok(answer(context, key_id, "revoke", typed, result, Flash::Revoked).await)
}

async fn answer<T>(
    context: Context,
    key_id: KeyId,
    step: &str,
    typed: Vec<(String, String)>,
    result: ServiceResult<T>,
    flash: Flash,
) -> Response {
    let page = format!("/credentials/{key_id}");
    match result {
        Ok(_) => done(&page, flash),
        Err(error) => {
            context
                .refuse(&page, &format!("{page}/{step}"), typed, error)
                .await
        }
    }
}

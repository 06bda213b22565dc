//! The forms about second factors of the account page.

use app::features::second_factors::{RecoveryCodes, totp_setup};
use app::flash::Flash;
use app::form::{Answer, FormOutcome, ShownOnce};
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::recovery_code::RecoveryCode;
use service::{SecondFactorId, ServiceError, ServiceResult};

use super::form::Form;
use super::{Context, done};
use crate::state::AppState;

pub(super) const PAGE: &str = "/account";

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/account/totp", post(offer_totp))
        .route("/account/totp/add", post(add_totp))
        .route("/account/totp/remove", post(remove_totp))
        .route("/account/recovery-codes", post(renew_codes))
}

async fn offer_totp(context: Context, form: Form) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let offered = context.state.services.offer_totp(&actor).await;
    match offered.and_then(|offer| totp_setup(&offer)) {
        Ok(setup) => Ok(context.show_once(PAGE, ShownOnce::Totp(setup)).await),
        Err(error) => Ok(refuse(context, "totp", error).await),
    }
}

async fn add_totp(context: Context, mut form: Form) -> Result<Response, Response> {
    let [draft, code] = ["draft", "code"].map(|field| form.take(field));
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    let error = match services.add_totp(&actor, &draft, &code).await {
        Ok(codes) if codes.is_empty() => return Ok(done(PAGE, Flash::SecondFactorAdded)),
        Ok(codes) => return Ok(show(context, codes).await),
        Err(error @ ServiceError::ProofNeeded) => {
            return Ok(refuse(context, "totp/add", error).await);
        }
        Err(error) => error,
    };
    // The same secret again, for the next code.
    let offered = services.offered_totp(&actor, &draft);
    let setup = offered.and_then(|offer| totp_setup(&offer));
    let action = format!("{PAGE}/totp/add");
    let outcome = FormOutcome::refused(&action, Vec::new(), context.explain(error));
    let answer = Answer {
        outcome: Some(outcome),
        shown_once: setup.ok().map(ShownOnce::Totp),
    };
    Ok(context.render(PAGE, answer).await)
}

async fn remove_totp(context: Context, form: Form) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let services = &context.state.services;
    let factor = SecondFactorId::Totp;
    match services.remove_second_factor(&actor, factor).await {
        Ok(()) => Ok(done(PAGE, Flash::SecondFactorRemoved)),
        Err(error) => Ok(refuse(context, "totp/remove", error).await),
    }
}

async fn renew_codes(context: Context, form: Form) -> Result<Response, Response> {
    form.finish().map_err(IntoResponse::into_response)?;
    let actor = context.actor()?;
    let renewed: ServiceResult<_> = context.state.services.renew_recovery_codes(&actor).await;
    match renewed {
        Ok(codes) => Ok(show(context, codes).await),
        Err(error) => Ok(refuse(context, "recovery-codes", error).await),
    }
}

pub(super) async fn show(context: Context, codes: Vec<RecoveryCode>) -> Response {
    let codes = codes.iter().map(RecoveryCode::grouped).collect();
    let shown = ShownOnce::RecoveryCodes(RecoveryCodes { codes });
    context.show_once(PAGE, shown).await
}

pub(super) async fn refuse(context: Context, what: &str, error: ServiceError) -> Response {
    let action = format!("{PAGE}/{what}");
    context.refuse(PAGE, &action, Vec::new(), error).await
}

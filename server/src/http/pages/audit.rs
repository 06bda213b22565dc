//! The exports of the audit log.

use app::features::audit::AuditParams;
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use service::ServiceError;

use super::Context;
use crate::audit_export::{Export, Format};
use crate::state::AppState;

const PAGE: &str = "/audit";

pub fn routes() -> Router<AppState> {
    Router::new().route("/audit/{file}", get(export))
}

/// `export.csv` or `export.jsonl`, with the filters of the page; written while it is read.
async fn export(context: Context, Path(file): Path<String>) -> Result<Response, Response> {
    let format: Format = file
        .strip_prefix("export.")
        .and_then(|format| format.parse().ok())
        .ok_or_else(|| StatusCode::NOT_FOUND.into_response())?;
    let query = context.parts.uri.query().unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let params = AuditParams::read(|name| {
        let pair = pairs.iter().find(|pair| pair.0 == name);
        pair.map(|pair| pair.1.clone())
    });
    let actor = context.actor()?;
    let services = context.state.services.clone();
    let export = match Export::begin(services, actor, format, params.filter()).await {
        Ok(export) => export,
        // The page can be shown, and would be no answer.
        Err(error @ (ServiceError::Unavailable(_) | ServiceError::Internal(_))) => {
            return Err(super::failed(&error));
        }
        Err(error) => return Ok(context.refuse(PAGE, PAGE, Vec::new(), error).await),
    };
    let parts = stream::try_unfold(export, |mut export| async move {
        let part = export.next().await.inspect_err(|error| {
            tracing::error!(%error, "an export of the audit log ended early");
        })?;
        anyhow::Ok(part.map(|part| (part, export)))
    });
    let headers = [
        (CONTENT_TYPE, format.media_type().to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"keyrack-audit.{format}\""),
        ),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

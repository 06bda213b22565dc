//! Whether the process lives, and whether it can do its work: for load balancers and start-up
//! scripts. Both say nothing about why; that is in the log.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::state::AppState;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// `/healthz` and `/readyz`.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(live))
        .route("/readyz", get(ready))
}

async fn live() -> impl IntoResponse {
    answer(StatusCode::OK, "alive\n")
}

async fn ready(State(state): State<AppState>) -> impl IntoResponse {
    match tokio::time::timeout(PATIENCE, state.services.is_ready()).await {
        Ok(Ok(())) => answer(StatusCode::OK, "ready\n"),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
            answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database does not answer\n",
            )
        }
        Err(_) => {
            tracing::warn!("not ready: the database takes too long to answer");
            answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database does not answer\n",
            )
        }
    }
}

fn answer(status: StatusCode, text: &'static str) -> impl IntoResponse {
    (status, [(header::CACHE_CONTROL, "no-store")], text)
}

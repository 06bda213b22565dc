//! Whether the process lives, and whether it can do its work: for load balancers and start-up
//! scripts. The cause of what is wrong is in the log.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use service::{ServiceError, Services, StoreError};

use crate::metrics::Metrics;
use crate::state::AppState;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many seconds between the database's clock and the node's are worth a word.
const MOST_SKEW: i64 = 5;
/// How often the node looks by itself.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// `/healthz` and `/readyz`.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(live))
        .route("/readyz", get(ready))
}

async fn live() -> impl IntoResponse {
    answer(StatusCode::OK, "alive\n".to_owned())
}

/// A node that can read is ready, although nothing can be written: the gate needs no more, and a load
/// balancer that took every node away for it would turn a full disk into an outage of the API. What is
/// not possible is said in the answer, in the log and by a metric.
async fn ready(State(state): State<AppState>) -> impl IntoResponse {
    match look(&state.services).await {
        Readiness::Ready => {
            let text = format!("ready\n{}", clock(&state.services));
            answer(StatusCode::OK, text)
        }
        Readiness::ReadsOnly(why) => {
            let clock = clock(&state.services);
            let text = format!("ready to check calls, but nothing can be changed: {why}\n{clock}");
            answer(StatusCode::OK, text)
        }
        Readiness::Down(why) => answer(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

/// What is wrong with the clock, in lines. It stops no gate call, so the node is ready.
fn clock(services: &Services) -> String {
    let problem = services.clock_problem();
    let problem = problem.map(|problem| format!("no tokens are issued: {problem}\n"));
    let skew = services.clock_skew().map(|skew| skew.num_seconds());
    let skew = skew.filter(|skew| skew.abs() > MOST_SKEW);
    let skew = skew.map(|skew| match skew {
        0.. => format!("the database's clock is {skew} seconds ahead of this node's\n"),
        _ => format!(
            "the database's clock is {} seconds behind this node's\n",
            -skew
        ),
    });
    let put_off = services.put_off().map(|put_off| format!("{put_off}\n"));
    problem.into_iter().chain(skew).chain(put_off).collect()
}

/// Why a node can do nothing.
const SILENT: &str = "the database does not answer";

/// What a node can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// All of it.
    Ready,
    /// What only reads; and why no more.
    ReadsOnly(&'static str),
    /// Nothing; and why.
    Down(&'static str),
}

async fn look(services: &Services) -> Readiness {
    match tokio::time::timeout(PATIENCE, services.can_read()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
            return Readiness::Down(match error {
                ServiceError::Unavailable(StoreError::Moved(_)) => {
                    "the database was removed or replaced: put it back, or start Keyrack anew"
                }
                _ => SILENT,
            });
        }
        Err(_) => {
            tracing::warn!("not ready: the database takes too long to answer");
            return Readiness::Down(SILENT);
        }
    }
    let problem = match tokio::time::timeout(PATIENCE, services.can_write()).await {
        Ok(Ok(())) => return Readiness::Ready,
        Ok(Err(error)) => error,
        Err(late) => ServiceError::internal(late),
    };
    tracing::warn!(
        error = &problem as &dyn std::error::Error,
        "calls are checked, but nothing can be changed"
    );
    Readiness::ReadsOnly(match problem {
        ServiceError::Unavailable(StoreError::ReadOnly(_)) => "the database is read-only",
        ServiceError::Unavailable(StoreError::Full(_)) => "the disk of the database is full",
        ServiceError::Unavailable(StoreError::Unwritable(_)) => {
            "the files of the database can't be written: look at the limit on the size of files (ulimit -f), \
             at quotas, and at the disk"
        }
        _ => "the database takes no writes",
    })
}

/// Looks, and sets the metrics to what there is: so they tell of the present whenever they are asked for.
pub async fn measure(services: &Services, metrics: &Metrics) -> Readiness {
    let now = look(services).await;
    let can_read = !matches!(now, Readiness::Down(_));
    metrics.database_readable.set(can_read.into());
    metrics
        .database_writable
        .set((now == Readiness::Ready).into());
    now
}

/// Looks every ten seconds, whether anybody asks or not, for the log.
pub async fn keep_looking(services: Services, metrics: Arc<Metrics>) {
    let mut last = Readiness::Ready;
    loop {
        let now = measure(&services, &metrics).await;
        if now == Readiness::Ready && last != now {
            tracing::info!("the database takes writes again");
        }
        last = now;
        // What is wrong with the database was said.
        let _ = tokio::time::timeout(PATIENCE, services.look_at_clocks()).await;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn answer(status: StatusCode, text: String) -> impl IntoResponse {
    (status, [(header::CACHE_CONTROL, "no-store")], text)
}

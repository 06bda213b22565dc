//! The running server: listeners, connections with time limits, background work, an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt as _;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use service::Services;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;
use tower::Service;

use crate::http::layers::limits::{HEADER_BYTES, HEADER_TIME, HEADERS};
use crate::metrics::Metrics;

/// How long open requests may take after the server was asked to end.
const GRACE: std::time::Duration = std::time::Duration::from_secs(10);

/// Serves until `end` comes, then lets open requests finish.
pub async fn serve<S>(listener: TcpListener, service: S, end: impl Future<Output = ()>)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let open = accept_until(listener, service, end).await;
    finish(open, std::future::pending()).await;
}

/// Lets the open requests finish, for ten seconds, or until `hurry` comes.
pub async fn finish(open: GracefulShutdown, hurry: impl Future<Output = ()>) {
    tokio::select! {
        () = open.shutdown() => {}
        () = tokio::time::sleep(GRACE) => tracing::warn!("some requests did not finish in time"),
        () = hurry => tracing::warn!("some requests were broken off, as the end was asked for again"),
    }
}

/// Serves until `end` comes; what is open then is given back.
///
/// hyper serves the connections, not `axum::serve`, which sets no limit on how slowly a client may
/// send its headers. HTTP/1.1 alone, whose limit holds from the first moment of a connection:
/// gateways speak it, and browsers reach a proxy that does.
pub async fn accept_until<S>(
    listener: TcpListener,
    service: S,
    end: impl Future<Output = ()>,
) -> GracefulShutdown
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADERS);
    let mut end = std::pin::pin!(end);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut end => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file handles, most likely: let some connections end first.
                    tracing::warn!(error = &error as &dyn std::error::Error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small answers go out at once.
        let _ = stream.set_nodelay(true);
        let service = service.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request
                .extensions_mut()
                .insert(ConnectInfo::<SocketAddr>(peer));
            service.clone().call(request)
        });
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // Clients that go away or talk nonsense are everyday life.
            if let Err(error) = connection.await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a connection ended badly"
                );
            }
        });
    }
    graceful
}

/// The work that goes on beside requests. Dropped, it ends in its own time.
pub struct Background {
    flusher: JoinHandle<()>,
    _others: [AbortOnDropHandle<()>; 2],
    /// Its end is the end of the flusher.
    running: oneshot::Sender<()>,
}

impl Background {
    /// Starts it.
    #[must_use]
    pub fn start(services: &Services) -> Self {
        let (follower, flusher, sweeper) = (services.clone(), services.clone(), services.clone());
        let (running, ended) = oneshot::channel();
        Self {
            flusher: tokio::spawn(async move {
                flusher.keep_flushing_usage(ended.map(|_| ())).await;
            }),
            _others: [
                tokio::spawn(async move { follower.follow_changes().await }),
                tokio::spawn(async move { sweep(&sweeper).await }),
            ]
            .map(AbortOnDropHandle::new),
            running,
        }
    }

    /// Ends it, after everything that was noted in memory has been written.
    pub async fn end(self) {
        drop(self.running);
        // It does not panic, and nobody else ends it.
        let _ = self.flusher.await;
    }
}

/// Clears away what has ended, and rotates the signing key when it is due.
async fn sweep(services: &Services) {
    loop {
        if let Err(error) = services.note_time().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "how far the time has come could not be noted"
            );
        }
        if let Err(error) = services.rotate_signing_key_if_due().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the signing key is old, but a new one could not be made"
            );
        }
        match services.retire_signing_keys().await {
            Ok(0) => {}
            Ok(keys) => tracing::info!(
                keys,
                "signing keys no longer sign: their private halves were deleted"
            ),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the private half of a signing key that no longer signs could not be deleted"
            ),
        }
        match services.trim_audit().await {
            Ok(0) => {}
            Ok(entries) => tracing::info!(entries, "the audit log was trimmed"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the audit log could not be trimmed"
            ),
        }
        if let Err(error) = services.tidy().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the database's files could not be put in order"
            );
        }
        match services.sweep().await {
            // More than one batch is waiting.
            Ok(1_000..) => continue,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what has ended could not be removed"
                );
            }
        }
        tokio::time::sleep(std::time::Duration::from_mins(10)).await;
    }
}

/// The router of the metrics listener.
pub fn metrics_router(metrics: Arc<Metrics>, services: Services) -> Router {
    async fn show(
        State((metrics, services)): State<(Arc<Metrics>, Services)>,
    ) -> impl IntoResponse {
        crate::http::health::measure(&services, &metrics).await;
        metrics.look(&services);
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        metrics
            .to_text()
            .map(|text| ([(http::header::CONTENT_TYPE, kind)], text))
            .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }
    Router::new()
        .route("/metrics", get(show))
        .with_state((metrics, services))
}

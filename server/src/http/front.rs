//! The front: what all requests come to first.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use axum::http::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use axum::{BoxError, Router};
use futures_util::future::{BoxFuture, Either};
use tower::Service;

use super::gate;
use super::nowhere::is_twisted;
use crate::state::AppState;

/// Everything that the server answers. What gateways ask goes to the gate at once: to be found and boxed by
/// a router costs about as much as a decision. All else goes by the routes, if there is one way to read its
/// path: what could be taken for another path after routing never gets there.
#[derive(Clone, Debug)]
pub struct Front {
    state: AppState,
    /// Where all else goes.
    pub router: Router,
    nowhere: Router,
}

impl Front {
    /// The front of a server.
    #[must_use]
    pub fn new(state: AppState) -> Self {
        let router = super::router(&state);
        let nowhere = super::nowhere(&state);
        Self {
            state,
            router,
            nowhere,
        }
    }
}

impl<B> Service<Request<B>> for Front
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<BoxFuture<'static, Result<Response, Infallible>>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        if !gate::is_asked(path) {
            let router = if is_twisted(path) {
                &mut self.nowhere
            } else {
                &mut self.router
            };
            return Either::Right(router.call(request));
        }
        let state = self.state.clone();
        // The body is the call's, if the gateway sent it at all: it decides nothing.
        let request = request.map(drop);
        Either::Left(Box::pin(
            async move { Ok(gate::verify(&state, request).await) },
        ))
    }
}

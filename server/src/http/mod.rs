//! HTTP: which address goes where, and what lies around every handler.

pub mod authorization;
mod device;
mod front;
pub mod gate;
pub mod health;
pub mod layers;
mod nowhere;
pub mod oauth;
pub mod pages;
mod rate_limit;

use std::any::Any;
use std::sync::LazyLock;

use app::features::entry::MailIsOn;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_request};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::future::BoxFuture;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use http::{HeaderValue, StatusCode};
use leptos::config::LeptosOptions;
use leptos::nonce::use_nonce;
use leptos::prelude::{provide_context, use_context};
use leptos::server_fn::axum::server_fn_paths;
use leptos_axum::{
    AxumRouteListing, LeptosRoutes as _, ResponseOptions, generate_route_list,
    render_app_async_with_context,
};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::services::ServeDir;
use tower_http::timeout::TimeoutLayer;

use crate::state::AppState;
use layers::limits::ANSWER_TIME;

pub use front::Front;

/// Every route.
fn router(state: &AppState) -> Router {
    let routes = Router::new()
        .merge(oauth::routes())
        .merge(health::routes())
        .merge(pages::sso::back_channel())
        .merge(dashboard(state))
        .merge(files(&state.leptos))
        .fallback(nowhere::not_found);
    around(routes, state)
        // It is asked before calls of the API: a layer costs more than an answer.
        .merge(oauth::introspection())
        .with_state(state.clone())
}

/// What is answered to paths that no router should see.
fn nowhere(state: &AppState) -> Router {
    let nothing = Router::new().fallback(nowhere::not_found);
    around(nothing, state).with_state(state.clone())
}

/// What happens to every request and answer, whoever asks for whatever.
fn around(routes: Router<AppState>, state: &AppState) -> Router<AppState> {
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), layers::headers::secure))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            ANSWER_TIME,
        ))
        .layer(map_request(layers::limits::bound_body))
        .layer(CatchPanicLayer::custom(panicked));
    routes
        .layer(layers)
        .layer(from_fn_with_state(state.clone(), layers::request::describe))
}

/// The pages of the app. Listed once, before any page is rendered: while Leptos lists, it stops the
/// resources of the whole process, and a page that loads one just then would wait for ever.
static PAGES: LazyLock<Vec<AxumRouteListing>> = LazyLock::new(|| generate_route_list(app::App));

/// What people see: pages, the forms that they send, the functions that pages call. Its layers lie around
/// routes alone, methods included: what is not found, or not by that method, has neither session nor person.
fn dashboard(state: &AppState) -> Router<AppState> {
    let context = page_context(state);
    let shell = {
        let options = state.leptos.clone();
        move || app::shell(options.clone())
    };
    let is_open = |page: &AxumRouteListing| app::OPEN_PAGES.contains(&page.path());
    let (open_pages, pages) = PAGES.iter().cloned().partition(is_open);
    let open_page = render_app_async_with_context(context.clone(), shell.clone());
    let open = pages::open_routes()
        .leptos_routes_with_handler(open_pages, open_page)
        .route_layer(from_fn_with_state(state.clone(), end_set_up));
    let closed = pages::routes()
        .route_layer(from_fn_with_state(state.clone(), layers::proof::ask))
        .route("/_fn/{*function}", post(functions(state)))
        .leptos_routes_with_context(state, pages, context, shell)
        .route_layer(from_fn_with_state(
            state.clone(),
            layers::session::authenticate,
        ));
    open.merge(closed)
        .route_layer(from_fn(layers::session::answered))
        .route_layer(layers::session::cookies(&state.services))
        .route_layer(from_fn(layers::session::kept_or_unavailable))
        .route_layer(from_fn_with_state(
            state.clone(),
            layers::origin::same_origin,
        ))
        .route_layer(from_fn_with_state(state.clone(), layers::plain_http::tell))
        .route_layer(from_fn_with_state(state.clone(), layers::host::lead_home))
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
}

/// The functions that pages call.
fn functions(
    state: &AppState,
) -> impl Fn(Request) -> BoxFuture<'static, Response> + Clone + Send + Sync + use<> {
    let (services, headers) = (state.services.clone(), state.http.legacy_headers());
    move |request| {
        let (services, headers) = (services.clone(), headers.clone());
        Box::pin(async move {
            // The framework's own answer echoes the path and names the framework.
            if !server_fn_paths().any(|(path, _)| path == request.uri().path()) {
                return StatusCode::NOT_FOUND.into_response();
            }
            let context = move || {
                provide_context(services.clone());
                provide_context(headers.clone());
            };
            leptos_axum::handle_server_fns_with_context(context, request)
                .await
                .into_response()
        })
    }
}

/// Hashed files never change; the few others are asked for again.
fn files(options: &LeptosOptions) -> Router<AppState> {
    let root = options.site_root.to_string();
    let package = format!("{root}/{}", options.site_pkg_dir);
    let immutable = |mut response: Response| async {
        let kept = if response.status().is_success() {
            HeaderValue::from_static("public, max-age=31536000, immutable")
        } else {
            HeaderValue::from_static("no-store")
        };
        response.headers_mut().insert(CACHE_CONTROL, kept);
        response
    };
    let folder = ServeDir::new(package)
        .precompressed_br()
        .precompressed_gzip();
    let hashed = Router::new()
        .fallback_service(folder)
        .layer(axum::middleware::map_response(immutable));
    let icon = tower_http::services::ServeFile::new(format!("{root}/favicon.svg"));
    Router::new()
        .nest(&format!("/{}", options.site_pkg_dir), hashed)
        .route_service("/favicon.svg", icon)
}

/// What every page finds in its context, whether it answers a GET or a POST.
fn page_context(state: &AppState) -> impl Fn() + Clone + Send + Sync + use<> {
    let (services, headers) = (state.services.clone(), state.http.legacy_headers());
    let mail = MailIsOn(state.mail.is_some());
    move || {
        provide_context(services.clone());
        provide_context(headers.clone());
        provide_context(mail);
        set_page_policy();
    }
}

/// The nonce that Leptos gives to the scripts of a page goes into the page's policy.
fn set_page_policy() {
    let policy = use_nonce()
        .and_then(|nonce| HeaderValue::from_str(&layers::headers::page_policy(&nonce)).ok());
    if let (Some(response), Some(policy)) = (use_context::<ResponseOptions>(), policy) {
        response.insert_header(CONTENT_SECURITY_POLICY, policy);
    }
}

/// Set-up is a page until there is somebody, and then no more than any other address.
async fn end_set_up(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if request.uri().path() != "/setup" {
        return next.run(request).await;
    }
    match state.services.is_set_up().await {
        Ok(false) => next.run(request).await,
        Ok(true) => nowhere::not_found(State(state), request).await,
        Err(error) => pages::failed(&error),
    }
}

fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    log_panic(&*cause);
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong on the server.",
    )
        .into_response()
}

fn log_panic(cause: &(dyn Any + Send)) {
    let cause = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    tracing::error!(cause, "a handler panicked");
}

//! HTTP: which address goes where, and what lies around every handler.

pub mod authorization;
mod device;
mod front;
pub mod gate;
pub mod health;
pub mod layers;
pub mod oauth;
pub mod pages;
mod rate_limit;

use std::any::Any;
use std::sync::LazyLock;

use app::features::entry::{MailIsOn, SetUpIsOver};
use axum::Router;
use axum::extract::{FromRef as _, Request, State};
use axum::middleware::{Next, from_fn_with_state, map_request};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use http::{HeaderValue, Method, StatusCode};
use leptos::config::LeptosOptions;
use leptos::nonce::use_nonce;
use leptos::prelude::{provide_context, use_context};
use leptos::server_fn::axum::server_fn_paths;
use leptos_axum::{AxumRouteListing, LeptosRoutes as _, ResponseOptions, generate_route_list};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::services::ServeDir;
use tower_http::timeout::TimeoutLayer;

use crate::state::AppState;
use layers::limits::{ANSWER_TIME, BODY_BYTES};

pub use front::Front;

/// Every route.
fn router(state: AppState) -> Router {
    let around = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), layers::headers::secure))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            ANSWER_TIME,
        ))
        .layer(map_request(layers::limits::body_in_time))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked));
    Router::new()
        .merge(oauth::routes())
        .merge(health::routes())
        .merge(pages::sso::back_channel())
        .merge(dashboard(&state))
        .layer(around)
        .layer(from_fn_with_state(state.clone(), layers::request::describe))
        // It is asked before calls of the API: a layer costs more than an answer.
        .merge(oauth::introspection())
        .with_state(state)
}

/// The pages of the app. Listed once, before any page is rendered: while Leptos lists, it stops the
/// resources of the whole process, and a page that loads one just then would wait for ever.
static PAGES: LazyLock<Vec<AxumRouteListing>> = LazyLock::new(|| generate_route_list(app::App));

/// What people see: pages, the forms that they send, the functions that pages call.
fn dashboard(state: &AppState) -> Router<AppState> {
    let context = page_context(state);
    let options = LeptosOptions::from_ref(state);
    let shell = {
        let options = options.clone();
        move || app::shell(options.clone())
    };
    let functions = {
        let (services, headers) = (state.services.clone(), state.http.legacy_headers());
        move |request: Request| {
            let (services, headers) = (services.clone(), headers.clone());
            async move {
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
            }
        }
    };
    pages::routes()
        .layer(from_fn_with_state(state.clone(), layers::proof::ask))
        .route("/_fn/{*function}", post(functions))
        .leptos_routes_with_context(state, PAGES.clone(), context, shell)
        .fallback(not_found)
        .layer(from_fn_with_state(state.clone(), end_set_up))
        .layer(from_fn_with_state(
            state.clone(),
            layers::session::authenticate,
        ))
        .layer(layers::session::cookies(&state.services))
        .layer(from_fn_with_state(
            state.clone(),
            layers::origin::same_origin,
        ))
        .merge(files(&options))
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
async fn end_set_up(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    if request.uri().path() != "/setup" {
        return next.run(request).await;
    }
    match state.services.is_set_up().await {
        Ok(false) => next.run(request).await,
        Ok(true) => {
            // The page says so, whatever was sent.
            *request.method_mut() = Method::GET;
            request.extensions_mut().insert(SetUpIsOver);
            not_found(State(state), request).await
        }
        Err(error) => pages::failed(&error),
    }
}

/// Any other address: a page that says so, for people who are logged in.
async fn not_found(State(state): State<AppState>, request: Request) -> Response {
    if request.method() != Method::GET {
        return StatusCode::NOT_FOUND.into_response();
    }
    let options = LeptosOptions::from_ref(&state);
    let render = leptos_axum::render_app_async_with_context(page_context(&state), move || {
        app::shell(options.clone())
    });
    let mut response = render(request).await;
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
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

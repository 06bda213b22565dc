//! Browser sessions: the cookie, and from it the actor of a request. tower-sessions does the cookie and
//! decides when to save; [`Store`] keeps.

use std::net::SocketAddr;

use app::error::ApiError;
use app::server_context::explain;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;
use http::{HeaderValue, Method, StatusCode};
use service::crypto::hash_token;
use service::{
    Actor, AtProvider, HalfLogIn, HeaderIdentity, LogIn, LogInMethod, LoggedIn, RequestFacts,
    ServiceError, ServiceResult, Services, StoreError,
};
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use super::proxy::{BadHeader, HeaderLogIn, Named};
use super::session_store::{Store, hash};
use crate::http::device::device;
use crate::http::pages;
use crate::state::AppState;

/// `__Host-`: only this host over TLS (or loopback) sets it, for all paths, for no subdomain.
const COOKIE: &str = "__Host-keyrack";
/// Whose session it is, and in which epoch of theirs. The columns of the row say the same, and are what
/// counts: the store fills it in from there.
pub(super) const OWNER: &str = "owner";
const LOG_IN: &str = "log_in";
const AT_PROVIDER: &str = "at_provider";
const SEEN: &str = "seen_at";
/// When the session began: its absolute limit counts from there, whatever its id.
pub(super) const BEGAN: &str = "began_at";
/// A log-in whose password was right, and where it leads to.
const HALF: &str = "half_log_in";
/// What the headers of a trusted proxy said when the session began, as a hash.
const HEADER: &str = "header";

/// The layer that reads and writes the cookie.
#[must_use]
pub fn cookies(services: &Services) -> SessionManagerLayer<Store> {
    let idle = services.settings().sessions.idle.num_seconds();
    SessionManagerLayer::new(Store(services.clone()))
        .with_name(COOKIE)
        .with_same_site(SameSite::Lax)
        .with_secure(true)
        .with_http_only(true)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(Duration::seconds(idle)))
}

/// Notes in a session that has just begun what logging out at the provider needs.
pub async fn note_provider(session: &Session, there: AtProvider) -> SessionResult<()> {
    session.insert(AT_PROVIDER, there).await
}

/// Begins a person's session under a new id; whatever the browser had before is dead. It is theirs once
/// it is saved: see [`settle`].
pub async fn begin(session: &Session, who: &LoggedIn, log_in: LogIn) -> SessionResult<()> {
    session.clear().await;
    session.cycle_id().await?;
    session.insert(LOG_IN, log_in).await?;
    session.insert(OWNER, who.epoch()).await
}

/// Saves a session that has just begun.
///
/// # Errors
/// The store fails, or what has ended meanwhile ended this as well: there is no session then.
pub async fn settle(services: &Services, session: &Session) -> ServiceResult<()> {
    session.save().await.map_err(failed)?;
    let made = match session.id() {
        Some(id) => {
            let store = services.session_store();
            store.find_session(hash(&id), services.now()).await?
        }
        None => None,
    };
    if made.is_none() {
        session.flush().await.map_err(failed)?;
        return Err(ServiceError::LogInEnded);
    }
    Ok(())
}

/// Begins a session that is nobody's, for somebody whose password was right.
///
/// # Errors
/// The store fails: there is no such session then.
pub async fn begin_half(session: &Session, half: HalfLogIn, next: &str) -> ServiceResult<()> {
    let begun = async {
        session.clear().await;
        session.cycle_id().await?;
        session.insert(HALF, (half, next)).await?;
        session.save().await
    };
    begun.await.map_err(failed)
}

/// What it means that a session could not be read or kept.
#[must_use]
pub fn failed(error: tower_sessions::session::Error) -> ServiceError {
    use tower_sessions::session::Error;
    use tower_sessions::session_store::Error::Backend;
    match error {
        Error::Store(Backend(cause)) => {
            ServiceError::Unavailable(StoreError::Unavailable(cause.into()))
        }
        other => ServiceError::internal(other),
    }
}

/// That a handler answered, and not the session layer.
#[derive(Debug, Clone)]
struct Answered;

/// The layer inside of [`cookies`].
pub async fn answered(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Answered);
    response
}

/// The layer around [`cookies`], which answers by itself, with nothing but a 500, if the store takes no session.
/// Whoever calls a function reads JSON, so what fails on the way there says so in JSON as well.
pub async fn kept_or_unavailable(request: Request, next: Next) -> Response {
    let is_function = request.uri().path().starts_with("/_fn/");
    let mut response = next.run(request).await;
    if response.extensions().get::<Answered>().is_none() {
        let cause = StoreError::Unavailable("the session could not be kept".into());
        response = pages::failed(&ServiceError::Unavailable(cause));
    }
    if is_function && response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let error = axum::Json(ApiError::Unavailable);
        return (StatusCode::SERVICE_UNAVAILABLE, error).into_response();
    }
    response
}

/// The log-in that this session waits to finish, and where it leads to.
pub async fn half(session: &Session) -> SessionResult<Option<(HalfLogIn, String)>> {
    session.get(HALF).await
}

/// Notes in a session that its person has just proven who they are, and gives it a new id; who acts
/// from then on.
///
/// # Errors
/// The store fails, or the session has ended meanwhile.
pub async fn prove(
    services: &Services,
    session: &Session,
    facts: &RequestFacts,
) -> ServiceResult<Actor> {
    let log_in: Option<LogIn> = session.get(LOG_IN).await.map_err(failed)?;
    let proven_at = Some(services.now());
    let proven = log_in.map(|log_in| LogIn {
        proven_at,
        ..log_in
    });
    let noted = session.insert(LOG_IN, proven).await;
    noted.map_err(failed)?;
    renew_id(services, session, facts).await
}

/// Gives a session a new id, as what it may do has changed: a copy of the old one opens nothing. Who acts
/// from then on.
///
/// # Errors
/// The store fails, or the session has ended meanwhile.
pub async fn renew_id(
    services: &Services,
    session: &Session,
    facts: &RequestFacts,
) -> ServiceResult<Actor> {
    // Read before its row goes, which goes on under the new id.
    let read = session.get_value(OWNER).await;
    read.map_err(failed)?;
    let id = session.id().ok_or(ServiceError::LogInEnded)?;
    let (store, now) = (services.session_store(), services.now());
    // Of two requests only one can take it; and what has ended meanwhile does not come back.
    let taken = store.take_session(hash(&id), now).await?;
    let taken = taken.ok_or(ServiceError::LogInEnded)?;
    let renewed = async {
        session.cycle_id().await?;
        // It goes on in the epoch of its row, which this very request may have moved forward.
        session.insert(OWNER, taken.owner).await?;
        // The id, by which the actor is found, comes with the row.
        session.save().await
    };
    renewed.await.map_err(failed)?;
    let actor = find_actor(services, session, facts).await?;
    actor.ok_or(ServiceError::LogInEnded)
}

/// The address that was asked for.
fn here(request: &Request) -> &str {
    let here = request.uri().path_and_query();
    here.map_or("/", |here| here.as_str())
}

/// Whether somebody opens a page, or something like it.
fn is_page(request: &Request) -> bool {
    request.method() == Method::GET && !request.uri().path().starts_with("/_fn/")
}

type SessionResult<T> = Result<T, tower_sessions::session::Error>;

/// The cookie that ends the cookie. tower-sessions' own lacks `Secure`, so browsers would ignore
/// it for a name with `__Host-`.
#[must_use]
pub fn end_cookie() -> (http::HeaderName, HeaderValue) {
    const END: &str = "__Host-keyrack=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax";
    (SET_COOKIE, HeaderValue::from_static(END))
}

/// Finds out who asks, and turns strangers away. It lies around the routes that need somebody and around
/// nothing else: only there a proxy's headers are read and a session has a person.
pub async fn authenticate(
    State(state): State<AppState>,
    route: MatchedPath,
    session: Session,
    mut request: Request,
    next: Next,
) -> Response {
    let facts = request
        .extensions()
        .get::<RequestFacts>()
        .cloned()
        .unwrap_or_default();
    let rules = state.http.header_log_in.as_ref();
    let said = match said(rules, &request) {
        Ok(said) => said,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let actor = match find_actor(&state.services, &session, &facts).await {
        Ok(actor) => actor,
        Err(error) => return pages::failed(&error),
    };
    let followed = follow_proxy(&state.services, rules, &session, actor, said, &facts);
    let actor = match followed.await {
        Ok(actor) => actor,
        Err(answer) => return answer,
    };
    let Some(actor) = actor else {
        return turn_away(&request);
    };
    let person = actor.person();
    if person.is_some_and(|person| person.lacks_second_factor)
        && !is_for_second_factor(route.as_str())
    {
        return lead_to_second_factor(&request);
    }
    request.extensions_mut().insert(actor);
    // The idle limit counts from the last request; once a minute is often enough to say so.
    let now = state.services.now().timestamp();
    let seen: Option<i64> = session.get(SEEN).await.ok().flatten();
    // A log-out ends the session: keeping it alive would send its cookie once more.
    if route.as_str() != "/logout" && seen.is_none_or(|seen| now - seen >= 60) {
        keep_alive(&state.services, &session, now).await;
    }
    next.run(request).await
}

/// Has a session kept with what this request changes, unless nothing can be written: pages can be read then.
async fn keep_alive(services: &Services, session: &Session, now: i64) {
    let kept = match services.can_write().await {
        Ok(()) => session.insert(SEEN, now).await.map_err(failed),
        Err(error) => Err(error),
    };
    if let Err(error) = kept {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "a session could not be kept alive");
    }
}

/// Who acts by the session that came along, if it is somebody's.
async fn find_actor(
    services: &Services,
    session: &Session,
    facts: &RequestFacts,
) -> ServiceResult<Option<Actor>> {
    match session.id() {
        Some(id) => services.actor_of_session(hash(&id), facts.clone()).await,
        None => Ok(None),
    }
}

/// What strangers get in place of what they asked for.
fn turn_away(request: &Request) -> Response {
    if is_page(request) {
        return Redirect::to(&pages::log_in_address(here(request))).into_response();
    }
    if request.uri().path().starts_with("/_fn/") {
        let error = axum::Json(ApiError::Unauthenticated);
        return (StatusCode::UNAUTHORIZED, error).into_response();
    }
    Redirect::to(&pages::log_in_address("/")).into_response()
}

/// What a proxy in front said with a request.
struct Said {
    named: Named,
    /// Whether a session may begin: with a page. A form or a function call was meant by whoever the
    /// page was for.
    is_page: bool,
    device: String,
}

fn said(rules: Option<&HeaderLogIn>, request: &Request) -> Result<Said, BadHeader> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|peer| peer.0.ip());
    let named = rules.map(|rules| rules.read(peer, request.headers()));
    Ok(Said {
        named: named.unwrap_or(Ok(Named::Nobody))?,
        is_page: is_page(request),
        device: device(request.headers()),
    })
}

/// Who acts, in line with what a trusted proxy says of this request. A session that began with a header is
/// good only together with the same header, and ends with the role that came of it: all else is the end of
/// it, and whoever is named then logs in anew, with all that belongs to it.
async fn follow_proxy(
    services: &Services,
    rules: Option<&HeaderLogIn>,
    session: &Session,
    actor: Option<Actor>,
    said: Said,
    facts: &RequestFacts,
) -> Result<Option<Actor>, Response> {
    let named = match said.named {
        Named::Nobody => None,
        Named::Somebody(named) => Some(named),
        Named::ByStranger(user) => {
            let noted = services.note_ignored_header(&user, facts).await;
            noted.map_err(|error| pages::failed(&error))?;
            None
        }
    };
    let failed = |error| pages::failed(&failed(error));
    let before: Option<String> = session.get(HEADER).await.map_err(failed)?;
    let now = named.as_ref().map(fingerprint);
    if now == before {
        return Ok(actor);
    }
    // A new visitor has none yet.
    if session.id().is_some() {
        session.flush().await.map_err(failed)?;
    }
    let (Some(rules), Some(named), true) = (rules, named, said.is_page) else {
        return Ok(None);
    };
    let fingerprint = fingerprint(&named);
    let who = services.log_in_by_header(named, &rules.roles, facts).await;
    let who = who.map_err(|error| {
        let error = explain(error, Some(facts));
        let status = StatusCode::from_u16(error.status());
        (status.unwrap_or(StatusCode::FORBIDDEN), error.advice()).into_response()
    })?;
    let log_in = LogIn {
        method: LogInMethod::Header,
        // The proxy vouches for each request.
        proven_at: Some(services.now()),
        address: facts.address.map(|address| address.to_string()),
        device: said.device,
    };
    let begun = async {
        begin(session, &who, log_in).await?;
        session.insert(HEADER, fingerprint).await?;
        // The id, by which the actor is found, comes with the row.
        session.save().await
    };
    begun.await.map_err(failed)?;
    let actor = find_actor(services, session, facts).await;
    actor.map_err(|error| pages::failed(&error))
}

/// What a proxy said, as one text: if any of it changes, it is somebody else, or with other rights.
fn fingerprint(named: &HeaderIdentity) -> String {
    hex::encode(hash_token(&format!("{named:?}")).0)
}

/// Which routes are for somebody who must make a second factor before anything else.
fn is_for_second_factor(route: &str) -> bool {
    let functions = [
        "/_fn/account/second-factors",
        "/_fn/account/proof",
        "/_fn/sessions/list",
    ];
    matches!(route, "/account" | "/logout")
        || route.starts_with("/account/")
        || functions.contains(&route)
}

fn lead_to_second_factor(request: &Request) -> Response {
    if request.method() == Method::GET {
        return Redirect::to("/account?second-factor=needed").into_response();
    }
    let error = ApiError::Forbidden {
        message: "Superusers need a second factor here. Make one on the account page first."
            .to_owned(),
    };
    (StatusCode::FORBIDDEN, axum::Json(error)).into_response()
}

//! Browser sessions: the rows in our store, the cookie, and from it the actor of a request.
//!
//! tower-sessions does the cookie and decides when to save; the store is ours, because ids are
//! kept only as hashes, an ended session never comes back, and sessions belong to people.

use std::net::SocketAddr;

use app::error::ApiError;
use app::server_context::explain;
use async_trait::async_trait;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, TimeDelta};
use domain::groups::RoleMap;
use domain::user::UserId;
use http::header::SET_COOKIE;
use http::{HeaderValue, Method, StatusCode};
use service::crypto::hash_token;
use service::{
    AtProvider, HeaderIdentity, LogIn, LogInMethod, RequestFacts, ServiceError, Services,
    SessionRow, TokenHash,
};
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore};

use super::proxy::{BadHeader, HeaderLogIn, Named};
use crate::http::device::device;
use crate::http::pages;
use crate::state::AppState;

/// `__Host-`: only this host over TLS (or loopback) sets it, for all paths, for no subdomain.
const COOKIE: &str = "__Host-keyrack";
const USER: &str = "user_id";
const LOG_IN: &str = "log_in";
const AT_PROVIDER: &str = "at_provider";
const SEEN: &str = "seen_at";
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

/// Begins a person's session under a new id; whatever the browser had before is dead.
pub async fn begin(session: &Session, user: UserId, log_in: LogIn) -> SessionResult<()> {
    session.clear().await;
    session.cycle_id().await?;
    session.insert(LOG_IN, log_in).await?;
    session.insert(USER, user).await
}

type SessionResult<T> = std::result::Result<T, tower_sessions::session::Error>;

/// The cookie that ends the cookie. tower-sessions' own lacks `Secure`, so browsers would ignore
/// it for a name with `__Host-`.
#[must_use]
pub fn end_cookie() -> (http::HeaderName, HeaderValue) {
    const END: &str = "__Host-keyrack=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax";
    (SET_COOKIE, HeaderValue::from_static(END))
}

/// Finds out who asks, and turns strangers away from everything but the public pages.
pub async fn authenticate(
    State(state): State<AppState>,
    session: Session,
    mut request: Request,
    next: Next,
) -> Response {
    let facts = request
        .extensions()
        .get::<RequestFacts>()
        .cloned()
        .unwrap_or_default();
    if let Some(rules) = &state.http.header_log_in
        && !is_public(request.uri().path())
    {
        let said = match said(rules, &request) {
            Ok(said) => said,
            Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        };
        let followed = follow_proxy(&state.services, &rules.roles, &session, said, &facts);
        if let Err(answer) = followed.await {
            return answer;
        }
    }
    let actor = match session.id() {
        None => None,
        Some(id) => match state.services.actor_of_session(hash(&id), facts).await {
            Ok(actor) => actor,
            Err(error) => return pages::failed(&error),
        },
    };
    let is_known = actor.is_some();
    if let Some(actor) = actor {
        request.extensions_mut().insert(actor);
        // The idle limit counts from the last request; once a minute is often enough to say so.
        let now = state.services.now().timestamp();
        let seen: Option<i64> = session.get(SEEN).await.ok().flatten();
        // A log-out ends the session: keeping it alive would send its cookie once more.
        if request.uri().path() != "/logout"
            && seen.is_none_or(|seen| now - seen >= 60)
            && session.insert(SEEN, now).await.is_err()
        {
            tracing::warn!("a session could not be kept alive");
        }
    }
    let path = request.uri().path();
    if is_known || is_public(path) {
        return next.run(request).await;
    }
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    if request.method() == Method::GET && !path.starts_with("/_fn/") {
        return Redirect::to(&pages::log_in_address(target)).into_response();
    }
    if path.starts_with("/_fn/") {
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

fn said(rules: &HeaderLogIn, request: &Request) -> std::result::Result<Said, BadHeader> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let named = rules.read(peer.map(|peer| peer.0.ip()), request.headers())?;
    let is_function = request.uri().path().starts_with("/_fn/");
    Ok(Said {
        named,
        is_page: request.method() == Method::GET && !is_function,
        device: device(request.headers()),
    })
}

/// Brings the session in line with what a trusted proxy says: what it said before ends together with
/// the session, and somebody new gets a new one.
async fn follow_proxy(
    services: &Services,
    roles: &RoleMap,
    session: &Session,
    said: Said,
    facts: &RequestFacts,
) -> std::result::Result<(), Response> {
    let named = match said.named {
        Named::Nobody => None,
        Named::Somebody(named) => Some(named),
        Named::ByStranger(user) => {
            let noted = services.note_ignored_header(&user, facts).await;
            noted.map_err(|error| pages::failed(&error))?;
            None
        }
    };
    let failed = |error| pages::failed(&ServiceError::internal(error));
    let now = named.as_ref().map(fingerprint);
    let before: Option<String> = session.get(HEADER).await.map_err(failed)?;
    if now == before {
        return Ok(());
    }
    session.flush().await.map_err(failed)?;
    let Some(named) = named else { return Ok(()) };
    if !said.is_page {
        return Ok(());
    }
    let user = services.log_in_by_header(named, roles, facts).await;
    let user = user.map_err(|error| {
        let error = explain(error, Some(facts));
        let status = StatusCode::from_u16(error.status());
        (status.unwrap_or(StatusCode::FORBIDDEN), error.advice()).into_response()
    })?;
    let log_in = LogIn {
        method: LogInMethod::Header,
        proven_at: services.now(),
        address: facts.address.map(|address| address.to_string()),
        device: said.device,
    };
    let begun = async {
        begin(session, user.id, log_in).await?;
        session.insert(HEADER, now).await?;
        // The id, by which the actor is found, comes with the row.
        session.save().await
    };
    begun.await.map_err(failed)
}

/// What a proxy said, as one text: if any of it changes, it is somebody else, or with other rights.
fn fingerprint(named: &HeaderIdentity) -> String {
    hex::encode(hash_token(&format!("{named:?}")).0)
}

/// What strangers may see.
fn is_public(path: &str) -> bool {
    matches!(
        path,
        "/login" | "/setup" | "/welcome" | "/forgot" | "/favicon.svg" | "/robots.txt"
    ) || path.starts_with("/pkg/")
        || path.starts_with("/sso/")
}

fn hash(id: &Id) -> TokenHash {
    hash_token(&id.to_string())
}

/// The sessions in our store.
#[derive(Debug, Clone)]
pub struct Store(Services);

fn backend(error: impl std::fmt::Display) -> Error {
    Error::Backend(error.to_string())
}

impl Store {
    fn idle_until(record: &Record) -> Result<domain::Instant> {
        DateTime::from_timestamp(record.expiry_date.unix_timestamp(), 0)
            .ok_or_else(|| backend("a session without an end"))
    }
}

#[async_trait]
impl SessionStore for Store {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let now = self.0.now();
        loop {
            let row = SessionRow {
                id: hash(&record.id),
                user: user_of(record),
                data: serde_json::to_string(&record.data).map_err(backend)?,
                created_at: now,
                idle_until: Self::idle_until(record)?,
                absolute_until: now + self.0.settings().sessions.absolute,
            };
            if self
                .0
                .session_store()
                .create_session(row)
                .await
                .map_err(backend)?
            {
                return Ok(());
            }
            // 128 random bits were taken: try others.
            record.id = Id::default();
        }
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let data = serde_json::to_string(&record.data).map_err(backend)?;
        let idle_until = Self::idle_until(record)?;
        let kept = self
            .0
            .session_store()
            .save_session(hash(&record.id), user_of(record), data, idle_until)
            .await
            .map_err(backend)?;
        if !kept {
            // It was ended while this request ran, and stays ended.
            tracing::debug!("a session that has ended was not saved");
        }
        Ok(())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let row = self
            .0
            .session_store()
            .find_session(hash(id), self.0.now())
            .await;
        let Some(row) = row.map_err(backend)? else {
            return Ok(None);
        };
        let idle_until = OffsetDateTime::from_unix_timestamp(row.idle_until.timestamp());
        Ok(Some(Record {
            id: *id,
            data: serde_json::from_str(&row.data).map_err(backend)?,
            expiry_date: idle_until.map_err(backend)?,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.0
            .session_store()
            .delete_session(hash(id))
            .await
            .map_err(backend)
    }
}

fn user_of(record: &Record) -> Option<UserId> {
    record.data.get(USER)?.as_str()?.parse().ok()
}

/// How long ended rows may lie about before they are swept.
pub const SWEEP_EVERY: TimeDelta = TimeDelta::minutes(10);

//! Browser sessions: the rows in our store, the cookie, and from it the actor of a request.
//!
//! tower-sessions does the cookie and decides when to save; the store is ours, because ids are
//! kept only as hashes, an ended session never comes back, and sessions belong to people.

use app::error::ApiError;
use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, TimeDelta};
use domain::user::UserId;
use http::header::SET_COOKIE;
use http::{HeaderValue, Method, StatusCode};
use service::crypto::hash_token;
use service::{LogIn, RequestFacts, Services, SessionRow, TokenHash};
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore};

use crate::http::pages;
use crate::state::AppState;

/// `__Host-`: only this host over TLS (or loopback) sets it, for all paths, for no subdomain.
const COOKIE: &str = "__Host-keyrack";
const USER: &str = "user_id";
const LOG_IN: &str = "log_in";
const SEEN: &str = "seen_at";

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

/// What strangers may see.
fn is_public(path: &str) -> bool {
    matches!(
        path,
        "/login" | "/setup" | "/welcome" | "/forgot" | "/favicon.svg" | "/robots.txt"
    ) || path.starts_with("/pkg/")
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

//! The way to a provider and back: the authorization code flow with PKCE, state, nonce and `iss`
//! (OpenID Connect Core section 3.1, RFC 7636, RFC 9207), bound to one browser.

use chrono::TimeDelta;
use domain::user::User;
use serde::{Deserialize, Serialize};
use storage::SessionRow;
use url::Url;

use super::SsoError;
use super::account::Arrival;
use super::provider::{Asked, AtProvider};
use crate::actor::RequestFacts;
use crate::crypto::{Token, hash_token};
use crate::error::{ServiceError, ServiceResult};
use crate::sessions::LogInMethod;
use crate::{Services, sso};

/// How long a log-in at a provider may take.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// Where a log-in at a provider begins.
#[derive(Debug)]
pub struct SsoBegun {
    /// Where the browser goes.
    pub url: Url,
    /// What it keeps meanwhile, in a cookie of its own.
    pub ticket: Token,
}

/// What the provider sent the browser back with (RFC 6749 section 4.1.2, RFC 9207).
#[derive(Debug, Default, Deserialize)]
pub struct SsoAnswer {
    /// What is exchanged for the ID token.
    pub code: Option<String>,
    /// What was given along.
    pub state: Option<String>,
    /// Who answers.
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
    /// The same in words.
    pub error_description: Option<String>,
}

/// A log-in at a provider that went well.
#[derive(Debug)]
pub struct SsoDone {
    /// Who it is.
    pub user: User,
    /// How they came in.
    pub method: LogInMethod,
    /// What the session keeps for logging out.
    pub at_provider: AtProvider,
    /// Where they wanted to go.
    pub next: String,
}

/// What is remembered while the browser is at the provider: a row of the sessions, of nobody.
#[derive(Debug, Serialize, Deserialize)]
struct Underway {
    sso: Asked,
    next: String,
}

impl Services {
    /// Begins a log-in at a provider; `next` is where it leads to in the end.
    pub async fn begin_sso(
        &self,
        provider: &str,
        next: &str,
        facts: &RequestFacts,
    ) -> ServiceResult<SsoBegun> {
        self.limit_sso(facts)?;
        let provider = self.provider(provider)?;
        let known = provider.known(self.now()).await?;
        let (url, asked) = provider.ask(&known);
        let underway = Underway {
            sso: asked,
            next: next.to_owned(),
        };
        let (now, ticket) = (self.now(), Token::generate());
        let row = SessionRow {
            id: ticket.hash(),
            user: None,
            data: serde_json::to_string(&underway).map_err(ServiceError::internal)?,
            created_at: now,
            idle_until: now + PATIENCE,
            absolute_until: now + PATIENCE,
        };
        if !self.store().create_session(row).await? {
            return Err(ServiceError::internal("a random number came twice"));
        }
        Ok(SsoBegun { url, ticket })
    }

    /// Finishes a log-in at a provider. The ticket of the browser is used up, whatever comes of it.
    pub async fn finish_sso(
        &self,
        provider: &str,
        ticket: &str,
        answer: SsoAnswer,
        facts: &RequestFacts,
    ) -> ServiceResult<SsoDone> {
        self.limit_sso(facts)?;
        let provider = self.provider(provider)?;
        let taken = self.store().take_session(hash_token(ticket), self.now());
        let underway = taken
            .await?
            .and_then(|row| serde_json::from_str::<Underway>(&row.data).ok())
            .filter(|underway| underway.sso.is_answered_by(provider, &answer));
        let name = &provider.settings.name;
        let Some(underway) = underway else {
            return self.refuse_sso(name, None, SsoError::State, facts).await;
        };
        let vouched = provider.finish(self, underway.sso, answer).await;
        let (vouched, at_provider) = match vouched {
            Ok(vouched) => vouched,
            Err(error) => return self.refuse_sso(name, None, error, facts).await,
        };
        let arrival = Arrival {
            via: name.clone(),
            ..vouched
        };
        let roles = &provider.settings.roles;
        let user = self.arrive(arrival, roles, facts).await?;
        self.allow_sso(facts);
        Ok(SsoDone {
            user,
            method: LogInMethod::Sso {
                provider: provider.settings.id.clone(),
            },
            at_provider,
            next: underway.next,
        })
    }

    fn provider(&self, id: &str) -> ServiceResult<&sso::provider::Provider> {
        let found = self.0.providers.find(id);
        found.ok_or(ServiceError::NotFound("provider"))
    }

    /// Anybody can begin log-ins, and each is a row and maybe a question: so many a minute.
    pub(super) fn limit_sso(&self, facts: &RequestFacts) -> ServiceResult<()> {
        self.0.sso_limits.begin(&key(facts), self.now())
    }

    /// What turned out well does not count.
    pub(super) fn allow_sso(&self, facts: &RequestFacts) {
        self.0.sso_limits.succeeded(&key(facts));
    }
}

fn key(facts: &RequestFacts) -> String {
    let address = facts.address.map(|address| address.to_canonical());
    address.map_or_else(String::new, |address| address.to_string())
}

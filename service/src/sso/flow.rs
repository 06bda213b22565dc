//! The way to a provider and back: the authorization code flow with PKCE, state, nonce and `iss`
//! (OpenID Connect Core section 3.1, RFC 7636, RFC 9207), bound to one browser.

use std::sync::Arc;

use domain::Instant;
use serde::{Deserialize, Serialize};
use url::Url;

use super::SsoError;
use super::account::Arrival;
use super::provider::{Asked, AtProvider};
use super::tokens::LEEWAY;
use crate::actor::RequestFacts;
use crate::crypto::Token;
use crate::error::{ServiceError, ServiceResult};
use crate::sessions::{LogInMethod, LoggedIn};
use crate::throttle::Attempts;
use crate::{Services, sso};

/// What is sealed while the browser is at the provider.
const UNDERWAY: &str = "single sign-on";

/// Where a log-in at a provider begins.
#[derive(Debug)]
pub struct SsoBegun {
    /// Where the browser goes.
    pub url: Url,
    /// What it keeps meanwhile, in a cookie of its own.
    pub ticket: Token,
    /// What tells this log-in from others that the same browser has begun.
    pub state: String,
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
    pub who: LoggedIn,
    /// How they came in.
    pub method: LogInMethod,
    /// When they last logged in at the provider, if it says.
    pub proven_at: Option<Instant>,
    /// What the session keeps for logging out.
    pub at_provider: AtProvider,
    /// Where they wanted to go.
    pub next: String,
}

/// What is kept while the browser is at the provider.
#[derive(Debug, Serialize, Deserialize)]
struct Underway {
    sso: Asked,
    next: String,
    /// The last audit entry when it began.
    #[serde(default)]
    began_at: i64,
    /// Since when somebody must have logged in at the provider, where that was asked for.
    #[serde(default, with = "chrono::serde::ts_milliseconds_option")]
    prove_since: Option<Instant>,
}

impl Services {
    /// Begins a log-in at a provider; `next` is where it leads to in the end. To `prove` who they are,
    /// a person logs in there anew even if the provider knows them still.
    pub async fn begin_sso(
        &self,
        provider: &str,
        next: &str,
        prove: bool,
        facts: &RequestFacts,
    ) -> ServiceResult<SsoBegun> {
        // Anybody can begin log-ins, and each is a row and maybe a question.
        self.0.sso_limits.count(facts.network(), self.now())?;
        let provider = self.provider(provider)?;
        let known = provider.known(self.now()).await?;
        let (url, asked) = provider.ask(&known, prove);
        let state = asked.state().to_owned();
        let underway = Underway {
            sso: asked,
            next: next.to_owned(),
            began_at: self.store().audit_head().await?.0,
            prove_since: prove.then(|| self.now()),
        };
        let ticket = self.keep(UNDERWAY, &underway).await?;
        Ok(SsoBegun { url, ticket, state })
    }

    /// Finishes a log-in at a provider. The ticket of the browser is used up, whatever comes of it.
    pub async fn finish_sso(
        &self,
        provider: &str,
        ticket: &str,
        answer: SsoAnswer,
        facts: &RequestFacts,
    ) -> ServiceResult<SsoDone> {
        let attempt = self.limit_sso(facts).await?;
        let provider = self.provider(provider)?;
        let underway: Option<Underway> = self.take(UNDERWAY, ticket).await?;
        let underway = underway.filter(|it| it.sso.is_answered_by(provider, &answer));
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
            set_out_at: Some(underway.began_at),
            ..vouched
        };
        let proven_at = arrival.proven_at;
        let is_proof = |since| proven_at.is_some_and(|at| at >= since - LEEWAY);
        if !underway.prove_since.is_none_or(is_proof) {
            let error = SsoError::Unproven { name: name.clone() };
            return self.refuse_sso(name, None, error, facts).await;
        }
        let roles = &provider.settings.roles;
        let who = self.arrive(arrival, roles, facts).await?;
        attempt.forgiven();
        Ok(SsoDone {
            who,
            method: LogInMethod::Sso {
                provider: provider.settings.id.clone(),
            },
            proven_at,
            at_provider: at_provider.sealed(&self.0.keys)?,
            next: underway.next,
        })
    }

    fn provider(&self, id: &str) -> ServiceResult<&Arc<sso::provider::Provider>> {
        let found = self.0.providers.find(id);
        found.ok_or(ServiceError::NotFound("provider"))
    }

    /// Anybody can send answers of a provider, each of which is a question to it: so many a minute that
    /// came to nothing.
    pub(super) async fn limit_sso(&self, facts: &RequestFacts) -> ServiceResult<Attempts<2>> {
        let limits = &self.0.sso_limits;
        Ok(limits.attempt(facts.network(), self.now()).await?.strict())
    }
}

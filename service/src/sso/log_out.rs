//! Logging out on both sides: at the provider after a log-out here (OpenID Connect RP-Initiated
//! Logout), and here after one there (Back-Channel Logout).

use std::time::Duration;

use domain::audit::{Action, Outcome};
use moka::sync::Cache;
use serde_json::json;
use storage::{StoreError, TokenHash};
use url::Url;

use crate::Services;
use crate::actor::{Actor, Object, RequestFacts};
use crate::error::{ServiceError, ServiceResult};
use crate::sessions::{LogInMethod, SessionData};

/// The messages of log-outs that were taken: each counts once. They are refused by their age long
/// before they are forgotten here.
#[derive(Debug)]
pub(crate) struct LogOuts(Cache<TokenHash, ()>);

impl Default for LogOuts {
    fn default() -> Self {
        let kept = Cache::builder()
            .max_capacity(100_000)
            .time_to_live(Duration::from_mins(30));
        Self(kept.build())
    }
}

impl Services {
    /// Where the person of a session logs out of the provider that it began at.
    pub(crate) async fn log_out_elsewhere(&self, session: TokenHash) -> ServiceResult<Option<Url>> {
        let row = self.store().find_session(session, self.now()).await?;
        let Some(data) = row.as_ref().map(SessionData::of).transpose()? else {
            return Ok(None);
        };
        let (Some(LogInMethod::Sso { provider }), Some(there)) =
            (data.log_in.map(|log_in| log_in.method), data.at_provider)
        else {
            return Ok(None);
        };
        let Some(provider) = self.0.providers.find(&provider) else {
            return Ok(None);
        };
        // A provider that is down keeps nobody from logging out here.
        let Ok(known) = provider.known(self.now()).await else {
            return Ok(None);
        };
        let back = format!("{}/login?done=logged-out", self.settings().sso.public_url);
        // Nor does a session from before the master key was another.
        let Ok(id_token) = there.id_token(&self.0.keys) else {
            return Ok(None);
        };
        Ok(provider.log_out_url(&known, &id_token, &back))
    }

    /// Ends the sessions of somebody who logged out at a provider, which says so with a logout token.
    pub async fn logged_out_elsewhere(
        &self,
        provider: &str,
        token: &str,
        facts: &RequestFacts,
    ) -> ServiceResult<()> {
        let attempt = self.limit_sso(facts).await?;
        let provider = self.0.providers.find(provider);
        let provider = provider.ok_or(ServiceError::NotFound("provider"))?;
        let now = self.now();
        let gone = provider.logged_out(token, now).await?;
        attempt.forgiven();
        let is_new = self.0.log_outs.0.entry(gone.id).or_insert(()).is_fresh();
        let user = self.store().find_user_by_identity(gone.identity).await?;
        let (true, Some(user)) = (is_new, user) else {
            return Ok(());
        };
        for row in self.store().list_sessions_of(user.id, now).await? {
            let data = SessionData::of(&row)?;
            let method = data.log_in.map(|log_in| log_in.method);
            let is_theirs = matches!(
                method,
                Some(LogInMethod::Sso { provider: id }) if id == provider.settings.id
            );
            let sid = data.at_provider.and_then(|there| there.sid);
            if !is_theirs || gone.sid.is_some() && gone.sid != sid {
                continue;
            }
            let event = Actor::system_for(facts.clone()).event(
                now,
                Action::SessionEnded,
                Outcome::Done,
                Object::user(&user),
                json!({ "by": provider.settings.name }),
            );
            match self.store().end_session(user.id, row.id, event).await {
                // It has ended meanwhile.
                Ok(()) | Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

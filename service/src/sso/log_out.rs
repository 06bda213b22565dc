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
        let data = row.map(|row| SessionData::of(&row.data)).transpose()?;
        let Some(data) = data else {
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
        let (true, Some((user, _))) = (is_new, user) else {
            return Ok(());
        };
        let ended = || {
            let (action, done) = (Action::SessionEnded, Outcome::Done);
            let detail = json!({ "by": provider.settings.name });
            let object = Object::user(&user);
            Actor::system_for(facts.clone()).event(now, action, done, object, detail)
        };
        let is_theirs = |data: &SessionData| {
            let method = data.log_in.as_ref().map(|log_in| &log_in.method);
            matches!(method, Some(LogInMethod::Sso { provider: id }) if *id == provider.settings.id)
        };
        let rows = self.store().list_sessions_of(user.id, now).await?;
        let rows = rows.into_iter().map(|row| {
            let data = SessionData::of(&row.data)?;
            Ok((row.id, is_theirs(&data), data.at_provider))
        });
        let rows = rows.collect::<ServiceResult<Vec<_>>>()?;
        if gone.sid.is_none() {
            // All that began there, and what is under way to one.
            let others = rows.iter().filter(|(_, is_theirs, _)| !is_theirs);
            let others = others.map(|(id, ..)| *id).collect();
            let store = self.store();
            return Ok(store.end_sessions_of(user.id, others, ended()).await?);
        }
        for (id, is_theirs, there) in rows {
            if !is_theirs || gone.sid != there.and_then(|there| there.sid) {
                continue;
            }
            match self.store().end_session(user.id, id, ended()).await {
                // It has ended meanwhile.
                Ok(()) | Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

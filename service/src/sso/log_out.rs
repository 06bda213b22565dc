//! Logging out on both sides: at the provider after a log-out here (OpenID Connect RP-Initiated
//! Logout), and here after one there (Back-Channel Logout).

use chrono::TimeDelta;
use domain::audit::{Action, Outcome};
use domain::user::UserId;
use serde_json::json;
use storage::TokenHash;
use url::Url;

use crate::Services;
use crate::actor::{Actor, Object, RequestFacts};
use crate::error::{ServiceError, ServiceResult};
use crate::sessions::{LogInMethod, SessionData};

/// How long the messages of log-outs are remembered, each of which counts once. They are refused by their
/// age long before, by any replica's clock.
const REMEMBERED: TimeDelta = TimeDelta::days(1);
/// How many sessions are looked at at once.
const AT_ONCE: u32 = 100;

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
        let user = self.store().find_user_by_identity(gone.identity).await?;
        let Some((user, _)) = user else {
            return Ok(());
        };
        let began_there = |data: &SessionData| {
            let method = data.log_in.as_ref().map(|log_in| &log_in.method);
            matches!(method, Some(LogInMethod::Sso { provider: id }) if *id == provider.settings.id)
        };
        // Without a session's name, all that began there.
        let is_named = |data: &SessionData| {
            let there = data.at_provider.as_ref();
            gone.sid.is_none() || gone.sid == there.and_then(|there| there.sid.clone())
        };
        let mut keep = self.all_sessions_of(user.id).await?;
        keep.retain(|(_, data)| !(began_there(data) && is_named(data)));
        // What is under way to a session, or gets a new id meanwhile, may be to one that is meant: it ends.
        let keep = keep.into_iter().map(|(id, _)| id).collect();
        let (action, done) = (Action::SessionEnded, Outcome::Done);
        let detail = json!({ "by": provider.settings.name });
        let object = Object::user(&user);
        let event = Actor::system_for(facts.clone()).event(now, action, done, object, detail);
        // The message is used up together with what it ends: if that fails, the provider may send it again.
        let (store, until) = (self.store(), now + REMEMBERED);
        store
            .end_sessions_by_message(user.id, keep, gone.id, until, event)
            .await?;
        Ok(())
    }

    /// All sessions of a person, however many.
    async fn all_sessions_of(&self, user: UserId) -> ServiceResult<Vec<(TokenHash, SessionData)>> {
        let (now, mut found, mut after) = (self.now(), Vec::new(), None);
        loop {
            let store = self.store();
            let page = store.page_sessions_of(user, now, after, AT_ONCE).await?;
            let Some(last) = page.last() else {
                return Ok(found);
            };
            after = Some(last.id);
            for row in page {
                found.push((row.id, SessionData::of(&row.data)?));
            }
        }
    }
}

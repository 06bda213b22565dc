//! What use cases ask of the clock, and what people do about it. `time.rs` has the rules, ADR 16 the reasons.

use chrono::TimeDelta;
use domain::Instant;
use domain::audit::{Action, Outcome};
use domain::expiry::rfc3339;
use domain::role::Permission;
use serde_json::json;

use crate::Services;
use crate::actor::{Actor, Object};
use crate::error::ServiceResult;
use crate::known_time::{PutOff, Settled};
use crate::time::ClockProblem;

impl Services {
    /// The instant now, as the rules see it. It never goes back, whatever the system's clock does, and
    /// is never before the last audit event that was there at the start: what has ended stays ended.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.time.now()
    }

    /// The instant now, for what lasts from now on: where its end is kept without its begin, others check it,
    /// or it is told to somebody who hands it on.
    ///
    /// # Errors
    /// The clock can't be believed.
    pub(crate) fn certain(&self) -> ServiceResult<Instant> {
        Ok(self.0.time.certain()?)
    }

    /// What is wrong with the clock, if anything is: then no tokens are issued.
    #[must_use]
    pub fn clock_problem(&self) -> Option<ClockProblem> {
        self.0.time.certain().err()
    }

    /// That what can't be undone waits for somebody to say that the clock is right, if it does.
    #[must_use]
    pub fn put_off(&self) -> Option<PutOff> {
        self.0.time.put_off()
    }

    /// By how much the database's clock is ahead of this node's, if it has one and was asked.
    #[must_use]
    pub fn clock_skew(&self) -> Option<TimeDelta> {
        self.0.time.skew()
    }

    /// Looks whether the clock can be believed, and how it stands to the database's.
    pub async fn look_at_clocks(&self) -> ServiceResult<()> {
        // It says what is wrong by itself.
        let _ = self.clock_problem();
        let before = self.0.time.of_the_system();
        if let Some(theirs) = self.store().database_time().await? {
            let after = self.0.time.of_the_system();
            self.0.time.measured(before, theirs, after);
        }
        Ok(())
    }

    /// The time for what no clock that is right again can undo: what is cleared away, a key that takes
    /// another's place.
    pub(crate) async fn settled(&self) -> ServiceResult<Settled> {
        self.look_at_clocks().await?;
        Ok(self.0.time.settle())
    }

    /// Notes how far the time has come, for the next start. Run now and then, and at the end.
    ///
    /// # Errors
    /// The store fails.
    pub async fn note_time(&self) -> ServiceResult<()> {
        let settled = self.settled().await?;
        let noted = self.store().note_time(settled.known, settled.acceptances);
        Ok(noted.await?)
    }

    /// Says that the system's clock is right now, though the last audit events are from later, or the last
    /// time that is known to be right is long ago. All processes go by it from then on.
    ///
    /// # Errors
    /// The actor may not, or the store fails.
    pub async fn accept_clock(&self, actor: &Actor) -> ServiceResult<Instant> {
        let (action, object) = (Action::ClockAccepted, Object::system("clock"));
        self.authorise(actor, Permission::ManageSettings, action, object.clone())
            .await?;
        let told = rfc3339(self.now());
        let now = self.0.time.of_the_system();
        let detail = json!({ "before": told });
        let event = actor.event(now, action, Outcome::Done, object, detail);
        self.store().accept_clock(event).await?;
        self.hear_of_clock().await?;
        Ok(now)
    }

    /// Goes by the clock as somebody has accepted it, if they have since it was heard of last. What is
    /// remembered by the time before would be fresh for too long.
    pub(crate) async fn hear_of_clock(&self) -> ServiceResult<()> {
        let known = self.store().known_time().await?;
        if !self.0.time.is_news(known) {
            return Ok(());
        }
        // First: what fails is tried again. By the time before they may all have ended.
        self.load_revoked_tokens(known.at.unwrap_or_default())
            .await?;
        self.0.time.accept(known);
        self.0.key_sets.forget_all();
        self.0.kept_counts.forget();
        self.0.recent_issues.forget_all();
        self.0.live.forget_all();
        tracing::warn!(
            now = rfc3339(self.now()),
            "somebody has accepted the clock: the time begins anew"
        );
        Ok(())
    }
}

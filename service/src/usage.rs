//! Notes what credentials are used for, and why calls are refused: gathered in memory, written in
//! batches, bounded.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use domain::Instant;
use domain::key_id::KeyId;
use domain::scope::{Level, ScopeName};
use serde_json::Value;
use storage::{CredentialUse, DecisionRow, LastUse, StoreResult, UsageRow};

use crate::Services;
use crate::actor::{Actor, RequestFacts};
use crate::error::{ServiceError, ServiceResult};
use crate::live::Live;

/// At most so many credentials between two writes; further ones are noted with their next call.
const MOST: usize = 50_000;
/// At most so many decisions between two writes.
const MOST_DECISIONS: usize = 7_500;
/// At most so many more about those behind whom no credential stands: they can cause as many as they
/// like, and push out nobody but each other.
const MOST_OF_STRANGERS: usize = 250;
/// How many counts are written in one transaction.
const ROWS_AT_ONCE: usize = 500;
/// How often they are written: with many credentials in use, twice as often costs nearly twice as much.
const EVERY: Duration = Duration::from_secs(15);
/// How long decisions are kept.
const DECISIONS_KEPT: TimeDelta = TimeDelta::days(7);
/// At most so many decisions are kept.
const DECISIONS_AT_MOST: u32 = 1_000_000;
/// At most so many of them are about strangers.
const STRANGERS_AT_MOST: u32 = 50_000;
/// How long usage by the hour is kept.
const USAGE_KEPT: TimeDelta = TimeDelta::days(400);
/// Of the allowed calls of a credential, and of its tokens, one in so many seconds is kept for looking up.
const SAMPLE_EVERY: i64 = 60;

/// What was counted of one credential since the last write.
#[derive(Debug, Default)]
struct Counts {
    /// Whether the next write knows of it.
    is_waiting: bool,
    last_use: Option<LastUse>,
    public_key: Option<String>,
    /// The second of the last use that was noted, and of the last call and token that were sampled.
    noted: i64,
    sampled: i64,
    sampled_token: i64,
    hours: Vec<Hour>,
}

/// The calls of one hour in one scope at one level.
#[derive(Debug)]
struct Hour {
    /// The first second of it.
    begins: i64,
    scope: ScopeName,
    level: Level,
    allowed: u64,
    refused: u64,
}

/// The counts of one credential; they outlive what else is remembered of it.
#[derive(Debug)]
pub(crate) struct Counter {
    key_id: KeyId,
    counts: Mutex<Counts>,
}

impl Counter {
    pub(crate) fn new(key_id: KeyId) -> Arc<Self> {
        let counts = Mutex::default();
        Arc::new(Self { key_id, counts })
    }
}

/// What a call that was decided came to, for its credential's counts.
pub(crate) struct Call<'a> {
    pub at: Instant,
    pub address: Option<IpAddr>,
    pub scope: &'a ScopeName,
    pub level: Level,
    pub allowed: bool,
}

/// A decision that is kept for looking up.
pub struct Kept<'a> {
    /// What decided: `gate`, `token`, `introspect` or `revoke`.
    pub surface: &'static str,
    /// The method of the call.
    pub method: &'a str,
    /// Whose call it was, as far as that is known.
    pub key_id: Option<KeyId>,
    /// The path template of the catalogue.
    pub template: Option<&'a str>,
    /// Whether it went through.
    pub allowed: bool,
    /// A word that never changes.
    pub reason: &'static str,
    /// The reason in words, and what goes with it: a JSON object.
    pub detail: Value,
}

#[derive(Debug, Default)]
pub(crate) struct Recorder {
    waiting: Mutex<Vec<Arc<Counter>>>,
    /// Rows whose write failed; they go with the next one.
    unwritten: Mutex<Vec<UsageRow>>,
    decisions: Mutex<Vec<DecisionRow>>,
    /// Those about strangers.
    strangers: Mutex<Vec<DecisionRow>>,
}

impl Recorder {
    /// Counts a call. Whether it should be kept for looking up though it was allowed.
    pub(crate) fn note_call(
        &self,
        live: &Live,
        call: &Call<'_>,
        endpoint: impl FnOnce() -> String,
    ) -> bool {
        self.change(&live.counter, |counts| {
            let second = call.at.timestamp();
            let hour = second - second.rem_euclid(3600);
            let known = counts.hours.iter_mut().find(|row| {
                row.begins == hour && row.level == call.level && row.scope == *call.scope
            });
            let (allowed, refused) = (u64::from(call.allowed), u64::from(!call.allowed));
            if let Some(row) = known {
                row.allowed += allowed;
                row.refused += refused;
            } else {
                counts.hours.push(Hour {
                    begins: hour,
                    scope: call.scope.clone(),
                    level: call.level,
                    allowed,
                    refused,
                });
            }
            if call.allowed && counts.noted != second {
                counts.noted = second;
                counts.last_use = Some(last_use(call.at, call.address, endpoint()));
            }
            call.allowed && is_sample(&mut counts.sampled, second)
        })
    }

    /// Notes that a token was issued. Whether it should be kept for looking up.
    pub(crate) fn note_token(
        &self,
        live: &Live,
        at: Instant,
        address: Option<IpAddr>,
        public_key: Option<String>,
    ) -> bool {
        self.change(&live.counter, |counts| {
            counts.last_use = Some(last_use(at, address, "token request".to_owned()));
            counts.public_key = public_key.or(counts.public_key.take());
            is_sample(&mut counts.sampled_token, at.timestamp())
        })
    }

    fn change<T>(&self, counter: &Arc<Counter>, how: impl FnOnce(&mut Counts) -> T) -> T {
        let mut counts = lock(&counter.counts);
        let result = how(&mut counts);
        if !counts.is_waiting {
            let mut waiting = lock(&self.waiting);
            if waiting.len() < MOST {
                waiting.push(counter.clone());
                counts.is_waiting = true;
            }
        }
        result
    }

    fn note_decision(&self, decision: DecisionRow) {
        let (waiting, most) = if decision.is_stranger {
            (&self.strangers, MOST_OF_STRANGERS)
        } else {
            (&self.decisions, MOST_DECISIONS)
        };
        let mut waiting = lock(waiting);
        if waiting.len() < most {
            waiting.push(decision);
        }
    }

    fn take_decisions(&self) -> Vec<DecisionRow> {
        let mut taken = std::mem::take(&mut *lock(&self.decisions));
        taken.append(&mut lock(&self.strangers));
        taken
    }

    /// What is written next: the last uses, with what noted them, and the counts.
    fn take(&self) -> (Vec<(Arc<Counter>, CredentialUse)>, Vec<UsageRow>) {
        let (mut uses, mut rows) = (Vec::new(), std::mem::take(&mut *lock(&self.unwritten)));
        for counter in std::mem::take(&mut *lock(&self.waiting)) {
            let mut counts = lock(&counter.counts);
            counts.is_waiting = false;
            rows.extend(counts.hours.drain(..).map(|hour| UsageRow {
                key_id: counter.key_id,
                hour: DateTime::from_timestamp(hour.begins, 0).unwrap_or_default(),
                scope: hour.scope.to_string(),
                level: hour.level,
                allowed: hour.allowed,
                refused: hour.refused,
            }));
            let public_key = counts.public_key.take();
            if let Some(last_use) = counts.last_use.take() {
                let used = CredentialUse {
                    key_id: counter.key_id,
                    last_use,
                    public_key,
                };
                uses.push((counter.clone(), used));
            }
        }
        (uses, rows)
    }

    /// Notes uses again that could not be written, behind what came since: there is one of each
    /// credential, and no more than [`MOST`].
    fn put_back(&self, uses: Vec<(Arc<Counter>, CredentialUse)>) {
        for (counter, used) in uses {
            self.change(&counter, |counts| {
                counts.last_use.get_or_insert(used.last_use);
                counts.public_key = counts.public_key.take().or(used.public_key);
            });
        }
    }
}

/// Whether one of so many that come is kept, by the second of the last that was.
fn is_sample(last: &mut i64, second: i64) -> bool {
    let is_sample = second - *last >= SAMPLE_EVERY;
    if is_sample {
        *last = second;
    }
    is_sample
}

fn last_use(at: Instant, address: Option<IpAddr>, endpoint: String) -> LastUse {
    LastUse {
        at,
        address: address
            .map(|address| address.to_canonical().to_string())
            .unwrap_or_default(),
        endpoint,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Services {
    /// Writes what was noted since the last time; called before the server ends, too. What can't be
    /// written does not keep the rest from being written; the first error is given.
    pub async fn flush_usage(&self) -> ServiceResult<()> {
        let recorder = &self.0.usage;
        let (uses, rows) = recorder.take();
        let counted = self.write_usage(rows).await;
        let used = self.write_uses(uses).await;
        let decided = self.write_decisions().await;
        let saw = self.write_gateways_seen().await;
        Ok(counted.and(used).and(decided).and(saw)?)
    }

    /// Writes when credentials were used last. Those that could not be written go with the next call.
    async fn write_uses(&self, uses: Vec<(Arc<Counter>, CredentialUse)>) -> StoreResult<()> {
        if uses.is_empty() {
            return Ok(());
        }
        let rows = uses.iter().map(|(_, used)| used.clone()).collect();
        let written = self.store().record_uses(rows).await;
        if written.is_err() {
            self.0.usage.put_back(uses);
        }
        written
    }

    /// Adds counts up. Those that could not be written go with the next call.
    async fn write_usage(&self, rows: Vec<UsageRow>) -> StoreResult<()> {
        // A call is written whole or not at all: small ones let others have their turn.
        for (number, batch) in rows.chunks(ROWS_AT_ONCE).enumerate() {
            if let Err(error) = self.store().add_usage(batch.to_vec()).await {
                let mut unwritten = lock(&self.0.usage.unwritten);
                if unwritten.len() < MOST {
                    unwritten.extend_from_slice(&rows[number * ROWS_AT_ONCE..]);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes decisions. Those that could not be written go with the next call, as far as there is
    /// room: a store that fails is just what people look up.
    async fn write_decisions(&self) -> StoreResult<()> {
        let decisions = self.0.usage.take_decisions();
        if decisions.is_empty() {
            return Ok(());
        }
        let written = self.store().record_decisions(decisions.clone()).await;
        if written.is_err() {
            for decision in decisions {
                self.0.usage.note_decision(decision);
            }
        }
        written
    }

    /// Writes uses, and what was left out of the audit log, now and then, until the end, when it writes a
    /// last time.
    pub async fn keep_flushing_usage(&self, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        loop {
            let has_ended = tokio::select! {
                () = &mut end => true,
                () = tokio::time::sleep(EVERY) => false,
            };
            if let Err(error) = self.flush_usage().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what credentials were used for could not be written"
                );
            }
            if has_ended && let Err(error) = self.note_end().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "how far the time has come could not be noted"
                );
            }
            if let Err(error) = self.write_left_out(has_ended).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the audit log could not be told what was left out of it"
                );
            }
            if has_ended {
                return;
            }
        }
    }

    /// Notes how far the time has come, after a last look at whether somebody has accepted the clock: what is
    /// written now may be the last event, and nothing but its time is left of this process.
    async fn note_end(&self) -> ServiceResult<()> {
        self.catch_up().await?;
        self.note_time().await
    }

    /// Keeps a decision, so that people can look it up by the id of its request.
    pub fn keep_decision(&self, kept: Kept<'_>, facts: &RequestFacts) {
        // Methods come from strangers; only those of HTTP are kept.
        const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let Some(request_id) = facts.request_id.clone() else {
            return;
        };
        let method = METHODS.into_iter().find(|known| *known == kept.method);
        self.0.usage.note_decision(DecisionRow {
            request_id: request_id.to_string(),
            at: self.now(),
            key_id: kept.key_id,
            is_stranger: !kept.key_id.is_some_and(|key_id| self.0.live.knows(key_id)),
            surface: kept.surface.to_owned(),
            method: method.unwrap_or("other").to_owned(),
            template: kept.template.map(ToOwned::to_owned),
            address: facts
                .address
                .map(|address| address.to_canonical().to_string()),
            allowed: kept.allowed,
            reason: kept.reason.to_owned(),
            detail: kept.detail.to_string(),
        });
    }

    /// Removes decisions and usage that are too old, a batch of each; how many.
    pub(crate) async fn trim_usage(&self, now: Instant) -> ServiceResult<u64> {
        // The store keeps them longer, for when the time begins anew.
        self.0.tokens.revoked.forget_ended(self.now());
        let decisions = self
            .store()
            .trim_decisions(now - DECISIONS_KEPT, DECISIONS_AT_MOST, STRANGERS_AT_MOST)
            .await?;
        let usage = self.store().trim_usage(now - USAGE_KEPT).await?;
        Ok(decisions.max(usage))
    }

    /// What was decided about a request, by its id. Every role may ask.
    pub async fn decision(&self, actor: &Actor, request_id: &str) -> ServiceResult<DecisionRow> {
        Self::see(actor)?;
        // What was decided a moment ago is found as well. Looking up must not depend on that: it is
        // wanted most when something is wrong.
        if let Err(error) = self.flush_usage().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what was decided last could not be written before a look-up"
            );
        }
        self.store()
            .find_decision(request_id.trim().replace('\0', ""))
            .await?
            .ok_or(ServiceError::NotFound("request"))
    }

    /// The last decisions about a credential that were kept, newest first.
    pub async fn decisions_of(
        &self,
        actor: &Actor,
        key_id: KeyId,
        limit: u32,
    ) -> ServiceResult<Vec<DecisionRow>> {
        Self::see(actor)?;
        Ok(self.store().list_decisions_of(key_id, limit).await?)
    }

    /// A credential's calls by hour, scope and level, since an instant.
    pub async fn usage_of(
        &self,
        actor: &Actor,
        key_id: KeyId,
        since: Instant,
    ) -> ServiceResult<Vec<UsageRow>> {
        Self::see(actor)?;
        Ok(self.store().usage_of(key_id, since).await?)
    }
}

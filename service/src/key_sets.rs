//! Public keys by URL (a JWK set, RFC 7517 section 5): fetched when an assertion needs them, kept
//! for minutes, asked for once more when none of them fits, and bounded in what a slow or a broken
//! host can cost.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use domain::Instant;
use domain::key_id::KeyId;
use domain::outbound::OutboundRule;
use moka::sync::Cache;
use storage::{FetchedKey, KeySetRow};
use tokio::sync::{Mutex, Semaphore};
use tracing::Instrument as _;

use crate::assertion::{Assertion, Examined, Rule, VerifyingKey};
use crate::live::Live;
use crate::memory::{CacheMemory, Share};
use crate::outbound::{Outbound, OutboundError, OutboundUrl};
use crate::public_key::{InvalidPublicKey, PublicKey};
use crate::time::lasts;
use crate::{Services, SharedStore};

/// How long keys are taken without asking again.
const FRESH: TimeDelta = TimeDelta::minutes(5);
/// How long a host is left alone after it was asked, whatever came.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// How long keys go on working while their host gives no others.
pub const FETCHED_KEYS_LAST: TimeDelta = TimeDelta::hours(24);
/// How old the note in the store grows while nothing changes.
const NOTE: TimeDelta = TimeDelta::hours(1);
/// How many hosts are asked at the same time, and how long one waits for its turn.
const AT_ONCE: usize = 16;
const TURN: Duration = Duration::from_secs(2);
/// About what the keys behind one URL weigh.
const ABOUT: usize = 2_000;

/// What is known of each URL.
#[derive(Debug)]
pub(crate) struct KeySets {
    outbound: Arc<dyn Outbound>,
    rule: OutboundRule,
    turns: Semaphore,
    /// What came since this process began. Whoever asks a host holds the lock; the others wait for
    /// what comes.
    known: Cache<String, Arc<Mutex<KnownKeys>>>,
}

/// What is known of one URL.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownKeys {
    asked_at: Option<Instant>,
    problem: Option<String>,
    fetched: Option<Arc<Fetched>>,
}

/// Keys that came.
#[derive(Debug)]
struct Fetched {
    at: Instant,
    keys: Vec<FetchedKey>,
    verifying: Vec<VerifyingKey>,
}

/// When to ask a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// If its keys are no longer fresh.
    IfOld,
    /// Even if they are: none of them fits.
    Again,
    /// At once: a person wants it.
    Now,
}

impl Fetched {
    fn new(at: Instant, keys: Vec<FetchedKey>) -> Arc<Self> {
        let verifying = keys.iter().filter_map(VerifyingKey::fetched).collect();
        Arc::new(Self {
            at,
            keys,
            verifying,
        })
    }
}

impl KnownKeys {
    /// What another process, or this one before a restart, noted.
    pub(crate) fn noted(row: &KeySetRow) -> Self {
        let fetched = |at| Fetched::new(at, row.keys.clone());
        Self {
            asked_at: None,
            problem: row.problem.clone(),
            fetched: row.fetched_at.map(fetched),
        }
    }

    /// With what was noted, as long as this process has nothing of its own. The two are apart, so that
    /// a request which has seen a credential as it was can't bring back keys that are forgotten.
    fn or(mut self, noted: &Self) -> Self {
        if self.asked_at.is_none() {
            self.problem.clone_from(&noted.problem);
        }
        self.fetched = self.fetched.or_else(|| noted.fetched.clone());
        self
    }

    /// What is noted of it in the store, in place of what was read there.
    fn note(&self, row: &KeySetRow) -> KeySetRow {
        let fetched = self.fetched.as_deref();
        KeySetRow {
            url: row.url.clone(),
            generation: row.generation,
            asked_at: self.asked_at,
            problem: self.problem.clone(),
            keys: fetched
                .map(|fetched| fetched.keys.clone())
                .unwrap_or_default(),
            fetched_at: fetched.map(|fetched| fetched.at),
        }
    }

    fn is_due(&self, ask: Ask, now: Instant) -> bool {
        let is_older = |at: Option<Instant>, age| at.is_none_or(|at| !lasts(at, age, now));
        match ask {
            Ask::IfOld => {
                let fetched_at = self.fetched.as_ref().map(|fetched| fetched.at);
                is_older(fetched_at, FRESH) && is_older(self.asked_at, PAUSE)
            }
            Ask::Again => is_older(self.asked_at, PAUSE),
            // Who waited for somebody else's question shares the answer.
            Ask::Now => self.asked_at.is_none_or(|at| at < now),
        }
    }

    /// The keys that count.
    fn keys(&self, now: Instant) -> &[VerifyingKey] {
        match &self.fetched {
            Some(fetched) if lasts(fetched.at, FETCHED_KEYS_LAST, now) => &fetched.verifying,
            _ => &[],
        }
    }
}

impl KeySets {
    pub(crate) fn new(
        outbound: Arc<dyn Outbound>,
        rule: OutboundRule,
        memory: CacheMemory,
    ) -> Self {
        Self {
            outbound,
            rule,
            turns: Semaphore::new(AT_ONCE),
            known: Cache::new(memory.entries(Share::KEY_SETS, ABOUT) as u64),
        }
    }

    /// Drops what is known of a URL.
    pub(crate) fn forget(&self, url: &str) {
        self.known.invalidate(url);
    }

    /// Drops what is known of all of them.
    pub(crate) fn forget_all(&self) {
        self.known.invalidate_all();
    }

    /// Brings a note up to what this process knows, unless it is asking just now.
    pub(crate) fn bring_up_to_date(&self, row: &mut KeySetRow) {
        if let Some(slot) = self.known.get(&row.url)
            && let Ok(known) = slot.try_lock()
            && known.asked_at > row.asked_at
        {
            let known = known.clone().or(&KnownKeys::noted(row));
            *row = known.note(row);
        }
    }

    async fn ask(&self, url: &str, known: &mut KnownKeys, now: Instant) {
        match self.fetch(url).await {
            // Nobody was asked.
            Err(Problem::Outbound(_, OutboundError::Busy)) => return,
            Ok(keys) => {
                known.problem = None;
                known.fetched = Some(Fetched::new(now, keys));
            }
            Err(problem) => known.problem = Some(problem.to_string()),
        }
        known.asked_at = Some(now);
    }

    async fn fetch(&self, url: &str) -> Result<Vec<FetchedKey>, Problem> {
        let url = OutboundUrl::parse(url, &self.rule).map_err(Problem::Url)?;
        let host = || url.host().to_owned();
        let failed = |error| Problem::Outbound(host(), error);
        let _turn = tokio::time::timeout(TURN, self.turns.acquire())
            .await
            .map_err(|_| failed(OutboundError::Busy))?;
        let body = self.outbound.get(&url).await.map_err(failed)?;
        let keys = match std::str::from_utf8(&body) {
            Ok(text) => PublicKey::parse_published(text),
            Err(_) => Err(InvalidPublicKey::Malformed),
        };
        let keys = keys.map_err(|error| Problem::KeySet(host(), error))?;
        Ok(keys.into_iter().map(PublicKey::into_fetched).collect())
    }
}

/// Why a URL gave no keys, in the words of the credential's page. Nothing that came is in it.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("the URL can't be used any more: {0}")]
    Url(crate::outbound::InvalidUrl),
    #[error("{0} {1}")]
    Outbound(String, OutboundError),
    #[error("{0} {words}", words = words(*.1))]
    KeySet(String, InvalidPublicKey),
}

/// What is wrong with a key set, after the name of its host.
const fn words(error: InvalidPublicKey) -> &'static str {
    match error {
        InvalidPublicKey::Private => {
            "publishes a private or a symmetric key: take it down, and treat it as leaked"
        }
        InvalidPublicKey::Weak => {
            "has an RSA key that is too short in its key set: use 2048 bits or more"
        }
        InvalidPublicKey::SmallOrder => {
            "has an Ed25519 key in its key set that anybody can sign for: make a new key pair"
        }
        InvalidPublicKey::BadSet
        | InvalidPublicKey::SameKid(..)
        | InvalidPublicKey::Unsupported => {
            "needs 1 to 10 keys for signatures in its key set, each once: P-256, P-384, Ed25519 or \
             RSA"
        }
        InvalidPublicKey::Malformed | InvalidPublicKey::Several | InvalidPublicKey::TooLong => {
            "answered with something that is not a set of public keys (JWKS)"
        }
    }
}

impl Services {
    /// Checks every rule of an assertion but the single use of its id, with the keys of the
    /// credential, wherever they are.
    pub(crate) async fn examine(&self, live: &Live, assertion: &Assertion<'_>) -> Examined {
        let audiences = &self.0.settings.assertion_audiences;
        let Some(row) = &live.stored.key_set else {
            return assertion.check(&live.verifying_keys, audiences, self.now());
        };
        let mut known = self.key_set(live, row, Ask::IfOld).await;
        let now = self.now();
        let mut examined = assertion.check(known.keys(now), audiences, now);
        if examined.needs_another_key() {
            known = self.key_set(live, row, Ask::Again).await;
            examined = assertion.check(known.keys(now), audiences, now);
        }
        if let Some(problem) = known.problem {
            for finding in &mut examined.findings {
                if finding.rule == Rule::Signature && !finding.passed {
                    finding.found = format!("{}; {problem}", finding.found);
                }
            }
            examined.host_problem = examined.needs_another_key().then_some(problem);
        }
        examined
    }

    /// Asks the host of a credential's keys, if it has its keys from one, whenever it was asked last.
    /// What it comes to is on the credential's page; the next assertion asks again if need be.
    pub(crate) async fn ask_for_keys(&self, key_id: KeyId) {
        if let Ok(Some(live)) = self.0.live.find(key_id).await
            && let Some(row) = &live.stored.key_set
        {
            self.key_set(&live, row, Ask::Now).await;
        }
    }

    async fn key_set(&self, live: &Live, row: &KeySetRow, ask: Ask) -> KnownKeys {
        let now = self.now();
        let sets = &self.0.key_sets;
        let slot = sets.known.get_with_by_ref(&row.url, Arc::default);
        let mut own = slot.lock_owned().await;
        let own = if own.clone().or(&live.noted_keys).is_due(ask, now) {
            let (services, url) = (self.clone(), row.url.clone());
            let asking = async move {
                services.0.key_sets.ask(&url, &mut own, now).await;
                own.clone()
            };
            // It goes on when the caller goes away: callers who do so each time must not be able to
            // keep the keys from ever coming.
            let asked = tokio::spawn(asking.in_current_span()).await;
            asked.unwrap_or_default()
        } else {
            own.clone()
        };
        let known = own.or(&live.noted_keys);
        if let Some(asked_at) = known.asked_at
            && live.is_news(asked_at)
        {
            let unless_since = match ask {
                Ask::Now => asked_at,
                Ask::IfOld | Ask::Again => asked_at - NOTE,
            };
            let note = known.note(row);
            write_note(self.store(), live.key_id(), note, unless_since).await;
        }
        known
    }
}

/// Notes what came, for the credential's page and for other processes, unless the URL was set anew
/// meanwhile. The keys work without it.
async fn write_note(store: &SharedStore, key_id: KeyId, note: KeySetRow, unless_since: Instant) {
    if let Err(error) = store.record_key_set(key_id, note, unless_since).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            %key_id,
            "what came from a key URL could not be noted"
        );
    }
}

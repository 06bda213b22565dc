//! The time that the rules go by, and whether it can be believed.
//!
//! Two clocks tell it: the system's, which people and programs set, and a steady one, which only goes
//! on. What has ended stays ended, whatever the system's clock does: the rules' time never goes back,
//! not over a restart either, as the last audit event is its floor. The price is that a clock that was
//! wrong for a moment can make it a wrong one; so while the clocks do not agree nothing is made whose
//! lifetime would be counted from it, and nothing is cleared away by it. What can't be undone goes by a
//! third reading: the time that is known to have come. ADR 16 says which use takes which.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta};
use domain::Instant;
use storage::KnownTime;

use crate::actor::SKEW;
use crate::clock::Clock;
use crate::known_time::{AHEAD_AT_MOST, PutOff, Settled, Stored};

/// How long a clock that jumped ahead must go on from there until it is believed: a machine that slept
/// looks the same as one whose clock is wrong, but a wrong one is put right by what keeps it.
const BELIEVED_AFTER: TimeDelta = TimeDelta::minutes(5);
/// How often it is said that other nodes are ahead.
const SAID_EVERY: TimeDelta = TimeDelta::minutes(1);
/// Nothing was measured.
const UNKNOWN: i64 = i64::MIN;

/// Why the time can't be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockProblem {
    /// The system's clock has gone back, or is behind the last audit event.
    #[error(
        "the system's clock is {} seconds behind what it, or the audit log, has told before: set it right. If \
         what was told before is wrong, run `keyrack clock accept` and restart", .0.num_seconds()
    )]
    Behind(TimeDelta),
    /// It has jumped ahead of a clock that only goes on, and not stayed there for long yet.
    #[error(
        "the system's clock has jumped ahead by {} seconds: set it right, or wait five minutes if it is right now",
        .0.num_seconds()
    )]
    Ahead(TimeDelta),
    /// It is not the database's.
    #[error(
        "the database's clock is {} seconds ahead of this node's (behind, if negative): set the wrong one right",
        .0.num_seconds()
    )]
    Apart(TimeDelta),
    /// It is too far ahead of the time that is known to have come.
    #[error(transparent)]
    Unaccepted(PutOff),
}

/// The time. All numbers are milliseconds.
#[derive(Debug)]
pub(crate) struct Time {
    clock: Arc<dyn Clock>,
    /// Another one for each time that somebody accepts the clock, so that who reads it meanwhile can't
    /// bring what was told before back.
    told: ArcSwap<Told>,
    agreement: Mutex<Agreement>,
    /// Whether the database has a clock of its own.
    has_other: bool,
    /// By how much the database's clock is ahead.
    skew: AtomicI64,
    /// When it was last said that another node is ahead, by the steady clock.
    said_at: AtomicI64,
}

/// What was told so far.
#[derive(Debug)]
struct Told {
    /// The latest.
    latest: AtomicI64,
    /// The most by which the system's clock was ever ahead of the steady one.
    lead: AtomicI64,
}

impl Told {
    const fn new(latest: i64, steady: i64) -> Self {
        Self {
            latest: AtomicI64::new(latest),
            lead: AtomicI64::new(latest - steady),
        }
    }
}

/// How the two clocks stood to each other last.
#[derive(Debug)]
struct Agreement {
    /// By how much the system's clock was ahead of the steady one while they agreed.
    lead: i64,
    /// By how much it is since it jumped, and since when, by the steady clock.
    jumped: Option<(i64, i64)>,
    /// What is wrong, as far as that was said.
    problem: Option<ClockProblem>,
    /// By how much the time that is known to have come is ahead of the steady clock: so it goes on by itself.
    known: i64,
    /// How often the clock was accepted, as far as this process has heard.
    acceptances: i64,
    /// Whether it was said that something is put off.
    is_put_off: bool,
}

impl Time {
    /// Begins at what the system's clock tells, or at what the database has if that is later.
    pub(crate) fn begin(clock: Arc<dyn Clock>, stored: &Stored) -> Self {
        let (wall, steady) = (clock.now(), millis(clock.steady()));
        let latest = stored.floor(wall).map_or(wall, |floor| floor.max(wall));
        Self {
            clock,
            told: ArcSwap::from_pointee(Told::new(latest.timestamp_millis(), steady)),
            agreement: Mutex::new(Agreement {
                lead: wall.timestamp_millis() - steady,
                jumped: None,
                problem: None,
                known: stored.known(wall).timestamp_millis() - steady,
                acceptances: stored.known.acceptances,
                is_put_off: false,
            }),
            has_other: stored.theirs.is_some(),
            skew: AtomicI64::new(UNKNOWN),
            said_at: AtomicI64::new(UNKNOWN),
        }
    }

    /// Whether somebody has accepted the clock since this process heard of it last.
    pub(crate) fn is_news(&self, known: KnownTime) -> bool {
        let mut agreement = self.agreement();
        // A database that was put back has fewer.
        agreement.acceptances = agreement.acceptances.min(known.acceptances);
        agreement.acceptances < known.acceptances
    }

    /// Begins anew at the time that somebody accepted, or at what the system's clock tells if that is later.
    pub(crate) fn accept(&self, known: KnownTime) {
        let (wall, steady) = self.clocks();
        let at = known.at.map_or(wall, |at| at.timestamp_millis());
        let mut agreement = self.agreement();
        agreement.acceptances = known.acceptances;
        agreement.known = at - steady;
        agreement.lead = at - steady;
        agreement.jumped = None;
        self.told.store(Arc::new(Told::new(at.max(wall), steady)));
    }

    /// The instant now, as the rules see it. It stands still while the system's clock is a little
    /// behind, and goes on with the steady one if it is far behind.
    pub(crate) fn now(&self) -> Instant {
        let told = self.told.load();
        let (wall, steady) = self.clocks();
        let lead = raise(&told.lead, wall - steady);
        let latest = told.latest.load(Ordering::Relaxed);
        let is_far_behind = latest - wall > SKEW.num_milliseconds();
        let now = if is_far_behind { steady + lead } else { wall };
        DateTime::from_timestamp_millis(raise(&told.latest, now)).unwrap_or_default()
    }

    /// Takes in when something was done on another node: what has ended there has ended here. A node that
    /// is far ahead is not followed, or one wrong clock would be everybody's.
    pub(crate) fn hear(&self, at: Instant) {
        let at = at.timestamp_millis();
        let (wall, steady) = self.clocks();
        if at - wall <= SKEW.num_milliseconds() {
            let told = self.told.load();
            raise(&told.latest, at);
            raise(&told.lead, at - steady);
            return;
        }
        let said_at = self.said_at.load(Ordering::Relaxed);
        if said_at == UNKNOWN || steady - said_at >= SAID_EVERY.num_milliseconds() {
            self.said_at.store(steady, Ordering::Relaxed);
            tracing::warn!(
                seconds = (at - wall) / 1000,
                "an audit event is from ahead of this clock: the clock of this node, or of the one that \
                 wrote it, is wrong"
            );
        }
    }

    /// The instant now, for something that is to last: a token, a link, a relative expiry.
    ///
    /// # Errors
    /// The clocks do not agree.
    pub(crate) fn certain(&self) -> Result<Instant, ClockProblem> {
        let now = self.now();
        let (wall, steady) = self.clocks();
        let mut agreement = self.agreement();
        let problem = agreement.problem(now.timestamp_millis(), wall, steady);
        match (agreement.problem, problem) {
            (None, Some(problem)) => tracing::error!("no tokens are issued: {problem}"),
            (Some(_), None) => tracing::info!("the clock is believed again: tokens are issued"),
            _ => {}
        }
        agreement.problem = problem;
        problem.map_or(Ok(now), Err)
    }

    /// The time for what can't be undone: now if the clocks agree, the database's or the known time among
    /// them, and else the latest time that is known to have come.
    pub(crate) fn settle(&self) -> Settled {
        let certain = self.certain();
        let put_off = self.put_off();
        let (_, steady) = self.clocks();
        let mut agreement = self.agreement();
        match (agreement.is_put_off, put_off) {
            (false, Some(put_off)) => tracing::warn!("{put_off}"),
            (true, None) => tracing::info!("nothing is put off any more: the clock is believed"),
            _ => {}
        }
        agreement.is_put_off = put_off.is_some();
        let now = match (certain, self.apart(), put_off) {
            (Ok(_), Some(apart), _) => Err(ClockProblem::Apart(apart)),
            (Ok(_), None, Some(put_off)) => Err(ClockProblem::Unaccepted(put_off)),
            (certain, ..) => certain,
        };
        if let Ok(now) = now {
            agreement.known = agreement.known.max(now.timestamp_millis() - steady);
        }
        let known = DateTime::from_timestamp_millis(steady + agreement.known);
        Settled {
            known: known.unwrap_or_default(),
            now,
            acceptances: agreement.acceptances,
        }
    }

    /// By how much the database's clock is ahead, if that is too much.
    fn apart(&self) -> Option<TimeDelta> {
        self.skew().filter(|skew| skew.abs() > SKEW)
    }

    /// That the clock is too far ahead of the known time for what can't be undone, where it is the only one.
    pub(crate) fn put_off(&self) -> Option<PutOff> {
        let (wall, steady) = self.clocks();
        let ahead = TimeDelta::milliseconds(wall - steady - self.agreement().known);
        (!self.has_other && ahead > AHEAD_AT_MOST).then_some(PutOff(ahead))
    }

    /// What the system's clock tells, whatever was told before.
    pub(crate) fn of_the_system(&self) -> Instant {
        self.clock.now()
    }

    /// Notes what the database's clock told between two looks at the system's.
    pub(crate) fn measured(&self, before: Instant, theirs: Instant, after: Instant) {
        let ours = before + (after - before) / 2;
        let skew = theirs - ours;
        let last = self.skew.swap(skew.num_milliseconds(), Ordering::Relaxed);
        let was_apart = last != UNKNOWN && last.abs() > SKEW.num_milliseconds();
        if skew.abs() > SKEW && !was_apart {
            tracing::warn!(
                seconds = skew.num_seconds(),
                "the database's clock is ahead of this node's by so much (behind, if negative): one of them \
                 is wrong"
            );
        }
    }

    /// By how much the database's clock is ahead, if it was measured.
    pub(crate) fn skew(&self) -> Option<TimeDelta> {
        let skew = self.skew.load(Ordering::Relaxed);
        (skew != UNKNOWN).then(|| TimeDelta::milliseconds(skew))
    }

    fn clocks(&self) -> (i64, i64) {
        let wall = self.clock.now().timestamp_millis();
        (wall, millis(self.clock.steady()))
    }

    fn agreement(&self) -> MutexGuard<'_, Agreement> {
        self.agreement
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agreement {
    fn problem(&mut self, now: i64, wall: i64, steady: i64) -> Option<ClockProblem> {
        let agree = SKEW.num_milliseconds();
        if now - wall > agree {
            self.jumped = None;
            return Some(ClockProblem::Behind(TimeDelta::milliseconds(now - wall)));
        }
        let lead = wall - steady;
        if lead - self.lead > agree {
            let (jumped_to, since) = match self.jumped {
                Some(jumped) if (lead - jumped.0).abs() <= agree => jumped,
                _ => (lead, steady),
            };
            self.jumped = Some((jumped_to, since));
            if steady - since < BELIEVED_AFTER.num_milliseconds() {
                let by = TimeDelta::milliseconds(lead - self.lead);
                return Some(ClockProblem::Ahead(by));
            }
        }
        // They agree, and small steps are followed.
        self.lead = lead;
        self.jumped = None;
        None
    }
}

/// Whether what began at an instant and lasts for so long is under way. It is not if it begins in the
/// future, give or take what clocks may differ: a node whose clock is far ahead has made it, and it would
/// last too long here. Whatever is stored with its begin is asked so, wherever it was made.
pub(crate) fn lasts(since: Instant, long: TimeDelta, now: Instant) -> bool {
    since <= now + SKEW && now < since + long
}

/// Raises a number if it is lower; the number then. Each call at the gate comes here and mostly finds nothing to
/// raise: a write even then would have the processors wait for each other.
fn raise(number: &AtomicI64, to: i64) -> i64 {
    let current = number.load(Ordering::Relaxed);
    if current >= to {
        return current;
    }
    number.fetch_max(to, Ordering::Relaxed).max(to)
}

fn millis(steady: std::time::Duration) -> i64 {
    i64::try_from(steady.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_in_the_future_does_not_last() {
        let at =
            |second: i64| DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap_or_default();
        let long = TimeDelta::seconds(100);
        for (since, expected) in [
            (0, true),
            (-99, true),
            (-100, false),
            (60, true),
            (61, false),
        ] {
            assert_eq!(lasts(at(since), long, at(0)), expected, "{since}");
        }
    }
}

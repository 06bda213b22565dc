//! The time that is known to have come. It is stored, goes on with the steady clock, and is only moved ahead
//! by a clock that can be believed: what can't be undone goes by it, and a clock that starts far ahead of
//! it is noticed. `time.rs` keeps it; here is what is made of what the database has.

use chrono::TimeDelta;
use domain::Instant;
use storage::{KnownTime, SharedStore};

use crate::actor::SKEW;
use crate::error::ServiceResult;
use crate::time::ClockProblem;

/// How long what has ended is kept: the node that clears it away may be ahead of one for which it has not.
pub(crate) const KEPT_AFTER_END: TimeDelta = TimeDelta::days(1);
/// How far ahead of the time that is known to have come a clock is still believed for what can't be undone,
/// where there is no other to compare it with: by so much nothing is taken away that is still needed.
pub(crate) const AHEAD_AT_MOST: TimeDelta = KEPT_AFTER_END;
/// How long after the last note of the known time an event can be, if a server runs.
const UNNOTED: TimeDelta = TimeDelta::minutes(15);

/// That what can't be undone goes by the time that is known to have come, which is so far behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "signing keys do not rotate, and clearing away lags behind: the system's clock is {} seconds ahead of the \
     last time that is known to be right. If it is right, after a long pause say, run `keyrack clock accept`",
    .0.num_seconds()
)]
pub struct PutOff(pub(crate) TimeDelta);

/// What the database has of the time at the start.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// The time that is known to have come.
    pub known: KnownTime,
    /// When the last audit event was.
    pub last_event: Option<Instant>,
    /// What the database's own clock tells, if it has one.
    pub theirs: Option<Instant>,
}

impl Stored {
    pub(crate) async fn read(store: &SharedStore) -> ServiceResult<Self> {
        Ok(Self {
            known: store.known_time().await?,
            last_event: store.last_audit_time().await?,
            theirs: store.database_time().await?,
        })
    }

    /// The earliest that it can be now. The log is believed unless somebody has said since that it was
    /// wrong, and the clock is as they left it: then an event counts no further than one of a running
    /// server can be from the known time.
    pub(crate) fn floor(&self, wall: Instant) -> Option<Instant> {
        let mut floor = self.last_event;
        if let (Some(known), Some(last)) = (self.known.at, self.last_event) {
            let as_accepted = known - SKEW..=known + AHEAD_AT_MOST;
            if self.known.acceptances > 0 && as_accepted.contains(&wall) {
                floor = Some(last.min(known + UNNOTED));
            }
        }
        // What is from ahead of the database's clock is of a node whose own was wrong: no floor for others.
        let possible = |at: Instant| self.theirs.map_or(at, |theirs| at.min(theirs + SKEW));
        floor.max(self.known.at).map(possible)
    }

    /// A time that has come for sure.
    pub(crate) fn known(&self, wall: Instant) -> Instant {
        let seen = self.last_event.map_or(wall, |last| last.min(wall));
        let known = self.known.at.unwrap_or(seen);
        self.theirs.map_or(known, |theirs| known.min(theirs))
    }
}

/// The time for what can't be undone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled {
    /// The latest time that is known to have come.
    pub known: Instant,
    /// The same if it is now, and else why nobody knows.
    pub now: Result<Instant, ClockProblem>,
    /// How often the clock was accepted.
    pub acceptances: i64,
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn at(minute: i64) -> Instant {
        DateTime::from_timestamp(1_800_000_000 + 60 * minute, 0).unwrap_or_default()
    }

    const DAY: i64 = 24 * 60;

    #[test]
    fn the_log_is_believed_unless_somebody_said_that_it_is_wrong() {
        // The known time, how often the clock was accepted, the last event, what the clock tells, the floor.
        let table = [
            (None, 0, None, 0, None),
            (None, 0, Some(9), 0, Some(9)),
            (Some(5), 0, Some(9), 0, Some(9)),
            (Some(9), 0, Some(5), 0, Some(9)),
            (Some(0), 0, Some(365 * DAY), 0, Some(365 * DAY)),
            // Accepted: an event counts a little beyond the known time.
            (Some(0), 1, Some(10), 0, Some(10)),
            (Some(0), 1, Some(365 * DAY), 0, Some(15)),
            (Some(0), 1, Some(365 * DAY), DAY, Some(15)),
            (Some(0), 1, Some(365 * DAY), -1, Some(15)),
            // But the clock is not as it was left: it is behind what is known for sure, or long after it.
            (Some(0), 1, Some(365 * DAY), -2, Some(365 * DAY)),
            (Some(0), 1, Some(365 * DAY), DAY + 1, Some(365 * DAY)),
            (Some(0), 1, None, 0, Some(0)),
        ];
        for (known, acceptances, last_event, wall, floor) in table {
            let stored = Stored {
                known: KnownTime {
                    at: known.map(at),
                    acceptances,
                },
                last_event: last_event.map(at),
                theirs: None,
            };
            let row = (known, acceptances, last_event, wall);
            assert_eq!(stored.floor(at(wall)), floor.map(at), "{row:?}");
        }
    }

    #[test]
    fn nothing_is_a_floor_that_is_ahead_of_the_databases_clock() {
        for (known, last_event) in [(Some(at(9)), None), (None, Some(at(9)))] {
            let stored = Stored {
                known: KnownTime {
                    at: known,
                    acceptances: 0,
                },
                last_event,
                theirs: Some(at(3)),
            };
            assert_eq!(stored.floor(at(0)), Some(at(4)));
            assert!(stored.known(at(9)) <= at(3));
        }
    }

    #[test]
    fn a_database_without_a_known_time_has_its_last_event_or_else_the_clock() {
        for (last_event, wall, known) in [(None, 5, 5), (Some(3), 5, 3), (Some(9), 5, 5)] {
            let stored = Stored {
                last_event: last_event.map(at),
                ..Stored::default()
            };
            assert_eq!(stored.known(at(wall)), at(known));
        }
    }
}

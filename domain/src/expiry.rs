//! When a credential ends: the choices of the form, and the instant that each comes to.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Months, SecondsFormat, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::Instant;

/// One of the offered lifetimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryChoice {
    /// No end.
    Never,
    /// Seven times 24 hours.
    OneWeek,
    /// 30 times 24 hours.
    ThirtyDays,
    /// 90 times 24 hours.
    NinetyDays,
    /// Six calendar months: from 31 August to the last of February.
    SixMonths,
    /// Twelve calendar months: from 29 February to 28 February.
    OneYear,
    /// An instant of one's own.
    At(Instant),
}

/// Why an expiry is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExpiry {
    /// Not one of the choices, nor an instant after RFC 3339.
    #[error(
        "choose never, 1w, 30d, 90d, 6m or 1y, or give a date and time such as 2027-05-24T09:00:00Z"
    )]
    Malformed,
    /// The instant has passed.
    #[error("choose a date and time in the future")]
    Past,
    /// Beyond the longest life that the policy allows, or beyond the calendar.
    #[error("choose an earlier date: it is beyond the longest life that is allowed")]
    TooLate,
}

impl ExpiryChoice {
    /// The choices with a fixed length, in the order of the form.
    pub const FIXED: [Self; 6] = [
        Self::OneWeek,
        Self::ThirtyDays,
        Self::NinetyDays,
        Self::SixMonths,
        Self::OneYear,
        Self::Never,
    ];

    /// The words that people see.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Never => "Never",
            Self::OneWeek => "1 week",
            Self::ThirtyDays => "30 days",
            Self::NinetyDays => "90 days",
            Self::SixMonths => "6 months",
            Self::OneYear => "1 year",
            Self::At(_) => "Custom date",
        }
    }

    /// The instant that the choice comes to, counted from `now`; `None` is never.
    ///
    /// # Errors
    /// An instant that is not after `now`, or that the policy's maximum life forbids. A maximum
    /// forbids never as well.
    pub fn resolve(
        self,
        now: Instant,
        maximum: Option<TimeDelta>,
    ) -> Result<Option<Instant>, InvalidExpiry> {
        let end = match self {
            Self::Never => None,
            Self::OneWeek => Some(now.checked_add_signed(TimeDelta::days(7))),
            Self::ThirtyDays => Some(now.checked_add_signed(TimeDelta::days(30))),
            Self::NinetyDays => Some(now.checked_add_signed(TimeDelta::days(90))),
            Self::SixMonths => Some(now.checked_add_months(Months::new(6))),
            Self::OneYear => Some(now.checked_add_months(Months::new(12))),
            Self::At(instant) => Some(Some(instant)),
        };
        // Whole seconds: a token's `exp` has no fraction, and must not outlive its credential.
        let end = match end {
            None => None,
            Some(end) => Some(end.ok_or(InvalidExpiry::TooLate)?.trunc_subsecs(0)),
        };
        if end.is_some_and(|end| end <= now) {
            return Err(InvalidExpiry::Past);
        }
        // Databases and HTTP dates end with the year 9999.
        let calendar_end = DateTime::<Utc>::from_timestamp(253_402_300_799, 0);
        let latest = match maximum {
            Some(life) => now.checked_add_signed(life).min(calendar_end),
            None if end.is_none() => return Ok(None),
            None => calendar_end,
        };
        match (end, latest) {
            (Some(end), Some(latest)) if end <= latest => Ok(Some(end)),
            _ => Err(InvalidExpiry::TooLate),
        }
    }
}

impl fmt::Display for ExpiryChoice {
    /// The spelling of forms and commands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::OneWeek => f.write_str("1w"),
            Self::ThirtyDays => f.write_str("30d"),
            Self::NinetyDays => f.write_str("90d"),
            Self::SixMonths => f.write_str("6m"),
            Self::OneYear => f.write_str("1y"),
            Self::At(instant) => f.write_str(&rfc3339(*instant)),
        }
    }
}

impl FromStr for ExpiryChoice {
    type Err = InvalidExpiry;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(choice) = Self::FIXED
            .into_iter()
            .find(|choice| choice.to_string() == text)
        {
            return Ok(choice);
        }
        DateTime::parse_from_rfc3339(text)
            .map(|instant| Self::At(instant.to_utc()))
            .map_err(|_| InvalidExpiry::Malformed)
    }
}

/// An instant after RFC 3339 in UTC, with the fraction only where there is one.
#[must_use]
pub fn rfc3339(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Instant {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    /// Check 87: calendar arithmetic, in UTC, so no daylight-saving shift.
    #[test]
    fn check_87_choices_come_to_calendar_instants() {
        let table = [
            (
                "2026-11-24T09:00:00Z",
                ExpiryChoice::OneWeek,
                "2026-12-01T09:00:00Z",
            ),
            (
                "2026-11-24T09:00:00Z",
                ExpiryChoice::ThirtyDays,
                "2026-12-24T09:00:00Z",
            ),
            (
                "2026-11-24T09:00:00Z",
                ExpiryChoice::NinetyDays,
                "2027-02-22T09:00:00Z",
            ),
            (
                "2026-11-24T09:00:00Z",
                ExpiryChoice::SixMonths,
                "2027-05-24T09:00:00Z",
            ),
            (
                "2026-08-31T09:00:00Z",
                ExpiryChoice::SixMonths,
                "2027-02-28T09:00:00Z",
            ),
            (
                "2027-08-31T09:00:00Z",
                ExpiryChoice::SixMonths,
                "2028-02-29T09:00:00Z",
            ),
            (
                "2028-02-29T09:00:00Z",
                ExpiryChoice::OneYear,
                "2029-02-28T09:00:00Z",
            ),
            (
                "2027-03-28T00:30:00Z",
                ExpiryChoice::OneYear,
                "2028-03-28T00:30:00Z",
            ),
            (
                "2026-11-24T09:00:00.987Z",
                ExpiryChoice::OneWeek,
                "2026-12-01T09:00:00Z",
            ),
        ];
        for (now, choice, end) in table {
            assert_eq!(
                choice.resolve(at(now), None),
                Ok(Some(at(end))),
                "{now} + {choice}"
            );
        }
        let now = at("2026-11-24T09:00:00Z");
        assert_eq!(ExpiryChoice::Never.resolve(now, None), Ok(None));
    }

    #[test]
    fn check_87_past_and_too_late_are_refused() {
        let now = at("2026-11-24T09:00:00Z");
        let year = Some(TimeDelta::days(366));
        let table = [
            ("2026-11-24T09:00:00Z", None, Err(InvalidExpiry::Past)),
            ("2026-11-24T09:00:00.500Z", None, Err(InvalidExpiry::Past)),
            ("2020-01-01T00:00:00Z", None, Err(InvalidExpiry::Past)),
            (
                "2026-11-24T09:00:01Z",
                None,
                Ok(Some(at("2026-11-24T09:00:01Z"))),
            ),
            ("never", year, Err(InvalidExpiry::TooLate)),
            ("2027-11-25T09:00:01Z", year, Err(InvalidExpiry::TooLate)),
            ("1y", year, Ok(Some(at("2027-11-24T09:00:00Z")))),
            (
                "9999-12-31T23:59:59Z",
                None,
                Ok(Some(at("9999-12-31T23:59:59Z"))),
            ),
        ];
        for (text, maximum, expected) in table {
            let choice: ExpiryChoice = text.parse().unwrap();
            assert_eq!(choice.resolve(now, maximum), expected, "{text}");
        }
    }

    #[test]
    fn spellings_round_trip_and_others_are_refused() {
        for choice in ExpiryChoice::FIXED {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for bad in [
            "",
            "Never",
            "2w",
            "31d",
            "tomorrow",
            "2027-05-24",
            "2027-02-30T09:00:00Z",
        ] {
            assert_eq!(
                bad.parse::<ExpiryChoice>(),
                Err(InvalidExpiry::Malformed),
                "{bad:?}"
            );
        }
        let zoned: ExpiryChoice = "2027-05-24T11:00:00+02:00".parse().unwrap();
        assert_eq!(zoned.to_string(), "2027-05-24T09:00:00Z");
    }

    proptest! {
        #[test]
        fn an_end_is_after_now_and_within_the_maximum(
            seconds in 0_i64..4_000_000_000, millis in 0_u32..1000, days in 1_i64..4000, which in 0_usize..6,
        ) {
            let now = DateTime::from_timestamp(seconds, millis * 1_000_000).unwrap();
            let maximum = TimeDelta::days(days);
            if let Ok(Some(end)) = ExpiryChoice::FIXED[which].resolve(now, Some(maximum)) {
                prop_assert!(end > now && end <= now + maximum);
                prop_assert_eq!(end.timestamp_subsec_nanos(), 0);
            }
        }
    }
}

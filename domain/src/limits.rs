//! From where a credential may be used, how often and how fast; and the same as somebody types it.
//! Counting is not done here.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, Serialize};

use crate::address::AddressList;
use crate::draft::{FieldError, keep};

/// The largest number that a limit may have.
pub const HIGHEST: u32 = 1_000_000;

/// What is limited. Each of these can only report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitKind {
    /// From where it may be used.
    Addresses,
    /// Calls, by the second and by the minute.
    Calls,
    /// Access tokens.
    Tokens,
}

impl LimitKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Addresses, Self::Calls, Self::Tokens];

    /// The form's field that makes the limit one that only reports.
    #[must_use]
    pub const fn report_field(self) -> &'static str {
        match self {
            Self::Addresses => "report_addresses",
            Self::Calls => "report_calls",
            Self::Tokens => "report_tokens",
        }
    }
}

/// The limits of a credential. What is not set does not limit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// From where it may call.
    #[serde(skip_serializing_if = "AddressList::is_empty")]
    pub addresses: AddressList,
    /// Calls a second, in the long run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<NonZeroU32>,
    /// Calls at once, when there were none for a while; goes with `per_second`, and is not less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
    /// Calls a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<NonZeroU32>,
    /// Access tokens an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_hour: Option<NonZeroU32>,
    /// Where what is beyond the limit is noted only, and not refused.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[serde(deserialize_with = "all_or_each")]
    pub report_only: BTreeSet<LimitKind>,
}

/// Once there was one switch for all limits, and stored limits may still have it.
fn all_or_each<'de, D: Deserializer<'de>>(stored: D) -> Result<BTreeSet<LimitKind>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        All(bool),
        Each(BTreeSet<LimitKind>),
    }
    Ok(match Stored::deserialize(stored)? {
        Stored::All(true) => LimitKind::ALL.into(),
        Stored::All(false) => BTreeSet::new(),
        Stored::Each(kinds) => kinds,
    })
}

impl Limits {
    /// Whether what is beyond this limit is noted only.
    #[must_use]
    pub fn only_reports(&self, kind: LimitKind) -> bool {
        self.report_only.contains(&kind)
    }

    /// Whether nothing is limited.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.words().is_empty()
    }

    /// The limits in plain words, one a line.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut say = |kind, limit: String| {
            words.push(if self.only_reports(kind) {
                limit + " (reported, not refused)"
            } else {
                limit
            });
        };
        let rate = |number: NonZeroU32, thing: &str, time: &str| {
            let plural = if number.get() == 1 { "" } else { "s" };
            format!("at most {number} {thing}{plural} {time}")
        };
        if !self.addresses.is_empty() {
            say(
                LimitKind::Addresses,
                format!("only from {}", self.addresses),
            );
        }
        if let Some(number) = self.per_second {
            let burst = self.burst.map(|burst| format!(", bursts of {burst}"));
            let words = rate(number, "call", "a second") + &burst.unwrap_or_default();
            say(LimitKind::Calls, words);
        }
        if let Some(number) = self.per_minute {
            say(LimitKind::Calls, rate(number, "call", "a minute"));
        }
        if let Some(number) = self.tokens_per_hour {
            say(LimitKind::Tokens, rate(number, "token", "an hour"));
        }
        words
    }
}

/// The texts of the form, unchecked. An empty one sets no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LimitsDraft {
    /// Addresses and networks.
    pub addresses: String,
    /// Calls a second.
    pub per_second: String,
    /// Calls at once.
    pub burst: String,
    /// Calls a minute.
    pub per_minute: String,
    /// Access tokens an hour.
    pub tokens_per_hour: String,
    /// Where what is beyond the limit is noted only.
    pub report_only: BTreeSet<LimitKind>,
}

impl LimitsDraft {
    /// The form filled in with limits.
    #[must_use]
    pub fn of(limits: &Limits) -> Self {
        let text = |number: Option<NonZeroU32>| number.map_or_else(String::new, |n| n.to_string());
        Self {
            addresses: limits.addresses.to_string(),
            per_second: text(limits.per_second),
            burst: text(limits.burst),
            per_minute: text(limits.per_minute),
            tokens_per_hour: text(limits.tokens_per_hour),
            report_only: limits.report_only.clone(),
        }
    }

    /// Checks every field, so that all problems show at once.
    ///
    /// # Errors
    /// What is wrong, field by field.
    pub fn check(&self) -> Result<Limits, Vec<FieldError>> {
        let mut errors = Vec::new();
        let limits = Limits {
            addresses: keep(self.addresses.parse(), "addresses", &mut errors).unwrap_or_default(),
            per_second: number(&self.per_second, "per_second", &mut errors),
            burst: number(&self.burst, "burst", &mut errors),
            per_minute: number(&self.per_minute, "per_minute", &mut errors),
            tokens_per_hour: number(&self.tokens_per_hour, "tokens_per_hour", &mut errors),
            report_only: self.report_only.clone(),
        };
        match (limits.burst, limits.per_second) {
            (Some(_), None) if self.per_second.trim().is_empty() => errors.push(FieldError::new(
                "burst",
                "a burst goes with calls a second: enter those as well, or leave this empty",
            )),
            (Some(burst), Some(per_second)) if burst < per_second => {
                errors.push(FieldError::new(
                    "burst",
                    format!("enter {per_second} or more, the calls a second, or leave this empty"),
                ));
            }
            _ => {}
        }
        if errors.is_empty() {
            Ok(limits)
        } else {
            Err(errors)
        }
    }
}

/// The number of a field. None for an empty field, and for one that is wrong.
fn number(text: &str, field: &str, errors: &mut Vec<FieldError>) -> Option<NonZeroU32> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let number = text
        .parse()
        .ok()
        .filter(|n: &NonZeroU32| n.get() <= HIGHEST);
    let number = number.ok_or_else(|| {
        format!("enter a whole number from 1 to {HIGHEST}, or leave this empty for no limit")
    });
    keep(number, field, errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn draft(per_second: &str, burst: &str) -> LimitsDraft {
        LimitsDraft {
            per_second: per_second.to_owned(),
            burst: burst.to_owned(),
            ..LimitsDraft::default()
        }
    }

    fn wrong_fields(draft: &LimitsDraft) -> Vec<String> {
        let errors = draft.check().err().unwrap_or_default();
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn an_empty_form_limits_nothing() {
        let limits = LimitsDraft::default().check().unwrap();
        assert!(limits.is_none() && limits == Limits::default());
        assert_eq!(serde_json::to_string(&limits).unwrap(), "{}");
        let reported = Limits {
            report_only: LimitKind::ALL.into(),
            ..limits
        };
        assert!(reported.is_none());
    }

    #[test]
    fn every_limit_is_said_in_words() {
        let full = LimitsDraft {
            addresses: "192.0.2.0/24 2001:db8::1".to_owned(),
            per_second: " 20 ".to_owned(),
            burst: "40".to_owned(),
            per_minute: "600".to_owned(),
            tokens_per_hour: "1".to_owned(),
            report_only: BTreeSet::new(),
        };
        let limits = full.check().unwrap();
        assert!(!limits.is_none());
        assert_eq!(
            limits.words(),
            [
                "only from 192.0.2.0/24, 2001:db8::1",
                "at most 20 calls a second, bursts of 40",
                "at most 600 calls a minute",
                "at most 1 token an hour",
            ]
        );
        let one = draft("1", "").check().unwrap();
        assert_eq!(one.words(), ["at most 1 call a second"]);
    }

    #[test]
    fn each_limit_says_whether_it_only_reports() {
        let reported = |kinds: &[LimitKind]| -> Vec<bool> {
            let limits = Limits {
                addresses: "::1".parse().unwrap(),
                per_second: NonZeroU32::new(1),
                per_minute: NonZeroU32::new(2),
                tokens_per_hour: NonZeroU32::new(3),
                report_only: kinds.iter().copied().collect(),
                ..Limits::default()
            };
            let words = limits.words();
            words.iter().map(|w| w.contains("not refused")).collect()
        };
        for (kinds, expected) in [
            (&[][..], [false, false, false, false]),
            (&[LimitKind::Addresses], [true, false, false, false]),
            (&[LimitKind::Calls], [false, true, true, false]),
            (&[LimitKind::Tokens], [false, false, false, true]),
            (&LimitKind::ALL, [true, true, true, true]),
        ] {
            assert_eq!(reported(kinds), expected, "{kinds:?}");
        }
    }

    #[test]
    fn the_one_switch_of_old_stands_for_all_three() {
        for (json, expected) in [
            ("{}", &[][..]),
            (r#"{"report_only":false}"#, &[]),
            (r#"{"report_only":true}"#, &LimitKind::ALL),
            (r#"{"report_only":["calls"]}"#, &[LimitKind::Calls]),
        ] {
            let limits: Limits = serde_json::from_str(json).unwrap();
            assert_eq!(Vec::from_iter(limits.report_only), expected, "{json}");
        }
        assert!(serde_json::from_str::<Limits>(r#"{"report_only":["bursts"]}"#).is_err());
    }

    #[test]
    fn numbers_are_whole_and_within_bounds() {
        for good in ["1", "1000000", " 7\t"] {
            assert!(draft(good, "").check().is_ok(), "{good:?}");
        }
        for bad in [
            "0",
            "-1",
            "1000001",
            "4294967297",
            "1.5",
            "1e3",
            "1,000",
            "many",
            "٣",
        ] {
            assert_eq!(wrong_fields(&draft(bad, "")), ["per_second"], "{bad:?}");
        }
    }

    #[test]
    fn a_burst_goes_with_calls_a_second_and_is_not_less() {
        for (per_second, burst, wrong) in [
            ("20", "20", None),
            ("20", "21", None),
            ("20", "19", Some("burst")),
            ("", "19", Some("burst")),
            // One problem is not told twice.
            ("x", "19", Some("per_second")),
            ("20", "x", Some("burst")),
        ] {
            let fields = wrong_fields(&draft(per_second, burst));
            assert_eq!(fields, Vec::from_iter(wrong), "{per_second} {burst}");
        }
    }

    #[test]
    fn all_problems_show_at_once() {
        let wrong = LimitsDraft {
            addresses: "nowhere".to_owned(),
            per_second: "0".to_owned(),
            burst: "x".to_owned(),
            per_minute: "x".to_owned(),
            tokens_per_hour: "x".to_owned(),
            report_only: BTreeSet::new(),
        };
        assert_eq!(
            wrong_fields(&wrong),
            [
                "addresses",
                "per_second",
                "burst",
                "per_minute",
                "tokens_per_hour"
            ]
        );
    }

    #[test]
    fn a_limit_that_this_version_does_not_know_is_refused() {
        for json in [r#"{"per_day":5}"#, r#"{"per_second":0}"#, r#"{"burst":-1}"#] {
            assert!(serde_json::from_str::<Limits>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn limits_survive_being_shown_and_stored(
            rates in proptest::option::of((1..=HIGHEST, proptest::option::of(0..=HIGHEST))),
            per_minute in proptest::option::of(1..=HIGHEST),
            tokens_per_hour in proptest::option::of(1..=HIGHEST),
            address in proptest::option::of(any::<std::net::Ipv4Addr>()),
            reported: [bool; 3],
        ) {
            let limits = Limits {
                addresses: address.map(|a| a.to_string().parse().unwrap()).unwrap_or_default(),
                per_second: rates.and_then(|(rate, _)| NonZeroU32::new(rate)),
                burst: rates.and_then(|(rate, more)| NonZeroU32::new((rate + more?).min(HIGHEST))),
                per_minute: per_minute.and_then(NonZeroU32::new),
                tokens_per_hour: tokens_per_hour.and_then(NonZeroU32::new),
                report_only: LimitKind::ALL
                    .into_iter()
                    .zip(reported)
                    .filter_map(|(kind, is_reported)| is_reported.then_some(kind))
                    .collect(),
            };
            prop_assert_eq!(LimitsDraft::of(&limits).check().unwrap(), limits.clone());
            let json = serde_json::to_string(&limits).unwrap();
            prop_assert_eq!(serde_json::from_str::<Limits>(&json).unwrap(), limits);
        }
    }
}

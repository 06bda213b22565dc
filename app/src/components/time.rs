//! Times: how long ago or ahead, and when exactly. The server writes UTC; after hydration the
//! viewer's zone takes over. The instant in UTC is always in `datetime` and on hover.

use chrono::{DateTime, FixedOffset, Offset, TimeDelta, Utc};
use leptos::prelude::*;
use wasm_bindgen::JsValue;
use web_sys::js_sys::Date;

use crate::clock::PageClock;

/// `in 6 days`, `2 min ago`, kept true while the page is open.
#[component]
pub fn Time(
    /// The instant.
    at: DateTime<Utc>,
) -> impl IntoView {
    let clock = PageClock::current();
    view! {
        <time class="num" datetime=machine(at) title=exact(at)>
            {move || relative(at, clock.now())}
        </time>
    }
    .into_any()
}

/// `24 May 2027`, or with the time of day `24 May 2027, 09:00`.
#[component]
pub fn Moment(
    /// The instant.
    at: DateTime<Utc>,
    /// With the time of day.
    #[prop(optional)]
    time: bool,
) -> impl IntoView {
    let clock = PageClock::current();
    view! {
        <time class="num" datetime=machine(at) title=exact(at)>
            {move || {
                if clock.is_local() {
                    absolute(&at.with_timezone(&local_offset(at)), time, "")
                } else {
                    absolute(&at.with_timezone(&Utc.fix()), time, " UTC")
                }
            }}
        </time>
    }
    .into_any()
}

fn machine(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn exact(at: DateTime<Utc>) -> String {
    at.format("%-d %B %Y, %H:%M:%S UTC").to_string()
}

fn absolute(at: &DateTime<FixedOffset>, time: bool, zone: &str) -> String {
    if time {
        format!("{}{zone}", at.format("%-d %b %Y, %H:%M"))
    } else {
        at.format("%-d %b %Y").to_string()
    }
}

/// The distance from `now` in the largest fitting unit.
#[must_use]
pub fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let distance = at - now;
    let ahead = distance > TimeDelta::zero();
    let seconds = distance.num_seconds().abs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let span = match seconds {
        0..45 if ahead => return "in moments".to_owned(),
        0..45 => return "just now".to_owned(),
        45..3600 => format!("{} min", minutes.max(1)),
        3600..86400 => format!("{hours} h"),
        86400..172_800 if ahead => return "tomorrow".to_owned(),
        86400..172_800 => return "yesterday".to_owned(),
        _ if days < 90 => format!("{days} days"),
        _ if days < 730 => format!("{} months", days / 30),
        _ => format!("{} years", days / 365),
    };
    if ahead {
        format!("in {span}")
    } else {
        format!("{span} ago")
    }
}

/// The viewer's offset from UTC at an instant; daylight saving time included.
fn local_offset(at: DateTime<Utc>) -> FixedOffset {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for every date that JavaScript knows"
    )]
    let date = Date::new(&JsValue::from_f64(at.timestamp_millis() as f64));
    #[expect(clippy::cast_possible_truncation, reason = "minutes of a day")]
    let west = date.get_timezone_offset() as i32;
    FixedOffset::west_opt(west * 60).unwrap_or(Utc.fix())
}

/// The instant that the value of a `datetime-local` input means in the viewer's zone, in RFC 3339.
pub(super) fn local_to_instant(value: &str) -> Option<String> {
    let millis = Date::new(&JsValue::from_str(value)).get_time();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "dates are whole milliseconds"
    )]
    let at = millis.is_finite().then_some(millis as i64)?;
    DateTime::from_timestamp_millis(at).map(machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn distances_are_told_in_the_largest_fitting_unit() {
        let now = at("2026-11-24T09:00:00Z");
        for (then, words) in [
            ("2026-11-24T08:59:30Z", "just now"),
            ("2026-11-24T09:00:10Z", "in moments"),
            ("2026-11-24T08:59:10Z", "1 min ago"),
            ("2026-11-24T08:46:00Z", "14 min ago"),
            ("2026-11-24T06:00:00Z", "3 h ago"),
            ("2026-11-23T08:59:00Z", "yesterday"),
            ("2026-11-25T09:00:00Z", "tomorrow"),
            ("2026-11-30T09:00:00Z", "in 6 days"),
            ("2027-02-06T09:00:00Z", "in 74 days"),
            ("2027-04-24T09:00:00Z", "in 5 months"),
            ("2030-11-24T09:00:00Z", "in 4 years"),
        ] {
            assert_eq!(relative(at(then), now), words, "{then}");
        }
    }

    #[test]
    fn the_server_writes_utc_and_says_so() {
        let utc = at("2027-05-24T09:00:00Z").fixed_offset();
        assert_eq!(absolute(&utc, true, " UTC"), "24 May 2027, 09:00 UTC");
        assert_eq!(absolute(&utc, false, " UTC"), "24 May 2027");
        let berlin = utc.with_timezone(&FixedOffset::east_opt(7200).unwrap());
        assert_eq!(absolute(&berlin, true, ""), "24 May 2027, 11:00");
    }
}

//! What a credential was used for: calls by day, by scope, and the last refusals.

use leptos::prelude::*;

use super::{Refused, Usage, UsageDay};
use crate::components::Moment;
use crate::words::count;

/// The height of the chart, in its own units.
const HEIGHT: u64 = 60;

/// The section of the credential's page.
pub(super) fn usage(usage: &Usage) -> AnyView {
    let (allowed, refused) = usage.days.iter().fold((0, 0), |(allowed, refused), day| {
        (allowed + day.allowed, refused + day.refused)
    });
    let calls = usize::try_from(allowed + refused).unwrap_or(usize::MAX);
    let calls = count(calls, "call");
    let words = match refused {
        0 => format!("{calls} in the last 30 days."),
        _ => format!("{calls} in the last 30 days, {refused} of them refused."),
    };
    let scopes = usage
        .scopes
        .clone()
        .into_iter()
        .map(|(scope, allowed, refused)| {
            let refused = (refused > 0).then(|| format!(", {refused} refused"));
            view! {
                <dt>{scope}</dt>
                <dd>{allowed} {refused}</dd>
            }
        });
    let scopes = (!usage.scopes.is_empty())
        .then(|| view! { <dl class="facts">{scopes.collect_view()}</dl> });
    let refusals = usage
        .refusals
        .clone()
        .into_iter()
        .map(refusal)
        .collect_view();
    let refusals = (!usage.refusals.is_empty()).then(|| {
        view! {
            <h3>"Last refusals"</h3>
            <ul class="stack-s">{refusals}</ul>
        }
    });
    view! {
        <section class="card section">
            <h2>"Usage"</h2>
            <p>{words.clone()}</p>
            {chart(&usage.days, words)}
            {scopes}
            {refusals}
        </section>
    }
    .into_any()
}

/// A bar for each day: what was let through, and above it what was refused.
fn chart(days: &[UsageDay], words: String) -> Option<AnyView> {
    let most = days.iter().map(|day| day.allowed + day.refused).max()?;
    if most == 0 {
        return None;
    }
    let bars = days.iter().zip(0_u64..).map(|(day, place)| {
        let height = |calls: u64| (calls * HEIGHT).div_ceil(most);
        let (allowed, refused) = (height(day.allowed), height(day.refused));
        let x = (place * 10).to_string();
        let bar = |class: &'static str, y: u64, height: u64| {
            view! {
                <rect class=class x=x.clone() y=y.to_string() width="8" height=height.to_string() />
            }
        };
        let label = format!(
            "{}: {} let through, {} refused",
            day.day.format("%-d %b"),
            day.allowed,
            day.refused
        );
        view! {
            <g>
                <title>{label}</title>
                {bar("bar", (HEIGHT + 2).saturating_sub(allowed), allowed)}
                {bar("bar bad", (HEIGHT + 2).saturating_sub(allowed + refused), refused)}
            </g>
        }
    });
    let bars = bars.collect_view();
    let highest = count(usize::try_from(most).unwrap_or(usize::MAX), "call");
    let date = |day: &UsageDay| day.day.format("%-d %b").to_string();
    let (first, last) = (days.first().map(date), days.last().map(date));
    Some(
        view! {
            <figure class="usage">
                <svg class="chart" viewBox="0 0 298 62" preserveAspectRatio="none" role="img" aria-label=words>
                    {bars}
                </svg>
                <figcaption class="quiet">
                    <span>{first}</span>
                    <span>{format!("the highest bar: {highest}")}</span>
                    <span>{last}</span>
                </figcaption>
            </figure>
        }
        .into_any(),
    )
}

fn refusal(refused: Refused) -> AnyView {
    let href = format!("/lookup?request={}", refused.request_id);
    view! {
        <li>
            <a href=href>{refused.call}</a>
            {format!(": {} ", refused.reason)}
            <span class="quiet">
                <Moment at=refused.at time=true />
            </span>
        </li>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::sample;

    fn day(allowed: u64, refused: u64) -> UsageDay {
        UsageDay {
            day: "2026-11-24T00:00:00Z".parse().unwrap(),
            allowed,
            refused,
        }
    }

    #[test]
    fn the_highest_day_fills_the_chart_and_one_call_can_be_seen() {
        let days = vec![day(0, 0), day(1, 0), day(900, 100)];
        let html = sample::html(|| chart(&days, "x".to_owned()));
        assert!(
            html.contains(r#"height="54""#) && html.contains(r#"height="6""#),
            "{html}"
        );
        assert!(html.contains(r#"height="1""#), "{html}");
        for words in [
            "24 Nov: 900 let through, 100 refused",
            "the highest bar: 1,000 calls",
        ] {
            assert!(html.contains(words), "{html}");
        }
    }

    #[test]
    fn a_key_that_was_never_used_has_no_chart() {
        let html = sample::html(|| usage(&Usage::default()));
        assert!(
            html.contains("0 calls in the last 30 days") && !html.contains("<svg"),
            "{html}"
        );
    }
}

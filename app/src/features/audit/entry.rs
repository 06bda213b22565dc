//! One entry of the audit log, as a sentence with what it changed.

use leptos::prelude::*;

use super::{Deed, StoryEntry};
use crate::components::Moment;

/// An item of a list with the class `story`.
pub(crate) fn entry(entry: StoryEntry) -> AnyView {
    let changes = (!entry.changes.is_empty()).then(|| {
        let changes = entry.changes.into_iter().map(|change| {
            view! {
                <li>
                    {format!("{}: ", change.fact)} <del>{change.from}</del> " → "
                    <ins>{change.to}</ins>
                </li>
            }
        });
        view! { <ul class="changes">{changes.collect_view()}</ul> }
    });
    let facts = (!entry.facts.is_empty()).then(|| {
        let facts = entry.facts.into_iter();
        let facts: Vec<_> = facts
            .map(|(fact, value)| format!("{fact}: {value}"))
            .collect();
        view! { <p class="quiet">{facts.join(" · ")}</p> }
    });
    let reason = entry
        .reason
        .map(|reason| view! { <p>{format!("“{reason}”")}</p> });
    let from = [
        entry.address.map(|address| format!("from {address}")),
        entry.request_id.map(|id| format!("request {id}")),
    ];
    let from = from.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let class = if entry.refused { "refused" } else { "" };
    view! {
        <li class=class>
            <p>
                <b>{entry.actor}</b>
                {deed(entry.deed)}
            </p>
            {reason}
            {changes}
            {facts}
            <small class="quiet">
                <Moment at=entry.at time=true />
                {(!from.is_empty()).then(|| format!(" · {from}"))}
            </small>
        </li>
    }
    .into_any()
}

fn deed(deed: Deed) -> AnyView {
    let target = deed.target.map(|target| match target.href {
        Some(href) => view! { <a href=href>{target.name}</a> }.into_any(),
        None => target.name.into_any(),
    });
    view! { {format!(" {}", deed.before)} {target} {deed.after} }.into_any()
}

#[cfg(test)]
mod tests {
    use super::super::{Change, Target};
    use super::*;
    use crate::features::sample;

    fn sample_entry() -> StoryEntry {
        StoryEntry {
            at: "2026-11-24T09:00:00Z".parse().unwrap(),
            actor: "Mara Okafor".to_owned(),
            deed: Deed {
                before: "edited ".to_owned(),
                target: Some(Target {
                    name: "it".to_owned(),
                    href: None,
                }),
                after: String::new(),
            },
            seq: 7,
            facts: Vec::new(),
            refused: false,
            reason: None,
            changes: vec![Change {
                fact: "Journaling".to_owned(),
                from: "Read only".to_owned(),
                to: "Read & write".to_owned(),
            }],
            address: Some("10.0.0.7".to_owned()),
            request_id: Some("r1".to_owned()),
        }
    }

    #[test]
    fn an_entry_of_the_story_reads_like_a_sentence() {
        let html = sample::html(|| entry(sample_entry()));
        for part in [
            "Mara Okafor",
            " edited ",
            "Journaling: ",
            "<del>Read only</del>",
            "<ins>Read &amp; write</ins>",
            "24 Nov 2026, 09:00 UTC",
            "from 10.0.0.7 · request r1",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        let reason = Some("<b>seen</b> in a log".to_owned());
        let html = sample::html(|| {
            entry(StoryEntry {
                reason,
                ..sample_entry()
            })
        });
        assert!(
            html.contains("“&lt;b&gt;seen&lt;/b&gt; in a log”"),
            "{html}"
        );
    }
}

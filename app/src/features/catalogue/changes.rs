//! What changed in the catalogue, version by version, and which credentials feel it.

use chrono::{DateTime, Utc};
use domain::catalogue::{Change, Right};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::api::{History, ToldChange, Version, get_versions};
use crate::components::{
    EmptyState, ErrorState, Glyph, Moment, Notice, PageHead, Pager, Skeleton, Time, Tone,
};
use crate::features::credentials::{ListParams, Tab};
use crate::words::{capitalised, count};

/// The page; `?before=…` leads to older versions.
#[component]
pub fn ChangesPage() -> impl IntoView {
    let query = use_query_map();
    let before = move || {
        query
            .read()
            .get_str("before")
            .and_then(|text| text.parse().ok())
    };
    let versions = Resource::new_blocking(before, get_versions);
    view! {
        <PageHead
            title="Changes of the catalogue"
            lead="What each version changed since the one before, and how many credentials in use it touches."
            back=("/catalogue", "Catalogue")
        />
        <Transition fallback=|| {
            view! { <div class="card"><Skeleton /></div> }
        }>
            {move || {
                let has_newer = before().is_some();
                Suspend::new(async move {
                    match versions.await {
                        Ok(versions) => contents(versions, has_newer),
                        Err(error) => {
                            view! { <div class="card"><ErrorState error=error /></div> }.into_any()
                        }
                    }
                })
            }}
        </Transition>
    }
    .into_any()
}

fn contents(History { versions, older }: History, has_newer: bool) -> AnyView {
    if versions.is_empty() {
        return view! {
            <div class="card">
                <EmptyState
                    glyph=Glyph::List
                    title="No older versions"
                    text="The last fifty versions of the catalogue are kept."
                />
            </div>
        }
        .into_any();
    }
    let pager = (has_newer || older.is_some()).then(|| {
        view! {
            <Pager
                summary=count(versions.len(), "version")
                previous=has_newer.then(|| "/catalogue/changes".to_owned())
                next=older.map(|older| format!("/catalogue/changes?before={older}"))
            />
        }
    });
    let cards = versions.into_iter().map(version_card).collect_view();
    view! { <div class="stack">{cards} {pager}</div> }.into_any()
}

fn version_card(version: Version) -> AnyView {
    let changes = match version.changes {
        None => view! {
            <p class="quiet">"The first version that is known: there is nothing to compare it with."</p>
        }
        .into_any(),
        Some(changes) if changes.is_empty() => view! {
            <p class="quiet">"Only texts or their order changed: every call needs what it needed."</p>
        }
        .into_any(),
        Some(changes) => {
            let changes = changes.into_iter().map(told).collect_view();
            view! { <ul class="changes">{changes}</ul> }.into_any()
        }
    };
    let heading = format!("Version {}", version.label);
    let label = heading.clone();
    view! {
        <section class="card section" aria-label=label>
            <h2>{heading}</h2>
            <p>
                {version.api} ", taken up " <Moment at=version.taken_up_at time=true /> " ("
                <Time at=version.taken_up_at /> ")"
            </p>
            {changes}
        </section>
    }
    .into_any()
}

/// A change in words, its calls, and links to those who feel it.
fn told(ToldChange { change, touches }: ToldChange) -> AnyView {
    let calls = change.calls();
    let end = if calls.is_empty() { "." } else { ":" };
    let words = capitalised(&change.to_string()) + end;
    let calls = calls
        .iter()
        .map(|call| view! { <li><code>{call.to_string()}</code></li> })
        .collect_view();
    let is_gone = matches!(change, Change::ScopeRemoved { .. });
    let touches = touches
        .into_iter()
        .map(|(right, number)| view! { <li>{touched(&right, number, is_gone)}</li> })
        .collect_view();
    view! {
        <li>
            <p>{words}</p>
            <ul class="calls">{calls}</ul>
            <ul class="touches">{touches}</ul>
        </li>
    }
    .into_any()
}

/// `12 credentials have write access to Transfers`, as a link to them.
fn touched(right: &Right, number: u64, is_gone: bool) -> AnyView {
    let have = match (number, is_gone) {
        (1, false) => "has",
        (_, false) => "have",
        (_, true) => "had",
    };
    let credentials = count(usize::try_from(number).unwrap_or(usize::MAX), "credential");
    let words = format!("{credentials} in use {have} {right}");
    if number == 0 {
        return view! { <span class="quiet">{words}</span> }.into_any();
    }
    let href = ListParams {
        tab: Tab::InUse,
        scope: Some(right.scope.clone()),
        ..ListParams::default()
    }
    .href();
    view! { <a class="link" href=href>{words}</a> }.into_any()
}

/// For superusers: the file can't be used, and why.
pub(super) fn fault_notice(
    since: DateTime<Utc>,
    (found, problems): (DateTime<Utc>, Vec<String>),
) -> AnyView {
    let problems = problems
        .into_iter()
        .map(|problem| view! { <li>{problem}</li> })
        .collect_view();
    view! {
        <Notice tone=Tone::Bad>
            <p>
                <b>"The file on disk can't be used"</b> " (found " <Time at=found />
                "). The version loaded " <Moment at=since time=true />
                " is in force. Correct the file: it is taken up as soon as it is right."
            </p>
            <ul class="problems">{problems}</ul>
        </Notice>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::sample;
    use domain::catalogue::Catalogue;

    fn changed() -> Vec<ToldChange> {
        let before = sample::catalogue();
        let mut file = before.file().clone();
        file.scopes.pop();
        file.scopes[1].title = "Transfers".into();
        file.scopes[1].endpoints[1].path = "/v1/transfers".into();
        let now = Catalogue::try_from(file).unwrap();
        let counts = [1, 0, 2, 12];
        now.changes_since(&before)
            .into_iter()
            .map(|change| ToldChange {
                touches: change.touches().into_iter().zip(counts).collect(),
                change,
            })
            .collect()
    }

    #[test]
    fn a_version_tells_its_changes_and_whom_they_touch() {
        let version = |changes| Version {
            api: "Sample".to_owned(),
            label: "2".to_owned(),
            taken_up_at: "2026-11-24T09:00:00Z".parse().unwrap(),
            changes,
        };
        let html = |changes| sample::html(|| version_card(version(changes)));
        let told = html(Some(changed()));
        for part in [
            "The scope Journaling (journaling) is now called Transfers.",
            "The scope SSE events (sse_events) is gone and grants nothing.",
            "Write access to Transfers now includes:",
            "<code>POST /v1/transfers</code>",
            "Write access to Journaling no longer includes, nor does any other:",
            "/credentials?tab=in_use&amp;scope=journaling%3Awrite",
            "1 credential in use has write access to",
            "1 credential in use had read access to SSE events",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(html(None).contains("nothing to compare"));
        assert!(html(Some(Vec::new())).contains("Only texts"));
    }

    #[test]
    fn nobody_is_no_link() {
        let right = Right {
            scope: "data:read".parse().unwrap(),
            title: "Data".to_owned(),
        };
        let html = sample::html(|| touched(&right, 0, false));
        assert!(html.contains("0 credentials in use have read access to Data"));
        assert!(!html.contains("href"));
    }
}

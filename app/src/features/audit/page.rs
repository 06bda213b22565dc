//! The audit page: everything that anybody did, newest first. What it shows is in the URL.

use domain::audit::{Action, Outcome};
use domain::role::Permission;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::query::LOG;
use super::{AuditParams, AuditResults, entry, search_audit};
use crate::components::{
    CopyButton, EmptyState, ErrorState, Field, Glyph, Input, PageHead, Pager, SearchForm, Select,
    Skeleton,
};
use crate::error::ApiError;
use crate::frame::Only;
use crate::words::{capitalised, count};

/// The audit page.
#[component]
pub fn AuditPage() -> impl IntoView {
    view! {
        <Only permission=Permission::SeeAuditLog>
            <Contents />
        </Only>
    }
    .into_any()
}

#[component]
fn Contents() -> impl IntoView {
    let query = use_query_map();
    let params = Memo::new(move |_| query.with(|query| AuditParams::read(|name| query.get(name))));
    let results = Resource::new_blocking(move || params.get(), search_audit);
    view! {
        <PageHead
            title="Audit"
            lead="Everything that anybody did, and everything that was refused. Entries are never changed."
        >
            {move || {
                let all = params.get().first_page();
                view! {
                    <a class="btn" href=all.href("/audit/export.csv") rel="external" download>
                        "Export CSV"
                    </a>
                    <a class="btn" href=all.href("/audit/export.jsonl") rel="external" download>
                        "Export JSONL"
                    </a>
                }
            }}
        </PageHead>
        <div class="stack">
            <Filters params=params.get_untracked() />
            <section class="card section">
                <Transition fallback=|| view! { <Skeleton lines=12 /> }>
                    {move || Suspend::new(async move { contents(results.await, &params.get()) })}
                </Transition>
            </section>
        </div>
    }
    .into_any()
}

#[component]
fn Filters(params: AuditParams) -> impl IntoView {
    let any = |words: &str| (String::new(), words.to_owned());
    let actions = Action::ALL
        .iter()
        .map(|action| (action.to_string(), label(*action)));
    let actions = std::iter::once(any("Anything")).chain(actions).collect();
    let outcomes = [
        any("Any"),
        (Outcome::Done.to_string(), "Done".to_owned()),
        (Outcome::Denied.to_string(), "Refused".to_owned()),
        (Outcome::Failed.to_string(), "Failed".to_owned()),
    ];
    let filtered = params.is_filtered();
    view! {
        <SearchForm action=LOG filtered=filtered>
            <Field name="actor" label="Who" value=params.actor optional=true hint="A name, or a person’s id." />
            <Field
                name="object"
                label="To what"
                value=params.object
                optional=true
                hint="A name, or a key id."
            />
            <Select
                name="action"
                label="What"
                options=actions
                value=params.action.map_or("", Action::as_str)
            />
            <Select
                name="outcome"
                label="Outcome"
                options=outcomes.to_vec()
                value=params.outcome.map_or("", Outcome::as_str)
            />
            <Field name="from" label="From" kind=Input::Date value=params.from optional=true hint="The day in UTC." />
            <Field name="until" label="To" kind=Input::Date value=params.until optional=true hint="The day in UTC." />
        </SearchForm>
    }
    .into_any()
}

/// `credential.issued` as `Credential issued`.
fn label(action: Action) -> String {
    capitalised(&action.as_str().replace(['.', '_'], " "))
}

fn contents(results: Result<AuditResults, ApiError>, params: &AuditParams) -> AnyView {
    let results = match results {
        Ok(results) => results,
        Err(error) => return view! { <ErrorState error=error /> }.into_any(),
    };
    let AuditResults {
        entries,
        has_newer,
        has_older,
        count: total,
        head,
    } = results;
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return view! {
            <EmptyState
                glyph=Glyph::Search
                title="Nothing matches"
                text="Names must be whole, as they were when it happened. Take a filter away."
            />
        }
        .into_any();
    };
    let older = has_older.then(|| params.page(last.seq.to_string(), String::new()).href(LOG));
    let newer = has_newer.then(|| params.page(String::new(), first.seq.to_string()).href(LOG));
    let total = count(usize::try_from(total).unwrap_or_default(), "event");
    let items = entries.into_iter().map(entry).collect_view();
    view! {
        <ol class="story">{items}</ol>
        <Pager summary=format!("{total} in the log") previous=newer next=older />
        <p class="quiet">
            "The log is a chain: each entry has the hash of all before it. Keep the last hash elsewhere, and "
            <code>"keyrack audit verify"</code> " proves the log up to it."
        </p>
        <div class="copy">
            <code>{head.clone()}</code>
            <CopyButton text=head what="the last hash" />
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_read_like_words() {
        assert_eq!(label(Action::UserRoleChanged), "User role changed");
    }
}

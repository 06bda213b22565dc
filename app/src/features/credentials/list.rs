//! The list: tabs, search, filters, rows, pages. Everything that it shows is in the URL.

use std::time::Duration;

use domain::access::AccessKind;
use domain::credential::Flow;
use domain::role::Permission;
use leptos::leptos_dom::helpers::TimeoutHandle;
use leptos::prelude::*;
use leptos::{ev, html};
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use web_sys::{HtmlFormElement, SubmitEvent};

use super::live::{fields, fill, form_of};
use super::query::LIST;
use super::rows::rows;
use super::{
    Counts, CredentialList, Filters, ListParams, Sort, Tab, credential_filters, list_credentials,
};
use crate::components::{
    Column, EmptyState, ErrorState, Glyph, Icon, PageHead, Pager, Skeleton, Table,
};
use crate::error::ApiError;
use crate::viewer::Viewer;
use crate::words::{count, thousands};

/// How long somebody must stop typing before the list is searched.
const PAUSE: Duration = Duration::from_millis(250);

/// The list of credentials.
#[component]
pub fn CredentialsPage() -> impl IntoView {
    let query = use_query_map();
    let params = Memo::new(move |_| query.with(|query| ListParams::read(|name| query.get(name))));
    let list = Resource::new_blocking(move || params.get(), list_credentials);
    let owner = params.get_untracked().owner;
    let filters = Resource::new_blocking(move || owner.clone(), credential_filters);
    let busy = RwSignal::new(false);
    view! {
        <Transition fallback=|| {
            view! { <Head counts=None /> }
        }>
            {move || Suspend::new(async move {
                let counts = list.await.ok().map(|list| list.counts);
                view! {
                    <Head counts=counts />
                    {counts.map(|counts| view! { <Tabs counts=counts params=params.get() /> })}
                }
            })}
        </Transition>
        <Transition>
            {move || Suspend::new(async move {
                // Without them there is still the search; the list says what went wrong.
                let filters = filters.await.unwrap_or_default();
                view! { <FilterBar filters=filters params=params /> }
            })}
        </Transition>
        <div class="card credentials" aria-busy=move || busy.get().to_string()>
            <Transition fallback=|| view! { <Skeleton lines=12 /> }>
                {move || Suspend::new(async move { contents(list.await, &params.get()) })}
            </Transition>
        </div>
    }
    .into_any()
}

#[component]
fn Head(counts: Option<Counts>) -> impl IntoView {
    let facts = counts.map(facts).unwrap_or_default();
    view! {
        <PageHead title="Credentials" lead=format!("Every key of the team. {facts}")>
            {new_button()}
        </PageHead>
    }
    .into_any()
}

/// For those who may.
fn new_button() -> Option<AnyView> {
    Viewer::current()
        .can(Permission::ManageCredentials)
        .then(|| {
            view! { <a class="btn primary" href="/credentials/new">"New credential"</a> }.into_any()
        })
}

/// What needs somebody's attention, in a sentence.
fn facts(counts: Counts) -> String {
    let expiring = match counts.expiring {
        0 => None,
        1 => Some("1 expires within two weeks".to_owned()),
        more => Some(format!("{} expire within two weeks", thousands(more))),
    };
    let quarantined = match counts.quarantined {
        0 => None,
        1 => Some("1 is quarantined".to_owned()),
        more => Some(format!("{} are quarantined", thousands(more))),
    };
    match (expiring, quarantined) {
        (Some(expiring), Some(quarantined)) => format!("{expiring}, {quarantined}."),
        (Some(fact), None) | (None, Some(fact)) => format!("{fact}."),
        (None, None) => String::new(),
    }
}

#[component]
fn Tabs(counts: Counts, params: ListParams) -> impl IntoView {
    let tabs = Tab::ALL
        .iter()
        .map(|&tab| {
            view! {
                <a
                    href=params.with_tab(tab).href()
                    aria-current=(tab == params.tab).then_some("page")
                >
                    {tab.label()}
                    <span class="count num">{thousands(counts.of(tab))}</span>
                </a>
            }
        })
        .collect_view();
    view! { <nav class="tabs" aria-label="Which credentials">{tabs}</nav> }.into_any()
}

/// Search, filters and order: a GET form, which WASM sends as soon as something changes.
#[component]
fn FilterBar(filters: Filters, params: Memo<ListParams>) -> impl IntoView {
    let navigate = use_navigate();
    let form = NodeRef::<html::Form>::new();
    let apply = Callback::new(move |form: HtmlFormElement| {
        let fields = fields(&form);
        let text = |name: &str| {
            fields
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        };
        let href = ListParams::read(text).href();
        if href != params.get_untracked().first_page().href() {
            let here = NavigateOptions {
                replace: true,
                scroll: false,
                ..Default::default()
            };
            navigate(&href, here);
        }
    });
    // Leptos's own `debounce` can't be made on the server: its state is tied to one thread.
    let waiting = StoredValue::new(None::<TimeoutHandle>);
    let search = move |form: HtmlFormElement| {
        if let Some(earlier) = waiting.get_value() {
            earlier.clear();
        }
        waiting.set_value(set_timeout_with_handle(move || apply.run(form), PAUSE).ok());
    };
    // A link can change what is shown: `Clear filters`, Back.
    Effect::new(move |before: Option<()>| {
        let params = params.get();
        if before.is_some()
            && let Some(form) = form.get_untracked()
        {
            fill(&form, &params.fields());
        }
    });
    focus_search_on_slash(form);

    let start = params.get_untracked();
    let flows = Flow::ALL.map(|flow| (flow.as_str().to_owned(), flow.label().to_owned()));
    let kinds = AccessKind::ALL.map(|kind| (kind.as_str().to_owned(), kind.label().to_owned()));
    let sorts = Sort::ALL
        .iter()
        .map(|sort| (sort.as_str().to_owned(), sort.label().to_owned()));
    let others = filters
        .more_owners
        .then_some("Others: search for their name");
    let [_, flow, access, scope, owner, sort] = start.fields().map(|(_, value)| value);
    view! {
        <form
            class="filters"
            method="get"
            action=LIST
            role="search"
            node_ref=form
            on:submit=move |event: SubmitEvent| {
                event.prevent_default();
                if let Some(form) = form_of(&event) {
                    apply.run(form);
                }
            }
            on:change=move |event| {
                if let Some(form) = form_of(&event) {
                    apply.run(form);
                }
            }
        >
            <input type="hidden" name="tab" prop:value=move || params.get().tab.as_str() value=start.tab.as_str() />
            <label class="search">
                <Icon glyph=Glyph::Search />
                <input
                    class="input"
                    type="search"
                    name="q"
                    value=start.search.clone()
                    placeholder="Name, key id, owner or endpoint"
                    aria-label="Search credentials"
                    autocomplete="off"
                    maxlength="200"
                    on:input=move |event| {
                        if let Some(form) = form_of(&event) {
                            search(form);
                        }
                    }
                />
                <kbd class="live-only">"/"</kbd>
            </label>
            {choice("flow", "Any flow", flows.into(), &flow, None)}
            {choice("access", "Any access", kinds.into(), &access, None)}
            {choice("scope", "Any scope", filters.scopes, &scope, None)}
            {choice("owner", "Any owner", filters.owners, &owner, others)}
            {order(sorts.collect(), &sort)} <button class="btn until-live">"Apply"</button>
        </form>
    }
    .into_any()
}

/// One of several values, or any.
fn choice(
    name: &'static str,
    any: &'static str,
    options: Vec<(String, String)>,
    chosen: &str,
    // What to know about those that are not offered.
    others: Option<&'static str>,
) -> AnyView {
    let options = [(String::new(), any.to_owned())]
        .into_iter()
        .chain(options)
        .collect();
    select(name, any, options, chosen, others)
}

fn order(options: Vec<(String, String)>, chosen: &str) -> AnyView {
    select("sort", "Order", options, chosen, None)
}

fn select(
    name: &'static str,
    label: &'static str,
    options: Vec<(String, String)>,
    chosen: &str,
    others: Option<&'static str>,
) -> AnyView {
    let options = options
        .into_iter()
        .map(|(value, words)| {
            let selected = value == chosen;
            view! { <option value=value selected=selected>{words}</option> }
        })
        .collect_view();
    let others = others.map(|words| view! { <option disabled>{words}</option> });
    view! {
        <select class="input" name=name aria-label=label>
            {options}
            {others}
        </select>
    }
    .into_any()
}

/// `/` leads to the search, unless somebody is typing elsewhere.
fn focus_search_on_slash(form: NodeRef<html::Form>) {
    Effect::new(move |_| {
        let handle = window_event_listener(ev::keydown, move |event| {
            let typing = document()
                .active_element()
                .is_some_and(|element| element.matches("input,textarea,select").unwrap_or(false));
            if event.key() == "/" && !typing && form.get_untracked().is_some() {
                event.prevent_default();
                super::live::focus("input[name=q]");
            }
        });
        on_cleanup(move || handle.remove());
    });
}

fn contents(list: Result<CredentialList, ApiError>, params: &ListParams) -> AnyView {
    let list = match list {
        Ok(list) => list,
        Err(error) => return view! { <ErrorState error=error /> }.into_any(),
    };
    if list.rows.is_empty() {
        return nothing(list.counts, params);
    }
    let summary = summary(&list, params);
    let page = |after: Option<String>, before: Option<String>| {
        ListParams {
            after: after.unwrap_or_default(),
            before: before.unwrap_or_default(),
            ..params.clone()
        }
        .href()
    };
    let previous = list.before.map(|before| page(None, Some(before)));
    let next = list.after.map(|after| page(Some(after), None));
    view! {
        <Table caption="Credentials" columns=columns(params)>
            {rows(list.rows, &list.scopes)}
        </Table>
        <Pager summary=summary previous=previous next=next />
    }
    .into_any()
}

/// `50 of 1,234`, as far as the number is known.
fn summary(list: &CredentialList, params: &ListParams) -> String {
    let shown = list.rows.len();
    let total = list.counts.of(params.tab);
    if shown == total && !params.is_filtered() {
        count(total, "credential")
    } else if params.is_filtered() {
        format!("{} on this page", count(shown, "credential"))
    } else {
        format!("{} of {}", thousands(shown), count(total, "credential"))
    }
}

fn columns(params: &ListParams) -> Vec<Column> {
    let sorted = |label, up, down, first| {
        let (order, next) = params.sort.of_column(up, down, first);
        Column::sorted(label, params.with_sort(next).href(), order)
    };
    vec![
        sorted("Credential", Sort::Name, Sort::NameDown, Sort::Name),
        Column::new("Signs in with"),
        Column::new("Access"),
        Column::new("State"),
        sorted("Expires", Sort::Expires, Sort::ExpiresDown, Sort::Expires),
        sorted("Last used", Sort::Used, Sort::UsedDown, Sort::UsedDown),
        Column::new("Owner"),
        sorted("Issued", Sort::Oldest, Sort::Newest, Sort::Newest),
    ]
}

/// In the place of a list with nothing in it.
fn nothing(counts: Counts, params: &ListParams) -> AnyView {
    if counts.all == 0 {
        let may = Viewer::current().can(Permission::ManageCredentials);
        let text = if may {
            "A credential lets one program call the API: how it signs in, what it may do and how \
             long. Create the first one; everyone on the team will see it here."
        } else {
            "A credential lets one program call the API. Superusers create them; you will see each \
             of them here."
        };
        return view! {
            <EmptyState glyph=Glyph::Key title="No credentials yet" text=text>
                {new_button()}
            </EmptyState>
        }
        .into_any();
    }
    let (title, text, href, words) = if *params != params.first_page() {
        let text = "The list has changed since the page before.";
        (
            "Nothing on this page",
            text,
            params.first_page().href(),
            "To the first page",
        )
    } else if params.is_filtered() {
        let text = "No credential fits the search and the filters.";
        (
            "No match",
            text,
            params.unfiltered().href(),
            "Clear filters",
        )
    } else {
        let text = "No credential is in this state.";
        (
            "None here",
            text,
            params.with_tab(Tab::All).href(),
            "Show all",
        )
    };
    view! {
        <EmptyState glyph=Glyph::Search title=title text=text>
            <a class="btn" href=href>
                {words}
            </a>
        </EmptyState>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::sample;

    #[test]
    fn the_heading_says_what_needs_attention() {
        let counts = |expiring, quarantined| Counts {
            expiring,
            quarantined,
            ..Counts::default()
        };
        for (given, words) in [
            (counts(0, 0), ""),
            (counts(1, 0), "1 expires within two weeks."),
            (
                counts(1200, 1),
                "1,200 expire within two weeks, 1 is quarantined.",
            ),
            (counts(0, 2), "2 are quarantined."),
        ] {
            assert_eq!(facts(given), words);
        }
    }

    #[test]
    fn an_empty_list_says_why_and_what_to_do() {
        let some = Counts {
            all: 3,
            ..Counts::default()
        };
        let of = |counts, params: &ListParams| sample::html(|| nothing(counts, params));
        let first = of(Counts::default(), &ListParams::default());
        assert!(first.contains("No credentials yet") && !first.contains("New credential"));
        let searched = ListParams {
            search: "x".to_owned(),
            ..ListParams::default()
        };
        assert!(of(some, &searched).contains(r#"href="/credentials""#));
        let tab = ListParams::default().with_tab(Tab::Expiring);
        assert!(of(some, &tab).contains("Show all"));
        let beyond = ListParams {
            after: "x".to_owned(),
            ..searched
        };
        assert!(of(some, &beyond).contains(r#"href="/credentials?q=x""#));
    }

    #[test]
    fn the_number_of_rows_is_told_as_far_as_it_is_known() {
        let list = CredentialList {
            rows: Vec::new(),
            scopes: Vec::new(),
            counts: Counts {
                all: 1234,
                ..Counts::default()
            },
            before: None,
            after: None,
        };
        assert_eq!(
            summary(&list, &ListParams::default()),
            "0 of 1,234 credentials"
        );
        let searched = ListParams {
            search: "x".to_owned(),
            ..ListParams::default()
        };
        assert_eq!(summary(&list, &searched), "0 credentials on this page");
    }
}

//! The catalogue page: every scope with its endpoints, a search over them, and what a call needs.

use domain::catalogue::{Catalogue, Endpoint, Scope};
use domain::scope::Level;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::api::{Status, get_status};
use super::changes::fault_notice;
use super::{Ask, get_catalogue, needs};
use crate::components::{
    Cell, Chip, Column, EmptyState, ErrorState, Glyph, Icon, Moment, PageHead, Skeleton, Table,
    Tone,
};
use crate::words::count;

/// The catalogue page.
#[component]
pub fn CataloguePage() -> impl IntoView {
    let catalogue = Resource::new_blocking(|| (), |()| get_catalogue());
    let status = Resource::new_blocking(|| (), |()| get_status());
    view! {
        <PageHead
            title="Catalogue"
            lead="Which calls of the API belong to which scope. The gate refuses what is not here."
        >
            <a class="btn" href="/catalogue/changes">"What changed"</a>
        </PageHead>
        <Transition fallback=|| {
            view! { <div class="card"><Skeleton /></div> }
        }>
            {move || Suspend::new(async move {
                match (catalogue.await, status.await) {
                    (Ok(catalogue), Ok(status)) => {
                        view! { <Contents catalogue=catalogue status=status /> }.into_any()
                    }
                    (Err(error), _) | (_, Err(error)) => {
                        view! { <div class="card"><ErrorState error=error /></div> }.into_any()
                    }
                }
            })}
        </Transition>
    }
    .into_any()
}

#[component]
fn Contents(catalogue: Catalogue, status: Status) -> impl IntoView {
    let search = RwSignal::new(
        use_query_map()
            .read_untracked()
            .get("q")
            .unwrap_or_default(),
    );
    let facts = [
        ("API", catalogue.name().to_owned()),
        ("Version", catalogue.version().to_owned()),
        ("Scopes", catalogue.scopes().len().to_string()),
        ("Endpoints", catalogue.endpoint_count().to_string()),
    ]
    .map(|(term, text)| view! { <dt>{term}</dt><dd>{text}</dd> })
    .collect_view();
    let since = status.since;
    let fault = status.fault.map(|fault| fault_notice(since, fault));
    let catalogue = StoredValue::new(catalogue);
    let answer = move |(method, path): (String, String)| {
        catalogue.with_value(|catalogue| needs(catalogue, &method, &path))
    };
    let found = move || {
        let search = search.get().trim().to_lowercase();
        catalogue.with_value(|catalogue| scopes_with(catalogue, &search))
    };
    view! {
        <div class="stack">
            {fault}
            <div class="split">
                <div>
                    <form class="filters" method="get" on:submit=|event| event.prevent_default()>
                        <label class="search">
                            <Icon glyph=Glyph::Search />
                            <input
                                class="input"
                                type="search"
                                name="q"
                                value=search.get_untracked()
                                placeholder="Path, method or what it does"
                                aria-label="Search the catalogue"
                                on:input:target=move |event| search.set(event.target().value())
                            />
                        </label>
                        <button class="btn until-live">"Search"</button>
                    </form>
                    {found}
                </div>
                <aside class="card summary">
                    <dl class="facts">
                        {facts} <dt>"In force since"</dt>
                        <dd>
                            <Moment at=since time=true />
                        </dd>
                    </dl>
                    <Ask title="What does a call need?" page="/catalogue" answer=answer />
                </aside>
            </div>
        </div>
    }
    .into_any()
}

/// The scopes that have something with the search term in it.
fn scopes_with(catalogue: &Catalogue, search: &str) -> AnyView {
    let found: Vec<AnyView> = catalogue
        .scopes()
        .iter()
        .filter_map(|scope| {
            let whole = search.is_empty() || is_in(&[&scope.title, scope.name.as_str()], search);
            let endpoints: Vec<&Endpoint> = scope
                .endpoints
                .iter()
                .filter(|one| whole || has(one, search))
                .collect();
            let some = whole || !endpoints.is_empty();
            some.then(|| scope_card(scope, &endpoints, !search.is_empty()))
        })
        .collect();
    if found.is_empty() {
        return view! {
            <div class="card">
                <EmptyState
                    glyph=Glyph::Search
                    title="No endpoint like that"
                    text="The gate refuses what the catalogue does not have. Search for a part of a path, a method or a few words of what the call does."
                />
            </div>
        }
        .into_any();
    }
    view! { <div class="stack">{found}</div> }.into_any()
}

fn has(endpoint: &Endpoint, search: &str) -> bool {
    let call = format!("{} {}", endpoint.method, endpoint.path);
    is_in(&[&call, &endpoint.summary], search)
}

/// Whether one of the texts has the term, which is in lower case, in it.
fn is_in(texts: &[&str], search: &str) -> bool {
    texts
        .iter()
        .any(|text| text.to_lowercase().contains(search))
}

fn scope_card(scope: &Scope, endpoints: &[&Endpoint], open: bool) -> AnyView {
    let writes = endpoints
        .iter()
        .filter(|endpoint| endpoint.level == Level::Write && !endpoint.public)
        .count();
    let extent = format!(
        "{}, {}",
        count(endpoints.len(), "endpoint"),
        if writes == 0 {
            "all reads".to_owned()
        } else {
            count(writes, "write")
        }
    );
    let rows = endpoints
        .iter()
        .map(|endpoint| endpoint_row(endpoint))
        .collect_view();
    let columns = vec![
        Column::new("Call"),
        Column::new("What it does"),
        Column::new("Needs"),
    ];
    view! {
        <details class="card unfolds" open=open>
            <summary>
                <Icon glyph=Glyph::Chevron />
                <span class="two">
                    <span class="line">
                        <b>{scope.title.clone()}</b>
                        <code class="quiet">{scope.name.to_string()}</code>
                        <small class="quiet">{extent}</small>
                    </span>
                    <span class="quiet">{scope.description.clone()}</span>
                </span>
            </summary>
            <Table caption=format!("Endpoints of {}", scope.title) columns=columns>
                {rows}
            </Table>
        </details>
    }
    .into_any()
}

fn endpoint_row(endpoint: &Endpoint) -> AnyView {
    let (tone, needs) = match endpoint.level {
        _ if endpoint.public => (Tone::Warn, "public"),
        Level::Write => (Tone::Accent, Level::Write.as_str()),
        Level::Read => (Tone::Plain, Level::Read.as_str()),
    };
    let call = format!("{} {}", endpoint.method, endpoint.path);
    let summary = endpoint.summary.clone();
    view! {
        <tr role="row">
            <Cell names_row=true class="wrap">
                <code>{call}</code>
            </Cell>
            <Cell class="wrap">{summary}</Cell>
            <Cell>
                <Chip tone=tone>{needs}</Chip>
            </Cell>
        </tr>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use domain::access::Access;
    use domain::catalogue::EndpointAccess;

    use super::*;
    use crate::features::catalogue::can_call;
    use crate::features::sample;

    fn html(search: &str) -> String {
        sample::html(|| scopes_with(&sample::catalogue(), search))
    }

    #[test]
    fn a_search_finds_paths_methods_and_purposes() {
        let all = html("");
        assert!(all.contains("/v1/accounts") && all.contains("/v1/journals"));
        let some = html("post /v1/journals");
        assert!(some.contains("/v1/journals") && !some.contains("/v1/accounts"));
        assert!(some.contains("1 endpoint, 1 write"));
        let by_purpose = html("open an account");
        assert!(by_purpose.contains("POST /v1/accounts"));
        assert!(html("nothing like it").contains("No endpoint"));
    }

    #[test]
    fn a_public_endpoint_is_called_so_and_counts_as_no_write() {
        let mut file = sample::catalogue().file().clone();
        file.scopes[0].endpoints[1].access = Some(EndpointAccess::Public);
        let catalogue = Catalogue::try_from(file).unwrap();
        let html = sample::html(|| scopes_with(&catalogue, "post /v1/accounts"));
        assert!(html.contains(">public<"), "{html}");
        assert!(html.contains("1 endpoint, all reads"), "{html}");
        let verdict = needs(&catalogue, "POST", "/v1/accounts");
        let words =
            "Needs nothing: anybody may call it, without credentials. It is POST /v1/accounts.";
        assert_eq!(verdict.words, words);
        let reads = Access::ReadOnly;
        assert!(can_call(&catalogue, &reads, "POST", "/v1/accounts").good);
        assert!(!can_call(&catalogue, &reads, "POST", "/v1/journals").good);
    }
}

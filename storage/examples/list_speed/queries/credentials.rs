//! Pages of the credentials.

use domain::access::AccessKind;
use domain::credential::{Credential, Flow, State};
use domain::key_id::KeyId;
use domain::user::UserId;
use storage::{
    CredentialFilter, CredentialQuery, CredentialSort, CredentialTab, PageStart, Position,
    SharedStore,
};

use super::OTHERS;
use crate::{Result, now};

/// The first page of everything, newest first.
fn everything() -> CredentialQuery {
    CredentialQuery {
        now: now(),
        filter: CredentialFilter::default(),
        sort: CredentialSort::Created,
        descending: true,
        from: PageStart::First,
        limit: 50,
    }
}

/// First and deep pages in each order.
fn orders(key_id: KeyId) -> Vec<(String, CredentialQuery)> {
    let mut queries = Vec::new();
    for (sort, middle) in [
        (CredentialSort::Created, "1797000000000"),
        (CredentialSort::Name, "payroll-worker-5"),
        (CredentialSort::Expires, "1815000000000"),
        (CredentialSort::LastUsed, "1797000000000"),
    ] {
        for descending in [false, true] {
            let way = if descending { "down" } else { "up" };
            let first = CredentialQuery {
                sort,
                descending,
                ..everything()
            };
            let from = PageStart::After(Position {
                value: middle.to_owned(),
                key_id,
            });
            let deep = CredentialQuery {
                from,
                ..first.clone()
            };
            queries.push((format!("first page, {sort:?} {way}"), first));
            queries.push((format!("deep page, {sort:?} {way}"), deep));
        }
    }
    queries
}

/// Searches for what is rare, frequent and missing.
fn searches(known: &Credential) -> Vec<(String, CredentialFilter)> {
    [
        known.key_id.as_str(),
        known.name.as_str(),
        "payroll-worker-77",
        "worker",
        "Okafor",
        "kofi berg",
        "payroll-job",
        "GET /v1/accounts",
        "DELETE /v1/crypto/{id}/part3",
        "no such thing",
        "-99",
        "999",
        "xyz",
        "kr",
        "zz",
        "§§",
    ]
    .map(|term| (format!("search {term:?}"), search(term)))
    .into()
}

fn search(term: &str) -> CredentialFilter {
    CredentialFilter {
        search: Some(term.to_owned()),
        ..CredentialFilter::default()
    }
}

/// Filters that let much, little and nothing through.
fn filters(owner: UserId) -> Result<Vec<(String, CredentialFilter)>> {
    let all = CredentialFilter::default;
    let tab = |tab| CredentialFilter { tab, ..all() };
    let custom = CredentialFilter {
        access: Some(AccessKind::Custom),
        ..all()
    };
    let scope = |scope: &str, filter: &CredentialFilter| {
        Ok::<_, domain::scope::InvalidScope>(CredentialFilter {
            scope: Some(scope.parse()?),
            ..filter.clone()
        })
    };
    let few = CredentialFilter {
        state: Some(State::Disabled),
        flow: Some(Flow::Legacy),
        owner: Some(owner),
        ..custom.clone()
    };
    let nothing = CredentialFilter {
        tab: CredentialTab::InUse,
        ..few.clone()
    };
    let worker = Some("worker".to_owned());
    let named = [
        ("quarantined", tab(CredentialTab::Quarantined)),
        ("ended", tab(CredentialTab::Ended)),
        ("expiring", tab(CredentialTab::Expiring)),
        (
            "one owner",
            CredentialFilter {
                owner: Some(owner),
                ..all()
            },
        ),
        ("a rare scope", scope("crypto:read", &all())?),
        ("a rare scope to write", scope("crypto:write", &all())?),
        ("custom with a scope", scope("data:read", &custom)?),
        ("custom with a rare scope", scope("crypto:read", &custom)?),
        ("four filters", few.clone()),
        ("filters that exclude each other", nothing),
        (
            "search \"worker\" among four filters",
            CredentialFilter {
                search: worker.clone(),
                ..few
            },
        ),
        (
            "search \"worker\" in quarantine",
            CredentialFilter {
                search: worker,
                ..tab(CredentialTab::Quarantined)
            },
        ),
    ];
    Ok(named.map(|(name, filter)| (name.to_owned(), filter)).into())
}

/// The kinds of queries that people make of the credentials, the easy and the worst.
pub async fn credentials(store: &SharedStore) -> Result<Vec<(String, CredentialQuery)>> {
    let page = store.list_credentials(everything()).await?;
    let known = &page.rows.get(7).ok_or(OTHERS)?.credential;
    let mut queries = orders(known.key_id);
    for (name, filter) in searches(known).into_iter().chain(filters(known.owner)?) {
        for sort in [CredentialSort::Created, CredentialSort::Name] {
            let query = CredentialQuery {
                filter: filter.clone(),
                sort,
                ..everything()
            };
            queries.push((format!("{name}, {sort:?}"), query));
        }
    }
    Ok(queries)
}

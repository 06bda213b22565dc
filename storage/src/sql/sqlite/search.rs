//! Searching the list of credentials on SQLite, by the trigrams that FTS5 keeps, or, for a term that
//! is shorter than a trigram, by a walk over the index of the texts.
//!
//! Few hits are fetched and sorted. More are only numbered, and then met on a walk in the order of
//! the list, which ends as soon as the page is full. If most credentials are hits, even that is too
//! much: whoever walks meets them at once. A sample tells so before anything is counted.

use sqlx::QueryBuilder;

use super::{Connection, Db};
use crate::{CredentialSort, StoreResult};

/// A search of credentials.
pub(super) struct Search {
    term: String,
    /// The endpoints in which the term is.
    endpoints: Vec<String>,
    way: Way,
}

enum Way {
    /// Sort the hits.
    Sort,
    /// Walk in order, and stop at the numbers of the hits.
    Walk,
    /// Walk in order, and look at each text.
    LookAtEach,
}

/// More hits than this are not numbered.
const MANY: i64 = 20_000;
/// So many credentials are looked at before anything is counted …
const SAMPLE: i64 = 400;
/// … and if so many of them are hits, whoever walks meets them at once.
const MANY_OF_SAMPLE: i64 = 100;

impl Search {
    pub(super) async fn plan(
        db: &mut Connection,
        term: String,
        endpoints: Vec<String>,
        sort: CredentialSort,
    ) -> StoreResult<Self> {
        let mut search = Self {
            term,
            endpoints,
            way: Way::LookAtEach,
        };
        let mut query = QueryBuilder::new("SELECT count(*) FROM (SELECT search_facts");
        push_from(&mut query, sort, None);
        query.push(" LIMIT ").push_bind(SAMPLE);
        query
            .push(") WHERE instr(search_facts, ")
            .push_bind(search.term.clone())
            .push(") > 0");
        let sampled: i64 = query.build_query_scalar().fetch_one(&mut *db).await?;
        if sampled < MANY_OF_SAMPLE {
            let mut query = QueryBuilder::new("SELECT count(*) FROM (");
            search.push_hits(&mut query);
            query.push(" LIMIT ").push_bind(MANY + 1).push(")");
            let hits: i64 = query.build_query_scalar().fetch_one(db).await?;
            search.way = match hits {
                few if few <= worth_sorting(sort) => Way::Sort,
                some if some <= MANY => Way::Walk,
                _ => Way::LookAtEach,
            };
        }
        Ok(search)
    }

    /// The rows that have the term.
    fn push_hits(&self, query: &mut QueryBuilder<Db>) {
        if self.term.chars().count() >= 3 {
            // A phrase of trigrams is found where its characters follow each other: literally.
            let phrase = format!("\"{}\"", self.term.replace('"', "\"\""));
            query
                .push("SELECT rowid FROM credential_search WHERE credential_search MATCH ")
                .push_bind(phrase);
        } else {
            query
                .push("SELECT id FROM credentials INDEXED BY credentials_by_text WHERE instr(search_facts, ")
                .push_bind(self.term.clone())
                .push(") > 0");
        }
        query.push(" UNION ALL SELECT id FROM credentials WHERE last_used_endpoint IN (");
        self.push_endpoints(query);
    }

    fn push_endpoints(&self, query: &mut QueryBuilder<Db>) {
        let mut list = query.separated(", ");
        for endpoint in &self.endpoints {
            list.push_bind(endpoint.clone());
        }
        query.push(")");
    }
}

/// How many hits are few. On a walk by name, names with the term may come all together and last.
const fn worth_sorting(sort: CredentialSort) -> i64 {
    match sort {
        CredentialSort::Name => 3000,
        _ => 500,
    }
}

/// ` FROM credentials c WHERE …`: what a search finds, everything without one.
pub(super) fn push_from(
    query: &mut QueryBuilder<Db>,
    sort: CredentialSort,
    search: Option<&Search>,
) {
    query.push(" FROM credentials c");
    if search.is_none_or(|search| !matches!(search.way, Way::Sort)) {
        // Left alone, SQLite may take an index that suits a filter, and sort most of the table.
        query.push(" INDEXED BY ").push(match sort {
            CredentialSort::Created => "credentials_by_created",
            CredentialSort::Name => "credentials_by_name",
            CredentialSort::Expires => "credentials_by_expires",
            CredentialSort::LastUsed => "credentials_by_last_used",
        });
    }
    let Some(search) = search else {
        query.push(" WHERE TRUE");
        return;
    };
    if let Way::LookAtEach = search.way {
        query
            .push(" WHERE (instr(c.search_facts, ")
            .push_bind(search.term.clone());
        query.push(") > 0 OR c.last_used_endpoint IN (");
        search.push_endpoints(query);
    } else {
        query.push(" WHERE c.id IN (");
        search.push_hits(query);
    }
    query.push(")");
}

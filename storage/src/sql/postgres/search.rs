//! Searching the list of credentials on PostgreSQL, by the trigrams that `pg_trgm` keeps. The
//! planner knows how frequent a term is, and whether to sort its hits or to walk in order.

use sqlx::QueryBuilder;

use super::{Connection, Db};
use crate::{CredentialSort, StoreResult};

/// A search of credentials.
pub(super) struct Search {
    pattern: String,
    /// The endpoints in which the term is.
    endpoints: Vec<String>,
}

impl Search {
    #[expect(clippy::unused_async, reason = "the same call as for SQLite")]
    pub(super) async fn plan(
        _: &mut Connection,
        term: String,
        endpoints: Vec<String>,
        _: CredentialSort,
    ) -> StoreResult<Self> {
        Ok(Self {
            pattern: pattern(&term),
            endpoints,
        })
    }
}

/// A pattern for `LIKE` that finds a term anywhere, literally.
fn pattern(term: &str) -> String {
    let literal = term
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("%{literal}%")
}

/// ` FROM credentials c WHERE …`: what a search finds, everything without one.
pub(super) fn push_from(query: &mut QueryBuilder<Db>, _: CredentialSort, search: Option<&Search>) {
    query.push(" FROM credentials c WHERE ");
    match search {
        None => query.push("TRUE"),
        Some(search) => query
            .push("(c.search_facts LIKE ")
            .push_bind(search.pattern.clone())
            .push(" OR c.last_used_endpoint = ANY(")
            .push_bind(search.endpoints.clone())
            .push("))"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_becomes_a_pattern_of_itself() {
        assert_eq!(pattern("50%_\\"), r"%50\%\_\\%");
    }
}

//! Searching the list of credentials on PostgreSQL, by the trigrams that `pg_trgm` keeps, or, for a
//! term that is shorter than one, by an index of all pieces of one and two characters.
//!
//! The planner knows how frequent a term is, but not where its hits are in the order of the list. So
//! the rows next to where the page begins are looked at first: where hits fill it, the list is walked
//! over; where they don't, all hits are fetched and sorted.

use sqlx::QueryBuilder;

use super::{Connection, Db};
use crate::{CredentialQuery, CredentialSort, StoreResult};

/// A search of credentials.
pub(super) struct Search {
    term: String,
    /// The endpoints in which the term is.
    endpoints: Vec<String>,
    /// Whether hits fill the page where it begins.
    is_near: bool,
}

impl Search {
    /// `push_near` pushes ` FROM … WHERE …`: the rows next to where the page begins that pass its
    /// filters.
    pub(super) async fn plan(
        db: &mut Connection,
        term: String,
        endpoints: Vec<String>,
        wanted: &CredentialQuery,
        push_near: impl FnOnce(&mut QueryBuilder<Db>),
    ) -> StoreResult<Self> {
        let mut search = Self {
            term,
            endpoints,
            is_near: true,
        };
        let mut query = QueryBuilder::new("SELECT count(*)");
        push_near(&mut query);
        search.push_condition(&mut query);
        let near: i64 = query.build_query_scalar().fetch_one(db).await?;
        search.is_near = near > i64::from(wanted.limit);
        Ok(search)
    }

    /// Only what the search finds.
    pub(super) fn push_condition(&self, query: &mut QueryBuilder<Db>) {
        query.push(" AND (");
        if self.is_near || self.term.chars().count() > 2 {
            push_has(query, "c.search_facts", &self.term);
        } else {
            query
                .push("short_pieces(c.search_facts) @> ")
                .push_bind(vec![self.term.clone()]);
        }
        query
            .push(" OR c.last_used_endpoint = ANY(")
            .push_bind(self.endpoints.clone())
            .push("))");
    }

    /// What the rows are ordered by, besides their key id: no column, where its index is not to be
    /// walked over.
    pub(super) fn order(&self, sort: CredentialSort, column: &str) -> String {
        match sort {
            _ if self.is_near => format!("c.{column}"),
            CredentialSort::Name => format!("(c.{column} || '')"),
            _ => format!("(c.{column} + 0)"),
        }
    }
}

/// A condition: a text has a part, literally. As a pattern, so that the planner knows how seldom.
pub(super) fn push_has(query: &mut QueryBuilder<Db>, text: &str, part: &str) {
    query
        .push(format_args!("{text} LIKE "))
        .push_bind(pattern(part));
}

/// A pattern for `LIKE` that finds a part anywhere, literally.
fn pattern(part: &str) -> String {
    let literal = part
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("%{literal}%")
}

/// ` FROM credentials c WHERE TRUE`.
pub(super) fn push_from(query: &mut QueryBuilder<Db>, _: CredentialSort, _: Option<&Search>) {
    query.push(" FROM credentials c WHERE TRUE");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_becomes_a_pattern_of_itself() {
        assert_eq!(pattern("50%_\\"), r"%50\%\_\\%");
    }
}

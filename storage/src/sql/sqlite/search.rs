//! Searching the list of credentials on SQLite, by the trigrams that FTS5 keeps.
//!
//! The rows next to where the page begins are looked at first: where a term is frequent, they fill the
//! page. The hits of a rarer one are noted. Few are fetched and sorted; more are met on a walk in the
//! order of the list, which ends as soon as the page is full.

use sqlx::QueryBuilder;

use super::{Connection, Db};
use crate::{CredentialQuery, CredentialSort, StoreResult};

/// A search of credentials.
pub(super) struct Search {
    term: String,
    /// The endpoints in which the term is.
    endpoints: Vec<String>,
    way: Way,
}

enum Way {
    /// Sort the hits, whose ids are a JSON array.
    Sort(String),
    /// Walk in order, and stop at the hits.
    Walk(String),
    /// Walk in order, and look at each text.
    LookAtEach,
}

/// More hits than this are not noted.
const MANY: i64 = 20_000;

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
            way: Way::LookAtEach,
        };
        let mut query = QueryBuilder::new("SELECT count(*)");
        push_near(&mut query);
        search.push_look(&mut query);
        let near: i64 = query.build_query_scalar().fetch_one(&mut *db).await?;
        if near > i64::from(wanted.limit) {
            return Ok(search);
        }
        let mut query = QueryBuilder::new("SELECT count(*), json_group_array(id) FROM (");
        search.push_hits(&mut query);
        query.push(" LIMIT ").push_bind(MANY + 1).push(")");
        let (hits, ids): (i64, String) = query.build_query_as().fetch_one(db).await?;
        search.way = match hits {
            few if few <= worth_sorting(wanted.sort) => Way::Sort(ids),
            some if some <= MANY => Way::Walk(ids),
            _ => Way::LookAtEach,
        };
        Ok(search)
    }

    /// Only what the search finds.
    pub(super) fn push_condition(&self, query: &mut QueryBuilder<Db>) {
        match &self.way {
            Way::LookAtEach => self.push_look(query),
            Way::Sort(ids) | Way::Walk(ids) => {
                query
                    .push(" AND c.id IN (SELECT value FROM json_each(")
                    .push_bind(ids.clone())
                    .push("))");
            }
        }
    }

    /// What the rows are ordered by, besides their key id.
    #[expect(clippy::unused_self, reason = "the same call as for PostgreSQL")]
    pub(super) fn order(&self, _: CredentialSort, column: &str) -> String {
        format!("c.{column}")
    }

    /// The ids of the rows that have the term.
    fn push_hits(&self, query: &mut QueryBuilder<Db>) {
        match self.term.chars().count() {
            1 => {
                query.push("SELECT id FROM credentials INDEXED BY credentials_by_text WHERE ");
                push_has(query, "search_facts", &self.term);
            }
            // There is a line break behind each fact, so each pair begins some trigram.
            2 => {
                query
                    .push("SELECT DISTINCT doc AS id FROM credential_trigrams WHERE term >= ")
                    .push_bind(self.term.clone())
                    .push(" AND term <= ")
                    .push_bind(format!("{}{}", self.term, char::MAX));
            }
            // A phrase of trigrams is found where its characters follow each other: literally.
            _ => {
                let phrase = format!("\"{}\"", self.term.replace('"', "\"\""));
                query
                    .push(
                        "SELECT rowid AS id FROM credential_search WHERE credential_search MATCH ",
                    )
                    .push_bind(phrase);
            }
        }
        query.push(" UNION ALL SELECT id FROM credentials WHERE last_used_endpoint IN (");
        self.push_endpoints(query);
    }

    /// A condition: the row has the term.
    fn push_look(&self, query: &mut QueryBuilder<Db>) {
        query.push(" AND (");
        push_has(query, "c.search_facts", &self.term);
        query.push(" OR c.last_used_endpoint IN (");
        self.push_endpoints(query);
        query.push(")");
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

/// A condition: a text has a part, literally.
pub(super) fn push_has(query: &mut QueryBuilder<Db>, text: &str, part: &str) {
    query
        .push(format_args!("instr({text}, "))
        .push_bind(part.to_owned())
        .push(") > 0");
}

/// ` FROM credentials c WHERE TRUE`, for going over the rows as a search does, or in order.
pub(super) fn push_from(
    query: &mut QueryBuilder<Db>,
    sort: CredentialSort,
    search: Option<&Search>,
) {
    query.push(" FROM credentials c");
    if !search.is_some_and(|search| matches!(search.way, Way::Sort(_))) {
        // Left alone, SQLite may take an index that suits a filter, and sort most of the table.
        query.push(" INDEXED BY ").push(match sort {
            CredentialSort::Created => "credentials_by_created",
            CredentialSort::Name => "credentials_by_name",
            CredentialSort::Expires => "credentials_by_expires",
            CredentialSort::LastUsed => "credentials_by_last_used",
        });
    }
    query.push(" WHERE TRUE");
}

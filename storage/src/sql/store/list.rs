//! The list of credentials: pages in any order, under any filter, from 100,000 of them.
//!
//! A page is found in an index first (its key ids), and only its rows are then read. Each order has
//! an index that holds the columns of the filters, so the dearest page costs one walk over that
//! index. Where a search begins depends on the database.

use sqlx::{QueryBuilder, Row as _};

use super::columns::Columns;
use super::credential_row::{to_credential, to_last_use, to_owner};
use super::filter::{NEVER, push_filter};
use super::{Connection, Db, Row, Search, push_from, push_has, text};
use crate::{
    CredentialPage, CredentialQuery, CredentialRow, CredentialSort, PageStart, Position,
    StoreResult,
};

/// So many rows next to the beginning of a page may be looked at to plan a search.
const NEAR: i64 = 1000;

/// The way over an order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Way {
    const fn back(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

pub(super) async fn page(
    db: &mut Connection,
    wanted: &CredentialQuery,
) -> StoreResult<CredentialPage> {
    let forwards = if wanted.descending {
        Way::Down
    } else {
        Way::Up
    };
    let (way, from) = match &wanted.from {
        PageStart::First => (forwards, None),
        PageStart::After(position) => (forwards, Some(position)),
        PageStart::Before(position) => (forwards.back(), Some(position)),
    };
    let search = plan_search(db, wanted, way, from).await?;
    let search = search.as_ref();
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let mut rows = rows(db, wanted, search, way, from).await?;
    let more_ahead = rows.len() > limit;
    rows.truncate(limit);
    let more_behind = match (from, rows.first()) {
        (None, _) => false,
        (Some(_), Some(first)) => {
            any(db, wanted, search, way.back(), &first.position, false).await?
        }
        // Nothing ahead: the row that the page was to follow may itself be behind.
        (Some(from), None) => any(db, wanted, search, way.back(), from, true).await?,
    };
    if way == forwards {
        Ok(CredentialPage {
            rows,
            has_before: more_behind,
            has_after: more_ahead,
        })
    } else {
        rows.reverse();
        Ok(CredentialPage {
            rows,
            has_before: more_ahead,
            has_after: more_behind,
        })
    }
}

async fn plan_search(
    db: &mut Connection,
    wanted: &CredentialQuery,
    way: Way,
    from: Option<&Position>,
) -> StoreResult<Option<Search>> {
    let Some(term) = wanted.filter.search.as_deref().and_then(text::search_term) else {
        return Ok(None);
    };
    let endpoints = endpoints_with(db, &term).await?;
    let push_near = |query: &mut QueryBuilder<Db>| {
        query.push(" FROM (SELECT c.*");
        push_from(query, wanted.sort, None);
        push_place(
            query,
            wanted.sort,
            None,
            way,
            from.map(|from| (from, false)),
        );
        query.push(" LIMIT ").push_bind(NEAR).push(") c WHERE TRUE");
        push_filter(query, &wanted.filter, wanted.now);
    };
    Ok(Some(
        Search::plan(db, term, endpoints, wanted, push_near).await?,
    ))
}

/// The endpoints that have a term. There are few, so the statement leaps from one to the next in
/// their index.
async fn endpoints_with(db: &mut Connection, term: &str) -> StoreResult<Vec<String>> {
    let mut query = QueryBuilder::new(
        "WITH RECURSIVE endpoints AS (
             SELECT min(last_used_endpoint) AS endpoint FROM credentials
             UNION ALL
             SELECT (SELECT min(last_used_endpoint) FROM credentials
                 WHERE last_used_endpoint > endpoints.endpoint)
             FROM endpoints WHERE endpoints.endpoint IS NOT NULL
         )
         SELECT endpoint FROM endpoints WHERE endpoint IS NOT NULL",
    );
    query.push(" AND ");
    push_has(&mut query, "lower(endpoint)", term);
    Ok(query.build_query_scalar().fetch_all(db).await?)
}

/// The rows of a page in the order of the way, and one more if there is one.
async fn rows(
    db: &mut Connection,
    wanted: &CredentialQuery,
    search: Option<&Search>,
    way: Way,
    from: Option<&Position>,
) -> StoreResult<Vec<CredentialRow>> {
    let mut query = QueryBuilder::new(
        "SELECT c.*, u.name AS owner_name, u.disabled_at AS owner_disabled_at FROM (",
    );
    push_key_ids(
        &mut query,
        wanted,
        search,
        way,
        from.map(|from| (from, false)),
    );
    query.push(" LIMIT ").push_bind(i64::from(wanted.limit) + 1);
    query.push(
        ") page JOIN credentials c ON c.key_id = page.key_id JOIN users u ON u.id = c.owner_id",
    );
    push_order(&mut query, wanted.sort, None, way);
    query
        .build()
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| to_row(row, wanted.sort))
        .collect()
}

/// Whether there is any row on the way from a position; one at the position counts if `inclusive`.
async fn any(
    db: &mut Connection,
    wanted: &CredentialQuery,
    search: Option<&Search>,
    way: Way,
    from: &Position,
    inclusive: bool,
) -> StoreResult<bool> {
    let mut query = QueryBuilder::new("");
    push_key_ids(&mut query, wanted, search, way, Some((from, inclusive)));
    query.push(" LIMIT 1");
    Ok(query.build().fetch_optional(db).await?.is_some())
}

fn push_key_ids(
    query: &mut QueryBuilder<Db>,
    wanted: &CredentialQuery,
    search: Option<&Search>,
    way: Way,
    from: Option<(&Position, bool)>,
) {
    query.push("SELECT c.key_id");
    push_from(query, wanted.sort, search);
    push_filter(query, &wanted.filter, wanted.now);
    // After the filters, which cost less.
    if let Some(search) = search {
        search.push_condition(query);
    }
    push_place(query, wanted.sort, search, way, from);
}

/// Where the walk begins, and which way it goes.
fn push_place(
    query: &mut QueryBuilder<Db>,
    sort: CredentialSort,
    search: Option<&Search>,
    way: Way,
    from: Option<(&Position, bool)>,
) {
    if let Some((position, inclusive)) = from {
        push_from_position(query, sort, way, position, inclusive);
    }
    push_order(query, sort, search, way);
}

const fn column(sort: CredentialSort) -> &'static str {
    match sort {
        CredentialSort::Created => "created_at",
        CredentialSort::Name => "name_key",
        CredentialSort::Expires => "expires_key",
        CredentialSort::LastUsed => "last_used_key",
    }
}

fn push_order(
    query: &mut QueryBuilder<Db>,
    sort: CredentialSort,
    search: Option<&Search>,
    way: Way,
) {
    let column = column(sort);
    let order = search.map_or_else(
        || format!("c.{column}"),
        |search| search.order(sort, column),
    );
    let way = if way == Way::Up { "ASC" } else { "DESC" };
    query.push(format_args!(" ORDER BY {order} {way}, c.key_id {way}"));
}

fn push_from_position(
    query: &mut QueryBuilder<Db>,
    sort: CredentialSort,
    way: Way,
    position: &Position,
    inclusive: bool,
) {
    let comparison = match (way, inclusive) {
        (Way::Up, false) => ">",
        (Way::Up, true) => ">=",
        (Way::Down, false) => "<",
        (Way::Down, true) => "<=",
    };
    query.push(format_args!(
        " AND (c.{}, c.key_id) {comparison} (",
        column(sort)
    ));
    match (sort, position.value.as_str()) {
        // No name has a NUL, and PostgreSQL takes none.
        (CredentialSort::Name, name) => query.push_bind(name.replace('\0', "")),
        (CredentialSort::LastUsed, "") => query.push_bind(-NEVER),
        // No instant: whoever changed the link gets the end of the list.
        (_, instant) => query.push_bind(instant.parse().unwrap_or(NEVER)),
    };
    query
        .push(", ")
        .push_bind(position.key_id.as_str().to_owned())
        .push(")");
}

fn to_row(row: &Row, sort: CredentialSort) -> StoreResult<CredentialRow> {
    let credential = to_credential(row)?;
    let columns = Columns::of("credentials", row);
    let value = if sort == CredentialSort::Name {
        columns.get("name_key")?
    } else {
        match row.try_get::<i64, _>(column(sort))? {
            NEVER => String::new(),
            value if value == -NEVER => String::new(),
            millis => millis.to_string(),
        }
    };
    let (owner_name, owner_is_active) = to_owner(row)?;
    Ok(CredentialRow {
        position: Position {
            value,
            key_id: credential.key_id,
        },
        credential,
        owner_name,
        owner_is_active,
        last_use: to_last_use(row)?,
    })
}

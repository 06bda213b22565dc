//! The list of credentials: pages in any order, under any filter, from 100,000 of them.
//!
//! A page is found in an index first (its key ids), and only its rows are then read. Each order has
//! an index that holds all the columns of the filters, so the dearest page costs one walk over that
//! index. A search starts from the trigrams of its term while they lead to few credentials; a more
//! frequent term is met soon enough on a walk in order.

use domain::Instant;
use domain::access::AccessKind;
use domain::credential::{EXPIRING_WITHIN, State};
use sqlx::{QueryBuilder, Row as _};

use super::super::super::search;
use super::super::{POSITION, push_from_in_order, push_from_trigrams};
use super::columns::{Columns, millis};
use super::credentials::{to_credential, to_last_use, to_owner};
use super::{Connection, Db, Row};
use crate::{
    CredentialCounts, CredentialFilter, CredentialPage, CredentialQuery, CredentialRow,
    CredentialSort, CredentialTab, PageStart, Position, StoreResult,
};

/// Up to how many credentials a search is sorted rather than met on a walk.
const FEW: i64 = 1000;
/// What stands in `expires_key` for no end, and its opposite in `last_used_key` for no use.
const NEVER: i64 = i64::MAX;

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

/// Where to look for a search term.
enum Search {
    Nowhere,
    InOrder(String),
    ByTrigrams(String),
}

pub(super) async fn page(
    db: &mut Connection,
    wanted: &CredentialQuery,
) -> StoreResult<CredentialPage> {
    let search = plan_search(db, &wanted.filter).await?;
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
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let mut rows = rows(db, wanted, &search, way, from).await?;
    let more_ahead = rows.len() > limit;
    rows.truncate(limit);
    let more_behind = match (from, rows.first()) {
        (None, _) => false,
        (Some(_), Some(first)) => {
            any(db, wanted, &search, way.back(), &first.position, false).await?
        }
        // Nothing ahead: the row that the page was to follow may itself be behind.
        (Some(from), None) => any(db, wanted, &search, way.back(), from, true).await?,
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

async fn plan_search(db: &mut Connection, filter: &CredentialFilter) -> StoreResult<Search> {
    let Some(term) = filter.search.as_deref().and_then(search::term) else {
        return Ok(Search::Nowhere);
    };
    if term.chars().count() < 3 {
        return Ok(Search::InOrder(term));
    }
    let mut query = QueryBuilder::new("SELECT count(*) FROM (SELECT 1");
    push_from_trigrams(&mut query, &term);
    query.push(" LIMIT ").push_bind(FEW + 1).push(") few");
    let found: i64 = query.build_query_scalar().fetch_one(db).await?;
    Ok(if found <= FEW {
        Search::ByTrigrams(term)
    } else {
        Search::InOrder(term)
    })
}

/// The rows of a page in the order of the way, and one more if there is one.
async fn rows(
    db: &mut Connection,
    wanted: &CredentialQuery,
    search: &Search,
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
    push_order(&mut query, wanted.sort, way);
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
    search: &Search,
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
    search: &Search,
    way: Way,
    from: Option<(&Position, bool)>,
) {
    query.push("SELECT c.key_id");
    match search {
        Search::ByTrigrams(term) => push_from_trigrams(query, term),
        Search::Nowhere | Search::InOrder(_) => push_from_in_order(query, wanted.sort),
    }
    push_filter(query, &wanted.filter, wanted.now);
    if let Search::ByTrigrams(term) | Search::InOrder(term) = search {
        query.push(format_args!(" AND {POSITION}(c.search_text, "));
        query.push_bind(term.clone()).push(") > 0");
    }
    if let Some((position, inclusive)) = from {
        push_from_position(query, wanted.sort, way, position, inclusive);
    }
    push_order(query, wanted.sort, way);
}

fn push_filter(query: &mut QueryBuilder<Db>, filter: &CredentialFilter, now: Instant) {
    push_tab(query, filter.tab, now);
    if let Some(state) = filter.state {
        push_state(query, state, now);
    }
    if let Some(flow) = filter.flow {
        query.push(" AND c.flow = ").push_bind(flow.as_str());
    }
    if let Some(kind) = filter.access {
        query.push(" AND c.access_kind = ").push_bind(kind.as_str());
    }
    if let Some(owner) = filter.owner {
        query
            .push(" AND c.owner_id = ")
            .push_bind(owner.to_string());
    }
    if let Some(scope) = &filter.scope {
        query
            .push(" AND (c.access_kind <> ")
            .push_bind(AccessKind::Custom.as_str());
        query.push(format_args!(" OR {POSITION}(c.readable_scopes, "));
        query.push_bind(format!(",{scope},")).push(") > 0)");
    }
}

fn push_tab(query: &mut QueryBuilder<Db>, tab: CredentialTab, now: Instant) {
    match tab {
        CredentialTab::All => {}
        CredentialTab::InUse => push_state(query, State::Active, now),
        CredentialTab::Expiring => {
            push_state(query, State::Active, now);
            query
                .push(" AND c.expires_key <= ")
                .push_bind(expiring_until(now));
        }
        CredentialTab::NeverExpires => {
            query
                .push(" AND c.standing = 'active' AND c.expires_key = ")
                .push_bind(NEVER);
        }
        CredentialTab::Quarantined => push_state(query, State::Disabled, now),
        CredentialTab::Ended => {
            query.push(" AND (c.standing = 'revoked' OR c.expires_key <= ");
            query.push_bind(millis(now)).push(")");
        }
    }
}

/// The same rule as [`domain::credential::state_at`].
fn push_state(query: &mut QueryBuilder<Db>, state: State, now: Instant) {
    let now = millis(now);
    match state {
        State::Active => {
            query
                .push(" AND c.standing = 'active' AND c.expires_key > ")
                .push_bind(now);
        }
        State::Disabled => {
            query
                .push(" AND c.standing = 'disabled' AND c.expires_key > ")
                .push_bind(now);
        }
        State::Expired => {
            query
                .push(" AND c.standing <> 'revoked' AND c.expires_key <= ")
                .push_bind(now);
        }
        State::Revoked => {
            query.push(" AND c.standing = 'revoked'");
        }
    }
}

/// The last instant, in milliseconds, at which the end of an expiring credential may be.
fn expiring_until(now: Instant) -> i64 {
    millis(now).saturating_add(EXPIRING_WITHIN.num_milliseconds())
}

const fn column(sort: CredentialSort) -> &'static str {
    match sort {
        CredentialSort::Created => "created_at",
        CredentialSort::Name => "name_key",
        CredentialSort::Expires => "expires_key",
        CredentialSort::LastUsed => "last_used_key",
    }
}

fn push_order(query: &mut QueryBuilder<Db>, sort: CredentialSort, way: Way) {
    let column = column(sort);
    let way = if way == Way::Up { "ASC" } else { "DESC" };
    query.push(format_args!(" ORDER BY c.{column} {way}, c.key_id {way}"));
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

/// Counts each part of the index over standing and end once.
pub(super) async fn counts(db: &mut Connection, now: Instant) -> StoreResult<CredentialCounts> {
    let count = |part: &str| format!("(SELECT count(*) FROM credentials WHERE {part})");
    let parts = [
        count("standing = 'active' AND expires_key > $1 AND expires_key <= $2"),
        count("standing = 'active' AND expires_key > $2 AND expires_key < $3"),
        count("standing = 'active' AND expires_key = $3"),
        count("standing = 'active' AND expires_key <= $1"),
        count("standing = 'disabled' AND expires_key > $1"),
        count("standing = 'disabled' AND expires_key <= $1"),
        count("standing = 'revoked'"),
    ];
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {}", parts.join(", "))))
        .bind(millis(now))
        .bind(expiring_until(now))
        .bind(NEVER)
        .fetch_one(db)
        .await?;
    let number = |part: usize| Ok::<_, sqlx::Error>(row.try_get::<i64, _>(part)?.unsigned_abs());
    let [
        expiring,
        later,
        never_expires,
        expired,
        quarantined,
        expired_disabled,
        revoked,
    ] = [
        number(0)?,
        number(1)?,
        number(2)?,
        number(3)?,
        number(4)?,
        number(5)?,
        number(6)?,
    ];
    let in_use = expiring + later + never_expires;
    let ended = expired + expired_disabled + revoked;
    Ok(CredentialCounts {
        all: in_use + quarantined + ended,
        in_use,
        expiring,
        never_expires,
        quarantined,
        ended,
    })
}

//! The users page: people with what they own, page by page, from 10,000 of them. The owned
//! credentials are counted in their index, for the rows of the page only.

use domain::Instant;
use domain::user::{PersonFilter, UserId};
use sqlx::{QueryBuilder, Row as _};

use super::columns::{Columns, millis};
use super::filter::push_not_ended;
use super::users::{push_search, to_user};
use super::{Connection, Db, Row};
use crate::{PeoplePage, PeopleQuery, PeopleStart, PersonRecord, StoreResult};

pub(super) async fn page(db: &mut Connection, wanted: &PeopleQuery) -> StoreResult<PeoplePage> {
    let mut query = select(wanted.now);
    push_search(&mut query, wanted.search.as_deref());
    if let Some(role) = wanted.role {
        query.push(" AND u.role = ").push_bind(role.as_str());
    }
    if let Some(state) = wanted.state {
        push_state(&mut query, state, wanted);
    }
    let (from, comparison, way) = match wanted.from {
        PeopleStart::First => (None, ">", "ASC"),
        PeopleStart::After(id) => (Some(id), ">", "ASC"),
        PeopleStart::Before(id) => (Some(id), "<", "DESC"),
    };
    if let Some(id) = from {
        query.push(format_args!(
            " AND (u.name_key, u.id) {comparison} (SELECT name_key, id FROM users WHERE id = "
        ));
        query.push_bind(id.to_string()).push(")");
    }
    query
        .push(format_args!(
            " ORDER BY u.name_key {way}, u.id {way} LIMIT "
        ))
        .push_bind(i64::from(wanted.limit) + 1);
    let rows = query.build().fetch_all(db).await?;
    let mut people = rows
        .iter()
        .map(to_record)
        .collect::<StoreResult<Vec<_>>>()?;
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let more = people.len() > limit;
    people.truncate(limit);
    // Behind a page that was reached from another one is that one.
    Ok(match wanted.from {
        PeopleStart::Before(_) => {
            people.reverse();
            PeoplePage {
                people,
                has_before: more,
                has_after: true,
            }
        }
        _ => PeoplePage {
            people,
            has_before: from.is_some(),
            has_after: more,
        },
    })
}

pub(super) async fn find(
    db: &mut Connection,
    id: UserId,
    now: Instant,
) -> StoreResult<Option<PersonRecord>> {
    let mut query = select(now);
    query.push(" AND u.id = ").push_bind(id.to_string());
    let row = query.build().fetch_optional(db).await?;
    row.as_ref().map(to_record).transpose()
}

fn select(now: Instant) -> QueryBuilder<Db> {
    let mut query = QueryBuilder::new(
        "SELECT u.*, (SELECT t.expires_at FROM one_time_tokens t
             WHERE t.user_id = u.id AND t.expires_at > ",
    );
    query
        .push_bind(millis(now))
        .push(") AS link_ends_at, (SELECT count(*) FROM credentials c WHERE c.owner_id = u.id");
    push_not_ended(&mut query, now);
    query.push(
        ") AS owned, (EXISTS (SELECT 1 FROM totp_secrets f WHERE f.user_id = u.id)
              OR EXISTS (SELECT 1 FROM passkeys f WHERE f.user_id = u.id)) AS has_second_factor,
             (SELECT i.issuer FROM identities i WHERE i.user_id = u.id
              ORDER BY COALESCE(i.last_login_at, i.created_at) DESC, i.issuer LIMIT 1) AS issuer,
             (SELECT max(s.idle_until) FROM sessions s WHERE s.user_id = u.id) AS idle_until
         FROM users u WHERE TRUE",
    );
    query
}

fn push_state(query: &mut QueryBuilder<Db>, state: PersonFilter, wanted: &PeopleQuery) {
    match state {
        PersonFilter::Active if !wanted.tell_invited => {
            query.push(" AND u.disabled_at IS NULL");
        }
        PersonFilter::Invited if !wanted.tell_invited => {
            query.push(" AND FALSE");
        }
        PersonFilter::Active => {
            query.push(
                " AND u.disabled_at IS NULL
                  AND (u.password_hash IS NOT NULL OR u.last_login_at IS NOT NULL)",
            );
        }
        PersonFilter::Invited => {
            query.push(
                " AND u.disabled_at IS NULL
                  AND u.password_hash IS NULL AND u.last_login_at IS NULL",
            );
        }
        PersonFilter::Disabled => {
            query.push(" AND u.disabled_at IS NOT NULL");
        }
        PersonFilter::Orphaning => {
            query.push(
                " AND u.disabled_at IS NOT NULL
                  AND EXISTS (SELECT 1 FROM credentials c WHERE c.owner_id = u.id",
            );
            push_not_ended(query, wanted.now);
            query.push(")");
        }
    }
}

fn to_record(row: &Row) -> StoreResult<PersonRecord> {
    let columns = Columns::of("users", row);
    Ok(PersonRecord {
        user: to_user(row)?,
        has_password: columns.get::<Option<String>>("password_hash")?.is_some(),
        password_failures: columns.count("password_failures")?,
        issuer: columns.get("issuer")?,
        link_ends_at: columns.optional_instant("link_ends_at")?,
        has_second_factor: columns.get("has_second_factor")?,
        credentials: row.try_get::<i64, _>("owned")?.unsigned_abs(),
        idle_until: columns.optional_instant("idle_until")?,
    })
}

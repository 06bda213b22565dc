//! The filters of the list of credentials as conditions.

use domain::Instant;
use domain::access::AccessKind;
use domain::credential::{EXPIRING_WITHIN, State};
use domain::scope::{Level, WireScope};
use sqlx::QueryBuilder;

use super::columns::millis;
use super::{Db, push_has};
use crate::{CredentialFilter, CredentialTab};

/// What stands in `expires_key` for no end, and its opposite in `last_used_key` for no use.
pub(super) const NEVER: i64 = i64::MAX;

/// All of a filter but its search.
pub(super) fn push_filter(query: &mut QueryBuilder<Db>, filter: &CredentialFilter, now: Instant) {
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
        query.push(" AND ");
        match filter.access {
            Some(AccessKind::Custom) => push_custom_may(query, scope),
            _ => push_may(query, scope),
        }
    }
}

/// Whether a credential may do this.
pub(super) fn push_may(query: &mut QueryBuilder<Db>, right: &WireScope) {
    let everywhere = match right.level {
        Level::Read => "<> 'custom'",
        Level::Write => "= 'full'",
    };
    query.push(format_args!("(c.access_kind {everywhere} OR "));
    push_custom_may(query, right);
    query.push(")");
}

/// Whether a credential with custom access may do this. Scopes that may be written may be read, so
/// both levels are first looked for in the column that is in the indexes.
fn push_custom_may(query: &mut QueryBuilder<Db>, right: &WireScope) {
    let scope = &right.scope;
    query.push("(");
    push_has(query, "c.readable_scopes", &format!(",{scope},"));
    if right.level == Level::Write {
        query.push(" AND ");
        push_has(query, "c.access_levels", &format!("\"{scope}\":\"write\""));
    }
    query.push(")");
}

pub(super) fn push_tab(query: &mut QueryBuilder<Db>, tab: CredentialTab, now: Instant) {
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
        CredentialTab::Orphaned => {
            query.push(" AND c.owner_id IN (SELECT id FROM users WHERE disabled_at IS NOT NULL)");
            push_not_ended(query, now);
        }
        CredentialTab::Ended => {
            query.push(" AND (c.standing = 'revoked' OR c.expires_key <= ");
            query.push_bind(millis(now)).push(")");
        }
    }
}

/// Active or quarantined: it works, or can work again.
pub(super) fn push_not_ended(query: &mut QueryBuilder<Db>, now: Instant) {
    query
        .push(" AND c.standing <> 'revoked' AND c.expires_key > ")
        .push_bind(millis(now));
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
pub(super) fn expiring_until(now: Instant) -> i64 {
    millis(now).saturating_add(EXPIRING_WITHIN.num_milliseconds())
}

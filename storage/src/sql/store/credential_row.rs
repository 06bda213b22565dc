//! A credential as a row of its table, and back.

use std::collections::BTreeMap;

use domain::access::{Access, AccessKind};
use domain::credential::{Credential, Mark, Standing};
use domain::scope::{AccessLevel, Level, ScopeName};

use super::Row;
use super::columns::{Columns, json};
use crate::{LastUse, StoreResult};

/// The levels as JSON, and the scopes that may at least be read as `,accounts,data,`.
pub(super) fn access_columns(access: &Access) -> StoreResult<(String, String)> {
    let none = BTreeMap::new();
    let levels = if let Access::Custom(levels) = access {
        levels
    } else {
        &none
    };
    let scopes = levels
        .iter()
        .filter(|(_, level)| level.allows(Level::Read))
        .fold(String::from(","), |scopes, (scope, _)| {
            scopes + scope.as_str() + ","
        });
    Ok((json(levels)?, scopes))
}

pub(super) fn to_credential(row: &Row) -> StoreResult<Credential> {
    let columns = Columns::of("credentials", row);
    Ok(Credential {
        key_id: columns.parse("key_id")?,
        name: columns.parse("name")?,
        purpose: columns.parse("purpose")?,
        owner: columns.parse("owner_id")?,
        flow: columns.parse("flow")?,
        access: to_access(columns)?,
        limits: columns.json("limits", "they are no limits")?,
        expires_at: columns.optional_instant("expires_at")?,
        standing: to_standing(columns)?,
        created_at: columns.instant("created_at")?,
        created_by: columns.get("created_by")?,
        updated_at: columns.instant("updated_at")?,
    })
}

fn to_access(columns: Columns) -> StoreResult<Access> {
    match columns.parse("access_kind")? {
        AccessKind::ReadOnly => Ok(Access::ReadOnly),
        AccessKind::Full => Ok(Access::Full),
        AccessKind::Custom => {
            let levels: BTreeMap<ScopeName, AccessLevel> =
                columns.json("access_levels", "it is no object of levels")?;
            Ok(Access::Custom(levels))
        }
    }
}

fn to_standing(columns: Columns) -> StoreResult<Standing> {
    let mark = || {
        Ok(Mark {
            at: columns.instant("standing_at")?,
            by: columns.get("standing_by")?,
            reason: columns.parse_optional("standing_reason")?,
        })
    };
    match columns.get("standing")? {
        "active" => Ok(Standing::Active),
        "disabled" => mark().map(Standing::Disabled),
        "revoked" => mark().map(Standing::Revoked),
        _ => Err(columns.inconsistent("standing", "it is not active, disabled or revoked")),
    }
}

pub(super) fn to_last_use(row: &Row) -> StoreResult<Option<LastUse>> {
    let columns = Columns::of("credentials", row);
    let Some(at) = columns.optional_instant("last_used_at")? else {
        return Ok(None);
    };
    Ok(Some(LastUse {
        at,
        address: columns.get("last_used_address")?,
        endpoint: columns.get("last_used_endpoint")?,
    }))
}

/// The owner's name, and whether they are active.
pub(super) fn to_owner(row: &Row) -> StoreResult<(String, bool)> {
    let columns = Columns::of("users", row);
    Ok((
        columns.get("owner_name")?,
        columns.optional_instant("owner_disabled_at")?.is_none(),
    ))
}

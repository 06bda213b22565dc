//! The catalogues that were in force, numbered in the order in which they were taken up.

use super::Connection;
use super::columns::{Columns, millis};
use crate::{CATALOGUE_VERSIONS_KEPT, CatalogueVersion, StoreResult};

/// Adds a version unless it is the newest one already, and drops those that are too many.
pub(super) async fn take_up(db: &mut Connection, version: CatalogueVersion) -> StoreResult<bool> {
    let newest = list(db, i64::MAX, 1).await?.pop();
    let number = match newest {
        Some((_, newest)) if newest.hash == version.hash => return Ok(false),
        Some((number, _)) => number + 1,
        None => 1,
    };
    sqlx::query(
        "INSERT INTO catalogue_versions (number, hash, name, version, file, taken_up_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(number)
    .bind(version.hash.to_vec())
    .bind(version.name)
    .bind(version.version)
    .bind(version.file)
    .bind(millis(version.taken_up_at))
    .execute(&mut *db)
    .await?;
    sqlx::query("DELETE FROM catalogue_versions WHERE number <= $1")
        .bind(number - i64::from(CATALOGUE_VERSIONS_KEPT))
        .execute(db)
        .await?;
    Ok(true)
}

pub(super) async fn list(
    db: &mut Connection,
    before: i64,
    limit: u32,
) -> StoreResult<Vec<(i64, CatalogueVersion)>> {
    sqlx::query("SELECT * FROM catalogue_versions WHERE number < $1 ORDER BY number DESC LIMIT $2")
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let columns = Columns::of("catalogue_versions", row);
            let version = CatalogueVersion {
                hash: columns.hash("hash")?,
                name: columns.get("name")?,
                version: columns.get("version")?,
                file: columns.get("file")?,
                taken_up_at: columns.instant("taken_up_at")?,
            };
            Ok((columns.get("number")?, version))
        })
        .collect()
}

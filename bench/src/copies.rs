//! Many credentials that nobody uses. Issuing a million one by one takes most of an hour, so SQLite
//! copies some that were issued.

use anyhow::Context as _;
use sqlx::{Connection as _, SqliteConnection};

/// So many are issued one by one; the others are copies of the first.
pub const ISSUED: usize = 20_000;

/// Makes so many copies in the database at a URL, each with a key id, a name and a secret of its own.
pub async fn make(url: &str, count: usize) -> anyhow::Result<()> {
    let mut db = SqliteConnection::connect(url).await?;
    // A key id has digits from 2 to 7 only.
    sqlx::query(
        "CREATE TEMP TABLE made AS
         WITH RECURSIVE numbers (number) AS (
             SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < $1)
         SELECT number, 'KR' || replace(replace(replace(replace(
             printf('%020d', number), '0', 'A'), '1', 'B'), '8', 'C'), '9', 'D') AS key_id
         FROM numbers",
    )
    .bind(i64::try_from(count)?)
    .execute(&mut db)
    .await?;
    let copies = [
        "INSERT INTO credentials (key_id, name, purpose, owner_id, flow, access_kind, access_levels,
             readable_scopes, expires_at, standing, created_at, created_by, updated_at, search_facts,
             name_key, limits)
         SELECT made.key_id, 'copy-' || number, purpose, owner_id, flow, access_kind, access_levels,
             readable_scopes, expires_at, standing, created_at, created_by, updated_at,
             'copy-' || number || char(10) || lower(made.key_id) || char(10), 'copy-' || number, limits
         FROM made JOIN credentials ON id = 3 + number % 1000",
        "INSERT INTO credential_secrets (key_id, hash, created_at)
         SELECT key_id, randomblob(32), 0 FROM made",
    ];
    for copy in copies {
        let done = sqlx::query(copy).execute(&mut db).await?;
        anyhow::ensure!(
            done.rows_affected() == count as u64,
            "not every copy was made"
        );
    }
    db.close().await.context("the copies could not be kept")
}

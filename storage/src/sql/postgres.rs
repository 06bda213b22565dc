//! PostgreSQL: a pool, a connection that listens, and the statements that only PostgreSQL has.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Monotonic};

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions, Connection as _, PgConnection, Pool};
use tokio::sync::Mutex;

use super::{migrations, unavailable};
use crate::{IfMissing, SharedStore, StoreError, StoreResult};

mod search;
#[path = "store/mod.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "one text for two drivers, see sql/mod.rs"
)]
mod store;

use search::{Search, push_from, push_has};

type Db = sqlx::Postgres;
type Connection = PgConnection;
type Row = sqlx::postgres::PgRow;

/// Read committed, whatever the server's default is: what makes a transaction exact is the lock on
/// the audit head, and what is read after it must be what is committed by then.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const LOCK_AUDIT_HEAD: &str = "SELECT seq, hash FROM audit_head FOR UPDATE";
/// A connection can be dead without saying so.
const IS_REMOTE: bool = true;
/// How long the database may take over a look at the feed. On a connection that takes longer nothing comes
/// any more, most likely, and nobody would say so for minutes.
const LOOK_TIME: Duration = Duration::from_millis(500);
/// In milliseconds since 1970.
const DATABASE_TIME: Option<&str> =
    Some("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now");
/// Ends a query that takes its rows, one after the other, until the transaction ends.
const LOCK_ROWS: &str = " FOR UPDATE";

/// The channel by which the processes on one database tell each other that something has changed.
const CHANNEL: &str = "keyrack_changes";

// Each purpose has connections of its own, so that nobody waits for a connection behind a crowd of
// others: however long people's writes wait for the audit log, the gate and the feed can read. With the
// one that listens these are all that a process takes.

/// For transactions.
const WRITERS: u32 = 6;
/// For what people read.
const READERS: u32 = 5;
/// For what the gate and the issuer read.
const GATE_READERS: u32 = 3;
/// For the feed of changes: while one that died is given up, which may take seconds, another looks.
const FEED_READERS: u32 = 2;
/// So many writes for people run or wait for a lock at once, which leaves connections for those of
/// programs.
const PEOPLE_AT_ONCE: usize = 4;
/// How long one waits for a connection, or for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the database may take over anything else that the gate, the issuer or the feed reads: a gateway
/// does not wait much longer.
const READ_TIME: Duration = Duration::from_secs(1);
/// How long a connection that was idle may take to show that it is alive.
const PING_TIME: Duration = Duration::from_millis(300);
/// One that has shown it so short a time ago, when it came back to its pool, is not asked again where each
/// use has a time limit and would notice: that saves one way to the database and back. What is read for
/// the gate is then read with another one.
const ALIVE_FOR: Duration = Duration::from_secs(1);
/// How long the listener may take to connect.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// PostgreSQL asks a silent connection for a sign of life after 15 seconds: that keeps it known to
/// routers on the way, and gives up sessions whose other end is gone.
const KEEPALIVE: [(&str, &str); 3] = [
    ("tcp_keepalives_idle", "15"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];

struct Handle {
    writer: Pool<Db>,
    readers: Pool<Db>,
    gate: Pool<Db>,
    feed: Pool<Db>,
    options: PgConnectOptions,
    listener: Mutex<Option<PgListener>>,
    trusted_since: Arc<TrustedSince>,
}

/// Since when a connection must have been open to be used again.
#[derive(Debug)]
struct TrustedSince {
    began: Monotonic,
    millis: AtomicU64,
}

impl Default for TrustedSince {
    fn default() -> Self {
        Self {
            began: Monotonic::now(),
            millis: AtomicU64::new(0),
        }
    }
}

impl TrustedSince {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// From now on.
    fn set(&self) {
        let millis = u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX - 1);
        // The whole millisecond counts as before.
        self.millis.store(millis + 1, Ordering::SeqCst);
    }

    /// Whether a connection of this age is young enough.
    fn holds(&self, age: Duration) -> bool {
        let since = Duration::from_millis(self.millis.load(Ordering::SeqCst));
        since.is_zero() || self.now().saturating_sub(age) > since
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The options hold the password.
        f.debug_struct("Handle")
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}

pub(super) async fn connect(url: &str, missing: IfMissing) -> StoreResult<SharedStore> {
    let handle = open(url).await?;
    if missing == IfMissing::Refuse && !handle.has_schema().await? {
        handle.close().await?;
        return Err(StoreError::NoDatabase(place(&handle.options)));
    }
    Ok(Arc::new(store::SqlStore::new(handle)))
}

async fn open(url: &str) -> StoreResult<Handle> {
    let options = PgConnectOptions::from_str(url)?
        .application_name("keyrack")
        .options(KEEPALIVE)
        .disable_statement_logging();
    let limited = options.clone().options([
        ("statement_timeout", "30s"),
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "30s"),
        // A plan for the value that is searched for: the best one depends on how rare it is.
        ("plan_cache_mode", "force_custom_plan"),
    ]);
    let trusted_since = Arc::new(TrustedSince::default());
    let pool = |connections, alive_for| {
        let trusted_since = trusted_since.clone();
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .before_acquire(move |db, known| {
                let is_trusted = trusted_since.holds(known.age);
                Box::pin(async move {
                    if !is_trusted || known.idle_for < alive_for {
                        return Ok(is_trusted);
                    }
                    let ping = tokio::time::timeout(PING_TIME, db.ping()).await;
                    ping.map_err(|_| sqlx::Error::WorkerCrashed)??;
                    Ok(true)
                })
            })
    };
    let lazy =
        |connections, alive_for| pool(connections, alive_for).connect_lazy_with(limited.clone());
    Ok(Handle {
        writer: lazy(WRITERS, Duration::ZERO),
        // A wrong address is noticed here.
        readers: pool(READERS, Duration::ZERO)
            .connect_with(limited.clone())
            .await?,
        gate: lazy(GATE_READERS, ALIVE_FOR),
        feed: lazy(FEED_READERS, ALIVE_FOR),
        options,
        listener: Mutex::default(),
        trusted_since,
    })
}

/// Where it is, without what opens it.
fn place(options: &PgConnectOptions) -> String {
    let (host, port) = (options.get_host(), options.get_port());
    let database = options.get_database().unwrap_or(options.get_username());
    format!("postgres://{host}:{port}/{database}")
}

impl Handle {
    fn writer(&self) -> &Pool<Db> {
        &self.writer
    }

    fn readers(&self) -> &Pool<Db> {
        &self.readers
    }

    fn gate(&self) -> &Pool<Db> {
        &self.gate
    }

    fn feed(&self) -> &Pool<Db> {
        &self.feed
    }

    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the same call as for SQLite"
    )]
    const fn check(&self) -> StoreResult<()> {
        Ok(())
    }

    #[expect(clippy::unused_async, reason = "the same call as for SQLite")]
    async fn tidy(&self) -> StoreResult<()> {
        Ok(())
    }

    fn connect_anew(&self) {
        self.trusted_since.set();
    }

    async fn close(&self) -> StoreResult<()> {
        for pool in [&self.writer, &self.readers, &self.gate, &self.feed] {
            pool.close().await;
        }
        Ok(())
    }

    async fn migrate(&self) -> StoreResult<()> {
        // A connection without time limits, for long migrations and for waiting while another
        // process migrates. The lock ends with it, whatever happens.
        let mut db = self.options.connect().await?;
        let done = migrations::migrator(migrations::POSTGRES)
            .run_direct(None, &mut db, false)
            .await;
        db.close().await?;
        done.map_err(migrations::schema_error)
    }

    /// Whether any migration has been run.
    async fn has_schema(&self) -> StoreResult<bool> {
        let table = "SELECT 1 WHERE to_regclass('_sqlx_migrations') IS NOT NULL";
        let table = sqlx::query(table).fetch_optional(&self.readers).await?;
        if table.is_none() {
            return Ok(false);
        }
        let migration = "SELECT 1 FROM _sqlx_migrations LIMIT 1";
        let migration = sqlx::query(migration).fetch_optional(&self.readers).await?;
        Ok(migration.is_some())
    }

    async fn is_migrated(&self) -> StoreResult<bool> {
        if !self.has_schema().await? {
            return Ok(false);
        }
        let applied = sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations")
            .fetch_all(&self.readers)
            .await?;
        migrations::is_complete(migrations::POSTGRES, &applied)
    }

    #[expect(clippy::unused_async, reason = "the same call as for SQLite")]
    async fn backup(&self, _: &Path) -> StoreResult<Backup> {
        Err(StoreError::Unsupported(
            "back up PostgreSQL with its own tools: pg_dump, say",
        ))
    }

    /// Has the next wait open a connection of its own again.
    fn listen_anew(&self) {
        // Whoever holds it waits a moment only, and the next look that fails comes soon.
        if let Ok(mut listener) = self.listener.try_lock() {
            *listener = None;
        }
    }

    async fn wait_for_change(&self, patience: Duration) -> StoreResult<()> {
        let mut kept = self.listener.lock().await;
        let Some(listener) = kept.as_mut() else {
            // Whatever happened before it listened went unheard: the caller looks at once.
            let listening = tokio::time::timeout(CONNECT_TIME, self.listen()).await;
            *kept = Some(listening.map_err(unavailable)??);
            return Ok(());
        };
        let heard = match tokio::time::timeout(patience, listener.try_recv()).await {
            Err(_elapsed) => return Ok(()),
            Ok(heard) => heard,
        };
        match heard {
            Ok(Some(_)) => {
                while listener.next_buffered().is_some() {}
                Ok(())
            }
            Ok(None) => {
                *kept = None;
                Err(unavailable(
                    "the connection that listens for changes was lost",
                ))
            }
            Err(error) => {
                *kept = None;
                Err(error.into())
            }
        }
    }

    async fn listen(&self) -> StoreResult<PgListener> {
        // A pool of its own, so that listening takes no connection away from the requests.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(self.options.clone())
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }
}

/// There never is one.
enum Backup {}

impl Backup {
    const fn keep(self) -> StoreResult<()> {
        match self {}
    }
}

/// Tells the other processes, at the moment when the transaction commits.
async fn notify(db: &mut Connection) -> StoreResult<()> {
    sqlx::query("SELECT pg_notify($1, '')")
        .bind(CHANNEL)
        .execute(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_connection_shows_that_it_is_alive_and_has_time_limits() {
        let url = std::env::var("KEYRACK_TEST_POSTGRES").unwrap();
        let handle = open(&url).await.unwrap();
        let pools = [&handle.writer, &handle.readers, &handle.gate, &handle.feed];
        let told = "SELECT concat_ws(' ', current_setting('tcp_keepalives_idle'),
            current_setting('tcp_keepalives_interval'), current_setting('tcp_keepalives_count'),
            current_setting('statement_timeout'), current_setting('lock_timeout'))";
        for pool in pools {
            let told: String = sqlx::query_scalar(told).fetch_one(pool).await.unwrap();
            assert_eq!(told, "15 5 3 30s 10s");
        }
        // The listener waits for as long as it likes.
        let mut listener = handle.options.connect().await.unwrap();
        let told: String = sqlx::query_scalar(told)
            .fetch_one(&mut listener)
            .await
            .unwrap();
        assert_eq!(told, "15 5 3 0 0");
    }

    /// One more way to the database and back, for each use, where nobody would wait for a dead one.
    #[tokio::test]
    async fn a_connection_that_was_used_a_moment_ago_is_not_asked_where_each_use_has_a_time_limit()
    {
        let url = std::env::var("KEYRACK_TEST_POSTGRES").unwrap();
        let handle = open(&url).await.unwrap();
        for (pool, is_asked) in [
            (&handle.writer, true),
            (&handle.readers, true),
            (&handle.gate, false),
            (&handle.feed, false),
        ] {
            let ended = async {
                let mut db = pool.acquire().await.unwrap();
                let id: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
                    .fetch_one(&mut *db)
                    .await
                    .unwrap();
                id
            };
            let id = ended.await;
            while pool.num_idle() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let mut other = handle.options.connect().await.unwrap();
            sqlx::query("SELECT pg_terminate_backend($1, 10000)")
                .bind(id)
                .execute(&mut other)
                .await
                .unwrap();
            // One that is asked is found to be dead, and another one takes its place at once.
            let used = sqlx::query("SELECT 1").execute(pool).await;
            assert_eq!(used.is_ok(), is_asked, "{used:?}");
            // And if not, the next use finds another one.
            while pool.num_idle() == 0 && pool.size() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            sqlx::query("SELECT 1").execute(pool).await.unwrap();
        }
    }
}

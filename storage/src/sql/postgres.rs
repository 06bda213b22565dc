//! PostgreSQL: a pool, a connection that listens, and the statements that only PostgreSQL has.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Monotonic};

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions, Connection as _, PgConnection, Pool};
use tokio::sync::Mutex;

use super::{migrations, unavailable};
use crate::{IfMissing, SharedStore, StoreError, StoreResult};

mod address;
mod problems;
mod search;
mod start;
#[path = "store/mod.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "one text for two drivers, see sql/mod.rs"
)]
mod store;

use address::Address;
pub(super) use problems::explain;
use search::{Search, push_from, push_has};

type Db = sqlx::Postgres;
type Connection = PgConnection;
type Row = sqlx::postgres::PgRow;

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
// one that listens, and the one that is asked for a sign of life, these are all that a process takes.

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
/// How long the database may take to say on the connection that is kept for it that it is there, before another
/// one is tried.
const WATCH_TIME: Duration = Duration::from_millis(500);
/// How long the listener may take to connect.
const CONNECT_TIME: Duration = Duration::from_secs(2);
// Startup parameters would be shorter than these statements, but PgBouncer refuses them.

/// PostgreSQL asks a silent connection for a sign of life after 15 seconds: that keeps it known to
/// routers on the way, and gives up sessions whose other end is gone.
const KEEPALIVE: &str = "SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; \
     SET tcp_keepalives_count = 3";

/// What holds for statements. Set once for a session, or, behind a pooler in transaction mode, for each
/// transaction: there the next one may be in another session.
macro_rules! limits {
    ($set:literal) => {
        limits!($set, "30s", "10s")
    };
    ($set:literal, $statement:literal, $lock:literal) => {
        concat!(
            $set,
            " statement_timeout = '",
            $statement,
            "'; ",
            $set,
            " lock_timeout = '",
            $lock,
            "'; ",
            $set,
            " idle_in_transaction_session_timeout = '30s'; ",
            // A plan for the value that is searched for: the best one depends on how rare it is.
            $set,
            " plan_cache_mode = force_custom_plan",
        )
    };
}

/// How a transaction begins that writes: read committed, whatever the server's default is. What makes a
/// transaction exact is the lock on the audit head, and what is read after it must be what is committed
/// by then.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// The same behind a pooler in transaction mode. Statements that the session was left with go by the names
/// that those of this transaction will have.
const BEGIN_POOLED: &str = concat!(
    "BEGIN ISOLATION LEVEL READ COMMITTED; DEALLOCATE ALL; ",
    limits!("SET LOCAL")
);
/// How reading begins behind such a pooler.
const BEGIN_READING_POOLED: &str = concat!(
    "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; DEALLOCATE ALL; ",
    limits!("SET LOCAL")
);
/// The same for the gate and the feed.
const BEGIN_LOOKING_POOLED: &str = concat!(
    "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; DEALLOCATE ALL; ",
    limits!("SET LOCAL", "1s", "1s")
);
/// What holds for sessions, and for those of the gate and the feed: what these have given up after
/// [`READ_TIME`] ends in the database, too, or such sessions would pile up behind a lock.
const LIMITS: &str = limits!("SET");
const BRIEF_LIMITS: &str = limits!("SET", "1s", "1s");

struct Handle {
    writer: Pool<Db>,
    readers: Pool<Db>,
    gate: Pool<Db>,
    feed: Pool<Db>,
    /// How a transaction begins that writes.
    begin: &'static str,
    /// What connects to PostgreSQL itself, for what needs a session.
    direct: PgConnectOptions,
    listener: Mutex<Option<PgListener>>,
    /// What the database is asked for a sign of life with.
    watch: Mutex<Option<PgConnection>>,
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

pub(super) fn check_url(url: &str) -> StoreResult<()> {
    Address::parse(url).map(drop)
}

pub(super) async fn connect(
    url: &str,
    direct: Option<&str>,
    missing: IfMissing,
) -> StoreResult<SharedStore> {
    let handle = open(url, direct).await?;
    if missing == IfMissing::Refuse && !handle.has_schema().await? {
        handle.close().await?;
        return Err(StoreError::NoDatabase(place(&handle.direct)));
    }
    Ok(Arc::new(store::SqlStore::new(handle)))
}

/// Connects, and finds out whether this database will do. With a direct URL, the other leads to a pooler in
/// transaction mode.
async fn open(url: &str, direct: Option<&str>) -> StoreResult<Handle> {
    let options = Address::parse(url)?.options()?;
    let direct_options = match direct {
        Some(url) => Address::parse(url)?.options()?,
        None => options.clone(),
    };
    let mut db = start::connect(&direct_options).await?;
    if !start::is_session(&mut db, &direct_options).await? {
        return Err(StoreError::Unusable(
            match direct {
                None => {
                    "a pooler in transaction mode lies between, such as PgBouncer: set database.direct_url \
                     to the URL of PostgreSQL itself, or use session mode (docs/postgresql.md)"
                }
                Some(_) => {
                    "database.direct_url leads to a pooler in transaction mode as well: let it lead to \
                     PostgreSQL itself, or to a pooler in session mode"
                }
            }
            .to_owned(),
        ));
    }
    start::check(&mut db).await?;
    if direct.is_some() {
        let mut pooled = start::connect(&options).await?;
        if start::identity(&mut pooled).await? != start::identity(&mut db).await? {
            return Err(StoreError::Unusable(
                "database_url and database.direct_url lead to different databases: let both lead to the \
                 same database of the same server"
                    .to_owned(),
            ));
        }
        db.close().await?;
        db = pooled;
    }
    run(&mut db, KEEPALIVE).await?;
    let is_pooled = direct.is_some();
    Ok(Handle::open(db, options, direct_options, is_pooled))
}

/// Where it is, without what opens it.
fn place(options: &PgConnectOptions) -> String {
    let (host, port) = (options.get_host(), options.get_port());
    let database = options.get_database().unwrap_or(options.get_username());
    format!("postgres://{host}:{port}/{database}")
}

impl Handle {
    /// Its pools connect when they are used.
    fn open(
        watch: PgConnection,
        options: PgConnectOptions,
        direct: PgConnectOptions,
        is_pooled: bool,
    ) -> Self {
        let trusted_since = Arc::new(TrustedSince::default());
        let options = if is_pooled {
            options.statement_cache_capacity(0)
        } else {
            options
        };
        let pool = |connections, pool: PgPoolOptions| {
            pool.max_connections(connections)
                .acquire_timeout(PATIENCE)
                .test_before_acquire(false)
                .connect_lazy_with(options.clone())
        };
        let (reading, looking, writing) = if is_pooled {
            let reading = |begin| in_transactions(trusted_since.clone(), begin);
            let (reading, looking) = (reading(BEGIN_READING_POOLED), reading(BEGIN_LOOKING_POOLED));
            (
                reading,
                looking,
                checked(trusted_since.clone(), Duration::ZERO),
            )
        } else {
            let sessions =
                |alive_for, limits| in_sessions(trusted_since.clone(), alive_for, limits);
            let people = || sessions(Duration::ZERO, LIMITS);
            (people(), sessions(ALIVE_FOR, BRIEF_LIMITS), people())
        };
        Self {
            writer: pool(WRITERS, writing),
            readers: pool(READERS, reading),
            gate: pool(GATE_READERS, looking.clone()),
            feed: pool(FEED_READERS, looking),
            begin: if is_pooled { BEGIN_POOLED } else { BEGIN },
            direct,
            listener: Mutex::default(),
            watch: Mutex::new(Some(watch)),
            trusted_since,
        }
    }
}

/// A pool whose connections show that they are alive before they are used, and after.
fn checked(trusted_since: Arc<TrustedSince>, alive_for: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .before_acquire(move |db, known| {
            let is_trusted = trusted_since.holds(known.age);
            Box::pin(async move {
                if is_trusted && known.idle_for >= alive_for {
                    in_ping_time(db.ping()).await?;
                }
                Ok(is_trusted)
            })
        })
        // The pool asks as well, but waits for ever, and a connection that waits takes the room of another.
        .after_release(|db, _| {
            Box::pin(async move {
                in_ping_time(db.ping()).await?;
                Ok(true)
            })
        })
}

/// A pool whose connections are sessions.
fn in_sessions(
    trusted_since: Arc<TrustedSince>,
    alive_for: Duration,
    limits: &'static str,
) -> PgPoolOptions {
    checked(trusted_since, alive_for).after_connect(move |db, _| {
        Box::pin(async move {
            run(db, KEEPALIVE).await?;
            run(db, limits).await
        })
    })
}

/// A pool behind a pooler in transaction mode: whoever has a connection of it is in a transaction, in which
/// all statements meet the same session.
fn in_transactions(trusted_since: Arc<TrustedSince>, begin: &'static str) -> PgPoolOptions {
    PgPoolOptions::new()
        .after_connect(move |db, _| Box::pin(run(db, begin)))
        .before_acquire(move |db, known| {
            let is_trusted = trusted_since.holds(known.age);
            Box::pin(async move {
                if is_trusted {
                    in_ping_time(run(db, begin)).await?;
                }
                Ok(is_trusted)
            })
        })
        .after_release(|db, _| {
            Box::pin(async move {
                in_ping_time(run(db, "ROLLBACK")).await?;
                Ok(true)
            })
        })
}

async fn run(db: &mut PgConnection, statements: &'static str) -> sqlx::Result<()> {
    sqlx::raw_sql(statements).execute(db).await.map(drop)
}

async fn in_ping_time(look: impl Future<Output = sqlx::Result<()>>) -> sqlx::Result<()> {
    let looked = tokio::time::timeout(PING_TIME, look).await;
    looked.map_err(|_| sqlx::Error::WorkerCrashed)?
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

    const fn begin(&self) -> &'static str {
        self.begin
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
        if let Some(watch) = self.watch.lock().await.take() {
            watch.close().await?;
        }
        Ok(())
    }

    async fn migrate(&self) -> StoreResult<()> {
        // A connection without time limits, for long migrations and for waiting while another
        // process migrates. The lock ends with it, whatever happens.
        let mut db = self.direct.connect().await?;
        run(&mut db, KEEPALIVE).await?;
        start::check_may_create(&mut db).await?;
        let done = migrations::migrator(migrations::POSTGRES)
            .run_direct(None, &mut db, false)
            .await;
        db.close().await?;
        done.map_err(migrations::schema_error)
    }

    /// Whether the server answers at all, and a pooler reaches it: one that is busy does so soon on a
    /// connection that is there, and that it has no more of them is an answer.
    async fn is_there(&self) -> bool {
        let mut kept = self.watch.lock().await;
        // It is back in its place only if it is sound.
        if let Some(mut db) = kept.take()
            && tokio::time::timeout(WATCH_TIME, run(&mut db, "SELECT 1"))
                .await
                .is_ok_and(|asked| asked.is_ok())
        {
            *kept = Some(db);
            return true;
        }
        match self.writer.connect_options().connect().await {
            Ok(mut db) => {
                let is_there = run(&mut db, KEEPALIVE).await.is_ok();
                *kept = is_there.then_some(db);
                is_there
            }
            // SQLSTATE too_many_connections.
            Err(sqlx::Error::Database(error)) => error.code().as_deref() == Some("53300"),
            Err(_) => false,
        }
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
            .after_connect(|db, _| Box::pin(run(db, KEEPALIVE)))
            .connect_with(self.direct.clone())
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
        let handle = open(&url, None).await.unwrap();
        let pools = [
            (&handle.writer, "15 5 3 30s 10s"),
            (&handle.readers, "15 5 3 30s 10s"),
            (&handle.gate, "15 5 3 1s 1s"),
            (&handle.feed, "15 5 3 1s 1s"),
        ];
        let told = "SELECT concat_ws(' ', current_setting('tcp_keepalives_idle'),
            current_setting('tcp_keepalives_interval'), current_setting('tcp_keepalives_count'),
            current_setting('statement_timeout'), current_setting('lock_timeout'))";
        for (pool, expected) in pools {
            let told: String = sqlx::query_scalar(told).fetch_one(pool).await.unwrap();
            assert_eq!(told, expected);
        }
        // The listener waits for as long as it likes.
        let mut listener = handle.listen().await.unwrap();
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
        let handle = open(&url, None).await.unwrap();
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
            let mut other = handle.direct.connect().await.unwrap();
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

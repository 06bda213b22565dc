//! The store in SQL that both databases understand, compiled once for each driver. Here is how its
//! transactions run; `methods.rs` says which transaction each method is.

mod audit;
mod catalogue;
mod columns;
mod contact;
mod counts;
mod credential_row;
mod credentials;
mod decisions;
mod epochs;
mod expired;
mod factors;
mod filter;
mod gateways;
mod identities;
mod key_sets;
mod keys;
mod list;
mod methods;
mod people;
mod public_keys;
mod sessions;
mod set_up;
mod tokens;
mod usage;
mod users;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Monotonic};

use domain::audit::AuditEvent;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Pool};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use self::contact::Contact;
use super::super::{OrIfTaken, Work, text, unavailable};
use super::{
    Connection, DATABASE_TIME, Db, Handle, IS_REMOTE, LOCK_AUDIT_HEAD, LOCK_ROWS, LOOK_TIME,
    PATIENCE, PEOPLE_AT_ONCE, READ_TIME, Row, Search, notify, push_from, push_has,
};
use crate::{StoreError, StoreResult};

/// How many rows of a kind one clearing removes at most.
const ROWS_AT_ONCE: i64 = 1000;

/// How long a write that went well tells that the next one can. One that only tries it waits for the
/// disk, so it is made this often at most, and never beside others that write.
const WRITE_TELLS_FOR: Duration = Duration::from_secs(10);

/// How many facts are written in one transaction, so that others get a turn.
const FACTS_AT_ONCE: usize = 200;

/// `NotFound` if a statement met no row of what it was for.
const fn found(rows: u64, what: &'static str) -> StoreResult<()> {
    if rows == 0 {
        Err(StoreError::NotFound(what))
    } else {
        Ok(())
    }
}

/// The store on one kind of database.
#[derive(Debug, Clone)]
pub(super) struct SqlStore {
    handle: Arc<Handle>,
    contact: Arc<Contact>,
    last_write: Arc<LastWrite>,
    /// The turns of writes for people. Those wait for each other at the audit log, and anybody who
    /// reaches the sign-in page can make them; in the order in which they came, and never with all
    /// connections.
    people: Arc<Semaphore>,
}

/// When the last write was made; nothing if it failed.
#[derive(Debug, Default)]
struct LastWrite(Mutex<Option<Monotonic>>);

impl LastWrite {
    fn note<T>(&self, outcome: &StoreResult<T>) {
        let at = match outcome {
            Ok(_) => Some(Monotonic::now()),
            // The database answered, and was right.
            Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => return,
            Err(_) => None,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn tells_that_one_can(&self) -> bool {
        let at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        at.is_some_and(|at| at.elapsed() < WRITE_TELLS_FOR)
    }
}

impl SqlStore {
    pub(super) fn new(handle: Handle) -> Self {
        Self {
            handle: Arc::new(handle),
            contact: Arc::new(Contact::new()),
            last_write: Arc::default(),
            people: Arc::new(Semaphore::new(PEOPLE_AT_ONCE)),
        }
    }

    /// Reads something for people.
    async fn read<T, W>(&self, work: W) -> StoreResult<T>
    where
        W: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T>,
    {
        self.unless_away(async {
            let mut db = self.connection(self.handle.readers()).await?;
            work(&mut db).await
        })
        .await
    }

    /// Reads something for the gate or the issuer, on connections that are there however many people come.
    async fn read_for_gate<T, W>(&self, work: W) -> StoreResult<T>
    where
        W: for<'c> Fn(&'c mut Connection) -> Work<'c, T>,
    {
        self.read_surely(self.handle.gate(), work).await
    }

    /// Reads something that is read anew when the feed of changes breaks off: neither people nor strangers
    /// at the gate can keep a node from it.
    async fn read_for_feed<T, W>(&self, work: W) -> StoreResult<T>
    where
        W: for<'c> Fn(&'c mut Connection) -> Work<'c, T>,
    {
        self.read_surely(self.handle.feed(), work).await
    }

    /// Looks at the feed of changes itself. A connection that was lost is an error here: it may lead to
    /// another database by now.
    async fn look_at_feed<T, W>(&self, work: W) -> StoreResult<T>
    where
        W: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T>,
    {
        self.unless_away(async {
            self.read_within(LOOK_TIME, self.handle.feed(), work)
                .await?
        })
        .await
    }

    /// Reads something, with another connection if the first ones turn out to have died.
    async fn read_surely<T, W>(&self, pool: &Pool<Db>, work: W) -> StoreResult<T>
    where
        W: for<'c> Fn(&'c mut Connection) -> Work<'c, T>,
    {
        let mut others = pool.options().get_max_connections();
        self.unless_away(async {
            loop {
                match self.read_within(READ_TIME, pool, &work).await? {
                    Err(StoreError::Unavailable(_)) if IS_REMOTE && others > 0 => others -= 1,
                    read => return read,
                }
            }
        })
        .await
    }

    /// Reads something with a connection, which is given up if that fails: on one that is dead nothing comes
    /// any more, and it could not even go back to its pool, which waits for a sign of life.
    ///
    /// # Errors
    /// There is no connection, or it took too long; what the reading came to is given back.
    async fn read_within<T, W>(
        &self,
        time: Duration,
        pool: &Pool<Db>,
        work: W,
    ) -> StoreResult<StoreResult<T>>
    where
        W: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T>,
    {
        let mut lent = Lent {
            db: self.connection(pool).await?,
            is_sound: !IS_REMOTE,
        };
        let read = tokio::time::timeout(time, work(&mut lent.db)).await;
        let read = read.map_err(unavailable)?;
        lent.is_sound |= read.is_ok();
        Ok(read)
    }

    async fn connection(&self, pool: &Pool<Db>) -> StoreResult<PoolConnection<Db>> {
        self.handle.check()?;
        Ok(pool.acquire().await?)
    }

    /// Does work for people in a transaction of its own, when it is its turn.
    async fn write<T, W>(&self, work: W) -> StoreResult<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T> + Send + 'static,
    {
        let store = self.clone();
        finish(async move {
            let in_turn = async {
                let turn = tokio::time::timeout(PATIENCE, store.people.acquire()).await;
                let _turn = turn.map_err(unavailable)?.map_err(unavailable)?;
                store.transaction(work).await
            };
            store.unless_away(in_turn).await
        })
        .await
    }

    /// Does work for programs, or of the server itself, in a transaction of its own: nobody's turn comes
    /// before it.
    async fn write_at_once<T, W>(&self, work: W) -> StoreResult<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T> + Send + 'static,
    {
        let store = self.clone();
        finish(async move { store.unless_away(store.transaction(work)).await }).await
    }

    /// Does work in a transaction together with its audit event.
    ///
    /// The place in the audit log is taken first. So audited writes happen one after the other, and
    /// what one of them has checked stays true until it commits.
    async fn audited<T, W>(&self, event: AuditEvent, work: W) -> StoreResult<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T> + Send + 'static,
    {
        self.write(move |db| {
            Box::pin(async move {
                let head = audit::lock_head_for(db, &event).await?;
                let done = work(db).await?;
                audit::append(db, head, event).await?;
                Ok(done)
            })
        })
        .await
    }

    /// Like [`SqlStore::audited`], for work that tells whether it changed anything: if it did not,
    /// nothing is audited.
    async fn audited_if_done<W>(&self, event: AuditEvent, work: W) -> StoreResult<bool>
    where
        W: for<'c> FnOnce(&'c mut Connection) -> Work<'c, bool> + Send + 'static,
    {
        self.write(move |db| {
            Box::pin(async move {
                let head = audit::lock_head_for(db, &event).await?;
                let done = work(db).await?;
                if done {
                    audit::append(db, head, event).await?;
                }
                Ok(done)
            })
        })
        .await
    }

    /// Writes many facts in several transactions. Give them in one order everywhere, so that two
    /// replicas don't wait for each other in a circle.
    async fn write_facts<T, W>(&self, facts: Vec<T>, work: W) -> StoreResult<()>
    where
        T: Clone + Send + Sync + 'static,
        W: for<'c> Fn(&'c mut Connection, Vec<T>) -> Work<'c, ()> + Copy + Send + 'static,
    {
        let store = self.clone();
        finish(async move {
            for some in facts.chunks(FACTS_AT_ONCE) {
                let some = some.to_vec();
                let written = store.transaction(move |db| work(db, some));
                store.unless_away(written).await?;
            }
            Ok(())
        })
        .await
    }

    async fn transaction<T, W>(&self, work: W) -> StoreResult<T>
    where
        W: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T>,
    {
        self.handle.check()?;
        let done = transaction(self.handle.writer(), self.handle.begin(), work).await;
        self.last_write.note(&done);
        done
    }
}

/// Does work in a transaction of its own: the one place that opens one.
///
/// The connection goes back to its pool only after the database has said that the transaction has
/// ended, and is closed otherwise: after a failed commit or rollback, a lost server, a panic. Nobody
/// knows what it is in then. SQLite on a full disk, for one, rolls back by itself, so that sqlx's
/// `ROLLBACK` fails and it would count an open transaction for ever. And one that may only read keeps
/// that for as long as it lives, whatever the database allows by then.
pub(super) async fn transaction<T, W>(
    pool: &Pool<Db>,
    begin: &'static str,
    work: W,
) -> StoreResult<T>
where
    W: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T>,
{
    let mut lent = Lent {
        db: pool.acquire().await?,
        is_sound: false,
    };
    let mut transaction = lent.db.begin_with(begin).await?;
    let done = work(&mut transaction).await;
    let ended = match &done {
        Ok(_) => transaction.commit().await,
        Err(_) => transaction.rollback().await,
    };
    lent.is_sound = ended.is_ok() && !matches!(done, Err(StoreError::ReadOnly(_)));
    // Why the work failed says more than that the rollback did.
    let done = done?;
    ended?;
    Ok(done)
}

/// A connection of a pool that is closed in place of going back, unless it is sound.
struct Lent {
    db: PoolConnection<Db>,
    is_sound: bool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.is_sound {
            self.db.close_on_drop();
        }
    }
}

/// Sees a write through, even if the caller goes away.
async fn finish<T: Send + 'static>(
    write: impl Future<Output = StoreResult<T>> + Send + 'static,
) -> StoreResult<T> {
    tokio::spawn(write.in_current_span())
        .await
        .map_err(unavailable)?
}

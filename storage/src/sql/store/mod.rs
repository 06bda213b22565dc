//! The store in SQL that both databases understand, compiled once for each driver. Here is how its
//! transactions run; `methods.rs` says which transaction each method is.

mod audit;
mod columns;
mod counts;
mod credential_row;
mod credentials;
mod filter;
mod keys;
mod list;
mod methods;
mod sessions;
mod set_up;
mod users;

use std::sync::Arc;

use domain::audit::AuditEvent;
use sqlx::Pool;
use sqlx::pool::PoolConnection;
use tracing::Instrument as _;

use super::super::{OrIfTaken, Work, text, unavailable};
use super::{
    BEGIN, Connection, Db, Handle, LOCK_AUDIT_HEAD, POSITION, Row, Search, discard_backup, notify,
    push_from,
};
use crate::StoreResult;

/// The store on one kind of database.
#[derive(Debug, Clone)]
pub(super) struct SqlStore {
    handle: Arc<Handle>,
}

impl SqlStore {
    pub(super) fn new(handle: Handle) -> Self {
        Self {
            handle: Arc::new(handle),
        }
    }

    async fn read(&self) -> StoreResult<PoolConnection<Db>> {
        Ok(self.handle.readers().acquire().await?)
    }

    /// Does work in a transaction of its own.
    async fn write<T, W>(&self, work: W) -> StoreResult<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T> + Send + 'static,
    {
        let writer = self.handle.writer().clone();
        finish(async move { transaction(&writer, work).await }).await
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
                let head = audit::lock_head(db).await?;
                let done = work(db).await?;
                audit::append(db, head, event).await?;
                Ok(done)
            })
        })
        .await
    }
}

async fn transaction<T, W>(writer: &Pool<Db>, work: W) -> StoreResult<T>
where
    W: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T>,
{
    let mut transaction = writer.begin_with(BEGIN).await?;
    let done = work(&mut transaction).await?;
    transaction.commit().await?;
    Ok(done)
}

/// Sees a write through, even if the caller goes away.
async fn finish<T: Send + 'static>(
    write: impl Future<Output = StoreResult<T>> + Send + 'static,
) -> StoreResult<T> {
    tokio::spawn(write.in_current_span())
        .await
        .map_err(unavailable)?
}

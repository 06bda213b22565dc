//! The sessions of tower-sessions in our store: ids are kept only as hashes, an ended session never
//! comes back, and each belongs to a person in one epoch of theirs.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::DateTime;
use serde::Deserialize as _;
use serde_json::Value;
use service::crypto::hash_token;
use service::{Conflict, Epoch, Services, SessionRow, StoreError, TokenHash};
use tower_sessions::SessionStore;
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

use super::session::{BEGAN, OWNER};

/// An id as it is kept.
pub(super) fn hash(id: &Id) -> TokenHash {
    hash_token(&id.to_string())
}

/// The sessions in our store.
#[derive(Debug, Clone)]
pub struct Store(pub(super) Services);

/// The store failed.
fn backend(error: StoreError) -> Error {
    Error::Backend(error.to_string())
}

fn encode(error: impl std::fmt::Display) -> Error {
    Error::Encode(error.to_string())
}

fn decode(error: impl std::fmt::Display) -> Error {
    Error::Decode(error.to_string())
}

impl Store {
    /// Until when a session lasts that is used now. What the record says is by the system's clock, which
    /// may go back; ours does not.
    fn idle_until(&self) -> domain::Instant {
        self.0.now() + self.0.settings().sessions.idle
    }
}

#[async_trait]
impl SessionStore for Store {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let now = self.0.now();
        let began = began(record).unwrap_or(now);
        record
            .data
            .insert(BEGAN.to_owned(), began.timestamp_millis().into());
        loop {
            let row = SessionRow {
                id: hash(&record.id),
                owner: owner(record),
                data: serde_json::to_string(&record.data).map_err(encode)?,
                created_at: began,
                idle_until: self.idle_until(),
                absolute_until: began + self.0.settings().sessions.absolute,
            };
            match self.0.session_store().create_session(row).await {
                Ok(true) => return Ok(()),
                // 128 random bits were taken: try others.
                Ok(false) => record.id = Id::default(),
                Err(StoreError::Conflict(Conflict::SessionEnded)) => {
                    tracing::debug!("a session that had ended before it began was not made");
                    return Ok(());
                }
                Err(error) => return Err(backend(error)),
            }
        }
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let data = serde_json::to_string(&record.data).map_err(encode)?;
        let idle_until = self.idle_until();
        let kept = self
            .0
            .session_store()
            .save_session(hash(&record.id), data, idle_until)
            .await
            .map_err(backend)?;
        if !kept {
            // It was ended while this request ran, and stays ended.
            tracing::debug!("a session that has ended was not saved");
        }
        Ok(())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let row = self
            .0
            .session_store()
            .find_session(hash(id), self.0.now())
            .await;
        let Some(row) = row.map_err(backend)? else {
            return Ok(None);
        };
        let idle_until = OffsetDateTime::from_unix_timestamp(row.idle_until.timestamp());
        let mut data: HashMap<String, Value> = serde_json::from_str(&row.data).map_err(decode)?;
        let owner = serde_json::to_value(row.owner).map_err(decode)?;
        data.insert(OWNER.to_owned(), owner);
        Ok(Some(Record {
            id: *id,
            data,
            expiry_date: idle_until.map_err(decode)?,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.0
            .session_store()
            .delete_session(hash(id))
            .await
            .map_err(backend)
    }
}

/// When the session of a record began, if it is not new.
fn began(record: &Record) -> Option<domain::Instant> {
    DateTime::from_timestamp_millis(record.data.get(BEGAN)?.as_i64()?)
}

fn owner(record: &Record) -> Option<Epoch> {
    Epoch::deserialize(record.data.get(OWNER)?).ok()
}

//! Notes when credentials are used: gathered in memory, written in batches.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Instant;
use domain::key_id::KeyId;
use storage::{CredentialUse, LastUse};

use crate::live::Live;
use crate::{ServiceResult, Services};

/// At most so many credentials between two writes; further ones are noted with their next call.
const MOST: usize = 50_000;
/// How often they are written.
const EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<HashMap<KeyId, LastUse>>);

impl Recorder {
    /// Notes a call, at most once a second for each credential.
    pub(crate) fn note_call(
        &self,
        live: &Live,
        at: Instant,
        address: Option<IpAddr>,
        endpoint: impl FnOnce() -> String,
    ) {
        if live.noted_at.swap(at.timestamp(), Ordering::Relaxed) != at.timestamp() {
            self.note(live, at, address, endpoint());
        }
    }

    /// Notes a use, in place of an earlier one.
    pub(crate) fn note(&self, live: &Live, at: Instant, address: Option<IpAddr>, endpoint: String) {
        let last_use = LastUse {
            at,
            address: address
                .map(|address| address.to_canonical().to_string())
                .unwrap_or_default(),
            endpoint,
        };
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key_id = live.stored.credential.key_id;
        if uses.len() < MOST || uses.contains_key(&key_id) {
            uses.insert(key_id, last_use);
        }
    }

    fn take(&self) -> Vec<CredentialUse> {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *uses)
            .into_iter()
            .map(|(key_id, last_use)| CredentialUse { key_id, last_use })
            .collect()
    }
}

impl Services {
    /// Writes the uses noted since the last time; called before the server ends, too.
    pub async fn flush_usage(&self) -> ServiceResult<()> {
        let uses = self.0.usage.take();
        if uses.is_empty() {
            return Ok(());
        }
        Ok(self.store().record_uses(uses).await?)
    }

    /// Writes uses now and then, for ever.
    pub async fn keep_flushing_usage(&self) {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = self.flush_usage().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "last uses could not be written"
                );
            }
        }
    }

    /// Follows what other processes change, for ever.
    pub async fn follow_changes(&self) {
        self.0.live.follow().await;
    }

    /// Hears at once of what other processes changed up to now.
    pub async fn catch_up(&self) -> ServiceResult<()> {
        Ok(self.0.live.catch_up().await?)
    }
}

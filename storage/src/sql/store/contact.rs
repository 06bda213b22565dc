//! Whether the database is there at all. One that is away often says nothing: what was sent to it is lost on
//! the way, and nobody would say so for minutes.

use std::sync::PoisonError;
use std::time::{Duration, Instant as Monotonic};

use tokio::sync::Mutex;
use tokio::time::{sleep_until, timeout};

use super::{Handle, IS_REMOTE, SqlStore, unavailable};
use crate::StoreResult;

/// How long a call hears nothing from the database before it asks for a sign of life. Work may well take
/// longer, or wait longer for its turn.
const SILENCE: Duration = Duration::from_millis(500);
/// How long the database may take over a sign of life, to connect included. With [`SILENCE`] it is the
/// most that a database which is away costs a call.
const SIGN_OF_LIFE: Duration = Duration::from_millis(900);

/// What is known of whether the database is there.
#[derive(Debug)]
pub(super) struct Contact {
    /// When it last answered anybody.
    answered: std::sync::Mutex<Monotonic>,
    /// When it last gave no sign of life. Held while it is asked for one: those who wait share the answer.
    was_away: Mutex<Option<Monotonic>>,
}

impl Contact {
    pub(super) fn new() -> Self {
        Self {
            answered: std::sync::Mutex::new(Monotonic::now()),
            was_away: Mutex::default(),
        }
    }

    fn answered(&self) -> Monotonic {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_answer(&self) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Monotonic::now();
    }

    async fn is_alive(&self, database: &Handle) -> bool {
        let asked = Monotonic::now();
        let mut was_away = self.was_away.lock().await;
        if self.answered() >= asked {
            return true;
        }
        if was_away.is_some_and(|at| at >= asked) {
            return false;
        }
        let is_alive = timeout(SIGN_OF_LIFE, database.is_there()).await == Ok(true);
        if is_alive {
            self.note_answer();
        } else {
            *was_away = Some(Monotonic::now());
        }
        is_alive
    }
}

impl SqlStore {
    /// Does something with the database, and gives it up when the database is away: after a silence it is
    /// asked for a sign of life on a connection of its own.
    pub(super) async fn unless_away<T>(
        &self,
        work: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<T> {
        if !IS_REMOTE {
            return work.await;
        }
        // It is large, and would be here twice.
        let mut work = Box::pin(work);
        let began = Monotonic::now();
        loop {
            let silence = began.max(self.contact.answered()) + SILENCE;
            let watch = async {
                sleep_until(silence.into()).await;
                self.contact.answered() + SILENCE > Monotonic::now()
                    || self.contact.is_alive(&self.handle).await
            };
            tokio::select! {
                biased;
                done = &mut work => {
                    if done.is_ok() {
                        self.contact.note_answer();
                    }
                    return done;
                }
                is_alive = watch => if !is_alive {
                    return Err(unavailable("the database gives no sign of life"));
                },
            }
        }
    }
}

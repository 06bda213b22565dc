//! A list that is kept in memory and read anew when it has changed. Loads may run at the same time and
//! end in any order: the one that began last is the one that stays.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

/// The list.
#[derive(Debug, Default)]
pub(crate) struct Loaded<T> {
    current: ArcSwap<T>,
    /// How many loads have begun.
    begun: AtomicU64,
    /// Which of them `current` is from.
    kept: Mutex<u64>,
}

impl<T> Loaded<T> {
    /// What was read last.
    pub(crate) fn get(&self) -> Guard<Arc<T>> {
        self.current.load()
    }

    /// Reads it anew. What was changed before this call is in it afterwards.
    pub(crate) async fn load<E>(&self, read: impl Future<Output = Result<T, E>>) -> Result<(), E> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let new = read.await?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // One that began later has read all that this one has read, and maybe more.
        if *kept < number {
            *kept = number;
            self.current.store(Arc::new(new));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn of_loads_at_once_the_one_that_began_last_stays() {
        let list = Loaded::<u8>::default();
        let ((answer_1, late), (answer_2, early)) = (oneshot::channel(), oneshot::channel());
        let answer =
            async |answer: oneshot::Receiver<u8>| Ok::<_, oneshot::error::RecvError>(answer.await?);
        let (first, second, ()) =
            tokio::join!(list.load(answer(late)), list.load(answer(early)), async {
                answer_2.send(2).unwrap();
                tokio::task::yield_now().await;
                answer_1.send(1).unwrap();
            });
        first.unwrap();
        second.unwrap();
        assert_eq!(**list.get(), 2);
        list.load(async { Ok::<_, Infallible>(3) }).await.unwrap();
        assert_eq!(**list.get(), 3);
    }

    #[tokio::test]
    async fn a_load_that_fails_keeps_what_was_read_before() {
        let list = Loaded::<u8>::default();
        list.load(async { Ok::<_, ()>(1) }).await.unwrap();
        list.load(async { Err(()) }).await.unwrap_err();
        assert_eq!(**list.get(), 1);
        list.load(async { Ok::<_, ()>(2) }).await.unwrap();
        assert_eq!(**list.get(), 2);
    }
}

//! Hashing people's passwords: argon2id, slow on purpose, a few at a time. Before one is set it is found
//! out, at the same place, whether it is an easy guess.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, thread};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash};
use domain::password::Password;
#[cfg(target_os = "linux")]
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use url::Url;

use crate::Services;
use crate::clock::random_bytes;
use crate::error::{ServiceError, ServiceResult};
use crate::guessable::is_guessable;

/// What people are told about an easy guess.
const EASY_GUESS: &str = "this is easy to guess: use a few unrelated words, and more than your name, your \
    address or the name of this place";

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// As many may wait for their turn for each that is at work, which is a few seconds; more are told to come
/// back. They cost little, and those who come back all come at once.
const WAITING_PER_HASHER: usize = 128;

/// How long the thread of the last in a crowd stays. The allocator gives memory that has been free for a
/// second back to the system when a thread ends, and may not do so for hours otherwise.
const UNTIL_GIVEN_BACK: Duration = Duration::from_millis(1200);

/// Hashes and checks passwords, so many at once and no more.
#[derive(Debug)]
pub(crate) struct Hasher {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    all_places: usize,
    memory: Arc<Memory>,
    /// What a log-in of nobody is checked against, so that it takes as long as a real one.
    decoy: String,
}

/// A place among those who are at work or wait for their turn.
pub(crate) type Place = OwnedSemaphorePermit;

/// How a check of a password came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    Wrong,
    Right,
    /// Right, but hashed with weaker parameters than today's.
    RightButWeak,
}

impl Hasher {
    pub(crate) fn new(hashers: usize) -> Self {
        let hashers = hashers.max(1);
        let all_places = hashers * (1 + WAITING_PER_HASHER);
        Self {
            turns: Arc::new(Semaphore::new(hashers)),
            places: Arc::new(Semaphore::new(all_places)),
            all_places,
            memory: Arc::default(),
            // Nobody's password: the hash of bytes that are thrown away. It fails only when the
            // parameters above are out of range, which the tests would show.
            decoy: hash(&random_bytes::<32>(), &mut Blocks::new()).unwrap_or_default(),
        }
    }

    /// A place, or the word that there is none.
    pub(crate) fn place(&self) -> ServiceResult<Place> {
        let place = self.places.clone().try_acquire_owned();
        place.map_err(|_| ServiceError::Busy)
    }

    /// The hash of a password, in PHC form.
    pub(crate) async fn hash(&self, password: Password) -> ServiceResult<String> {
        let work = move |blocks: &mut Blocks| hash(password.expose().as_bytes(), blocks);
        self.run(self.place()?, work).await?
    }

    /// The hash of a password that somebody chooses; none if it is easy to guess for who knows the
    /// words of `context`.
    async fn hash_choice(
        &self,
        password: Password,
        context: Vec<String>,
    ) -> ServiceResult<Option<String>> {
        let work = move |blocks: &mut Blocks| {
            if is_guessable(password.expose(), &context) {
                return Ok(None);
            }
            hash(password.expose().as_bytes(), blocks).map(Some)
        };
        self.run(self.place()?, work).await?
    }

    /// Checks a password against a stored hash, or against nobody's: both take the same time.
    pub(crate) async fn check(
        &self,
        place: Place,
        password: Password,
        stored: Option<String>,
    ) -> ServiceResult<Checked> {
        let somebody = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.clone());
        let work = move |blocks: &mut Blocks| check(&password, &stored, blocks);
        let checked = self.run(place, work).await?;
        Ok(if somebody { checked } else { Checked::Wrong })
    }

    async fn run<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce(&mut Blocks) -> T + Send + 'static,
    ) -> ServiceResult<T> {
        let turn = self
            .turns
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| ServiceError::Busy)?;
        let (done, result) = oneshot::channel();
        let (memory, places, all) = (self.memory.clone(), self.places.clone(), self.all_places);
        let work = move || {
            // Held until the work is done, even when the caller has gone away.
            let held = (place, turn);
            stand_back();
            let mut blocks = memory.take();
            let result = work(&mut blocks);
            memory.give_back(blocks);
            // Nobody waits for what they went away from.
            let _ = done.send(result);
            drop(held);
            if places.available_permits() == all {
                memory.clear();
                thread::sleep(UNTIL_GIVEN_BACK);
            }
        };
        thread::Builder::new()
            .name("password".to_owned())
            .spawn(work)
            .map_err(ServiceError::internal)?;
        result.await.map_err(ServiceError::internal)
    }
}

/// Puts this thread behind all others: people can wait for their log-ins, programs and gateways on the same
/// processors should not. It gets what they leave, and on Linux gives way as soon as one of them wakes.
fn stand_back() {
    // Where it may not be done, it need not.
    #[cfg(target_os = "linux")]
    let _ = set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Min,
        ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle),
    );
}

impl Services {
    /// The hash of a password that a person chooses, if it is no easy guess: not for who knows them, nor
    /// for who knows where it is for. What is wrong is told at `field`.
    pub(crate) async fn hash_choice(
        &self,
        field: &'static str,
        password: Password,
        name: &str,
        email: &str,
    ) -> ServiceResult<String> {
        let site = Url::parse(&self.settings().issuer).map_err(ServiceError::internal)?;
        let site = site.host_str().unwrap_or_default();
        let context = [name, email, site, "keyrack"].map(str::to_owned);
        let hash = self.0.passwords.hash_choice(password, context.into());
        hash.await?
            .ok_or_else(|| ServiceError::field(field, EASY_GUESS))
    }
}

/// What one hash is made in.
type Blocks = Vec<Block>;

/// The memory for hashes. It goes from hand to hand in a crowd, and back to the system after it: to take
/// 19 MiB anew for each hash would hold up all who ask the system for memory.
#[derive(Default)]
struct Memory(Mutex<Vec<Blocks>>);

impl Memory {
    fn take(&self) -> Blocks {
        self.free().pop().unwrap_or_default()
    }

    fn give_back(&self, blocks: Blocks) {
        self.free().push(blocks);
    }

    fn clear(&self) {
        *self.free() = Vec::new();
    }

    fn free(&self) -> MutexGuard<'_, Vec<Blocks>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory(…)")
    }
}

/// What argon2id makes of a password and a salt.
fn output(
    password: &[u8],
    salt: &[u8],
    params: Params,
    blocks: &mut Blocks,
) -> password_hash::Result<Output> {
    blocks.resize_with(params.block_count(), Block::new);
    let mut output = [0; Output::MAX_LENGTH];
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let output = output
        .get_mut(..length)
        .ok_or(password_hash::Error::OutputSize)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, output, blocks)?;
    Ok(Output::new(output)?)
}

/// A new hash with today's parameters and a salt of its own.
fn hash(password: &[u8], blocks: &mut Blocks) -> ServiceResult<String> {
    let salt = random_bytes::<16>();
    let mut make = || -> password_hash::Result<PasswordHash> {
        let params = Params::new(MEMORY_KIB, PASSES, 1, None)?;
        Ok(PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(Salt::new(&salt)?),
            hash: Some(output(password, &salt, params, blocks)?),
        })
    };
    let made = make().map_err(|error| ServiceError::internal(error.to_string()))?;
    Ok(made.to_string())
}

fn check(password: &Password, stored: &str, blocks: &mut Blocks) -> Checked {
    let Ok(stored) = PasswordHash::new(stored) else {
        return Checked::Wrong;
    };
    let is_ours = stored.algorithm == Algorithm::Argon2id.ident()
        && stored.version == Some(Version::V0x13.into());
    let (Some(salt), Ok(params), true) = (stored.salt, Params::try_from(&stored), is_ours) else {
        return Checked::Wrong;
    };
    let is_weak = params.m_cost() < MEMORY_KIB || params.t_cost() < PASSES;
    let output = output(password.expose().as_bytes(), &salt, params, blocks);
    // Outputs are compared in constant time.
    if output.ok() != stored.hash || stored.hash.is_none() {
        Checked::Wrong
    } else if is_weak {
        Checked::RightButWeak
    } else {
        Checked::Right
    }
}

#[cfg(test)]
mod tests {
    use argon2::PasswordHasher as _;

    use super::*;

    fn typed(text: &str) -> Password {
        Password::typed(text).unwrap()
    }

    async fn check(hasher: &Hasher, text: &str, stored: Option<&String>) -> Checked {
        let place = hasher.place().unwrap();
        let checked = hasher.check(place, typed(text), stored.cloned());
        checked.await.unwrap()
    }

    #[tokio::test]
    async fn check_59_hashes_are_argon2id_with_a_salt_of_their_own() {
        let hasher = Hasher::new(2);
        let a = hasher.hash(typed("mice juggle lamps")).await.unwrap();
        let b = hasher.hash(typed("mice juggle lamps")).await.unwrap();
        assert!(a.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{a}");
        assert_ne!(a, b);
        let salt = a.split('$').nth(4).unwrap();
        assert_eq!(salt.len(), 22, "16 bytes in base64");
    }

    #[tokio::test]
    async fn check_57_every_byte_of_a_password_counts() {
        let hasher = Hasher::new(2);
        let long = "m".repeat(255);
        let stored = Some(hasher.hash(typed(&format!("{long}a"))).await.unwrap());
        let stored = stored.as_ref();
        for (text, stored, expected) in [
            (format!("{long}a"), stored, Checked::Right),
            (format!("{long}b"), stored, Checked::Wrong),
            (long.clone(), stored, Checked::Wrong),
            (long.clone(), None, Checked::Wrong),
        ] {
            assert_eq!(check(&hasher, &text, stored).await, expected);
        }
    }

    #[tokio::test]
    async fn a_weaker_hash_is_noticed() {
        let weak = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(8 * 1024, 1, 1, None).unwrap(),
        )
        .hash_password_with_salt(b"mice juggle lamps", &random_bytes::<16>())
        .unwrap()
        .to_string();
        let hasher = Hasher::new(1);
        let checked = check(&hasher, "mice juggle lamps", Some(&weak)).await;
        assert_eq!(checked, Checked::RightButWeak);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn check_60_a_crowd_is_bounded_and_the_surplus_is_told_so() {
        let hasher = Arc::new(Hasher::new(1));
        let tries: Vec<_> = (0..200)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move {
                    let place = hasher.place()?;
                    hasher.check(place, typed("mice"), None).await
                })
            })
            .collect();
        let (mut done, mut busy) = (0, 0);
        for each in tries {
            match each.await.unwrap() {
                Ok(Checked::Wrong) => done += 1,
                Err(ServiceError::Busy) => busy += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(
            done >= 129 && busy > 0 && done + busy == 200,
            "{done} done, {busy} busy"
        );
    }
}

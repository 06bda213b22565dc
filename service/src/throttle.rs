//! Counts failures, so that guessing is slow: for log-ins and for clients of the token endpoint.
//!
//! Failures and the tries under way never exceed the limit together, so tries in parallel can't get past
//! it; whoever comes then waits, in order, for how those come out. Tries that turn out well are never
//! refused, in any number. Counts live in the memory of one node and are bounded.

use std::convert::Infallible;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use domain::Instant;
use domain::client_network::ClientNetwork;
use domain::key_id::KeyId;
use domain::user::{EmailAddress, UserId};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use crate::error::{ServiceError, ServiceResult};
use crate::memory::{CacheMemory, Share};

/// About what a key weighs with its count: of the same limit so many are counted as its share of the memory
/// holds, and the ones that nobody uses are forgotten.
const ABOUT: usize = 400;
/// More tries of one key than this never wait at once.
const MOST_WAITING: usize = 1_000;

/// What failures are counted by. Never an address: whoever has one in IPv6 has a whole network of them,
/// so they count as a [`ClientNetwork`].
pub(crate) trait ThrottleKey: Clone + Eq + Hash + Send + Sync + 'static {}

impl ThrottleKey for ClientNetwork {}
impl ThrottleKey for EmailAddress {}
impl ThrottleKey for UserId {}
impl ThrottleKey for KeyId {}
impl<K: ThrottleKey> ThrottleKey for (K, ClientNetwork) {}

/// At most so many failures of one key in a window of time.
#[derive(Debug)]
pub(crate) struct Throttle<K> {
    limit: usize,
    window: TimeDelta,
    windows: Cache<K, Arc<Mutex<Window>>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    tries: Arc<Tries>,
}

/// The tries of one key in one window. Each takes a permit and gives it back unless it fails; after the
/// last failure there are none any more, for nobody.
#[derive(Debug)]
struct Tries {
    limit: usize,
    permits: Semaphore,
    queue: Semaphore,
    failures: AtomicUsize,
}

impl Tries {
    fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            permits: Semaphore::new(limit),
            queue: Semaphore::new(MOST_WAITING),
            failures: AtomicUsize::new(0),
        })
    }

    fn fail(&self) {
        let before = self.failures.fetch_add(1, Ordering::SeqCst);
        if before + 1 >= self.limit {
            self.permits.close();
        }
    }
}

impl<K: ThrottleKey> Throttle<K> {
    pub(crate) fn new(limit: usize, window: TimeDelta, memory: CacheMemory) -> Self {
        Self::with_share(limit, window, memory, Share::FAILURES)
    }

    pub(crate) fn with_share(
        limit: usize,
        window: TimeDelta,
        memory: CacheMemory,
        share: Share,
    ) -> Self {
        Self {
            limit,
            window,
            windows: Cache::new(memory.entries(share, ABOUT)),
        }
    }

    /// The tries of a key, and the refusal of one more.
    fn tries(&self, key: &K, now: Instant) -> (Arc<Tries>, ServiceError) {
        let new = || Window {
            began: now,
            tries: Tries::new(self.limit),
        };
        let window: Result<_, Infallible> = self
            .windows
            .get_or_insert_with(key, || Ok(Arc::new(Mutex::new(new()))));
        let Ok(window) = window;
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that went back begins a new window too.
        let age = now - window.began;
        if age >= self.window || age < TimeDelta::zero() {
            *window = new();
        }
        let wait = window.began + self.window - now;
        let seconds = u64::try_from(wait.num_seconds() + 1).unwrap_or(1);
        let refusal = ServiceError::Throttled(Duration::from_secs(seconds));
        (window.tries.clone(), refusal)
    }

    /// Begins a try. If so many are under way that all of them failing would reach the limit, it waits
    /// for how they come out.
    pub(crate) async fn attempt(&self, key: &K, now: Instant) -> ServiceResult<Attempt> {
        let (tries, refusal) = self.tries(key, now);
        let place = tries.queue.try_acquire().map_err(|_| ServiceError::Busy)?;
        let permit = tries.permits.acquire().await.map_err(|_| refusal)?;
        permit.forget();
        drop(place);
        Ok(Attempt::new(tries))
    }

    /// Begins a try, or refuses it at once.
    pub(crate) fn begin(&self, key: &K, now: Instant) -> ServiceResult<Attempt> {
        let (tries, refusal) = self.tries(key, now);
        tries.permits.try_acquire().map_err(|_| refusal)?.forget();
        Ok(Attempt::new(tries))
    }

    /// Refuses a key that is at its limit, without a try.
    fn check(&self, key: &K, now: Instant) -> ServiceResult<()> {
        let (tries, refusal) = self.tries(key, now);
        let is_at_limit = tries.permits.is_closed();
        if is_at_limit { Err(refusal) } else { Ok(()) }
    }

    /// Counts something that is no better for turning out well.
    pub(crate) fn count(&self, key: &K, now: Instant) -> ServiceResult<()> {
        self.begin(key, now).map(Attempt::failed)
    }
}

/// A try that is under way. It counts if it is told to have failed: not if the caller goes away
/// meanwhile, or the server is at fault, unless it is [strict](Attempt::strict).
#[derive(Debug)]
#[must_use]
pub(crate) struct Attempt {
    tries: Arc<Tries>,
    counts: bool,
}

impl Attempt {
    const fn new(tries: Arc<Tries>) -> Self {
        let counts = false;
        Self { tries, counts }
    }

    /// From now on it counts unless it is [forgiven](Attempt::forgiven), also if the caller goes away.
    pub(crate) fn strict(mut self) -> Self {
        self.counts = true;
        self
    }

    /// Ends the try, and counts it.
    pub(crate) fn failed(self) {
        drop(self.strict());
    }

    /// Ends the try, and doesn't count it.
    pub(crate) fn forgiven(mut self) {
        self.counts = false;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.counts {
            self.tries.fail();
        } else {
            self.tries.permits.add_permits(1);
        }
    }
}

/// The limits on where something comes from: its network, and the site that this is part of.
#[derive(Debug)]
pub(crate) struct NetworkLimits {
    network: Throttle<ClientNetwork>,
    site: Throttle<ClientNetwork>,
}

/// A site has room for as many networks that are at their limit.
const NETWORKS_OF_A_SITE: usize = 4;

impl NetworkLimits {
    pub(crate) fn new(limit: usize, window: TimeDelta, memory: CacheMemory) -> Self {
        Self {
            network: Throttle::new(limit, window, memory),
            site: Throttle::new(limit * NETWORKS_OF_A_SITE, window, memory),
        }
    }

    /// Refuses who is at a limit, without a try: what is asked later then remembers nothing more of them.
    fn check(&self, from: ClientNetwork, now: Instant) -> ServiceResult<()> {
        self.site.check(&from.site(), now)?;
        self.network.check(&from, now)
    }

    pub(crate) async fn attempt(
        &self,
        from: ClientNetwork,
        now: Instant,
    ) -> ServiceResult<Attempts<2>> {
        self.check(from, now)?;
        let network = self.network.attempt(&from, now).await?;
        let site = self.site.attempt(&from.site(), now).await?;
        Ok(Attempts([network, site]))
    }

    /// Counts something that is no better for turning out well.
    pub(crate) fn count(&self, from: ClientNetwork, now: Instant) -> ServiceResult<()> {
        self.check(from, now)?;
        let network = self.network.begin(&from, now)?;
        let site = self.site.begin(&from.site(), now)?;
        Attempts([network, site]).failed();
        Ok(())
    }
}

/// A try that several limits count.
#[derive(Debug)]
#[must_use]
pub(crate) struct Attempts<const N: usize>([Attempt; N]);

impl<const N: usize> Attempts<N> {
    /// As [`Attempt::strict`].
    pub(crate) fn strict(self) -> Self {
        Self(self.0.map(Attempt::strict))
    }

    /// As [`Attempt::failed`].
    pub(crate) fn failed(self) {
        self.0.into_iter().for_each(Attempt::failed);
    }

    /// As [`Attempt::forgiven`].
    pub(crate) fn forgiven(self) {
        self.0.into_iter().for_each(Attempt::forgiven);
    }
}

/// The limits on log-ins. The tightest is on account and network together, so that a stranger's
/// guesses slow the stranger down and not the owner of the account.
#[derive(Debug)]
pub(crate) struct LogInLimits {
    pair: Throttle<(EmailAddress, ClientNetwork)>,
    account: Throttle<EmailAddress>,
    from: NetworkLimits,
}

impl LogInLimits {
    pub(crate) fn new(memory: CacheMemory) -> Self {
        let window = TimeDelta::minutes(15);
        Self {
            pair: Throttle::new(10, window, memory),
            account: Throttle::new(50, window, memory),
            from: NetworkLimits::new(100, window, memory),
        }
    }

    /// The limits on asking for a mail with a link, which counts whether it is sent or not.
    pub(crate) fn of_mails(memory: CacheMemory) -> Self {
        let window = TimeDelta::hours(1);
        Self {
            pair: Throttle::new(3, window, memory),
            account: Throttle::new(10, window, memory),
            from: NetworkLimits::new(30, window, memory),
        }
    }

    /// Begins a try. All of them ask the limits in this order, so none waits for another in a circle.
    pub(crate) async fn attempt(
        &self,
        account: &EmailAddress,
        from: ClientNetwork,
        now: Instant,
    ) -> ServiceResult<Attempts<4>> {
        self.from.check(from, now)?;
        let pair = self.pair.attempt(&(account.clone(), from), now).await?;
        let account = self.account.attempt(account, now).await?;
        let Attempts([network, site]) = self.from.attempt(from, now).await?;
        Ok(Attempts([pair, account, network, site]))
    }

    /// Counts something that is no better for turning out well.
    pub(crate) fn count(
        &self,
        account: &EmailAddress,
        from: ClientNetwork,
        now: Instant,
    ) -> ServiceResult<()> {
        self.from.check(from, now)?;
        let pair = self.pair.begin(&(account.clone(), from), now)?;
        let account = self.account.begin(account, now)?;
        self.from.count(from, now)?;
        Attempts([pair, account]).failed();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;
    use domain::client_network::ClientNetwork;
    use tokio::task::JoinSet;

    use super::*;

    const MEMORY: CacheMemory = CacheMemory::megabytes(96);

    fn at(seconds: i64) -> Instant {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn from(address: &str) -> ClientNetwork {
        ClientNetwork::of(Some(address.parse().unwrap()))
    }

    fn a() -> ClientNetwork {
        from("192.0.2.1")
    }

    fn throttle(limit: usize) -> Throttle<ClientNetwork> {
        Throttle::new(limit, TimeDelta::minutes(1), MEMORY)
    }

    #[test]
    fn check_17_the_limit_is_for_one_key_and_for_a_while() {
        let throttle = throttle(3);
        for _ in 0..3 {
            throttle.count(&a(), at(0)).unwrap();
        }
        let Err(ServiceError::Throttled(wait)) = throttle.count(&a(), at(10)) else {
            panic!("the fourth failure is not let through");
        };
        assert_eq!(wait.as_secs(), 51);
        throttle.count(&from("192.0.2.2"), at(10)).unwrap();
        throttle.count(&a(), at(60)).unwrap();
    }

    #[tokio::test]
    async fn successes_do_not_count() {
        let throttle = throttle(3);
        for _ in 0..100 {
            let attempt = throttle.attempt(&a(), at(0)).await.unwrap();
            attempt.strict().forgiven();
        }
    }

    #[tokio::test]
    async fn an_attempt_counts_while_it_is_under_way_and_if_it_failed() {
        let throttle = throttle(1);
        let attempt = throttle.attempt(&a(), at(0)).await.unwrap();
        assert!(throttle.begin(&a(), at(0)).is_err());
        drop(attempt);
        throttle.attempt(&a(), at(0)).await.unwrap().failed();
        assert!(throttle.begin(&a(), at(0)).is_err());
    }

    #[tokio::test]
    async fn a_strict_attempt_counts_if_the_caller_goes_away() {
        let throttle = throttle(1);
        drop(throttle.attempt(&a(), at(0)).await.unwrap().strict());
        assert!(throttle.attempt(&a(), at(0)).await.is_err());
    }

    /// Each try is a task that lasts a moment; how many were let through, and how many refused.
    async fn crowd(limit: usize, tries: usize, is_right: bool) -> (usize, usize) {
        let throttle = Arc::new(throttle(limit));
        let mut crowd = JoinSet::new();
        for _ in 0..tries {
            let throttle = throttle.clone();
            crowd.spawn(async move {
                let attempt = throttle.attempt(&a(), at(0)).await?.strict();
                tokio::time::sleep(Duration::from_millis(1)).await;
                if is_right {
                    attempt.forgiven();
                } else {
                    attempt.failed();
                }
                ServiceResult::Ok(())
            });
        }
        let done = crowd.join_all().await;
        let passed = done.iter().filter(|done| done.is_ok()).count();
        (passed, tries - passed)
    }

    /// Check 61: exact under parallel tries, also for those that waited.
    #[tokio::test(flavor = "multi_thread")]
    async fn check_61_parallel_tries_do_not_get_past_the_limit() {
        assert_eq!(crowd(10, 100, false).await, (10, 90));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn right_tries_at_once_are_never_refused() {
        assert_eq!(crowd(10, 200, true).await, (200, 0));
    }

    #[tokio::test]
    async fn not_more_than_so_many_wait() {
        let throttle = throttle(1);
        let attempt = throttle.attempt(&a(), at(0)).await.unwrap();
        let (tries, _) = throttle.tries(&a(), at(0));
        let full = tries.queue.try_acquire_many(1_000).unwrap();
        let surplus = throttle.attempt(&a(), at(0)).await;
        assert!(matches!(surplus, Err(ServiceError::Busy)), "{surplus:?}");
        drop((full, attempt));
        throttle.attempt(&a(), at(0)).await.unwrap().failed();
    }

    #[tokio::test]
    async fn a_strangers_guesses_do_not_lock_the_owner_out() {
        let limits = LogInLimits::new(MEMORY);
        let mara: EmailAddress = "mara@example.com".parse().unwrap();
        let guess = async |address: &str| {
            let attempt = limits.attempt(&mara, from(address), at(0)).await;
            attempt.map(Attempts::failed)
        };
        for _ in 0..20 {
            let _ = guess("192.0.2.1").await;
        }
        assert!(guess("192.0.2.1").await.is_err());
        assert!(guess("198.51.100.7").await.is_ok());
        // An IPv4 address that arrives mapped into IPv6 is the same address.
        assert!(guess("::ffff:192.0.2.1").await.is_err());
    }

    #[tokio::test]
    async fn check_98_a_network_and_a_site_of_ipv6_are_one_stranger() {
        let limits = LogInLimits::new(MEMORY);
        let mut passed = (0, 0);
        for n in 0..1_000 {
            let who: EmailAddress = format!("p{n}@example.com").parse().unwrap();
            for (count, address) in [
                (&mut passed.0, format!("2001:db8:1:1::{n:x}")),
                (&mut passed.1, format!("2001:db8:2:{n:x}::1")),
            ] {
                if let Ok(attempt) = limits.attempt(&who, from(&address), at(0)).await {
                    attempt.failed();
                    *count += 1;
                }
            }
        }
        assert_eq!(passed, (100, 400));
    }

    #[test]
    fn of_a_network_that_is_refused_nothing_more_is_remembered() {
        let limits = LogInLimits::of_mails(MEMORY);
        let ask = |n: usize| {
            let who: EmailAddress = format!("p{n}@example.com").parse().unwrap();
            limits.count(&who, a(), at(0)).is_ok()
        };
        assert_eq!((0..1_000).filter(|n| ask(*n)).count(), 30);
        assert_eq!(limits.pair.windows.len(), 30);
        assert_eq!(limits.account.windows.len(), 30);
    }

    #[tokio::test]
    async fn what_one_limit_refuses_no_other_counts() {
        let limits = LogInLimits::of_mails(MEMORY);
        let (mara, ines) = ("mara@example.com", "ines@example.com");
        for (who, allowed) in [(mara, 3), (ines, 3)] {
            let who: EmailAddress = who.parse().unwrap();
            let ask = |_: &i32| limits.count(&who, a(), at(0)).is_ok();
            assert_eq!((0..40).filter(ask).count(), allowed, "{who}");
        }
    }
}

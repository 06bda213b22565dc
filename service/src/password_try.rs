//! Trying a password. Each node lets so many wrong ones through in a while (`throttle`); all together so
//! many in a row, and then the password is locked until it is chosen anew: with a link, or by
//! `keyrack user reset-password`. Sessions, and single sign-on, go on.

use domain::password::Password;
use domain::user::{EmailAddress, User};
use storage::{Epoch, PersonRecord};

use crate::Services;
use crate::actor::RequestFacts;
use crate::error::ServiceResult;
use crate::passwords::Checked;

/// The most wrong passwords of a person in a row (NIST SP 800-63B-4 section 3.2.2).
const MOST_FAILURES: u32 = 100;

/// Whether a person's password is locked: nobody logs in with it any more.
#[must_use]
pub fn is_password_locked(person: &PersonRecord) -> bool {
    person.has_password && person.password_failures >= u64::from(MOST_FAILURES)
}

/// What the audit log says about the last of them.
pub(crate) const LOCKED: &str = "100 wrong passwords in a row";

/// How a try came out.
#[derive(Debug)]
pub(crate) enum Tried {
    Right(Right),
    Wrong {
        /// Whose address it is.
        user: Option<User>,
        lock: Lock,
    },
}

/// A password that fits.
#[derive(Debug)]
pub(crate) struct Right {
    pub user: User,
    /// What this holds for, as of when the hash was read.
    pub epoch: Epoch,
    /// The hash that it fits.
    pub hash: String,
    /// Whether that has weaker parameters than today's.
    pub is_weak: bool,
}

/// Whether a password is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    Open,
    /// By this try.
    Locked,
    /// Before: this try was not checked.
    WasLocked,
}

impl Services {
    /// Tries a password of the person with an address, if they `may` use one. It takes the same time,
    /// and the same questions to the store, whether there is such a person or not.
    pub(crate) async fn try_password(
        &self,
        email: &EmailAddress,
        password: Password,
        facts: &RequestFacts,
        may: impl Fn(&User) -> bool + Send,
    ) -> ServiceResult<Tried> {
        let limits = &self.0.log_in_limits;
        let attempt = limits.attempt(email, facts.network(), self.now()).await?;
        let attempt = attempt.strict();
        let tried = self.try_once(email, password, may).await;
        // Only a wrong password counts, not who is told to come back.
        match tried {
            Ok(Tried::Wrong { .. }) => attempt.failed(),
            _ => attempt.forgiven(),
        }
        tried
    }

    async fn try_once(
        &self,
        email: &EmailAddress,
        password: Password,
        may: impl Fn(&User) -> bool + Send,
    ) -> ServiceResult<Tried> {
        // Before it is counted: who finds no place has tried nothing.
        let place = self.0.passwords.place()?;
        let store = self.store();
        let begun = store.begin_password_try(email.clone(), MOST_FAILURES);
        let (login, number) = begun
            .await?
            .map(|begun| (begun.login, begun.number))
            .unzip();
        let usable = login.as_ref().and_then(|login| {
            let hash = login.password_hash.as_ref();
            hash.filter(|_| login.user.is_active() && may(&login.user))
        });
        let lock = match number.flatten() {
            _ if usable.is_none() => Lock::Open,
            None => Lock::WasLocked,
            Some(MOST_FAILURES) => Lock::Locked,
            Some(_) => Lock::Open,
        };
        let hash = usable.filter(|_| lock != Lock::WasLocked).cloned();
        let checked = self.0.passwords.check(place, password, hash.clone());
        match (checked.await?, login, hash) {
            (right @ (Checked::Right | Checked::RightButWeak), Some(login), Some(hash)) => {
                store.password_was_right(login.user.id).await?;
                Ok(Tried::Right(Right {
                    user: login.user,
                    epoch: login.epoch,
                    hash,
                    is_weak: right == Checked::RightButWeak,
                }))
            }
            (_, login, _) => Ok(Tried::Wrong {
                user: login.map(|login| login.user),
                lock,
            }),
        }
    }
}

//! Trying a password. Each node lets so many wrong ones through in a while (`throttle`); all together so
//! many in a row, and then the password is locked until it is chosen anew: with a link, or by
//! `keyrack user reset-password`. Sessions, and single sign-on, go on.

use domain::password::Password;
use domain::user::{EmailAddress, User};
use storage::{Epoch, PersonRecord, WrongPassword};

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

impl Services {
    /// Tries a password of the person with an address, if they `may` use one; nothing if it is wrong,
    /// which is counted and `audited`. It takes the same time, the same questions to the store and the
    /// same transactions, whether there is such a person or not.
    pub(crate) async fn try_password(
        &self,
        email: &EmailAddress,
        password: Password,
        facts: &RequestFacts,
        may: impl Fn(&User) -> bool + Send,
        audited: impl Fn(Option<&User>) -> WrongPassword + Send,
    ) -> ServiceResult<Option<Right>> {
        let limits = &self.0.log_in_limits;
        let attempt = limits.attempt(email, facts.network(), self.now()).await?;
        let attempt = attempt.strict();
        let tried = self.try_once(email, password, may, audited).await;
        // Only a wrong password counts, not who is told to come back.
        match tried {
            Ok(None) => attempt.failed(),
            _ => attempt.forgiven(),
        }
        tried
    }

    async fn try_once(
        &self,
        email: &EmailAddress,
        password: Password,
        may: impl Fn(&User) -> bool + Send,
        audited: impl Fn(Option<&User>) -> WrongPassword + Send,
    ) -> ServiceResult<Option<Right>> {
        // Before anybody is looked up: who finds no place has tried nothing.
        let place = self.0.passwords.place()?;
        let store = self.store();
        let login = store.find_login(email.clone()).await?;
        let usable = login.as_ref().filter(|login| {
            let is_locked = login.password_failures >= u64::from(MOST_FAILURES);
            !is_locked && login.user.is_active() && may(&login.user)
        });
        let hash = usable.and_then(|login| login.password_hash.clone());
        let checked = self.0.passwords.check(place, password, hash.clone());
        let checked = checked.await?;
        if let (true, Some(login), Some(hash)) = (checked != Checked::Wrong, &login, hash)
            && store.password_was_right(login.epoch, MOST_FAILURES).await?
        {
            return Ok(Some(Right {
                user: login.user.clone(),
                epoch: login.epoch,
                hash,
                is_weak: checked == Checked::RightButWeak,
            }));
        }
        let audit = audited(login.as_ref().map(|login| &login.user));
        store
            .password_was_wrong(email.clone(), MOST_FAILURES, audit)
            .await?;
        Ok(None)
    }
}

//! A credential: one issued identity for a program, and the states that it goes through.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::access::Access;
use crate::key_id::KeyId;
use crate::limits::Limits;
use crate::text::{CredentialName, Purpose, Reason};
use crate::user::UserId;

/// How long before its end a credential shows as expiring.
pub const EXPIRING_WITHIN: TimeDelta = TimeDelta::days(14);

/// The most public keys that a credential may have.
pub const MAX_PUBLIC_KEYS: usize = 10;

/// How a program proves that it holds the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// Trades a shared secret for tokens (RFC 6749 section 4.4).
    ClientSecret,
    /// Trades an assertion signed with its private key for tokens (RFC 7523).
    PrivateKeyJwt,
    /// Sends key id and secret on each call (RFC 7617, or a pair of headers).
    Legacy,
}

impl Flow {
    /// The flows, in the order of the form.
    pub const ALL: [Self; 3] = [Self::ClientSecret, Self::PrivateKeyJwt, Self::Legacy];

    /// `client_secret`, `private_key_jwt` or `legacy`, as in forms and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecret => "client_secret",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::Legacy => "legacy",
        }
    }

    /// The words that people see.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ClientSecret => "Client secret",
            Self::PrivateKeyJwt => "Private key JWT",
            Self::Legacy => "Legacy",
        }
    }

    /// Whether Keyrack makes a secret for it.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecret | Self::Legacy)
    }
}

/// Why a text is not a [`Flow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a flow is client_secret, private_key_jwt or legacy")]
pub struct InvalidFlow;

impl FromStr for Flow {
    type Err = InvalidFlow;

    /// Takes `client-secret` as well, the spelling of the command line.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.replace('-', "_");
        Self::ALL
            .into_iter()
            .find(|flow| flow.as_str() == text)
            .ok_or(InvalidFlow)
    }
}

/// Who did something, when, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Instant,
    /// The name of who did it, as it was then.
    pub by: String,
    /// Why.
    pub reason: Option<Reason>,
}

/// What people have decided about a credential; [`State`] adds what time has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// In use.
    Active,
    /// Quarantined: refused everywhere until somebody enables it again.
    Disabled(Mark),
    /// Ended for good.
    Revoked(Mark),
}

/// What somebody does to a credential's standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// Quarantine it.
    Disable,
    /// End the quarantine.
    Enable,
    /// End the credential.
    Revoke,
}

/// Why a transition is not possible: what the credential is already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransition {
    /// It is revoked, which is final.
    #[error("this credential is revoked, which can't be undone: issue a new one")]
    Revoked,
    /// It is quarantined already.
    #[error("this credential is quarantined already")]
    AlreadyDisabled,
    /// It is not quarantined.
    #[error("this credential is not quarantined")]
    NotDisabled,
    /// It has expired, which is final too.
    #[error("this credential has expired, which can't be undone: issue a new one")]
    Expired,
}

impl Standing {
    /// The word in storage: `active`, `disabled` or `revoked`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled(_) => "disabled",
            Self::Revoked(_) => "revoked",
        }
    }

    /// Who brought it here, when and why; nothing for an active one.
    #[must_use]
    pub const fn mark(&self) -> Option<&Mark> {
        match self {
            Self::Active => None,
            Self::Disabled(mark) | Self::Revoked(mark) => Some(mark),
        }
    }

    /// The standing after a transition.
    ///
    /// # Errors
    /// The transition doesn't lead anywhere from here.
    pub fn after(&self, transition: Transition, mark: Mark) -> Result<Self, InvalidTransition> {
        match (self, transition) {
            (Self::Revoked(_), _) => Err(InvalidTransition::Revoked),
            (Self::Disabled(_), Transition::Disable) => Err(InvalidTransition::AlreadyDisabled),
            (Self::Active, Transition::Enable) => Err(InvalidTransition::NotDisabled),
            (Self::Active, Transition::Disable) => Ok(Self::Disabled(mark)),
            (Self::Disabled(_), Transition::Enable) => Ok(Self::Active),
            (Self::Active | Self::Disabled(_), Transition::Revoke) => Ok(Self::Revoked(mark)),
        }
    }
}

/// What a credential is at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Works.
    Active,
    /// Ended by time.
    Expired,
    /// Quarantined.
    Disabled,
    /// Ended for good by somebody.
    Revoked,
}

impl State {
    /// The four states.
    pub const ALL: [Self; 4] = [Self::Active, Self::Expired, Self::Disabled, Self::Revoked];

    /// `active`, `expired`, `disabled` or `revoked`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
        }
    }

    /// The word that people see.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Expired => "Expired",
            Self::Disabled => "Quarantined",
            Self::Revoked => "Revoked",
        }
    }
}

/// Why a text is not a [`State`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a state is active, expired, disabled or revoked")]
pub struct InvalidState;

impl FromStr for State {
    type Err = InvalidState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(InvalidState)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state at an instant: valid one second before its end, dead at that instant. What people
/// decided goes before what time did.
#[must_use]
pub fn state_at(standing: &Standing, expires_at: Option<Instant>, now: Instant) -> State {
    match standing {
        Standing::Revoked(_) => State::Revoked,
        _ if expires_at.is_some_and(|end| end <= now) => State::Expired,
        Standing::Disabled(_) => State::Disabled,
        Standing::Active => State::Active,
    }
}

/// One issued identity for a program, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The public identifier.
    pub key_id: KeyId,
    /// What it is called.
    pub name: CredentialName,
    /// What it is for.
    pub purpose: Purpose,
    /// The person who cares for it.
    pub owner: UserId,
    /// How it proves itself.
    pub flow: Flow,
    /// What it may do.
    pub access: Access,
    /// From where, how often and how fast it may do it.
    pub limits: Limits,
    /// When it ends; never, if nothing.
    pub expires_at: Option<Instant>,
    /// What people have decided about it.
    pub standing: Standing,
    /// When it was issued.
    pub created_at: Instant,
    /// The name of who issued it, as it was then.
    pub created_by: String,
    /// When its facts last changed; an edit names it, so that two editors don't overwrite each other.
    pub updated_at: Instant,
}

impl Credential {
    /// The state at an instant.
    #[must_use]
    pub fn state(&self, now: Instant) -> State {
        state_at(&self.standing, self.expires_at, now)
    }

    /// Whether it works now but ends within [`EXPIRING_WITHIN`].
    #[must_use]
    pub fn is_expiring(&self, now: Instant) -> bool {
        self.state(now) == State::Active
            && self
                .expires_at
                .is_some_and(|end| end - now <= EXPIRING_WITHIN)
    }

    /// Does a transition.
    ///
    /// # Errors
    /// The credential's state does not allow it; time's end is as final as revocation, except that
    /// an expired credential may still be revoked.
    pub fn apply(&mut self, transition: Transition, mark: Mark) -> Result<(), InvalidTransition> {
        if self.state(mark.at) == State::Expired && transition != Transition::Revoke {
            return Err(InvalidTransition::Expired);
        }
        let at = mark.at;
        self.standing = self.standing.after(transition, mark)?;
        self.updated_at = at;
        Ok(())
    }

    /// Whether its facts may still be edited.
    ///
    /// # Errors
    /// It has ended.
    pub fn check_editable(&self, now: Instant) -> Result<(), InvalidTransition> {
        match self.state(now) {
            State::Revoked => Err(InvalidTransition::Revoked),
            State::Expired => Err(InvalidTransition::Expired),
            State::Active | State::Disabled => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Instant {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn mark(seconds: i64) -> Mark {
        Mark {
            at: at(seconds),
            by: "Mara".to_owned(),
            reason: None,
        }
    }

    fn credential(expires_at: Option<Instant>) -> Credential {
        Credential {
            key_id: "KRQ7M2XZLP4TAVJ6NDB3EH".parse().unwrap(),
            name: "settlement-worker".parse().unwrap(),
            purpose: "Moves cash".parse().unwrap(),
            owner: UserId(uuid::Uuid::nil()),
            flow: Flow::ClientSecret,
            access: Access::ReadOnly,
            limits: Limits::default(),
            expires_at,
            standing: Standing::Active,
            created_at: at(0),
            created_by: "Mara".to_owned(),
            updated_at: at(0),
        }
    }

    #[test]
    fn transitions_lead_only_where_they_may() {
        use InvalidTransition as No;
        use Transition::{Disable, Enable, Revoke};
        let standings = [
            Standing::Active,
            Standing::Disabled(mark(1)),
            Standing::Revoked(mark(1)),
        ];
        let table = [
            [Ok("disabled"), Err(No::NotDisabled), Ok("revoked")],
            [Err(No::AlreadyDisabled), Ok("active"), Ok("revoked")],
            [Err(No::Revoked), Err(No::Revoked), Err(No::Revoked)],
        ];
        for (standing, row) in standings.iter().zip(table) {
            for (transition, expected) in [Disable, Enable, Revoke].into_iter().zip(row) {
                let got = standing.after(transition, mark(2));
                assert_eq!(got.as_ref().map(Standing::as_str).map_err(|e| *e), expected);
                if let Ok(Some(mark)) = got.as_ref().map(Standing::mark) {
                    assert_eq!(mark.at, at(2));
                }
            }
        }
    }

    /// Check 87: valid one second before, dead at the instant.
    #[test]
    fn check_87_a_credential_dies_at_the_instant() {
        let credential = credential(Some(at(100)));
        assert_eq!(credential.state(at(99)), State::Active);
        assert_eq!(credential.state(at(100)), State::Expired);
        assert!(credential.is_expiring(at(0)) && !credential.is_expiring(at(100)));
    }

    #[test]
    fn an_expired_credential_can_only_be_revoked() {
        let mut credential = credential(Some(at(100)));
        assert_eq!(
            credential.apply(Transition::Disable, mark(100)),
            Err(InvalidTransition::Expired)
        );
        assert_eq!(
            credential.check_editable(at(100)),
            Err(InvalidTransition::Expired)
        );
        assert_eq!(credential.apply(Transition::Revoke, mark(101)), Ok(()));
        assert_eq!(credential.state(at(101)), State::Revoked);
        assert_eq!(credential.updated_at, at(101));
    }

    proptest! {
        /// Whatever people do, a revoked credential stays revoked and an expired one never works.
        #[test]
        fn no_sequence_of_transitions_brings_a_dead_credential_back(
            steps in proptest::collection::vec((0_usize..3, 1_i64..60), 0..20),
            end in proptest::option::of(1_i64..300),
        ) {
            let mut credential = credential(end.map(at));
            let (mut now, mut dead) = (0, false);
            for (which, wait) in steps {
                now += wait;
                let transition = [Transition::Disable, Transition::Enable, Transition::Revoke][which];
                let _ = credential.apply(transition, mark(now));
                let state = credential.state(at(now));
                dead = dead || matches!(state, State::Revoked | State::Expired);
                prop_assert!(!dead || !matches!(state, State::Active | State::Disabled));
            }
        }
    }
}

//! What is written down about each change and each refusal, and the chain that proves it whole.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Instant;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in storage and exports; it never changes.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or(UnknownWord)
            }
        }
    };
}

/// A stored word that this version doesn't know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a word that this version of Keyrack does not know")]
pub struct UnknownWord;

words! {
    /// What was done or tried.
    Action {
        /// The first superuser was made with the set-up link.
        SetUpDone = "set_up.done",
        /// A set-up link was printed.
        SetUpOffered = "set_up.offered",
        /// Somebody logged in.
        LogIn = "session.log_in",
        /// Somebody logged out.
        LogOut = "session.log_out",
        /// Somebody who is logged in proved once more who they are.
        Proven = "session.proven",
        /// Single sign-on was refused.
        SsoRefused = "session.sso_refused",
        /// The header of single sign-on came from somebody who is not trusted to send it.
        SsoHeaderIgnored = "session.sso_header_ignored",
        /// A session was ended from another one.
        SessionEnded = "session.ended",
        /// A person was added.
        UserAdded = "user.added",
        /// A person's role changed.
        UserRoleChanged = "user.role_changed",
        /// A person got another name or address.
        UserChanged = "user.changed",
        /// A person was added by their first single sign-on.
        UserProvisioned = "user.provisioned",
        /// The groups of a person gave them another role.
        UserRoleMapped = "user.role_mapped",
        /// A person got one more identity to log in with.
        IdentityLinked = "user.identity_linked",
        /// A person was disabled.
        UserDisabled = "user.disabled",
        /// A person was enabled again.
        UserEnabled = "user.enabled",
        /// A person changed their password.
        PasswordChanged = "user.password_changed",
        /// A link for choosing a new password was made.
        PasswordResetOffered = "user.password_reset_offered",
        /// A password was chosen with a one-time link.
        PasswordChosen = "user.password_chosen",
        /// A person's password was locked: too many wrong ones were tried in a row.
        PasswordLocked = "user.password_locked",
        /// A person got a second factor, or another one in its place.
        SecondFactorAdded = "user.second_factor_added",
        /// A person lost a second factor.
        SecondFactorRemoved = "user.second_factor_removed",
        /// All of a person's second factors were taken away for them.
        SecondFactorReset = "user.second_factor_reset",
        /// A person came in with a recovery code, which is used up.
        RecoveryCodeUsed = "user.recovery_code_used",
        /// A person got new recovery codes in place of the old ones.
        RecoveryCodesRenewed = "user.recovery_codes_renewed",
        /// A credential was issued.
        CredentialIssued = "credential.issued",
        /// A credential's name, owner, purpose, access or expiry changed.
        CredentialEdited = "credential.edited",
        /// A credential was quarantined.
        CredentialDisabled = "credential.disabled",
        /// A quarantine ended.
        CredentialEnabled = "credential.enabled",
        /// A credential was revoked.
        CredentialRevoked = "credential.revoked",
        /// A credential got one more public key.
        PublicKeyAdded = "credential.public_key_added",
        /// A credential lost one of its public keys.
        PublicKeyRemoved = "credential.public_key_removed",
        /// A credential got the URL of its public keys, or another one.
        KeyUrlSet = "credential.key_url_set",
        /// Somebody had a credential's public keys fetched from their URL.
        KeysFetched = "credential.keys_fetched",
        /// A credential's limits changed.
        LimitsChanged = "credential.limits_changed",
        /// An access token was revoked.
        TokenRevoked = "token.revoked",
        /// A gateway was added.
        GatewayAdded = "gateway.added",
        /// A gateway's name, kind, addresses or audiences changed.
        GatewayEdited = "gateway.edited",
        /// A gateway got a new token in place of the one before.
        GatewayTokenReplaced = "gateway.token_replaced",
        /// A gateway was removed, and its token with it.
        GatewayRemoved = "gateway.removed",
        /// A signing key was made.
        SigningKeyMade = "signing_key.made",
        /// A signing key was made that takes over from the one before.
        SigningKeyRotated = "signing_key.rotated",
        /// A signing key no longer signs, and its private half was deleted.
        SigningKeyRetired = "signing_key.retired",
        /// A signing key was ended at once, as somebody else may have it.
        SigningKeyCompromised = "signing_key.compromised",
        /// The catalogue was read anew.
        CatalogueReloaded = "catalogue.reloaded",
        /// The audit log was exported.
        AuditExported = "audit.exported",
        /// The oldest part of the audit log was trimmed away.
        AuditTrimmed = "audit.trimmed",
        /// A process found that the database has lost events that it had read, or is another one.
        AuditBroken = "audit.broken",
        /// Refusals and failures were left out of the log, which were too many, and are told in one.
        AuditSummedUp = "audit.summed_up",
        /// The system's clock was declared right, though the last events are from later.
        ClockAccepted = "clock.accepted",
        /// A database backup was written.
        BackupWritten = "database.backed_up",
    }
}

words! {
    /// How it ended.
    Outcome {
        /// It was done.
        Done = "done",
        /// The actor may not do this.
        Denied = "denied",
        /// It was tried and went wrong: a wrong password, say.
        Failed = "failed",
    }
}

words! {
    /// What kind of actor it was.
    ActorKind {
        /// A team member.
        Person = "person",
        /// A command on the host.
        Host = "host",
        /// Keyrack itself.
        System = "system",
        /// Somebody who has not logged in.
        Anonymous = "anonymous",
        /// A program that authenticated with its credential; the id is its key id.
        Program = "program",
    }
}

words! {
    /// What kind of thing it was done to.
    ObjectKind {
        /// A credential; the id is its key id.
        Credential = "credential",
        /// A team member; the id is their user id.
        User = "user",
        /// A signing key; the id is its `kid`.
        SigningKey = "signing_key",
        /// An access token; the id is its `jti`.
        Token = "token",
        /// A gateway; the id is its gateway id.
        Gateway = "gateway",
        /// The catalogue.
        Catalogue = "catalogue",
        /// Keyrack as a whole.
        System = "system",
    }
}

/// One event, before it has a place in the chain. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When.
    pub at: Instant,
    /// What kind of actor.
    pub actor_kind: ActorKind,
    /// The actor's id, where there is one.
    pub actor_id: Option<String>,
    /// The epoch of what the actor has open, for a person: what they do is refused if it has ended by the
    /// time that it is done. It is not written down.
    pub actor_epoch: Option<i64>,
    /// The actor's name, as it was then.
    pub actor_name: String,
    /// What was done or tried.
    pub action: Action,
    /// What kind of thing it was done to.
    pub object_kind: ObjectKind,
    /// The thing's id, where there is one.
    pub object_id: Option<String>,
    /// The thing's name, as it was then.
    pub object_name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The address that the request came from.
    pub address: Option<String>,
    /// The request, for looking it up in the log.
    pub request_id: Option<String>,
    /// What changed, and why: a JSON object, as text, because the chain covers its exact bytes.
    pub detail: String,
}

/// SHA-256 over an event and the hash before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainHash(pub [u8; 32]);

impl ChainHash {
    /// What stands before the first event.
    pub const START: Self = Self([0; 32]);

    /// The hash of the event at place `seq`, after the hash before it.
    ///
    /// Each field goes in with its length, so that no two different events have the same bytes.
    #[must_use]
    pub fn after(self, seq: i64, event: &AuditEvent) -> Self {
        let seq = seq.to_string();
        let at = event.at.timestamp_millis().to_string();
        let optional = |text: &Option<String>| {
            text.as_ref()
                .map(|text| format!("={text}"))
                .unwrap_or_default()
        };
        let fields = [
            seq.as_str(),
            at.as_str(),
            event.actor_kind.as_str(),
            &optional(&event.actor_id),
            &event.actor_name,
            event.action.as_str(),
            event.object_kind.as_str(),
            &optional(&event.object_id),
            &event.object_name,
            event.outcome.as_str(),
            &optional(&event.address),
            &optional(&event.request_id),
            &event.detail,
        ];
        let mut hash = Sha256::new();
        hash.update(self.0);
        for field in fields {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// An event with its place in the chain, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// 1, 2, 3 … without gaps.
    pub seq: i64,
    /// The event.
    pub event: AuditEvent,
    /// The stored hash.
    pub hash: ChainHash,
}

/// Where the chain is broken, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// An entry is missing or out of order.
    #[error("audit entry {expected} is missing: the next one found is {found}")]
    Gap {
        /// The number that should come next.
        expected: i64,
        /// The number that was found.
        found: i64,
    },
    /// An entry was changed, or one before it.
    #[error("audit entry {seq} does not match its hash: it, or the order of entries, was changed")]
    Hash {
        /// The entry.
        seq: i64,
    },
    /// The log begins later than any entry says that it was trimmed.
    #[error("the audit log begins after entry {base}, but no entry says that it was trimmed there")]
    Trimmed {
        /// The number of the last entry that is gone.
        base: i64,
    },
    /// The last entries are gone: the chain ends before its stored head.
    #[error("the audit log ends at entry {found}, but {expected} were written")]
    Truncated {
        /// The number of the last entry written.
        expected: i64,
        /// The number of the last entry found.
        found: i64,
    },
}

/// Walks a chain entry by entry, so that a log of any length is verified in constant memory.
#[derive(Debug)]
pub struct ChainVerifier {
    seq: i64,
    hash: ChainHash,
}

impl Default for ChainVerifier {
    fn default() -> Self {
        Self::after((0, ChainHash::START))
    }
}

impl ChainVerifier {
    /// Begins after an entry, by its number and hash: the last one that was trimmed away.
    #[must_use]
    pub const fn after((seq, hash): (i64, ChainHash)) -> Self {
        Self { seq, hash }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// The entry doesn't follow the one before it.
    pub fn take(&mut self, entry: &AuditEntry) -> Result<(), BrokenChain> {
        let expected = self.seq + 1;
        if entry.seq != expected {
            return Err(BrokenChain::Gap {
                expected,
                found: entry.seq,
            });
        }
        if self.hash.after(entry.seq, &entry.event) != entry.hash {
            return Err(BrokenChain::Hash { seq: entry.seq });
        }
        (self.seq, self.hash) = (entry.seq, entry.hash);
        Ok(())
    }

    /// Ends the walk at the head that was stored apart from the entries.
    ///
    /// # Errors
    /// The log ends before its head, or elsewhere.
    pub fn finish(self, head: (i64, ChainHash)) -> Result<(i64, ChainHash), BrokenChain> {
        if self.seq != head.0 {
            Err(BrokenChain::Truncated {
                expected: head.0,
                found: self.seq,
            })
        } else if self.hash == head.1 {
            Ok(head)
        } else {
            Err(BrokenChain::Hash { seq: self.seq })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn event(number: i64) -> AuditEvent {
        AuditEvent {
            at: DateTime::from_timestamp(1_800_000_000 + number, 0).unwrap(),
            actor_kind: ActorKind::Person,
            actor_id: Some("1".to_owned()),
            actor_epoch: None,
            actor_name: "Mara".to_owned(),
            action: Action::CredentialIssued,
            object_kind: ObjectKind::Credential,
            object_id: Some("KRQ7M2XZLP4TAVJ6NDB3EH".to_owned()),
            object_name: format!("worker-{number}"),
            outcome: Outcome::Done,
            address: None,
            request_id: None,
            detail: "{}".to_owned(),
        }
    }

    fn chain(length: i64) -> Vec<AuditEntry> {
        let mut hash = ChainHash::START;
        (1..=length)
            .map(|seq| {
                hash = hash.after(seq, &event(seq));
                AuditEntry {
                    seq,
                    event: event(seq),
                    hash,
                }
            })
            .collect()
    }

    fn verify(entries: &[AuditEntry], head: (i64, ChainHash)) -> Result<(), BrokenChain> {
        let mut verifier = ChainVerifier::default();
        entries.iter().try_for_each(|entry| verifier.take(entry))?;
        verifier.finish(head).map(|_| ())
    }

    #[test]
    fn check_89_any_tampering_is_found() {
        let whole = chain(5);
        let head = (5, whole[4].hash);
        assert_eq!(verify(&whole, head), Ok(()));

        let mut changed = whole.clone();
        changed[2].event.detail = "{ }".to_owned();
        assert_eq!(verify(&changed, head), Err(BrokenChain::Hash { seq: 3 }));

        let mut missing = whole.clone();
        missing.remove(1);
        assert_eq!(
            verify(&missing, head),
            Err(BrokenChain::Gap {
                expected: 2,
                found: 3
            })
        );

        let mut swapped = whole.clone();
        swapped.swap(1, 2);
        assert_eq!(
            verify(&swapped, head),
            Err(BrokenChain::Gap {
                expected: 2,
                found: 3
            })
        );
        let (a, b) = (whole[1].event.clone(), whole[2].event.clone());
        let mut reordered = whole.clone();
        (reordered[1].event, reordered[2].event) = (b, a);
        assert_eq!(verify(&reordered, head), Err(BrokenChain::Hash { seq: 2 }));

        assert_eq!(
            verify(&whole[..4], head),
            Err(BrokenChain::Truncated {
                expected: 5,
                found: 4
            })
        );
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let (mut a, mut b) = (event(1), event(1));
        (a.actor_name, a.object_name) = ("ab".to_owned(), "c".to_owned());
        (b.actor_name, b.object_name) = ("a".to_owned(), "bc".to_owned());
        assert_ne!(ChainHash::START.after(1, &a), ChainHash::START.after(1, &b));
        let (mut none, mut empty) = (event(1), event(1));
        (none.address, empty.address) = (None, Some(String::new()));
        assert_ne!(
            ChainHash::START.after(1, &none),
            ChainHash::START.after(1, &empty)
        );
    }

    #[test]
    fn words_round_trip() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(*action));
        }
        for kind in ObjectKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
        assert_eq!("user.deleted".parse::<Action>(), Err(UnknownWord));
    }
}

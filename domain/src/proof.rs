//! Which actions need a fresh proof of who acts, beside their permission: those that make or widen
//! what somebody or something may do. Stopping never waits for a proof, but for the end of a signing key.

use chrono::TimeDelta;

use crate::audit::Action;

/// How long a proof is fresh: a log-in, or a second factor.
pub const PROOF_LASTS: TimeDelta = TimeDelta::minutes(15);

impl Action {
    /// Whether a person needs a fresh proof for it: the whole table. Every action is named, so that a
    /// new one must be decided about.
    #[must_use]
    pub const fn needs_proof(self) -> bool {
        match self {
            Self::UserAdded
            | Self::UserRoleChanged
            | Self::UserChanged
            | Self::UserEnabled
            | Self::IdentityLinked
            | Self::PasswordResetOffered
            | Self::SecondFactorAdded
            | Self::SecondFactorRemoved
            | Self::SecondFactorReset
            | Self::RecoveryCodesRenewed
            | Self::CredentialIssued
            | Self::CredentialEdited
            | Self::CredentialEnabled
            | Self::PublicKeyAdded
            | Self::KeyUrlSet
            | Self::LimitsChanged
            | Self::GatewayAdded
            | Self::GatewayEdited
            | Self::GatewayTokenReplaced
            | Self::GatewayRemoved
            // It stops something, and yet it waits: every token that a key signed ends with it.
            | Self::SigningKeyCompromised => true,
            Self::SetUpDone
            | Self::SetUpOffered
            | Self::LogIn
            | Self::LogOut
            | Self::Proven
            | Self::SsoRefused
            | Self::SsoHeaderIgnored
            | Self::SessionEnded
            | Self::UserProvisioned
            | Self::UserRoleMapped
            | Self::UserDisabled
            // It asks for the current password, which is a proof.
            | Self::PasswordChanged
            | Self::PasswordChosen
            | Self::PasswordLocked
            | Self::RecoveryCodeUsed
            | Self::CredentialDisabled
            | Self::CredentialRevoked
            | Self::PublicKeyRemoved
            | Self::KeysFetched
            | Self::TokenRevoked
            | Self::SigningKeyMade
            | Self::SigningKeyRotated
            | Self::SigningKeyRetired
            | Self::CatalogueReloaded
            | Self::AuditExported
            | Self::AuditSummedUp
            | Self::AuditTrimmed
            | Self::AuditBroken
            | Self::ClockAccepted
            | Self::BackupWritten => false,
        }
    }
}

//! What each action is called. Compiled for the server only.

use domain::audit::Action;

/// What was done, and what was tried; the object stands where `{}` is.
#[expect(clippy::too_many_lines, reason = "a line for each action")]
pub(super) const fn words(action: Action) -> (&'static str, &'static str) {
    match action {
        Action::SetUpDone => ("set Keyrack up as {}", "set Keyrack up"),
        Action::SetUpOffered => ("printed a set-up link", "print a set-up link"),
        Action::LogIn => ("logged in", "log in as {}"),
        Action::LogOut => ("logged out", "log out"),
        Action::Proven => ("confirmed who they are", "confirm who they are"),
        Action::SsoRefused => (
            "was refused single sign-on as {}",
            "log in as {} by single sign-on",
        ),
        Action::SsoHeaderIgnored => (
            "sent the header of single sign-on without being trusted to",
            "log in as {} by a header without being trusted to send it",
        ),
        Action::SessionEnded => ("ended sessions of {}", "end sessions of {}"),
        Action::UserAdded => ("added {}", "add {}"),
        Action::UserRoleChanged => ("changed the role of {}", "change the role of {}"),
        Action::UserChanged => ("changed how {} is named", "change how {} is named"),
        Action::UserProvisioned => (
            "added {} at the first single sign-on",
            "add {} at the first single sign-on",
        ),
        Action::UserRoleMapped => (
            "gave {} the role of their groups",
            "give {} the role of their groups",
        ),
        Action::IdentityLinked => (
            "let {} log in by single sign-on",
            "let {} log in by single sign-on",
        ),
        Action::UserDisabled => ("disabled {}", "disable {}"),
        Action::UserEnabled => ("enabled {} again", "enable {} again"),
        Action::PasswordChanged => ("changed the password of {}", "change the password of {}"),
        Action::PasswordResetOffered => {
            ("made a password link for {}", "make a password link for {}")
        }
        Action::PasswordChosen => (
            "chose the password of {} with a link",
            "choose the password of {} with a link",
        ),
        Action::PasswordLocked => (
            "tried so many wrong passwords that the one of {} is locked",
            "lock the password of {}",
        ),
        Action::SecondFactorAdded => ("added a second factor of {}", "add a second factor of {}"),
        Action::SecondFactorRemoved => (
            "removed a second factor of {}",
            "remove a second factor of {}",
        ),
        Action::SecondFactorReset => (
            "took the second factors of {} away",
            "take the second factors of {} away",
        ),
        Action::RecoveryCodeUsed => ("used up a recovery code of {}", "use a recovery code of {}"),
        Action::RecoveryCodesRenewed => (
            "renewed the recovery codes of {}",
            "renew the recovery codes of {}",
        ),
        Action::CredentialIssued => ("issued {}", "issue {}"),
        Action::CredentialEdited => ("edited {}", "edit {}"),
        Action::CredentialDisabled => ("quarantined {}", "quarantine {}"),
        Action::CredentialEnabled => ("re-enabled {}", "re-enable {}"),
        Action::CredentialRevoked => ("revoked {}", "revoke {}"),
        Action::PublicKeyAdded => ("added public keys to {}", "add public keys to {}"),
        Action::PublicKeyRemoved => (
            "removed a public key from {}",
            "remove a public key from {}",
        ),
        Action::KeyUrlSet => (
            "set the URL of the public keys of {}",
            "set the URL of the public keys of {}",
        ),
        Action::KeysFetched => (
            "had the public keys of {} fetched",
            "have the public keys of {} fetched",
        ),
        Action::LimitsChanged => ("changed the limits of {}", "change the limits of {}"),
        Action::TokenRevoked => ("revoked an access token", "revoke an access token"),
        Action::GatewayAdded => ("added the gateway {}", "add the gateway {}"),
        Action::GatewayEdited => ("edited the gateway {}", "edit the gateway {}"),
        Action::GatewayTokenReplaced => (
            "gave the gateway {} a new token",
            "give the gateway {} a new token",
        ),
        Action::GatewayRemoved => ("removed the gateway {}", "remove the gateway {}"),
        Action::SigningKeyMade => ("made the first signing key", "make a signing key"),
        Action::SigningKeyRotated => ("made a new signing key", "rotate the signing key"),
        Action::SigningKeyRetired => (
            "deleted the private half of a signing key that no longer signs",
            "delete the private half of a signing key",
        ),
        Action::SigningKeyCompromised => (
            "ended a signing key that somebody else may have",
            "end a signing key",
        ),
        Action::CatalogueReloaded => ("loaded the catalogue {}", "load the catalogue {}"),
        Action::AuditExported => ("exported the audit log", "export the audit log"),
        Action::AuditTrimmed => ("trimmed the audit log", "trim the audit log"),
        Action::AuditBroken => (
            "found that the database has lost events",
            "check the audit log for lost events",
        ),
        Action::AuditSummedUp => (
            "left refusals and failures out of the log, which were too many",
            "sum up refusals and failures",
        ),
        Action::ClockAccepted => ("accepted the clock as it is", "accept the clock as it is"),
        Action::BackupWritten => ("wrote a backup", "write a backup"),
    }
}

//! What a redirect says about the thing that was just done: a fixed word in `?done=…`, so that
//! nobody can put words into the page by a link.

use std::str::FromStr;

macro_rules! flashes {
    ($($(#[$doc:meta])* $name:ident $word:literal $message:literal,)*) => {
        /// Something that was just done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Flash { $($(#[$doc])* $name,)* }

        impl Flash {
            /// The word in the URL.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The sentence that people see.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }

        impl FromStr for Flash {
            type Err = ();

            fn from_str(word: &str) -> Result<Self, ()> {
                match word { $($word => Ok(Self::$name),)* _ => Err(()) }
            }
        }
    };
}

flashes! {
    /// A credential was edited.
    Saved "saved" "Saved. It counts from the next request on.",
    /// A credential was quarantined.
    Quarantined "quarantined" "Quarantined. The next call with this key is refused.",
    /// A credential was re-enabled.
    Reenabled "re-enabled" "Re-enabled. The key works again.",
    /// A credential was revoked.
    Revoked "revoked" "Revoked. This key will never work again.",
    /// A person got another name or address.
    PersonChanged "person-changed" "Name and address are as you typed them.",
    /// A person's role was changed.
    RoleChanged "role-changed" "Role changed. It counts from their next log-in on: their sessions were ended.",
    /// A person was disabled.
    PersonDisabled "person-disabled" "Disabled. This person can no longer log in.",
    /// A person was enabled.
    PersonEnabled "person-enabled" "Enabled. This person can log in again.",
    /// Credentials were given to another owner.
    CredentialsGiven "given" "Given over. The new owner cares for them from now on.",
    /// A gateway was edited.
    GatewaySaved "gateway-saved" "Saved. It counts from the gateway's next question on.",
    /// A gateway was removed.
    GatewayRemoved "gateway-removed" "Removed. Its token no longer works.",
    /// A signing key was ended at once.
    SigningKeyEnded "signing-key-ended" "Ended. Every token that it signed is refused from now on.",
    /// Limits were changed.
    LimitsSaved "limits-saved" "Limits saved. They count from the next call on.",
    /// A public key was added.
    KeyAdded "key-added" "Public key added. It works from the next request on.",
    /// A public key was removed.
    KeyRemoved "key-removed" "Public key removed. What it signs is refused.",
    /// A credential got a URL for its public keys.
    KeyUrlSet "key-url-set" "Key URL saved. Its keys work from the next request on.",
    /// The public keys were asked for at their URL.
    KeysFetched "keys-fetched" "The host was asked for its public keys.",
    /// The viewer's password was changed.
    PasswordChanged "password-changed" "Password changed. Your other sessions were ended.",
    /// The viewer got a second factor.
    SecondFactorAdded "second-factor-added" "Second factor set up. Your other sessions were ended.",
    /// The viewer lost a second factor.
    SecondFactorRemoved "second-factor-removed" "Second factor removed. Your other sessions were ended.",
    /// A person's second factors were taken away.
    SecondFactorReset "second-factor-reset" "Reset. They log in with their password alone, and can make a new one.",
    /// Sessions were ended.
    SessionEnded "session-ended" "Ended. Whoever used it has to log in again.",
    /// Somebody asked for a link because they forgot their password.
    ResetAsked "reset-asked" "If this address is on the team, a mail with a link is on its way.",
    /// The viewer logged out.
    LoggedOut "logged-out" "You are logged out.",
    /// A person chose their first password.
    Welcome "welcome" "Your password is set. Log in with it.",
    /// The first superuser was made.
    SetUp "set-up" "Keyrack is set up. Log in to issue the first credential.",
}

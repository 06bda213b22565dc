//! Single sign-on: people log in at their company's OpenID provider, or a trusted proxy says who
//! they are. `flow` leads the browser there and back, `provider` knows one provider, `tokens`
//! checks what it signed, `account` finds or makes the person, `log_out` ends sessions on both sides.

mod account;
mod claims;
mod flow;
mod log_out;
mod protocol;
mod provider;
mod tokens;

use domain::groups::{RoleMap, UnknownGroups};
use domain::user::{EmailAddress, User};
use openidconnect::{ClientId, ClientSecret, IssuerUrl};

use crate::outbound::OutboundError;

pub use account::{HEADER_ISSUER, HeaderIdentity};
pub use flow::{SsoAnswer, SsoBegun, SsoDone};
pub(crate) use provider::Providers;
pub use provider::{AtProvider, read_issuer};

/// What a deployment decides about who logs in how.
#[derive(Debug, Clone, Default)]
pub struct SsoSettings {
    /// Where browsers reach Keyrack, without a slash at the end; the way back is made from it.
    pub public_url: String,
    /// The providers, in the order of their buttons.
    pub providers: Vec<ProviderSettings>,
    /// Who may log in with a password.
    pub passwords: PasswordLogIn,
}

/// Who may log in with a password.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PasswordLogIn {
    /// Everybody who has one.
    #[default]
    Everybody,
    /// Only those superusers with these addresses, for when single sign-on is down.
    Only(Vec<EmailAddress>),
}

impl PasswordLogIn {
    /// Whether a person may.
    #[must_use]
    pub fn allows(&self, user: &User) -> bool {
        match self {
            Self::Everybody => true,
            Self::Only(emails) => {
                user.role == domain::role::Role::Superuser && emails.contains(&user.email)
            }
        }
    }
}

/// One OpenID provider. `Debug` does not print its secret.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Its name in addresses: lower-case letters, digits and hyphens.
    pub id: String,
    /// What its button says after "Log in with".
    pub name: String,
    /// The issuer, exactly as in its metadata.
    pub issuer: IssuerUrl,
    /// Who Keyrack is there.
    pub client_id: ClientId,
    /// What Keyrack proves that with; a public client has none.
    pub client_secret: Option<ClientSecret>,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// The claim with the groups.
    pub groups_claim: String,
    /// Which group gives which role.
    pub roles: RoleMap,
    /// Whether the provider must say that it has verified an address before it is an account's.
    pub require_verified_email: bool,
}

/// Why somebody did not get in by single sign-on. Where something came from the provider, it is cut
/// short and without control characters; it is still not to be trusted as markup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SsoError {
    /// The state is missing, of another browser, used, or too old.
    #[error(
        "this log-in was begun in another browser, was finished already, or took longer than ten \
         minutes: begin it again"
    )]
    State,
    /// The answer names another issuer (RFC 9207).
    #[error("the answer came from another provider than was asked: begin the log-in again")]
    Issuer,
    /// The provider said no.
    #[error("{name} refused the log-in: {error}")]
    Provider {
        /// Which provider.
        name: String,
        /// What it said.
        error: String,
    },
    /// The provider does not say that somebody has just logged in.
    #[error(
        "{name} did not say that you logged in just now, so nothing was confirmed: ask whoever runs \
         Keyrack to have it send the claim auth_time"
    )]
    Unproven {
        /// Which provider.
        name: String,
    },
    /// The provider can't be asked.
    #[error("{name} {cause}; try again in a moment, or log in with a password if you have one")]
    Unreachable {
        /// Which provider.
        name: String,
        /// Why, after its name.
        cause: OutboundError,
    },
    /// The provider's answer can't be used.
    #[error(
        "{name} answered with {fault}: tell whoever runs Keyrack, or log in with a password if you \
         have one"
    )]
    Answer {
        /// Which provider.
        name: String,
        /// What is wrong with the answer.
        fault: String,
    },
    /// Whether a group gives a role can't be told.
    #[error(
        "{name} did not say which groups you are in: {problem}. Tell whoever runs Keyrack; nothing was changed"
    )]
    Groups {
        /// Which provider.
        name: String,
        /// Why, and what helps.
        problem: UnknownGroups,
    },
    /// None of the groups gives a role.
    #[error("none of your groups has a role in Keyrack: ask a superuser which group you need")]
    NoRole,
    /// No e-mail address that can be an account's.
    #[error(
        "Keyrack needs an e-mail address of yours that is verified, and got none: ask whoever runs \
         your single sign-on"
    )]
    NoEmail,
    /// There is an account with this address, which somebody else may own.
    #[error(
        "an account with the address {0} is there already, and is not given to you: it may be somebody else's who \
         had this address before. Ask a superuser to find out whose it is"
    )]
    EmailTaken(EmailAddress),
    /// The identity can't be kept.
    #[error("your single sign-on named you in a way that Keyrack can't keep: ask whoever runs it")]
    Identity,
    /// What they have open was ended while they were at the provider.
    #[error("your account in Keyrack has changed since you began to log in: begin it again")]
    Ended,
    /// The person is disabled.
    #[error("your account in Keyrack is disabled: ask a superuser")]
    Disabled,
}

impl SsoError {
    /// The HTTP status that says the same.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::State | Self::Issuer => 400,
            Self::Provider { .. }
            | Self::Unproven { .. }
            | Self::NoRole
            | Self::Groups { .. }
            | Self::NoEmail
            | Self::Identity
            | Self::Disabled => 403,
            Self::EmailTaken(_) | Self::Ended => 409,
            Self::Answer { .. } => 502,
            Self::Unreachable { .. } => 503,
        }
    }
}

/// The longest text of a provider that is shown, in characters.
const LONGEST_TEXT: usize = 200;

/// A provider's text, fit to be shown and kept.
fn shown(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(LONGEST_TEXT).collect()
}

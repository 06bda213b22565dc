//! Second factors of the viewer: an authenticator app, passkeys, recovery codes.

mod api;
mod section;

#[cfg(feature = "ssr")]
pub use api::totp_setup;
pub use api::{PasskeyEntry, RecoveryCodes, SecondFactors, TotpSetup, own_second_factors};
pub(crate) use section::SecondFactorSection;

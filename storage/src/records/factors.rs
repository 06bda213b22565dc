//! What people prove themselves with besides their password.

use domain::Instant;

use super::SecretHash;

/// The second factors of a person.
#[derive(Debug, Clone, Default)]
pub struct SecondFactors {
    /// The secret that they share with an authenticator app.
    pub totp: Option<TotpRow>,
    /// Their passkeys, the oldest first.
    pub passkeys: Vec<PasskeyRow>,
    /// How many recovery codes have not been used.
    pub recovery_codes: u32,
}

impl SecondFactors {
    /// Whether there is none; recovery codes only stand in for one.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.totp.is_none() && self.passkeys.is_empty()
    }
}

/// The secret of an authenticator app (RFC 6238).
#[derive(Clone, PartialEq, Eq)]
pub struct TotpRow {
    /// The secret, sealed under the server's key.
    pub sealed: Vec<u8>,
    /// The last time step whose code was used.
    pub last_step: i64,
    /// When it was made.
    pub created_at: Instant,
}

impl std::fmt::Debug for TotpRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpRow(…)")
    }
}

/// A passkey (W3C Web Authentication).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyRow {
    /// The id that its authenticator gave it, base64url.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What is needed to check it, as JSON: public key, counter.
    pub state: String,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last used.
    pub last_used_at: Option<Instant>,
}

/// A second factor to be added.
#[derive(Debug, Clone)]
pub enum NewSecondFactor {
    /// In place of the one before.
    Totp(TotpRow),
    /// One more.
    Passkey(PasskeyRow),
}

/// Which second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecondFactorId {
    /// The authenticator app.
    Totp,
    /// The passkey with this id.
    Passkey(String),
}

/// Recovery codes as they are kept: HMAC-SHA-256 under the server's pepper.
pub type RecoveryHashes = Vec<SecretHash>;

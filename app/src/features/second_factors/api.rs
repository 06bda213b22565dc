//! What the section shows, and how the server tells it.

use std::fmt;

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// The viewer's second factors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactors {
    /// Since when they have an authenticator app.
    pub totp_since: Option<DateTime<Utc>>,
    /// Their passkeys, the oldest first.
    pub passkeys: Vec<PasskeyEntry>,
    /// Whether browsers have passkeys for this address.
    pub passkeys_work: bool,
    /// How many recovery codes are left.
    pub recovery_codes: u32,
    /// Whether they may have any.
    pub may_have: bool,
    /// Whether they must have one.
    pub required: bool,
}

/// A passkey of the viewer's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyEntry {
    /// Its id.
    pub id: String,
    /// What they call it.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A secret for an authenticator app, to be shown this once. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotpSetup {
    /// As people type it.
    pub secret: String,
    /// As a link that opens an app on this device.
    pub url: String,
    /// The squares of its QR code, as one path.
    pub path: String,
    /// How many squares it is wide, with its margin.
    pub width: usize,
    /// The secret sealed, which the form brings back.
    pub draft: String,
}

impl fmt::Debug for TotpSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSetup(…)")
    }
}

/// New recovery codes, to be shown this once. `Debug` does not print them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryCodes {
    /// As people write them down.
    pub codes: Vec<String>,
}

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCodes(…)")
    }
}

/// The viewer's own second factors.
#[server(prefix = "/_fn", endpoint = "account/second-factors")]
pub async fn own_second_factors() -> Result<SecondFactors, ApiError> {
    use crate::server_context::{actor, reply, services};

    let services = services()?;
    let own = reply(services.second_factors(&actor()?).await)?;
    let passkeys = own.passkeys.into_iter().map(|row| PasskeyEntry {
        id: row.id,
        name: row.name,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
    });
    Ok(SecondFactors {
        totp_since: own.totp_since,
        passkeys: passkeys.collect(),
        passkeys_work: services.has_passkeys(),
        recovery_codes: own.recovery_codes,
        may_have: own.may_have,
        required: own.required,
    })
}

/// An offered secret as the page shows it.
///
/// # Errors
/// Its address is too long for a QR code.
#[cfg(feature = "ssr")]
pub fn totp_setup(offer: &service::TotpOffer) -> service::ServiceResult<TotpSetup> {
    use std::fmt::Write as _;

    use qrcode::{Color, QrCode};

    /// As many light squares belong around it.
    const MARGIN: usize = 4;

    let code = QrCode::new(&offer.url).map_err(service::ServiceError::internal)?;
    let width = code.width();
    let mut path = String::new();
    for (index, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (index % width + MARGIN, index / width + MARGIN);
            // Writing to a string cannot fail.
            let _ = write!(path, "M{x} {y}h1v1h-1z");
        }
    }
    Ok(TotpSetup {
        secret: offer.secret.clone(),
        url: offer.url.clone(),
        path,
        width: width + 2 * MARGIN,
        draft: offer.draft.clone(),
    })
}

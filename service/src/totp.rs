//! Codes of authenticator apps (RFC 6238), as every app understands them: SHA-1, six digits, 30
//! seconds. A code counts one step early or late, for clocks that differ.

use domain::Instant;
use domain::user::EmailAddress;
use totp_rs::{Builder, Totp, TotpError};
use zeroize::Zeroizing;

use crate::clock::random_bytes;

/// What apps show above the code.
const ISSUER: &str = "Keyrack";
/// 160 bits, as RFC 4226 section 4 recommends.
const LENGTH: usize = 20;

/// The secret that a person shares with their app.
pub(crate) struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    pub(crate) fn generate() -> Self {
        Self(Zeroizing::new(random_bytes::<LENGTH>().to_vec()))
    }

    /// A secret from its bytes, which were sealed.
    pub(crate) const fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The time step whose code this is, now or one step early or late.
    pub(crate) fn step_of(&self, code: &str, now: Instant) -> Result<Option<i64>, TotpError> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        let step = self.of("")?.check(&code, seconds);
        Ok(step.and_then(|step| i64::try_from(step).ok()))
    }

    /// The secret as people type it into an app: base32 in groups of four.
    pub(crate) fn text(&self) -> Result<String, TotpError> {
        let base32 = Zeroizing::new(self.of("")?.secret().to_base32());
        let groups: Vec<&str> = (0..base32.len())
            .step_by(4)
            .filter_map(|at| base32.get(at..base32.len().min(at + 4)))
            .collect();
        Ok(groups.join(" "))
    }

    /// The address that a QR code holds (`otpauth://totp/…`).
    pub(crate) fn url(&self, account: &EmailAddress) -> Result<String, TotpError> {
        self.of(account.as_str())?.to_url()
    }

    fn of(&self, account: &str) -> Result<Totp, TotpError> {
        Builder::new()
            .with_secret(self.0.as_slice())
            .with_issuer(Some(ISSUER))
            .with_account_name(account)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn instant(seconds: i64) -> Instant {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// The secret of RFC 6238 appendix B.
    fn secret() -> TotpSecret {
        TotpSecret::new(Zeroizing::new(b"12345678901234567890".to_vec()))
    }

    /// The vectors of RFC 6238 appendix B for SHA-1, cut to the six digits that apps show.
    #[test]
    fn the_vectors_of_rfc_6238_are_right_at_their_time_and_a_step_beside_it() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = seconds / 30;
            let at = |seconds: i64| secret().step_of(code, instant(seconds)).unwrap();
            assert_eq!(at(seconds), Some(step), "{code}");
            assert_eq!(at((step - 1) * 30), Some(step), "{code} early");
            assert_eq!(at((step + 1) * 30 + 29), Some(step), "{code} late");
            // Before 1970 there is no step.
            if step > 1 {
                assert_eq!(at((step - 1) * 30 - 1), None, "{code} too early");
            }
            assert_eq!(at((step + 2) * 30), None, "{code} too late");
        }
    }

    #[test]
    fn only_six_digits_are_a_code() {
        let at = |code: &str| secret().step_of(code, instant(59)).unwrap();
        assert_eq!(at(" 287 082 "), Some(1));
        for bad in [
            "",
            "28708",
            "2870820",
            "94287082",
            "287083",
            "28708a",
            "２８７０８２",
        ] {
            assert_eq!(at(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_app_is_told_by_text_and_by_address() {
        let (text, url) = (
            secret().text().unwrap(),
            secret().url(&"mara@example.com".parse().unwrap()).unwrap(),
        );
        assert_eq!(text, "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert!(url.starts_with("otpauth://totp/Keyrack:mara"), "{url}");
        assert!(
            url.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
                && url.contains("issuer=Keyrack")
        );
        assert_eq!(TotpSecret::generate().expose().len(), 20);
        assert_ne!(
            TotpSecret::generate().expose(),
            TotpSecret::generate().expose()
        );
    }
}

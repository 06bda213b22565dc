//! Client assertions (RFC 7523 section 3, as updated by RFC 10070): what a program signs with its
//! private key in place of sending a secret.
//!
//! One list of rules is the log-in and the debugger: [`Assertion::check`] notes each rule as it
//! goes, the log-in asks whether all of them passed, the debugger shows them.
//!
//! It is long because each rule of two RFCs is a function here, with its own words.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};
use domain::Instant;
use domain::expiry::rfc3339;
use domain::key_id::KeyId;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};
use storage::{FetchedKey, PublicKeyRow, TokenHash};

use crate::crypto::hash_token;

/// More text than any assertion needs.
const LONGEST: usize = 8 * 1024;
/// How far the clocks of client and server may be apart.
pub(crate) const LEEWAY: TimeDelta = TimeDelta::seconds(30);
/// The longest life of an assertion. Common clients use an hour, most a minute.
const LONGEST_LIFE: TimeDelta = TimeDelta::hours(1);
/// The longest `jti`, in bytes.
const LONGEST_ID: usize = 256;

/// What an assertion is asked for; each is a line in the debugger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Three parts of base64url, header and claims JSON objects.
    Form,
    /// `iss` and `sub` name the same credential, one of private key JWT that is active.
    Client,
    /// The algorithm is that of a registered key.
    Algorithm,
    /// One of the registered keys that have not ended made the signature.
    Signature,
    /// The `typ` is that of a client assertion, or says nothing.
    Type,
    /// No extension that must be understood.
    Critical,
    /// The audience is this issuer and nobody else.
    Audience,
    /// It ends, soon, and has not ended.
    Expiry,
    /// It has begun.
    Beginning,
    /// It has an id.
    Id,
    /// The id was never used before.
    SingleUse,
}

impl Rule {
    /// All, in the order in which they are checked.
    pub const ALL: [Self; 11] = [
        Self::Form,
        Self::Client,
        Self::Algorithm,
        Self::Signature,
        Self::Type,
        Self::Critical,
        Self::Audience,
        Self::Expiry,
        Self::Beginning,
        Self::Id,
        Self::SingleUse,
    ];

    /// What people read.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Form => "Form",
            Self::Client => "Client (iss, sub)",
            Self::Algorithm => "Algorithm (alg)",
            Self::Signature => "Signature",
            Self::Type => "Type (typ)",
            Self::Critical => "Extensions (crit)",
            Self::Audience => "Audience (aud)",
            Self::Expiry => "Expiry (exp)",
            Self::Beginning => "Start (nbf, iat)",
            Self::Id => "Id (jti)",
            Self::SingleUse => "Single use",
        }
    }
}

/// How one rule went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// Whether it holds.
    pub passed: bool,
    /// What the assertion has, in words.
    pub found: String,
    /// What is asked for, in words.
    pub expected: String,
}

impl Finding {
    pub(crate) fn new(
        rule: Rule,
        passed: bool,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let (found, expected) = (found.into(), expected.into());
        Self {
            rule,
            passed,
            found,
            expected,
        }
    }
}

/// A registered key, ready to verify with.
pub(crate) struct VerifyingKey {
    thumbprint: String,
    kid: Option<String>,
    expires_at: Option<Instant>,
    key: DecodingKey,
    algorithms: &'static [Algorithm],
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifyingKey({})", self.thumbprint)
    }
}

impl VerifyingKey {
    /// A key of the credential itself. One that can't be read verifies nothing.
    pub(crate) fn of(row: &PublicKeyRow) -> Option<Self> {
        let kid = row.kid.clone();
        let key = Self::new(&row.jwk, &row.algorithm, &row.thumbprint, kid)?;
        Some(Self {
            expires_at: row.expires_at,
            ..key
        })
    }

    /// A key that came from the credential's URL: it has no end of its own.
    pub(crate) fn fetched(key: &FetchedKey) -> Option<Self> {
        let kid = key.kid.clone();
        Self::new(&key.jwk, &key.algorithm, &key.thumbprint, kid)
    }

    fn new(jwk: &str, algorithm: &str, thumbprint: &str, kid: Option<String>) -> Option<Self> {
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_str(jwk).ok()?;
        let algorithms: &[Algorithm] = match algorithm {
            "ES256" => &[Algorithm::ES256],
            "ES384" => &[Algorithm::ES384],
            "RS256" => &[Algorithm::RS256, Algorithm::PS256],
            "EdDSA" => &[Algorithm::EdDSA],
            _ => return None,
        };
        Some(Self {
            thumbprint: thumbprint.to_owned(),
            kid,
            expires_at: None,
            key: DecodingKey::from_jwk(&jwk).ok()?,
            algorithms,
        })
    }

    fn has_ended(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    fn is_named(&self, kid: &str) -> bool {
        self.thumbprint == kid || self.kid.as_deref() == Some(kid)
    }
}

/// An assertion that was taken apart. Nothing in it is true yet.
#[derive(Debug)]
pub(crate) struct Assertion<'a> {
    /// What the signature is over: header and claims as they were sent.
    signed: &'a str,
    signature: &'a str,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

/// What the rules came to.
#[derive(Debug)]
pub(crate) struct Examined {
    pub findings: Vec<Finding>,
    /// The `jti`, hashed, and until when it must be remembered.
    pub id: Option<(TokenHash, Instant)>,
    /// The thumbprint of the key that made the signature.
    pub thumbprint: Option<String>,
    /// Why no key fits: what went wrong with the host of the keys.
    pub host_problem: Option<String>,
}

impl Examined {
    /// Whether all would be well if only there were a key that made the signature.
    pub(crate) fn needs_another_key(&self) -> bool {
        let about_the_key = |rule| matches!(rule, Rule::Algorithm | Rule::Signature);
        let broken = |finding: &&Finding| !finding.passed;
        self.thumbprint.is_none()
            && self
                .findings
                .iter()
                .filter(broken)
                .all(|finding| about_the_key(finding.rule))
    }
}

impl<'a> Assertion<'a> {
    /// Takes an assertion apart: RFC 7515 section 5.2, compact form only.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Finding> {
        let wrong = |found: &str| {
            let expected = "a signed JWT: three parts with dots between them, at most 8 KiB";
            Finding::new(Rule::Form, false, found, expected)
        };
        if text.len() > LONGEST {
            return Err(wrong("it is too long"));
        }
        let (signed, signature) = text
            .rsplit_once('.')
            .ok_or_else(|| wrong("there is no dot in it"))?;
        let (header, claims) = signed
            .split_once('.')
            .ok_or_else(|| wrong("there is only one dot in it"))?;
        if claims.contains('.') {
            return Err(wrong("there are more than two dots in it"));
        }
        Ok(Self {
            signed,
            signature,
            header: object(header).ok_or_else(|| wrong("its header is no JSON object"))?,
            claims: object(claims).ok_or_else(|| wrong("its claims are no JSON object"))?,
        })
    }

    /// Whose assertion it says it is.
    pub(crate) fn client(&self) -> Option<KeyId> {
        self.claims.get("sub")?.as_str()?.parse().ok()
    }

    /// Checks every rule but the single use of the id, which only the store knows.
    pub(crate) fn check(
        &self,
        keys: &[VerifyingKey],
        audiences: &[String],
        now: Instant,
    ) -> Examined {
        let mut findings = vec![self.client_rule()];
        let (algorithm, rule) = self.algorithm_rule(keys);
        findings.push(rule);
        let (thumbprint, rule) = self.signature_rule(algorithm, keys, now);
        findings.push(rule);
        findings.push(self.type_rule());
        findings.push(self.critical_rule());
        findings.push(self.audience_rule(audiences));
        let (end, rule) = self.expiry_rule(now);
        findings.push(rule);
        findings.push(self.beginning_rule(now));
        let (id, rule) = self.id_rule();
        findings.push(rule);
        Examined {
            findings,
            id: id.zip(end.map(|end| end + LEEWAY)),
            thumbprint,
            host_problem: None,
        }
    }

    fn client_rule(&self) -> Finding {
        let [issuer, subject] = ["iss", "sub"].map(|name| self.claims.get(name));
        let passed = issuer == subject && self.client().is_some();
        let found = format!("iss {}, sub {}", show(issuer), show(subject));
        Finding::new(Rule::Client, passed, found, "the key id, in both")
    }

    fn algorithm_rule(&self, keys: &[VerifyingKey]) -> (Option<Algorithm>, Finding) {
        let named = self.header.get("alg");
        let allowed: Vec<Algorithm> = keys
            .iter()
            .flat_map(|key| key.algorithms)
            .copied()
            .collect();
        let algorithm = named
            .and_then(Value::as_str)
            .and_then(|name| match name {
                // RFC 9864 names it by its curve.
                "Ed25519" => Some(Algorithm::EdDSA),
                name => name.parse().ok(),
            })
            .filter(|algorithm| allowed.contains(algorithm));
        let names: Vec<_> = allowed.iter().map(|one| format!("{one:?}")).collect();
        let expected = if names.is_empty() {
            "the algorithm of a registered key, and there is none".to_owned()
        } else {
            names.join(" or ")
        };
        let finding = Finding::new(Rule::Algorithm, algorithm.is_some(), show(named), expected);
        (algorithm, finding)
    }

    /// The key that the header names, or any that fits: `kid` is optional, and clients make up
    /// their own. A host may publish several under one `kid`, and one that has ended leaves its
    /// `kid` to the next: each of them is tried. Keys that come with the assertion (`jwk`, `jku`,
    /// `x5u`) are never looked at.
    fn signature_rule(
        &self,
        algorithm: Option<Algorithm>,
        keys: &[VerifyingKey],
        now: Instant,
    ) -> (Option<String>, Finding) {
        let expected = "made by a registered key that has not ended";
        let wrong = |found: &str| (None, Finding::new(Rule::Signature, false, found, expected));
        let Some(algorithm) = algorithm else {
            return wrong("not checked: the algorithm is not one of a registered key");
        };
        let kid = self.header.get("kid").and_then(Value::as_str);
        let is_named = |key: &VerifyingKey| kid.is_some_and(|kid| key.is_named(kid));
        let some_are_named = keys.iter().any(is_named);
        let made_it = keys
            .iter()
            .filter(|key| is_named(key) || !some_are_named)
            .filter(|key| key.algorithms.contains(&algorithm))
            .find(|key| {
                let message = self.signed.as_bytes();
                jsonwebtoken::crypto::verify(self.signature, message, &key.key, algorithm)
                    .unwrap_or(false)
            });
        match made_it {
            None if some_are_named => wrong("not made by the key that kid names"),
            None => wrong("not made by any of the registered keys"),
            Some(key) if key.has_ended(now) => wrong("made by a registered key that has ended"),
            Some(key) => {
                let found = format!("made by the key {}", key.thumbprint);
                let finding = Finding::new(Rule::Signature, true, found, expected);
                (Some(key.thumbprint.clone()), finding)
            }
        }
    }

    /// RFC 10070 types assertions explicitly. Clients older than it send `JWT` or nothing, and are
    /// understood; a token of another kind is not.
    fn type_rule(&self) -> Finding {
        let named = self.header.get("typ");
        let passed = named.is_none_or(|typ| {
            typ.as_str().is_some_and(|typ| {
                let typ = typ.to_ascii_lowercase();
                let typ = typ.strip_prefix("application/").unwrap_or(&typ);
                matches!(typ, "client-authentication+jwt" | "jwt")
            })
        });
        let expected = "client-authentication+jwt; JWT and nothing are understood";
        Finding::new(Rule::Type, passed, show(named), expected)
    }

    fn critical_rule(&self) -> Finding {
        let named = self.header.get("crit");
        Finding::new(Rule::Critical, named.is_none(), show(named), "none")
    }

    /// Exactly one audience (RFC 10070): an assertion that others accept too could be replayed by
    /// one of them. Where older clients are let in, by more names than the issuer's, one may name several
    /// of those.
    fn audience_rule(&self, audiences: &[String]) -> Finding {
        let named = self.claims.get("aud");
        let ours = |one: &Value| audiences.iter().any(|ours| one.as_str() == Some(ours));
        let passed = match named {
            Some(Value::Array(several)) => {
                let most = audiences.len();
                (1..=most).contains(&several.len()) && several.iter().all(ours)
            }
            Some(one) => ours(one),
            None => false,
        };
        Finding::new(Rule::Audience, passed, show(named), audiences.join(" or "))
    }

    fn expiry_rule(&self, now: Instant) -> (Option<Instant>, Finding) {
        let named = self.claims.get("exp");
        let end = named.and_then(instant);
        let passed =
            end.is_some_and(|end| end + LEEWAY > now && end <= now + LONGEST_LIFE + LEEWAY);
        let expected = format!("a time after {} and within an hour", rfc3339(now));
        let found = end.map_or_else(|| show(named), rfc3339);
        (end, Finding::new(Rule::Expiry, passed, found, expected))
    }

    fn beginning_rule(&self, now: Instant) -> Finding {
        let [not_before, issued] = ["nbf", "iat"].map(|name| self.claims.get(name));
        let has_begun = |named: Option<&Value>| {
            named.is_none_or(|value| instant(value).is_some_and(|at| at <= now + LEEWAY))
        };
        let words =
            |named: Option<&Value>| named.and_then(instant).map_or_else(|| show(named), rfc3339);
        let found = format!("nbf {}, iat {}", words(not_before), words(issued));
        let passed = has_begun(not_before) && has_begun(issued);
        let expected = format!("nothing, or times up to {}", rfc3339(now));
        Finding::new(Rule::Beginning, passed, found, expected)
    }

    fn id_rule(&self) -> (Option<TokenHash>, Finding) {
        let named = self.claims.get("jti");
        let id = named
            .and_then(Value::as_str)
            .filter(|id| !id.is_empty() && id.len() <= LONGEST_ID)
            .map(hash_token);
        let expected = "a new random text for each assertion, at most 256 bytes";
        let finding = Finding::new(Rule::Id, id.is_some(), show(named), expected);
        (id, finding)
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A `NumericDate` (RFC 7519 section 2) between 1970 and the year 5138: with what the calendar can
/// only just hold, the next sum would overflow.
fn instant(value: &Value) -> Option<Instant> {
    let seconds = value.as_f64().filter(|at| (0.0..1e11).contains(at))?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range was just checked"
    )]
    DateTime::from_timestamp_millis((seconds * 1000.0) as i64)
}

/// A member as people may see it, cut where it is long.
fn show(value: Option<&Value>) -> String {
    const MOST: usize = 120;
    let text = match value {
        None => return "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

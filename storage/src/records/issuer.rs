//! What the issuer and the gate keep: signing keys, revoked tokens, gateways, decisions, usage.

use domain::Instant;
use domain::gateway::Gateway;
use domain::key_id::KeyId;
use domain::scope::Level;

use super::TokenHash;

/// A key that signs access tokens, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// Its `kid`.
    pub kid: String,
    /// The public key as a JWK (RFC 7517), as text.
    pub public_jwk: String,
    /// The private key, encrypted under the server's key; nothing once it no longer signs.
    pub encrypted_private_key: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Instant,
    /// From when on it signs; until then it is only published. That of the first key is its
    /// `created_at`.
    pub used_from: Instant,
    /// Since when it counts for nothing, because somebody else may have it.
    pub compromised_at: Option<Instant>,
}

/// An access token that was revoked before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedToken {
    /// Its `jti`.
    pub jti: String,
    /// The credential that it was issued to.
    pub key_id: KeyId,
    /// When it would have ended: from then on nobody needs to know.
    pub expires_at: Instant,
}

/// The last call of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySeen {
    /// When.
    pub at: Instant,
    /// The gateway's address.
    pub address: String,
}

/// A gateway with the facts about it that are kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayRecord {
    /// Its own facts.
    pub gateway: Gateway,
    /// The hash of its token; a removed gateway has none.
    pub token: Option<TokenHash>,
    /// Its last call.
    pub last_seen: Option<GatewaySeen>,
}

/// What was decided about one request, for looking it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRow {
    /// The request, which has one decision.
    pub request_id: String,
    /// When.
    pub at: Instant,
    /// The key id that the caller gave, if it was one; there may be no such credential.
    pub key_id: Option<KeyId>,
    /// Whether no credential stands behind the request.
    pub is_stranger: bool,
    /// Where it was decided: `gate`, say.
    pub surface: String,
    /// The method.
    pub method: String,
    /// The path template of the catalogue, if the path is in it.
    pub template: Option<String>,
    /// The caller's address.
    pub address: Option<String>,
    /// Whether the request was let through.
    pub allowed: bool,
    /// The word for the reason.
    pub reason: String,
    /// What else explains it: a JSON object, as text.
    pub detail: String,
}

/// The calls of a credential at one scope and level in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Which credential.
    pub key_id: KeyId,
    /// The beginning of the hour, in UTC.
    pub hour: Instant,
    /// The scope, as text: it stays when the catalogue drops the scope.
    pub scope: String,
    /// What the calls did.
    pub level: Level,
    /// How many were let through.
    pub allowed: u64,
    /// How many were refused.
    pub refused: u64,
}

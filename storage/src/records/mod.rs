//! What goes into the store and comes out of it, beyond the domain's own types.

mod audit;
mod catalogue;
mod epoch;
mod factors;
mod issuer;
mod list;
mod people;

use domain::Instant;
use domain::audit::{AuditEvent, ChainHash, ObjectKind};
use domain::credential::Credential;
use domain::key_id::KeyId;
use domain::user::{User, UserId};
use serde::{Deserialize, Serialize};

pub use audit::*;
pub use catalogue::*;
pub use epoch::*;
pub use factors::*;
pub use issuer::*;
pub use list::*;
pub use people::*;

/// SHA-256 of a random token (session id, one-time link): the token itself is never stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// HMAC-SHA-256 of a credential's secret under the server's pepper.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// A link that works once.
#[derive(Debug, Clone, Copy)]
pub struct OneTimeToken {
    /// The token's hash.
    pub hash: TokenHash,
    /// When it was made.
    pub created_at: Instant,
    /// From when on it no longer works.
    pub expires_at: Instant,
}

/// A person with what checks their password.
#[derive(Debug, Clone)]
pub struct Login {
    /// The person.
    pub user: User,
    /// Argon2id in PHC form; none while they have not chosen a password.
    pub password_hash: Option<String>,
    /// How many wrong passwords were tried since the last right one.
    pub password_failures: u64,
    /// What a log-in with it holds for.
    pub epoch: Epoch,
}

/// What the audit log says about a wrong password, by its place in a row.
#[derive(Debug, Clone)]
pub struct WrongPassword {
    /// Each but the last; nothing where something else is said about it.
    pub one: Option<AuditEvent>,
    /// The last that may be: the password is locked from then on.
    pub last: AuditEvent,
    /// Each after that.
    pub more: Option<AuditEvent>,
}

/// Who somebody is at single sign-on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Who vouches: the issuer of the provider, or the trusted header.
    pub issuer: String,
    /// Whom it vouches for: what stays the same when names and addresses change.
    pub subject: String,
}

/// Which people to list, by name.
#[derive(Debug, Clone, Default)]
pub struct UserQuery {
    /// A part of the name or address, any case.
    pub search: Option<String>,
    /// Only these people, if any are named.
    pub ids: Option<Vec<UserId>>,
    /// Only people who may act.
    pub active_only: bool,
    /// Start after this person: their name and id.
    pub after: Option<(String, UserId)>,
    /// At most this many.
    pub limit: u32,
}

/// A browser session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the id in the cookie.
    pub id: TokenHash,
    /// Whose session it is, and for which epoch of theirs.
    pub owner: Option<Epoch>,
    /// What the session holds, as JSON.
    pub data: String,
    /// When it began.
    pub created_at: Instant,
    /// When it ends if nobody uses it.
    pub idle_until: Instant,
    /// When it ends in any case.
    pub absolute_until: Instant,
}

/// Whose session it is, as of one moment.
#[derive(Debug, Clone)]
pub struct SessionOwner {
    /// The person.
    pub user: User,
    /// Their epoch, and the session's.
    pub epoch: Epoch,
    /// What the session holds, as JSON.
    pub data: String,
}

/// A credential to be added, with what proves it.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// Its facts.
    pub credential: Credential,
    /// The hash of its secret, for the flows that have one.
    pub secret: Option<SecretHash>,
    /// Its public keys, for private key JWT.
    pub public_keys: Vec<PublicKeyRow>,
    /// The URL of its key set, in place of public keys.
    pub key_set_url: Option<String>,
    /// Chosen by the caller: a second call with the same one issues nothing.
    pub idempotency_key: Option<String>,
}

/// A public key of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeyRow {
    /// Its thumbprint (RFC 7638), base64url.
    pub thumbprint: String,
    /// The key as a JWK with only public members (RFC 7517), as text.
    pub jwk: String,
    /// The algorithm that assertions are signed with, `ES256` say.
    pub algorithm: String,
    /// What people call it.
    pub name: String,
    /// The `kid` by which assertions may name it.
    pub kid: Option<String>,
    /// When it was added.
    pub created_at: Instant,
    /// From when on it proves nothing any more.
    pub expires_at: Option<Instant>,
    /// When an assertion that it signed was last taken.
    pub last_used_at: Option<Instant>,
}

/// The key set of a credential (RFC 7517 section 5), by its URL, and what last came from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySetRow {
    /// The URL.
    pub url: String,
    /// Another number each time that the URL was set, though it may be the same.
    pub generation: i64,
    /// When it was last asked.
    pub asked_at: Option<Instant>,
    /// What went wrong then, in words.
    pub problem: Option<String>,
    /// The keys that it last gave.
    pub keys: Vec<FetchedKey>,
    /// When it gave them.
    pub fetched_at: Option<Instant>,
}

/// A public key that came from a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedKey {
    /// Its thumbprint (RFC 7638), base64url.
    pub thumbprint: String,
    /// The key as a JWK with only public members (RFC 7517), as text.
    pub jwk: String,
    /// The algorithm that assertions are signed with, `ES256` say.
    pub algorithm: String,
    /// The `kid` by which assertions may name it.
    pub kid: Option<String>,
}

/// A secret of a credential, as far as anyone may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInfo {
    /// When it was made.
    pub created_at: Instant,
}

/// The last use of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Instant,
    /// The caller's address.
    pub address: String,
    /// Method and path template, `GET /v1/journals` say.
    pub endpoint: String,
}

/// A use of a credential, to be noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialUse {
    /// Which credential.
    pub key_id: KeyId,
    /// When, from where and for what.
    pub last_use: LastUse,
    /// The thumbprint of the public key that it was proven with.
    pub public_key: Option<String>,
}

/// A credential with the facts about it that are kept elsewhere.
#[derive(Debug, Clone)]
pub struct CredentialRecord {
    /// Its own facts.
    pub credential: Credential,
    /// The owner's name now.
    pub owner_name: String,
    /// Whether the owner is an active member of the team; if not, the credential is orphaned.
    pub owner_is_active: bool,
    /// Its last use.
    pub last_use: Option<LastUse>,
    /// Its secrets.
    pub secrets: Vec<SecretInfo>,
    /// Its public keys.
    pub public_keys: Vec<PublicKeyRow>,
    /// From where it has its public keys, in place of its own.
    pub key_set: Option<KeySetRow>,
}

/// What the issuer and the gate need to know of a credential.
#[derive(Debug, Clone)]
pub struct LiveCredential {
    /// Its facts.
    pub credential: Credential,
    /// The hashes of its secrets: one, or two while a rotation is under way.
    pub secrets: Vec<SecretHash>,
    /// Its public keys.
    pub public_keys: Vec<PublicKeyRow>,
    /// From where it has its public keys, in place of its own.
    pub key_set: Option<KeySetRow>,
}

/// The time that is known to have come, by a clock that could be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownTime {
    /// It; nothing in a database that has not been in use yet.
    pub at: Option<Instant>,
    /// How often somebody has said that the clock is right, and that what was told before was not.
    pub acceptances: i64,
}

/// One step of the feed of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The number of its audit entry.
    pub seq: i64,
    /// The hash of its audit entry.
    pub hash: ChainHash,
    /// When it was, by the clock of the process that did it.
    pub at: Instant,
    /// What kind of thing changed.
    pub kind: ObjectKind,
    /// Which one.
    pub id: Option<String>,
    /// The URL that a credential has its public keys from by now.
    pub key_url: Option<String>,
    /// When a token that was revoked would have ended.
    pub token_ends_at: Option<Instant>,
}

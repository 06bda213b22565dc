//! What goes into the store and comes out of it, beyond the domain's own types.

use domain::Instant;
use domain::access::AccessKind;
use domain::audit::ObjectKind;
use domain::credential::{Credential, Flow, State};
use domain::key_id::KeyId;
use domain::scope::ScopeName;
use domain::user::{User, UserId};

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
}

/// Which people to list, by name.
#[derive(Debug, Clone, Default)]
pub struct UserQuery {
    /// A part of the name or address, any case.
    pub search: Option<String>,
    /// Only people who may act.
    pub active_only: bool,
    /// Start after this person: their name and id.
    pub after: Option<(String, UserId)>,
    /// At most this many.
    pub limit: u32,
}

/// A browser session.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// SHA-256 of the id in the cookie.
    pub id: TokenHash,
    /// Whose session it is.
    pub user: Option<UserId>,
    /// What the session holds, as JSON.
    pub data: String,
    /// When it began.
    pub created_at: Instant,
    /// When it ends if nobody uses it.
    pub idle_until: Instant,
    /// When it ends in any case.
    pub absolute_until: Instant,
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
    /// When it was added.
    pub created_at: Instant,
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
}

/// Which credentials to list, in which order, from where on.
#[derive(Debug, Clone)]
pub struct CredentialQuery {
    /// The instant for states.
    pub now: Instant,
    /// What to show.
    pub filter: CredentialFilter,
    /// The order.
    pub sort: CredentialSort,
    /// Whether the order is turned round.
    pub descending: bool,
    /// Where the page begins.
    pub from: PageStart,
    /// At most this many rows.
    pub limit: u32,
}

/// Where a page begins.
#[derive(Debug, Clone, Default)]
pub enum PageStart {
    /// At the first row.
    #[default]
    First,
    /// After the row with this position.
    After(Position),
    /// Before the row with this position.
    Before(Position),
}

/// The place of a row in an order: its sort value and its key id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The value of the sort column, as text; empty where there is none (never expires, never used).
    pub value: String,
    /// The key id, which settles ties.
    pub key_id: KeyId,
}

/// What to show of the credentials; everything must hold.
#[derive(Debug, Clone, Default)]
pub struct CredentialFilter {
    /// A part of the name, key id, owner's name or last endpoint, any case.
    pub search: Option<String>,
    /// The tab.
    pub tab: CredentialTab,
    /// Only this state.
    pub state: Option<State>,
    /// Only this flow.
    pub flow: Option<Flow>,
    /// Only this kind of access.
    pub access: Option<AccessKind>,
    /// Only those that may at least read this scope.
    pub scope: Option<ScopeName>,
    /// Only those of this owner.
    pub owner: Option<UserId>,
}

/// The tabs of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CredentialTab {
    /// Everything.
    #[default]
    All,
    /// Active now.
    InUse,
    /// Active now, and ends within [`domain::credential::EXPIRING_WITHIN`].
    Expiring,
    /// Active now, without an end.
    NeverExpires,
    /// Quarantined and not expired.
    Quarantined,
    /// Expired or revoked.
    Ended,
}

/// The orders of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CredentialSort {
    /// By time of issue.
    #[default]
    Created,
    /// By name, any case.
    Name,
    /// By end; those without one last.
    Expires,
    /// By last use; those never used first.
    LastUsed,
}

/// A row of the list.
#[derive(Debug, Clone)]
pub struct CredentialRow {
    /// Its facts.
    pub credential: Credential,
    /// The owner's name now.
    pub owner_name: String,
    /// Whether the owner is an active member of the team.
    pub owner_is_active: bool,
    /// Its last use.
    pub last_use: Option<LastUse>,
    /// Its place in the order that was asked for.
    pub position: Position,
}

/// A page of the list.
#[derive(Debug, Clone)]
pub struct CredentialPage {
    /// The rows, in the order that was asked for.
    pub rows: Vec<CredentialRow>,
    /// Whether there are rows before.
    pub has_before: bool,
    /// Whether there are rows after.
    pub has_after: bool,
}

/// How many credentials each tab holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CredentialCounts {
    /// All.
    pub all: u64,
    /// [`CredentialTab::InUse`].
    pub in_use: u64,
    /// [`CredentialTab::Expiring`].
    pub expiring: u64,
    /// [`CredentialTab::NeverExpires`].
    pub never_expires: u64,
    /// [`CredentialTab::Quarantined`].
    pub quarantined: u64,
    /// [`CredentialTab::Ended`].
    pub ended: u64,
}

/// A key that signs access tokens.
#[derive(Debug, Clone)]
pub struct SigningKeyRow {
    /// Its `kid`.
    pub kid: String,
    /// The public key as a JWK (RFC 7517), as text.
    pub public_jwk: String,
    /// The private key, encrypted under the server's key.
    pub encrypted_private_key: Vec<u8>,
    /// When it was made.
    pub created_at: Instant,
}

/// One step of the feed of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The number of its audit entry.
    pub seq: i64,
    /// What kind of thing changed.
    pub kind: ObjectKind,
    /// Which one.
    pub id: Option<String>,
}

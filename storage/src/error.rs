//! What can go wrong in the store.

use std::path::PathBuf;

use domain::credential::MAX_PUBLIC_KEYS;
use domain::key_id::KeyId;

/// The outcome of a store call.
pub type StoreResult<T> = Result<T, StoreError>;

/// Why a store call failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The change contradicts what is stored. Nothing was written.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The thing to change does not exist.
    #[error("there is no {0} with that id")]
    NotFound(&'static str),
    /// A row that can't be one of the domain's values: somebody changed the database by hand, or a
    /// newer version wrote it.
    #[error("inconsistent data in table {table}, column {column}: {problem}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What is wrong with the value; never the value.
        problem: String,
    },
    /// This database can't do that.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The database, or what is said about how to reach it, does not do: the text says why, and what does.
    #[error("the database can't be used: {0}")]
    Unusable(String),
    /// The schema is not this program's.
    #[error("the database schema does not fit this version of Keyrack: {0}")]
    Schema(String),
    /// Nothing is there, or nothing of Keyrack's; where, without a password.
    #[error("there is no database at {0}")]
    NoDatabase(String),
    /// The file was removed or replaced while it was open. Whoever goes on with it is alone with it.
    #[error(
        "the database {} was removed or replaced while it was open: put it back, or start Keyrack anew",
        .0.display()
    )]
    Moved(PathBuf),
    /// The database can be read, but was told to take no writes.
    #[error("the database is read-only")]
    ReadOnly(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database can be read, but there is no room for what was written.
    #[error("the disk of the database is full")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database can be read, but the operating system does not let its files be written.
    #[error(
        "the files of the database can't be written: look at the limit on the size of files (ulimit -f), \
         at quotas, and at the disk"
    )]
    Unwritable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database did not answer, or answered with an error.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A change that contradicts what is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Set-up was done already, or the token is not valid.
    #[error(
        "set-up is done already, or this link is no longer valid: Keyrack prints a new one at each start \
         until somebody is there"
    )]
    SetUpDone,
    /// Another person has this address.
    #[error("somebody with this e-mail address is on the team already")]
    EmailTaken,
    /// The identity at single sign-on is somebody's already.
    #[error("this identity belongs to somebody on the team already")]
    IdentityTaken,
    /// The passkey is somebody's already.
    #[error("this passkey has been added already")]
    PasskeyTaken,
    /// The person has as many passkeys as they may have.
    #[error("you have 20 passkeys, which is the most: remove one first")]
    TooManyPasskeys,
    /// The person would have no second factor left, and must have one.
    #[error(
        "superusers need a second factor here, and this is the last one: add another one first"
    )]
    LastSecondFactor,
    /// There would be no active superuser left who can log in.
    #[error(
        "this is the last active superuser who can log in: make somebody else a superuser first, and \
         wait until they have logged in"
    )]
    LastSuperuser,
    /// What a person has open was ended meanwhile: by a change of password, second factors or role, or
    /// because all their sessions were ended.
    #[error("your session has ended: log in again")]
    SessionEnded,
    /// The link was used, or is too old.
    #[error("this link was used already or is too old: ask for a new one")]
    LinkUsed,
    /// The same request issued a credential already.
    #[error("this request has issued {0} already")]
    AlreadyIssued(KeyId),
    /// The owner is not an active person of the team.
    #[error("the owner is not an active member of the team")]
    OwnerUnavailable,
    /// The credential has a public key with this thumbprint.
    #[error("this credential has this public key already")]
    PublicKeyTaken,
    /// Another public key of the credential goes by this `kid`, and has not ended.
    #[error(
        "the key {thumbprint} has the kid {kid} already: give the new key another one, or remove \
         that key first"
    )]
    KidTaken {
        /// The name that both would have.
        kid: String,
        /// The key that has it.
        thumbprint: String,
    },
    /// The credential has as many public keys as it may have.
    #[error(
        "this credential has {MAX_PUBLIC_KEYS} public keys, which is the most: remove one first"
    )]
    TooManyPublicKeys,
    /// The credential would have no public key left.
    #[error(
        "this is the only public key of the credential: add another one first, or revoke the \
         credential"
    )]
    LastPublicKey,
    /// Another gateway has this name.
    #[error("another gateway has this name: choose another name")]
    GatewayNameTaken,
    /// Somebody else changed it between reading and writing.
    #[error("somebody else changed this in the meantime: load it again")]
    ChangedMeanwhile,
}

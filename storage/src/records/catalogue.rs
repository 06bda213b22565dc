//! The catalogues that were in force.

use domain::Instant;

/// How many of the newest are kept.
pub const CATALOGUE_VERSIONS_KEPT: u32 = 50;

/// A catalogue that was taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueVersion {
    /// SHA-256 of `file`.
    pub hash: [u8; 32],
    /// The API's name.
    pub name: String,
    /// What the file calls its version.
    pub version: String,
    /// The whole catalogue: a JSON object, as text.
    pub file: String,
    /// When a process first took it up.
    pub taken_up_at: Instant,
}

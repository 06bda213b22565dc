//! The catalogue as it is written down: a TOML file, and the same shape for the browser.

use serde::{Deserialize, Serialize};

use super::Catalogue;
use crate::scope::Level;

/// A catalogue that nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueFile {
    /// The API's name.
    pub name: String,
    /// The version of this list.
    pub version: String,
    /// The scopes, `[[scope]]` in TOML.
    #[serde(rename = "scope", default)]
    pub scopes: Vec<ScopeEntry>,
}

/// One `[[scope]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeEntry {
    /// The wire name, in snake_case.
    pub name: String,
    /// The name that people see.
    pub title: String,
    /// What the area is about, in a sentence.
    pub description: String,
    /// The calls that belong to it.
    pub endpoints: Vec<EndpointEntry>,
}

/// One line of a scope's `endpoints`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointEntry {
    /// The HTTP method, in upper case.
    pub method: String,
    /// The path template; `{name}` stands for exactly one segment.
    pub path: String,
    /// What the call does, in a few words.
    pub summary: String,
    /// Set where the method misleads: a `POST` that only reads, or a `GET` that changes data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Set where anybody may make the call, without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<EndpointAccess>,
    /// Set where this path goes before others on purpose: what they would match here is no call, and
    /// not worth a warning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reserved: bool,
}

/// Who may make a call, if access to its scope does not decide that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointAccess {
    /// Everybody, without credentials.
    Public,
}

impl From<Catalogue> for CatalogueFile {
    fn from(catalogue: Catalogue) -> Self {
        catalogue.file
    }
}

//! The catalogue: which calls of the protected API belong to which scope, at which level.
//!
//! One list draws the permission matrix, answers "can this key call …?" and is what the gate
//! enforces. It is data: a deployment may bring its own. Whatever it doesn't list is refused.

mod affix;
mod build;
mod diff;
mod file;
mod fold;
mod kind;
mod method;
mod overlap;
mod path;
mod problem;
mod read;
mod tree;
mod variant;

#[cfg(test)]
mod diff_tests;
#[cfg(test)]
mod encoded_tests;
#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod style_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod variant_tests;

use serde::{Deserialize, Serialize};

pub use self::diff::{Call, Change, Right};
pub use self::file::{CatalogueFile, EndpointAccess, EndpointEntry, ScopeEntry};
pub use self::kind::Kind;
pub use self::method::Method;
pub use self::path::{MAX_PATH_BYTES, MAX_TEMPLATE_BYTES, PathFault, TemplateFault};
pub use self::problem::{
    EndpointFault, Fault, InvalidCatalogue, MAX_OVERLAPS, MAX_RULES, MAX_SCOPES, Place, Problem,
};
pub use self::read::{Checked, Finding, Severity};

use self::path::Segment;
use self::tree::Node;
use crate::scope::{Level, ScopeName};

/// A checked catalogue. It serialises as the [`CatalogueFile`] that it was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "CatalogueFile", into = "CatalogueFile")]
pub struct Catalogue {
    file: CatalogueFile,
    scopes: Vec<Scope>,
    root: Node,
}

/// One area of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The name in wire scopes.
    pub name: ScopeName,
    /// The name that people see.
    pub title: String,
    /// What the area is about, in a sentence.
    pub description: String,
    /// The calls that belong to it, in the file's order.
    pub endpoints: Vec<Endpoint>,
}

impl Scope {
    /// Whether nothing in it changes data, so that write access gives no more than read access.
    #[must_use]
    pub fn all_reads(&self) -> bool {
        self.endpoints
            .iter()
            .all(|endpoint| endpoint.public || endpoint.level == Level::Read)
    }
}

/// One call of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The HTTP method.
    pub method: Method,
    /// The path template, for example `/v1/accounts/{account_id}`.
    pub path: String,
    /// What the call does, in a few words.
    pub summary: String,
    /// What it takes to make the call.
    pub level: Level,
    /// Whether anybody may make the call without credentials: then scope and level decide nothing, and
    /// only say where it is listed and counted.
    pub public: bool,
}

/// What a credential must have to make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement<'a> {
    /// The scope that the call belongs to.
    pub scope: &'a Scope,
    /// The level that it needs there.
    pub level: Level,
    /// Whether anybody may make the call, and nothing is needed.
    pub public: bool,
    /// The method that the catalogue lists: `GET` may answer for `HEAD`, and any for `OPTIONS`.
    pub listed: Method,
    /// The path template that matched.
    pub template: &'a str,
}

/// Why a call is refused whatever the credential. It says nothing of the call's own text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The path alone, without the query, is over [`MAX_PATH_BYTES`].
    #[error("the path is too long")]
    PathTooLong,
    /// A proxy and the API could understand the path differently.
    #[error("the path is not in its plain form: {0}")]
    NotCanonical(#[from] PathFault),
    /// No endpoint has this path.
    #[error("the catalogue doesn't have this path")]
    UnknownPath,
    /// It would be a parameter's value here, but an API that looks at names less strictly, or decodes
    /// an encoded slash first, would take it for another call.
    #[error(
        "the path is another spelling of one in the catalogue, in upper or lower case, with an \
         extension, with signs or a slash at its end, or with an encoded slash, and no value of a \
         parameter may be that"
    )]
    VariantOfLiteral,
    /// A value that isn't of its parameter's [`Kind`].
    #[error("a value in the path is not of the kind that the catalogue says")]
    WrongKind,
    /// The path is known, but not with this method. Methods are in upper case.
    #[error("the catalogue has this path, but not with this method")]
    MethodNotInCatalogue,
}

impl Refusal {
    /// The word under which it is told and stored; it never changes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::PathTooLong
            | Self::NotCanonical(_)
            | Self::UnknownPath
            | Self::MethodNotInCatalogue => "path_not_allowed",
            Self::VariantOfLiteral => "path_variant",
            Self::WrongKind => "path_value",
        }
    }
}

impl Catalogue {
    /// The API's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The catalogue's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.file.version
    }

    /// The scopes, in the file's order.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// The scope of that name.
    #[must_use]
    pub fn scope(&self, name: &ScopeName) -> Option<&Scope> {
        self.scopes.iter().find(|scope| scope.name == *name)
    }

    /// How many endpoints all scopes have together.
    #[must_use]
    pub fn endpoint_count(&self) -> usize {
        self.scopes.iter().map(|scope| scope.endpoints.len()).sum()
    }

    /// The file that it was built from, for the browser and for storage.
    #[must_use]
    pub fn file(&self) -> &CatalogueFile {
        &self.file
    }

    /// A call that is `wanted` and needs access: one that needs nothing filled in, if there is such a one, or else one
    /// with an example for each parameter of its path.
    #[must_use]
    pub fn example(&self, wanted: impl Fn(&Scope, &Endpoint) -> bool) -> Option<(Method, String)> {
        let endpoints = self.scopes.iter().flat_map(|scope| {
            let wanted = |endpoint: &&Endpoint| !endpoint.public && wanted(scope, endpoint);
            scope.endpoints.iter().filter(wanted).collect::<Vec<_>>()
        });
        let endpoint = endpoints.min_by_key(|endpoint| endpoint.path.contains('{'))?;
        let segments = path::template(&endpoint.path).ok()?;
        let value = |kind: Option<Kind>| kind.unwrap_or(Kind::Word).example();
        let path = segments.into_iter().fold(String::new(), |path, segment| {
            let part = match segment {
                Segment::Literal(text) => text.to_owned(),
                Segment::Affixed {
                    prefix,
                    kind,
                    suffix,
                } => format!("{prefix}{}{suffix}", value(kind)),
                Segment::Parameter(kind) => value(kind).to_owned(),
                Segment::Tail => value(None).to_owned(),
            };
            path + "/" + &part
        });
        // A path without segments is `/`.
        let path = if path.is_empty() {
            "/".to_owned()
        } else {
            path
        };
        Some((endpoint.method, path))
    }

    /// What a call needs. `raw_path` is the request's target as it came, escapes and all. A query
    /// is cut off first, so nothing in it can change the answer.
    ///
    /// The path decides before the method. Of the templates that match it, the one wins whose first
    /// segment that differs is the most exact: a literal, then a parameter with text around it, then one
    /// without, then the rest of the path. A method that the winner lacks is refused, not looked for under a looser template. So is
    /// a value of another kind than the winner's, and one that an API might take for a literal which
    /// leads to another template.
    /// `HEAD` follows the `GET` rule. `OPTIONS` is a read in the scope of the path's `GET` rule,
    /// or else of its first one.
    pub fn find(&self, method: &str, raw_path: &str) -> Result<Requirement<'_>, Refusal> {
        let path = path::canonical(raw_path)?;
        let node = self.root.find(&path)?;
        let method = Method::from_name(method).ok_or(Refusal::MethodNotInCatalogue)?;
        let rule = node.rule_for(method).ok_or(Refusal::MethodNotInCatalogue)?;
        let scope = &self.scopes[rule.scope];
        let endpoint = &scope.endpoints[rule.endpoint];
        let implied_options = method == Method::Options && endpoint.method != Method::Options;
        let level = if implied_options {
            Level::Read
        } else {
            endpoint.level
        };
        Ok(Requirement {
            scope,
            level,
            public: endpoint.public,
            listed: endpoint.method,
            template: &endpoint.path,
        })
    }
}

//! What can be wrong with a catalogue, and where.

use std::fmt;

use super::path::TemplateFault;
use super::read::Severity;
use crate::scope::InvalidScopeName;

/// The most scopes that a catalogue may have.
pub const MAX_SCOPES: usize = 64;

/// The most endpoints that a catalogue may have, over all its scopes.
pub const MAX_RULES: usize = 10_000;

/// The most overlaps that are named.
pub const MAX_OVERLAPS: usize = 100;

/// Everything that is wrong with a catalogue, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidCatalogue(pub(super) Vec<Problem>);

impl InvalidCatalogue {
    /// The problems, in the file's order; there is at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for InvalidCatalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidCatalogue {}

/// One thing that is wrong with a catalogue, and which value of the file it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct Problem {
    /// The part of the file.
    pub place: Place,
    /// The key there.
    pub key: &'static str,
    /// What is wrong with its value.
    pub fault: Fault,
}

/// A part of a catalogue file. Indices count from 0, in the file's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// What stands before the first scope.
    Top,
    /// A scope.
    Scope(usize),
    /// An endpoint: the index of its scope, and its own there.
    Endpoint(usize, usize),
}

/// What is wrong with a value. It quotes the file, which is the operator's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing to show as the API's name.
    #[error("the catalogue has no name")]
    NoName,
    /// Nothing to tell two catalogues apart by.
    #[error("the catalogue has no version")]
    NoVersion,
    /// A catalogue that allows nothing is a mistake.
    #[error("the catalogue has no scopes")]
    NoScopes,
    /// Over [`MAX_SCOPES`].
    #[error("the catalogue has {0} scopes; {MAX_SCOPES} is the most")]
    TooManyScopes(usize),
    /// Over [`MAX_RULES`].
    #[error("the catalogue has {0} endpoints; {MAX_RULES} is the most")]
    TooManyRules(usize),
    /// Not a wire name.
    #[error("scope {scope:?}: {fault}")]
    ScopeName {
        /// The name in the file.
        scope: String,
        /// Why it is none.
        fault: InvalidScopeName,
    },
    /// Two scopes of one name.
    #[error("scope {scope:?} is there twice")]
    DuplicateScope {
        /// The name.
        scope: String,
        /// Where it is first.
        first: Place,
    },
    /// A scope that the matrix would show without a label.
    #[error("scope {0:?} has no title")]
    NoTitle(String),
    /// A scope that gives access to nothing. It does no harm: its endpoints may come later.
    #[error("scope {0:?} has no endpoints, so access to it allows nothing")]
    NoEndpoints(String),
    /// A bad line of a scope's endpoints.
    #[error("scope {scope:?}, {call}: {fault}")]
    Endpoint {
        /// The scope's name in the file.
        scope: String,
        /// The method and the path in the file.
        call: String,
        /// What is wrong with it.
        fault: EndpointFault,
    },
}

impl Fault {
    /// Whether the catalogue can be used all the same, and if, whether something may be amiss.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::NoEndpoints(_)
            | Self::Endpoint {
                fault: EndpointFault::Overlap { .. },
                ..
            } => Severity::Warning,
            Self::Endpoint {
                fault: EndpointFault::Variants { .. },
                ..
            } => Severity::Note,
            _ => Severity::Error,
        }
    }

    /// Where the value is that this one repeats or goes before.
    #[must_use]
    pub const fn first(&self) -> Option<Place> {
        match self {
            Self::DuplicateScope { first, .. }
            | Self::Endpoint {
                fault:
                    EndpointFault::Duplicate { first, .. }
                    | EndpointFault::OtherKind { first, .. }
                    | EndpointFault::Overlap { first, .. },
                ..
            } => Some(*first),
            _ => None,
        }
    }
}

/// What is wrong with one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointFault {
    /// Lower case, misspelt, or a method that no API call uses.
    #[error("the method must be one of GET, HEAD, OPTIONS, POST, PUT, PATCH and DELETE")]
    Method,
    /// A level would say who may make a call that everybody may make.
    #[error(
        "it has a level, which decides nothing where access = \"public\": take one of them out"
    )]
    LevelOfPublic,
    /// The path can't be matched.
    #[error(transparent)]
    Template(#[from] TemplateFault),
    /// The same method and the same path, whatever its parameters are called. Nothing else makes
    /// a rule unreachable: a parameter takes more values than the file has literals.
    #[error("never reached, as scope {scope:?} has the same call already: {path}")]
    Duplicate {
        /// The scope that has it.
        scope: String,
        /// The path there.
        path: String,
        /// Where that is.
        first: Place,
    },
    /// Two kinds of values, or a kind and none, in one place of the path. Which template a call
    /// belongs to never depends on its values.
    #[error("{parameter} stands where {path} has {other}: in one place, all have the same kind")]
    OtherKind {
        /// The parameter, with its kind.
        parameter: String,
        /// The parameter there.
        other: String,
        /// The path there.
        path: String,
        /// Where that is.
        first: Place,
    },
    /// A parameter beside literals that it could be mistaken for. Nothing is wrong with that, but the
    /// API's owner should know which ids are refused.
    #[error(
        "{parameter} never takes another spelling of {literals}: what differs from it only in case, \
         by an extension or by signs at its end is refused"
    )]
    Variants {
        /// The parameter.
        parameter: String,
        /// The literals, in words.
        literals: String,
    },
    /// A path that two templates match, which the other one would have decided differently.
    #[error("goes before {path}: at {common}, {calls}")]
    Overlap {
        /// The other template.
        path: String,
        /// What both match.
        common: String,
        /// What becomes of the calls that the other one lists.
        calls: String,
        /// Where the first of them is.
        first: Place,
    },
}

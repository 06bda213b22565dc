//! From a file to a checked catalogue. It looks at everything before it complains, so that one
//! round of corrections is enough.

use std::fmt;

use super::file::{CatalogueFile, EndpointEntry};
use super::method::Method;
use super::path::{self, TemplateFault};
use super::tree::{Node, Rule};
use super::{Catalogue, Endpoint, Scope};
use crate::scope::{InvalidScopeName, ScopeName};

/// The most scopes that a catalogue may have.
pub const MAX_SCOPES: usize = 64;

/// The most endpoints that a catalogue may have, over all its scopes.
pub const MAX_RULES: usize = 10_000;

/// Everything that is wrong with a catalogue, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidCatalogue(Vec<Problem>);

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

/// One thing that is wrong with a catalogue. It quotes the file, which is the operator's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
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
    #[error("scope {0:?} is there twice")]
    DuplicateScope(String),
    /// A scope that the matrix would show without a label.
    #[error("scope {0:?} has no title")]
    NoTitle(String),
    /// A bad line of a scope's endpoints.
    #[error("scope {scope:?}, {method} {path}: {fault}")]
    Endpoint {
        /// The scope's name in the file.
        scope: String,
        /// The method in the file.
        method: String,
        /// The path in the file.
        path: String,
        /// What is wrong with it.
        fault: EndpointFault,
    },
}

/// What is wrong with one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointFault {
    /// Lower case, misspelt, or a method that no API call uses.
    #[error("the method must be one of GET, HEAD, OPTIONS, POST, PUT, PATCH and DELETE")]
    Method,
    /// The path can't be matched.
    #[error(transparent)]
    Template(#[from] TemplateFault),
    /// The same method and the same path, whatever its parameters are called.
    #[error("scope {scope:?} has the same call already, as {path}")]
    Duplicate {
        /// The scope that has it.
        scope: String,
        /// The path there.
        path: String,
    },
}

impl TryFrom<CatalogueFile> for Catalogue {
    type Error = InvalidCatalogue;

    fn try_from(file: CatalogueFile) -> Result<Self, Self::Error> {
        check_size(&file)?;
        let mut problems = of_the_whole(&file);
        let mut scopes = Vec::with_capacity(file.scopes.len());
        let mut root = Node::default();
        for (scope, entry) in file.scopes.iter().enumerate() {
            if file.scopes[..scope]
                .iter()
                .any(|earlier| earlier.name == entry.name)
            {
                problems.push(Problem::DuplicateScope(entry.name.clone()));
            }
            if entry.title.trim().is_empty() {
                problems.push(Problem::NoTitle(entry.name.clone()));
            }
            let mut endpoints = Vec::with_capacity(entry.endpoints.len());
            for (endpoint, line) in entry.endpoints.iter().enumerate() {
                match add_endpoint(&mut root, &file, (scope, endpoint), line) {
                    Ok(endpoint) => endpoints.push(endpoint),
                    Err(fault) => problems.push(Problem::Endpoint {
                        scope: entry.name.clone(),
                        method: line.method.clone(),
                        path: line.path.clone(),
                        fault,
                    }),
                }
            }
            match entry.name.parse::<ScopeName>() {
                Ok(name) => scopes.push(Scope {
                    name,
                    title: entry.title.clone(),
                    description: entry.description.clone(),
                    endpoints,
                }),
                Err(fault) => {
                    problems.push(Problem::ScopeName {
                        scope: entry.name.clone(),
                        fault,
                    });
                }
            }
        }
        // The tree's indices fit only when nothing was left out above.
        if problems.is_empty() {
            Ok(Self { file, scopes, root })
        } else {
            Err(InvalidCatalogue(problems))
        }
    }
}

/// The limits, before anything costs time.
fn check_size(file: &CatalogueFile) -> Result<(), InvalidCatalogue> {
    let scopes = file.scopes.len();
    let rules = file.scopes.iter().map(|scope| scope.endpoints.len()).sum();
    let mut problems = Vec::new();
    if scopes > MAX_SCOPES {
        problems.push(Problem::TooManyScopes(scopes));
    }
    if rules > MAX_RULES {
        problems.push(Problem::TooManyRules(rules));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(InvalidCatalogue(problems))
    }
}

fn of_the_whole(file: &CatalogueFile) -> Vec<Problem> {
    [
        (file.name.trim().is_empty(), Problem::NoName),
        (file.version.trim().is_empty(), Problem::NoVersion),
        (file.scopes.is_empty(), Problem::NoScopes),
    ]
    .into_iter()
    .filter_map(|(wrong, problem)| wrong.then_some(problem))
    .collect()
}

fn add_endpoint(
    root: &mut Node,
    file: &CatalogueFile,
    (scope, endpoint): (usize, usize),
    line: &EndpointEntry,
) -> Result<Endpoint, EndpointFault> {
    let method = Method::from_name(&line.method).ok_or(EndpointFault::Method)?;
    let segments = path::template(&line.path)?;
    root.insert(
        &segments,
        Rule {
            method,
            scope,
            endpoint,
        },
    )
    .map_err(|taken| {
        let owner = &file.scopes[taken.scope];
        EndpointFault::Duplicate {
            scope: owner.name.clone(),
            path: owner.endpoints[taken.endpoint].path.clone(),
        }
    })?;
    Ok(Endpoint {
        method,
        path: line.path.clone(),
        summary: line.summary.clone(),
        level: line.level.unwrap_or(method.usual_level()),
    })
}

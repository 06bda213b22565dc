//! From a file's content to a checked catalogue. It looks at everything before it complains, so that
//! one round of corrections is enough.

use super::file::{CatalogueFile, EndpointAccess};
use super::method::Method;
use super::path;
use super::problem::{
    EndpointFault, Fault, InvalidCatalogue, MAX_RULES, MAX_SCOPES, Place, Problem,
};
use super::read::Severity;
use super::tree::{Node, Rule, Taken};
use super::{Catalogue, Endpoint, Scope};
use crate::scope::ScopeName;

impl TryFrom<CatalogueFile> for Catalogue {
    type Error = InvalidCatalogue;

    fn try_from(file: CatalogueFile) -> Result<Self, Self::Error> {
        let (catalogue, mut problems) = build(file);
        catalogue.ok_or_else(|| {
            problems.retain(|problem| problem.fault.severity() == Severity::Error);
            InvalidCatalogue(problems)
        })
    }
}

/// The catalogue, unless one of the problems is more than a warning.
pub(super) fn build(file: CatalogueFile) -> (Option<Catalogue>, Vec<Problem>) {
    let mut problems = over_the_limits(&file);
    if !problems.is_empty() {
        return (None, problems);
    }
    problems.extend(of_the_top(&file));
    let mut root = Node::default();
    let mut scopes = Vec::with_capacity(file.scopes.len());
    for scope in 0..file.scopes.len() {
        scopes.extend(add_scope(&mut root, &mut problems, &file, scope));
    }
    // The tree's indices fit only when nothing was left out above.
    let is_error = |problem: &Problem| problem.fault.severity() == Severity::Error;
    let usable = !problems.iter().any(is_error);
    (usable.then_some(Catalogue { file, scopes, root }), problems)
}

/// The limits, before anything costs time.
fn over_the_limits(file: &CatalogueFile) -> Vec<Problem> {
    let scopes = file.scopes.len();
    let rules = file.scopes.iter().map(|scope| scope.endpoints.len()).sum();
    when([
        (scopes > MAX_SCOPES, "scope", Fault::TooManyScopes(scopes)),
        (rules > MAX_RULES, "scope", Fault::TooManyRules(rules)),
    ])
}

fn of_the_top(file: &CatalogueFile) -> Vec<Problem> {
    when([
        (file.name.trim().is_empty(), "name", Fault::NoName),
        (file.version.trim().is_empty(), "version", Fault::NoVersion),
        (file.scopes.is_empty(), "scope", Fault::NoScopes),
    ])
}

/// Those of the faults that hold, as problems of the top.
fn when<const N: usize>(faults: [(bool, &'static str, Fault); N]) -> Vec<Problem> {
    faults
        .into_iter()
        .filter(|(holds, ..)| *holds)
        .map(|(_, key, fault)| Problem {
            place: Place::Top,
            key,
            fault,
        })
        .collect()
}

/// Adds a scope's endpoints to the tree. Without a scope there is a problem.
fn add_scope(
    root: &mut Node,
    problems: &mut Vec<Problem>,
    file: &CatalogueFile,
    scope: usize,
) -> Option<Scope> {
    let entry = &file.scopes[scope];
    let mut problem = |key, fault| {
        problems.push(Problem {
            place: Place::Scope(scope),
            key,
            fault,
        });
    };
    let mut earlier = file.scopes[..scope].iter();
    if let Some(first) = earlier.position(|earlier| earlier.name == entry.name) {
        let fault = Fault::DuplicateScope {
            scope: entry.name.clone(),
            first: Place::Scope(first),
        };
        problem("name", fault);
    }
    let name = entry.name.parse::<ScopeName>();
    if let Err(fault) = &name {
        let fault = Fault::ScopeName {
            scope: entry.name.clone(),
            fault: fault.clone(),
        };
        problem("name", fault);
    }
    if entry.title.trim().is_empty() {
        problem("title", Fault::NoTitle(entry.name.clone()));
    }
    if entry.endpoints.is_empty() {
        problem("endpoints", Fault::NoEndpoints(entry.name.clone()));
    }
    let endpoints = (0..entry.endpoints.len())
        .filter_map(|endpoint| add_endpoint(root, problems, file, (scope, endpoint)))
        .collect();
    Some(Scope {
        name: name.ok()?,
        title: entry.title.clone(),
        description: entry.description.clone(),
        endpoints,
    })
}

/// Adds an endpoint to the tree. Without an endpoint there is a problem.
fn add_endpoint(
    root: &mut Node,
    problems: &mut Vec<Problem>,
    file: &CatalogueFile,
    (scope, endpoint): (usize, usize),
) -> Option<Endpoint> {
    let line = &file.scopes[scope].endpoints[endpoint];
    let mut problem = |key, fault| {
        problems.push(Problem {
            place: Place::Endpoint(scope, endpoint),
            key,
            fault: Fault::Endpoint {
                scope: file.scopes[scope].name.clone(),
                call: format!("{} {}", line.method, line.path).trim().to_owned(),
                fault,
            },
        });
    };
    let method = Method::from_name(&line.method);
    if method.is_none() {
        problem("method", EndpointFault::Method);
    }
    let segments = path::template(&line.path)
        .map_err(|fault| problem("path", fault.into()))
        .ok();
    let (method, segments) = (method?, segments?);
    let public = line.access == Some(EndpointAccess::Public);
    if public && line.level.is_some() {
        problem("access", EndpointFault::LevelOfPublic);
    }
    let rule = Rule {
        method,
        scope,
        endpoint,
    };
    if let Err(taken) = root.insert(&segments, rule) {
        problem("path", taken_fault(file, &line.path, taken));
        return None;
    }
    Some(Endpoint {
        method,
        path: line.path.clone(),
        summary: line.summary.clone(),
        level: line.level.unwrap_or(method.usual_level()),
        public,
    })
}

fn taken_fault(file: &CatalogueFile, path: &str, taken: Taken) -> EndpointFault {
    let (Taken::Call(rule) | Taken::Kind(rule, _)) = taken;
    let (scope, first) = (
        &file.scopes[rule.scope],
        Place::Endpoint(rule.scope, rule.endpoint),
    );
    let other = &scope.endpoints[rule.endpoint].path;
    match taken {
        Taken::Call(_) => EndpointFault::Duplicate {
            scope: scope.name.clone(),
            path: other.clone(),
            first,
        },
        Taken::Kind(_, index) => {
            let segment = |path| {
                path::segments(path)
                    .nth(index)
                    .unwrap_or_default()
                    .to_owned()
            };
            EndpointFault::OtherKind {
                parameter: segment(path),
                other: segment(other),
                path: other.clone(),
                first,
            }
        }
    }
}

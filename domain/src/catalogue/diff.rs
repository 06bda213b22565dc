//! What changed from one catalogue to the next, as far as keys feel it: which scopes there are, what
//! each call needs, and which values its path takes. Summaries, descriptions, the order and the names of parameters decide
//! nothing, so they are no changes.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::path::{Segment, segments, shape, template_segment};
use super::{Catalogue, Endpoint, Kind, Method, Scope};
use crate::scope::{Level, ScopeName, WireScope};

/// One change: of a scope, or of all calls that went the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A scope is new. Its calls are changes of their own.
    ScopeAdded {
        /// The new scope.
        scope: ScopeName,
        /// What people see of it.
        title: String,
    },
    /// A scope is gone, and grants nothing any more. Its calls are changes of their own.
    ScopeRemoved {
        /// The scope that was.
        scope: ScopeName,
        /// What people saw of it.
        title: String,
    },
    /// People see a scope under another name.
    ScopeRetitled {
        /// The scope.
        scope: ScopeName,
        /// The title before.
        from: String,
        /// The title now.
        to: String,
    },
    /// Calls that were refused for every key.
    CallsAdded {
        /// The calls, in the file's order.
        calls: Vec<Call>,
        /// What they need; nothing for calls that anybody may make.
        to: Option<Right>,
    },
    /// Calls that are refused for every key from now on.
    CallsRemoved {
        /// The calls, in the file's order.
        calls: Vec<Call>,
        /// What they needed; nothing for calls that anybody could make.
        from: Option<Right>,
    },
    /// Calls that need something else than before.
    CallsMoved {
        /// The calls, in the file's order.
        calls: Vec<Call>,
        /// What they needed; nothing for calls that anybody could make.
        from: Option<Right>,
        /// What they need; nothing for calls that anybody may make.
        to: Option<Right>,
    },
    /// Calls that need what they needed, but take other values in their path: a parameter has another
    /// kind, or has one now, or none any more.
    ValuesChanged {
        /// The calls as they are now, in the file's order.
        calls: Vec<Call>,
        /// What they need; nothing for calls that anybody may make.
        to: Option<Right>,
    },
}

/// A call, as people write it: `DELETE /v1/accounts/{account_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The HTTP method.
    pub method: Method,
    /// The path template.
    pub path: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// What a key must have for a call, with the title under which people know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    /// Scope and level.
    pub scope: WireScope,
    /// The scope's title.
    pub title: String,
}

/// `write access to Transfers`.
impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} access to {}", self.scope.level, self.title)
    }
}

impl Change {
    /// The calls that it is about; none if it is about a scope.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        match self {
            Self::CallsAdded { calls, .. }
            | Self::CallsRemoved { calls, .. }
            | Self::CallsMoved { calls, .. }
            | Self::ValuesChanged { calls, .. } => calls,
            Self::ScopeAdded { .. } | Self::ScopeRemoved { .. } | Self::ScopeRetitled { .. } => &[],
        }
    }

    /// What a key has that feels the change. A title alone is felt by no key.
    #[must_use]
    pub fn touches(&self) -> Vec<Right> {
        match self {
            Self::ScopeAdded { scope, title } | Self::ScopeRemoved { scope, title } => {
                vec![Right {
                    scope: scope.at(Level::Read),
                    title: title.clone(),
                }]
            }
            Self::ScopeRetitled { .. } => Vec::new(),
            Self::CallsAdded { to, .. } | Self::ValuesChanged { to, .. } => {
                to.iter().cloned().collect()
            }
            Self::CallsRemoved { from, .. } => from.iter().cloned().collect(),
            Self::CallsMoved { from, to, .. } => from.iter().chain(to).cloned().collect(),
        }
    }
}

/// What changed, without the calls: a clause that [`Change::calls`] complete.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScopeAdded { scope, title } => write!(f, "the scope {title} ({scope}) is new"),
            Self::ScopeRemoved { scope, title } => {
                write!(f, "the scope {title} ({scope}) is gone and grants nothing")
            }
            Self::ScopeRetitled { scope, from, to } => {
                write!(f, "the scope {from} ({scope}) is now called {to}")
            }
            Self::CallsAdded { to, .. } => write!(f, "{} now includes", access(to.as_ref())),
            Self::CallsRemoved { from, .. } => {
                write!(
                    f,
                    "{} no longer includes, nor does any other",
                    access(from.as_ref())
                )
            }
            // A scope that was renamed and kept its title.
            Self::CallsMoved {
                from: Some(from),
                to: Some(to),
                ..
            } if from.title == to.title && from.scope.scope != to.scope.scope => {
                let (new, old) = (&to.scope.scope, &from.scope.scope);
                write!(
                    f,
                    "{to} ({new}) now includes, in the place of {from} ({old})"
                )
            }
            Self::CallsMoved { from, to, .. } => {
                let (to, from) = (access(to.as_ref()), access(from.as_ref()));
                write!(f, "{to} now includes, in the place of {from}")
            }
            Self::ValuesChanged { to, .. } => {
                write!(
                    f,
                    "{} takes other values than before in",
                    access(to.as_ref())
                )
            }
        }
    }
}

/// What it takes to make calls, in words.
fn access(right: Option<&Right>) -> String {
    right.map_or_else(|| "public access".to_owned(), Right::to_string)
}

impl Catalogue {
    /// What changed since an earlier catalogue: scopes first, then calls, each in the file's order.
    #[must_use]
    pub fn changes_since(&self, earlier: &Self) -> Vec<Change> {
        let mut changes = self.scope_changes(earlier);
        let before = earlier.places();
        let now = self.places();
        // By place now and before, so that calls which went the same way are one change.
        let mut arrived: BTreeMap<(Place, Option<Place>), Vec<Call>> = BTreeMap::new();
        for (place, endpoint) in self.calls() {
            let was = before.get(&same_call(endpoint)).copied();
            let takes_the_same = was.is_some_and(|(_, was)| kinds(was).eq(kinds(endpoint)));
            let was = was.map(|(place, _)| place);
            let stays = was.is_some_and(|was| {
                scope(earlier.right(was).as_ref()) == scope(self.right(place).as_ref())
            });
            if !stays || !takes_the_same {
                arrived
                    .entry((place, was))
                    .or_default()
                    .push(call(endpoint));
            }
        }
        let mut removed: BTreeMap<Place, Vec<Call>> = BTreeMap::new();
        for (place, endpoint) in earlier.calls() {
            if !now.contains_key(&same_call(endpoint)) {
                removed.entry(place).or_default().push(call(endpoint));
            }
        }
        changes.extend(arrived.into_iter().map(|((place, was), calls)| {
            let to = self.right(place);
            match was.map(|was| earlier.right(was)) {
                None => Change::CallsAdded { calls, to },
                Some(from) if scope(from.as_ref()) == scope(to.as_ref()) => {
                    Change::ValuesChanged { calls, to }
                }
                Some(from) => Change::CallsMoved { calls, from, to },
            }
        }));
        changes.extend(
            removed
                .into_iter()
                .map(|(place, calls)| Change::CallsRemoved {
                    calls,
                    from: earlier.right(place),
                }),
        );
        changes
    }

    fn scope_changes(&self, earlier: &Self) -> Vec<Change> {
        let now = self.scopes().iter().filter_map(|scope| {
            let (name, title) = (scope.name.clone(), scope.title.clone());
            match earlier.scope(&scope.name) {
                None => Some(Change::ScopeAdded { scope: name, title }),
                Some(was) if was.title != title => Some(Change::ScopeRetitled {
                    scope: name,
                    from: was.title.clone(),
                    to: title,
                }),
                Some(_) => None,
            }
        });
        let gone = earlier.scopes().iter();
        let gone = gone.filter(|scope| self.scope(&scope.name).is_none());
        now.chain(gone.map(|scope| Change::ScopeRemoved {
            scope: scope.name.clone(),
            title: scope.title.clone(),
        }))
        .collect()
    }

    /// Every call, with the place of what it needs.
    fn calls(&self) -> impl Iterator<Item = (Place, &Endpoint)> {
        self.scopes().iter().enumerate().flat_map(|(index, scope)| {
            let endpoints = scope.endpoints.iter();
            endpoints.map(move |endpoint| {
                let level = (!endpoint.public).then_some(endpoint.level);
                ((index, level), endpoint)
            })
        })
    }

    fn places(&self) -> HashMap<(Method, String), (Place, &Endpoint)> {
        self.calls()
            .map(|(place, endpoint)| (same_call(endpoint), (place, endpoint)))
            .collect()
    }

    fn right(&self, (scope, level): Place) -> Option<Right> {
        let Scope { name, title, .. } = &self.scopes()[scope];
        Some(Right {
            scope: name.at(level?),
            title: title.clone(),
        })
    }
}

/// The index of a scope in its catalogue, and a level; none for calls that anybody may make.
type Place = (usize, Option<Level>);

/// What decides, without its title.
fn scope(right: Option<&Right>) -> Option<&WireScope> {
    right.map(|right| &right.scope)
}

fn call(endpoint: &Endpoint) -> Call {
    Call {
        method: endpoint.method,
        path: endpoint.path.clone(),
    }
}

/// Equal for endpoints that only differ in what their parameters are called, and which values they
/// take. A catalogue has no two of them.
fn same_call(endpoint: &Endpoint) -> (Method, String) {
    (endpoint.method, shape(&endpoint.path))
}

/// The kinds of a path's parameters, in their order.
fn kinds(endpoint: &Endpoint) -> impl Iterator<Item = Option<Kind>> {
    segments(&endpoint.path).filter_map(|segment| match template_segment(segment) {
        Ok(Segment::Parameter(kind) | Segment::Affixed { kind, .. }) => Some(kind),
        _ => None,
    })
}

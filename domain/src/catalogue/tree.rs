//! The rules as a tree of path segments, so that a look-up costs the path's length and not the
//! catalogue's.

use std::collections::BTreeMap;

use super::Refusal;
use super::kind::Kind;
use super::method::Method;
use super::path::{Segment, stem};

/// Where the paths that share a beginning go on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Node {
    pub literals: BTreeMap<String, Node>,
    /// The literals that share a [`stem`], by it.
    stems: BTreeMap<String, Vec<String>>,
    pub parameter: Option<Box<Parameter>>,
    /// The rules of the path that ends here, in the file's order.
    pub rules: Vec<Rule>,
}

/// Where the paths go on behind a parameter. One place has one kind, so that no call can be told
/// from another by the kind of its values alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    /// What it takes; everything, if nothing.
    pub kind: Option<Kind>,
    /// The first rule that has it.
    pub first: Rule,
    pub node: Node,
}

impl Parameter {
    /// Whether its kind has the value.
    pub fn takes(&self, value: &str) -> bool {
        self.kind.is_none_or(|kind| kind.takes(value))
    }
}

/// An endpoint by its place: the index of its scope, and its own index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub method: Method,
    pub scope: usize,
    pub endpoint: usize,
}

/// Why a rule has no place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// This one has the same call.
    Call(Rule),
    /// This one's parameter in the segment of that index takes another kind.
    Kind(Rule, usize),
}

impl Node {
    /// Adds a rule at a path.
    pub fn insert(&mut self, path: &[Segment<'_>], rule: Rule) -> Result<(), Taken> {
        let mut node = self;
        for (index, segment) in path.iter().enumerate() {
            node = match *segment {
                Segment::Literal(text) => {
                    if !node.literals.contains_key(text) {
                        let same = node.stems.entry(stem(text).into_owned()).or_default();
                        same.push(text.to_owned());
                    }
                    node.literals.entry(text.to_owned()).or_default()
                }
                Segment::Parameter(kind) => {
                    let parameter = node.parameter.get_or_insert_with(|| {
                        Box::new(Parameter {
                            kind,
                            first: rule,
                            node: Self::default(),
                        })
                    });
                    if parameter.kind != kind {
                        return Err(Taken::Kind(parameter.first, index));
                    }
                    &mut parameter.node
                }
            };
        }
        if let Some(taken) = node.exact(rule.method) {
            return Err(Taken::Call(*taken));
        }
        node.rules.push(rule);
        Ok(())
    }

    /// The node of a canonical path. It looks into a literal first and comes back for the
    /// parameter when no path ends down there; it sees each node at most once, and each node beside
    /// the way at most once more for its variants.
    ///
    /// Neither kinds nor variants choose a node. They refuse the one that was found: what would go
    /// elsewhere in an API that is less strict than this goes nowhere.
    pub fn find(&self, path: &str) -> Result<&Self, Refusal> {
        let found = self.descend(start(path), Self::check)?;
        found.ok_or(Refusal::UnknownPath)
    }

    /// The node of a path by its shape alone, which may be a template's.
    pub fn of_shape(&self, path: &str) -> Option<&Self> {
        let no_check = |_: &Self, _: &Parameter, _: &str, _: Option<&str>| Ok(());
        self.descend(start(path), no_check).ok().flatten()
    }

    fn descend(&self, rest: Option<&str>, check: Check) -> Result<Option<&Self>, Refusal> {
        let Some(rest) = rest else {
            return Ok(Some(self).filter(|node| !node.rules.is_empty()));
        };
        let (segment, rest) = next(rest);
        if let Some(literal) = self.literals.get(segment)
            && let Some(found) = literal.descend(rest, check)?
        {
            return Ok(Some(found));
        }
        let Some(parameter) = &self.parameter else {
            return Ok(None);
        };
        let found = parameter.node.descend(rest, check)?;
        if found.is_some() {
            check(self, parameter, segment, rest)?;
        }
        Ok(found)
    }

    /// Whether the parameter may have the segment.
    fn check(
        &self,
        parameter: &Parameter,
        segment: &str,
        rest: Option<&str>,
    ) -> Result<(), Refusal> {
        if self.variants(segment).any(|literal| literal.could_be(rest)) {
            return Err(Refusal::VariantOfLiteral);
        }
        if !parameter.takes(segment) {
            return Err(Refusal::WrongKind);
        }
        Ok(())
    }

    /// Whether some path of an API that takes variants for the literals themselves ends below.
    fn could_be(&self, rest: Option<&str>) -> bool {
        let Some(rest) = rest else {
            return !self.rules.is_empty();
        };
        let (segment, rest) = next(rest);
        let parameter = self.parameter.iter().map(|parameter| &parameter.node);
        self.variants(segment)
            .chain(parameter)
            .any(|node| node.could_be(rest))
    }

    /// What follows the literals that a segment is, or is a variant of.
    pub fn variants(&self, segment: &str) -> impl Iterator<Item = &Self> {
        let same = (!self.stems.is_empty())
            .then(|| self.stems.get(&*stem(segment)))
            .flatten();
        same.into_iter()
            .flatten()
            .filter_map(|text| self.literals.get(text))
    }

    /// The rule for a method at this path; see [`super::Catalogue::find`] for the implied ones.
    pub fn rule_for(&self, method: Method) -> Option<&Rule> {
        self.exact(method).or_else(|| match method {
            Method::Head => self.exact(Method::Get),
            Method::Options => self.exact(Method::Get).or(self.rules.first()),
            _ => None,
        })
    }

    fn exact(&self, method: Method) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.method == method)
    }
}

/// Asked of each parameter on the way to a node that was found, with its segment and what follows.
type Check = fn(&Node, &Parameter, &str, Option<&str>) -> Result<(), Refusal>;

/// The segments of a path; none for `/`.
fn start(path: &str) -> Option<&str> {
    path.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// The first segment, and the others if there are any.
fn next(rest: &str) -> (&str, Option<&str>) {
    // Segments are short: a loop finds their end sooner than a search does.
    match rest.bytes().position(|byte| byte == b'/') {
        Some(end) => (&rest[..end], Some(&rest[end + 1..])),
        None => (rest, None),
    }
}

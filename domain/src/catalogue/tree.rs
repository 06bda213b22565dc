//! The rules as a tree of path segments, so that a look-up costs the path's length and not the
//! catalogue's.

use std::collections::BTreeMap;

use super::method::Method;
use super::path::Segment;

/// Where the paths that share a beginning go on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Node {
    pub literals: BTreeMap<String, Node>,
    pub parameter: Option<Box<Node>>,
    /// The rules of the path that ends here, in the file's order.
    pub rules: Vec<Rule>,
}

/// An endpoint by its place: the index of its scope, and its own index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub method: Method,
    pub scope: usize,
    pub endpoint: usize,
}

impl Node {
    /// Adds a rule at a path, or gives the rule that has the same method there already.
    pub fn insert(&mut self, path: &[Segment<'_>], rule: Rule) -> Result<(), Rule> {
        let node = path.iter().fold(self, |node, segment| match segment {
            Segment::Literal(text) => node.literals.entry((*text).to_owned()).or_default(),
            Segment::Parameter => node.parameter.get_or_insert_default(),
        });
        if let Some(taken) = node.exact(rule.method) {
            return Err(*taken);
        }
        node.rules.push(rule);
        Ok(())
    }

    /// The node of a canonical path. It looks into a literal first and comes back for the
    /// parameter when no path ends down there; it sees each node at most once.
    pub fn find(&self, path: &str) -> Option<&Self> {
        self.descend(path.strip_prefix('/').filter(|rest| !rest.is_empty()))
    }

    fn descend(&self, rest: Option<&str>) -> Option<&Self> {
        let Some(rest) = rest else {
            return Some(self).filter(|node| !node.rules.is_empty());
        };
        // Segments are short: a loop finds their end sooner than a search does.
        let (segment, rest) = match rest.bytes().position(|byte| byte == b'/') {
            Some(end) => (&rest[..end], Some(&rest[end + 1..])),
            None => (rest, None),
        };
        let literal = self
            .literals
            .get(segment)
            .and_then(|node| node.descend(rest));
        literal.or_else(|| self.parameter.as_ref()?.descend(rest))
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

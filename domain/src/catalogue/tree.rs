//! The rules as a tree of path segments, so that a look-up costs the path's length and not the
//! catalogue's.

use std::collections::BTreeMap;

use super::Refusal;
use super::affix::Affixed;
use super::fold::stem;
use super::kind::Kind;
use super::method::Method;
use super::path::{ENCODED_SLASH, PathFault, Segment};

/// Where the paths that share a beginning go on. What matches a segment is asked in the order of the
/// fields, and the first that leads to a rule decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Node {
    /// By text; that of a slash at the path's end is empty.
    pub literals: BTreeMap<String, Node>,
    /// The literals that share a [`stem`], by it.
    stems: BTreeMap<String, Vec<String>>,
    /// In their [order](Affixed::order).
    pub affixed: Vec<Affixed>,
    pub parameter: Option<Box<Parameter>>,
    /// For all that is left of a path. Its node has nothing but rules.
    pub tail: Option<Box<Parameter>>,
    /// The rules of the path that ends here, in the file's order.
    pub rules: Vec<Rule>,
}

/// Where the paths go on behind a parameter. One place has one kind, so that no call can be told
/// from another by the kind of its values alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    /// What it takes; everything without a slash, if nothing.
    pub kind: Option<Kind>,
    /// The first rule that has it.
    pub first: Rule,
    pub node: Node,
}

impl Parameter {
    /// Whether its kind has the value.
    pub fn takes(&self, value: &str) -> bool {
        self.check(value).is_ok()
    }

    fn check(&self, value: &str) -> Result<(), Refusal> {
        match self.kind {
            None if value.contains(ENCODED_SLASH) => Err(PathFault::EncodedSlash.into()),
            Some(kind) if !kind.takes(value) => Err(Refusal::WrongKind),
            _ => Ok(()),
        }
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
            let (parameter, kind) = match *segment {
                Segment::Literal(text) => {
                    node = node.literal(text);
                    continue;
                }
                Segment::Affixed {
                    prefix,
                    kind,
                    suffix,
                } => (node.affixed(prefix, suffix, kind, rule), kind),
                Segment::Parameter(kind) => {
                    let new = || Box::new(Parameter::new(kind, rule));
                    (&mut **node.parameter.get_or_insert_with(new), kind)
                }
                Segment::Tail => {
                    let new = || Box::new(Parameter::new(None, rule));
                    (&mut **node.tail.get_or_insert_with(new), None)
                }
            };
            if parameter.kind != kind {
                return Err(Taken::Kind(parameter.first, index));
            }
            node = &mut parameter.node;
        }
        if let Some(taken) = node.exact(rule.method) {
            return Err(Taken::Call(*taken));
        }
        node.rules.push(rule);
        Ok(())
    }

    fn literal(&mut self, text: &str) -> &mut Self {
        if !self.literals.contains_key(text) {
            let same = self.stems.entry(stem(text).into_owned()).or_default();
            same.push(text.to_owned());
        }
        self.literals.entry(text.to_owned()).or_default()
    }

    fn affixed(
        &mut self,
        prefix: &str,
        suffix: &str,
        kind: Option<Kind>,
        rule: Rule,
    ) -> &mut Parameter {
        let known = self
            .affixed
            .iter()
            .position(|one| one.prefix == prefix && one.suffix == suffix);
        let place = known.unwrap_or_else(|| {
            let new = Affixed {
                prefix: prefix.to_owned(),
                suffix: suffix.to_owned(),
                parameter: Parameter::new(kind, rule),
            };
            let place = self
                .affixed
                .partition_point(|one| one.order() < new.order());
            self.affixed.insert(place, new);
            place
        });
        &mut self.affixed[place].parameter
    }

    /// The node of a canonical path. It looks into a literal first and comes back for the
    /// parameters when no path ends down there; it sees each node at most once, and each node beside
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
        let no_check = |_: &Self, _: Way, _: &str| Ok(());
        self.descend(start(path), no_check).ok().flatten()
    }

    fn descend(&self, rest: Option<&str>, check: Check) -> Result<Option<&Self>, Refusal> {
        let Some(rest) = rest else {
            return Ok(Some(self).filter(|node| !node.rules.is_empty()));
        };
        let (segment, after) = next(rest);
        if let Some(literal) = self.literals.get(segment)
            && let Some(found) = literal.descend(after, check)?
        {
            return Ok(Some(found));
        }
        // No parameter stands for nothing.
        if segment.is_empty() {
            return Ok(None);
        }
        for (index, affixed) in self.affixed.iter().enumerate() {
            if affixed.value(segment).is_some()
                && let Some(found) = affixed.parameter.node.descend(after, check)?
            {
                check(self, Way::Affixed(index), rest)?;
                return Ok(Some(found));
            }
        }
        if let Some(parameter) = &self.parameter
            && let Some(found) = parameter.node.descend(after, check)?
        {
            check(self, Way::Parameter, rest)?;
            return Ok(Some(found));
        }
        match &self.tail {
            Some(tail) if !rest.ends_with('/') => {
                check(self, Way::Tail, rest)?;
                Ok(Some(&tail.node))
            }
            _ => Ok(None),
        }
    }

    /// Whether the parameter of a way may have the segment, or for a tail all that is left.
    fn check(&self, way: Way, rest: &str) -> Result<(), Refusal> {
        let (segment, after) = next(rest);
        let (literals, affixed, parameter) = match way {
            Way::Affixed(index) => {
                let literals = !self.affixed[index].has_own_stem();
                (literals, &self.affixed[..index], None)
            }
            Way::Parameter => (true, &self.affixed[..], None),
            Way::Tail => (true, &self.affixed[..], self.parameter.as_ref()),
        };
        let literals = literals.then(|| self.variants(segment));
        let affixed = affixed.iter().filter(|one| one.could_take(segment));
        let mut mistaken = literals
            .into_iter()
            .flatten()
            .chain(affixed.map(|one| &one.parameter.node))
            .chain(parameter.map(|parameter| &parameter.node));
        if mistaken.any(|node| node.could_be(after)) {
            return Err(Refusal::VariantOfLiteral);
        }
        match way {
            Way::Affixed(index) => {
                let affixed = &self.affixed[index];
                let value = affixed.value(segment).unwrap_or_default();
                affixed.parameter.check(value)?;
            }
            Way::Parameter => {
                let mut parameter = self.parameter.iter();
                parameter.try_for_each(|parameter| parameter.check(segment))?;
            }
            Way::Tail => {}
        }
        if self.is_divided(way, rest) {
            return Err(Refusal::VariantOfLiteral);
        }
        Ok(())
    }

    /// Whether the path leads elsewhere in an API that decodes the slashes of a value before it
    /// looks for the path.
    fn is_divided(&self, way: Way, rest: &str) -> bool {
        let (segment, after) = next(rest);
        let here = if way == Way::Tail { rest } else { segment };
        if !here.contains(ENCODED_SLASH) {
            return false;
        }
        let mut divided = here.replace(ENCODED_SLASH, "/");
        if let Some(after) = after.filter(|_| way != Way::Tail) {
            divided = divided + "/" + after;
        }
        let (segment, after) = next(&divided);
        self.could_be_beside_tail(segment, after) || way != Way::Tail && self.tail.is_some()
    }

    /// Whether some path of an API that takes variants for the literals themselves ends below. Such
    /// an API minds no slash at the end, either.
    fn could_be(&self, rest: Option<&str>) -> bool {
        match rest.filter(|rest| !rest.is_empty()).map(next) {
            None => self.ends(),
            Some((segment, after)) => {
                self.tail.is_some() || self.could_be_beside_tail(segment, after)
            }
        }
    }

    fn could_be_beside_tail(&self, segment: &str, after: Option<&str>) -> bool {
        let affixed = self.affixed.iter().filter(|one| one.could_take(segment));
        let parameters = affixed.map(|one| &one.parameter);
        let parameters = parameters.chain(self.parameter.as_deref());
        self.variants(segment)
            .chain(parameters.map(|parameter| &parameter.node))
            .any(|node| node.could_be(after))
    }

    /// Whether a path ends here, with or without a slash behind it.
    pub fn ends(&self) -> bool {
        let with_slash = self.literals.get("");
        !self.rules.is_empty() || with_slash.is_some_and(|node| !node.rules.is_empty())
    }

    /// The ways on that aren't literals, in the order in which they are tried, and where they lead.
    pub fn parameters(&self) -> impl Iterator<Item = (Edge<'_>, &Self)> {
        let affixed = self.affixed.iter();
        let affixed = affixed.map(|one| (Edge::Affixed(one), &one.parameter.node));
        let parameter = self.parameter.iter();
        let parameter = parameter.map(|one| (Edge::Parameter(one), &one.node));
        let tail = self.tail.iter().map(|one| (Edge::Tail, &one.node));
        affixed.chain(parameter).chain(tail)
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

impl Parameter {
    fn new(kind: Option<Kind>, first: Rule) -> Self {
        Self {
            kind,
            first,
            node: Node::default(),
        }
    }
}

/// A way from one node to the next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edge<'n> {
    Literal(&'n str),
    Affixed(&'n Affixed),
    Parameter(&'n Parameter),
    Tail,
}

/// How a node was left towards the one that was found, if not by a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By the parameter of this index.
    Affixed(usize),
    Parameter,
    Tail,
}

/// Asked of each parameter on the way to a node that was found, with what was left of the path there.
type Check = fn(&Node, Way, &str) -> Result<(), Refusal>;

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

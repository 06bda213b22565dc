//! Paths that two templates match. One of them decides, and that is worth a warning where the other
//! one would have decided differently: a call is refused that looks listed, or needs another scope.
//!
//! The tree is walked in pairs of nodes that some path reaches both of, so templates that have
//! nothing in common are never compared.

use super::kind::Kind;
use super::path::{Segment, segments, template_segment};
use super::problem::MAX_OVERLAPS;
use super::tree::{Edge, Node, Rule};
use super::{Catalogue, Endpoint, EndpointFault, Fault, Place, Problem};

/// The most pairs of nodes that are looked at: a file that has more was not written for an API.
const MAX_PAIRS: usize = 1_000_000;

/// The first [`MAX_OVERLAPS`] overlaps of a catalogue.
pub(super) fn of(catalogue: &Catalogue) -> Vec<Problem> {
    Walk::over(catalogue).found
}

struct Walk<'c> {
    catalogue: &'c Catalogue,
    /// How much was compared.
    pairs: usize,
    found: Vec<Problem>,
}

/// A node that some path reaches, which a tail never leaves.
#[derive(Debug, Clone, Copy)]
struct At<'c> {
    node: &'c Node,
    is_tail: bool,
}

impl<'c> At<'c> {
    const fn of(node: &'c Node) -> Self {
        Self {
            node,
            is_tail: false,
        }
    }

    fn edges(self) -> impl Iterator<Item = (Edge<'c>, Self)> {
        let literals = self.node.literals.iter();
        let literals = literals.map(|(text, node)| (Edge::Literal(text), Self::of(node)));
        literals.chain(self.parameters())
    }

    fn parameters(self) -> impl Iterator<Item = (Edge<'c>, Self)> {
        let stays = self.is_tail.then_some((Edge::Tail, self));
        let leaves = self.node.parameters().map(|(edge, node)| {
            let is_tail = matches!(edge, Edge::Tail);
            (edge, Self { node, is_tail })
        });
        stays.into_iter().chain(leaves)
    }
}

impl<'c> Walk<'c> {
    fn over(catalogue: &'c Catalogue) -> Self {
        let mut walk = Self {
            catalogue,
            pairs: 0,
            found: Vec::new(),
        };
        walk.below(&catalogue.root);
        walk
    }

    /// Looks for templates that go apart at this node or below.
    fn below(&mut self, node: &'c Node) {
        let at = At::of(node);
        for (_, next) in at.edges() {
            self.below(next.node);
        }
        let literals = node.literals.len();
        for (place, loser) in at.parameters().enumerate() {
            for winner in at.edges().take(literals + place) {
                self.pair(winner, loser, true);
            }
        }
    }

    /// Goes on to where two edges lead that some segment matches both of.
    fn pair(&mut self, winner: (Edge<'c>, At<'c>), loser: (Edge<'c>, At<'c>), fits: bool) {
        let samples = samples(winner.0, loser.0);
        if samples.iter().any(|segment| takes(loser.0, segment)) {
            let fits = fits && samples.iter().all(|segment| takes(winner.0, segment));
            self.meet(winner.1, loser.1, fits);
        }
    }

    /// Looks for templates that went apart above, where the winner was the more exact one, and that
    /// some path matches both of. `fits` is whether the winner takes the values of that path: kinds
    /// don't choose, so what it doesn't take is refused.
    fn meet(&mut self, winner: At<'c>, loser: At<'c>, fits: bool) {
        self.pairs += 1 + winner.node.literals.len();
        if self.pairs > MAX_PAIRS || self.found.len() == MAX_OVERLAPS {
            return;
        }
        self.found
            .extend(self.overlap(winner.node, loser.node, fits));
        if winner.is_tail && loser.is_tail {
            return;
        }
        for (edge, above) in winner.edges() {
            if let Edge::Literal(text) = edge {
                if let Some(same) = loser.node.literals.get(text) {
                    self.meet(above, At::of(same), fits);
                }
                let others = loser.parameters();
                others.for_each(|other| self.pair((edge, above), other, fits));
            } else {
                let others = loser.edges();
                others.for_each(|other| self.pair((edge, above), other, fits));
            }
        }
    }

    /// The warning for two templates that end here, if calls fare differently by them.
    fn overlap(&self, winner: &Node, loser: &Node, fits: bool) -> Option<Problem> {
        if winner.rules.iter().any(|rule| self.is_reserved(rule)) {
            return None;
        }
        let (first, other) = (winner.rules.first()?, loser.rules.first()?);
        let other = &self.endpoint(other).path;
        let path = common(&self.endpoint(first).path, other);
        // A third template that is more exact decides here: it has its own warnings.
        if !std::ptr::eq(self.catalogue.root.of_shape(&path)?, winner) {
            return None;
        }
        let mut fates = loser.rules.iter().filter_map(|rule| {
            let fate = self.fate(winner, rule, fits)?;
            Some((Place::Endpoint(rule.scope, rule.endpoint), fate))
        });
        let (place, fate) = fates.next()?;
        let calls: Vec<_> = std::iter::once(fate)
            .chain(fates.map(|(_, fate)| fate))
            .collect();
        let fault = EndpointFault::Overlap {
            path: other.clone(),
            common: path,
            calls: calls.join(", "),
            first: place,
        };
        let endpoint = self.endpoint(first);
        Some(Problem {
            place: Place::Endpoint(first.scope, first.endpoint),
            key: "path",
            fault: Fault::Endpoint {
                scope: self.scope(first).to_owned(),
                call: format!("{} {}", endpoint.method, endpoint.path),
                fault,
            },
        })
    }

    /// What becomes of a call of the loser, unless it needs the same scope.
    fn fate(&self, winner: &Node, rule: &Rule, fits: bool) -> Option<String> {
        let method = rule.method;
        match winner.rule_for(method).filter(|_| fits) {
            None => Some(format!("{method} is refused")),
            Some(decides) if self.endpoint(decides).public != self.endpoint(rule).public => {
                let not = if self.endpoint(decides).public {
                    ""
                } else {
                    "not "
                };
                Some(format!("{method} is {not}public"))
            }
            Some(decides) if decides.scope != rule.scope && !self.endpoint(rule).public => {
                let (needs, not) = (self.scope(decides), self.scope(rule));
                Some(format!("{method} needs scope {needs:?}, not {not:?}"))
            }
            Some(_) => None,
        }
    }

    fn endpoint(&self, rule: &Rule) -> &Endpoint {
        &self.catalogue.scopes[rule.scope].endpoints[rule.endpoint]
    }

    fn is_reserved(&self, rule: &Rule) -> bool {
        self.catalogue.file.scopes[rule.scope].endpoints[rule.endpoint].reserved
    }

    fn scope(&self, rule: &Rule) -> &str {
        self.catalogue.scopes[rule.scope].name.as_str()
    }
}

/// Segments that both edges match, with an example of each kind of theirs; none if there are none.
fn samples(one: Edge<'_>, other: Edge<'_>) -> Vec<String> {
    let (text, other_text) = match (one, other) {
        // No parameter stands for nothing.
        (Edge::Literal(""), _) | (_, Edge::Literal("")) => return Vec::new(),
        (Edge::Literal(text), edge) | (edge, Edge::Literal(text)) => {
            let fits = !matches!(edge, Edge::Affixed(affixed) if affixed.value(text).is_none());
            return fits.then(|| text.to_owned()).into_iter().collect();
        }
        (one, other) => (around(one), around(other)),
    };
    [one, other]
        .into_iter()
        .filter_map(|edge| both(text, other_text, kind(edge).unwrap_or(Kind::Word).example()))
        .collect()
}

/// The texts before and behind an edge's value.
fn around(edge: Edge<'_>) -> (&str, &str) {
    match edge {
        Edge::Affixed(affixed) => (&affixed.prefix, &affixed.suffix),
        Edge::Literal(_) | Edge::Parameter(_) | Edge::Tail => ("", ""),
    }
}

fn kind(edge: Edge<'_>) -> Option<Kind> {
    match edge {
        Edge::Affixed(affixed) => affixed.parameter.kind,
        Edge::Parameter(parameter) => parameter.kind,
        Edge::Literal(_) | Edge::Tail => None,
    }
}

/// Whether the value that an edge has in a segment is of its kind.
fn takes(edge: Edge<'_>, segment: &str) -> bool {
    match edge {
        Edge::Literal(_) | Edge::Tail => true,
        Edge::Parameter(parameter) => parameter.takes(segment),
        Edge::Affixed(affixed) => {
            let value = affixed.value(segment);
            value.is_some_and(|value| affixed.parameter.takes(value))
        }
    }
}

/// A segment that has both prefixes and both suffixes, if there is such a one.
fn both(one: (&str, &str), other: (&str, &str), inside: &str) -> Option<String> {
    let prefix = longer(one.0, other.0, str::starts_with)?;
    let suffix = longer(one.1, other.1, str::ends_with)?;
    Some(format!("{prefix}{inside}{suffix}"))
}

/// The one of two texts that has the other.
fn longer<'t>(one: &'t str, other: &'t str, has: fn(&'t str, &'t str) -> bool) -> Option<&'t str> {
    if has(one, other) {
        Some(one)
    } else {
        has(other, one).then_some(other)
    }
}

/// What both templates match: the more exact of each two segments.
fn common(one: &str, other: &str) -> String {
    let mut path = String::new();
    let (mut one, mut other) = (segments(one), segments(other));
    while let (Some(first), Some(second)) = (one.next(), other.next()) {
        path.push('/');
        match (template_segment(first), template_segment(second)) {
            (Ok(Segment::Tail), _) => return others(path + second, other),
            (_, Ok(Segment::Tail)) => return others(path + first, one),
            (
                Ok(Segment::Affixed { prefix, suffix, .. }),
                Ok(Segment::Affixed {
                    prefix: other_prefix,
                    suffix: other_suffix,
                    ..
                }),
            ) => {
                let inside = &first[prefix.len()..first.len() - suffix.len()];
                let segment = both((prefix, suffix), (other_prefix, other_suffix), inside);
                path.push_str(segment.as_deref().unwrap_or(first));
            }
            (Ok(Segment::Literal(_)), _) | (_, Ok(Segment::Parameter(_))) => path.push_str(first),
            _ => path.push_str(second),
        }
    }
    path
}

fn others<'t>(path: String, segments: impl Iterator<Item = &'t str>) -> String {
    segments.fold(path, |path, segment| path + "/" + segment)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{catalogue, small_templates, written};
    use super::*;
    use proptest::prelude::*;

    fn named(lines: &str) -> Vec<String> {
        of(&catalogue(lines))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn what_a_more_exact_path_takes_is_named() {
        let table: [(&str, &[&str]); 12] = [
            (
                "books GET /books/{id}\nbooks DELETE /books/{id}\nbooks POST /books/search read",
                &[
                    "scope \"books\", POST /books/search: goes before /books/{id}: \
                   at /books/search, GET is refused, DELETE is refused",
                ],
            ),
            (
                "books GET /books/{id}\nloans GET /books/lent",
                &[
                    "scope \"loans\", GET /books/lent: goes before /books/{id}: \
                   at /books/lent, GET needs scope \"loans\", not \"books\"",
                ],
            ),
            // One of them is public, the other is not.
            (
                "a GET /x/{id} public\na GET /x/mine",
                &["scope \"a\", GET /x/mine: goes before /x/{id}: at /x/mine, GET is not public"],
            ),
            (
                "a GET /x/{id}\na GET /x/free public",
                &["scope \"a\", GET /x/free: goes before /x/{id}: at /x/free, GET is public"],
            ),
            ("a GET /x/{id} public\nb GET /x/free public", &[]),
            // Neither is the more exact one, and the first literal decides.
            (
                "a GET /{shelf}/books\nb GET /top/{what}",
                &["scope \"b\", GET /top/{what}: goes before /{shelf}/books: \
                   at /top/books, GET needs scope \"b\", not \"a\""],
            ),
            // The third decides what the other two have in common.
            (
                "a GET /{shelf}/books\nb GET /top/{what}\nc GET /top/books",
                &[
                    "scope \"c\", GET /top/books: goes before /top/{what}: \
                     at /top/books, GET needs scope \"c\", not \"b\"",
                    "scope \"c\", GET /top/books: goes before /{shelf}/books: \
                     at /top/books, GET needs scope \"c\", not \"a\"",
                ],
            ),
            // GET answers HEAD and OPTIONS too.
            (
                "a GET /x/{id}\na HEAD /x/{id}\na OPTIONS /x/{id}\na GET /x/y",
                &[],
            ),
            // The same scope and every method: what the exact path is listed for.
            ("a GET /x/{id}\na GET /x/y\na PUT /x/y", &[]),
            // Nothing in common.
            ("a GET /x/{id}\nb POST /x/y/z\nb POST /x\nb POST /z/y", &[]),
            ("a GET /x/{id}/z\nb POST /x/y/w", &[]),
            ("a GET /\nb POST /{id}", &[]),
        ];
        for (lines, expected) in table {
            assert_eq!(named(lines), expected, "{lines}");
        }
    }

    #[test]
    fn ordinary_rules_by_the_thousand_are_hardly_compared() {
        let mut lines = String::from("a GET /v1/{kind}/{id}/history\n");
        for i in 0..2_000 {
            lines += &format!(
                "a GET /v1/r{i}\na GET /v1/r{i}/{{id}}\na PUT /v1/r{i}/{{id}}\na GET /v1/r{i}/{{id}}/s{i}\n"
            );
        }
        let catalogue = catalogue(&lines);
        let walk = Walk::over(&catalogue);
        assert_eq!(walk.found, []);
        assert!(walk.pairs < 20_000, "{}", walk.pairs);
    }

    #[test]
    fn a_file_of_nothing_but_overlaps_is_left_soon() {
        let many = |rule: fn(usize) -> String| (0..2_000).map(rule).collect::<String>();
        let meeting =
            many(|i| format!("a GET /l{i}/{{x}}\n")) + &many(|i| format!("b POST /{{x}}/k{i}\n"));
        assert_eq!(of(&catalogue(&meeting)).len(), MAX_OVERLAPS);
        let nearly = many(|i| format!("a GET /l{i}/{{x}}/y\n"))
            + &many(|i| format!("b POST /{{x}}/k{i}/z\n"));
        let catalogue = catalogue(&nearly);
        let walk = Walk::over(&catalogue);
        assert_eq!(walk.found, []);
        // Those that are on their way when the bound is met count too.
        assert!(walk.pairs < MAX_PAIRS * 2, "{}", walk.pairs);
    }

    proptest! {
        /// The walk finds what comparing each template with each other one finds.
        #[test]
        fn every_overlap_is_found(templates in small_templates()) {
            let lines: Vec<String> = templates
                .iter()
                .enumerate()
                .map(|(i, template)| format!("s{i} GET {}", written(template)))
                .collect();
            let catalogue = catalogue(&lines.join("\n"));
            let mut expected = Vec::new();
            for winner in &templates {
                for loser in templates.iter().filter(|loser| *loser != winner) {
                    let pairs = || winner.iter().zip(loser);
                    let meets = winner.len() == loser.len()
                        && pairs().all(|(a, b)| a == b || a.is_none() || b.is_none());
                    let path: Vec<_> = pairs().map(|(a, b)| a.or(*b).unwrap_or("{x}")).collect();
                    // A value that no template has as a literal.
                    let call = format!("/{}", path.join("/").replace("{x}", "fresh"));
                    let (winner, loser) = (written(winner), written(loser));
                    if meets && catalogue.find("GET", &call).unwrap().template == winner {
                        expected.push((winner, loser));
                    }
                }
            }
            let mut found: Vec<_> = of(&catalogue)
                .into_iter()
                .map(|problem| match problem.fault {
                    Fault::Endpoint { call, fault: EndpointFault::Overlap { path, .. }, .. } => {
                        (call.replace("GET ", ""), path)
                    }
                    other => panic!("{other}"),
                })
                .collect();
            expected.sort();
            found.sort();
            prop_assert_eq!(found, expected);
        }
    }
}

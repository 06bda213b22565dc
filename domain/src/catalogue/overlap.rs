//! Paths that two templates match. One of them decides, and that is worth a warning where the other
//! one would have decided differently: a call is refused that looks listed, or needs another scope.
//!
//! The tree is walked in pairs of nodes that some path reaches both of, so templates that have
//! nothing in common are never compared.

use super::path::segments;
use super::problem::MAX_OVERLAPS;
use super::tree::{Node, Rule};
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
    fn below(&mut self, node: &Node) {
        for literal in node.literals.values() {
            self.below(literal);
        }
        if let Some(parameter) = &node.parameter {
            self.below(&parameter.node);
            for (text, literal) in &node.literals {
                if parameter.takes(text) {
                    self.meet(literal, &parameter.node, true);
                }
            }
        }
    }

    /// Looks for templates that went apart above, where the winner had a literal and the loser a
    /// parameter, and that some path matches both of. `fits` is whether the winner takes the values
    /// of that path: kinds don't choose, so what it doesn't take is refused.
    fn meet(&mut self, winner: &Node, loser: &Node, fits: bool) {
        self.pairs += 1 + winner.literals.len();
        if self.pairs > MAX_PAIRS || self.found.len() == MAX_OVERLAPS {
            return;
        }
        self.found.extend(self.overlap(winner, loser, fits));
        for (text, literal) in &winner.literals {
            if let Some(same) = loser.literals.get(text) {
                self.meet(literal, same, fits);
            }
            if let Some(other) = loser.parameter.as_ref().filter(|p| p.takes(text)) {
                self.meet(literal, &other.node, fits);
            }
        }
        if let Some(parameter) = &winner.parameter {
            for (text, other) in &loser.literals {
                self.meet(&parameter.node, other, fits && parameter.takes(text));
            }
            if let Some(other) = &loser.parameter {
                let same = parameter.kind.is_none() || parameter.kind == other.kind;
                self.meet(&parameter.node, &other.node, fits && same);
            }
        }
    }

    /// The warning for two templates that end here, if calls fare differently by them.
    fn overlap(&self, winner: &Node, loser: &Node, fits: bool) -> Option<Problem> {
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
            Some(decides) if decides.scope != rule.scope => {
                let (needs, not) = (self.scope(decides), self.scope(rule));
                Some(format!("{method} needs scope {needs:?}, not {not:?}"))
            }
            Some(_) => None,
        }
    }

    fn endpoint(&self, rule: &Rule) -> &Endpoint {
        &self.catalogue.scopes[rule.scope].endpoints[rule.endpoint]
    }

    fn scope(&self, rule: &Rule) -> &str {
        self.catalogue.scopes[rule.scope].name.as_str()
    }
}

/// What both templates match: the literals of either. No literal has braces, so the tree finds
/// parameters where both have one.
fn common(one: &str, other: &str) -> String {
    segments(one)
        .zip(segments(other))
        .map(|(one, other)| if one.starts_with('{') { other } else { one })
        .fold(String::new(), |path, segment| path + "/" + segment)
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
        let table: [(&str, &[&str]); 9] = [
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

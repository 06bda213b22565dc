//! Where a parameter stands beside literals that a value of it could be mistaken for. Such values
//! are refused, and the API's owner is told where.

use super::fold::stem;
use super::path::segments;
use super::problem::MAX_OVERLAPS;
use super::tree::{Edge, Node, Parameter};
use super::{Catalogue, EndpointFault, Fault, Place, Problem};

/// The most pairs of nodes that are looked at: a file that has more was not written for an API.
const MAX_PAIRS: usize = 1_000_000;

/// The first parameters of a catalogue that this is so for, as many as overlaps are named.
pub(super) fn of(catalogue: &Catalogue) -> Vec<Problem> {
    let mut walk = Walk {
        catalogue,
        pairs: 0,
        found: Vec::new(),
    };
    walk.below(&catalogue.root, 0);
    walk.found
}

struct Walk<'c> {
    catalogue: &'c Catalogue,
    /// How much was compared.
    pairs: usize,
    found: Vec<Problem>,
}

impl Walk<'_> {
    fn below(&mut self, node: &Node, depth: usize) {
        for literal in node.literals.values() {
            self.below(literal, depth + 1);
        }
        for (place, (edge, below)) in node.parameters().enumerate() {
            self.below(below, depth + 1);
            let (parameter, suffix) = match edge {
                Edge::Affixed(affixed) if affixed.prefix.is_empty() => {
                    (&affixed.parameter, affixed.suffix.as_str())
                }
                Edge::Parameter(parameter) => (parameter, ""),
                Edge::Tail | Edge::Literal(_) | Edge::Affixed(_) => continue,
            };
            let literals = node.literals.iter();
            let literals = literals.filter(|(text, literal)| {
                !text.is_empty()
                    && takes_a_variant(parameter, suffix, text)
                    && self.share_a_path(literal, below)
            });
            let mut mistaken: Vec<String> = literals.map(|(text, _)| text.clone()).collect();
            for affixed in node.affixed.iter().take(place) {
                if self.share_a_path(&affixed.parameter.node, below) {
                    mistaken.push(self.segment(&affixed.parameter, depth).to_owned());
                }
            }
            if !mistaken.is_empty() && self.found.len() < MAX_OVERLAPS {
                self.found.push(self.note(parameter, depth, &mistaken));
            }
        }
    }

    /// Whether some path leads to a rule below both, read as leniently as the API may read it.
    fn share_a_path(&mut self, one: &Node, other: &Node) -> bool {
        self.pairs += 1;
        if self.pairs > MAX_PAIRS {
            return false;
        }
        if one.ends() && other.ends() || one.tail.is_some() || other.tail.is_some() {
            return true;
        }
        let below_literals = one.literals.iter().any(|(text, below)| {
            let parameters = other.parameters().map(|(_, node)| node);
            other
                .variants(text)
                .chain(parameters)
                .any(|other| self.share_a_path(below, other))
        });
        below_literals
            || one.parameters().any(|(_, below)| {
                let parameters = other.parameters().map(|(_, node)| node);
                other
                    .literals
                    .values()
                    .chain(parameters)
                    .any(|other| self.share_a_path(below, other))
            })
    }

    /// A parameter as its first rule writes it, with what stands around it.
    fn segment(&self, parameter: &Parameter, depth: usize) -> &str {
        let first = parameter.first;
        let endpoint = &self.catalogue.scopes[first.scope].endpoints[first.endpoint];
        segments(&endpoint.path).nth(depth).unwrap_or_default()
    }

    fn note(&self, parameter: &Parameter, depth: usize, literals: &[String]) -> Problem {
        let first = parameter.first;
        let scope = &self.catalogue.scopes[first.scope];
        let endpoint = &scope.endpoints[first.endpoint];
        let parameter = self.segment(parameter, depth);
        let fault = EndpointFault::Variants {
            parameter: parameter.to_owned(),
            literals: literals.join(", "),
        };
        Problem {
            place: Place::Endpoint(first.scope, first.endpoint),
            key: "path",
            fault: Fault::Endpoint {
                scope: scope.name.to_string(),
                call: format!("{} {}", endpoint.method, endpoint.path),
                fault,
            },
        }
    }
}

/// Whether the parameter's kind leaves room for another spelling of a literal, with the text behind
/// the parameter.
fn takes_a_variant(parameter: &Parameter, suffix: &str, literal: &str) -> bool {
    let variants = [
        literal.to_ascii_uppercase(),
        literal.to_ascii_lowercase(),
        format!("{literal}.json"),
    ];
    variants.iter().any(|variant| {
        let segment = format!("{variant}{suffix}");
        segment != literal && parameter.takes(variant) && stem(&segment) == stem(literal)
    })
}

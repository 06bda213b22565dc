//! Where a parameter stands beside literals that a value of it could be mistaken for. Such values
//! are refused, and the API's owner is told where.

use super::path::segments;
use super::problem::MAX_OVERLAPS;
use super::tree::{Node, Parameter};
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
        let Some(parameter) = &node.parameter else {
            return;
        };
        self.below(&parameter.node, depth + 1);
        let mistaken: Vec<&str> = node
            .literals
            .iter()
            .filter(|(text, literal)| {
                takes_a_variant(parameter, text) && self.share_a_path(literal, &parameter.node)
            })
            .map(|(text, _)| text.as_str())
            .collect();
        if !mistaken.is_empty() && self.found.len() < MAX_OVERLAPS {
            self.found.push(self.note(parameter, depth, &mistaken));
        }
    }

    /// Whether some path leads to a rule below both, read as leniently as the API may read it.
    fn share_a_path(&mut self, one: &Node, other: &Node) -> bool {
        self.pairs += 1;
        if self.pairs > MAX_PAIRS {
            return false;
        }
        if !one.rules.is_empty() && !other.rules.is_empty() {
            return true;
        }
        let below_literals = one.literals.iter().any(|(text, below)| {
            let parameter = other.parameter.iter().map(|parameter| &parameter.node);
            other
                .variants(text)
                .chain(parameter)
                .any(|other| self.share_a_path(below, other))
        });
        below_literals
            || one.parameter.as_ref().is_some_and(|parameter| {
                let parameters = other.parameter.iter().map(|other| &other.node);
                other
                    .literals
                    .values()
                    .chain(parameters)
                    .any(|other| self.share_a_path(&parameter.node, other))
            })
    }

    fn note(&self, parameter: &Parameter, depth: usize, literals: &[&str]) -> Problem {
        let first = parameter.first;
        let scope = &self.catalogue.scopes[first.scope];
        let endpoint = &scope.endpoints[first.endpoint];
        let parameter = segments(&endpoint.path).nth(depth).unwrap_or_default();
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

/// Whether the parameter's kind leaves room for another spelling of a literal.
fn takes_a_variant(parameter: &Parameter, literal: &str) -> bool {
    let variants = [
        literal.to_ascii_uppercase(),
        literal.to_ascii_lowercase(),
        format!("{literal}.json"),
    ];
    variants
        .iter()
        .any(|variant| variant != literal && parameter.takes(variant))
}

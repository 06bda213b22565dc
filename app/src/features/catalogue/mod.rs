//! The catalogue: what the protected API offers, and which credential may call what.

mod api;
mod ask;
mod changes;
mod page;

use domain::access::Access;
use domain::catalogue::{self, Catalogue};
use domain::scope::AccessLevel;

pub use api::get_catalogue;
pub use ask::{Ask, Verdict, can_call, needs};
pub use changes::ChangesPage;
pub use page::CataloguePage;

use crate::components::{Endpoint, ScopeRow};

/// The rows of a matrix, with the level that an access gives on each scope.
#[must_use]
pub fn matrix_rows(catalogue: &Catalogue, access: &Access) -> Vec<ScopeRow> {
    catalogue
        .scopes()
        .iter()
        .map(|scope| ScopeRow {
            name: scope.name.to_string(),
            label: scope.title.clone(),
            endpoints: scope.endpoints.iter().map(Endpoint::from).collect(),
            level: access.level(&scope.name),
        })
        .collect()
}

/// The cells of a strip: title and level of each scope, in the catalogue's order.
#[must_use]
pub fn strip(catalogue: &Catalogue, access: &Access) -> Vec<(String, AccessLevel)> {
    let scopes = catalogue.scopes().iter();
    scopes
        .map(|scope| (scope.title.clone(), access.level(&scope.name)))
        .collect()
}

impl From<&catalogue::Endpoint> for Endpoint {
    fn from(endpoint: &catalogue::Endpoint) -> Self {
        Self {
            method: endpoint.method.to_string(),
            path: endpoint.path.clone(),
            level: (!endpoint.public).then_some(endpoint.level),
        }
    }
}

//! A team, its credentials and its audit log, the same ones each time.

mod audit;
mod credentials;
mod people;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

pub use audit::events;
pub use credentials::{credentials, store};
pub use people::people;

const SCOPES: [&str; 10] = [
    "accounts",
    "funding",
    "admin",
    "crypto",
    "rebalancing",
    "trading",
    "journaling",
    "data",
    "reporting",
    "sse_events",
];

fn pick<T: Clone>(of: &[T], rng: &mut StdRng) -> T {
    of.choose(rng).cloned().unwrap_or_else(|| of[0].clone())
}

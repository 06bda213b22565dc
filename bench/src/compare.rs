//! Measures endpoints beside bare routes and prints the ratio.

use std::net::SocketAddr;

use crate::http::Target;
use crate::wrk::{self, Load};

const ROUNDS: usize = 5;
/// So many requests are under way at once.
pub const CONNECTIONS: u32 = 16;

/// Prints what the columns of the lines are.
pub fn print_heading() {
    println!(
        "\n{:<34} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7}",
        "", "rate/s", "bare/s", "ratio", "p99 ms", "bare ms", "ratio"
    );
}

/// Compares two requests.
pub fn compare(
    name: &str,
    address: SocketAddr,
    ours: Target<'_>,
    bare: Target<'_>,
) -> anyhow::Result<()> {
    let load = |target| wrk::repeat(address, target, CONNECTIONS);
    alternate(name, || load(ours), || load(bare))
}

/// Compares two lots of requests that can be sent again and again.
pub fn compare_all(
    name: &str,
    address: SocketAddr,
    ours: &[String],
    bare: &[String],
) -> anyhow::Result<()> {
    let load = |requests| wrk::each(address, requests, true);
    alternate(name, || load(ours), || load(bare))
}

/// Compares two lots of requests, each of which is good for one time only.
pub fn compare_each(
    name: &str,
    address: SocketAddr,
    ours: impl Fn() -> anyhow::Result<Vec<String>>,
    bare: impl Fn() -> anyhow::Result<Vec<String>>,
) -> anyhow::Result<()> {
    let load = |requests: Vec<String>| wrk::each(address, &requests, false);
    alternate(name, || load(ours()?), || load(bare()?))
}

/// Takes turns, so that both see the same machine, and prints the round of the middle ratio. A first
/// run warms the caches.
fn alternate(
    name: &str,
    ours: impl Fn() -> anyhow::Result<Load>,
    bare: impl Fn() -> anyhow::Result<Load>,
) -> anyhow::Result<()> {
    ours()?;
    let rounds = (0..ROUNDS).map(|_| Ok((ours()?, bare()?)));
    let mut rounds = rounds.collect::<anyhow::Result<Vec<_>>>()?;
    rounds.sort_by(|a, b| (a.0.rate / a.1.rate).total_cmp(&(b.0.rate / b.1.rate)));
    let (ours, bare) = &rounds[ROUNDS / 2];
    println!(
        "{name:<34} {:>9.0} {:>9.0} {:>7.2} {:>9.2} {:>9.2} {:>7.2}",
        ours.rate,
        bare.rate,
        ours.rate / bare.rate,
        ours.p99,
        bare.p99,
        ours.p99 / bare.p99,
    );
    Ok(())
}

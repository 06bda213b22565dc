//! What the functions on the gate's path cost: `cargo bench -p bench`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use domain::catalogue::Catalogue;
use domain::scope::ScopeSet;
use domain::secret::Secret;

fn functions(c: &mut Criterion) {
    let file = include_str!("../../catalogue/alpaca-broker.toml");
    let Ok(catalogue) = toml::from_str::<Catalogue>(file) else {
        unreachable!("a test reads it")
    };
    let paths = [
        ("a short path", "GET", "/v1/journals"),
        (
            "a long path",
            "DELETE",
            "/v1/trading/accounts/0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69/watchlists/0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69/AAPL",
        ),
        (
            "an escaped path",
            "GET",
            "/v1/accounts/0c6b1f3e%2D7a55%2D4b0e%2D9d8e%2D6f2d3c4b5a69?x=1",
        ),
        ("an unknown path", "GET", "/v1/nowhere/at/all"),
    ];
    for (name, method, path) in paths {
        c.bench_function(&format!("catalogue: {name}"), |b| {
            b.iter(|| catalogue.find(black_box(method), black_box(path)).is_ok());
        });
    }
    let secret = Secret::generate(&mut service::clock::system_rng());
    c.bench_function("secret: parse and checksum", |b| {
        b.iter(|| black_box(secret.expose()).parse::<Secret>().is_ok());
    });
    let scopes = "accounts:read data:read journaling:read journaling:write trading:read";
    c.bench_function("scope string: parse", |b| {
        b.iter(|| black_box(scopes).parse::<ScopeSet>().is_ok());
    });
    let token = secret.expose().repeat(10);
    c.bench_function("token: hash for the cache", |b| {
        b.iter(|| service::crypto::hash_token(black_box(&token)));
    });
}

criterion_group!(benches, functions);
criterion_main!(benches);

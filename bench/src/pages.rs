//! The pages with the long lists, as browsers ask for them: one after the other.

use std::net::SocketAddr;

use crate::wrk;

const PAGES: [(&str, &str); 5] = [
    ("list page", "/credentials"),
    ("list page, by name", "/credentials?sort=name"),
    ("list page, search for many", "/credentials?q=worker"),
    ("list page, search for one", "/credentials?q=worker-77777"),
    (
        "list page, search for none",
        "/credentials?q=no-such-credential",
    ),
];

/// Measures each page with somebody's cookie.
pub fn measure(address: SocketAddr, cookie: &str) -> anyhow::Result<()> {
    println!(
        "\n{:<34} {:>9} {:>9} {:>9}",
        "one after the other", "p50 ms", "p95 ms", "p99 ms"
    );
    let headers = [("Cookie", cookie), ("Accept", "text/html")];
    for (name, path) in PAGES {
        let load = wrk::repeat(address, (path, &headers, ""), 1)?;
        println!(
            "{name:<34} {:>9.1} {:>9.1} {:>9.1}",
            load.p50, load.p95, load.p99
        );
    }
    Ok(())
}

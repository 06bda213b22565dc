//! wrk, with a different request each time.

use std::io::Write as _;

use crate::{Load, alternate, run};

/// A request as it goes over the wire.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: bench\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Sends requests from the first to the last, and ends there if the time isn't up; or goes round.
fn send(base: &str, requests: &[String], goes_round: bool) -> anyhow::Result<Load> {
    let mut file = tempfile::NamedTempFile::new()?;
    // No request has a NUL.
    file.write_all(requests.join("\0").as_bytes())?;
    let after_last = if goes_round {
        "at = 1"
    } else {
        "wrk.thread:stop()"
    };
    let script = format!(
        "local requests, at = {{}}, 0\n\
         function init()\n\
         for one in io.open('{}', 'rb'):read('*a'):gmatch('[^%z]+') do requests[#requests + 1] = one end\n\
         end\n\
         function request()\n\
         at = at + 1\n\
         if at > #requests then {after_last} end\n\
         return requests[math.min(at, #requests)]\n\
         end\n",
        file.path().display()
    );
    run(base, &[], &script, 16)
}

/// Compares two lots of requests, each of which is good for one time only.
pub fn compare_each(
    name: &str,
    base: &str,
    ours: impl Fn() -> anyhow::Result<Vec<String>>,
    bare: impl Fn() -> anyhow::Result<Vec<String>>,
) -> anyhow::Result<()> {
    alternate(
        name,
        || send(base, &ours()?, false),
        || send(base, &bare()?, false),
    )
}

/// Compares two lots of requests that can be sent again and again.
pub fn compare_all(name: &str, base: &str, ours: &[String], bare: &[String]) -> anyhow::Result<()> {
    alternate(name, || send(base, ours, true), || send(base, bare, true))
}

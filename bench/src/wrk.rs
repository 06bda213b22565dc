//! wrk, which makes the load: with one request again and again, or with a different one each time.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, bail};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::http::{Target, ask, method, request};

/// How long each load lasts.
const SECONDS: u32 = 3;

/// What wrk saw; times in milliseconds.
pub struct Load {
    pub rate: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

/// Sends one request again and again.
pub fn repeat(address: SocketAddr, target: Target<'_>, connections: u32) -> anyhow::Result<Load> {
    let (path, headers, body) = target;
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("wrk.headers['{name}'] = '{value}'\n"))
        .collect();
    let script = format!(
        "wrk.method = '{}'\nwrk.path = '{path}'\nwrk.body = '{body}'\n{headers}",
        method(body)
    );
    run(address, &script, connections, &request(target))
}

/// Sends requests from the first to the last, and ends there if the time isn't up; or goes round.
pub fn each(address: SocketAddr, requests: &[String], goes_round: bool) -> anyhow::Result<Load> {
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
    let last = requests.last().context("no requests")?;
    run(address, &script, 16, last)
}

/// Runs wrk with a script in Lua that says what to send. If something went wrong, a sample of the
/// requests finds out what.
fn run(address: SocketAddr, script: &str, connections: u32, sample: &str) -> anyhow::Result<Load> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(
        file.path(),
        format!(
            "{script}done = function(summary, latency)\n\
             print(string.format('RESULT %f %f %f %f %d', summary.requests / summary.duration * 1e6,\n\
             latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,\n\
             summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))\n\
             end\n"
        ),
    )?;
    let output = Command::new("wrk")
        .args(["-t1", "-c", &connections.to_string()])
        .args(["-d", &format!("{SECONDS}s"), "-s"])
        .arg(file.path())
        .arg(format!("http://{address}"))
        .output()
        .context("wrk is not installed")?;
    let what = sample.lines().next().unwrap_or_default();
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().find_map(|line| line.strip_prefix("RESULT "));
    let numbers = result
        .with_context(|| format!("wrk printed no result for {what}: {text}"))?
        .split(' ')
        .map(str::parse)
        .collect::<Result<Vec<f64>, _>>()?;
    let [rate, p50, p95, p99, errors] = numbers[..] else {
        bail!("wrk's result has another form")
    };
    if errors > 0.0 {
        let answer = block_in_place(|| Handle::current().block_on(ask(address, sample)))?;
        bail!(
            "{errors} requests such as {what} failed: the figures would mean nothing. One more got:\n{answer}"
        );
    }
    Ok(Load {
        rate,
        p50,
        p95,
        p99,
    })
}

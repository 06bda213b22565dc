//! The gate with many credentials in use at once, what it costs to write their use down, and how
//! much memory all of it takes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use domain::draft::CredentialDraft;
use service::{Actor, GateRequest, IssuedCredential, Presented, RequestFacts, Services};

use crate::GATE;
use crate::compare::compare_all;
use crate::http::request;
use crate::set_up::{WRITERS, proof, token};

/// How often a running server writes usage down.
const WRITTEN_EVERY: Duration = Duration::from_secs(15);

/// Credentials that call the gate: half by secret, half by token.
pub struct InUse {
    legacy: Vec<IssuedCredential>,
    tokens: Vec<String>,
}

impl InUse {
    /// Issues so many credentials, and a token for each of the second half.
    pub async fn issue(services: &Services, count: usize) -> anyhow::Result<Self> {
        let legacy = issue(services, count.div_ceil(2), "legacy").await?;
        let mut tokens = Vec::new();
        for issued in issue(services, count.div_ceil(2), "client_secret").await? {
            tokens.push(token(services, &issued).await?);
        }
        Ok(Self { legacy, tokens })
    }

    /// The gate against the bare route, with every credential in turn.
    pub fn compare(&self, address: SocketAddr) -> anyhow::Result<()> {
        let by_token = |path: &str| -> Vec<String> {
            let one = |token: &String| {
                let bearer = format!("Bearer {token}");
                let headers = [&GATE[..], &[("Authorization", bearer.as_str())]].concat();
                request((path, &headers, ""))
            };
            self.tokens.iter().map(one).collect()
        };
        let by_secret = |path: &str| -> Vec<String> {
            let one = |issued: &IssuedCredential| {
                let (key_id, secret) = proof(issued);
                let pair = [
                    ("APCA-API-KEY-ID", key_id.as_str()),
                    ("APCA-API-SECRET-KEY", secret),
                ];
                request((path, &[&GATE[..], &pair].concat(), ""))
            };
            self.legacy.iter().map(one).collect()
        };
        let (gate, bare) = ("/v1/verify", "/bare");
        let name = format!("gate, {} Bearer tokens", self.tokens.len());
        compare_all(&name, address, &by_token(gate), &by_token(bare))?;
        let name = format!("gate, {} legacy pairs", self.legacy.len());
        compare_all(&name, address, &by_secret(gate), &by_secret(bare))
    }

    /// The CPU time that goes into writing down who used what, against that of the gate, when all of
    /// them call between two writes and one processor does nothing else. Nothing else may use
    /// `services` meanwhile, its background jobs included. What a decision notes in memory can't be
    /// told apart from it.
    pub async fn weigh_recording(&self, services: &Services) -> anyhow::Result<()> {
        services.catch_up().await?;
        for issued in &self.legacy {
            decide(services, issued).await?;
        }
        services.flush_usage().await?;
        let (began, started, mut calls) = (cpu_time()?, Instant::now(), 0_u32);
        for issued in self.legacy.iter().cycle() {
            decide(services, issued).await?;
            calls += 1;
            if calls.is_multiple_of(1000) {
                // Without news from the database nothing that is in memory is believed.
                services.catch_up().await?;
                if started.elapsed() > WRITTEN_EVERY {
                    break;
                }
            }
        }
        let decided = cpu_time()? - began;
        services.flush_usage().await?;
        let written = cpu_time()? - began - decided;
        println!(
            "\ndecisions, without HTTP: {:.1} µs of CPU time each; of a processor that is busy with them, \
             writing their use down takes another {:.1} %",
            decided * 1e6 / f64::from(calls),
            written * 100.0 / decided,
        );
        Ok(())
    }
}

async fn decide(services: &Services, issued: &IssuedCredential) -> anyhow::Result<()> {
    let (key_id, secret) = proof(issued);
    let request = GateRequest {
        preflight_for: None,
        gateway: None,
        method: GATE[0].1,
        path: GATE[1].1,
        presented: Presented::Secret {
            key_id: &key_id,
            secret,
        },
        facts: &RequestFacts::default(),
    };
    let decision = services.decide(request).await;
    decision.map_err(|_| anyhow!("a good call was refused"))?;
    Ok(())
}

/// Issues credentials of a flow.
pub async fn issue(
    services: &Services,
    count: usize,
    flow: &'static str,
) -> anyhow::Result<Vec<IssuedCredential>> {
    let host = Actor::host("bench");
    let owner = services
        .person_by_email(&host, "mara@example.com")
        .await?
        .id;
    let writers = (0..WRITERS).map(|writer| {
        let (services, host) = (services.clone(), host.clone());
        tokio::spawn(async move {
            let mut issued = Vec::new();
            for number in (writer..count).step_by(WRITERS) {
                let draft = CredentialDraft {
                    name: format!("{flow}-in-use-{number}"),
                    purpose: "Made for measuring".into(),
                    owner: owner.to_string(),
                    flow: flow.into(),
                    expires: "never".into(),
                    access: "read_only".into(),
                    ..CredentialDraft::default()
                };
                issued.push(services.issue_credential(&host, &draft, None).await?);
            }
            anyhow::Ok(issued)
        })
    });
    let mut issued = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        issued.extend(writer.await??);
    }
    Ok(issued)
}

/// The seconds of CPU time that this process has used: the fields 14 and 15 of `/proc/self/stat`, in the
/// hundredths of a second that Linux counts in.
fn cpu_time() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat
        .rsplit_once(')')
        .context("/proc/self/stat has another form")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.map(str::parse::<u32>).sum::<Result<_, _>>()?;
    Ok(f64::from(ticks) / 100.0)
}

/// What the process holds in memory, in megabytes.
pub fn resident_megabytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kilobytes.context("no VmRSS")?.parse::<u64>()? / 1024)
}

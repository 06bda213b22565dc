//! Measures Keyrack's endpoints under load, each side by side with a bare route of the same server
//! process that sends the same kind of answer, and prints the ratio. wrk makes the load; it and the
//! server share the machine, so only the ratios mean something.
//!
//! `bench [CREDENTIALS] [DATABASE_URL] [IN_USE]`: 100,000 stored and 10,000 in use by default, in a
//! fresh SQLite file. `bench lists URL…` measures the pages with lists, on databases that `list_speed`
//! has filled. `bench distant URL [MILLISECONDS]` measures the gate beside strangers at the sign-in page,
//! with an empty PostgreSQL that is so far away.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

mod bare;
mod compare;
mod copies;
mod distant;
mod http;
mod issuer;
mod lists;
mod log_ins;
mod many;
mod set_up;
mod wrk;

use std::sync::Arc;

use crate::compare::compare;
use crate::http::FORM;
use crate::issuer::Signer;
use crate::many::{InUse, resident_megabytes};
use crate::set_up::proof;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The call that the gate is asked about.
const GATE: [(&str, &str); 2] = [
    ("X-Original-Method", "GET"),
    (
        "X-Original-URI",
        "/v1/accounts/0c6b1f3e-7a55-4b0e-9d8e-6f2d3c4b5a69/transfers",
    ),
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == "lists").is_some() {
        return lists::measure(arguments).await;
    }
    if arguments.next_if(|first| first == "distant").is_some() {
        return distant::measure(arguments).await;
    }
    if arguments.next_if(|first| first == "crowd").is_some() {
        return log_ins::be_the_crowd(arguments).await;
    }
    let count: usize = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let url = arguments
        .next()
        .unwrap_or_else(|| format!("sqlite://{}/keyrack.db", folder.path().display()));
    let in_use: usize = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let services = set_up::open(&url).await?;
    println!("{count} credentials are being stored …");
    let issued = if url.starts_with("sqlite") {
        count.min(copies::ISSUED)
    } else {
        count
    };
    let (oauth, legacy) = set_up::fill(&services, issued).await?;
    if issued < count {
        copies::make(&url, count - issued).await?;
    }
    let in_use = InUse::issue(&services, in_use).await?;
    in_use.weigh_recording(&services).await?;
    let signer = Arc::new(Signer::new(folder.path()).await?);
    let address = set_up::start(&services, bare::bare()?.merge(signer.bare())).await?;

    let token = set_up::token(&services, &oauth).await?;
    let (key_id, secret) = proof(&legacy);
    let bearer = format!("Bearer {token}");
    let with_bearer = [&GATE[..], &[("Authorization", bearer.as_str())]].concat();
    let with_secret = [
        &GATE[..],
        &[
            ("APCA-API-KEY-ID", &key_id),
            ("APCA-API-SECRET-KEY", secret),
        ],
    ]
    .concat();
    let (client, secret) = proof(&oauth);
    let form = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}");
    let gate = ("/v1/verify", &with_secret[..], "");
    let exchange = ("/v1/oauth2/token", &[FORM][..], form.as_str());

    compare::print_heading();
    compare(
        "gate, Bearer token",
        address,
        ("/v1/verify", &with_bearer, ""),
        ("/bare", &with_bearer, ""),
    )?;
    compare(
        "gate, legacy pair",
        address,
        gate,
        ("/bare", &with_secret, ""),
    )?;
    in_use.compare(address)?;
    let memory = resident_megabytes()?;
    compare(
        "token, client_secret_post",
        address,
        exchange,
        ("/bare-sign", &[FORM], &form),
    )?;
    issuer::compare_assertions(&services, address, &signer).await?;
    issuer::compare_introspection(&services, address, &token).await?;
    println!("\nresident memory after the gate's lines: {memory} MB");

    log_ins::crowd(&services, address, &[("gate", gate), ("token", exchange)]).await?;
    log_ins::compare_answers(&services, address).await
}

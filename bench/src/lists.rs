//! The pages with the long lists, as a superuser's browser asks for them, one after the other. The
//! databases are those that `list_speed` has filled, so what is measured are whole answers: the
//! session, the queries, the page.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use axum::Router;
use domain::audit::{Action, Outcome};
use service::{Actor, Services, UserQuery};

use crate::http::{ask, request};
use crate::{set_up, wrk};

/// Measures the pages on each database.
pub async fn measure(urls: impl Iterator<Item = String>) -> anyhow::Result<()> {
    for url in urls {
        let services = set_up::open(&url).await?;
        set_up::superuser(&services).await?;
        let cookie = set_up::session(&services).await?;
        let pages = pages(&services).await?;
        let address = set_up::start(&services, Router::new()).await?;
        let database = url.split(':').next().unwrap_or_default();
        println!(
            "\n{:<40} {:>9} {:>9} {:>9}",
            format!("pages on {database}"),
            "p50 ms",
            "p95 ms",
            "p99 ms"
        );
        for (name, path) in pages {
            measure_one(address, &cookie, name, &path).await?;
        }
    }
    println!("(the goals are a p95 under 20 ms for credentials, under 30 ms for the others)");
    Ok(())
}

async fn measure_one(
    address: SocketAddr,
    cookie: &str,
    name: &str,
    path: &str,
) -> anyhow::Result<()> {
    let headers = [("Cookie", cookie), ("Accept", "text/html")];
    let target = (path, &headers[..], "");
    // For wrk, being led to the log-in page is no error.
    let answer = ask(address, &request(target)).await?;
    ensure!(answer.status == 200, "{path} got {answer}");
    let load = wrk::repeat(address, target, 1)?;
    println!(
        "{name:<40} {:>9.1} {:>9.1} {:>9.1}",
        load.p50, load.p95, load.p99
    );
    Ok(())
}

/// First pages, searches for many, one and nobody, filters, and pages deep in the list.
async fn pages(services: &Services) -> anyhow::Result<Vec<(&'static str, String)>> {
    let host = Actor::host("bench");
    let everybody = UserQuery {
        limit: u32::MAX,
        ..UserQuery::default()
    };
    let team = services.people(&host, everybody).await?;
    let middle = team.get(team.len() / 2).context("nobody is there")?.id;
    let busy = services.person_by_email(&host, "person0@example.com");
    let busy = busy.await.context("list_speed has not filled it")?.id;
    let (last, _) = services.session_store().audit_head().await?;
    let (deep, log_in, denied) = (last / 2, Action::LogIn, Outcome::Denied);
    // Any key id: the name says where the page begins.
    let worker = "KRQ7M2XZLP4TAVJ6NDB3EH.payroll-worker-5";
    let pages = [
        ("credentials", "/credentials".to_owned()),
        ("credentials, by name", "/credentials?sort=name".into()),
        (
            "credentials, search for many",
            "/credentials?q=worker".into(),
        ),
        (
            "credentials, search for few",
            "/credentials?q=worker-77777".into(),
        ),
        (
            "credentials, search for none",
            "/credentials?q=no-such-credential".into(),
        ),
        (
            "credentials, filters",
            "/credentials?flow=legacy&access=custom".into(),
        ),
        (
            "credentials, deep",
            format!("/credentials?sort=name&after={worker}"),
        ),
        ("people", "/users".into()),
        ("people, search for many", "/users?q=okafor".into()),
        ("people, search for one", "/users?q=person777@".into()),
        ("people, search for none", "/users?q=no-such-person".into()),
        ("people, of a role", "/users?role=superuser".into()),
        ("people, orphaning", "/users?state=orphaning".into()),
        ("people, deep", format!("/users?after={middle}")),
        ("audit", "/audit".into()),
        ("audit, somebody busy", format!("/audit?actor={busy}")),
        ("audit, nobody", "/audit?actor=Nobody".into()),
        (
            "audit, a frequent action",
            format!("/audit?action={log_in}"),
        ),
        ("audit, denied", format!("/audit?outcome={denied}")),
        (
            "audit, busy and denied",
            format!("/audit?actor={busy}&outcome={denied}"),
        ),
        ("audit, deep", format!("/audit?after={deep}")),
    ];
    Ok(pages.into())
}

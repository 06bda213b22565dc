//! `keyrack serve`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use leptos::config::LeptosOptions;
use service::{IfMissing, Services};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::catalogue::watch::Watch;
use crate::cli::output;
use crate::config::Config;
use crate::http::Front;
use crate::metrics::Metrics;
use crate::reload::Reload;
use crate::serve;
use crate::serve::Background;
use crate::signals::Signals;
use crate::state::Shared;

/// Serves until the operating system asks for the end.
pub async fn run(file: Option<PathBuf>, config: Config, missing: IfMissing) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let reload = Reload::start(file, &config);
    // Before anything is made.
    let site = super::site::find(&config)?;
    // It may wait, for somebody else's migration say. What it has begun is undone with its connection.
    let services = tokio::select! {
        opened = super::open(&config, missing) => opened?,
        () = signals.asked_to_end(|| {}) => return Ok(()),
    };
    serve_with(config, site, services, signals, &reload).await
}

/// Serves use cases that are open already.
pub async fn serve_with(
    config: Config,
    site: LeptosOptions,
    services: Services,
    mut signals: Signals,
    reload: &Reload,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "can't listen on {}: is another Keyrack running?",
            config.listen
        )
    })?;
    let metrics = Arc::new(Metrics::default());
    let state = Shared {
        services: services.clone(),
        http: config.http.clone(),
        mail: config.mail.clone(),
        metrics: metrics.clone(),
        leptos: site,
    };
    let front = Front::new(state.into());
    // Before the configuration is taken apart.
    let warnings = config.warnings();
    // A version to compare the next one with.
    let catalogue = services.catalogue().as_ref().clone();
    if let Err(error) = services.take_up_catalogue(catalogue).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the catalogue is in force, but could not be noted among its versions"
        );
    }
    let watch = match config.catalogue {
        None => None,
        Some(file) => {
            let watch = Watch::new(file, services.clone(), metrics.clone()).keep_looking()?;
            Some(AbortOnDropHandle::new(tokio::spawn(watch)))
        }
    };
    let background = Background::start(&services);
    let looking = crate::http::health::keep_looking(services.clone(), metrics.clone());
    let look = AbortOnDropHandle::new(tokio::spawn(looking));
    let _metrics = match config.metrics_listen {
        None => None,
        Some(address) => {
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("can't listen on {address} for metrics"))?;
            let router = serve::metrics_router(metrics, services.clone());
            let never = std::future::pending();
            Some(AbortOnDropHandle::new(tokio::spawn(async move {
                serve::serve(listener, router, never).await;
            })))
        }
    };
    let url = config.http.link("");
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let port = config.listen.port();
    if config.listen.ip().is_unspecified() {
        tracing::info!(
            port,
            "Keyrack is ready at {url}, and listens at every address of this machine"
        );
    } else {
        tracing::info!(listen = %config.listen, "Keyrack is ready at {url}");
    }
    match services.offer_set_up().await {
        Ok(None) => {}
        Ok(Some(token)) => {
            // To standard output, not to the log: it opens the door.
            let link = config
                .http
                .link(&format!("/setup?token={}", token.expose()));
            let told = output::line_if_read(format!(
                "Set up Keyrack (this link works once, for 24 hours): {link}"
            ));
            if let Err(error) = told {
                tracing::error!("the link for setting up Keyrack could not be printed: {error}");
            }
        }
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "no link for setting up Keyrack could be made: start it again when the database takes writes"
        ),
    }
    let open = serve::accept_until(listener, front, signals.asked_to_end(|| reload.reload())).await;
    serve::finish(open, signals.asked_again()).await;
    background.end().await;
    drop((watch, look));
    services.close().await?;
    tracing::info!("Keyrack has ended");
    Ok(())
}

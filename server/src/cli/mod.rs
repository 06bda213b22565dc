//! The command line. Each group of commands has its file; all of them go through the same use
//! cases as the dashboard, with the host as actor.

mod audit;
mod catalogue;
mod clock;
mod config;
mod credential;
mod db;
mod demo;
mod healthcheck;
mod master_key;
mod output;
mod serve;
mod signing_key;
mod site;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use service::{Actor, Clock, IfMissing, Services, SharedStore, StoreError, SystemClock};

use crate::config::Config;
use crate::outbound::HttpOutbound;

/// Issue, see, rotate and enforce the credentials of your API.
#[derive(Debug, Parser)]
#[command(name = "keyrack", version)]
struct Cli {
    /// The configuration file [default: keyrack.toml, if there is one].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the dashboard, the issuer and the gate.
    Serve,
    /// Start with made-up people, credentials and usage, to look around.
    Demo,
    /// The people of the team.
    #[command(subcommand)]
    User(user::UserCommand),
    /// The credentials.
    #[command(subcommand)]
    Credential(credential::CredentialCommand),
    /// Catalogue files.
    #[command(subcommand)]
    Catalogue(catalogue::CatalogueCommand),
    /// The configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// The database.
    #[command(subcommand)]
    Db(db::DbCommand),
    /// The audit log.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// The keys that sign access tokens.
    #[command(subcommand, name = "signing-key")]
    SigningKey(signing_key::SigningKeyCommand),
    /// The clock that everything goes by.
    #[command(subcommand)]
    Clock(clock::ClockCommand),
    /// Ask a running server whether it is ready; for containers.
    Healthcheck,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(&anyhow::Error::from(error)),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failure(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    crate::signals::outlive_file_limit()?;
    let file = cli
        .config
        .or_else(|| Some(PathBuf::from("keyrack.toml")).filter(|p| p.exists()));
    // These two help to get the configuration right, so they don't need a right one.
    match &cli.command {
        Command::Config(command) => return config::run(command, file.as_deref()),
        Command::Catalogue(command) => return catalogue::run(command),
        _ => {}
    }
    let config = Config::load(file.as_deref(), crate::config::environment()?)?;
    // A server logs them with its other warnings.
    if !matches!(cli.command, Command::Serve | Command::Demo) {
        for warning in &config.unknown_variables {
            output::note(format!("Warning: {warning}"));
        }
    }
    let missing = cli.command.if_no_database(&config);
    match cli.command {
        Command::Serve => serve::run(file, config, missing).await,
        Command::Demo => demo::run(file, config, missing).await,
        Command::User(command) => {
            with(&config, missing, async |all| {
                user::run(all, &config, command).await
            })
            .await
        }
        Command::Credential(command) => {
            with(&config, missing, async |all| {
                credential::run(all, command).await
            })
            .await
        }
        Command::Catalogue(_) | Command::Config(_) => Ok(()),
        Command::Db(command) => db::run(&config, missing, command).await,
        Command::Audit(command) => {
            with(&config, missing, async |all| audit::run(all, command).await).await
        }
        Command::SigningKey(command) => {
            with(&config, missing, async |all| {
                signing_key::run(all, command).await
            })
            .await
        }
        Command::Clock(command) => {
            with(&config, missing, async |all| clock::run(all, command).await).await
        }
        Command::Healthcheck => healthcheck::run(&config).await,
    }
}

impl Command {
    /// What to do where there is no database. What starts an installation makes one, unless there is a master
    /// key: that was made for a database, which was removed then, or is elsewhere by another
    /// configuration, and an empty one in its place would hide that. A key that is configured may be there
    /// before the first start, so there a server may make one, but nothing that works on what is there.
    fn if_no_database(&self, config: &Config) -> IfMissing {
        let has_key_file = master_key::is_in(&config.data_dir);
        let may = match self {
            Self::Db(db::DbCommand::Migrate { new_database, .. }) => *new_database || !has_key_file,
            Self::Serve | Self::Demo => !has_key_file,
            Self::User(user::UserCommand::Add { .. }) => {
                !has_key_file && config.master_key.is_none()
            }
            _ => false,
        };
        if may {
            IfMissing::Make
        } else {
            IfMissing::Refuse
        }
    }
}

/// Opens the use cases for a command, and closes them in order whatever came of it.
async fn with(
    config: &Config,
    missing: IfMissing,
    work: impl AsyncFnOnce(&Services) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let services = open(config, missing).await?;
    let done = work(&services).await;
    let closed = services.close().await;
    done?;
    Ok(closed?)
}

/// Opens the use cases with the system's clock.
async fn open(config: &Config, missing: IfMissing) -> anyhow::Result<Services> {
    open_with(config, missing, Arc::new(SystemClock)).await
}

/// Loads the catalogue, opens the database, brings its schema up to date, and opens the use cases
/// over it.
async fn open_with(
    config: &Config,
    missing: IfMissing,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Services> {
    let catalogue = crate::catalogue::load(config.catalogue.as_deref())?;
    let store = open_store(config, missing).await?;
    // Without a write where none is needed: a database that is read-only can serve the gate.
    if !store.is_migrated().await? {
        store.migrate().await?;
    }
    let master = if let Some(key) = &config.master_key {
        key.clone()
    } else {
        make_private_folder(&config.data_dir)?;
        let has_one = !service::is_without_master_key(&store).await?;
        master_key::in_folder(&config.data_dir, has_one)?
    };
    let settings = config.settings.clone();
    let outbound = Arc::new(HttpOutbound::new(settings.outbound.clone()));
    Ok(Services::open(store, &master, catalogue, settings, clock, outbound).await?)
}

/// Opens the database. Where there is none, one is made as `missing` says, and never silently.
async fn open_store(config: &Config, missing: IfMissing) -> anyhow::Result<SharedStore> {
    let mut opened = service::open_store(&config.database, IfMissing::Refuse).await;
    if let (Err(StoreError::NoDatabase(place)), IfMissing::Make) = (&opened, missing) {
        output::note(format!(
            "There is no database at {place}: a new one is made."
        ));
        opened = service::open_store(&config.database, IfMissing::Make).await;
    }
    opened.map_err(|error| match error {
        StoreError::NoDatabase(_) => anyhow::Error::from(error).context(
            "nothing was done: check data_dir and database_url, put the database back from a backup, \
             or begin with an empty one by keyrack db migrate --new-database",
        ),
        _ => anyhow::Error::from(error)
            .context("the database can't be opened: check the setting database_url"),
    })
}

fn make_private_folder(path: &std::path::Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .with_context(|| format!("the data folder {} can't be made", path.display()))
}

/// The host as actor, named after the account that runs the command.
fn host() -> Actor {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    Actor::host(user.as_deref().unwrap_or("an administrator"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::CommandFactory as _;

    use super::*;

    /// The commands without commands of their own.
    fn leaves(command: clap::Command) -> Vec<clap::Command> {
        let below: Vec<_> = command.get_subcommands().cloned().collect();
        if below.is_empty() {
            return vec![command];
        }
        below.into_iter().flat_map(leaves).collect()
    }

    #[test]
    fn an_argument_is_written_in_the_same_way_in_every_command() {
        let mut ways = BTreeMap::new();
        let mut seen = 0;
        for command in leaves(Cli::command()) {
            for argument in command.get_arguments() {
                let way = (
                    argument.is_positional(),
                    argument.get_action().takes_values(),
                );
                let known = *ways.entry(argument.get_id().to_string()).or_insert(way);
                assert_eq!(
                    known,
                    way,
                    "{} of {}",
                    argument.get_id(),
                    command.get_name()
                );
                seen += 1;
            }
        }
        assert!(seen > 2 * ways.len(), "most are in several commands");
    }
}

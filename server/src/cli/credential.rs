//! `keyrack credential`: credentials, from the host.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use domain::credential::Credential;
use domain::draft::CredentialDraft;
use domain::expiry::rfc3339;
use domain::key_id::KeyId;
use serde_json::{Value, json};
use service::{CredentialFilter, CredentialQuery, CredentialSort, LastUse, PageStart, Services};

use crate::cli::output;
use crate::cli::user::Format;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum CredentialCommand {
    /// Issue a credential; its secret is printed this once.
    Issue(Box<Issue>),
    /// List every credential.
    List {
        #[command(flatten)]
        format: Format,
    },
    /// Show one credential.
    Show {
        /// Its key id.
        key_id: KeyId,
        #[command(flatten)]
        format: Format,
    },
    /// Quarantine a credential: it is refused from the next call on.
    Disable {
        /// Its key id.
        key_id: KeyId,
        /// Why.
        #[arg(long, default_value = "Disabled from the host")]
        reason: String,
        #[command(flatten)]
        format: Format,
    },
    /// End a quarantine.
    Enable {
        /// Its key id.
        key_id: KeyId,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        format: Format,
    },
    /// End a credential for good.
    Revoke {
        /// Its key id.
        key_id: KeyId,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        format: Format,
    },
}

/// What `issue` takes.
#[derive(Debug, clap::Args)]
pub struct Issue {
    /// What it is called.
    #[arg(long)]
    name: String,
    /// What it is for.
    #[arg(long)]
    purpose: String,
    /// The address of the person who cares for it.
    #[arg(long)]
    owner: String,
    /// client-secret, private-key-jwt or legacy.
    #[arg(long)]
    flow: String,
    /// never, 1w, 30d, 90d, 6m, 1y, or a date and time such as 2027-05-24T09:00:00Z.
    #[arg(long)]
    expires: String,
    /// read-only, full or custom.
    #[arg(long)]
    access: String,
    /// With custom access: a scope and its level, such as journaling=write; repeat it for more.
    #[arg(long = "scope", value_name = "SCOPE=LEVEL")]
    scopes: Vec<String>,
    /// With private-key-jwt: a file with the public key, PEM or JWK.
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// With private-key-jwt, in place of a key: the URL of the program's key set (JWKS).
    #[arg(long, value_name = "URL", conflicts_with = "public_key")]
    jwks_url: Option<String>,
    #[command(flatten)]
    format: Format,
}

/// Runs one.
pub async fn run(services: &Services, command: CredentialCommand) -> anyhow::Result<()> {
    let host = super::host();
    let (format, credential) = match command {
        CredentialCommand::Issue(options) => return issue(services, *options).await,
        CredentialCommand::List { format } => return list(services, &format).await,
        CredentialCommand::Show { key_id, format } => {
            let record = services.credential(&host, key_id).await?;
            print(
                services,
                &format,
                &record.credential,
                record.last_use.as_ref(),
            );
            return Ok(());
        }
        CredentialCommand::Disable {
            key_id,
            reason,
            format,
        } => (
            format,
            services.disable_credential(&host, key_id, &reason).await?,
        ),
        CredentialCommand::Enable {
            key_id,
            reason,
            format,
        } => (
            format,
            services.enable_credential(&host, key_id, &reason).await?,
        ),
        CredentialCommand::Revoke {
            key_id,
            reason,
            format,
        } => (
            format,
            services.revoke_credential(&host, key_id, &reason).await?,
        ),
    };
    print(services, &format, &credential, None);
    Ok(())
}

async fn issue(services: &Services, options: Issue) -> anyhow::Result<()> {
    let host = super::host();
    let owner = services
        .person_by_email(&host, &options.owner)
        .await
        .with_context(|| {
            format!(
                "the owner {} is not on the team: add them first",
                options.owner
            )
        })?;
    if !options.scopes.is_empty() && options.access != "custom" {
        return Err(anyhow!(
            "--scope says what custom access is: use --access custom, or leave it out"
        ));
    }
    let mut levels = BTreeMap::new();
    for scope in &options.scopes {
        let (scope, level) = scope.split_once('=').ok_or_else(|| {
            anyhow!("--scope {scope}: use a scope and a level, such as data=read")
        })?;
        if levels.insert(scope.to_owned(), level.to_owned()).is_some() {
            return Err(anyhow!("--scope {scope} is there twice"));
        }
    }
    let public_key = match &options.public_key {
        None => String::new(),
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("the public key {} can't be read", path.display()))?,
    };
    let draft = CredentialDraft {
        name: options.name,
        purpose: options.purpose,
        owner: owner.id.to_string(),
        flow: options.flow,
        expires: options.expires,
        expires_at: String::new(),
        access: options.access,
        levels,
        public_key,
        jwks_url: options.jwks_url,
    };
    let issued = services.issue_credential(&host, &draft, None).await?;
    let secret = issued.secret.as_ref().map(domain::secret::Secret::expose);
    if options.format.json {
        let mut facts = facts(services, &issued.credential, None);
        if let (Some(secret), Value::Object(facts)) = (secret, &mut facts) {
            facts.insert("secret".to_owned(), secret.into());
        }
        output::json(&facts);
    } else {
        output::line(format!("Key id: {}", issued.credential.key_id));
        if let Some(secret) = secret {
            output::line(format!("Secret: {secret}"));
            output::note("Keep the secret now: it can't be shown again.");
        }
    }
    Ok(())
}

async fn list(services: &Services, format: &Format) -> anyhow::Result<()> {
    let (mut from, now) = (PageStart::First, services.now());
    let mut all = Vec::new();
    loop {
        let query = CredentialQuery {
            now,
            filter: CredentialFilter::default(),
            sort: CredentialSort::Created,
            descending: true,
            from,
            limit: 500,
        };
        let page = services.list_credentials(&super::host(), query).await?;
        let last = page.rows.last().map(|row| row.position.clone());
        for row in page.rows {
            if format.json {
                all.push(facts(services, &row.credential, row.last_use.as_ref()));
            } else {
                print(services, format, &row.credential, row.last_use.as_ref());
            }
        }
        match last {
            Some(last) if page.has_after => from = PageStart::After(last),
            _ => break,
        }
    }
    if format.json {
        output::json(&Value::Array(all));
    }
    Ok(())
}

fn print(services: &Services, format: &Format, credential: &Credential, used: Option<&LastUse>) {
    if format.json {
        output::json(&facts(services, credential, used));
        return;
    }
    let end = credential.expires_at.map_or("never".to_owned(), rfc3339);
    output::line(format!(
        "{} {:<40} {:<15} {:<11} {:<8} expires {end}",
        credential.key_id,
        credential.name,
        credential.flow.as_str(),
        credential.access.kind().label(),
        credential.state(services.now()).as_str(),
    ));
}

fn facts(services: &Services, credential: &Credential, used: Option<&LastUse>) -> Value {
    let mark = credential.standing.mark();
    json!({
        "key_id": credential.key_id,
        "name": credential.name,
        "purpose": credential.purpose,
        "owner_id": credential.owner,
        "flow": credential.flow,
        "access": credential.access.kind(),
        "scope": credential.access.scopes(&services.catalogue()).to_string(),
        "state": credential.state(services.now()),
        "limits": credential.limits,
        "expires_at": credential.expires_at.map(rfc3339),
        "created_at": rfc3339(credential.created_at),
        "created_by": credential.created_by,
        "ended_by": mark.map(|mark| &mark.by),
        "ended_at": mark.map(|mark| rfc3339(mark.at)),
        "reason": mark.and_then(|mark| mark.reason.as_ref()),
        "last_used_at": used.map(|used| rfc3339(used.at)),
    })
}

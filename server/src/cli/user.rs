//! `keyrack user`: people, from the host. Also the way back in when nobody can log in.

use std::io::Read as _;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use domain::expiry::rfc3339;
use domain::user::User;
use serde_json::{Value, json};
use service::{AddPerson, Services, UserQuery};

use crate::cli::output;
use crate::config::Config;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a person: with a password from standard input, or with a link to choose one.
    Add {
        /// The address that they log in with.
        #[arg(long)]
        email: String,
        /// What they are called.
        #[arg(long)]
        name: String,
        /// superuser, developer, operations or support.
        #[arg(long)]
        role: String,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        format: Format,
    },
    /// List everybody.
    List {
        #[command(flatten)]
        format: Format,
    },
    /// Set a person's password, or print a link with which they choose one.
    ResetPassword {
        /// The person's address.
        #[arg(long)]
        email: String,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        format: Format,
    },
    /// Let a person log in by single sign-on too: nobody's account is taken over by an address alone.
    Link {
        /// The person's address.
        #[arg(long)]
        email: String,
        /// The issuer of the provider, as configured; `header` for the trusted header.
        #[arg(long)]
        issuer: String,
        /// The person there: the claim `sub`, or the user name in the header.
        #[arg(long)]
        subject: String,
        #[command(flatten)]
        format: Format,
    },
    /// Take a person's second factors away who has lost them: the password lets them in then.
    ResetSecondFactor {
        /// The person's address.
        #[arg(long)]
        email: String,
        #[command(flatten)]
        format: Format,
    },
    /// Change what a person is called, or the address that they log in with.
    Edit {
        /// The person's address so far.
        #[arg(long)]
        email: String,
        /// What they are called from now on.
        #[arg(long)]
        name: Option<String>,
        /// Their new address. The old one is free then.
        #[arg(long, value_name = "EMAIL")]
        new_email: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Give a person another role.
    SetRole {
        /// The person's address.
        #[arg(long)]
        email: String,
        /// superuser, developer, operations or support.
        #[arg(long)]
        role: String,
        #[command(flatten)]
        format: Format,
    },
}

/// Where a password comes from. Never from an argument: others can see those.
#[derive(Debug, Args)]
pub struct PasswordSource {
    /// Read the password from standard input.
    #[arg(long)]
    password_stdin: bool,
}

/// How a result is printed.
#[derive(Debug, Args)]
pub struct Format {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs one.
pub async fn run(services: &Services, config: &Config, command: UserCommand) -> anyhow::Result<()> {
    let host = super::host();
    match command {
        UserCommand::Add {
            email,
            name,
            role,
            password,
            format,
        } => {
            let person = AddPerson { name, email, role };
            if password.password_stdin {
                let password = read_password()?;
                let user = services
                    .add_person_with_password(&host, &person, &password)
                    .await?;
                print(&format, &user, None);
            } else {
                let link = services.add_person(&host, &person).await?;
                print(&format, &link.user, Some(welcome_link(config, &link.token)));
            }
        }
        UserCommand::List { format } => list(services, &format).await?,
        UserCommand::ResetPassword {
            email,
            password,
            format,
        } => {
            let user = services.person_by_email(&host, &email).await?;
            if password.password_stdin {
                services
                    .reset_password(&host, &user, &read_password()?)
                    .await?;
                print(&format, &user, None);
            } else {
                let link = services.offer_password_link(&host, user.id).await?;
                print(&format, &user, Some(welcome_link(config, &link.token)));
            }
        }
        UserCommand::Link {
            email,
            issuer,
            subject,
            format,
        } => {
            let user = services.person_by_email(&host, &email).await?;
            services
                .link_identity(&host, user.id, &issuer, &subject)
                .await?;
            print(&format, &user, None);
        }
        UserCommand::ResetSecondFactor { email, format } => {
            let user = services.person_by_email(&host, &email).await?;
            services.reset_second_factors(&host, user.id).await?;
            print(&format, &user, None);
        }
        UserCommand::Edit {
            email,
            name,
            new_email,
            format,
        } => {
            let user = services.person_by_email(&host, &email).await?;
            let name = name.unwrap_or_else(|| user.name.to_string());
            let email = new_email.unwrap_or_else(|| user.email.to_string());
            let changed = services.change_person(&host, user.id, &name, &email);
            print(&format, &changed.await?, None);
        }
        UserCommand::SetRole {
            email,
            role,
            format,
        } => {
            let role = role.parse()?;
            let user = services.person_by_email(&host, &email).await?;
            services.set_role(&host, user.id, role).await?;
            print(&format, &User { role, ..user }, None);
        }
    }
    Ok(())
}

async fn list(services: &Services, format: &Format) -> anyhow::Result<()> {
    let mut after = None;
    let mut everybody = Vec::new();
    loop {
        let query = UserQuery {
            after,
            limit: 500,
            ..UserQuery::default()
        };
        let page = services.people(&super::host(), query).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.name.to_string(), last.id));
        everybody.extend(page);
    }
    if format.json {
        output::json(&everybody.iter().map(|user| facts(user, None)).collect());
    } else {
        for user in everybody {
            let state = if user.is_active() {
                "active"
            } else {
                "disabled"
            };
            output::line(format!(
                "{:<30} {:<40} {:<10} {state}",
                user.name, user.email, user.role
            ));
        }
    }
    Ok(())
}

fn print(format: &Format, user: &User, link: Option<String>) {
    if format.json {
        output::json(&facts(user, link));
    } else {
        output::line(format!("{} <{}>, {}", user.name, user.email, user.role));
        if let Some(link) = link {
            output::line(format!(
                "They choose a password here (works once, for 72 hours): {link}"
            ));
        }
    }
}

fn facts(user: &User, link: Option<String>) -> Value {
    let mut facts = json!({
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "active": user.is_active(),
        "created_at": rfc3339(user.created_at),
        "last_login_at": user.last_login_at.map(rfc3339),
    });
    if let (Some(link), Value::Object(facts)) = (link, &mut facts) {
        facts.insert("password_link".to_owned(), link.into());
    }
    facts
}

fn welcome_link(config: &Config, token: &service::Token) -> String {
    config
        .http
        .link(&format!("/welcome?token={}", token.expose()))
}

/// One line, without its end; the rest must be empty, so that nothing is cut off silently.
fn read_password() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(4096)
        .read_to_string(&mut text)
        .context("the password can't be read from standard input")?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.contains('\n') {
        bail!("standard input holds more than one line: a password is one line");
    }
    Ok(password.to_owned())
}

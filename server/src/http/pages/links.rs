//! Links for choosing a password: as pages show them, and as mails bring them.

use app::features::users::{Mailed, WelcomeLink};
use service::PasswordLink;

use crate::mail::{Letter, Occasion};
use crate::state::AppState;

/// Mails links to their owners if mail is configured, and gives them for showing.
pub async fn deliver(state: &AppState, links: Vec<PasswordLink>) -> Vec<WelcomeLink> {
    let site = state.http.link("");
    let letters = links.iter().map(|link| {
        let letter = Letter {
            occasion: match link.user.last_login_at {
                None => Occasion::Invited,
                Some(_) => Occasion::Reset,
            },
            name: link.user.name.to_string(),
            site: site.clone(),
            link: url(state, link),
            expires_at: link.expires_at,
        };
        (link.user.email.clone(), letter)
    });
    let outcomes = match &state.mail {
        None => links.iter().map(|_| Mailed::Off).collect(),
        Some(mailer) => {
            let sent = mailer.send(letters.collect()).await.into_iter();
            sent.map(|sent| match sent {
                Ok(()) => Mailed::Sent,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "a mail with a link was not sent");
                    Mailed::Failed(error.to_string())
                }
            })
            .collect::<Vec<_>>()
        }
    };
    links
        .into_iter()
        .zip(outcomes)
        .map(|(link, mailed)| WelcomeLink {
            url: url(state, &link),
            name: link.user.name.to_string(),
            email: link.user.email.to_string(),
            expires_at: link.expires_at,
            mailed,
        })
        .collect()
}

fn url(state: &AppState, link: &PasswordLink) -> String {
    let path = format!("/welcome?token={}", link.token.expose());
    state.http.link(&path)
}

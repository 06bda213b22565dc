//! The settings of mail: nothing, a server, or a folder.

use std::path::PathBuf;

use lettre::message::Mailbox;
use serde::Deserialize;
use url::Url;

use super::ConfigError;
use crate::mail::Mailer;
use crate::state::is_loopback;

#[derive(Deserialize)]
pub(super) struct RawMail {
    from: Option<String>,
    smtp_url: Option<String>,
    folder: Option<PathBuf>,
}

impl RawMail {
    pub(super) fn check(self) -> Result<Option<Mailer>, ConfigError> {
        let value =
            |key: &str, problem: &str| ConfigError::Value(key.to_owned(), problem.to_owned());
        let from = || {
            let from = self.from.as_deref().unwrap_or_default();
            from.parse::<Mailbox>().map_err(|_| {
                value(
                    "mail.from",
                    "use an address such as Keyrack <keyrack@example.com>",
                )
            })
        };
        match (&self.smtp_url, &self.folder) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(value("mail.folder", "set this or mail.smtp_url, not both")),
            (None, Some(folder)) => Ok(Some(Mailer::folder(from()?, folder.clone()))),
            (Some(text), None) => {
                let key = "mail.smtp_url";
                let form = "use smtps://user:password@host, or smtp://…?tls=required";
                let url = Url::parse(text).map_err(|_| value(key, form))?;
                let is_plain = url.scheme() == "smtp" && url.query() != Some("tls=required");
                if is_plain && url.password().is_some() && !is_loopback(&url) {
                    let problem = "the password would travel in clear: add ?tls=required";
                    return Err(value(key, problem));
                }
                let mailer = Mailer::smtp(from()?, text).map_err(|_| value(key, form))?;
                Ok(Some(mailer))
            }
        }
    }
}

//! Mail to people: through an SMTP server, or, for development, into a folder. A mail that can't be
//! sent loses nothing: whoever wanted it sent is told why, and has the link that was in it.

mod letter;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use domain::user::EmailAddress;
use futures_util::StreamExt as _;
use lettre::message::{Mailbox, MultiPart};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use service::clock::random_bytes;
use tokio::time::Instant;

pub use letter::{Letter, Occasion};

/// How long the mails of one form may take together, well within the time of its answer.
const TIME: Duration = Duration::from_secs(12);
/// How many are sent at once.
const AT_ONCE: usize = 4;

/// The way out for mail.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Folder(PathBuf),
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailer(…)")
    }
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It can't be written as a mail.
    #[error("the mail could not be written: {0}")]
    Message(#[from] lettre::error::Error),
    /// The address can't stand in a mail.
    #[error("this address can't stand in a mail: {0}")]
    Address(#[from] lettre::address::AddressError),
    /// The mail server can't be reached, or refused it.
    #[error("the mail server: {0}")]
    Smtp(#[from] lettre::transport::smtp::Error),
    /// The folder can't be written to.
    #[error("the folder for mail: {0}")]
    Folder(#[from] std::io::Error),
    /// The mail server is too slow.
    #[error("the mail server took too long")]
    TooSlow,
}

impl Mailer {
    /// Sends through an SMTP server: `smtps://user:password@host`, or
    /// `smtp://user:password@host:587?tls=required` for STARTTLS.
    ///
    /// # Errors
    /// The URL is none; the text names neither user nor password.
    pub fn smtp(from: Mailbox, url: &str) -> Result<Self, MailError> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)?;
        let way = Way::Smtp(builder.timeout(Some(TIME / 2)).build());
        Ok(Self { from, way })
    }

    /// Writes each mail into a file of a folder, for development.
    #[must_use]
    pub const fn folder(from: Mailbox, folder: PathBuf) -> Self {
        let way = Way::Folder(folder);
        Self { from, way }
    }

    /// Sends letters to addresses; an outcome for each, in the same order.
    pub async fn send(&self, letters: Vec<(EmailAddress, Letter)>) -> Vec<Result<(), MailError>> {
        let deadline = Instant::now() + TIME;
        let sent = letters.into_iter().map(|(to, letter)| async move {
            tokio::time::timeout_at(deadline, self.send_one(&to, &letter))
                .await
                .unwrap_or(Err(MailError::TooSlow))
        });
        futures_util::stream::iter(sent)
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    async fn send_one(&self, to: &EmailAddress, letter: &Letter) -> Result<(), MailError> {
        let to = Mailbox::new(Some(letter.name.clone()), to.as_str().parse()?);
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(letter.subject())
            .message_id(None)
            .multipart(MultiPart::alternative_plain_html(
                letter.text(),
                letter.html(),
            ))?;
        match &self.way {
            Way::Smtp(server) => {
                server.send(message).await?;
            }
            Way::Folder(folder) => {
                tokio::fs::create_dir_all(folder).await?;
                let file = folder.join(format!("{}.eml", hex::encode(random_bytes::<12>())));
                tokio::fs::write(file, message.formatted()).await?;
            }
        }
        Ok(())
    }
}

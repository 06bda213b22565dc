//! What mails say. The words are in `templates/mail`, each in plain text and in HTML.

use domain::Instant;

/// Why somebody is sent a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// They were added to the team.
    Invited,
    /// They are to choose another password.
    Reset,
}

/// A mail with a link by which somebody chooses a password.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Why.
    pub occasion: Occasion,
    /// Whom: their name.
    pub name: String,
    /// Where Keyrack is.
    pub site: String,
    /// The whole link.
    pub link: String,
    /// When the link stops working.
    pub expires_at: Instant,
}

impl Letter {
    pub(super) const fn subject(&self) -> &'static str {
        match self.occasion {
            Occasion::Invited => "You have been added to Keyrack",
            Occasion::Reset => "Choose a new password for Keyrack",
        }
    }

    pub(super) fn text(&self) -> String {
        self.fill(
            match self.occasion {
                Occasion::Invited => include_str!("../../templates/mail/invite.txt"),
                Occasion::Reset => include_str!("../../templates/mail/reset.txt"),
            },
            str::to_owned,
        )
    }

    pub(super) fn html(&self) -> String {
        self.fill(
            match self.occasion {
                Occasion::Invited => include_str!("../../templates/mail/invite.html"),
                Occasion::Reset => include_str!("../../templates/mail/reset.html"),
            },
            escape,
        )
    }

    /// Puts the values in one walk over the template: a value that has braces is no placeholder.
    fn fill(&self, template: &str, quote: fn(&str) -> String) -> String {
        let until = self.expires_at.format("%-d %B %Y, %H:%M UTC").to_string();
        let mut parts = template.split('{');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or((part, ""));
            text += &match name {
                "name" => quote(&self.name),
                "site" => quote(&self.site),
                "link" => quote(&self.link),
                "until" => quote(&until),
                other => format!("{{{other}}}"),
            };
            text += rest;
        }
        text
    }
}

/// Text as HTML that means just this text, in an attribute too.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled_and_a_name_is_only_a_name() {
        for occasion in [Occasion::Invited, Occasion::Reset] {
            let letter = Letter {
                occasion,
                name: "<b>{link}</b> \"&".to_owned(),
                site: "https://keys.example.com".to_owned(),
                link: "https://keys.example.com/welcome?token=t0".to_owned(),
                expires_at: "2026-11-24T09:05:00Z".parse().unwrap(),
            };
            let (text, html) = (letter.text(), letter.html());
            assert!(text.contains("Hello <b>{link}</b> \"&,"), "{text}");
            assert!(
                html.contains("Hello &lt;b&gt;{link}&lt;/b&gt; &quot;&amp;,"),
                "{html}"
            );
            assert!(html.contains("<a href=\"https://keys.example.com/welcome?token=t0\">"));
            for part in [&text, &html] {
                assert!(part.contains("until 24 November 2026, 09:05 UTC"), "{part}");
                assert_eq!(part.matches('{').count(), 1, "{part}");
            }
        }
    }
}

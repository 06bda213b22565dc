//! Who is invited, as typed: one person on each line, `Jon Lind <jon@example.com>` or the address
//! alone, from which a name is made.

use std::fmt;
use std::str::FromStr;

use crate::text::PersonName;
use crate::user::{EmailAddress, InvalidEmail};

/// Somebody to be invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitee {
    /// What they are called.
    pub name: PersonName,
    /// The address that they log in with.
    pub email: EmailAddress,
}

/// The most people in one form.
pub const MOST_INVITEES: usize = 50;

/// Why a text names nobody to invite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInvitees {
    /// Nothing but empty lines.
    #[error("enter at least one e-mail address")]
    Nobody,
    /// More than [`MOST_INVITEES`].
    #[error("invite {MOST_INVITEES} people at once at most")]
    TooMany,
    /// A line that is none; the first line has number 1.
    #[error("line {0}: {1}")]
    Line(usize, String),
    /// An address that stands on a line above already.
    #[error("line {0}: {1} is on a line above already")]
    Twice(usize, EmailAddress),
}

/// Reads the people to be invited, one on each line that is not empty.
///
/// # Errors
/// Nobody, too many, or a line that is none; the first problem is told.
pub fn read_invitees(text: &str) -> Result<Vec<Invitee>, InvalidInvitees> {
    let mut invitees: Vec<Invitee> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        if invitees.len() == MOST_INVITEES {
            return Err(InvalidInvitees::TooMany);
        }
        let invitee: Invitee = line
            .parse()
            .map_err(|problem| InvalidInvitees::Line(number, problem))?;
        if invitees.iter().any(|known| known.email == invitee.email) {
            return Err(InvalidInvitees::Twice(number, invitee.email));
        }
        invitees.push(invitee);
    }
    if invitees.is_empty() {
        return Err(InvalidInvitees::Nobody);
    }
    Ok(invitees)
}

impl FromStr for Invitee {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let line = line.trim();
        let (name, email) = match line.strip_suffix('>').and_then(|rest| rest.split_once('<')) {
            Some((name, email)) => (name.trim().trim_matches('"').to_owned(), email),
            None => (String::new(), line),
        };
        let email: EmailAddress = email.parse().map_err(|e: InvalidEmail| e.to_string())?;
        let name = if name.is_empty() {
            name_of(&email)
        } else {
            name
        };
        let name = name
            .parse()
            .map_err(|problem| format!("the name of {email}: {problem}"))?;
        Ok(Self { name, email })
    }
}

impl fmt::Display for Invitee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// `jon.lind@example.com` is called `Jon Lind` until somebody says better.
fn name_of(email: &EmailAddress) -> String {
    let local = email.as_str().split('@').next().unwrap_or_default();
    let words = local.split(['.', '_', '-']).filter(|word| !word.is_empty());
    let words: Vec<String> = words
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters).take(PersonName::LIMIT / 2).collect()
        })
        .collect();
    let name = words.join(" ");
    if name.is_empty() {
        local.to_owned()
    } else {
        name.chars().take(PersonName::LIMIT).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(text: &str) -> Result<Vec<String>, String> {
        read_invitees(text)
            .map(|people| people.iter().map(ToString::to_string).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn one_person_stands_on_each_line_with_or_without_a_name() {
        let text = "\n Jon Lind <JON@example.com> \r\n\nada.king-noel@example.com\n\"O'Hara, Pat\" <pat@example.com>\n";
        assert_eq!(
            told(text).unwrap(),
            [
                "Jon Lind <jon@example.com>",
                "Ada King Noel <ada.king-noel@example.com>",
                "O'Hara, Pat <pat@example.com>",
            ]
        );
        assert_eq!(told("_@example.com").unwrap(), ["_ <_@example.com>"]);
    }

    #[test]
    fn the_first_line_that_is_none_is_named() {
        for (text, expected) in [
            (" \n", "enter at least one e-mail address"),
            (
                "a@example.com\nJon Lind",
                "line 2: enter an e-mail address such as mara@example.com",
            ),
            (
                "a@example.com\n\nA <A@example.com>",
                "line 3: a@example.com is on a line above already",
            ),
            (
                "J\u{202e}on <jon@example.com>",
                "line 1: the name of jon@example.com: use one line of plain text, without control characters",
            ),
        ] {
            assert_eq!(told(text).unwrap_err(), expected);
        }
        let many: String = (0..51).map(|n| format!("p{n}@example.com\n")).collect();
        assert_eq!(read_invitees(&many), Err(InvalidInvitees::TooMany));
        let (most, _) = many.rsplit_once("p50").unwrap();
        assert_eq!(read_invitees(most).unwrap().len(), MOST_INVITEES);
    }

    proptest! {
        #[test]
        fn every_address_that_can_be_one_makes_a_name(local in "[a-zß._+%'-]{1,60}") {
            let email = format!("{local}@example.com");
            prop_assert!(read_invitees(&email).is_ok(), "{email}");
        }
    }
}

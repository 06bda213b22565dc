//! A credential as somebody types it: the one check that the form, the service and the host
//! command share.

use std::collections::BTreeMap;

use chrono::{NaiveDateTime, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::access::{Access, AccessKind};
use crate::catalogue::Catalogue;
use crate::credential::{Credential, Flow};
use crate::expiry::{ExpiryChoice, InvalidExpiry};
use crate::scope::{AccessLevel, ScopeName};
use crate::text::{CredentialName, Purpose};
use crate::user::UserId;

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's name in the form.
    pub field: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl FieldError {
    /// An error of a field.
    #[must_use]
    pub fn new(field: &str, message: impl ToString) -> Self {
        let message = message.to_string();
        let mut letters = message.chars();
        // Error texts begin in lower case; at a field they are sentences of their own.
        let message = letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect())
            .unwrap_or_default();
        Self {
            field: field.to_owned(),
            message,
        }
    }
}

/// The texts of the form, unchecked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialDraft {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// The id of the person who cares for it.
    pub owner: String,
    /// `client_secret`, `private_key_jwt` or `legacy`.
    pub flow: String,
    /// `never`, `1w`, `30d`, `90d`, `6m`, `1y`, `custom`, or an instant after RFC 3339.
    pub expires: String,
    /// With `custom`: an instant after RFC 3339, or `2027-05-24T09:00` in UTC.
    pub expires_at: String,
    /// `read_only`, `full` or `custom`.
    pub access: String,
    /// With `custom`: scope to `none`, `read` or `write`.
    pub levels: BTreeMap<String, String>,
    /// With `private_key_jwt`: the public key, PEM or JWK.
    pub public_key: String,
    /// With `private_key_jwt`, in place of the key: the URL of the program's key set (JWKS).
    pub jwks_url: Option<String>,
}

/// A draft whose texts are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedDraft {
    /// What it is called.
    pub name: CredentialName,
    /// What it is for.
    pub purpose: Purpose,
    /// The person who cares for it.
    pub owner: UserId,
    /// How it proves itself.
    pub flow: Flow,
    /// When it ends.
    pub expires_at: Option<Instant>,
    /// What it may do.
    pub access: Access,
}

impl CredentialDraft {
    /// Checks every field, so that all problems show at once.
    ///
    /// # Errors
    /// What is wrong, field by field.
    pub fn check(
        &self,
        catalogue: &Catalogue,
        now: Instant,
        maximum_life: Option<TimeDelta>,
    ) -> Result<CheckedDraft, Vec<FieldError>> {
        let mut errors = Vec::new();
        let name = keep(self.name.parse(), "name", &mut errors);
        let purpose = keep(self.purpose.parse(), "purpose", &mut errors);
        let owner = keep(
            self.owner.parse().map_err(|_| "choose an owner"),
            "owner",
            &mut errors,
        );
        let flow: Option<Flow> = keep(self.flow.parse(), "flow", &mut errors);
        let expires_at = keep(self.end(now, maximum_life), "expires", &mut errors);
        let access = keep(self.checked_access(catalogue), "access", &mut errors);
        if let Some((field, problem)) = flow.and_then(|flow| self.key_problem(flow)) {
            errors.push(FieldError::new(field, problem));
        }
        match (name, purpose, owner, flow, expires_at, access) {
            (
                Some(name),
                Some(purpose),
                Some(owner),
                Some(flow),
                Some(expires_at),
                Some(access),
            ) if errors.is_empty() => Ok(CheckedDraft {
                name,
                purpose,
                owner,
                flow,
                expires_at,
                access,
            }),
            _ => Err(errors),
        }
    }

    /// The credential as it is after an edit: name, purpose, owner, access and end. `keep` leaves
    /// the end as it is.
    ///
    /// # Errors
    /// What is wrong, field by field.
    pub fn check_edit(
        &self,
        current: &Credential,
        catalogue: &Catalogue,
        now: Instant,
        maximum_life: Option<TimeDelta>,
    ) -> Result<Credential, Vec<FieldError>> {
        let mut errors = Vec::new();
        let name = keep(self.name.parse(), "name", &mut errors);
        let purpose = keep(self.purpose.parse(), "purpose", &mut errors);
        let owner = keep(
            self.owner.parse().map_err(|_| "choose an owner"),
            "owner",
            &mut errors,
        );
        let expires_at = if self.expires == "keep" {
            Some(current.expires_at)
        } else {
            keep(self.end(now, maximum_life), "expires", &mut errors)
        };
        let access = keep(self.checked_access(catalogue), "access", &mut errors);
        match (name, purpose, owner, expires_at, access) {
            (Some(name), Some(purpose), Some(owner), Some(expires_at), Some(access)) => {
                Ok(Credential {
                    name,
                    purpose,
                    owner,
                    access,
                    expires_at,
                    ..current.clone()
                })
            }
            _ => Err(errors),
        }
    }

    /// What is wrong with the two fields for the public key together, and at which of them.
    fn key_problem(&self, flow: Flow) -> Option<(&'static str, &'static str)> {
        let has_key = !self.public_key.trim().is_empty();
        let url = self.jwks_url.as_deref();
        match (flow, has_key, url) {
            (Flow::PrivateKeyJwt, false, None) => Some((
                "public_key",
                "paste the public key that the program signs with, as PEM, certificate or JWK",
            )),
            (Flow::PrivateKeyJwt, true, Some(_)) => {
                Some(("jwks_url", "paste a public key or give a URL, not both"))
            }
            (Flow::ClientSecret | Flow::Legacy, true, _) => Some((
                "public_key",
                "only the private key flow has a public key: leave this empty",
            )),
            (Flow::ClientSecret | Flow::Legacy, false, Some(url)) if !url.trim().is_empty() => {
                Some((
                    "jwks_url",
                    "only the private key flow has public keys: leave this empty",
                ))
            }
            _ => None,
        }
    }

    /// The end alone, which the summary beside the form shows while somebody types.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn end(
        &self,
        now: Instant,
        maximum_life: Option<TimeDelta>,
    ) -> Result<Option<Instant>, InvalidExpiry> {
        let choice = if self.expires == "custom" {
            parse_custom(&self.expires_at)?
        } else {
            self.expires.parse()?
        };
        choice.resolve(now, maximum_life)
    }

    /// The access alone, which the summary beside the form shows while somebody types.
    ///
    /// # Errors
    /// In words, what is wrong with the access.
    pub fn checked_access(&self, catalogue: &Catalogue) -> Result<Access, String> {
        let kind: AccessKind = self.access.parse().map_err(|e| format!("{e}"))?;
        let access = match kind {
            AccessKind::ReadOnly => Access::ReadOnly,
            AccessKind::Full => Access::Full,
            AccessKind::Custom => {
                let mut levels = BTreeMap::new();
                for (scope, level) in &self.levels {
                    let scope: ScopeName = scope.parse().map_err(|e| format!("{e}"))?;
                    let level: AccessLevel = level.parse().map_err(|e| format!("{e}"))?;
                    levels.insert(scope, level);
                }
                Access::Custom(levels)
            }
        };
        access.check(catalogue).map_err(|e| e.to_string())?;
        Ok(access)
    }
}

/// `datetime-local` inputs send no zone and often no seconds; without script they mean UTC.
fn parse_custom(text: &str) -> Result<ExpiryChoice, InvalidExpiry> {
    let text = text.trim();
    ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .into_iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map_or_else(
            || match text.parse()? {
                at @ ExpiryChoice::At(_) => Ok(at),
                _ => Err(InvalidExpiry::Malformed),
            },
            |local| Ok(ExpiryChoice::At(local.and_utc())),
        )
}

/// The value of a good field; the error of a bad one goes to the list.
pub(crate) fn keep<T, E: ToString>(
    value: Result<T, E>,
    field: &str,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    value
        .map_err(|error| errors.push(FieldError::new(field, error.to_string())))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn catalogue() -> Catalogue {
        let file: crate::catalogue::CatalogueFile =
            toml::from_str(include_str!("../../catalogue/alpaca-broker.toml")).unwrap();
        Catalogue::try_from(file).unwrap()
    }

    fn good() -> CredentialDraft {
        CredentialDraft {
            name: "settlement-worker".to_owned(),
            purpose: "Moves cash at night".to_owned(),
            owner: uuid::Uuid::nil().to_string(),
            flow: "client_secret".to_owned(),
            expires: "6m".to_owned(),
            access: "custom".to_owned(),
            levels: [
                ("journaling", "write"),
                ("accounts", "read"),
                ("data", "none"),
            ]
            .map(|(scope, level)| (scope.to_owned(), level.to_owned()))
            .into(),
            ..CredentialDraft::default()
        }
    }

    fn now() -> Instant {
        DateTime::from_timestamp(1_795_500_000, 0).unwrap()
    }

    fn fields(draft: &CredentialDraft) -> Vec<String> {
        let errors = draft
            .check(&catalogue(), now(), None)
            .err()
            .unwrap_or_default();
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_good_draft_passes() {
        let checked = good().check(&catalogue(), now(), None).unwrap();
        assert_eq!(checked.name.as_str(), "settlement-worker");
        assert_eq!(
            checked.access.level(&"journaling".parse().unwrap()),
            AccessLevel::Write
        );
        assert_eq!(
            checked.access.level(&"funding".parse().unwrap()),
            AccessLevel::None
        );
    }

    #[test]
    fn an_empty_form_shows_every_problem_at_once() {
        let empty = CredentialDraft::default();
        assert_eq!(
            fields(&empty),
            ["name", "purpose", "owner", "flow", "expires", "access"]
        );
    }

    #[test]
    fn check_86_unknown_scopes_and_levels_are_refused() {
        for (scope, level) in [
            ("nothing", "read"),
            ("Data", "read"),
            ("data", "rw"),
            ("data", ""),
        ] {
            let mut draft = good();
            draft.levels.insert(scope.to_owned(), level.to_owned());
            assert_eq!(fields(&draft), ["access"], "{scope}={level}");
        }
        let nothing = CredentialDraft {
            levels: BTreeMap::new(),
            ..good()
        };
        assert_eq!(fields(&nothing), ["access"]);
    }

    #[test]
    fn the_private_key_flow_has_a_public_key_or_a_url_and_the_others_neither() {
        let (pem, url) = ("-----BEGIN", "https://app.example.com/jwks.json");
        for (flow, public_key, jwks_url, wrong) in [
            ("private_key_jwt", "", None, Some("public_key")),
            ("private_key_jwt", " \n", None, Some("public_key")),
            ("private_key_jwt", pem, None, None),
            ("private_key_jwt", "", Some(url), None),
            ("private_key_jwt", pem, Some(url), Some("jwks_url")),
            ("client_secret", "", Some(""), None),
            ("client_secret", pem, None, Some("public_key")),
            ("client_secret", "", Some(url), Some("jwks_url")),
            ("legacy", pem, Some(url), Some("public_key")),
        ] {
            let draft = CredentialDraft {
                flow: flow.to_owned(),
                public_key: public_key.to_owned(),
                jwks_url: jwks_url.map(ToOwned::to_owned),
                ..good()
            };
            let fields = fields(&draft);
            assert!(
                fields.iter().map(String::as_str).eq(wrong),
                "{flow} {public_key:?} {jwks_url:?}: {fields:?}"
            );
        }
    }

    #[test]
    fn custom_ends_are_utc_or_carry_their_zone() {
        let table = [
            ("2027-05-24T09:00", Some("2027-05-24T09:00:00Z")),
            ("2027-05-24T09:00:30", Some("2027-05-24T09:00:30Z")),
            ("2027-05-24T11:00:00+02:00", Some("2027-05-24T09:00:00Z")),
            ("2020-05-24T09:00", None),
            ("1y", None),
            ("", None),
        ];
        for (text, expected) in table {
            let draft = CredentialDraft {
                expires: "custom".to_owned(),
                expires_at: text.to_owned(),
                ..good()
            };
            let end = draft
                .check(&catalogue(), now(), None)
                .ok()
                .and_then(|good| good.expires_at);
            assert_eq!(
                end.map(crate::expiry::rfc3339).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn messages_are_sentences() {
        assert_eq!(
            FieldError::new("name", "fill this in").message,
            "Fill this in"
        );
    }
}

//! The claims of an ID token, read as providers write them. What decides whether a token is to be trusted (`iss`,
//! `aud`, `azp`, `exp`, `iat`, `nonce`) is read to the letter of OpenID Connect Core section 2. What describes a
//! person is read in every way that providers are known to write it, and never makes the rest unreadable.

use chrono::DateTime;
use domain::Instant;
use domain::groups::{Groups, UnknownGroups};
use serde_json::{Map, Value};

/// The claims of a token whose signature is good.
#[derive(Debug)]
pub(super) struct Claims(pub Map<String, Value>);

/// The name of a claim that is needed, and is missing or can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable(pub &'static str);

impl Claims {
    /// A claim; one that is null is none.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A claim that must be a text.
    pub(super) fn needed(&self, name: &'static str) -> Result<&str, Unreadable> {
        self.get(name)
            .and_then(Value::as_str)
            .ok_or(Unreadable(name))
    }

    /// A moment that must be there as a number of seconds.
    pub(super) fn needed_time(&self, name: &'static str) -> Result<Instant, Unreadable> {
        self.get(name).and_then(seconds).ok_or(Unreadable(name))
    }

    /// For whom the token is: one text, or a list of texts.
    pub(super) fn audiences(&self) -> Result<Vec<&str>, Unreadable> {
        let texts = match self.get("aud") {
            Some(Value::String(one)) => Some(vec![one.as_str()]),
            Some(Value::Array(all)) => all.iter().map(Value::as_str).collect(),
            _ => None,
        };
        texts.ok_or(Unreadable("aud"))
    }

    /// Who it is at the provider. Some number people.
    pub(super) fn subject(&self) -> Result<String, Unreadable> {
        match self.get("sub") {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) if !number.is_f64() => Ok(number.to_string()),
            _ => Err(Unreadable("sub")),
        }
    }

    /// A text that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let text = self.get(name)?.as_str()?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// Whether a claim is true, which some say in words.
    pub(super) fn is_true(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Bool(is_true)) => *is_true,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// A moment: a number of seconds, the same as a text, or a date and time after RFC 3339.
    pub(super) fn time(&self, name: &str) -> Option<Instant> {
        let value = self.get(name)?;
        seconds(value).or_else(|| {
            let text = value.as_str()?.trim();
            let number = text
                .parse()
                .ok()
                .and_then(|at| DateTime::from_timestamp(at, 0));
            let date = || {
                DateTime::parse_from_rfc3339(text)
                    .ok()
                    .map(|at| at.to_utc())
            };
            number.or_else(date)
        })
    }

    /// What the person is called: as a whole, or in its parts.
    pub(super) fn name(&self) -> Option<String> {
        let whole = self.text("name").map(ToOwned::to_owned);
        whole.or_else(|| {
            let parts = ["given_name", "family_name"].map(|name| self.text(name));
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            (!parts.is_empty()).then(|| parts.join(" "))
        })
    }

    /// The person's groups, by the claim that the configuration names.
    ///
    /// # Errors
    /// There are some, but they are not here, or can't be read.
    pub(super) fn groups(&self, path: &str) -> Result<Groups, UnknownGroups> {
        // Groups that are too many are somewhere else (OpenID Connect Core section 5.6.2); Microsoft Entra ID says
        // so in two ways.
        let elsewhere = self.get("_claim_names").and_then(|names| names.get(path));
        if elsewhere.is_some() || self.is_true("hasgroups") {
            return Err(UnknownGroups::Elsewhere);
        }
        Groups::from_claims(&self.0, path)
    }
}

/// A number of seconds since 1970, whole or not (RFC 7519 section 2).
fn seconds(value: &Value) -> Option<Instant> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is beyond all times is no time either way"
    )]
    let whole = |number: f64| number.floor() as i64;
    let number = value.as_i64().or_else(|| value.as_f64().map(whole))?;
    DateTime::from_timestamp(number, 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: &Value) -> Claims {
        Claims(value.as_object().unwrap().clone())
    }

    #[test]
    fn what_describes_a_person_is_read_as_providers_write_it() {
        let at = DateTime::from_timestamp(1_795_500_000, 0);
        for (auth_time, expected) in [
            (json!(1_795_500_000), at),
            (json!(1_795_500_000.7), at),
            (json!("1795500000"), at),
            (json!("2026-11-24T06:00:00Z"), at),
            (json!("2026-11-24T07:00:00.000+01:00"), at),
            (json!(null), None),
            (json!(true), None),
            (json!("yesterday"), None),
            (json!(1e300), None),
            (json!([1_795_500_000]), None),
        ] {
            let found = claims(&json!({ "auth_time": auth_time })).time("auth_time");
            assert_eq!(found, expected, "{auth_time}");
        }
        for (verified, expected) in [
            (json!(true), true),
            (json!("true"), true),
            (json!("True"), true),
            (json!(false), false),
            (json!("false"), false),
            (json!("1"), false),
            (json!(1), false),
            (json!(null), false),
        ] {
            let found = claims(&json!({ "email_verified": verified })).is_true("email_verified");
            assert_eq!(found, expected, "{verified}");
        }
        for (all, expected) in [
            (json!({ "name": "Ada", "given_name": "A." }), Some("Ada")),
            (
                json!({ "given_name": "Ada", "family_name": "Lovelace" }),
                Some("Ada Lovelace"),
            ),
            (
                json!({ "name": " ", "family_name": "Lovelace" }),
                Some("Lovelace"),
            ),
            (
                json!({ "name": { "en": "Ada" }, "given_name": "Ada" }),
                Some("Ada"),
            ),
            (json!({ "name": null }), None),
        ] {
            assert_eq!(claims(&all).name().as_deref(), expected, "{all}");
        }
        for (sub, expected) in [
            (json!("ada-7"), Ok("ada-7")),
            (json!(7), Ok("7")),
            (json!(u64::MAX), Ok("18446744073709551615")),
            (json!(7.5), Err(Unreadable("sub"))),
            (json!(null), Err(Unreadable("sub"))),
            (json!(["ada-7"]), Err(Unreadable("sub"))),
        ] {
            let found = claims(&json!({ "sub": sub })).subject();
            assert_eq!(
                found.as_deref(),
                expected.as_ref().map(|text| *text),
                "{sub}"
            );
        }
    }

    #[test]
    fn what_a_token_is_trusted_by_is_read_to_the_letter() {
        for value in [json!(null), json!(7), json!(["a"]), json!({}), json!(true)] {
            let all = claims(&json!({ "iss": value, "exp": "1795500000", "aud": [value] }));
            assert_eq!(all.needed("iss"), Err(Unreadable("iss")), "{value}");
            assert_eq!(all.audiences(), Err(Unreadable("aud")), "{value}");
            assert_eq!(all.needed_time("exp"), Err(Unreadable("exp")));
            assert_eq!(all.needed_time("iat"), Err(Unreadable("iat")));
        }
        assert_eq!(claims(&json!({ "aud": [] })).audiences(), Ok(vec![]));
        assert_eq!(claims(&json!({ "aud": "a" })).audiences(), Ok(vec!["a"]));
    }

    #[test]
    fn groups_that_are_elsewhere_are_not_no_groups() {
        for all in [
            json!({ "_claim_names": { "groups": "src1" } }),
            json!({ "hasgroups": true }),
            json!({ "hasgroups": "true" }),
        ] {
            let found = claims(&all).groups("groups");
            assert_eq!(found, Err(UnknownGroups::Elsewhere), "{all}");
        }
        let other = json!({ "_claim_names": { "address": "src1" }, "hasgroups": false });
        assert_eq!(claims(&other).groups("groups"), Ok(Groups::default()));
    }
}

//! What the audit page shows, as the URL says it. Whatever a URL holds, there is a page for it: a
//! value that means nothing counts as none.

use domain::audit::{Action, Outcome};
use serde::{Deserialize, Serialize};

use crate::url::with_query;

/// The path of the page.
pub(super) const LOG: &str = "/audit";

/// What the audit page shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditParams {
    /// Who: an id or a whole name.
    pub actor: String,
    /// To what: an id or a whole name.
    pub object: String,
    /// Only this action.
    pub action: Option<Action>,
    /// Only what ended so.
    pub outcome: Option<Outcome>,
    /// From this day on: `2026-11-24`, or an instant after RFC 3339.
    pub from: String,
    /// Up to this day, which is part of it.
    pub until: String,
    /// The page after the entry with this number: older ones.
    pub after: String,
    /// The page before the entry with this number: newer ones.
    pub before: String,
}

impl AuditParams {
    /// Reads the parameters from wherever `get` has them by name.
    #[must_use]
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| get(name).unwrap_or_default().trim().to_owned();
        Self {
            actor: text("actor"),
            object: text("object"),
            action: text("action").parse().ok(),
            outcome: text("outcome").parse().ok(),
            from: text("from"),
            until: text("until"),
            after: text("after"),
            before: text("before"),
        }
    }

    /// The address of the page, or of an export of everything that the filters let through.
    #[must_use]
    pub fn href(&self, path: &str) -> String {
        with_query(
            path,
            &[
                ("actor", &self.actor),
                ("object", &self.object),
                ("action", self.action.map_or("", Action::as_str)),
                ("outcome", self.outcome.map_or("", Outcome::as_str)),
                ("from", &self.from),
                ("until", &self.until),
                ("after", &self.after),
                ("before", &self.before),
            ],
        )
    }

    /// Whether anything is filtered.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        let all = Self {
            after: self.after.clone(),
            before: self.before.clone(),
            ..Self::default()
        };
        *self != all
    }

    /// The same filters from the first page on.
    #[must_use]
    pub fn first_page(&self) -> Self {
        self.page(String::new(), String::new())
    }

    /// The same filters on another page.
    #[must_use]
    pub fn page(&self, after: String, before: String) -> Self {
        Self {
            after,
            before,
            ..self.clone()
        }
    }
}

#[cfg(feature = "ssr")]
mod server {
    use chrono::{DateTime, Days, NaiveDate, Utc};
    use domain::key_id::KeyId;
    use service::{AuditQuery, Named};

    use super::AuditParams;

    impl AuditParams {
        /// The filters as the use cases take them. Days are days in UTC.
        #[must_use]
        pub fn filter(&self) -> AuditQuery {
            AuditQuery {
                actor: named(&self.actor),
                object: named(&self.object),
                action: self.action,
                outcome: self.outcome,
                from: instant(&self.from, 0),
                until: instant(&self.until, 1),
                ..AuditQuery::default()
            }
        }
    }

    fn named(text: &str) -> Option<Named> {
        let is_id = text.parse::<KeyId>().is_ok() || text.parse::<domain::user::UserId>().is_ok();
        match text {
            "" => None,
            id if is_id => Some(Named::Id(id.to_owned())),
            name => Some(Named::Name(name.to_owned())),
        }
    }

    /// An instant, or the begin of a day some days later.
    fn instant(text: &str, days_later: u64) -> Option<DateTime<Utc>> {
        let day = || {
            let day = text.parse::<NaiveDate>().ok()?;
            let day = day.checked_add_days(Days::new(days_later))?;
            Some(day.and_time(chrono::NaiveTime::MIN).and_utc())
        };
        text.parse().ok().or_else(day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_all_and_nonsense_says_nothing() {
        let pairs = [
            ("actor", " Mara Okafor "),
            ("action", "credential.issued"),
            ("outcome", "denied"),
            ("until", "2026-11-24"),
        ];
        let get = |name: &str| {
            let pair = pairs.iter().find(|pair| pair.0 == name);
            pair.map(|pair| pair.1.to_owned())
        };
        let params = AuditParams::read(get);
        assert_eq!(
            params.href(LOG),
            "/audit?actor=Mara%20Okafor&action=credential.issued&outcome=denied&until=2026-11-24"
        );
        assert!(params.is_filtered());
        let nothing = AuditParams::read(|name| (name == "action").then(|| "x".to_owned()));
        assert_eq!(nothing.href(LOG), LOG);
        assert!(!nothing.is_filtered());
        assert!(!nothing.page("7".to_owned(), String::new()).is_filtered());
    }

    #[cfg(feature = "ssr")]
    #[test]
    fn days_are_whole_and_ids_are_told_from_names() {
        use service::Named;

        let params = AuditParams {
            actor: "Mara".to_owned(),
            object: "KRQ7M2XZLP4TAVJ6NDB3EH".to_owned(),
            from: "2026-11-24".to_owned(),
            until: "2026-11-24".to_owned(),
            ..AuditParams::default()
        };
        let filter = params.filter();
        assert_eq!(filter.actor, Some(Named::Name("Mara".to_owned())));
        assert_eq!(filter.object, Some(Named::Id(params.object.clone())));
        let day = |text: &str| text.parse().ok();
        assert_eq!(filter.from, day("2026-11-24T00:00:00Z"));
        assert_eq!(filter.until, day("2026-11-25T00:00:00Z"));
        let broken = AuditParams {
            from: "yesterday".to_owned(),
            ..AuditParams::default()
        };
        assert_eq!(broken.filter().from, None);
    }
}

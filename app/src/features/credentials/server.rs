//! From the use cases' words to the pages' and back. Compiled for the server only.

use std::collections::BTreeMap;

use chrono::{NaiveTime, TimeDelta};
use domain::Instant;
use domain::access::Access;
use domain::catalogue::{Catalogue, Method};
use domain::credential::{Credential, Mark as DomainMark};
use domain::expiry::ExpiryChoice;
use domain::key_id::KeyId;
use domain::scope::Level;
use domain::user::{User, UserId};
use service::{
    CredentialCounts, CredentialFilter, CredentialPage, CredentialQuery, CredentialRecord,
    CredentialSort, CredentialTab, DecisionRow, IssuedCredential, KeySetRow, PageStart, Position,
    Services, Tried, UsageRow, UserQuery,
};

use super::{
    Counts, CredentialDetail, CredentialList, CredentialRow, Filters, FormFacts, IssuedKey, KeyUrl,
    LastUse, LegacyHeaders, Life, ListParams, Mark, Owner, PublicKey, Refused, Sort, Tab, Usage,
    UsageDay,
};
use crate::features::audit::StoryEntry;
use crate::features::catalogue::Verdict;
use crate::form::ShownOnce;
use crate::words::sentence;

/// Rows of a page of the list.
const PAGE: u32 = 50;

/// So many owners are offered as a filter. Nobody picks from more, and each page would carry them.
pub(super) const OWNERS: u32 = 100;

/// Everybody in the team, as far as there are no more.
pub(super) fn everybody(limit: u32) -> UserQuery {
    UserQuery {
        limit,
        ..UserQuery::default()
    }
}

/// These few people.
pub(super) fn these(ids: Vec<UserId>) -> UserQuery {
    UserQuery {
        ids: Some(ids),
        ..everybody(OWNERS)
    }
}

pub(super) fn list_query(params: &ListParams, now: Instant) -> CredentialQuery {
    let (sort, descending) = match params.sort {
        Sort::Newest => (CredentialSort::Created, true),
        Sort::Oldest => (CredentialSort::Created, false),
        Sort::Name => (CredentialSort::Name, false),
        Sort::NameDown => (CredentialSort::Name, true),
        Sort::Expires => (CredentialSort::Expires, false),
        Sort::ExpiresDown => (CredentialSort::Expires, true),
        Sort::Used => (CredentialSort::LastUsed, false),
        Sort::UsedDown => (CredentialSort::LastUsed, true),
    };
    let tab = match params.tab {
        Tab::All => CredentialTab::All,
        Tab::InUse => CredentialTab::InUse,
        Tab::Expiring => CredentialTab::Expiring,
        Tab::Never => CredentialTab::NeverExpires,
        Tab::Quarantined => CredentialTab::Quarantined,
        Tab::Orphaned => CredentialTab::Orphaned,
        Tab::Ended => CredentialTab::Ended,
    };
    let from = match (position(&params.after), position(&params.before)) {
        (Some(position), _) => PageStart::After(position),
        (None, Some(position)) => PageStart::Before(position),
        (None, None) => PageStart::First,
    };
    let filter = CredentialFilter {
        search: Some(params.search.clone()).filter(|search| !search.is_empty()),
        tab,
        state: None,
        flow: params.flow,
        access: params.access,
        scope: params.scope.clone(),
        owner: params.owner.parse().ok(),
    };
    CredentialQuery {
        now,
        filter,
        sort,
        descending,
        from,
        limit: PAGE,
    }
}

/// A place in the list, as the URL has it: `<key id>.<sort value>`.
fn position(text: &str) -> Option<Position> {
    let (key_id, value) = text.split_once('.')?;
    Some(Position {
        value: value.to_owned(),
        key_id: key_id.parse::<KeyId>().ok()?,
    })
}

fn position_text(position: &Position) -> String {
    format!("{}.{}", position.key_id, position.value)
}

pub(super) fn list_page(
    page: CredentialPage,
    counts: CredentialCounts,
    catalogue: &Catalogue,
    now: Instant,
) -> CredentialList {
    let place = |row: Option<&service::CredentialRow>| row.map(|row| position_text(&row.position));
    let before = place(page.rows.first()).filter(|_| page.has_before);
    let after = place(page.rows.last()).filter(|_| page.has_after);
    let rows = page
        .rows
        .into_iter()
        .map(|row| list_row(row, catalogue, now))
        .collect();
    let number = |count| usize::try_from(count).unwrap_or(usize::MAX);
    CredentialList {
        rows,
        scopes: catalogue
            .scopes()
            .iter()
            .map(|scope| scope.title.clone())
            .collect(),
        counts: Counts {
            all: number(counts.all),
            in_use: number(counts.in_use),
            expiring: number(counts.expiring),
            never: number(counts.never_expires),
            quarantined: number(counts.quarantined),
            orphaned: number(counts.orphaned),
            ended: number(counts.ended),
        },
        before,
        after,
    }
}

fn list_row(row: service::CredentialRow, catalogue: &Catalogue, now: Instant) -> CredentialRow {
    let credential = row.credential;
    let scopes = catalogue.scopes().iter();
    CredentialRow {
        key_id: credential.key_id.to_string(),
        name: credential.name.to_string(),
        flow: credential.flow,
        access: credential.access.kind(),
        levels: scopes
            .map(|scope| credential.access.level(&scope.name))
            .collect(),
        life: life(&credential, now),
        last_use: row.last_use.map(LastUse::from),
        owner: owner(&credential, row.owner_name, row.owner_is_active),
        created_at: credential.created_at,
        created_by: credential.created_by,
    }
}

fn owner(credential: &Credential, name: String, active: bool) -> Owner {
    Owner {
        id: credential.owner.to_string(),
        name,
        active,
    }
}

fn life(credential: &Credential, now: Instant) -> Life {
    Life {
        state: credential.state(now),
        expiring: credential.is_expiring(now),
        expires_at: credential.expires_at,
        mark: credential.standing.mark().map(Mark::from),
    }
}

impl From<&DomainMark> for Mark {
    fn from(mark: &DomainMark) -> Self {
        let reason = mark.reason.as_ref().map(ToString::to_string);
        Self {
            at: mark.at,
            by: mark.by.clone(),
            reason,
        }
    }
}

impl From<service::LastUse> for LastUse {
    fn from(last: service::LastUse) -> Self {
        Self {
            at: last.at,
            address: last.address,
            endpoint: last.endpoint,
        }
    }
}

pub(super) fn filters(people: Vec<User>, is_everybody: bool, catalogue: &Catalogue) -> Filters {
    let scopes = catalogue.scopes().iter();
    Filters {
        scopes: scopes
            .flat_map(|scope| {
                let right = |level, words: &str| {
                    let value = scope.name.at(level).to_string();
                    (value, format!("{}{words}", scope.title))
                };
                [right(Level::Read, ""), right(Level::Write, ", write")]
            })
            .collect(),
        owners: people
            .into_iter()
            .map(|one| (one.id.to_string(), one.name.to_string()))
            .collect(),
        more_owners: !is_everybody,
    }
}

pub(super) fn form_facts(
    people: Vec<User>,
    maximum_life: Option<TimeDelta>,
    now: Instant,
) -> FormFacts {
    let lifetimes = ExpiryChoice::FIXED.into_iter();
    FormFacts {
        owners: people
            .into_iter()
            .map(|person| (person.id.to_string(), person.name.to_string(), person.role))
            .collect(),
        lifetimes: lifetimes
            .filter(|one| one.resolve(now, maximum_life).is_ok())
            .collect(),
        idempotency_key: service::Token::generate().expose().to_owned(),
    }
}

/// How many days of usage the page shows.
pub(super) const USAGE_DAYS: i64 = 30;

/// Usage by hour as the page shows it: by day, and by scope.
pub(super) fn usage(
    rows: &[UsageRow],
    decisions: Vec<DecisionRow>,
    catalogue: &Catalogue,
    now: Instant,
) -> Usage {
    let today = now.date_naive();
    let days = (0..USAGE_DAYS).rev().map(|ago| {
        let date = today - TimeDelta::days(ago);
        let of_day = rows.iter().filter(|row| row.hour.date_naive() == date);
        let (allowed, refused) = of_day.fold((0, 0), |(allowed, refused), row| {
            (allowed + row.allowed, refused + row.refused)
        });
        UsageDay {
            day: date.and_time(NaiveTime::MIN).and_utc(),
            allowed,
            refused,
        }
    });
    let title = |name: &str| {
        let scope = catalogue
            .scopes()
            .iter()
            .find(|scope| scope.name.as_str() == name);
        scope.map_or_else(|| name.to_owned(), |scope| scope.title.clone())
    };
    let mut scopes: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for row in rows {
        let level = match row.level {
            Level::Read => "reads",
            Level::Write => "writes",
        };
        let sums = scopes
            .entry(format!("{} {level}", title(&row.scope)))
            .or_default();
        *sums = (sums.0 + row.allowed, sums.1 + row.refused);
    }
    let refusals = decisions
        .into_iter()
        .filter(|row| !row.allowed)
        .filter_map(refused)
        .take(10);
    Usage {
        days: days.collect(),
        scopes: scopes
            .into_iter()
            .map(|(scope, (allowed, refused))| (scope, allowed, refused))
            .collect(),
        refusals: refusals.collect(),
    }
}

/// A refusal as the page shows it; nothing of what a gateway asked about a second time.
fn refused(row: DecisionRow) -> Option<Refused> {
    let detail: serde_json::Value = serde_json::from_str(&row.detail).unwrap_or_default();
    if detail["asked_again"] == true {
        return None;
    }
    let call = match (row.template, row.surface.as_str()) {
        (Some(template), _) => format!("{} {template}", row.method),
        (None, "token") => "Token request".to_owned(),
        (None, "revoke") => "Revocation of a token".to_owned(),
        (None, _) => {
            let path = match row.reason.as_str() {
                "path_not_allowed" => "a path that is not in the catalogue",
                "path_variant" => "another spelling of a path in the catalogue",
                "path_value" => "a path with a value of the wrong kind",
                _ => "a call that is not known",
            };
            format!("{} {path}", row.method)
        }
    };
    Some(Refused {
        request_id: row.request_id,
        at: row.at,
        call,
        reason: detail["words"].as_str().unwrap_or(&row.reason).to_owned(),
    })
}

pub(super) fn detail(
    record: CredentialRecord,
    story: Vec<StoryEntry>,
    usage: Usage,
    now: Instant,
) -> CredentialDetail {
    let credential = record.credential;
    CredentialDetail {
        key_id: credential.key_id.to_string(),
        name: credential.name.to_string(),
        purpose: credential.purpose.to_string(),
        owner: owner(&credential, record.owner_name, record.owner_is_active),
        flow: credential.flow,
        life: life(&credential, now),
        access: credential.access,
        created_at: credential.created_at,
        created_by: credential.created_by,
        updated_at: credential.updated_at,
        last_use: record.last_use.map(LastUse::from),
        secrets: record
            .secrets
            .into_iter()
            .map(|secret| secret.created_at)
            .collect(),
        public_keys: record
            .public_keys
            .into_iter()
            .map(|key| PublicKey {
                thumbprint: key.thumbprint,
                algorithm: key.algorithm,
                name: key.name,
                created_at: key.created_at,
                expires_at: key.expires_at,
                last_used_at: key.last_used_at,
            })
            .collect(),
        key_url: record.key_set.map(|set| key_url(set, now)),
        limits: credential.limits,
        usage,
        story,
    }
}

fn key_url(set: KeySetRow, now: Instant) -> KeyUrl {
    let until = set.fetched_at.map(|at| at + service::FETCHED_KEYS_LAST);
    let keys = set.keys.into_iter();
    KeyUrl {
        url: set.url,
        asked_at: set.asked_at,
        problem: set.problem,
        keys: keys.map(|key| (key.algorithm, key.thumbprint)).collect(),
        work_until: until.filter(|until| now < *until),
    }
}

/// What is shown once of a credential that was just issued, whichever way it was asked for.
#[must_use]
pub fn shown_once(
    services: &Services,
    issued: IssuedCredential,
    headers: LegacyHeaders,
) -> ShownOnce {
    let credential = issued.credential;
    ShownOnce::Credential(IssuedKey {
        key_id: credential.key_id.to_string(),
        name: credential.name.to_string(),
        flow: credential.flow,
        secret: issued.secret.map(|secret| secret.expose().to_owned()),
        expires_at: credential.expires_at,
        issuer: services.settings().issuer.clone(),
        example_path: example_path(&services.catalogue(), &credential.access),
        headers,
    })
}

/// A call to begin with: the first that the access allows and that needs nothing filled in.
fn example_path(catalogue: &Catalogue, access: &Access) -> String {
    let call = catalogue.example(|scope, endpoint| {
        access.level(&scope.name).allows(endpoint.level)
            && endpoint.method == Method::Get
            && !endpoint.path.contains('{')
    });
    call.map_or_else(|| "/".to_owned(), |(_, path)| path)
}

/// What came of trying a credential out, in words.
pub fn verdicts(tried: Vec<Tried>) -> Vec<Verdict> {
    let verdict = |tried: Tried| {
        let good = tried.should_pass == tried.refusal.is_none();
        let what = match tried.call {
            None => "A request for an access token".to_owned(),
            Some((method, path)) => format!("{} {path}", method.as_str()),
        };
        let words = match (tried.should_pass, tried.refusal) {
            (true, None) => format!("{what} went through."),
            (true, Some(why)) => format!("{what} was refused. {}", sentence(&why)),
            (false, Some(why)) => {
                format!("{what} was refused, as it should be. {}", sentence(&why))
            }
            (false, None) => format!("{what} went through, though this access does not allow it."),
        };
        Verdict { good, words }
    };
    tried.into_iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::sample::catalogue;
    use domain::scope::AccessLevel;

    fn start(after: &str, before: &str) -> PageStart {
        let params = ListParams {
            after: after.to_owned(),
            before: before.to_owned(),
            ..ListParams::default()
        };
        list_query(&params, Instant::UNIX_EPOCH).from
    }

    #[test]
    fn places_in_the_list_survive_the_url() {
        let position = Position {
            value: "v1.2 worker".to_owned(),
            key_id: "KRQ7M2XZLP4TAVJ6NDB3EH".parse().unwrap(),
        };
        let text = position_text(&position);
        assert!(matches!(start(&text, ""), PageStart::After(found) if found == position));
        assert!(matches!(start("", &text), PageStart::Before(found) if found == position));
        for bad in ["x", "KR.", "KRQ7M2XZLP4TAVJ6NDB3EH", ".name"] {
            assert!(matches!(start(bad, bad), PageStart::First), "{bad}");
        }
    }

    #[test]
    fn the_example_is_a_call_that_the_credential_may_make() {
        let of = |access| example_path(&catalogue(), &access);
        assert_eq!(of(Access::Full), "/v1/accounts");
        let journaling = [("journaling".parse().unwrap(), AccessLevel::Write)].into();
        assert_eq!(of(Access::Custom(journaling)), "/v1/journals");
        assert_eq!(of(Access::Custom([].into())), "/");
    }

    #[test]
    fn lifetimes_beyond_the_policy_are_not_offered() {
        let now = "2026-11-24T09:00:00Z".parse().unwrap();
        let offered = |maximum| form_facts(Vec::new(), maximum, now).lifetimes;
        assert_eq!(offered(None), ExpiryChoice::FIXED);
        assert_eq!(
            offered(Some(TimeDelta::days(45))),
            [ExpiryChoice::OneWeek, ExpiryChoice::ThirtyDays]
        );
    }
}

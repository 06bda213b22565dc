//! The list of credentials, against a model that sorts and filters in memory.

use chrono::TimeDelta;
use domain::access::{Access, AccessKind};
use domain::credential::{Credential, EXPIRING_WITHIN, Flow, Mark, Standing, State};
use domain::scope::{AccessLevel, Level, ScopeName, WireScope};
use domain::user::User;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt as _, SeedableRng};
use storage::{
    CredentialCounts, CredentialFilter, CredentialQuery, CredentialRow, CredentialSort,
    CredentialTab, CredentialUse, LastUse, PageStart, Position,
};

use crate::fixture::{Fixture, at, credential, event, key_id, query};

const ROWS: u64 = 150;
const QUERIES: usize = 80;
const SCOPES: [&str; 3] = ["data", "market_data", "accounts"];
const TABS: [CredentialTab; 7] = [
    CredentialTab::All,
    CredentialTab::InUse,
    CredentialTab::Expiring,
    CredentialTab::NeverExpires,
    CredentialTab::Quarantined,
    CredentialTab::Orphaned,
    CredentialTab::Ended,
];
const SORTS: [CredentialSort; 4] = [
    CredentialSort::Created,
    CredentialSort::Name,
    CredentialSort::Expires,
    CredentialSort::LastUsed,
];

/// A stored credential, as the model knows it.
#[derive(Debug, Clone)]
struct Known {
    credential: Credential,
    owner: User,
    last_use: Option<LastUse>,
}

fn scope(name: &str) -> ScopeName {
    name.parse().unwrap()
}

/// Many ties, edges and odd characters.
fn any_credential(number: u64, owner: &User, rng: &mut StdRng) -> Credential {
    let names = [
        "Worker",
        "worker",
        "WÖRKER",
        "wörker 50%",
        "a_b",
        "aXb",
        "back\\slash",
        "Zeta",
    ];
    let ends = [
        None,
        Some(-1),
        Some(0),
        Some(1),
        Some(14 * 86_400_000),
        Some(14 * 86_400_001),
    ];
    let mark = || Mark {
        at: at(5),
        by: "Mara".to_owned(),
        reason: None,
    };
    let standings = [
        Standing::Active,
        Standing::Active,
        Standing::Disabled(mark()),
        Standing::Revoked(mark()),
    ];
    let custom = SCOPES
        .map(|name| (scope(name), *AccessLevel::ALL.choose(rng).unwrap()))
        .into();
    let accesses = [Access::ReadOnly, Access::Full, Access::Custom(custom)];
    Credential {
        name: names.choose(rng).unwrap().parse().unwrap(),
        flow: *Flow::ALL.choose(rng).unwrap(),
        access: accesses.choose(rng).unwrap().clone(),
        expires_at: ends
            .choose(rng)
            .unwrap()
            .map(|millis| now() + TimeDelta::milliseconds(millis)),
        standing: standings.choose(rng).unwrap().clone(),
        created_at: at(rng.random_range(0..10)),
        ..credential(number, owner.id)
    }
}

fn now() -> domain::Instant {
    query(CredentialFilter::default()).now
}

async fn fill(fixture: &Fixture, rng: &mut StdRng) -> Vec<Known> {
    let mut owners = Vec::new();
    for number in 0..3 {
        owners.push(fixture.add_superuser(number).await);
    }
    let mut known = Vec::new();
    for number in 0..ROWS {
        let owner = owners.choose(rng).unwrap().clone();
        let credential = any_credential(number, &owner, rng);
        fixture.issue(&credential).await;
        let last_use = rng.random_bool(0.7).then(|| LastUse {
            at: at(rng.random_range(0..10)),
            address: "192.0.2.1".to_owned(),
            endpoint: ["GET /v1/Accounts", "POST /v1/journals"]
                .choose(rng)
                .unwrap()
                .to_string(),
        });
        known.push(Known {
            credential,
            owner,
            last_use,
        });
    }
    let used = |known: &Known| {
        let key_id = known.credential.key_id;
        known.last_use.clone().map(|last_use| CredentialUse {
            key_id,
            last_use,
            public_key: None,
        })
    };
    fixture
        .store
        .record_uses(known.iter().filter_map(used).collect())
        .await
        .unwrap();
    fixture
        .store
        .disable_user(owners[2].id, at(0), event())
        .await
        .unwrap();
    for row in &mut known {
        if row.owner.id == owners[2].id {
            row.owner.disabled_at = Some(at(0));
        }
    }
    known
}

impl Known {
    fn is_in(&self, tab: CredentialTab) -> bool {
        let state = self.credential.state(now());
        match tab {
            CredentialTab::All => true,
            CredentialTab::InUse => state == State::Active,
            CredentialTab::Expiring => self.credential.is_expiring(now()),
            CredentialTab::NeverExpires => {
                state == State::Active && self.credential.expires_at.is_none()
            }
            CredentialTab::Quarantined => state == State::Disabled,
            CredentialTab::Orphaned => {
                !self.owner.is_active() && matches!(state, State::Active | State::Disabled)
            }
            CredentialTab::Ended => matches!(state, State::Expired | State::Revoked),
        }
    }

    /// When time alone takes it to another tab.
    fn next_change(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        let end = self.credential.expires_at?;
        let about_to_end = end - EXPIRING_WITHIN;
        match self.credential.state(now()) {
            State::Active if about_to_end > now() => Some(about_to_end),
            State::Active | State::Disabled => Some(end),
            State::Expired | State::Revoked => None,
        }
    }

    fn contains(&self, search: &str) -> bool {
        let endpoint = self
            .last_use
            .as_ref()
            .map_or("", |last_use| &last_use.endpoint);
        let key_id = self.credential.key_id.as_str();
        [
            self.credential.name.as_str(),
            key_id,
            self.owner.name.as_str(),
            endpoint,
        ]
        .iter()
        .any(|text| text.to_lowercase().contains(&search.to_lowercase()))
    }

    fn passes(&self, filter: &CredentialFilter) -> bool {
        let facts = &self.credential;
        self.is_in(filter.tab)
            && filter
                .search
                .as_ref()
                .is_none_or(|search| self.contains(search))
            && filter.state.is_none_or(|state| facts.state(now()) == state)
            && filter.flow.is_none_or(|flow| facts.flow == flow)
            && filter.access.is_none_or(|kind| facts.access.kind() == kind)
            && filter.owner.is_none_or(|owner| facts.owner == owner)
            && filter
                .scope
                .as_ref()
                .is_none_or(|right| facts.access.level(&right.scope).allows(right.level))
    }

    /// What the order is by: `false` goes before `true`, and nothing before something.
    fn place(&self, sort: CredentialSort) -> (bool, Option<i64>, String, String) {
        let facts = &self.credential;
        let (last, instant, text) = match sort {
            CredentialSort::Created => (false, Some(facts.created_at), String::new()),
            CredentialSort::Name => (false, None, facts.name.as_str().to_lowercase()),
            CredentialSort::Expires => {
                (facts.expires_at.is_none(), facts.expires_at, String::new())
            }
            CredentialSort::LastUsed => (
                false,
                self.last_use.as_ref().map(|last_use| last_use.at),
                String::new(),
            ),
        };
        (
            last,
            instant.map(|at| at.timestamp_millis()),
            text,
            facts.key_id.to_string(),
        )
    }
}

fn model(known: &[Known], query: &CredentialQuery) -> Vec<Known> {
    let mut rows: Vec<Known> = known
        .iter()
        .filter(|row| row.passes(&query.filter))
        .cloned()
        .collect();
    rows.sort_by_key(|row| row.place(query.sort));
    if query.descending {
        rows.reverse();
    }
    rows
}

fn any_right(rng: &mut StdRng) -> WireScope {
    scope(SCOPES.choose(rng).unwrap()).at(*Level::ALL.choose(rng).unwrap())
}

fn any_query(owners: &[Known], rng: &mut StdRng) -> CredentialQuery {
    let searches = [
        "worker",
        "WÖR",
        "50%",
        "A_B",
        "\\",
        "kr",
        "get /v1/acc",
        "ZZZZ",
        "person 1",
        "journals",
        "é",
        "accounts\nx",
        "\"or",
        "%",
    ];
    let mut sometimes = |chance| rng.random_bool(chance);
    let filter = CredentialFilter {
        search: sometimes(0.4).then(String::new),
        tab: CredentialTab::All,
        state: sometimes(0.2).then_some(State::Active),
        flow: sometimes(0.2).then_some(Flow::Legacy),
        access: sometimes(0.2).then_some(AccessKind::Full),
        scope: sometimes(0.3).then(|| scope("data").at(Level::Read)),
        owner: sometimes(0.2).then(|| owners[0].owner.id),
    };
    CredentialQuery {
        filter: CredentialFilter {
            search: filter
                .search
                .map(|_| (*searches.choose(rng).unwrap()).to_owned()),
            tab: *TABS.choose(rng).unwrap(),
            state: filter.state.map(|_| *State::ALL.choose(rng).unwrap()),
            flow: filter.flow.map(|_| *Flow::ALL.choose(rng).unwrap()),
            access: filter.access.map(|_| *AccessKind::ALL.choose(rng).unwrap()),
            scope: filter.scope.map(|_| any_right(rng)),
            owner: filter.owner.map(|_| owners.choose(rng).unwrap().owner.id),
        },
        sort: *SORTS.choose(rng).unwrap(),
        descending: rng.random(),
        limit: rng.random_range(1..40),
        ..query(CredentialFilter::default())
    }
}

fn assert_same(listed: &[CredentialRow], expected: &[Known], query: &CredentialQuery) {
    let ids = |rows: &[CredentialRow]| rows.iter().map(|row| row.credential.key_id).collect();
    let found: Vec<_> = ids(listed);
    let wanted: Vec<_> = expected.iter().map(|row| row.credential.key_id).collect();
    assert_eq!(found, wanted, "{query:?}");
    for (row, known) in listed.iter().zip(expected) {
        assert_eq!(row.credential, known.credential);
        assert_eq!(row.owner_name, known.owner.name.as_str());
        assert_eq!(row.owner_is_active, known.owner.is_active());
        assert_eq!(row.last_use, known.last_use);
        let nowhere = known.place(query.sort).1.is_none() && query.sort != CredentialSort::Name;
        assert_eq!(row.position.value.is_empty(), nowhere, "{:?}", row.position);
    }
}

/// Walks to the end page by page, and back to the beginning.
async fn walk(fixture: &Fixture, mut query: CredentialQuery, expected: &[Known]) {
    let (mut forwards, mut backwards) = (Vec::new(), Vec::new());
    loop {
        let page = fixture.store.list_credentials(query.clone()).await.unwrap();
        assert_eq!(page.has_before, !forwards.is_empty(), "{query:?}");
        assert!(page.rows.len() <= query.limit.try_into().unwrap());
        forwards.extend(page.rows);
        assert_eq!(page.has_after, forwards.len() < expected.len(), "{query:?}");
        let Some(last) = forwards.last() else { break };
        query.from = PageStart::After(last.position.clone());
        if !page.has_after {
            break;
        }
    }
    assert_same(&forwards, expected, &query);

    let Some(last) = forwards.pop() else { return };
    let beyond = fixture.store.list_credentials(query.clone()).await.unwrap();
    assert!(
        beyond.rows.is_empty() && beyond.has_before && !beyond.has_after,
        "{query:?}"
    );
    let mut first = last.position.clone();
    backwards.push(last);
    loop {
        query.from = PageStart::Before(first);
        let page = fixture.store.list_credentials(query.clone()).await.unwrap();
        assert!(page.has_after, "{query:?}");
        assert_eq!(
            page.has_before,
            backwards.len() + page.rows.len() < expected.len(),
            "{query:?}"
        );
        let Some(row) = page.rows.first() else { break };
        first = row.position.clone();
        backwards.splice(0..0, page.rows);
    }
    assert_same(&backwards, expected, &query);
}

pub async fn every_walk_meets_every_row_once_in_order(fixture: &Fixture) {
    let mut rng = StdRng::seed_from_u64(7);
    let known = fill(fixture, &mut rng).await;
    for sort in SORTS {
        for descending in [false, true] {
            let all = CredentialQuery {
                sort,
                descending,
                limit: 7,
                ..any_query(&known, &mut rng)
            };
            let all = CredentialQuery {
                filter: CredentialFilter::default(),
                ..all
            };
            let expected = model(&known, &all);
            assert_eq!(expected.len() as u64, ROWS);
            walk(fixture, all, &expected).await;
        }
    }
    let mut found = 0;
    for _ in 0..QUERIES {
        let query = any_query(&known, &mut rng);
        let expected = model(&known, &query);
        found += usize::from(!expected.is_empty());
        walk(fixture, query, &expected).await;
    }
    assert!(
        found > QUERIES / 2,
        "only {found} of the queries find anything"
    );
}

pub async fn a_search_is_literal_and_ignores_case(fixture: &Fixture) {
    let owner = fixture.add_superuser(1).await;
    for (number, name) in (0..).zip(["100% Sure", "100 Sure", "SNAKE_case", "snakescase", "ÄRGER"])
    {
        fixture
            .issue(&Credential {
                name: name.parse().unwrap(),
                ..credential(number, owner.id)
            })
            .await;
    }
    let last_use = LastUse {
        at: at(1),
        address: "192.0.2.1".to_owned(),
        endpoint: "DELETE /v1/Orders".to_owned(),
    };
    let uses = vec![CredentialUse {
        key_id: key_id(1),
        last_use,
        public_key: None,
    }];
    fixture.store.record_uses(uses).await.unwrap();
    let key = key_id(2).to_string().to_lowercase();
    for (search, expected) in [
        ("100%", &["100% Sure"][..]),
        ("0%", &["100% Sure"]),
        ("e_c", &["SNAKE_case"]),
        ("_", &["SNAKE_case"]),
        (" sure ", &["100 Sure", "100% Sure"]),
        ("ärg", &["ÄRGER"]),
        ("Är", &["ÄRGER"]),
        ("a\u{308}r", &["ÄRGER"]),
        (&key, &["SNAKE_case"]),
        (&key[5..12], &["SNAKE_case"]),
        ("/v1/orders", &["100 Sure"]),
        ("192.0.2", &[]),
        ("sure\nkr", &["100 Sure", "100% Sure"]),
        (
            "person 1",
            &["100 Sure", "100% Sure", "SNAKE_case", "snakescase", "ÄRGER"],
        ),
        ("' OR TRUE --", &[]),
        ("\" OR \"", &[]),
        (
            "\0",
            &["100 Sure", "100% Sure", "SNAKE_case", "snakescase", "ÄRGER"],
        ),
        (
            " ",
            &["100 Sure", "100% Sure", "SNAKE_case", "snakescase", "ÄRGER"],
        ),
    ] {
        let filter = CredentialFilter {
            search: Some(search.to_owned()),
            ..Default::default()
        };
        let by_name = CredentialQuery {
            sort: CredentialSort::Name,
            descending: false,
            ..query(filter)
        };
        let page = fixture.store.list_credentials(by_name).await.unwrap();
        let names: Vec<_> = page
            .rows
            .iter()
            .map(|row| row.credential.name.as_str())
            .collect();
        assert_eq!(names, expected, "{search:?}");
    }

    // A new name or owner is found, the old one no more.
    let jon = fixture.add_superuser(2).await;
    let changed = Credential {
        name: "renamed".parse().unwrap(),
        owner: jon.id,
        ..credential(1, owner.id)
    };
    fixture
        .store
        .update_credential(changed, at(0), event())
        .await
        .unwrap();
    for (search, rows) in [
        ("100 sure", 0),
        ("renamed", 1),
        ("person 2", 1),
        ("person 1", 4),
        ("orders", 1),
    ] {
        let filter = CredentialFilter {
            search: Some(search.to_owned()),
            ..Default::default()
        };
        let page = fixture.store.list_credentials(query(filter)).await.unwrap();
        assert_eq!(page.rows.len(), rows, "{search:?}");
    }
}

pub async fn counts_agree_with_the_tabs(fixture: &Fixture) {
    let none = fixture.store.count_credentials(now()).await.unwrap();
    assert_eq!(none, CredentialCounts::default());
    let known = fill(fixture, &mut StdRng::seed_from_u64(8)).await;
    let count = |tab| known.iter().filter(|row| row.is_in(tab)).count() as u64;
    let [
        all,
        in_use,
        expiring,
        never_expires,
        quarantined,
        orphaned,
        ended,
    ] = TABS.map(count);
    let expected = CredentialCounts {
        all,
        in_use,
        expiring,
        never_expires,
        quarantined,
        orphaned,
        ended,
        hold_until: known.iter().filter_map(Known::next_change).min(),
    };
    assert!(
        [
            all,
            in_use,
            expiring,
            never_expires,
            quarantined,
            orphaned,
            ended
        ]
        .iter()
        .all(|n| *n > 0)
    );
    assert_eq!(
        fixture.store.count_credentials(now()).await.unwrap(),
        expected
    );
}

pub async fn those_in_use_are_counted_by_what_they_may_do(fixture: &Fixture) {
    let known = fill(fixture, &mut StdRng::seed_from_u64(9)).await;
    let rights: Vec<WireScope> = ["data", "market_data", "accounts", "nothing"]
        .iter()
        .flat_map(|name| Level::ALL.map(|level| scope(name).at(level)))
        .collect();
    let may = |right: &WireScope| {
        let in_use = known.iter().filter(|row| row.is_in(CredentialTab::InUse));
        let access = in_use.map(|row| row.credential.access.level(&right.scope));
        access.filter(|has| has.allows(right.level)).count() as u64
    };
    let expected: Vec<u64> = rights.iter().map(may).collect();
    assert!(expected.iter().all(|count| *count > 0));
    let store = &fixture.store;
    let counted = store.count_in_use_with(rights, now()).await.unwrap();
    assert_eq!(counted, expected);
    let none = store.count_in_use_with(Vec::new(), now()).await.unwrap();
    assert!(none.is_empty());
}

/// Whoever edits the address of a page by hand gets a page.
pub async fn a_position_that_is_none_is_no_error(fixture: &Fixture) {
    let owner = fixture.add_superuser(1).await;
    fixture.issue(&credential(1, owner.id)).await;
    for sort in SORTS {
        for value in ["", "x", "-1", "99999999999999999999", "1e3", "\0", "';--"] {
            let position = Position {
                value: value.to_owned(),
                key_id: key_id(5),
            };
            for from in [
                PageStart::After(position.clone()),
                PageStart::Before(position.clone()),
            ] {
                let query = CredentialQuery {
                    sort,
                    from,
                    ..query(CredentialFilter::default())
                };
                let page = fixture.store.list_credentials(query.clone()).await;
                assert!(page.unwrap().rows.len() <= 1, "{query:?}");
            }
        }
    }
}

/// More credentials than a search sorts: it meets them on a walk in order instead.
pub async fn a_frequent_term_is_found_as_well_as_a_rare_one(fixture: &Fixture) {
    let owner = fixture.add_superuser(1).await;
    let mut known = Vec::new();
    for number in 0..1100_i64 {
        let credential = Credential {
            created_at: at(number / 3),
            ..credential(number.unsigned_abs(), owner.id)
        };
        fixture.issue(&credential).await;
        known.push(Known {
            credential,
            owner: owner.clone(),
            last_use: None,
        });
    }
    for (search, rows) in [
        ("worker", 1100),
        ("worker-109", 11),
        ("worker-1099", 1),
        ("zzz-", 0),
    ] {
        let filter = CredentialFilter {
            search: Some(search.to_owned()),
            ..Default::default()
        };
        let query = CredentialQuery {
            limit: 300,
            ..query(filter)
        };
        let expected = model(&known, &query);
        assert_eq!(expected.len(), rows);
        walk(fixture, query, &expected).await;
    }
}

//! The rows of the list.

use domain::credential::State as CredentialState;
use domain::scope::AccessLevel;
use leptos::prelude::*;

use super::{CredentialRow, LastUse, Life, Owner};
use crate::components::{Cell, Chip, Moment, Person, ScopeStrip, State, Time, Tone};

/// The rows. `scopes` are the titles of the scopes, in the order of the levels.
pub(super) fn rows(rows: Vec<CredentialRow>, scopes: &[String]) -> AnyView {
    rows.into_iter()
        .map(|row| line(row, scopes))
        .collect_view()
        .into_any()
}

fn line(row: CredentialRow, scopes: &[String]) -> AnyView {
    let href = format!("/credentials/{}", row.key_id);
    let strip: Vec<(String, AccessLevel)> = scopes.iter().cloned().zip(row.levels).collect();
    let status = row.life.status();
    view! {
        <tr role="row">
            <Cell names_row=true>
                <a class="row-link two" href=href>
                    <b class="clip">{row.name}</b>
                    <code class="quiet">{row.key_id}</code>
                </a>
            </Cell>
            <Cell label="Signs in with">{row.flow.label()}</Cell>
            <Cell label="Access">
                <span class="two">
                    <span>{row.access.label()}</span>
                    <ScopeStrip scopes=strip />
                </span>
            </Cell>
            <Cell label="State">
                <State status=status />
            </Cell>
            <Cell label="Expires">{end(row.life)}</Cell>
            <Cell label="Last used">{last_use(row.last_use)}</Cell>
            <Cell label="Owner">{owner(row.owner)}</Cell>
            <Cell label="Issued">
                <span class="two">
                    <Moment at=row.created_at />
                    <span class="quiet clip">{format!("by {}", row.created_by)}</span>
                </span>
            </Cell>
        </tr>
    }
    .into_any()
}

/// When it ends, or who ended it and when.
pub(super) fn end(life: Life) -> AnyView {
    let (first, second) = match (life.state, life.mark, life.expires_at) {
        (CredentialState::Revoked, Some(mark), _) => (
            "—".into_any(),
            view! { {format!("by {}, ", mark.by)} <Moment at=mark.at /> }.into_any(),
        ),
        (_, _, Some(at)) => (
            view! { <Time at=at /> }.into_any(),
            view! { <Moment at=at /> }.into_any(),
        ),
        (_, _, None) => ("Never".into_any(), "no end date".into_any()),
    };
    view! {
        <span class="two">
            <span>{first}</span>
            <span class="quiet clip">{second}</span>
        </span>
    }
    .into_any()
}

/// When it was last used, for what and from where.
pub(super) fn last_use(last_use: Option<LastUse>) -> AnyView {
    let Some(LastUse {
        at,
        address,
        endpoint,
    }) = last_use
    else {
        return view! { <span class="quiet">"never"</span> }.into_any();
    };
    let what = if address.is_empty() {
        endpoint
    } else {
        format!("{endpoint} · {address}")
    };
    let title = what.clone();
    view! {
        <span class="two">
            <Time at=at />
            <small class="quiet clip" title=title>
                {what}
            </small>
        </span>
    }
    .into_any()
}

/// Who cares for it, or that nobody does any more.
pub(super) fn owner(owner: Owner) -> AnyView {
    let orphaned = (!owner.active).then(|| {
        view! {
            <Chip tone=Tone::Warn>
                "Orphaned" <span class="vh">": this person may no longer log in"</span>
            </Chip>
        }
    });
    view! { <span class="line"><Person name=owner.name />{orphaned}</span> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;
    use crate::features::sample;
    use domain::access::AccessKind;
    use domain::credential::Flow;

    fn row() -> CredentialRow {
        CredentialRow {
            key_id: "KRQ7M2XZLP4TAVJ6NDB3EH".to_owned(),
            name: "settlement-worker".to_owned(),
            flow: Flow::PrivateKeyJwt,
            access: AccessKind::Custom,
            levels: vec![AccessLevel::Read, AccessLevel::None],
            life: Life {
                state: CredentialState::Active,
                expiring: false,
                expires_at: Some("2027-04-24T09:00:00Z".parse().unwrap()),
                mark: None,
            },
            last_use: Some(LastUse {
                at: "2026-11-24T09:00:00Z".parse().unwrap(),
                address: "10.4.2.17".to_owned(),
                endpoint: "GET /v1/journals".to_owned(),
            }),
            owner: Owner {
                id: "7".to_owned(),
                name: "Jonas Lind".to_owned(),
                active: true,
            },
            created_at: "2026-10-01T09:00:00Z".parse().unwrap(),
            created_by: "Mara Okafor".to_owned(),
        }
    }

    fn html(row: CredentialRow) -> String {
        sample::html(|| rows(vec![row], &["Accounts".to_owned(), "Data".to_owned()]))
    }

    #[test]
    fn a_row_tells_every_fact() {
        let html = html(row());
        for fact in [
            r#"href="/credentials/KRQ7M2XZLP4TAVJ6NDB3EH""#,
            "settlement-worker",
            "Private key JWT",
            "Custom",
            "Read only: Accounts. No access: Data.",
            "Active",
            "24 Apr 2027",
            "GET /v1/journals · 10.4.2.17",
            "Jonas Lind",
            "by Mara Okafor",
        ] {
            assert!(html.contains(fact), "{fact} in {html}");
        }
        assert!(!html.contains("Orphaned"));
    }

    #[test]
    fn a_revoked_row_says_who_ended_it_and_when() {
        let mark = Mark {
            at: "2026-11-03T09:00:00Z".parse().unwrap(),
            by: "Amina Said".to_owned(),
            reason: None,
        };
        let life = Life {
            state: CredentialState::Revoked,
            mark: Some(mark),
            ..row().life
        };
        let html = html(CredentialRow { life, ..row() });
        assert!(html.contains("Revoked") && html.contains("by Amina Said, "));
        assert!(html.contains("3 Nov 2026") && !html.contains("24 Apr 2027"));
    }

    #[test]
    fn an_owner_who_left_an_unused_key_and_no_end_are_told() {
        let owner = Owner {
            active: false,
            ..row().owner
        };
        let life = Life {
            expires_at: None,
            ..row().life
        };
        let html = html(CredentialRow {
            owner,
            life,
            last_use: None,
            ..row()
        });
        for fact in ["Orphaned", "no end date", ">never<"] {
            assert!(html.contains(fact), "{fact} in {html}");
        }
    }

    #[test]
    fn hostile_names_are_text() {
        let html = html(CredentialRow {
            name: "<img src=x onerror=alert(1)>".to_owned(),
            ..row()
        });
        assert!(html.contains("&lt;img") && !html.contains("<img"));
    }
}

//! Where a person is logged in, and the buttons that end it.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

use crate::components::{Cell, Chip, Column, ErrorState, Moment, Skeleton, Table, Time};
use crate::error::ApiError;

/// A session as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEntry {
    /// What tells it apart; it opens nothing.
    pub id: String,
    /// Whether it is the viewer's own.
    pub is_current: bool,
    /// `Firefox on Linux`.
    pub device: String,
    /// The address that it began from.
    pub address: Option<String>,
    /// How the person came in, in words.
    pub method: String,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// When it was last used.
    pub seen_at: DateTime<Utc>,
}

/// A person's sessions, the last used first.
#[server(prefix = "/_fn", endpoint = "sessions/list", input = Json)]
pub async fn list_sessions(person: String) -> Result<Vec<SessionEntry>, ApiError> {
    use crate::server_context::{actor, reply, services};

    let unknown = || ApiError::NotFound {
        what: "person".to_owned(),
    };
    let person = person.parse().map_err(|_| unknown())?;
    let sessions = reply(services()?.sessions_of(&actor()?, person).await)?;
    Ok(sessions.into_iter().map(SessionEntry::from).collect())
}

#[cfg(feature = "ssr")]
impl From<service::SessionInfo> for SessionEntry {
    fn from(session: service::SessionInfo) -> Self {
        let (device, address, method) = session.log_in.map_or_else(
            || ("An unknown browser".to_owned(), None, String::new()),
            |log_in| {
                let method = match log_in.method {
                    service::LogInMethod::Password => "password".to_owned(),
                    service::LogInMethod::Sso { provider } => {
                        format!("single sign-on ({provider})")
                    }
                    service::LogInMethod::Header => "trusted proxy".to_owned(),
                };
                (log_in.device, log_in.address, method)
            },
        );
        Self {
            id: session.id,
            is_current: session.is_current,
            device,
            address,
            method,
            began_at: session.began_at,
            seen_at: session.seen_at,
        }
    }
}

/// The section with a person's sessions.
#[component]
pub fn Sessions(
    /// Whose: their id.
    person: String,
) -> impl IntoView {
    let sessions = {
        let person = person.clone();
        Resource::new_blocking(move || person.clone(), list_sessions)
    };
    view! {
        <section class="card section" id="sessions">
            <h2>"Sessions"</h2>
            <p>"A session that is ended here is logged out at its next click."</p>
            <Transition fallback=|| view! { <Skeleton /> }>
                {move || {
                    let person = person.clone();
                    Suspend::new(async move { table(sessions.await, &person) })
                }}
            </Transition>
        </section>
    }
    .into_any()
}

fn table(sessions: Result<Vec<SessionEntry>, ApiError>, person: &str) -> AnyView {
    let sessions = match sessions {
        Ok(sessions) => sessions,
        Err(error) => return view! { <ErrorState error=error /> }.into_any(),
    };
    if sessions.is_empty() {
        return view! { <p class="quiet">"Not logged in anywhere."</p> }.into_any();
    }
    let others = sessions.iter().any(|session| !session.is_current);
    let end_others = (others && sessions.len() > 1).then(|| {
        let action = format!("/users/{person}/sessions/end-others");
        view! {
            <form class="line" method="post" action=action>
                <button class="btn small danger">"End all other sessions"</button>
            </form>
        }
    });
    let columns = ["Device", "Began", "Last seen"]
        .map(Column::new)
        .into_iter()
        .chain([Column::hidden("End")])
        .collect();
    let rows = sessions
        .into_iter()
        .map(|session| line(session, person))
        .collect_view();
    view! {
        <Table caption="Sessions" columns=columns>
            {rows}
        </Table>
        {end_others}
    }
    .into_any()
}

fn line(session: SessionEntry, person: &str) -> AnyView {
    let action = format!("/users/{person}/sessions/{}/end", session.id);
    let facts = [session.address.unwrap_or_default(), session.method];
    let facts: Vec<_> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
    let end = if session.is_current {
        view! { <Chip>"This session"</Chip> }.into_any()
    } else {
        view! {
            <form method="post" action=action>
                <button class="btn small">
                    "End" <span class="vh">{format!(" the session of {}", session.device)}</span>
                </button>
            </form>
        }
        .into_any()
    };
    view! {
        <tr role="row">
            <Cell names_row=true>
                <span class="two">
                    <b>{session.device}</b>
                    <span class="quiet">{facts.join(" · ")}</span>
                </span>
            </Cell>
            <Cell label="Began">
                <Moment at=session.began_at time=true />
            </Cell>
            <Cell label="Last seen">
                <Time at=session.seen_at />
            </Cell>
            <Cell>
                <div class="row-actions">{end}</div>
            </Cell>
        </tr>
    }
    .into_any()
}

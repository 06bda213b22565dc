//! The users page: the team, page by page, and inviting people.

use domain::invitee::MOST_INVITEES;
use domain::role::{Permission, Role};
use domain::user::PersonFilter;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::links::WelcomeLinks;
use super::manage::roles;
use super::person::invite;
use super::query::USERS;
use super::{PeopleList, PeopleParams, PersonAccess, PersonRow, list_users};
use crate::components::{
    Avatar, Cell, Column, EmptyState, ErrorState, Field, Glyph, Moment, Notice, PageHead, Pager,
    PostForm, SearchForm, Select, Skeleton, State, Table, TextArea, Time, Tone,
};
use crate::error::ApiError;
use crate::form::{Answer, FormOutcome, use_answer};
use crate::viewer::Viewer;
use crate::words::count;

/// The users page: everybody sees who is in the team, superusers manage it.
#[component]
pub fn UsersPage() -> impl IntoView {
    let Answer {
        outcome,
        shown_once,
    } = use_answer();
    let query = use_query_map();
    let params = Memo::new(move |_| query.with(|query| PeopleParams::read(|name| query.get(name))));
    let people = Resource::new_blocking(move || params.get(), list_users);
    let manages = Viewer::current().can(Permission::ManageUsers);
    view! {
        <PageHead title="Users" lead="Everyone here sees every credential. The role says what else.">
            {manages.then(|| view! { <a class="btn" href="#invite" rel="external">"Invite people"</a> })}
        </PageHead>
        <div class="stack">
            {shown_once.map(|shown| view! { <WelcomeLinks shown=shown /> })}
            <Filters params=params.get_untracked() />
            <Transition fallback=|| {
                view! { <div class="card"><Skeleton /></div> }
            }>
                {move || Suspend::new(async move { contents(people.await, &params.get()) })}
            </Transition>
            {manages.then(|| view! { <Invite outcome=outcome /> })}
        </div>
    }
    .into_any()
}

#[component]
fn Filters(params: PeopleParams) -> impl IntoView {
    let any = |words: &str| (String::new(), words.to_owned());
    let roles = std::iter::once(any("Any role")).chain(roles()).collect();
    let manages = Viewer::current().can(Permission::ManageUsers);
    let states = PersonFilter::ALL
        .into_iter()
        .filter(|state| manages || *state != PersonFilter::Invited)
        .map(|state| (state.as_str().to_owned(), state.label().to_owned()));
    let states = std::iter::once(any("Any state")).chain(states).collect();
    let filtered = params.is_filtered();
    view! {
        <SearchForm action=USERS filtered=filtered>
            <Field name="q" label="Search" value=params.search optional=true hint="A part of a name or address." />
            <Select
                name="role"
                id="filter-role"
                label="Role"
                options=roles
                value=params.role.map_or("", Role::as_str)
            />
            <Select
                name="state"
                label="State"
                options=states
                value=params.state.map_or("", PersonFilter::as_str)
            />
        </SearchForm>
    }
    .into_any()
}

fn contents(list: Result<PeopleList, ApiError>, params: &PeopleParams) -> AnyView {
    let list = match list {
        Ok(list) => list,
        Err(error) => {
            return view! { <div class="card"><ErrorState error=error /></div> }.into_any();
        }
    };
    let orphaning = list.orphaning.into_iter().map(orphaning).collect_view();
    view! {
        {orphaning}
        <div class="card people">{table(list.people, list.before, list.after, params)}</div>
    }
    .into_any()
}

/// That somebody left credentials behind, and where they are given to others.
fn orphaning(person: PersonRow) -> AnyView {
    let href = format!("/users/{}#credentials", person.id);
    let words = format!(
        "{} is disabled and still owns {}: ",
        person.name,
        count(person.credentials, "credential")
    );
    view! {
        <Notice tone=Tone::Warn>
            <p>{words} <a href=href>"give them to somebody else"</a> "."</p>
        </Notice>
    }
    .into_any()
}

fn table(
    people: Vec<PersonRow>,
    before: Option<String>,
    after: Option<String>,
    params: &PeopleParams,
) -> AnyView {
    if people.is_empty() {
        return view! {
            <EmptyState
                glyph=Glyph::Search
                title="Nobody matches"
                text="Search for less, or take a filter away."
            />
        }
        .into_any();
    }
    let previous = before.map(|id| params.page(String::new(), id).href());
    let next = after.map(|id| params.page(id, String::new()).href());
    let summary = if previous.is_none() && next.is_none() {
        people_in_words(people.len())
    } else {
        format!("{} on this page", people_in_words(people.len()))
    };
    let columns: &[&str] = if Viewer::current().can(Permission::ManageUsers) {
        &[
            "Person",
            "Role",
            "State",
            "Logs in",
            "Second factor",
            "Credentials",
            "Added",
            "Last seen",
        ]
    } else {
        &["Person", "Role", "State", "Credentials", "Added"]
    };
    let columns = columns.iter().copied().map(Column::new).collect::<Vec<_>>();
    let rows = people.into_iter().map(line).collect_view();
    view! {
        <Table caption="People of the team" columns=columns>
            {rows}
        </Table>
        <Pager summary=summary previous=previous next=next />
    }
    .into_any()
}

fn people_in_words(number: usize) -> String {
    match number {
        1 => "1 person".to_owned(),
        more => format!("{more} people"),
    }
}

fn line(person: PersonRow) -> AnyView {
    let viewer = Viewer::current();
    let is_viewer = viewer.user().is_some_and(|user| user.id == person.id);
    let manages = viewer.can(Permission::ManageUsers);
    let name = if manages || is_viewer {
        let href = format!("{USERS}/{}", person.id);
        view! { <a href=href>{person.name.clone()}</a> }.into_any()
    } else {
        person.name.clone().into_any()
    };
    let owned = match person.credentials {
        0 => view! { <span class="quiet">"none"</span> }.into_any(),
        some => {
            let href = format!("/credentials?owner={}", person.id);
            view! { <a class="num" href=href>{count(some, "credential")}</a> }.into_any()
        }
    };
    let (comes_in, last_seen) = match person.access.clone() {
        Some(access) => (comes_in(&access), last_seen(&access)),
        None => (().into_any(), ().into_any()),
    };
    let invite = manages.then(|| invite(&person));
    let (dim, status) = (!person.active, person.status());
    view! {
        <tr role="row" class:dim=dim>
            <Cell names_row=true>
                <span class="person">
                    <Avatar name=person.name />
                    <span class="two">
                        <b>
                            {name}
                            {is_viewer.then(|| view! { <span class="quiet">" (you)"</span> })}
                        </b>
                        <span class="quiet">{person.email}</span>
                    </span>
                </span>
            </Cell>
            <Cell label="Role">{person.role.label()}</Cell>
            <Cell label="State">
                <span class="two">
                    <State status=status />
                    {invite}
                </span>
            </Cell>
            {comes_in}
            <Cell label="Credentials">{owned}</Cell>
            <Cell label="Added">
                <Moment at=person.created_at />
            </Cell>
            {last_seen}
        </tr>
    }
    .into_any()
}

/// Where somebody logs in, and with what.
fn comes_in(access: &PersonAccess) -> AnyView {
    let source = access.source.clone();
    let second_factor = if access.second_factor {
        "yes".into_any()
    } else {
        view! { <span class="quiet">"none"</span> }.into_any()
    };
    view! {
        <Cell label="Logs in">{source}</Cell>
        <Cell label="Second factor">{second_factor}</Cell>
    }
    .into_any()
}

fn last_seen(access: &PersonAccess) -> AnyView {
    let last_seen = match access.last_seen_at {
        None => view! { <span class="quiet">"never"</span> }.into_any(),
        Some(at) => view! { <Time at=at /> }.into_any(),
    };
    view! { <Cell label="Last seen">{last_seen}</Cell> }.into_any()
}

#[component]
fn Invite(outcome: Option<FormOutcome>) -> impl IntoView {
    let hint = format!(
        "One person on each line, {MOST_INVITEES} at most: Jon Lind <jon@example.com>, or the address alone."
    );
    view! {
        <section class="card section" id="invite">
            <h2>"Invite people"</h2>
            <p>"Each gets a link, with which they choose their password. It works once, for three days."</p>
            <PostForm action=USERS outcome=outcome proof=true>
                <div class="fields">
                    <TextArea name="people" label="People" hint=hint maxlength=20_000 rows=4 />
                    <Select
                        name="role"
                        label="Role of all of them"
                        options=roles()
                        value=Role::Support.as_str()
                        hint="Only superusers create credentials and manage people."
                    />
                </div>
                <div class="form-actions">
                    <button class="btn primary">"Invite"</button>
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}

//! The users page: the list, adding a person, roles, disabling and enabling.

use domain::role::{Permission, Role};
use leptos::prelude::*;

use super::{PersonRow, list_users};
use crate::components::{
    Avatar, Cell, Column, CopyButton, Dialog, DialogActions, DialogLink, ErrorState, Field, Input,
    Moment, PageHead, PostForm, RefusedElsewhere, Select, Skeleton, State, Status, Table, Time,
};
use crate::error::ApiError;
use crate::form::{Answer, FormOutcome, ShownOnce, use_answer};
use crate::viewer::Viewer;

/// Where a new person is posted to.
const ADD: &str = "/users";

/// The users page: everybody sees who is in the team, superusers manage it.
#[component]
pub fn UsersPage() -> impl IntoView {
    let Answer {
        outcome,
        shown_once,
    } = use_answer();
    let people = Resource::new_blocking(|| (), |()| list_users());
    let manages = Viewer::current().can(Permission::ManageUsers);
    view! {
        <PageHead title="Users" lead="Everyone here sees every credential. The role says what else.">
            {manages.then(|| view! { <a class="btn" href="#add" rel="external">"Add a person"</a> })}
        </PageHead>
        <div class="stack">
            {shown_once.map(|shown| view! { <PasswordLink shown=shown /> })}
            <RefusedElsewhere outcome=outcome.clone() form=ADD />
            <div class="card">
                <Transition fallback=|| view! { <Skeleton /> }>
                    {move || Suspend::new(async move { people_table(people.await, manages) })}
                </Transition>
            </div>
            {manages.then(|| view! { <AddPerson outcome=outcome /> })}
        </div>
    }
    .into_any()
}

fn people_table(people: Result<Vec<PersonRow>, ApiError>, manages: bool) -> AnyView {
    let people = match people {
        Ok(people) => people,
        Err(error) => return view! { <ErrorState error=error /> }.into_any(),
    };
    let viewer_id = Viewer::current().user().map(|user| user.id);
    let columns = ["Person", "Role", "State", "Added", "Last log-in"]
        .map(Column::new)
        .into_iter()
        .chain(manages.then_some(Column::hidden("Manage")))
        .collect();
    let rows = people
        .into_iter()
        .map(|person| {
            let is_viewer = viewer_id.as_ref() == Some(&person.id);
            view! { <PersonLine person=person is_viewer=is_viewer manages=manages /> }
        })
        .collect_view();
    view! {
        <Table caption="People of the team" columns=columns>
            {rows}
        </Table>
    }
    .into_any()
}

#[component]
fn PersonLine(person: PersonRow, is_viewer: bool, manages: bool) -> impl IntoView {
    let dim = !person.active;
    let manage = manages.then(|| {
        let person = person.clone();
        view! {
            <Cell>
                <div class="row-actions">
                    <Manage person=person />
                </div>
            </Cell>
        }
    });
    let status = if person.active {
        Status::Active
    } else {
        Status::Disabled
    };
    let last_login = person.last_login_at.map_or_else(
        || view! { <span class="quiet">"never"</span> }.into_any(),
        |at| view! { <Time at=at /> }.into_any(),
    );
    view! {
        <tr role="row" class:dim=dim>
            <Cell names_row=true>
                <span class="person">
                    <Avatar name=person.name.clone() />
                    <span class="two">
                        <b>
                            {person.name}
                            {is_viewer.then(|| view! { <span class="quiet">" (you)"</span> })}
                        </b>
                        <span class="quiet">{person.email}</span>
                    </span>
                </span>
            </Cell>
            <Cell label="Role">{person.role.label()}</Cell>
            <Cell label="State">
                <State status=status />
            </Cell>
            <Cell label="Added">
                <Moment at=person.created_at />
            </Cell>
            <Cell label="Last log-in">{last_login}</Cell>
            {manage}
        </tr>
    }
    .into_any()
}

/// The dialog with everything that a superuser can do about a person.
#[component]
fn Manage(person: PersonRow) -> impl IntoView {
    let PersonRow {
        id,
        name,
        role,
        active,
        ..
    } = person;
    let dialog = format!("manage-{id}");
    let action = |what: &str| format!("/users/{id}/{what}");
    let (change_role, make_link) = (action("role"), action("password-link"));
    let role_id = format!("role-{id}");
    let title = name.clone();
    let state = if active {
        view! {
            <form class="stack-s" method="post" action=action("disable")>
                <p class="dialog-text">
                    "Disabled people cannot log in and their sessions end at once. Credentials that \
                    they own keep working and show as orphaned."
                </p>
                <button class="btn danger">"Disable"</button>
            </form>
        }
        .into_any()
    } else {
        view! {
            <form class="stack-s" method="post" action=action("enable")>
                <p class="dialog-text">"They can log in again with the password that they have."</p>
                <button class="btn">"Enable"</button>
            </form>
        }
        .into_any()
    };
    view! {
        <DialogLink dialog=dialog.clone() class="btn small">
            "Manage "
            <span class="vh">{name}</span>
        </DialogLink>
        <Dialog id=dialog title=title>
            <section>
                <form class="stack-s" method="post" action=change_role>
                    <Select
                        name="role"
                        id=role_id
                        label="Role"
                        options=roles()
                        value=role.as_str()
                        hint="It counts from their next click on."
                    />
                    <button class="btn">"Change role"</button>
                </form>
            </section>
            <section>
                <form class="stack-s" method="post" action=make_link>
                    <p class="dialog-text">
                        "For somebody who lost their password or their first link: a new link, with \
                        which they choose one."
                    </p>
                    <button class="btn">"Make a password link"</button>
                </form>
            </section>
            <section>{state}</section>
            <DialogActions leave="Close" />
        </Dialog>
    }
    .into_any()
}

/// Values and words of the roles.
fn roles() -> Vec<(String, String)> {
    Role::ALL
        .map(|role| (role.as_str().to_owned(), role.label().to_owned()))
        .to_vec()
}

#[component]
fn AddPerson(outcome: Option<FormOutcome>) -> impl IntoView {
    view! {
        <section class="card section" id="add">
            <h2>"Add a person"</h2>
            <p>"You get a link to pass on, with which they choose their password."</p>
            <PostForm action=ADD outcome=outcome>
                <div class="fields">
                    <Field name="name" label="Name" />
                    <Field name="email" label="E-mail" kind=Input::Email maxlength=254 />
                    <Select
                        name="role"
                        label="Role"
                        options=roles()
                        value=Role::Support.as_str()
                        hint="Only superusers create credentials and manage people."
                    />
                </div>
                <div class="form-actions">
                    <button class="btn primary">"Add person"</button>
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}

/// A link with which a person chooses a password. It is not kept anywhere.
#[component]
fn PasswordLink(shown: ShownOnce) -> impl IntoView {
    let ShownOnce::WelcomeLink {
        name,
        email,
        url,
        expires_at,
    } = shown
    else {
        return ().into_any();
    };
    view! {
        <section class="card section stack" aria-labelledby="link-title">
            <h2 id="link-title">{format!("Pass this link on to {name}")}</h2>
            <p>
                {format!("With it, {email} chooses a password. It works once, until ")}
                <Moment at=expires_at time=true /> ". It is shown only now."
            </p>
            <div class="copy">
                <code>{url.clone()}</code>
                <CopyButton text=url what="the link" />
            </div>
        </section>
    }
    .into_any()
}

//! What a superuser can do about a person: the forms of their page.

use domain::role::Role;
use leptos::prelude::*;

use super::{PersonDetail, PersonRow};
use crate::components::{Field, Input, PostForm, Select};
use crate::form::FormOutcome;
use crate::words::count;

/// Values and words of the roles.
pub(super) fn roles() -> Vec<(String, String)> {
    Role::ALL
        .map(|role| (role.as_str().to_owned(), role.label().to_owned()))
        .to_vec()
}

/// Role, link and standing.
pub(super) fn manage(person: &PersonRow, outcome: Option<FormOutcome>) -> AnyView {
    let action = |what: &str| format!("/users/{}/{what}", person.id);
    let access = person.access.clone().unwrap_or_default();
    let role = person.role.as_str();
    let (name, email) = (person.name.clone(), person.email.clone());
    let standing = standing(person, outcome.clone());
    let follows = (access.follows_provider)
        .then_some("Their single sign-on says both at each log-in: change them there, too.");
    let (link_text, link_button) = match (access.invited, access.link_ends_at) {
        (true, Some(_)) => ("The link that they have stops working.", "Send a new link"),
        (true, None) => ("Their link has ended.", "Send a new link"),
        (false, _) => (
            "For somebody who lost their password: a link with which they choose one.",
            "Make a password link",
        ),
    };
    let link = person.active.then(|| {
        view! {
            <PostForm action=action("password-link") outcome=outcome.clone() proof=true>
                <p>{link_text}</p>
                <div class="form-actions">
                    <button class="btn">{link_button}</button>
                </div>
            </PostForm>
        }
    });
    let factor = access.second_factor.then(|| {
        view! {
            <PostForm action=action("second-factor/reset") outcome=outcome.clone() proof=true>
                <p>
                    "For somebody who lost it: their sessions end, and they log in with the password alone."
                </p>
                <div class="form-actions">
                    <button class="btn danger">"Reset second factor"</button>
                </div>
            </PostForm>
        }
    });
    view! {
        <section class="card section" id="manage">
            <h2>"Manage"</h2>
            <div class="stack">
                <PostForm action=action("person") outcome=outcome.clone() proof=true>
                    <div class="fields">
                        <Field name="name" label="Name" value=name />
                        <Field
                            name="email"
                            label="E-mail"
                            kind=Input::Email
                            value=email
                            hint="They log in with it. A link that went to the old address stops working."
                        />
                    </div>
                    {follows.map(|words| view! { <p>{words}</p> })}
                    <div class="form-actions">
                        <button class="btn">"Change name and address"</button>
                    </div>
                </PostForm>
                <PostForm action=action("role") outcome=outcome.clone() proof=true>
                    <Select
                        name="role"
                        label="Role"
                        options=roles()
                        value=role
                        hint="It counts from their next click on."
                    />
                    <div class="form-actions">
                        <button class="btn">"Change role"</button>
                    </div>
                </PostForm>
                {link}
                {factor}
                {standing}
            </div>
        </section>
    }
    .into_any()
}

fn standing(person: &PersonRow, outcome: Option<FormOutcome>) -> AnyView {
    let (what, text, class, button) = if !person.active {
        (
            "enable",
            "They can log in again with the password that they have; who never had one needs a link.",
            "btn",
            "Enable",
        )
    } else if person.access.as_ref().is_some_and(|access| access.invited) {
        (
            "disable",
            "Their link stops working, and they stay in the list as disabled.",
            "btn danger",
            "Withdraw the invite",
        )
    } else {
        (
            "disable",
            "They cannot log in and their sessions end at once. Credentials that they own keep \
             working and show as orphaned.",
            "btn danger",
            "Disable",
        )
    };
    view! {
        <PostForm
            action=format!("/users/{}/{what}", person.id)
            outcome=outcome
            proof=what == "enable"
        >
            <p>{text}</p>
            <div class="form-actions">
                <button class=class>{button}</button>
            </div>
        </PostForm>
    }
    .into_any()
}

/// Gives credentials of the person to somebody else.
pub(super) fn give(detail: &PersonDetail, outcome: Option<FormOutcome>) -> Option<AnyView> {
    if detail.owned.is_empty() || detail.heirs.is_empty() {
        return None;
    }
    let all = match detail.person.credentials {
        1 => "The one credential".to_owned(),
        more => format!("All {}", count(more, "credential")),
    };
    let which = std::iter::once(("all".to_owned(), all))
        .chain(detail.owned.clone().into_iter().map(|(key_id, name)| {
            let words = format!("{name} ({key_id})");
            (key_id, words)
        }))
        .collect();
    let action = format!("/users/{}/give", detail.person.id);
    let heirs = detail.heirs.clone();
    Some(
        view! {
            <PostForm action=action outcome=outcome proof=true>
                <div class="fields">
                    <Select name="which" label="Give" options=which />
                    <Select name="to" label="To" options=heirs />
                </div>
                <div class="form-actions">
                    <button class="btn">"Give over"</button>
                </div>
            </PostForm>
        }
        .into_any(),
    )
}

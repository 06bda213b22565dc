//! The page of a person: superusers see everybody's, everybody their own.

use domain::role::Permission;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::links::WelcomeLinks;
use super::manage::{give, manage};
use super::{PersonDetail, PersonRow, get_person};
use crate::components::{ErrorState, Moment, Notice, PageHead, Skeleton, State, Time, Tone};
use crate::error::ApiError;
use crate::features::sessions::Sessions;
use crate::form::{Answer, FormOutcome, use_answer};
use crate::url::escape;
use crate::viewer::Viewer;
use crate::words::count;

/// The page of a person.
#[component]
pub fn PersonPage() -> impl IntoView {
    let Answer {
        outcome,
        shown_once,
    } = use_answer();
    let params = use_params_map();
    let id = move || params.read().get("id").unwrap_or_default();
    let person = Resource::new_blocking(id, get_person);
    view! {
        {shown_once.map(|shown| view! { <WelcomeLinks shown=shown /> })}
        <Transition fallback=|| {
            view! { <div class="card"><Skeleton /></div> }
        }>
            {move || {
                let outcome = outcome.clone();
                Suspend::new(async move { contents(person.await, outcome) })
            }}
        </Transition>
    }
    .into_any()
}

fn contents(detail: Result<PersonDetail, ApiError>, outcome: Option<FormOutcome>) -> AnyView {
    let detail = match detail {
        Ok(detail) => detail,
        Err(error) => {
            return view! { <div class="card"><ErrorState error=error whole_page=true /></div> }
                .into_any();
        }
    };
    let person = &detail.person;
    let manages = Viewer::current().can(Permission::ManageUsers);
    let story = detail.story.clone().into_iter();
    let story = story.map(crate::features::audit::entry).collect_view();
    view! {
        <PageHead title=person.name.clone() lead=person.email.clone() back=("/users", "Users") />
        <div class="stack narrow">
            {facts(person, detail.password_locked)}
            {credentials(&detail, outcome.clone())}
            {manages.then(|| manage(person, outcome))}
            <Sessions person=person.id.clone() />
            <section class="card section">
                <h2>"Story"</h2>
                <p>"The last hundred entries of the audit log about this person, newest first."</p>
                <ol class="story">{story}</ol>
            </section>
        </div>
    }
    .into_any()
}

fn facts(person: &PersonRow, password_locked: bool) -> AnyView {
    let access = person.access.clone().unwrap_or_default();
    let last_login = access.last_login_at.map_or_else(
        || "Never".into_any(),
        |at| view! { <Moment at=at time=true /> " (" <Time at=at /> ")" }.into_any(),
    );
    let locked = password_locked.then(|| {
        view! {
            <dt>"Password"</dt>
            <dd>"Locked after too many wrong ones, until they choose another"</dd>
        }
    });
    view! {
        <section class="card section" aria-label="Facts">
            <dl class="facts">
                <dt>"State"</dt>
                <dd class="line">
                    <State status=person.status() />
                    {invite(person)}
                </dd>
                <dt>"Role"</dt>
                <dd>{person.role.label()}</dd>
                <dt>"Logs in"</dt>
                <dd>{access.source}</dd>
                {locked}
                <dt>"Second factor"</dt>
                <dd>{if access.second_factor { "Yes" } else { "None" }}</dd>
                <dt>"Added"</dt>
                <dd>
                    <Moment at=person.created_at time=true />
                </dd>
                <dt>"Last log-in"</dt>
                <dd>{last_login}</dd>
            </dl>
        </section>
    }
    .into_any()
}

/// How long an invited person still has.
pub(super) fn invite(person: &PersonRow) -> Option<AnyView> {
    let access = person.access.as_ref().filter(|access| access.invited)?;
    if !person.active {
        return None;
    }
    let words = match access.link_ends_at {
        Some(at) => view! { "link ends " <Moment at=at time=true /> }.into_any(),
        None => "link has ended".into_any(),
    };
    Some(view! { <span class="quiet">{words}</span> }.into_any())
}

fn credentials(detail: &PersonDetail, outcome: Option<FormOutcome>) -> AnyView {
    let person = &detail.person;
    let orphaned = (!person.active && person.credentials > 0).then(|| {
        view! {
            <Notice tone=Tone::Warn>
                "They are orphaned: they keep working, and nobody cares for them."
            </Notice>
        }
    });
    let owned = match person.credentials {
        0 => "Owns no credential that is active or quarantined.".to_owned(),
        some => format!(
            "Owns {} that work or can work again.",
            count(some, "credential")
        ),
    };
    let list = format!("/credentials?owner={}", escape(&person.id));
    view! {
        <section class="card section stack" id="credentials">
            <h2>"Credentials"</h2>
            <p>{owned} " " <a href=list>"See all that they own"</a></p>
            {orphaned}
            {give(detail, outcome)}
        </section>
    }
    .into_any()
}

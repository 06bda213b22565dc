//! One credential: its facts, what it may do, its secrets and keys, its story, and what may be
//! done with it.

use domain::access::Access;
use domain::catalogue::Catalogue;
use domain::credential::State as CredentialState;
use domain::role::Permission;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::keys::keys;
use super::limits::limits;
use super::rows::{last_use, owner};
use super::summary::{access_words, end_words};
use super::usage::usage;
use super::{CredentialDetail, Life, get_credential};
use crate::components::{
    CopyButton, Dialog, DialogActions, DialogLink, ErrorState, Field, Matrix, Moment, Notice,
    PageHead, PostForm, ScopeStrip, Skeleton, State, Time, Tone,
};
use crate::features::catalogue::{Ask, can_call, get_catalogue, matrix_rows, strip};
use crate::form::{FormOutcome, use_answer};
use crate::viewer::Viewer;

/// The page of one credential.
#[component]
pub fn CredentialPage() -> impl IntoView {
    let outcome = StoredValue::new(use_answer().outcome);
    let params = use_params_map();
    let key_id = move || params.with(|params| params.get("key_id").unwrap_or_default());
    let credential = Resource::new_blocking(key_id, get_credential);
    let catalogue = Resource::new_blocking(|| (), |()| get_catalogue());
    view! {
        <Transition fallback=|| {
            view! { <div class="card"><Skeleton lines=12 /></div> }
        }>
            {move || Suspend::new(async move {
                match (credential.await, catalogue.await) {
                    (Ok(credential), Ok(catalogue)) => {
                        page(&credential, &catalogue, outcome.get_value())
                    }
                    (Err(error), _) | (_, Err(error)) => {
                        view! { <div class="card"><ErrorState error=error /></div> }.into_any()
                    }
                }
            })}
        </Transition>
    }
    .into_any()
}

fn page(
    credential: &CredentialDetail,
    catalogue: &Catalogue,
    outcome: Option<FormOutcome>,
) -> AnyView {
    let page = format!("/credentials/{}", credential.key_id);
    let actions = actions(credential, &page);
    let dialogs = dialogs(credential, &page, outcome.as_ref());
    let keys = keys(credential, &page, outcome.as_ref());
    let limits = limits(credential, &page, outcome.as_ref());
    let usage = usage(&credential.usage);
    let refusal = outcome.map(|outcome| {
        let words = outcome
            .message
            .into_iter()
            .chain(outcome.errors.into_iter().map(|e| e.message));
        let words = words.collect::<Vec<_>>().join(" ");
        view! { <div role="alert"><Notice tone=Tone::Bad>{words}</Notice></div> }
    });
    let access = credential.access.clone();
    let ended = credential.life.has_ended();
    let life = credential.life.clone();
    let ask = view! {
        <AskCard page=page access=access.clone() life=life catalogue=catalogue.clone() />
    };
    let scopes = matrix_rows(catalogue, &access);
    let story = credential
        .story
        .clone()
        .into_iter()
        .map(crate::features::audit::entry)
        .collect_view();
    view! {
        <PageHead
            title=credential.name.clone()
            lead=credential.purpose.clone()
            back=("/credentials", "Credentials")
        >
            {actions}
        </PageHead>
        <div class="split">
            <div class="stack">
                {refusal} {standing(&credential.life)} {facts(credential, catalogue)}
                <section class="card section">
                    <h2>{if ended { "What it could do" } else { "What it may do" }}</h2>
                    <p>"Each scope unfolds to its endpoints."</p>
                    <Matrix scopes=scopes />
                </section>
                {usage} {keys} {limits}
                <section class="card section">
                    <h2>"Story"</h2>
                    <p>"The last hundred entries of the audit log about it, newest first."</p>
                    <ol class="story">{story}</ol>
                </section>
            </div>
            {ask}
        </div>
        {dialogs}
    }
    .into_any()
}

/// Who stopped it, when and why.
fn standing(life: &Life) -> Option<AnyView> {
    let mark = life.mark.clone()?;
    let (tone, verb) = match life.state {
        CredentialState::Revoked => (Tone::Plain, "Revoked"),
        _ => (Tone::Bad, "Quarantined"),
    };
    let reason = mark
        .reason
        .map(|reason| view! { <p>{format!("“{reason}”")}</p> });
    Some(
        view! {
            <Notice tone=tone>
                <p>
                    <b>{format!("{verb} by {}", mark.by)}</b> ", " <Moment at=mark.at time=true /> "."
                </p>
                {reason}
            </Notice>
        }
        .into_any(),
    )
}

fn facts(credential: &CredentialDetail, catalogue: &Catalogue) -> AnyView {
    let life = &credential.life;
    let end = life.expires_at.map_or_else(
        || "Never".into_any(),
        |at| view! { <Moment at=at time=true /> " (" <Time at=at /> ")" }.into_any(),
    );
    let last = credential
        .last_use
        .clone()
        .map(|last| view! { " " <Moment at=last.at time=true /> });
    let status = life.status();
    let key_id = credential.key_id.clone();
    view! {
        <section class="card section" aria-label="Facts">
            <dl class="facts">
                <dt>"State"</dt>
                <dd>
                    <State status=status />
                </dd>
                <dt>"Key id"</dt>
                <dd class="line">
                    <code>{key_id.clone()}</code>
                    <CopyButton text=key_id what="key id" />
                </dd>
                <dt>"Signs in with"</dt>
                <dd>{credential.flow.label()}</dd>
                <dt>"Access"</dt>
                <dd class="line">
                    {credential.access.kind().label()}
                    <ScopeStrip scopes=strip(catalogue, &credential.access) />
                </dd>
                <dt>"Expires"</dt>
                <dd>{end}</dd>
                <dt>"Owner"</dt>
                <dd>{owner(credential.owner.clone())}</dd>
                <dt>"Issued"</dt>
                <dd>
                    <Moment at=credential.created_at time=true />
                    {format!(" by {}", credential.created_by)}
                </dd>
                <dt>"Last used"</dt>
                <dd>{last_use(credential.last_use.clone())} {last}</dd>
            </dl>
        </section>
    }
    .into_any()
}

#[component]
fn AskCard(page: String, access: Access, life: Life, catalogue: Catalogue) -> impl IntoView {
    let words = access_words(&catalogue, &access);
    let end = (life.state == CredentialState::Active).then(|| end_words(Ok(life.expires_at)));
    let stopped = (life.state != CredentialState::Active).then(|| {
        let state = life.status().label().to_lowercase();
        view! {
            <p class="quiet">
                {format!("It is {state}, so every call is refused. This is what its access says.")}
            </p>
        }
    });
    let answer =
        move |(method, path): (String, String)| can_call(&catalogue, &access, &method, &path);
    view! {
        <aside class="card summary">
            <h2>"In plain words"</h2>
            <ul>{words} {end}</ul>
            {stopped}
            <Ask title="Can this key call …?" page=page answer=answer />
        </aside>
    }
    .into_any()
}

/// Something that may be done with a credential.
struct Step {
    /// The id of its dialog, and the end of its path.
    word: &'static str,
    label: &'static str,
    text: &'static str,
    needs_reason: bool,
    danger: bool,
}

const QUARANTINE: Step = Step {
    word: "disable",
    label: "Quarantine",
    text: "The next call with this key is refused, everywhere. Streams that are open go on until they end. A superuser can re-enable it.",
    needs_reason: true,
    danger: true,
};

const ENABLE: Step = Step {
    word: "enable",
    label: "Re-enable",
    text: "The key works again, from the next call on.",
    needs_reason: false,
    danger: false,
};

const REVOKE: Step = Step {
    word: "revoke",
    label: "Revoke",
    text: "The key never works again, and this can't be undone. It stays in the list as ended.",
    needs_reason: false,
    danger: true,
};

/// What somebody may do with a credential as it stands.
fn steps(life: &Life, can: impl Fn(Permission) -> bool) -> Vec<Step> {
    let manages = can(Permission::ManageCredentials);
    let stopped = life.state == CredentialState::Disabled;
    [
        (ENABLE, manages && stopped),
        (
            QUARANTINE,
            can(Permission::QuarantineCredential) && !stopped,
        ),
        (REVOKE, manages),
    ]
    .into_iter()
    .filter(|(_, may)| *may && !life.has_ended())
    .map(|(step, _)| step)
    .collect()
}

fn actions(credential: &CredentialDetail, page: &str) -> AnyView {
    let life = &credential.life;
    let edits = Viewer::current().can(Permission::ManageCredentials) && !life.has_ended();
    let edit = edits.then(|| {
        view! { <a class="btn" href=format!("{page}/edit")>"Edit"</a> }
    });
    let steps = steps(life, |permission| Viewer::current().can(permission))
        .into_iter()
        .map(|step| {
            let class = if step.danger { "btn danger" } else { "btn" };
            view! { <DialogLink dialog=step.word class=class>{step.label}</DialogLink> }
        });
    view! { {edit} {steps.collect_view()} }.into_any()
}

fn dialogs(
    credential: &CredentialDetail,
    page: &str,
    outcome: Option<&FormOutcome>,
) -> Vec<AnyView> {
    let name = &credential.name;
    steps(&credential.life, |permission| {
        Viewer::current().can(permission)
    })
    .into_iter()
    .map(|step| {
        let class = if step.danger {
            "btn danger primary"
        } else {
            "btn primary"
        };
        let (action, outcome) = (format!("{page}/{}", step.word), outcome.cloned());
        view! {
            <Dialog id=step.word title=format!("{} {name}?", step.label)>
                <p class="dialog-text">{step.text}</p>
                <PostForm action=action outcome=outcome proof=step.word == "enable">
                    <Field
                        name="reason"
                        id=format!("{}-reason", step.word)
                        label="Reason"
                        hint="Everyone on the team reads it."
                        maxlength=300
                        optional=!step.needs_reason
                    />
                    <DialogActions>
                        <button class=class>{step.label}</button>
                    </DialogActions>
                </PostForm>
            </Dialog>
        }
        .into_any()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;
    use crate::features::sample;
    use domain::role::Role;

    #[test]
    fn who_stopped_it_and_why_is_told() {
        let mark = Mark {
            at: "2026-11-03T09:00:00Z".parse().unwrap(),
            by: "Amina Said".to_owned(),
            reason: Some("leaked".to_owned()),
        };
        let life = |state| Life {
            state,
            expiring: false,
            expires_at: None,
            mark: Some(mark.clone()),
        };
        let html = sample::html(|| standing(&life(CredentialState::Disabled)));
        assert!(
            html.contains("Quarantined by Amina Said") && html.contains("“leaked”"),
            "{html}"
        );
        let html = sample::html(|| standing(&life(CredentialState::Revoked)));
        assert!(html.contains("Revoked by Amina Said"), "{html}");
        let active = Life {
            mark: None,
            ..life(CredentialState::Active)
        };
        assert!(standing(&active).is_none());
    }

    #[test]
    fn what_a_viewer_may_do_follows_role_and_state() {
        let may = |role: Role, state| {
            let life = Life {
                state,
                expiring: false,
                expires_at: None,
                mark: None,
            };
            let steps = steps(&life, |permission| role.can(permission));
            steps.iter().map(|step| step.word).collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(
            may(Role::Superuser, CredentialState::Active),
            ["disable", "revoke"]
        );
        assert_eq!(
            may(Role::Superuser, CredentialState::Disabled),
            ["enable", "revoke"]
        );
        assert_eq!(may(Role::Superuser, CredentialState::Expired), none);
        assert_eq!(may(Role::Superuser, CredentialState::Revoked), none);
        assert_eq!(may(Role::Operations, CredentialState::Active), ["disable"]);
        assert_eq!(may(Role::Developer, CredentialState::Disabled), none);
        assert_eq!(may(Role::Support, CredentialState::Active), none);
    }
}

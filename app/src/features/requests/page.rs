//! The page for looking a request up by its id, which is in the URL.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{Decision, find_decision};
use crate::components::{
    CopyButton, EmptyState, ErrorState, Field, Glyph, Moment, Notice, PageHead, Skeleton, Time,
    Tone,
};
use crate::error::ApiError;

/// The page.
#[component]
pub fn LookUpPage() -> impl IntoView {
    let query = use_query_map();
    let asked = move || query.read().get("request").unwrap_or_default();
    let typed = query.read_untracked().get("request").unwrap_or_default();
    let decision = Resource::new_blocking(asked, |id| async move {
        if id.trim().is_empty() {
            return Ok(None);
        }
        find_decision(id).await.map(Some)
    });
    view! {
        <PageHead
            title="Look up a request"
            lead="Every answer of the gate and of the endpoints for tokens has an X-Request-ID. Refused requests are kept for a week, and a sample of the calls and token requests that were not."
        />
        <div class="stack">
            <section class="card section">
                <form class="form" method="get" action="/lookup" role="search">
                    <Field
                        name="request"
                        label="Request id"
                        value=typed
                        maxlength=64
                        autofocus=true
                    />
                    <div class="form-actions">
                        <button class="btn primary">"Look up"</button>
                    </div>
                </form>
            </section>
            <Transition fallback=|| {
                view! { <div class="card"><Skeleton /></div> }
            }>{move || Suspend::new(async move { answer(decision.await) })}</Transition>
        </div>
    }
    .into_any()
}

fn answer(decision: Result<Option<Decision>, ApiError>) -> Option<AnyView> {
    match decision {
        Ok(None) => None,
        Ok(Some(decision)) => Some(found(decision)),
        Err(ApiError::NotFound { .. }) => Some(
            view! {
                <div class="card">
                    <EmptyState
                        glyph=Glyph::Search
                        title="No such request"
                        text="It is older than a week, was let through without being sampled, was one of very many at once, or the id is not complete."
                    />
                </div>
            }
            .into_any(),
        ),
        Err(error) => {
            Some(view! { <div class="card"><ErrorState error=error /></div> }.into_any())
        }
    }
}

fn found(decision: Decision) -> AnyView {
    let (tone, verdict) = match (decision.allowed, decision.report_only) {
        (true, true) => (Tone::Warn, "Let through, and reported"),
        (true, false) => (Tone::Ok, "Let through"),
        (false, _) => (Tone::Bad, "Refused"),
    };
    let surface = match decision.surface.as_str() {
        "token" => "The token endpoint",
        "introspect" => "The introspection endpoint",
        "revoke" => "The revocation endpoint",
        _ => "The gate",
    };
    let repeat = decision.asked_again.then(|| {
        view! {
            <p class="quiet">
                "The gateway asked twice: this is its second question, for the words. It counts as no call."
            </p>
        }
    });
    let credential = decision.credential.map_or_else(
        || view! { <span class="quiet">"not known"</span> }.into_any(),
        |(key_id, name)| match name {
            Some(name) => {
                view! { <a href=format!("/credentials/{key_id}")>{name}</a> " " <code>{key_id}</code> }
                    .into_any()
            }
            None => view! { <code>{key_id}</code> " " <span class="quiet">"does not exist"</span> }
                .into_any(),
        },
    );
    let scopes = decision.scopes.map(|(needs, has)| {
        view! {
            <dt>"Needs"</dt>
            <dd>
                <code>{needs}</code>
            </dd>
            <dt>"Has"</dt>
            <dd>{if has == "none" { "no access".to_owned() } else { has }}</dd>
        }
    });
    view! {
        <section class="card section" aria-label="Decision">
            <Notice tone=tone>
                <p>
                    <b>{verdict}</b> ": " {decision.reason} "."
                </p>
                {repeat}
            </Notice>
            <dl class="facts">
                <dt>"Decided by"</dt>
                <dd>{surface}</dd>
                <dt>"When"</dt>
                <dd>
                    <Moment at=decision.at time=true /> " (" <Time at=decision.at /> ")"
                </dd>
                <dt>"Call"</dt>
                <dd>
                    <code>{decision.call}</code>
                </dd>
                <dt>"Credential"</dt>
                <dd>{credential}</dd>
                {scopes}
                <dt>"From"</dt>
                <dd>{decision.address.unwrap_or_else(|| "not known".to_owned())}</dd>
                <dt>"Request"</dt>
                <dd class="line">
                    <code>{decision.request_id.clone()}</code>
                    <CopyButton text=decision.request_id what="request id" />
                </dd>
            </dl>
        </section>
    }
    .into_any()
}

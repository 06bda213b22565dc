//! What the page says back: a toast after something was done, notices, and what stands in the
//! place of content that is empty, failed or on its way.

use leptos::prelude::*;
use leptos_router::hooks::use_location;

use super::{Glyph, Icon};
use crate::error::ApiError;
use crate::flash::Flash;
use crate::viewer::Viewer;

/// The colour of a notice or a chip.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Says something.
    #[default]
    Plain,
    /// Stands out.
    Accent,
    /// All is well.
    Ok,
    /// Take care.
    Warn,
    /// Went wrong.
    Bad,
}

impl Tone {
    /// The class that colours it.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Accent => "accent",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A few words that belong to the thing beside them.
#[component]
pub fn Notice(
    /// Its colour.
    #[prop(optional)]
    tone: Tone,
    /// The words.
    children: Children,
) -> impl IntoView {
    let glyph = match tone {
        Tone::Plain | Tone::Accent => Glyph::Info,
        Tone::Ok => Glyph::Check,
        Tone::Warn | Tone::Bad => Glyph::Alert,
    };
    view! {
        <div class=format!("notice {}", tone.class())>
            <Icon glyph=glyph />
            <div>{children()}</div>
        </div>
    }
    .into_any()
}

/// Says what was just done, after `?done=…` in the URL. Once, in the frame of the pages.
#[component]
pub fn Toast() -> impl IntoView {
    let location = use_location();
    let flash = Memo::new(move |_| {
        location
            .query
            .read()
            .get_str("done")
            .and_then(|word| word.parse::<Flash>().ok())
    });
    view! {
        <div role="status" aria-live="polite">
            {move || {
                flash
                    .get()
                    .map(|flash| {
                        view! {
                            <div class="toast">
                                <Icon glyph=Glyph::Check />
                                <span>{flash.message()}</span>
                                <a
                                    class="btn ghost small icon"
                                    href=move || location.pathname.get()
                                    aria-label="Dismiss"
                                >
                                    <Icon glyph=Glyph::Cross />
                                </a>
                            </div>
                        }
                    })
            }}
        </div>
    }
    .into_any()
}

/// In the place of a list with nothing in it: why, and what to do.
#[component]
pub fn EmptyState(
    /// A picture of what would be here.
    glyph: Glyph,
    /// What there is none of.
    #[prop(into)]
    title: String,
    /// Why, and what to do.
    #[prop(into)]
    text: String,
    /// Links and buttons.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="empty">
            <Icon glyph=glyph />
            <h2>{title}</h2>
            <p>{text}</p>
            {children.map(|children| view! { <div class="line">{children()}</div> })}
        </div>
    }
    .into_any()
}

/// In the place of content that could not be had: what happened and what to do next.
#[component]
pub fn ErrorState(
    /// What went wrong.
    error: ApiError,
    /// There is nothing else on the page: its title is the page's heading.
    #[prop(optional)]
    whole_page: bool,
) -> impl IntoView {
    let location = use_location();
    let here = move || {
        format!(
            "{}{}",
            location.pathname.get(),
            location.query.read().to_query_string()
        )
    };
    let link = match error {
        ApiError::Unauthenticated => {
            let href = move || format!("/login?expired=1&next={}", crate::url::escape(&here()));
            view! { <a class="btn primary" rel="external" href=href>"Log in"</a> }.into_any()
        }
        ApiError::Unavailable | ApiError::Internal { .. } | ApiError::Throttled { .. } => {
            view! { <a class="btn" rel="external" href=here>"Load again"</a> }.into_any()
        }
        _ if Viewer::current().user().is_none() => {
            view! { <a class="btn" rel="external" href="/login">"Log in"</a> }.into_any()
        }
        _ => view! { <a class="btn" href="/credentials">"To the credentials"</a> }.into_any(),
    };
    let heading = if whole_page {
        view! { <h1>{error.title()}</h1> }.into_any()
    } else {
        view! { <h2>{error.title()}</h2> }.into_any()
    };
    view! {
        <div class="empty bad" role="alert">
            <Icon glyph=Glyph::Alert />
            {heading}
            <p>{error.advice()}</p>
            <div class="line">{link}</div>
        </div>
    }
    .into_any()
}

/// In the place of content on its way.
#[component]
pub fn Skeleton(
    /// How many lines.
    #[prop(default = 6)]
    lines: usize,
) -> impl IntoView {
    view! {
        <div class="skeleton" role="status">
            <span class="vh">"Loading…"</span>
            {vec![(); lines].into_iter().map(|()| view! { <i></i> }).collect_view()}
        </div>
    }
    .into_any()
}

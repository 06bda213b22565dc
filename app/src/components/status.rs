//! How things stand: a state in a word and a dot, a chip, the strip of scopes.

use domain::scope::AccessLevel;
use leptos::prelude::*;

use super::Tone;

/// The states that the interface tells apart, of credentials and of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Works.
    Active,
    /// Works, and will soon have expired.
    Expiring,
    /// Ended by itself.
    Expired,
    /// Disabled in an emergency; can be re-enabled.
    Quarantined,
    /// Ended for good.
    Revoked,
    /// A person who may not log in.
    Disabled,
    /// A person who was added and has never come in.
    Invited,
}

impl Status {
    /// The word that people see.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Expiring => "Expiring",
            Self::Expired => "Expired",
            Self::Quarantined => "Quarantined",
            Self::Revoked => "Revoked",
            Self::Disabled => "Disabled",
            Self::Invited => "Invited",
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Active => "state ok",
            Self::Expiring | Self::Invited => "state warn",
            Self::Quarantined => "state bad",
            Self::Expired | Self::Revoked | Self::Disabled => "state ended",
        }
    }
}

/// A state: a dot and a word.
#[component]
pub fn State(
    /// Which.
    status: Status,
) -> impl IntoView {
    view! { <span class=status.class()>{status.label()}</span> }.into_any()
}

/// A short word in a rounded box.
#[component]
pub fn Chip(
    /// Its colour.
    #[prop(optional)]
    tone: Tone,
    /// The word.
    children: Children,
) -> impl IntoView {
    view! { <span class=format!("chip {}", tone.class())>{children()}</span> }.into_any()
}

/// One cell for each scope, in the order of the catalogue; the height says the level.
#[component]
pub fn ScopeStrip(
    /// The labels of the scopes and the level on each.
    scopes: Vec<(String, AccessLevel)>,
) -> impl IntoView {
    let words = strip_words(&scopes);
    let cells = scopes
        .iter()
        .map(|(_, level)| view! { <i class=level.as_str()></i> })
        .collect_view();
    view! { <span class="strip" role="img" aria-label=words.clone() title=words>{cells}</span> }
        .into_any()
}

/// The strip in words: `Read & write: Journaling. Read only: Accounts, Data. No access: Admin.`
#[must_use]
pub fn strip_words(scopes: &[(String, AccessLevel)]) -> String {
    AccessLevel::ALL
        .into_iter()
        .rev()
        .filter_map(|level| {
            let labels: Vec<&str> = scopes
                .iter()
                .filter(|(_, of_scope)| *of_scope == level)
                .map(|(label, _)| label.as_str())
                .collect();
            (!labels.is_empty()).then(|| format!("{}: {}.", level.label(), labels.join(", ")))
        })
        .collect::<Vec<_>>()
        .join(" ")
}

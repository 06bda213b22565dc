//! Scopes by levels: to choose from, or to read. Each scope unfolds to its endpoints.

use domain::scope::{AccessLevel, Level};
use leptos::prelude::*;

use super::{Glyph, Icon};
use crate::form::FormState;

/// One endpoint of the protected API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The method.
    pub method: String,
    /// The path pattern.
    pub path: String,
    /// What a call needs; nothing for one that anybody may make.
    pub level: Option<Level>,
}

/// One scope of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeRow {
    /// The wire name.
    pub name: String,
    /// The words for it.
    pub label: String,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
    /// The level at first, or the level that is shown.
    pub level: AccessLevel,
}

impl ScopeRow {
    fn all_reads(&self) -> bool {
        self.endpoints
            .iter()
            .all(|endpoint| endpoint.level != Some(Level::Write))
    }

    /// `23 endpoints`, `8 endpoints, all reads`.
    fn extent(&self) -> String {
        let plural = if self.endpoints.len() == 1 { "" } else { "s" };
        let reads = if self.all_reads() { ", all reads" } else { "" };
        format!("{} endpoint{plural}{reads}", self.endpoints.len())
    }
}

/// The matrix. With `editable` each scope is a radio group named `scope.<wire name>` with the values
/// `none`, `read` and `write`; without, marks say the levels.
#[component]
pub fn Matrix(
    /// The scopes in catalogue order.
    scopes: Vec<ScopeRow>,
    /// Offers radios.
    #[prop(optional)]
    editable: bool,
    /// Called with wire name and level that were just chosen.
    #[prop(optional, into)]
    on_level: Option<Callback<(String, AccessLevel)>>,
) -> impl IntoView {
    let rows = scopes
        .into_iter()
        .map(|scope| row(scope, editable, on_level))
        .collect_view();
    view! {
        <div class="matrix">
            <div class="matrix-head" aria-hidden="true">
                <span>"Scope"</span>
                {AccessLevel::ALL.map(|level| view! { <span>{level.label()}</span> }).collect_view()}
            </div>
            {rows}
        </div>
    }
    .into_any()
}

fn row(
    scope: ScopeRow,
    editable: bool,
    on_level: Option<Callback<(String, AccessLevel)>>,
) -> AnyView {
    let field = format!("scope.{}", scope.name);
    let typed = FormState::current()
        .value(&field)
        .and_then(|value| value.parse().ok());
    let chosen = typed.unwrap_or(scope.level);
    // Where all endpoints are reads, writing adds nothing: one radio stands for both.
    let all_reads = scope.all_reads();
    let chosen = if all_reads {
        chosen.min(AccessLevel::Read)
    } else {
        chosen
    };
    let levels = if all_reads {
        &AccessLevel::ALL[..2]
    } else {
        &AccessLevel::ALL[..]
    };
    let cells = levels
        .iter()
        .map(|&level| {
            if editable {
                radio(&field, &scope.name, level, level == chosen, on_level)
            } else {
                mark(level, level == chosen)
            }
        })
        .collect_view();
    let same = (all_reads && editable)
        .then(|| view! { <span class="level same">"same as Read only"</span> });
    let label = scope.label.clone();
    view! {
        <div class="matrix-row" role=if editable { "radiogroup" } else { "group" } aria-label=label>
            <details>
                <summary>
                    <Icon glyph=Glyph::Chevron />
                    <b>{scope.label.clone()}</b>
                    <small>{scope.extent()}</small>
                </summary>
                <Endpoints endpoints=scope.endpoints />
            </details>
            {cells}
            {same}
        </div>
    }
    .into_any()
}

fn radio(
    field: &str,
    scope: &str,
    level: AccessLevel,
    checked: bool,
    on_level: Option<Callback<(String, AccessLevel)>>,
) -> AnyView {
    let scope = scope.to_owned();
    let choose = move |_| {
        if let Some(on_level) = on_level {
            on_level.run((scope.clone(), level));
        }
    };
    view! {
        <label class="level">
            <input
                class="radio"
                type="radio"
                name=field.to_owned()
                value=level.as_str()
                checked=checked
                on:change=choose
            />
            <span class="level-word">{level.label()}</span>
        </label>
    }
    .into_any()
}

/// A mark at the level that counts; the others stay empty.
fn mark(level: AccessLevel, is_level: bool) -> AnyView {
    let content = is_level.then(|| {
        view! {
            <Icon glyph=Glyph::Check class="mark" />
            <span class="level-word">{level.label()}</span>
        }
    });
    view! { <span class="level">{content}</span> }.into_any()
}

/// Endpoints with the level that each needs.
#[component]
pub fn Endpoints(
    /// The endpoints.
    endpoints: Vec<Endpoint>,
) -> impl IntoView {
    let items = endpoints
        .into_iter()
        .map(|endpoint| {
            let class = if endpoint.level == Some(Level::Write) {
                "write"
            } else {
                ""
            };
            view! {
                <li>
                    <span class=class>{endpoint.method}</span>
                    <span class="path">{endpoint.path}</span>
                    <span class=class>{endpoint.level.map_or("public", Level::as_str)}</span>
                </li>
            }
        })
        .collect_view();
    view! { <ul class="endpoints">{items}</ul> }.into_any()
}

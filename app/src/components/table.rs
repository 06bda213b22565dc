//! The one table: caption, column heads (with sort links where the list sorts), rows, and the links
//! to the pages before and after. Everything is in the URL, so it works without WASM.

use leptos::prelude::*;

use super::{Glyph, Icon};

/// The order of a sorted column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Least first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// A column head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    label: &'static str,
    hidden: bool,
    sort: Option<(String, Option<Order>)>,
}

impl Column {
    /// A column that is not sorted.
    #[must_use]
    pub const fn new(label: &'static str) -> Self {
        Self {
            label,
            hidden: false,
            sort: None,
        }
    }

    /// A column whose head only screen readers need, such as the one of the buttons.
    #[must_use]
    pub const fn hidden(label: &'static str) -> Self {
        Self {
            label,
            hidden: true,
            sort: None,
        }
    }

    /// A column that can be sorted: `href` is the list sorted by it (turned round, if it is the
    /// sorted one), `order` how it is sorted now.
    #[must_use]
    pub const fn sorted(label: &'static str, href: String, order: Option<Order>) -> Self {
        Self {
            label,
            hidden: false,
            sort: Some((href, order)),
        }
    }

    fn head(self) -> AnyView {
        let Some((href, order)) = self.sort else {
            let class = if self.hidden { "vh" } else { "" };
            return view! { <th scope="col"><span class=class>{self.label}</span></th> }.into_any();
        };
        let (aria, glyph, idle) = match order {
            Some(Order::Ascending) => (Some("ascending"), Glyph::Up, ""),
            Some(Order::Descending) => (Some("descending"), Glyph::Down, ""),
            None => (None, Glyph::Up, "idle"),
        };
        view! {
            <th scope="col" aria-sort=aria>
                <a href=href>{self.label} <Icon glyph=glyph class=idle /></a>
            </th>
        }
        .into_any()
    }
}

/// A table in its own scrolling box; the children are its rows.
#[component]
pub fn Table(
    /// What it lists, for screen readers.
    #[prop(into)]
    caption: String,
    /// The column heads.
    columns: Vec<Column>,
    /// `<tr role="row">` with one [`Cell`] for each column.
    children: Children,
) -> impl IntoView {
    let heads = columns.into_iter().map(Column::head).collect_view();
    // The roles are what the elements have anyway; a phone's style sheet would take them away.
    view! {
        <div class="scroll">
            <table class="table" role="table">
                <caption>
                    <span class="vh">{caption}</span>
                </caption>
                <thead role="rowgroup">
                    <tr role="row">{heads}</tr>
                </thead>
                <tbody role="rowgroup">{children()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

/// A cell. On a phone its label stands before it; the cell that names the row has none.
#[component]
pub fn Cell(
    /// The column's label.
    #[prop(optional)]
    label: Option<&'static str>,
    /// This cell names the row.
    #[prop(optional)]
    names_row: bool,
    /// A further class.
    #[prop(optional)]
    class: &'static str,
    /// What is in it.
    children: Children,
) -> impl IntoView {
    if names_row {
        view! { <th scope="row" role="rowheader" class=class>{children()}</th> }.into_any()
    } else {
        view! { <td role="cell" class=class data-label=label>{children()}</td> }.into_any()
    }
    .into_any()
}

/// What part of a list is shown, and the links to the parts before and after.
#[component]
pub fn Pager(
    /// `1–50 of 3,120`, or the like.
    #[prop(into)]
    summary: String,
    /// The page before.
    previous: Option<String>,
    /// The page after.
    next: Option<String>,
) -> impl IntoView {
    let link = |href: Option<String>, words: &'static str, rel: &'static str| {
        href.map(|href| view! { <a class="btn small" href=href rel=rel>{words}</a> })
    };
    view! {
        <nav class="pager" aria-label="Pages of the list">
            <span class="num">{summary}</span>
            <span class="line">
                {link(previous, "Previous", "prev")}
                {link(next, "Next", "next")}
            </span>
        </nav>
    }
    .into_any()
}

//! A page's first line, and people in it.

use leptos::prelude::*;
use leptos_meta::Title;

use super::{Glyph, Icon};

/// The heading of a page, which is also the document's title, with a sentence and the actions.
#[component]
pub fn PageHead(
    /// The heading.
    #[prop(into)]
    title: String,
    /// What the page is about.
    #[prop(optional, into)]
    lead: Option<String>,
    /// Path and words of the page above.
    #[prop(optional)]
    back: Option<(&'static str, &'static str)>,
    /// Links and buttons.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let back = back.map(|(href, words)| {
        view! { <a class="back" href=href><Icon glyph=Glyph::Back />{words}</a> }
    });
    view! {
        <Title text=title.clone() />
        <header class="head">
            <div>
                {back}
                <h1>{title}</h1>
                {lead.map(|lead| view! { <p class="lead">{lead}</p> })}
            </div>
            {children.map(|children| view! { <div class="actions">{children()}</div> })}
        </header>
    }
    .into_any()
}

/// The initials of a person in a circle; the name stands beside it.
#[component]
pub fn Avatar(
    /// The person's name.
    #[prop(into)]
    name: String,
) -> impl IntoView {
    view! { <span class="avatar" aria-hidden="true">{initials(&name)}</span> }.into_any()
}

/// A person: avatar and name.
#[component]
pub fn Person(
    /// The person's name.
    #[prop(into)]
    name: String,
) -> impl IntoView {
    view! {
        <span class="person">
            <Avatar name=name.clone() />
            <span class="clip">{name}</span>
        </span>
    }
    .into_any()
}

/// The first letters of the first and the last word.
fn initials(name: &str) -> String {
    let mut words = name
        .split_whitespace()
        .filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = words.next();
    first
        .into_iter()
        .chain(words.next_back())
        .flat_map(char::to_uppercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::initials;

    #[test]
    fn initials_are_of_the_first_and_the_last_word() {
        for (name, expected) in [
            ("Mara Okafor", "MO"),
            ("Cher", "C"),
            ("Ana María de la Cruz", "AC"),
            ("émile zola", "ÉZ"),
            ("Mara (Ops) <Okafor>", "MO"),
            ("", ""),
        ] {
            assert_eq!(initials(name), expected);
        }
    }
}

//! One of several, all in sight: as cards that explain themselves or as pills. Radio groups.

use leptos::prelude::*;

use super::{Chip, Glyph, Icon, Tone};
use crate::form::FormState;

/// One choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    value: String,
    label: String,
    text: String,
    chip: Option<&'static str>,
}

impl Choice {
    /// A choice: its value in the form and the word for it.
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
            text: String::new(),
            chip: None,
        }
    }

    /// A sentence that helps to choose (cards only).
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..self
        }
    }

    /// A word that stands out, such as `Recommended` (cards only).
    #[must_use]
    pub fn chip(self, chip: &'static str) -> Self {
        Self {
            chip: Some(chip),
            ..self
        }
    }
}

/// A radio group as cards.
#[component]
pub fn ChoiceCards(
    /// The name in the form.
    #[prop(into)]
    name: String,
    /// What is being chosen, for screen readers.
    #[prop(into)]
    legend: String,
    /// The choices.
    choices: Vec<Choice>,
    /// What is chosen at first.
    #[prop(optional, into)]
    value: String,
    /// Called with the value that was just chosen.
    #[prop(optional, into)]
    on_choice: Option<Callback<String>>,
) -> impl IntoView {
    let look = |choice: &Choice| {
        let chip = choice
            .chip
            .map(|word| view! { <Chip tone=Tone::Accent>{word}</Chip> });
        view! {
            <b>{choice.label.clone()}</b>
            <small>{choice.text.clone()}</small>
            {chip}
        }
        .into_any()
    };
    group(
        name,
        legend,
        ["cards", "choice"],
        choices,
        &value,
        on_choice,
        look,
    )
}

/// A radio group as pills.
#[component]
pub fn Pills(
    /// The name in the form.
    #[prop(into)]
    name: String,
    /// What is being chosen, for screen readers.
    #[prop(into)]
    legend: String,
    /// The choices.
    choices: Vec<Choice>,
    /// What is chosen at first.
    #[prop(optional, into)]
    value: String,
    /// Called with the value that was just chosen.
    #[prop(optional, into)]
    on_choice: Option<Callback<String>>,
) -> impl IntoView {
    let look = |choice: &Choice| choice.label.clone().into_any();
    group(
        name,
        legend,
        ["pills", "pill"],
        choices,
        &value,
        on_choice,
        look,
    )
}

fn group(
    name: String,
    legend: String,
    [group_class, item_class]: [&'static str; 2],
    choices: Vec<Choice>,
    value: &str,
    on_choice: Option<Callback<String>>,
    look: impl Fn(&Choice) -> AnyView,
) -> AnyView {
    let form = FormState::current();
    let chosen = form.value(&name).unwrap_or_else(|| value.to_owned());
    let error_id = format!("{name}-error");
    let error = form.error(&name).map(|error| {
        view! {
            <span class="field-error" id=error_id.clone()>
                <Icon glyph=Glyph::Alert />
                {error}
            </span>
        }
    });
    let described_by = error.is_some().then_some(error_id);
    let items = choices
        .iter()
        .map(|choice| {
            let value = choice.value.clone();
            view! {
                <label class=item_class>
                    <input
                        type="radio"
                        name=name.clone()
                        value=choice.value.clone()
                        checked=choice.value == chosen
                        required=true
                        on:change=move |_| {
                            if let Some(on_choice) = on_choice {
                                on_choice.run(value.clone());
                            }
                        }
                    />
                    {look(choice)}
                </label>
            }
        })
        .collect_view();
    view! {
        <fieldset class="stack-s" id=name.clone() aria-describedby=described_by>
            <legend class="vh">{legend}</legend>
            <div class=group_class>{items}</div>
            {error}
        </fieldset>
    }
    .into_any()
}

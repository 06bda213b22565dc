//! Labelled controls. Each is uncontrolled: what a person types before hydration stays. Value and
//! error come from the form around the field; the id is the field's name unless given.

use leptos::prelude::*;

use super::{Glyph, Icon};
use crate::form::FormState;

/// The kind of a one-line [`Field`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Input {
    /// Any text.
    #[default]
    Text,
    /// An e-mail address.
    Email,
    /// A day.
    Date,
}

impl Input {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Email => "email",
            Self::Date => "date",
        }
    }
}

/// What every control needs from its name, and the label, hint and error around it.
pub(super) struct Frame {
    pub(super) id: String,
    label: String,
    hint: Option<String>,
    optional: bool,
    whole: bool,
    pub(super) value: Option<String>,
    error: Option<String>,
}

impl Frame {
    pub(super) fn new(name: &str, id: Option<String>, label: String, hint: Option<String>) -> Self {
        let form = FormState::current();
        Self {
            id: id.unwrap_or_else(|| name.to_owned()),
            label,
            hint,
            optional: false,
            whole: false,
            value: form.value(name),
            error: form.error(name),
        }
    }

    pub(super) fn with(self, optional: bool, whole: bool) -> Self {
        Self {
            optional,
            whole,
            ..self
        }
    }

    fn hint_id(&self) -> String {
        format!("{}-hint", self.id)
    }

    fn error_id(&self) -> String {
        format!("{}-error", self.id)
    }

    /// The ids of error and hint, for `aria-describedby`.
    pub(super) fn described_by(&self) -> Option<String> {
        let error = self.error.is_some().then(|| self.error_id());
        let hint = self.hint.is_some().then(|| self.hint_id());
        match (error, hint) {
            (Some(error), Some(hint)) => Some(format!("{error} {hint}")),
            (error, hint) => error.or(hint),
        }
    }

    pub(super) fn invalid(&self) -> Option<&'static str> {
        self.error.is_some().then_some("true")
    }

    pub(super) fn around(self, control: AnyView) -> AnyView {
        let (hint_id, error_id) = (self.hint_id(), self.error_id());
        let optional = self
            .optional
            .then(|| view! { <span class="optional">" (optional)"</span> });
        let hint = self
            .hint
            .map(|hint| view! { <span class="hint" id=hint_id>{hint}</span> });
        let error = self
            .error
            .map(|error| view! { <FieldProblem words=error id=error_id /> });
        view! {
            <div class="field" class:whole=self.whole>
                <label for=self.id>{self.label} {optional}</label>
                {control}
                {hint}
                {error}
            </div>
        }
        .into_any()
    }
}

/// What is wrong with a field.
#[component]
pub fn FieldProblem(
    /// The problem, as a sentence.
    #[prop(into)]
    words: String,
    /// The id, where a control is described by it.
    #[prop(optional)]
    id: Option<String>,
) -> impl IntoView {
    view! {
        <span class="field-error" id=id>
            <Icon glyph=Glyph::Alert />
            <span>{words}</span>
        </span>
    }
    .into_any()
}

/// A line of text.
#[component]
pub fn Field(
    /// The name in the form.
    #[prop(into)]
    name: String,
    /// The words above it.
    #[prop(into)]
    label: String,
    /// The id, where the name is on the page more than once.
    #[prop(optional, into)]
    id: Option<String>,
    /// The kind of input.
    #[prop(optional)]
    kind: Input,
    /// What to know before typing.
    #[prop(optional, into)]
    hint: Option<String>,
    /// What is in it at first.
    #[prop(optional, into)]
    value: String,
    /// What the browser may fill in.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// The most characters.
    #[prop(default = 200)]
    maxlength: u32,
    /// May be left empty.
    #[prop(optional)]
    optional: bool,
    /// Takes the whole width among fields side by side.
    #[prop(optional)]
    whole: bool,
    /// Takes the focus when the page opens.
    #[prop(optional)]
    autofocus: bool,
) -> impl IntoView {
    let frame = Frame::new(&name, id, label, hint).with(optional, whole);
    let control = view! {
        <input
            class="input"
            type=kind.as_str()
            id=frame.id.clone()
            name=name
            value=frame.value.clone().unwrap_or(value)
            autocomplete=autocomplete
            maxlength=maxlength.to_string()
            required=!optional
            autofocus=autofocus && !FormState::current().is_refused()
            aria-invalid=frame.invalid()
            aria-describedby=frame.described_by()
        />
    };
    frame.around(control.into_any())
}

/// Several lines of text.
#[component]
pub fn TextArea(
    /// The name in the form.
    #[prop(into)]
    name: String,
    /// The words above it.
    #[prop(into)]
    label: String,
    /// What to know before typing.
    #[prop(optional, into)]
    hint: Option<String>,
    /// What is in it at first.
    #[prop(optional, into)]
    value: String,
    /// The most characters.
    #[prop(default = 500)]
    maxlength: u32,
    /// The lines shown.
    #[prop(default = 3)]
    rows: u32,
    /// May be left empty.
    #[prop(optional)]
    optional: bool,
) -> impl IntoView {
    let frame = Frame::new(&name, None, label, hint).with(optional, true);
    let value = frame.value.clone().unwrap_or(value);
    let control = view! {
        <textarea
            class="input"
            id=frame.id.clone()
            name=name
            rows=rows.to_string()
            maxlength=maxlength.to_string()
            required=!optional
            spellcheck="false"
            aria-invalid=frame.invalid()
            aria-describedby=frame.described_by()
            // Without WASM the text must be between the tags, where Leptos escapes nothing.
            inner_html=escape(&value)
        ></textarea>
    };
    frame.around(control.into_any())
}

/// Text as HTML that means just this text.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// One of several values, folded away.
#[component]
pub fn Select(
    /// The name in the form.
    #[prop(into)]
    name: String,
    /// The words above it.
    #[prop(into)]
    label: String,
    /// Values and the words for them, in order.
    options: Vec<(String, String)>,
    /// The id, where the name is on the page more than once.
    #[prop(optional, into)]
    id: Option<String>,
    /// What to know before choosing.
    #[prop(optional, into)]
    hint: Option<String>,
    /// What is chosen at first.
    #[prop(optional, into)]
    value: String,
    /// Takes the whole width among fields side by side.
    #[prop(optional)]
    whole: bool,
) -> impl IntoView {
    let frame = Frame::new(&name, id, label, hint).with(false, whole);
    let chosen = frame.value.clone().unwrap_or(value);
    // A first option without a value is a choice here; to a browser it would be none.
    let required = options.first().is_some_and(|(value, _)| !value.is_empty());
    let options = options
        .into_iter()
        .map(|(value, words)| {
            let selected = value == chosen;
            view! { <option value=value selected=selected>{words}</option> }
        })
        .collect_view();
    let control = view! {
        <select
            class="input"
            id=frame.id.clone()
            name=name
            required=required
            aria-invalid=frame.invalid()
            aria-describedby=frame.described_by()
        >
            {options}
        </select>
    };
    frame.around(control.into_any())
}

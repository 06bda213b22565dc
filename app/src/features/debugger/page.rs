//! The page of the assertion debugger. The form is a plain POST, so that an assertion is in no
//! address and no history; what it is answered with is shown once.

use domain::confidential::{SECRET_ADVICE, holds_private_key, holds_secret};
use domain::draft::FieldError;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Event, HtmlTextAreaElement};

use super::{Check, Checked, Went};
use crate::components::{
    Cell, Chip, Column, EmptyState, FieldProblem, Glyph, Icon, Notice, PageHead, PostForm, Table,
    TextArea, Tone,
};
use crate::form::{Answer, ShownOnce, use_answer};
use crate::words::count;

/// The path of the page and of its form.
const PATH: &str = "/debugger";

/// The page.
#[component]
pub fn DebuggerPage() -> impl IntoView {
    let Answer {
        outcome,
        shown_once,
    } = use_answer();
    let answer = match shown_once {
        Some(ShownOnce::Checked(checked)) => report(checked),
        _ => view! {
            <div class="card">
                <EmptyState
                    glyph=Glyph::Shield
                    title="Nothing checked yet"
                    text="Paste an assertion, and each check of the token endpoint is listed here: what was expected, what was found, and whether it passed."
                />
            </div>
        }
        .into_any(),
    };
    view! {
        <PageHead
            title="Assertion debugger"
            lead="Why is a signed assertion refused? This page checks it as the token endpoint would, at this moment. It lets nobody in, uses nothing up and keeps nothing."
        />
        <div class="stack">
            <section class="card section">
                <PostForm action=PATH outcome=outcome>
                    <AssertionField />
                    <div class="form-actions">
                        <button class="btn primary">"Check"</button>
                    </div>
                </PostForm>
            </section>
            {answer}
        </div>
    }
    .into_any()
}

/// The field, which does not keep what should not have been pasted.
#[component]
fn AssertionField() -> impl IntoView {
    let refused = RwSignal::new(false);
    let typed = move |event: Event| {
        let target = event.target().and_then(|target| target.dyn_into().ok());
        let Some(area): Option<HtmlTextAreaElement> = target else {
            return;
        };
        let text = area.value();
        if holds_private_key(&text) || holds_secret(&text) {
            area.set_value("");
            refused.set(true);
        } else if !text.is_empty() {
            refused.set(false);
        }
    };
    let words = move || {
        refused.get().then(|| {
            let FieldError { message, .. } = FieldError::new("assertion", SECRET_ADVICE);
            view! { <FieldProblem words=message /> }
        })
    };
    view! {
        <div class="key-field" on:input=typed>
            <TextArea
                name="assertion"
                label="Assertion"
                hint="The value of client_assertion: three parts with dots between them."
                maxlength=16_384
                rows=6
            />
            <div aria-live="polite">{words}</div>
        </div>
    }
    .into_any()
}

fn report(checked: Checked) -> AnyView {
    let failed = checked
        .checks
        .iter()
        .filter(|check| check.went == Went::Failed)
        .count();
    let all_passed = checked
        .checks
        .iter()
        .all(|check| check.went == Went::Passed);
    let (tone, verdict, why) = if all_passed {
        (
            Tone::Ok,
            "It would be accepted",
            ", once. It was not used up by checking it.".to_owned(),
        )
    } else {
        let why = format!(": {} failed.", count(failed, "check"));
        (Tone::Bad, "It would be refused", why)
    };
    let credential = checked.credential.map(|(key_id, name)| {
        view! {
            <p>
                "It names the credential " <a href=format!("/credentials/{key_id}")>{name}</a> "."
            </p>
        }
    });
    let columns = ["Check", "Result", "Found", "Expected"].map(Column::new);
    let rows = checked.checks.into_iter().map(row).collect_view();
    view! {
        <section class="stack" aria-label="Result">
            <div role="alert" tabindex="-1" autofocus=true>
                <Notice tone=tone>
                    <p>
                        <b>{verdict}</b>
                        {why}
                    </p>
                    {credential}
                </Notice>
            </div>
            <div class="card checks">
                <Table caption="Checks of the assertion" columns=columns.to_vec()>
                    {rows}
                </Table>
            </div>
        </section>
    }
    .into_any()
}

fn row(check: Check) -> AnyView {
    let (tone, glyph, word) = match check.went {
        Went::Passed => (Tone::Ok, Some(Glyph::Check), "Passed"),
        Went::Failed => (Tone::Bad, Some(Glyph::Cross), "Failed"),
        Went::NotReached => (Tone::Plain, None, "Not reached"),
    };
    let icon = glyph.map(|glyph| view! { <Icon glyph=glyph /> });
    let or_dash = |text: String| {
        if text.is_empty() {
            "–".to_owned()
        } else {
            text
        }
    };
    view! {
        <tr role="row" class:dim=check.went == Went::NotReached>
            <Cell names_row=true>{check.name}</Cell>
            <Cell label="Result">
                <Chip tone=tone>{icon} {word}</Chip>
            </Cell>
            <Cell label="Found" class="wrap">{or_dash(check.found)}</Cell>
            <Cell label="Expected" class="wrap">{or_dash(check.expected)}</Cell>
        </tr>
    }
    .into_any()
}

//! The kit as the server renders it: names, errors and levels reach people who cannot see the page,
//! and hostile text stays text.

use app::components::{
    Cell, Choice, ChoiceCards, Column, Dialog, DialogActions, DialogLink, Endpoint, Field, Matrix,
    Order, Pager, PasswordField, PostForm, ScopeRow, ScopeStrip, Select, State, Status, Table,
    TextArea, Time,
};
use app::error::ApiError;
use app::form::FormOutcome;
use domain::draft::FieldError;
use domain::scope::{AccessLevel, Level};
use leptos::prelude::*;

const HOSTILE: &str = "</textarea></title><script>alert(1)</script>\"'><b onmouseover=x>";

/// Without the marks that hydration counts by.
fn html<V: IntoView>(view: impl FnOnce() -> V) -> String {
    let page = Owner::new().with(|| view().into_view().to_html());
    page.replace("<!>", "")
}

fn refused(values: &[(&str, &str)], errors: &[(&str, &str)]) -> FormOutcome {
    let values = values
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let fields = errors
        .iter()
        .map(|&(field, message)| FieldError::new(field, message))
        .collect();
    FormOutcome::refused("/x", values, ApiError::Invalid { fields })
}

/// A page of the kit's pieces with `text` wherever text can go.
fn everywhere(text: &'static str) -> String {
    let outcome = refused(
        &[("name", text), ("purpose", text), ("owner", text)],
        &[("name", text)],
    );
    html(|| {
        view! {
            <PostForm action="/x" outcome=Some(outcome)>
                <Field name="name" label=text hint=text />
                <TextArea name="purpose" label=text />
                <Select name="owner" label=text options=vec![(text.to_owned(), text.to_owned())] />
                <ChoiceCards
                    name="flow"
                    legend=text
                    choices=vec![Choice::new(text, text).text(text)]
                />
                <Matrix scopes=vec![scope(text, Level::Write, AccessLevel::Read)] editable=true />
                <ScopeStrip scopes=vec![(text.to_owned(), AccessLevel::Read)] />
            </PostForm>
            <Table caption=text columns=vec![]>
                <tr>
                    <Cell names_row=true>{text.to_owned()}</Cell>
                </tr>
            </Table>
            <Dialog id="d" title=text>
                <DialogActions />
            </Dialog>
        }
    })
}

fn scope(label: &str, level: Level, chosen: AccessLevel) -> ScopeRow {
    ScopeRow {
        name: "journaling".to_owned(),
        label: label.to_owned(),
        endpoints: vec![
            Endpoint {
                method: "GET".to_owned(),
                path: label.to_owned(),
                level: Some(Level::Read),
            },
            Endpoint {
                method: "POST".to_owned(),
                path: label.to_owned(),
                level: Some(level),
            },
        ],
        level: chosen,
    }
}

#[test]
fn hostile_text_stays_text_wherever_it_is_shown() {
    let page = everywhere(HOSTILE);
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("<b onmouseover"), "{page}");
    assert!(page.contains("&lt;script&gt;"), "the text is shown");
    // Tags that the text adds would show in the count.
    let calm = everywhere("calm");
    assert_eq!(page.matches("</").count(), calm.matches("</").count());
}

#[test]
fn a_text_area_keeps_what_was_typed_without_script() {
    let outcome = refused(&[("purpose", "a < b & </textarea>")], &[]);
    let page = html(|| {
        view! {
            <PostForm action="/x" outcome=Some(outcome)>
                <TextArea name="purpose" label="Purpose" />
            </PostForm>
        }
    });
    assert!(
        page.contains(">a &lt; b &amp; &lt;/textarea&gt;</textarea>"),
        "{page}"
    );
}

#[test]
fn a_refused_field_says_so_to_everybody() {
    let outcome = refused(&[("name", "x")], &[("name", "choose another name")]);
    let page = html(|| {
        view! {
            <PostForm action="/x" outcome=Some(outcome)>
                <Field name="name" label="Name" hint="Lower case" />
                <Field name="email" label="E-mail" />
            </PostForm>
        }
    });
    for part in [
        r#"<label for="name">Name"#,
        r#"value="x""#,
        r#"aria-invalid="true""#,
        r#"aria-describedby="name-error name-hint""#,
        r#"id="name-error""#,
        r#"id="name-hint""#,
        r#"role="alert""#,
        r##"<a href="#name">Choose another name</a>"##,
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert_eq!(
        page.matches("aria-invalid").count(),
        1,
        "the other field is fine"
    );
}

#[test]
fn the_outcome_of_one_form_leaves_the_others_alone() {
    let outcome = refused(&[("name", "typed")], &[("name", "no")]);
    let page = html(|| {
        view! {
            <PostForm action="/other" outcome=Some(outcome)>
                <Field name="name" label="Name" />
            </PostForm>
        }
    });
    assert!(
        !page.contains("typed") && !page.contains("aria-invalid"),
        "{page}"
    );
}

#[test]
fn a_password_never_comes_back() {
    let outcome = refused(&[("password", "mice juggle seven lamps")], &[]);
    let page = html(|| {
        view! {
            <PostForm action="/x" outcome=Some(outcome)>
                <PasswordField name="password" label="Password" autocomplete="new-password" />
            </PostForm>
        }
    });
    assert!(!page.contains("mice juggle"), "{page}");
    assert!(page.contains(r#"autocomplete="new-password""#), "{page}");
}

#[test]
fn what_was_chosen_is_checked_again() {
    let outcome = refused(&[("flow", "legacy"), ("scope.journaling", "write")], &[]);
    let page = html(|| {
        view! {
            <PostForm action="/x" outcome=Some(outcome)>
                <ChoiceCards
                    name="flow"
                    legend="Flow"
                    choices=vec![Choice::new("legacy", "Legacy"), Choice::new("other", "Other")]
                    value="other"
                />
                <Matrix
                    scopes=vec![scope("Journaling", Level::Write, AccessLevel::None)]
                    editable=true
                />
            </PostForm>
        }
    });
    let checked: Vec<&str> = page
        .split("<input")
        .filter(|tag| tag.contains(" checked"))
        .collect();
    assert_eq!(checked.len(), 2, "{page}");
    assert!(checked[0].contains(r#"value="legacy""#), "{page}");
    assert!(checked[1].contains(r#"value="write""#), "{page}");
}

#[test]
fn a_scope_of_reads_offers_no_writing() {
    let page = html(|| {
        let scopes = vec![scope("Data", Level::Read, AccessLevel::Write)];
        view! { <Matrix scopes=scopes editable=true /> }
    });
    assert_eq!(page.matches("<input").count(), 2, "{page}");
    assert!(
        page.contains("same as Read only") && page.contains("2 endpoints, all reads"),
        "{page}"
    );
    let checked = page
        .split("<input")
        .find(|tag| tag.contains(" checked"))
        .unwrap();
    assert!(
        checked.contains(r#"value="read""#),
        "write is read here: {page}"
    );
}

#[test]
fn the_strip_says_its_levels_in_words() {
    let scopes = vec![
        ("Accounts".to_owned(), AccessLevel::Read),
        ("Journaling".to_owned(), AccessLevel::Write),
        ("Data".to_owned(), AccessLevel::Read),
        ("Admin".to_owned(), AccessLevel::None),
    ];
    let page = html(|| view! { <ScopeStrip scopes=scopes /> });
    let words = "Read &amp; write: Journaling. Read only: Accounts, Data. No access: Admin.";
    assert!(
        page.contains(&format!(r#"role="img" aria-label="{words}""#)),
        "{page}"
    );
    assert_eq!(page.matches("<i").count(), 4, "{page}");
}

#[test]
fn tables_tell_their_order_and_name_their_rows() {
    let columns = vec![
        Column::sorted("Name", "/c?sort=-name".to_owned(), Some(Order::Ascending)),
        Column::sorted("Expires", "/c?sort=expires".to_owned(), None),
        Column::hidden("Manage"),
    ];
    let page = html(|| {
        view! {
            <Table caption="Credentials" columns=columns>
                <tr role="row">
                    <Cell names_row=true>"settlement-worker"</Cell>
                    <Cell label="Expires">"never"</Cell>
                </tr>
            </Table>
            <Pager summary="1–1 of 1" previous=None next=Some("/c?after=x".to_owned()) />
        }
    });
    for part in [
        "<caption>",
        "<tbody",
        r#"<th scope="row" role="rowheader""#,
        r#"data-label="Expires""#,
        r#"href="/c?after=x""#,
        r#"rel="next""#,
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert_eq!(page.matches(r#"scope="col""#).count(), 3, "{page}");
    assert_eq!(
        page.matches("aria-sort").count(),
        1,
        "only the sorted column: {page}"
    );
    assert!(page.contains(r#"aria-sort="ascending""#), "{page}");
    assert!(!page.contains("Previous"), "no dead link: {page}");
}

#[test]
fn a_dialog_opens_and_closes_without_script() {
    let page = html(|| {
        view! {
            <DialogLink dialog="revoke">"Revoke"</DialogLink>
            <Dialog id="revoke" title="Revoke it?">
                <DialogActions>
                    <button>"Revoke"</button>
                </DialogActions>
            </Dialog>
        }
    });
    assert!(page.contains(r##"href="#revoke""##), "{page}");
    assert!(
        page.contains(r#"<dialog id="revoke" aria-labelledby="revoke-title""#),
        "{page}"
    );
    assert!(
        page.contains(r##"href="#-""##) && !page.contains(r#"id="-""#),
        "{page}"
    );
}

#[test]
fn states_are_words_and_times_are_machine_readable() {
    let page = html(|| {
        let at = "2027-05-24T09:00:00Z".parse().unwrap();
        view! {
            <State status=Status::Quarantined />
            <Time at=at />
        }
    });
    assert!(page.contains(">Quarantined<"), "{page}");
    assert!(
        page.contains(r#"datetime="2027-05-24T09:00:00Z""#),
        "{page}"
    );
    assert!(
        page.contains(r#"title="24 May 2027, 09:00:00 UTC""#),
        "{page}"
    );
}

#[test]
fn check_79_nothing_has_inline_style() {
    assert!(!everywhere("calm").contains("style="));
}

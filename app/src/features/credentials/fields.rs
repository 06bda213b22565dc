//! The sections of the form that issuing and editing have in common. What they need only for one
//! choice unfolds by style alone, so it works without WASM.

use domain::access::{Access, AccessKind};
use domain::catalogue::Catalogue;
use domain::expiry::ExpiryChoice;
use domain::role::Role;
use leptos::prelude::*;

use crate::components::{Choice, DateTimeField, Field, Matrix, Pills, Select};
use crate::features::catalogue::matrix_rows;

/// What it is for: name, owner, purpose.
#[component]
pub(super) fn PurposeSection(
    /// The name at first.
    #[prop(optional, into)]
    name: String,
    /// The purpose at first.
    #[prop(optional, into)]
    purpose: String,
    /// The id of the owner at first.
    owner: String,
    /// Active people: id, name and role.
    owners: Vec<(String, String, Role)>,
) -> impl IntoView {
    let options = [(String::new(), "Choose a person".to_owned())]
        .into_iter()
        .chain(
            owners
                .into_iter()
                .map(|(id, name, role)| (id, format!("{name} · {}", role.label()))),
        )
        .collect();
    view! {
        <section class="card section">
            <h2>"What is it for?"</h2>
            <p>"The team reads this when the key expires or misbehaves."</p>
            <div class="fields">
                <Field name="name" label="Name" value=name maxlength=80 />
                <Select name="owner" label="Owner" options=options value=owner />
                <Field name="purpose" label="Purpose" value=purpose maxlength=300 whole=true />
            </div>
        </section>
    }
    .into_any()
}

/// What it may do: the kind of access, and a level for each scope with Custom.
#[component]
pub(super) fn AccessSection(
    /// The catalogue.
    catalogue: StoredValue<Catalogue>,
    /// The access at first.
    access: Access,
) -> impl IntoView {
    let choices = AccessKind::ALL
        .map(|kind| Choice::new(kind.as_str(), kind.label()))
        .to_vec();
    let kind = access.kind().as_str();
    let scopes = catalogue.with_value(|catalogue| matrix_rows(catalogue, &access));
    view! {
        <section class="card section">
            <h2>"What may it do?"</h2>
            <p>"Every request is checked against this, on the next call after a change."</p>
            <div class="stack">
                <Pills name="access" legend="Access" choices=choices value=kind />
                <div class="with-custom-access">
                    <Matrix scopes=scopes editable=true />
                </div>
            </div>
        </section>
    }
    .into_any()
}

/// How long it lives.
#[component]
pub(super) fn LifeSection(
    /// What is offered before the lifetimes: value and words.
    #[prop(optional)]
    first: Option<(&'static str, &'static str)>,
    /// The lifetimes that are allowed.
    lifetimes: Vec<ExpiryChoice>,
    /// The choice at first.
    #[prop(into)]
    value: String,
    /// What to know about its end now.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let is_never = |choice: &ExpiryChoice| *choice == ExpiryChoice::Never;
    let (never, fixed): (Vec<_>, Vec<_>) = lifetimes.into_iter().partition(is_never);
    let choice = |one: ExpiryChoice| Choice::new(one.to_string(), one.label());
    let choices = first
        .map(|(value, words)| Choice::new(value, words))
        .into_iter()
        .chain(fixed.into_iter().map(choice))
        .chain([Choice::new("custom", "Custom date")])
        .chain(never.into_iter().map(choice))
        .collect();
    view! {
        <section class="card section">
            <h2>"How long does it live?"</h2>
            <p>"It stops working at that instant, by itself."</p>
            <div class="stack">
                {children.map(|children| children())}
                <Pills name="expires" legend="Lifetime" choices=choices value=value />
                <div class="with-custom-end">
                    <DateTimeField name="expires_at" label="Ends on" optional=true />
                </div>
            </div>
        </section>
    }
    .into_any()
}

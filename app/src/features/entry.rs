//! Getting in: set-up of a fresh installation, log-in, and the first password of a new person.
//! All three are plain POSTs.

use domain::password::Password;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::components::{Field, Input, Notice, PasswordField, PostForm, Tone};
use crate::form::use_answer;
use crate::frame::Bare;

const PASSWORD_HINT: &str = "At least 15 characters. A few unrelated words are easy to remember.";

/// A field of the query that goes along with the form: typed values win, for after a POST the
/// query is gone.
#[component]
fn Carried(
    /// The name in the query and in the form.
    name: &'static str,
) -> impl IntoView {
    let typed = crate::form::FormState::current().value(name);
    let value = typed.or_else(|| use_query_map().read_untracked().get(name));
    view! { <input type="hidden" name=name value=value.unwrap_or_default() /> }.into_any()
}

/// Makes the first superuser, with the one-time link that the server printed.
#[component]
pub fn SetUpPage() -> impl IntoView {
    let outcome = use_answer().outcome;
    view! {
        <Bare
            title="Set up Keyrack"
            lead="You become the first superuser: you issue credentials and add your team."
        >
            <PostForm action="/setup" outcome=outcome>
                <Carried name="token" />
                <Field name="name" label="Your name" autocomplete="name" autofocus=true />
                <Field
                    name="email"
                    label="E-mail"
                    kind=Input::Email
                    autocomplete="username"
                    maxlength=254
                />
                <PasswordField
                    name="password"
                    label="Password"
                    autocomplete="new-password"
                    hint=PASSWORD_HINT
                    minlength=Password::MINIMUM
                />
                <button class="btn primary wide">"Create the superuser"</button>
            </PostForm>
        </Bare>
    }
    .into_any()
}

/// Log-in with e-mail and password.
#[component]
pub fn LoginPage() -> impl IntoView {
    let outcome = use_answer().outcome;
    let expired = use_query_map().read_untracked().get("expired").is_some();
    view! {
        <Bare title="Log in" lead="Use the e-mail address that a superuser added you with.">
            {(expired && outcome.is_none())
                .then(|| {
                    view! {
                        <Notice tone=Tone::Warn>"Your session has ended. Log in to go on."</Notice>
                    }
                })}
            <PostForm action="/login" outcome=outcome>
                <Carried name="next" />
                <Field
                    name="email"
                    label="E-mail"
                    kind=Input::Email
                    autocomplete="username"
                    maxlength=254
                    autofocus=true
                />
                <PasswordField
                    name="password"
                    label="Password"
                    autocomplete="current-password"
                />
                <button class="btn primary wide">"Log in"</button>
            </PostForm>
        </Bare>
    }
    .into_any()
}

/// The first password of a person who was added, with the one-time link that they were given.
#[component]
pub fn WelcomePage() -> impl IntoView {
    let outcome = use_answer().outcome;
    view! {
        <Bare title="Welcome to Keyrack" lead="Choose the password that you will log in with.">
            <PostForm action="/welcome" outcome=outcome>
                <Carried name="token" />
                <PasswordField
                    name="password"
                    label="Password"
                    autocomplete="new-password"
                    hint=PASSWORD_HINT
                    minlength=Password::MINIMUM
                />
                <button class="btn primary wide">"Set the password"</button>
            </PostForm>
        </Bare>
    }
    .into_any()
}

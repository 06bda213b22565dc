//! Getting in: set-up of a fresh installation, log-in, the first password of a new person, and a
//! forgotten one. All are plain POSTs.

use domain::password::Password;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use serde::{Deserialize, Serialize};

use super::passkeys::{Ceremony, PasskeyButton};
use super::proof::CodeProof;
use crate::components::{Field, Input, Notice, PasswordField, PostForm, Tone};
use crate::form::{FormOutcome, FormState, use_answer};
use crate::frame::Bare;
use crate::url::with_query;

const PASSWORD_HINT: &str = "At least 15 characters. A few unrelated words are easy to remember.";

/// Whether the server sends mail; it provides this to every page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailIsOn(pub bool);

impl MailIsOn {
    /// What the server said, in both passes.
    fn current() -> Self {
        SharedValue::new(|| use_context::<Self>().unwrap_or_default()).into_inner()
    }
}

/// A field of the query that goes along with the form: typed values win, for after a POST the
/// query is gone.
#[component]
fn Carried(
    /// The name in the query and in the form.
    name: &'static str,
) -> impl IntoView {
    let typed = FormState::current().value(name);
    let value = typed.or_else(|| use_query_map().read_untracked().get(name));
    view! { <input type="hidden" name=name value=value.unwrap_or_default() /> }.into_any()
}

/// The address that somebody logs in with.
#[component]
fn Email(#[prop(optional)] autofocus: bool) -> impl IntoView {
    view! {
        <Field
            name="email"
            label="E-mail"
            kind=Input::Email
            autocomplete="username"
            maxlength=254
            autofocus=autofocus
        />
    }
    .into_any()
}

/// Makes the first superuser, with the one-time link that the server printed. Afterwards the server has no
/// such page.
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
                <Email />
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

/// How people can log in here: a constant of the document, as who looks at it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Ways {
    /// Id and name of each provider.
    providers: Vec<(String, String)>,
    /// Whether the password is a way for everybody.
    passwords: bool,
}

#[cfg(feature = "ssr")]
fn ways() -> Ways {
    // Passwords where nobody says otherwise.
    let services = use_context::<service::Services>();
    let (providers, passwords) = services.map_or((Vec::new(), true), |services| {
        let sso = &services.settings().sso;
        let providers = sso.providers.iter();
        let providers = providers.map(|one| (one.id.clone(), one.name.clone()));
        let everybody = sso.passwords == service::PasswordLogIn::Everybody;
        (providers.collect(), everybody)
    });
    Ways {
        providers,
        passwords,
    }
}

/// In the browser the server's value is read from the document.
#[cfg(not(feature = "ssr"))]
fn ways() -> Ways {
    Ways {
        providers: Vec::new(),
        passwords: true,
    }
}

/// A button for each provider. They are links: a browser sends no form on to another site, as our
/// policy forbids it.
#[component]
fn ProviderButtons(
    /// Id and name of each.
    providers: Vec<(String, String)>,
    /// What the log-in form that came back holds.
    #[prop(optional_no_strip)]
    outcome: Option<FormOutcome>,
) -> impl IntoView {
    let typed = FormState::of("/login", outcome).value("next");
    let next = typed.or_else(|| use_query_map().read_untracked().get("next"));
    let next = next.unwrap_or_default();
    let button = |(id, name): (String, String)| {
        let href = with_query(&format!("/sso/{id}"), &[("next", &next)]);
        view! {
            <a class="btn primary wide" href=href rel="external">
                "Log in with "
                {name}
            </a>
        }
    };
    providers.into_iter().map(button).collect_view().into_any()
}

/// The password form, folded away where it is only for emergencies.
#[component]
fn PasswordLogIn(is_open: bool, children: Children) -> impl IntoView {
    if is_open {
        return children().into_any();
    }
    view! {
        <details>
            <summary>"Log in with a password"</summary>
            {children()}
        </details>
    }
    .into_any()
}

/// Log-in at a provider, or with e-mail and password.
#[component]
pub fn LoginPage() -> impl IntoView {
    let outcome = use_answer().outcome;
    let Ways {
        providers,
        passwords,
    } = SharedValue::new(ways).into_inner();
    let has_providers = !providers.is_empty();
    let lead = if has_providers {
        "Use your company’s log-in, or the e-mail address that a superuser added you with."
    } else {
        "Use the e-mail address that a superuser added you with."
    };
    let button = if has_providers {
        "btn wide"
    } else {
        "btn primary wide"
    };
    let is_open = passwords || outcome.is_some();
    let expired = use_query_map().read_untracked().get("expired").is_some();
    let forgot = if MailIsOn::current().0 {
        // A page of its own from the server, which knows of mail and of providers; so with the way back.
        view! { <a href="/forgot" rel="external">"Forgot your password?"</a> }.into_any()
    } else {
        "Forgot your password? Ask a superuser for a link.".into_any()
    };
    view! {
        <Bare title="Log in" lead=lead>
            {(expired && outcome.is_none())
                .then(|| {
                    view! {
                        <Notice tone=Tone::Warn>"Your session has ended. Log in to go on."</Notice>
                    }
                })}
            <ProviderButtons providers=providers outcome=outcome.clone() />
            <PasswordLogIn is_open=is_open>
                <PostForm action="/login" outcome=outcome>
                    <Carried name="next" />
                    <Email autofocus=!has_providers />
                    <PasswordField
                        name="password"
                        label="Password"
                        autocomplete="current-password"
                    />
                    <button class=button>"Log in"</button>
                </PostForm>
                <p class="quiet">{forgot}</p>
            </PasswordLogIn>
        </Bare>
    }
    .into_any()
}

/// The second step of a log-in: a code, of somebody whose password was right.
#[component]
pub fn SecondStepPage() -> impl IntoView {
    let outcome = use_answer().outcome;
    view! {
        <Bare title="Second factor" lead="Your password was right. Now the code, within ten minutes.">
            <PostForm action="/login/second-factor" outcome=outcome>
                <CodeProof autofocus=true />
                <button class="btn primary wide">"Log in"</button>
                <PasskeyButton
                    ceremony=Ceremony::Use
                    path="/login/second-factor/passkey"
                    field="proof"
                    words="Use a passkey"
                />
            </PostForm>
            <p class="quiet">
                "Lost both app and recovery codes? Ask a superuser to reset your second factor. "
                <a href="/login">"Begin again"</a>
            </p>
        </Bare>
    }
    .into_any()
}

/// Asks for a link by mail, for somebody who forgot their password.
#[component]
pub fn ForgotPage() -> impl IntoView {
    let outcome = use_answer().outcome;
    let form = if MailIsOn::current().0 {
        view! {
            <PostForm action="/forgot" outcome=outcome>
                <Email autofocus=true />
                <button class="btn primary wide">"Send the link"</button>
            </PostForm>
        }
        .into_any()
    } else {
        view! { <Notice>"This Keyrack sends no mail. Ask a superuser for a link."</Notice> }
            .into_any()
    };
    view! {
        <Bare
            title="Forgot your password?"
            lead="You get a mail with a link, with which you choose a new one."
        >
            {form}
            <p class="quiet">
                <a href="/login" rel="external">
                    "Back to the log-in"
                </a>
            </p>
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

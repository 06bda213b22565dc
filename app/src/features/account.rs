//! The viewer's own account: who they are, their password and second factor, where they are logged in.

use domain::password::Password;
use leptos::prelude::*;

use super::second_factors::SecondFactorSection;
use super::sessions::Sessions;
use crate::components::{PageHead, PasswordField, PostForm};
use crate::form::use_answer;
use crate::viewer::Viewer;

/// The account page.
#[component]
pub fn AccountPage() -> impl IntoView {
    let answer = use_answer();
    let outcome = answer.outcome.clone();
    let user = Viewer::current().user();
    let email = user.as_ref().map(|user| user.email.clone());
    let sessions = user
        .as_ref()
        .map(|user| view! { <Sessions person=user.id.clone() /> });
    let facts = user.map(|user| {
        view! {
            <section class="card section">
                <h2>"You"</h2>
                <dl class="facts">
                    <dt>"Name"</dt>
                    <dd>{user.name}</dd>
                    <dt>"E-mail"</dt>
                    <dd>{user.email}</dd>
                    <dt>"Role"</dt>
                    <dd>{user.role.label()}</dd>
                </dl>
            </section>
        }
    });
    view! {
        <PageHead title="Account" lead="Your name, address and role are kept by the superusers." />
        <div class="stack narrow">
            {facts} <section class="card section">
                <h2>"Password"</h2>
                <p>"A new password ends your sessions on other devices."</p>
                <PostForm action="/account/password" outcome=outcome>
                    // For password managers; without a name it is not sent.
                    <input
                        class="vh"
                        type="text"
                        value=email
                        autocomplete="username"
                        tabindex="-1"
                        aria-hidden="true"
                        readonly
                    />
                    <PasswordField
                        name="current_password"
                        label="Current password"
                        autocomplete="current-password"
                    />
                    <PasswordField
                        name="new_password"
                        label="New password"
                        autocomplete="new-password"
                        hint="At least 15 characters. A few unrelated words are easy to remember."
                        minlength=Password::MINIMUM
                    />
                    <div class="form-actions">
                        <button class="btn primary">"Change password"</button>
                    </div>
                </PostForm>
            </section>
            <SecondFactorSection answer=answer />
            {sessions}
        </div>
    }
    .into_any()
}

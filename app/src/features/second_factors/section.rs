//! The section of the account page: an authenticator app, passkeys, recovery codes.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::{PasskeyEntry, RecoveryCodes, SecondFactors, TotpSetup, own_second_factors};
use crate::components::{
    CopyButton, Dialog, DialogActions, DialogLink, ErrorState, Field, Moment, Notice, PostForm,
    Skeleton, Time, Tone,
};
use crate::error::ApiError;
use crate::features::passkeys::{Ceremony, PasskeyButton};
use crate::form::{Answer, FormOutcome, ShownOnce};
use crate::words::count;

/// The section.
#[component]
pub(crate) fn SecondFactorSection(
    /// What the server has to say about its forms.
    answer: Answer,
) -> impl IntoView {
    let own = Resource::new_blocking(|| (), |()| own_second_factors());
    let Answer {
        outcome,
        shown_once,
    } = answer;
    let is_setting_up = matches!(shown_once, Some(ShownOnce::Totp(_)));
    let shown = match shown_once {
        Some(ShownOnce::Totp(setup)) => Some(set_up(setup, outcome.clone())),
        Some(ShownOnce::RecoveryCodes(codes)) => Some(recovery_codes(&codes)),
        _ => None,
    };
    view! {
        <section class="card section stack" id="second-factor">
            <h2>"Second factor"</h2>
            <p>"Asked for when you log in with your password, and before what makes or widens a right."</p>
            {shown}
            <Transition fallback=|| view! { <Skeleton lines=2 /> }>
                {move || {
                    let outcome = outcome.clone();
                    Suspend::new(async move { contents(own.await, is_setting_up, outcome) })
                }}
            </Transition>
        </section>
    }
    .into_any()
}

fn contents(
    own: Result<SecondFactors, ApiError>,
    is_setting_up: bool,
    outcome: Option<FormOutcome>,
) -> AnyView {
    let own = match own {
        Ok(own) => own,
        Err(error) => return view! { <ErrorState error=error /> }.into_any(),
    };
    if !own.may_have {
        let words =
            "You log in without a password here, so your second factor is where you log in.";
        return view! { <p class="quiet">{words}</p> }.into_any();
    }
    let has_none = own.totp_since.is_none() && own.passkeys.is_empty();
    let needed = (has_none && own.required).then(|| {
        view! {
            <Notice tone=Tone::Warn>
                "Superusers need a second factor here. Make one to go on."
            </Notice>
        }
    });
    let codes = (!has_none).then(|| codes_left(own.recovery_codes, outcome.clone()));
    view! {
        {needed}
        {(!is_setting_up).then(|| app(own.totp_since, outcome.clone()))}
        {passkeys(own.passkeys, own.passkeys_work, outcome)}
        {codes}
    }
    .into_any()
}

fn app(since: Option<DateTime<Utc>>, outcome: Option<FormOutcome>) -> AnyView {
    let Some(since) = since else {
        return view! {
            <PostForm action="/account/totp" outcome=outcome proof=true>
                <div class="form-actions">
                    <button class="btn primary">"Set up an authenticator app"</button>
                </div>
            </PostForm>
        }
        .into_any();
    };
    view! {
        <p>"An authenticator app, since " <Moment at=since time=true /> "."</p>
        <div class="line">
            <PostForm action="/account/totp" class="line" outcome=outcome.clone() proof=true>
                <button class="btn">"Set up another app in its place"</button>
            </PostForm>
            <DialogLink dialog="remove-totp" class="btn danger">
                "Remove the app"
            </DialogLink>
        </div>
        <Dialog id="remove-totp" title="Remove the authenticator app?">
            <p class="dialog-text">
                "Without another second factor your password alone lets you in then, and the recovery codes stop working. Your other sessions end."
            </p>
            <PostForm action="/account/totp/remove" outcome=outcome proof=true>
                <DialogActions>
                    <button class="btn danger primary">"Remove"</button>
                </DialogActions>
            </PostForm>
        </Dialog>
    }
    .into_any()
}

fn passkeys(passkeys: Vec<PasskeyEntry>, work: bool, outcome: Option<FormOutcome>) -> AnyView {
    let list = passkeys.into_iter().map(passkey).collect_view();
    let add = work.then(|| {
        view! {
            <p class="until-live quiet">"To add a passkey, turn JavaScript on."</p>
            <div class="live-only">
                <PostForm action="/account/passkeys" outcome=outcome proof=true>
                    <Field
                        name="name"
                        id="passkey-name"
                        label="Name of a new passkey"
                        hint="Such as the phone or the key that holds it."
                        maxlength=80
                    />
                    <input type="hidden" name="passkey" value="" />
                    <PasskeyButton
                        ceremony=Ceremony::Make
                        path="/account/passkeys/new"
                        field="passkey"
                        words="Add a passkey"
                    />
                </PostForm>
            </div>
        }
    });
    view! {
        <ul class="stack-s">{list}</ul>
        {add}
    }
    .into_any()
}

fn passkey(entry: PasskeyEntry) -> AnyView {
    let used = entry.last_used_at.map_or_else(
        || "never used".into_any(),
        |at| view! { "last used " <Time at=at /> }.into_any(),
    );
    let hidden = entry.name.clone();
    view! {
        <li class="line">
            <span class="two">
                <b>{entry.name}</b>
                <span class="quiet">"Passkey since " <Moment at=entry.created_at /> ", " {used}</span>
            </span>
            <form method="post" action="/account/passkeys/remove" data-proof="">
                <input type="hidden" name="id" value=entry.id />
                <button class="btn small danger">
                    "Remove" <span class="vh">{format!(" the passkey {hidden}")}</span>
                </button>
            </form>
        </li>
    }
    .into_any()
}

fn codes_left(left: u32, outcome: Option<FormOutcome>) -> AnyView {
    let (tone, words) = match left {
        0 => (Tone::Warn, "No recovery code is left.".to_owned()),
        some => {
            let words = format!("{} left.", count(some as usize, "recovery code"));
            (if some < 4 { Tone::Warn } else { Tone::Plain }, words)
        }
    };
    view! {
        <Notice tone=tone>{words}</Notice>
        <PostForm action="/account/recovery-codes" class="line" outcome=outcome proof=true>
            <button class="btn">"Make new recovery codes"</button>
        </PostForm>
    }
    .into_any()
}

/// The QR code, the same as text, and the field for the first code.
fn set_up(setup: TotpSetup, outcome: Option<FormOutcome>) -> AnyView {
    let frame = format!("0 0 {0} {0}", setup.width);
    view! {
        <div class="stack" id="set-up">
            <p>"Scan this with your authenticator app, or type the key into it. It is shown only now."</p>
            <svg class="qr" viewBox=frame role="img" aria-label="QR code of the key below">
                <path d=setup.path />
            </svg>
            <div class="field">
                <span class="legend">"Key"</span>
                <div class="copy">
                    <code>{setup.secret.clone()}</code>
                    <CopyButton text=setup.secret what="key" />
                </div>
            </div>
            <p>
                <a class="link" href=setup.url rel="external">
                    "Open it in an app on this device"
                </a>
            </p>
            <PostForm action="/account/totp/add" outcome=outcome proof=true>
                <input type="hidden" name="draft" value=setup.draft />
                <Field
                    name="code"
                    label="Code"
                    hint="The six digits that the app shows now."
                    autocomplete="one-time-code"
                    maxlength=10
                    autofocus=true
                />
                <div class="form-actions">
                    <button class="btn primary">"Use this app"</button>
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}

fn recovery_codes(shown: &RecoveryCodes) -> AnyView {
    let text = shown.codes.join("\n");
    let href = format!(
        "data:text/plain;charset=utf-8,{}",
        crate::url::escape(&format!("{text}\n"))
    );
    let codes = shown.codes.iter().cloned();
    let codes = codes.map(|code| view! { <li><code>{code}</code></li> });
    view! {
        <div class="stack" id="recovery-codes">
            <Notice tone=Tone::Warn>
                "Store these recovery codes now: they are shown only this once. Each lets you in once, in place of a code of your app."
            </Notice>
            <ol class="codes">{codes.collect_view()}</ol>
            <div class="line">
                <CopyButton text=text what="recovery codes" />
                <a class="btn small" href=href download="keyrack-recovery-codes.txt">
                    "Download"
                </a>
                <a class="btn small primary" href="/account" rel="external">
                    "I have stored them"
                </a>
            </div>
        </div>
    }
    .into_any()
}

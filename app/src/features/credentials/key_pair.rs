//! "Make a key pair here": the browser makes it, the public part goes into the form, and the private
//! part is downloaded, or lost with the page.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::leave::{ask_before_leaving, ask_before_sending};
use super::web_crypto::{Download, KeyPair, Kind, can_make, make, subtle};
use crate::components::{Notice, Tone};

const QUESTION: &str = "Go on without downloading the private key? It can't be had again.";

/// What to type where the browser makes no keys.
const OPENSSL: &str =
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out private-key.pem
openssl pkey -in private-key.pem -pubout -out public-key.pem";

/// How making a pair went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Ready,
    Making,
    Failed,
}

/// The button that unfolds the [`Maker`].
#[component]
pub(super) fn MakerButton(
    /// Whether it is unfolded.
    open: RwSignal<bool>,
) -> impl IntoView {
    view! {
        <button
            class="btn small"
            type="button"
            aria-expanded=move || open.get().to_string()
            on:click=move |_| open.update(|open| *open = !*open)
        >
            "Make a key pair here"
        </button>
    }
    .into_any()
}

/// Chooses a type, makes a pair, and offers its private key for download. None of its controls is a
/// field of the form around it.
#[component]
pub(super) fn Maker(
    /// Takes the public key.
    put: Callback<String>,
) -> impl IntoView {
    let Some(crypto) = subtle() else {
        return view! {
            <div class="maker">
                <p>"Browsers make keys on pages with TLS only. Make one with openssl:"</p>
                <Openssl />
            </div>
        }
        .into_any();
    };
    let crypto = StoredValue::new_local(crypto);
    let kind = RwSignal::new(Kind::Es256);
    let kinds = RwSignal::new(vec![Kind::Es256, Kind::Rs256]);
    let stage = RwSignal::new(Stage::Ready);
    let pair = RwSignal::new(None::<KeyPair>);
    let at_risk = RwSignal::new(false);
    ask_before_leaving(QUESTION, move || at_risk.try_get_untracked() == Some(true));
    ask_before_sending(QUESTION, at_risk);
    spawn_local(async move {
        if can_make(&crypto.get_value(), Kind::EdDsa).await {
            kinds.try_set(Kind::ALL.to_vec());
        }
    });
    let choose = move |event: web_sys::Event| {
        let chosen = event_target_value(&event);
        let chosen = Kind::ALL.into_iter().find(|kind| kind.as_str() == chosen);
        kind.set(chosen.unwrap_or(Kind::Es256));
    };
    let make = move |_| {
        let keeps =
            at_risk.get_untracked() && !window().confirm_with_message(QUESTION).unwrap_or(true);
        if keeps || stage.get_untracked() == Stage::Making {
            return;
        }
        stage.set(Stage::Making);
        spawn_local(async move {
            match make(&crypto.get_value(), kind.get_untracked()).await {
                Ok(made) => {
                    put.run(made.public.clone());
                    pair.try_set(Some(made));
                    at_risk.try_set(true);
                    stage.try_set(Stage::Ready);
                }
                Err(_) => {
                    stage.try_set(Stage::Failed);
                }
            }
        });
    };
    let options = move || {
        let options = kinds.get().into_iter();
        options
            .map(|kind| view! { <option value=kind.as_str()>{kind.label()}</option> })
            .collect_view()
    };
    let failed = move || {
        (stage.get() == Stage::Failed).then(|| {
            view! {
                <Notice tone=Tone::Bad>
                    "The browser could not make such a key. Choose another type, or use openssl."
                </Notice>
            }
        })
    };
    let made = move || pair.with(|pair| pair.as_ref().map(|pair| downloads(pair, at_risk)));
    view! {
        <div class="maker">
            <p>"It is made by this browser. The private key is never sent: only you get it."</p>
            <div class="line">
                <select class="input" aria-label="Type of the key" autocomplete="off" on:change=choose>
                    {options}
                </select>
                <button
                    class="btn"
                    type="button"
                    disabled=move || stage.get() == Stage::Making
                    on:click=make
                >
                    "Make the key pair"
                </button>
            </div>
            <div class="stack-s" aria-live="polite">
                {failed} {made}
            </div>
        </div>
    }
    .into_any()
}

/// The private key as files, and what the person must know about them.
fn downloads(pair: &KeyPair, at_risk: RwSignal<bool>) -> AnyView {
    let link = |download: &Download, file: &'static str, words: &'static str| {
        let href = download.href.clone();
        view! {
            <a class="btn" href=href download=file on:click=move |_| at_risk.set(false)>
                {words}
            </a>
        }
    };
    let links = view! {
        <div class="line">
            {link(&pair.pem, "private-key.pem", "Download as PEM")}
            {link(&pair.jwk, "private-key.jwk.json", "Download as JWK")}
        </div>
    };
    let words = move || {
        if at_risk.get() {
            view! {
                <Notice tone=Tone::Warn>
                    <p>
                        <b>"Download the private key now."</b>
                        " It is in this page only, and can't be had again once you leave it."
                    </p>
                </Notice>
            }
        } else {
            view! {
                <Notice tone=Tone::Ok>
                    "Keep the file where only the program can read it. The public key is in the field above."
                </Notice>
            }
        }
    };
    view! { {words} {links} }.into_any()
}

/// The commands that make a pair on a machine of one's own.
#[component]
pub(super) fn Openssl() -> impl IntoView {
    view! {
        <div class="snippet commands">
            <pre tabindex="0">{OPENSSL}</pre>
        </div>
    }
    .into_any()
}

//! The one page that shows a credential's secret, ready to take away in the form that the program
//! needs. It cannot be left by accident.

use domain::credential::Flow;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::leave::ask_before_leaving;
use super::snippets::{Snippet, snippets};
use super::{IssuedKey, try_out};
use crate::components::{CopyButton, Moment, Notice, PageHead, Tone};
use crate::features::catalogue::Verdict;

const QUESTION: &str = "Leave without storing the secret? It can't be shown again.";

/// A credential that was just issued.
#[component]
pub(super) fn StoreIt(
    /// The credential with its secret.
    issued: IssuedKey,
) -> impl IntoView {
    let has_secret = issued.secret.is_some();
    let stored = RwSignal::new(!has_secret);
    ask_before_leaving(QUESTION, move || !stored.get_untracked());
    let (title, lead) = if has_secret {
        (
            "Store the secret now",
            "It is shown only this once, and nobody can look it up again.",
        )
    } else {
        (
            "The credential is ready",
            "The program signs in with the private key that it has.",
        )
    };
    let page = format!("/credentials/{}", issued.key_id);
    let end = issued.expires_at.map_or_else(
        || view! { <p class="quiet">"It works without an end."</p> }.into_any(),
        |at| {
            view! { <p class="quiet">"It works until " <Moment at=at time=true /> "."</p> }
                .into_any()
        },
    );
    let secret = issued
        .secret
        .clone()
        .map(|secret| copyable("Secret", secret));
    let try_now = issued
        .secret
        .clone()
        .map(|secret| view! { <TryNow key_id=issued.key_id.clone() secret=secret /> });
    let legacy = (issued.flow == Flow::Legacy).then(|| legacy_words(&issued));
    let confirm = has_secret.then(|| {
        view! {
            <label class="check live-only">
                <input
                    type="checkbox"
                    autocomplete="off"
                    on:change:target=move |event| stored.set(event.target().checked())
                />
                "I have stored the secret"
            </label>
        }
    });
    view! {
        <PageHead title=title lead=lead />
        <div class="stack">
            <section class="card section stack" aria-label="Key">
                <h2 tabindex="-1">{issued.name.clone()}</h2>
                {copyable("Key id", issued.key_id.clone())}
                {secret}
                {end}
                {legacy}
            </section>
            {try_now}
            <section class="card section">
                <h2>"Take it away"</h2>
                <p>"Filled in for this credential. Put the address of your API where the example stands."</p>
                {formats(snippets(&issued))}
            </section>
            <div class="form-actions">
                <a class="btn primary" href=page>
                    "To the credential"
                </a>
                {confirm}
            </div>
        </div>
    }
    .into_any()
}

fn copyable(what: &'static str, text: String) -> AnyView {
    view! {
        <div class="field">
            <span class="legend">{what}</span>
            <div class="copy">
                <code>{text.clone()}</code>
                <CopyButton text=text what=what />
            </div>
        </div>
    }
    .into_any()
}

/// Uses the credential once, for real, before it is taken anywhere.
#[component]
fn TryNow(key_id: String, secret: String) -> impl IntoView {
    let tried = RwSignal::new(None);
    let is_busy = RwSignal::new(false);
    let test = move |_| {
        let (key_id, secret) = (key_id.clone(), secret.clone());
        is_busy.set(true);
        spawn_local(async move {
            let answer = try_out(key_id, secret).await;
            // The page may be gone.
            let _ = tried.try_set(Some(answer));
            let _ = is_busy.try_set(false);
        });
    };
    let verdicts = move || {
        tried.get().map(|answer| match answer {
            Ok(verdicts) => verdicts.into_iter().map(verdict).collect_view().into_any(),
            Err(error) => view! { <Notice tone=Tone::Bad>{error.advice()}</Notice> }.into_any(),
        })
    };
    view! {
        <section class="card section stack-s live-only">
            <h2>"Test it"</h2>
            <p>
                "Signs in with it as a program would, and asks the gate about a call that it may make and one that it may not."
            </p>
            <p>
                <button class="btn" type="button" disabled=move || is_busy.get() on:click=test>
                    "Test now"
                </button>
            </p>
            <div class="stack-s" role="status">
                {verdicts}
            </div>
        </section>
    }
    .into_any()
}

fn verdict(verdict: Verdict) -> AnyView {
    view! {
        <p class="answer" class:ok=verdict.good>
            {verdict.words}
        </p>
    }
    .into_any()
}

fn legacy_words(issued: &IssuedKey) -> AnyView {
    let (key_id, secret) = (issued.headers.key_id.clone(), issued.headers.secret.clone());
    view! {
        <Notice tone=Tone::Plain>
            <p>
                "Send both on each call: as HTTP Basic, or in the headers " <code>{key_id}</code>
                " and " <code>{secret}</code> "."
            </p>
        </Notice>
    }
    .into_any()
}

/// The snippets as tabs, which are radios: they need style, not WASM.
fn formats(snippets: Vec<Snippet>) -> AnyView {
    let items = snippets
        .into_iter()
        .enumerate()
        .map(|(index, snippet)| {
            let id = format!("format-{index}");
            let Snippet { label, text, file } = snippet;
            let download = file.map(|file| {
                let href = format!(
                    "data:text/plain;charset=utf-8,{}",
                    crate::url::escape(&text)
                );
                view! {
                    <p>
                        <a class="link" href=href download=file.clone()>
                            {format!("Download {file}")}
                        </a>
                    </p>
                }
            });
            view! {
                <input
                    class="vh"
                    type="radio"
                    name="format"
                    id=id.clone()
                    checked=index == 0
                    autocomplete="off"
                />
                <label for=id>{label}</label>
                <div class="format stack-s">
                    <div class="snippet">
                        <pre tabindex="0">{text.clone()}</pre>
                        <CopyButton text=text what=label />
                    </div>
                    {download}
                </div>
            }
        })
        .collect_view();
    view! {
        <fieldset class="formats">
            <legend class="vh">"Format"</legend>
            {items}
        </fieldset>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::super::LegacyHeaders;
    use super::*;
    use crate::features::sample;

    fn issued(flow: Flow) -> IssuedKey {
        IssuedKey {
            key_id: "KRQ7M2XZLP4TAVJ6NDB3EH".to_owned(),
            name: "</pre><script>alert(1)</script>".to_owned(),
            flow,
            secret: flow.has_secret().then(|| "krs_secret".to_owned()),
            expires_at: None,
            issuer: "https://keys.example.com/v1".to_owned(),
            example_path: "/v1/accounts".to_owned(),
            headers: LegacyHeaders::default(),
        }
    }

    fn html(flow: Flow) -> String {
        sample::html(|| view! { <StoreIt issued=issued(flow) /> })
    }

    #[test]
    fn hostile_names_are_text_everywhere() {
        for flow in Flow::ALL {
            let html = html(flow);
            assert!(!html.contains("<script>"), "{html}");
            assert!(html.contains("&lt;script&gt;"), "{html}");
        }
    }

    #[test]
    fn only_a_secret_has_to_be_confirmed_as_stored() {
        assert!(html(Flow::ClientSecret).contains("I have stored the secret"));
        assert!(!html(Flow::PrivateKeyJwt).contains("I have stored the secret"));
        assert!(html(Flow::Legacy).contains("APCA-API-KEY-ID"));
    }
}

//! "Can this key call …?": a call in, a sentence out, from the very rules that the gate enforces.

use domain::access::Access;
use domain::catalogue::{Catalogue, Method};
use domain::scope::{AccessLevel, Level};
use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use serde::{Deserialize, Serialize};

use crate::words::sentence;

/// The answer to a question about a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the call can go through.
    pub good: bool,
    /// Why, or why not.
    pub words: String,
}

impl Verdict {
    fn yes(words: impl Into<String>) -> Self {
        Self {
            good: true,
            words: words.into(),
        }
    }

    fn no(words: impl Into<String>) -> Self {
        Self {
            good: false,
            words: words.into(),
        }
    }
}

/// What any key needs for a call.
#[must_use]
pub fn needs(catalogue: &Catalogue, method: &str, path: &str) -> Verdict {
    match catalogue.find(method, path) {
        Ok(needed) if needed.public => Verdict::yes(format!(
            "Needs nothing: anybody may call it, without credentials. It is {method} {}.",
            needed.template
        )),
        Ok(needed) => {
            let level = level_words(needed.level);
            Verdict::yes(format!(
                "Needs {}: {level}. It is {method} {}.",
                needed.scope.title, needed.template
            ))
        }
        Err(refusal) => Verdict::no(format!(
            "Refused for every key. {}",
            sentence(&refusal.to_string())
        )),
    }
}

/// Whether a key with this access gets through with a call.
#[must_use]
pub fn can_call(catalogue: &Catalogue, access: &Access, method: &str, path: &str) -> Verdict {
    let needed = match catalogue.find(method, path) {
        Ok(needed) => needed,
        Err(refusal) => return Verdict::no(format!("No. {}", sentence(&refusal.to_string()))),
    };
    if needed.public {
        return Verdict::yes("Yes. Anybody may call it, without credentials.");
    }
    let title = &needed.scope.title;
    let has = access.level(&needed.scope.name);
    if has.allows(needed.level) {
        let word = if needed.level == Level::Read {
            "read"
        } else {
            "write"
        };
        return Verdict::yes(format!("Yes. It may {word} {title}."));
    }
    let needed = level_words(needed.level);
    Verdict::no(match has {
        AccessLevel::None => {
            format!("No. Needs {title}: {needed}, the key has no access to {title}.")
        }
        _ => format!(
            "No. Needs {title}: {needed}, the key has {}.",
            has.label().to_lowercase()
        ),
    })
}

/// The least level that is enough.
fn level_words(level: Level) -> String {
    let enough = match level {
        Level::Read => AccessLevel::Read,
        Level::Write => AccessLevel::Write,
    };
    enough.label().to_lowercase()
}

/// The question box. As a form of its own it works without WASM, through `?method=…&path=…`; in
/// the middle of another form it is there once WASM runs.
#[component]
pub fn Ask(
    /// The question's beginning: `Can this key call …?`
    title: &'static str,
    /// The path of the page, if the box is a form of its own.
    #[prop(optional, into)]
    page: Option<String>,
    /// Answers method and path.
    #[prop(into)]
    answer: Callback<(String, String), Verdict>,
) -> impl IntoView {
    let query = use_query_map();
    let asked = |name| query.read_untracked().get(name).filter(|_| page.is_some());
    let method = RwSignal::new(asked("method").unwrap_or_else(|| "GET".to_owned()));
    let path = RwSignal::new(asked("path").unwrap_or_default());
    let verdict = Memo::new(move |_| {
        let (method, path) = (method.get(), path.get().trim().to_owned());
        (!path.is_empty()).then(|| answer.run((method, path)))
    });
    let controls = controls(method, path, page.is_none());
    let box_class = if page.is_some() {
        "ask"
    } else {
        "ask live-only"
    };
    let controls = match page {
        Some(page) => view! {
            <form class="ask-in" method="get" action=page on:submit=|event| event.prevent_default()>
                {controls}
                <button class="btn until-live">"Ask"</button>
            </form>
        }
        .into_any(),
        None => view! { <div class="ask-in">{controls}</div> }.into_any(),
    };
    view! {
        <div class=box_class>
            <b>{title}</b>
            {controls}
            <div role="status">
                {move || {
                    verdict
                        .get()
                        .map(|verdict| {
                            view! {
                                <p class="answer" class:ok=verdict.good>
                                    {verdict.words}
                                </p>
                            }
                        })
                }}
            </div>
        </div>
    }
    .into_any()
}

/// Method and path. Inside another form they belong to no form: `Enter` sends nothing, and neither
/// are they sent along.
fn controls(method: RwSignal<String>, path: RwSignal<String>, in_other_form: bool) -> AnyView {
    let form = in_other_form.then_some("-");
    let (method_ref, path_ref) = (
        NodeRef::<html::Select>::new(),
        NodeRef::<html::Input>::new(),
    );
    // What was typed before hydration counts too.
    Effect::new(move |_| {
        if let (Some(select), Some(input)) = (method_ref.get(), path_ref.get()) {
            method.set(select.value());
            path.set(input.value());
        }
    });
    let chosen = method.get_untracked();
    let methods = Method::ALL
        .map(|method| {
            let selected = method.as_str() == chosen;
            view! { <option selected=selected>{method.as_str()}</option> }
        })
        .collect_view();
    view! {
        <select
            class="input"
            name="method"
            form=form
            aria-label="Method"
            node_ref=method_ref
            on:change:target=move |event| method.set(event.target().value())
        >
            {methods}
        </select>
        <input
            class="input"
            name="path"
            form=form
            value=path.get_untracked()
            placeholder="/v1/…"
            aria-label="Path"
            autocomplete="off"
            spellcheck="false"
            maxlength="2000"
            node_ref=path_ref
            on:input:target=move |event| path.set(event.target().value())
        />
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::sample::catalogue;

    #[test]
    fn answers_say_what_is_missing() {
        let access = Access::Custom(
            [
                ("accounts", AccessLevel::Read),
                ("journaling", AccessLevel::Write),
            ]
            .map(|(scope, level)| (scope.parse().unwrap(), level))
            .into(),
        );
        let ask = |method, path| can_call(&catalogue(), &access, method, path);
        for (method, path, good, words) in [
            ("GET", "/v1/accounts", true, "Yes. It may read Accounts."),
            (
                "POST",
                "/v1/journals?x=1",
                true,
                "Yes. It may write Journaling.",
            ),
            (
                "POST",
                "/v1/accounts",
                false,
                "No. Needs Accounts: read & write, the key has read only.",
            ),
            (
                "GET",
                "/v1/events/trades",
                false,
                "No. Needs SSE events: read only, the key has no access to SSE events.",
            ),
            (
                "GET",
                "/v1/nothing",
                false,
                "No. The catalogue doesn't have this path.",
            ),
            (
                "PUT",
                "/v1/journals",
                false,
                "No. The catalogue has this path, but not with this method.",
            ),
        ] {
            let expected = Verdict {
                good,
                words: words.to_owned(),
            };
            assert_eq!(ask(method, path), expected, "{method} {path}");
        }
        assert!(!ask("GET", "/v1/accounts/../journals").good);
    }

    #[test]
    fn the_box_refuses_what_the_gate_refuses() {
        let mut file = catalogue().file().clone();
        let endpoints = &mut file.scopes[0].endpoints;
        for path in [
            "/v1/accounts/{id}",
            "/v1/accounts/{id}/days/{day:date}",
            "/v1/accounts/all",
        ] {
            let mut endpoint = endpoints[0].clone();
            endpoint.path = path.to_owned();
            endpoints.push(endpoint);
        }
        let catalogue = Catalogue::try_from(file).unwrap();
        let ask = |path| can_call(&catalogue, &Access::Full, "GET", path);
        for good in [
            "/v1/accounts/all",
            "/v1/accounts/x",
            "/v1/accounts/x/days/2026-11-30",
        ] {
            assert!(ask(good).good, "{good}");
        }
        let spelling = ask("/v1/accounts/All.json");
        assert!(!spelling.good);
        assert!(
            spelling
                .words
                .starts_with("No. The path is another spelling of one in the catalogue"),
            "{}",
            spelling.words
        );
        let value = ask("/v1/accounts/x/days/yesterday");
        assert_eq!(
            (value.good, value.words.as_str()),
            (
                false,
                "No. A value in the path is not of the kind that the catalogue says."
            )
        );
    }

    #[test]
    fn the_catalogue_says_what_any_key_needs() {
        let sample = catalogue();
        assert_eq!(
            needs(&sample, "POST", "/v1/journals").words,
            "Needs Journaling: read & write. It is POST /v1/journals."
        );
        assert_eq!(
            needs(&sample, "GET", "v1").words,
            "Refused for every key. The path is not in its plain form: it doesn't start with /."
        );
    }
}

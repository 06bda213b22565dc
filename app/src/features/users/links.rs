//! Links with which people choose a password, as they are shown this once.

use std::fmt;

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::components::{CopyButton, Moment, Notice, Tone};
use crate::form::ShownOnce;
use crate::words::count;

/// A link with which a person chooses a password. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WelcomeLink {
    /// Who it is for.
    pub name: String,
    /// Their address.
    pub email: String,
    /// The whole link.
    pub url: String,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
    /// Whether they have it already.
    pub mailed: Mailed,
}

impl fmt::Debug for WelcomeLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WelcomeLink(…)")
    }
}

/// What became of the mail with a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mailed {
    /// No mail server is configured.
    Off,
    /// It was taken by the mail server.
    Sent,
    /// It was not; why.
    Failed(String),
}

/// The section with the links. They are not kept anywhere.
#[component]
pub fn WelcomeLinks(
    /// What is shown once; nothing but links shows here.
    shown: ShownOnce,
) -> impl IntoView {
    let ShownOnce::WelcomeLinks { links } = shown else {
        return ().into_any();
    };
    let title = match links.as_slice() {
        [] => return nobody_new(),
        [one] => format!("Pass this link on to {}", one.name),
        several => format!("Pass these {} on", count(several.len(), "link")),
    };
    let links = links.into_iter().map(link).collect_view();
    view! {
        <section class="card section stack" aria-labelledby="link-title">
            <h2 id="link-title">{title}</h2>
            <p>"Each is shown only now, works once, and lets its owner choose a password."</p>
            {links}
        </section>
    }
    .into_any()
}

/// Somebody else invited the same people in the same moment.
fn nobody_new() -> AnyView {
    let words = "Somebody else has just invited them. Look at the list before you send a new link.";
    view! { <Notice tone=Tone::Warn>{words}</Notice> }.into_any()
}

fn link(link: WelcomeLink) -> AnyView {
    let WelcomeLink {
        name,
        email,
        url,
        expires_at,
        mailed,
    } = link;
    let mailed = match mailed {
        Mailed::Off => ().into_any(),
        Mailed::Sent => view! { <Notice tone=Tone::Ok>"Mailed to them."</Notice> }.into_any(),
        Mailed::Failed(reason) => view! {
            <Notice tone=Tone::Bad>
                {format!("The mail was not sent: {reason}. Pass the link on yourself.")}
            </Notice>
        }
        .into_any(),
    };
    view! {
        <div class="stack-s">
            <p>
                <b>{name.clone()}</b>
                {format!(" · {email} · until ")}
                <Moment at=expires_at time=true />
            </p>
            <div class="copy">
                <code>{url.clone()}</code>
                <CopyButton text=url what=format!("the link of {name}") />
            </div>
            {mailed}
        </div>
    }
    .into_any()
}

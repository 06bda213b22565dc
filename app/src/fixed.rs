//! Pages that are the same for everybody, whatever was asked for. They have no script, so each is made
//! once and not for every visitor.

use leptos::prelude::*;
use leptos_meta::HashedStylesheet;

use crate::frame::Brand;

/// The page for those for whom there is no place to log in just now. What was typed is behind Back.
#[must_use]
pub fn crowded(options: LeptosOptions) -> String {
    document(
        options,
        "Many people are logging in right now",
        "You are not logged in yet. Wait a few seconds, then try again.",
        ("/login", "Try again"),
    )
}

/// The page for an address that leads nowhere. It learns nothing of that address, so it shows nothing by it.
#[must_use]
pub fn not_found(options: LeptosOptions) -> String {
    document(
        options,
        "There is no such page",
        "The link may be mistyped or out of date.",
        ("/", "To the start"),
    )
}

/// A whole document of a heading, a sentence and a link.
fn document(
    options: LeptosOptions,
    heading: &'static str,
    lead: &'static str,
    (href, words): (&'static str, &'static str),
) -> String {
    let document = || {
        view! {
            <!DOCTYPE html>
            <html lang="en">
                <head>
                    {crate::head()}
                    <title>{format!("{heading} · Keyrack")}</title>
                    <HashedStylesheet options=options id="style" />
                </head>
                <body>
                    <div class="bare">
                        <main>
                            <Brand />
                            <div class="card stack">
                                <header>
                                    <h1>{heading}</h1>
                                    <p>{lead}</p>
                                </header>
                                <a class="btn primary wide" href=href>
                                    {words}
                                </a>
                            </div>
                        </main>
                    </div>
                </body>
            </html>
        }
        .to_html()
    };
    Owner::new().with(document)
}

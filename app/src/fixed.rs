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

/// The page for those who came by an address that is not Keyrack's own, to which its forms could not be sent.
#[must_use]
pub fn elsewhere(options: LeptosOptions, public_url: &str) -> String {
    let lead = format!(
        "Keyrack is set up for {public_url}. At the address that you opened it can't log anybody in. If that \
         one does not work for you, ask whoever runs Keyrack to set public_url to the address that people open."
    );
    let go = (public_url, "Open Keyrack there");
    document(options, "Keyrack has another address", lead, go)
}

/// The page for those whose form came from a page at another address than Keyrack's own.
#[must_use]
pub fn not_our_form(options: LeptosOptions, public_url: &str) -> String {
    let lead =
        format!("This form was not sent from {public_url}. Open that address and try again.");
    let go = (public_url, "Open Keyrack there");
    document(options, "Nothing was changed", lead, go)
}

/// The page for those whose browser did not keep the cookie that it was just given, because it came over plain
/// http.
#[must_use]
pub fn not_kept(options: LeptosOptions, public_url: &str) -> String {
    let lead = format!(
        "Your browser will not keep the session over plain http, so you can't be logged in at {public_url}. \
         Ask whoever runs Keyrack to put TLS in front of it and to set public_url to the https:// address."
    );
    document(
        options,
        "You are not logged in",
        lead,
        ("/login", "Try again"),
    )
}

/// A whole document of a heading, a sentence and a link.
fn document(
    options: LeptosOptions,
    heading: &'static str,
    lead: impl Into<String>,
    (href, words): (&str, &'static str),
) -> String {
    let (lead, href) = (lead.into(), href.to_owned());
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

//! The page for those for whom there is no place to log in just now.

use leptos::prelude::*;
use leptos_meta::HashedStylesheet;

use crate::frame::Brand;

/// The whole document. It is the same for everybody and has no script, so that it is made once and not for
/// each of a crowd. What was typed is behind Back.
#[must_use]
pub fn crowded(options: LeptosOptions) -> String {
    let document = || {
        view! {
            <!DOCTYPE html>
            <html lang="en">
                <head>
                    {crate::head()}
                    <title>"Many people are logging in · Keyrack"</title>
                    <HashedStylesheet options=options id="style" />
                </head>
                <body>
                    <div class="bare">
                        <main>
                            <Brand />
                            <div class="card stack">
                                <header>
                                    <h1>"Many people are logging in right now"</h1>
                                    <p>"You are not logged in yet. Wait a few seconds, then try again."</p>
                                </header>
                                <a class="btn primary wide" href="/login">
                                    "Try again"
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

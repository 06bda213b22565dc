//! The icons: 16 px, one stroke, one path each.

use leptos::prelude::*;

/// What an icon shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyph {
    /// A warning triangle.
    Alert,
    /// Back to the left.
    Back,
    /// A tick.
    Check,
    /// Unfolds to the right.
    Chevron,
    /// A clock.
    Clock,
    /// Two sheets.
    Copy,
    /// A cross.
    Cross,
    /// Down.
    Down,
    /// An eye.
    Eye,
    /// An i in a circle.
    Info,
    /// A key.
    Key,
    /// A list with a margin.
    List,
    /// A lock.
    Lock,
    /// Three bars.
    Menu,
    /// A moon.
    Moon,
    /// A plus.
    Plus,
    /// A screen.
    Screen,
    /// A magnifying glass.
    Search,
    /// A shield with a tick.
    Shield,
    /// A door with an arrow out of it.
    SignOut,
    /// A sun.
    Sun,
    /// Up.
    Up,
    /// Two people.
    Users,
}

impl Glyph {
    const fn path(self) -> &'static str {
        match self {
            Self::Alert => "M8 2.2 14.6 13.5H1.4zM8 6.5v3.2M8 11.6v.1",
            Self::Back => "M9.8 3.5 5.3 8l4.5 4.5",
            Self::Check => "M3 8.5 6.4 12 13 4.5",
            Self::Chevron => "M6.2 3.5 10.7 8l-4.5 4.5",
            Self::Clock => "M1.8 8a6.2 6.2 0 1 0 12.4 0a6.2 6.2 0 1 0-12.4 0M8 4.5V8l2.3 1.6",
            Self::Copy => "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
            Self::Cross => "m3.5 3.5 9 9m0-9-9 9",
            Self::Down => "M3.5 6 8 10.5 12.5 6",
            Self::Eye => {
                "M1.2 8S3.6 3.5 8 3.5 14.8 8 14.8 8 12.4 12.5 8 12.5 1.2 8 1.2 8M6 8a2 2 0 1 0 4 0a2 2 0 1 0-4 0"
            }
            Self::Info => "M1.8 8a6.2 6.2 0 1 0 12.4 0a6.2 6.2 0 1 0-12.4 0M8 7.3v3.7M8 5v.1",
            Self::Key => "M2 11a3 3 0 1 0 6 0a3 3 0 1 0-6 0M7.2 8.8 14 2M11.5 4.5l2 2",
            Self::List => "M2 3h12M2 8h12M2 13h12M6 3v10",
            Self::Lock => "M3 7.2h10V14H3zM5.2 7V4.8a2.8 2.8 0 0 1 5.6 0V7",
            Self::Menu => "M2 4h12M2 8h12M2 12h12",
            Self::Moon => "M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1",
            Self::Plus => "M8 3v10M3 8h10",
            Self::Screen => "M1.8 2.8h12.4v8H1.8zM5.5 13.5h5",
            Self::Search => "M2.5 7a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0M10.5 10.5l3.5 3.5",
            Self::Shield => {
                "M8 1.8 13.2 3.8v4c0 3.2-2.2 5.4-5.2 6.4-3-1-5.2-3.2-5.2-6.4v-4zM5.6 8l1.7 1.7 3.1-3.4"
            }
            Self::SignOut => "M6.5 2H2.8v12h3.7M6.5 8h7.5M11 5l3 3-3 3",
            Self::Sun => {
                "M5 8a3 3 0 1 0 6 0a3 3 0 1 0-6 0M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1"
            }
            Self::Up => "M3.5 10 8 5.5l4.5 4.5",
            Self::Users => {
                "M3.5 5a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M1.5 14c0-3 2-4.5 4.5-4.5s4.5 1.5 4.5 4.5M11 3a2.3 2.3 0 0 1 0 4.5M12.5 10c1.4.6 2 2 2 4"
            }
        }
    }
}

/// An icon. It says nothing to a screen reader: the words beside it do.
#[component]
pub fn Icon(
    /// What it shows.
    glyph: Glyph,
    /// A further class.
    #[prop(optional)]
    class: &'static str,
) -> impl IntoView {
    view! {
        <svg
            class=class
            width="16"
            height="16"
            viewBox="0 0 16 16"
            fill="none"
            stroke="currentColor"
            stroke-width="1.6"
            stroke-linecap="round"
            stroke-linejoin="round"
            aria-hidden="true"
        >
            <path d=glyph.path() />
        </svg>
    }
    .into_any()
}

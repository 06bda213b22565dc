//! The kit: every piece of the interface once, small, rendered by the server and working without
//! WASM. Ids come from names, so both passes agree on them.

mod actions;
mod choice;
mod date_time;
mod dialog;
mod feedback;
mod field;
mod form;
mod icon;
mod matrix;
mod page;
mod password;
mod status;
mod table;
mod time;

pub use actions::CopyButton;
pub use choice::{Choice, ChoiceCards, Pills};
pub use date_time::DateTimeField;
pub use dialog::{Dialog, DialogActions, DialogLink};
pub use feedback::{EmptyState, ErrorState, Notice, Skeleton, Toast, Tone};
pub use field::{Field, FieldProblem, Input, Select, TextArea};
pub use form::{PostForm, RefusedElsewhere, SearchForm};
pub use icon::{Glyph, Icon};
pub use matrix::{Endpoint, Endpoints, Matrix, ScopeRow};
pub use page::{Avatar, PageHead, Person};
pub use password::PasswordField;
pub use status::{Chip, ScopeStrip, State, Status};
pub use table::{Cell, Column, Order, Pager, Table};
pub use time::{Moment, Time};

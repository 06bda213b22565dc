//! The team: who is in it, who may do what, and the page of each person.

mod api;
mod links;
mod manage;
mod page;
mod person;
mod query;

pub use api::{PeopleList, PersonAccess, PersonDetail, PersonRow, get_person, list_users};
pub use links::{Mailed, WelcomeLink};
pub use page::UsersPage;
pub use person::PersonPage;
pub use query::PeopleParams;

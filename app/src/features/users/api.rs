//! What the users page asks the server.

use chrono::{DateTime, Utc};
use domain::role::Role;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// A person of the team as the list shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRow {
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
    /// Their role.
    pub role: Role,
    /// May they log in?
    pub active: bool,
    /// When they were added.
    pub created_at: DateTime<Utc>,
    /// When they last logged in.
    pub last_login_at: Option<DateTime<Utc>>,
}

/// The most people that the page lists; a team of people, not of thousands.
#[cfg(feature = "ssr")]
const MOST: u32 = 1000;

/// Everybody in the team.
#[server(prefix = "/_fn", endpoint = "users/list")]
pub async fn list_users() -> Result<Vec<PersonRow>, ApiError> {
    use crate::server_context::{actor, reply, services};

    let query = service::UserQuery {
        limit: MOST,
        ..service::UserQuery::default()
    };

    let users = reply(services()?.people(&actor()?, query).await)?;
    Ok(users.into_iter().map(PersonRow::from).collect())
}

#[cfg(feature = "ssr")]
impl From<domain::user::User> for PersonRow {
    fn from(user: domain::user::User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name.as_str().to_owned(),
            email: user.email.as_str().to_owned(),
            role: user.role,
            active: user.is_active(),
            created_at: user.created_at,
            last_login_at: user.last_login_at,
        }
    }
}

//! What pages ask the server about the catalogue.

use domain::catalogue::Catalogue;
use leptos::prelude::*;

use crate::error::ApiError;

/// The catalogue in force. The browser answers "can this key call …?" from it.
#[server(prefix = "/_fn", endpoint = "catalogue/get")]
pub async fn get_catalogue() -> Result<Catalogue, ApiError> {
    use crate::server_context::{actor, services};

    actor()?;
    Ok(services()?.catalogue().as_ref().clone())
}

//! What the credentials pages ask the server.

use domain::draft::CredentialDraft;
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use super::{CredentialDetail, CredentialList, Filters, FormFacts, KeyPreview, ListParams};
use crate::error::ApiError;
use crate::features::catalogue::Verdict;
use crate::form::ShownOnce;

/// A page of the list, with the numbers of the tabs.
#[server(prefix = "/_fn", endpoint = "credentials/list", input = Json)]
pub async fn list_credentials(params: ListParams) -> Result<CredentialList, ApiError> {
    use super::server;
    use crate::server_context::{actor, reply, services};

    let (actor, services) = (actor()?, services()?);
    let query = server::list_query(&params, services.now());
    let page = reply(services.list_credentials(&actor, query).await)?;
    let counts = reply(services.count_credentials(&actor).await)?;
    Ok(server::list_page(
        page,
        counts,
        &services.catalogue(),
        services.now(),
    ))
}

/// What the list can be filtered by.
#[server(prefix = "/_fn", endpoint = "credentials/filters")]
pub async fn credential_filters() -> Result<Filters, ApiError> {
    use super::server;
    use crate::server_context::{actor, reply, services};

    let (actor, services) = (actor()?, services()?);
    let people = reply(services.people(&actor, server::everybody()).await)?;
    Ok(server::filters(people, &services.catalogue()))
}

/// One credential with its story.
#[server(prefix = "/_fn", endpoint = "credentials/get", input = Json)]
pub async fn get_credential(key_id: String) -> Result<CredentialDetail, ApiError> {
    use super::server;
    use crate::features::audit::{Subject, tell};
    use crate::server_context::{actor, reply, services};

    let (actor, services) = (actor()?, services()?);
    let key_id = reply(
        key_id
            .parse()
            .map_err(|_| service::ServiceError::NotFound("credential")),
    )?;
    let record = reply(services.credential(&actor, key_id).await)?;
    let entries = reply(services.credential_story(&actor, key_id).await)?;
    let people = reply(services.people(&actor, server::everybody()).await)?;
    let now = services.now();
    let since = now - chrono::TimeDelta::days(server::USAGE_DAYS);
    let rows = reply(services.usage_of(&actor, key_id, since).await)?;
    let decisions = reply(services.decisions_of(&actor, key_id, 50).await)?;
    let usage = server::usage(&rows, decisions, &services.catalogue(), now);
    let story = tell(entries, &services.catalogue(), &people, Subject::It);
    Ok(server::detail(record, story, usage, now))
}

/// What the forms for issuing and editing offer.
#[server(prefix = "/_fn", endpoint = "credentials/form")]
pub async fn credential_form() -> Result<FormFacts, ApiError> {
    use super::server;
    use crate::server_context::{actor, reply, services};

    let (actor, services) = (actor()?, services()?);
    let query = service::UserQuery {
        active_only: true,
        ..server::everybody()
    };
    let people = reply(services.people(&actor, query).await)?;
    Ok(server::form_facts(
        people,
        services.settings().maximum_credential_life,
        services.now(),
    ))
}

/// Issues a credential. The same idempotency key issues only once.
#[server(prefix = "/_fn", endpoint = "credentials/issue", input = Json)]
pub async fn issue_credential(
    draft: CredentialDraft,
    idempotency_key: String,
) -> Result<ShownOnce, ApiError> {
    use super::{LegacyHeaders, server};
    use crate::server_context::{actor, reply, services};

    let (actor, services) = (actor()?, services()?);
    let key = Some(idempotency_key.as_str());
    let issued = reply(services.issue_credential(&actor, &draft, key).await)?;
    let headers = use_context::<LegacyHeaders>().unwrap_or_default();
    Ok(server::shown_once(&services, issued, headers))
}

/// Uses a credential with its secret for real, as its program would. Nothing of the secret is kept.
#[server(prefix = "/_fn", endpoint = "credentials/try-out", input = Json)]
pub async fn try_out(key_id: String, secret: String) -> Result<Vec<Verdict>, ApiError> {
    use super::server;
    use crate::server_context::{actor, reply, services};

    let (actor, services) = (actor()?, services()?);
    let unknown = |_| service::ServiceError::NotFound("credential");
    let key_id = reply(key_id.parse().map_err(unknown))?;
    let tried = reply(services.try_out(&actor, key_id, &secret).await)?;
    Ok(server::verdicts(tried))
}

/// What a text that somebody is typing holds, or why it is no public key. Nothing is kept.
#[server(prefix = "/_fn", endpoint = "credentials/preview-keys", input = Json)]
pub async fn preview_public_keys(public_key: String) -> Result<Vec<KeyPreview>, ApiError> {
    use crate::server_context::{actor, reply, services};

    let (actor, services) = (actor()?, services()?);
    let keys = reply(services.preview_public_keys(&actor, &public_key))?;
    let previews = keys.into_iter().map(|key| KeyPreview {
        thumbprint: key.thumbprint().to_owned(),
        algorithm: key.algorithm().to_owned(),
    });
    Ok(previews.collect())
}

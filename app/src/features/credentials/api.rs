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
    let page = services.list_credentials(&actor, query);
    let counts = services.count_credentials(&actor);
    let (page, counts) = futures_util::future::join(page, counts).await;
    Ok(server::list_page(
        reply(page)?,
        reply(counts)?,
        &services.catalogue(),
        services.now(),
    ))
}

/// What the list can be filtered by, with the owner that it is filtered by now among the owners.
#[server(prefix = "/_fn", endpoint = "credentials/filters", input = Json)]
pub async fn credential_filters(owner: String) -> Result<Filters, ApiError> {
    use super::server;
    use crate::server_context::{actor, reply, services};

    let (actor, services) = (actor()?, services()?);
    let people = server::everybody(server::OWNERS + 1);
    let people = reply(services.people(&actor, people).await)?;
    let is_everybody = people.len() <= server::OWNERS as usize;
    let people = if is_everybody {
        people
    } else {
        let viewer = actor.person().map(|person| person.id);
        let few = server::these(owner.parse().ok().into_iter().chain(viewer).collect());
        reply(services.people(&actor, few).await)?
    };
    Ok(server::filters(people, is_everybody, &services.catalogue()))
}

/// One credential with its story.
#[server(prefix = "/_fn", endpoint = "credentials/get", input = Json)]
pub async fn get_credential(key_id: String) -> Result<CredentialDetail, ApiError> {
    use super::server;
    use crate::features::audit::{Subject, owners, tell};
    use crate::server_context::{actor, reply, services};

    let (actor, services) = (actor()?, services()?);
    let key_id = reply(
        key_id
            .parse()
            .map_err(|_| service::ServiceError::NotFound("credential")),
    )?;
    let record = reply(services.credential(&actor, key_id).await)?;
    let entries = reply(services.credential_story(&actor, key_id).await)?;
    let people = reply(services.people(&actor, owners(&entries)).await)?;
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
        ..server::everybody(1000)
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

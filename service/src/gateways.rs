//! Gateways: the machines that may ask the gate or introspect tokens. Each has a token of its own,
//! which is shown once; only its hash is stored.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Instant;
use domain::address::AddressList;
use domain::audience::AudienceList;
use domain::audit::{Action, ObjectKind, Outcome};
use domain::draft::FieldError;
use domain::gateway::{Gateway, GatewayId, GatewayKind};
use domain::role::Permission;
use domain::text::GatewayName;
use serde_json::{Value, json};
use storage::{Conflict, GatewayRecord, GatewaySeen, SharedStore, StoreError, StoreResult};

use crate::actor::{Actor, Object};
use crate::clock::system_rng;
use crate::crypto::{Token, hash_token};
use crate::error::{ServiceError, ServiceResult};
use crate::loaded::Loaded;
use crate::{Services, Settings};

/// The gateways in memory, and when each was seen last.
#[derive(Debug, Default)]
pub(crate) struct Gateways {
    known: Loaded<Vec<Arc<GatewayRecord>>>,
    seen: Mutex<HashMap<GatewayId, Seen>>,
}

impl Gateways {
    /// Reads them again: another process may have changed one.
    pub(crate) async fn load(&self, store: &SharedStore) -> ServiceResult<()> {
        let read = async {
            let known = store.list_gateways().await?;
            Ok(known.into_iter().map(Arc::new).collect())
        };
        self.known.load(read).await
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<GatewayId, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a gateway asked last, and from where.
type Seen = (Instant, Option<IpAddr>);

/// A gateway as typed.
#[derive(Debug, Clone, Default)]
pub struct GatewayDraft {
    /// What it is called.
    pub name: String,
    /// `nginx`, `caddy`, `traefik`, `envoy` or `introspection`.
    pub kind: String,
    /// The addresses that its token works from; any, if empty.
    pub addresses: String,
    /// The audiences whose tokens it lets through; all, if empty.
    pub audiences: String,
}

/// The facts of a gateway that can be edited.
struct GatewayFacts {
    name: GatewayName,
    kind: GatewayKind,
    addresses: AddressList,
    audiences: AudienceList,
}

impl GatewayDraft {
    /// What was typed, if tokens can be for all of its audiences.
    fn check(&self, settings: &Settings) -> ServiceResult<GatewayFacts> {
        let mut errors = Vec::new();
        let name = self.name.parse();
        let kind = self.kind.parse();
        let addresses = self.addresses.parse();
        if let Err(error) = &name {
            errors.push(FieldError::new("name", error));
        }
        if let Err(error) = &kind {
            errors.push(FieldError::new("kind", error));
        }
        if let Err(error) = &addresses {
            errors.push(FieldError::new("addresses", error));
        }
        let Ok(audiences) = self.audiences.parse::<AudienceList>();
        if !audiences.is_within(&settings.audiences) {
            let known = settings.audiences.join(", ");
            let words = format!("tokens can be for these only: {known}");
            errors.push(FieldError::new("audiences", words));
        }
        match (name, kind, addresses) {
            (Ok(name), Ok(kind), Ok(addresses)) if errors.is_empty() => Ok(GatewayFacts {
                name,
                kind,
                addresses,
                audiences,
            }),
            _ => Err(ServiceError::Invalid(errors)),
        }
    }
}

/// A gateway that has shown its token. Only [`Services::authenticate_gateway`] makes one.
#[derive(Debug, Clone)]
pub struct KnownGateway(Arc<GatewayRecord>);

impl KnownGateway {
    /// How it asks.
    #[must_use]
    pub fn kind(&self) -> GatewayKind {
        self.0.gateway.kind
    }

    /// The audiences whose tokens it lets through.
    pub(crate) fn audiences(&self) -> &AudienceList {
        &self.0.gateway.audiences
    }
}

/// A gateway that may introspect: its kind says so.
#[derive(Debug, Clone)]
pub struct Introspector(KnownGateway);

impl Introspector {
    /// The audiences whose tokens are active for it.
    pub(crate) fn audiences(&self) -> &AudienceList {
        self.0.audiences()
    }
}

impl KnownGateway {
    /// The right to introspect, of a gateway that was added for it.
    #[must_use]
    pub fn introspector(&self) -> Option<Introspector> {
        (self.kind() == GatewayKind::Introspection).then(|| Introspector(self.clone()))
    }
}

impl Services {
    /// All gateways, those in use first.
    pub async fn list_gateways(&self, actor: &Actor) -> ServiceResult<Vec<GatewayRecord>> {
        Self::may_read(actor, Permission::ManageGateways)?;
        Ok(self.store().list_gateways().await?)
    }

    /// Adds a gateway; its token is shown this once.
    pub async fn add_gateway(
        &self,
        actor: &Actor,
        draft: &GatewayDraft,
    ) -> ServiceResult<(Gateway, Token)> {
        let action = Action::GatewayAdded;
        self.authorise_gateway(actor, action, None).await?;
        let GatewayFacts {
            name,
            kind,
            addresses,
            audiences,
        } = draft.check(self.settings())?;
        let now = self.now();
        let gateway = Gateway {
            id: GatewayId::generate(now, &mut system_rng()),
            name,
            kind,
            addresses,
            audiences,
            created_at: now,
            created_by: actor.name().to_owned(),
            removed_at: None,
        };
        let token = Token::of_gateway();
        let event = actor.event(
            now,
            action,
            Outcome::Done,
            object(&gateway),
            facts(&gateway),
        );
        self.store()
            .add_gateway(gateway.clone(), token.hash(), event)
            .await
            .map_err(name_field)?;
        self.0.gateways.load(self.store()).await?;
        Ok((gateway, token))
    }

    /// Changes a gateway's name, kind, addresses and audiences; it holds from its next question on.
    pub async fn edit_gateway(
        &self,
        actor: &Actor,
        id: GatewayId,
        draft: &GatewayDraft,
    ) -> ServiceResult<Gateway> {
        let action = Action::GatewayEdited;
        self.authorise_gateway(actor, action, Some(id)).await?;
        let before = self.gateway(id).await?;
        let checked = draft.check(self.settings())?;
        let gateway = Gateway {
            name: checked.name,
            kind: checked.kind,
            addresses: checked.addresses,
            audiences: checked.audiences,
            ..before.clone()
        };
        let detail = json!({ "from": facts(&before), "to": facts(&gateway) });
        let event = actor.event(self.now(), action, Outcome::Done, object(&gateway), detail);
        self.store()
            .update_gateway(gateway.clone(), event)
            .await
            .map_err(name_field)?;
        self.0.gateways.load(self.store()).await?;
        Ok(gateway)
    }

    /// Gives a gateway a new token, shown this once; the old one ends at once.
    pub async fn replace_gateway_token(
        &self,
        actor: &Actor,
        id: GatewayId,
    ) -> ServiceResult<(Gateway, Token)> {
        let action = Action::GatewayTokenReplaced;
        self.authorise_gateway(actor, action, Some(id)).await?;
        let (gateway, token) = (self.gateway(id).await?, Token::of_gateway());
        let event = actor.event(
            self.now(),
            action,
            Outcome::Done,
            object(&gateway),
            json!({}),
        );
        self.store()
            .replace_gateway_token(id, token.hash(), event)
            .await?;
        self.0.gateways.load(self.store()).await?;
        Ok((gateway, token))
    }

    /// Removes a gateway: its token ends at once.
    pub async fn remove_gateway(&self, actor: &Actor, id: GatewayId) -> ServiceResult<()> {
        let action = Action::GatewayRemoved;
        self.authorise_gateway(actor, action, Some(id)).await?;
        let (gateway, now) = (self.gateway(id).await?, self.now());
        let event = actor.event(now, action, Outcome::Done, object(&gateway), json!({}));
        self.store().remove_gateway(id, now, event).await?;
        self.0.gateways.load(self.store()).await
    }

    /// The gateway whose token this is, if it comes from one of its addresses.
    pub async fn authenticate_gateway(
        &self,
        token: &str,
        peer: Option<IpAddr>,
    ) -> ServiceResult<Option<KnownGateway>> {
        self.hear().await?;
        // Looked up by hash: how long that takes says nothing about the token.
        let hash = hash_token(token);
        let known = self.0.gateways.known.get();
        let found = known.iter().find(|record| {
            record.token == Some(hash) && record.gateway.addresses.allows_caller(peer)
        });
        let Some(found) = found else {
            return Ok(None);
        };
        let seen = (self.now(), peer);
        self.0.gateways.seen().insert(found.gateway.id, seen);
        Ok(Some(KnownGateway(found.clone())))
    }

    /// Writes when gateways asked last. What could not be written goes with the next call, unless they have
    /// asked since.
    pub(crate) async fn write_gateways_seen(&self) -> StoreResult<()> {
        let seen = std::mem::take(&mut *self.0.gateways.seen());
        if seen.is_empty() {
            return Ok(());
        }
        let row = |(id, (at, peer)): (&GatewayId, &Seen)| {
            let address = peer.map(|peer| peer.to_canonical().to_string());
            let address = address.unwrap_or_default();
            (*id, GatewaySeen { at: *at, address })
        };
        let rows = seen.iter().map(row).collect();
        let written = self.store().record_gateways_seen(rows).await;
        if written.is_err() {
            let mut now = self.0.gateways.seen();
            for (id, before) in seen {
                now.entry(id).or_insert(before);
            }
        }
        written
    }

    async fn authorise_gateway(
        &self,
        actor: &Actor,
        action: Action,
        id: Option<GatewayId>,
    ) -> ServiceResult<()> {
        let object = Object {
            kind: ObjectKind::Gateway,
            id: id.map(|id| id.to_string()),
            name: "gateway".to_owned(),
        };
        self.authorise(actor, Permission::ManageGateways, action, object)
            .await
    }

    async fn gateway(&self, id: GatewayId) -> ServiceResult<Gateway> {
        let all = self.store().list_gateways().await?;
        all.into_iter()
            .map(|record| record.gateway)
            .find(|gateway| gateway.id == id && gateway.removed_at.is_none())
            .ok_or(ServiceError::NotFound("gateway"))
    }
}

fn object(gateway: &Gateway) -> Object {
    Object::new(ObjectKind::Gateway, gateway.id, &gateway.name)
}

fn facts(gateway: &Gateway) -> Value {
    json!({
        "name": gateway.name,
        "kind": gateway.kind,
        "addresses": gateway.addresses,
        "audiences": gateway.audiences,
    })
}

/// A taken name is a problem of the field it was typed into.
fn name_field(error: StoreError) -> ServiceError {
    match error {
        StoreError::Conflict(conflict @ Conflict::GatewayNameTaken) => {
            ServiceError::field("name", conflict)
        }
        other => other.into(),
    }
}

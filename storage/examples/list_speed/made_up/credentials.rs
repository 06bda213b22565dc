//! Credentials of each flow, access and state, and what they were last used for.

use std::time::Instant;

use chrono::TimeDelta;
use domain::access::Access;
use domain::audit::{Action, ActorKind, AuditEvent, ObjectKind, Outcome};
use domain::credential::{Credential, Flow, Mark, Standing};
use domain::key_id::KeyId;
use domain::limits::Limits;
use domain::scope::{AccessLevel, ScopeName};
use domain::user::{User, UserId};
use rand::RngExt as _;
use rand::rngs::StdRng;
use storage::{CredentialUse, LastUse, NewCredential, SharedStore};

use super::{SCOPES, pick};
use crate::{Result, now};

const WRITERS: usize = 16;
/// So many people own all the credentials.
const OWNERS: usize = 100;

/// So many credentials.
pub fn credentials(count: usize, people: &[User], rng: &mut StdRng) -> Result<Vec<Credential>> {
    let owners: Vec<UserId> = people.iter().take(OWNERS).map(|owner| owner.id).collect();
    (0..count)
        .map(|number| credential(number, &owners, rng))
        .collect()
}

/// Stores credentials, four in five of them with a use.
pub async fn store(
    store: &SharedStore,
    credentials: Vec<Credential>,
    rng: &mut StdRng,
) -> Result<()> {
    let mut uses = Vec::new();
    for credential in &credentials {
        if rng.random_bool(0.8) {
            let method = pick(&["GET", "POST", "DELETE"], rng);
            let path = format!(
                "/v1/{}/{{id}}/part{}",
                pick(&SCOPES, rng),
                rng.random_range(0..9)
            );
            let last_use = LastUse {
                at: now() - TimeDelta::seconds(rng.random_range(0..8_000_000)),
                address: "192.0.2.17".to_owned(),
                endpoint: format!("{method} {path}"),
            };
            uses.push(CredentialUse {
                key_id: credential.key_id,
                last_use,
                public_key: None,
            });
        }
    }
    let mut writers = tokio::task::JoinSet::new();
    for part in credentials.chunks(credentials.len().div_ceil(WRITERS)) {
        let (store, part) = (store.clone(), part.to_vec());
        writers.spawn(async move {
            for credential in part {
                let new = NewCredential {
                    credential,
                    secret: None,
                    public_keys: Vec::new(),
                    key_set_url: None,
                    idempotency_key: None,
                };
                store.issue_credential(new, event()).await?;
            }
            Ok::<_, storage::StoreError>(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    let (began, number) = (Instant::now(), uses.len());
    store.record_uses(uses).await?;
    println!("{number} uses noted in {:.1?}", began.elapsed());
    Ok(())
}

/// The event of a credential. Those of the audit log come later.
fn event() -> AuditEvent {
    AuditEvent {
        at: super::audit::begin(),
        actor_kind: ActorKind::System,
        actor_id: None,
        actor_epoch: None,
        actor_name: "Keyrack".to_owned(),
        action: Action::CredentialIssued,
        object_kind: ObjectKind::System,
        object_id: None,
        object_name: String::new(),
        outcome: Outcome::Done,
        address: None,
        request_id: None,
        detail: "{}".to_owned(),
    }
}

fn credential(number: usize, owners: &[UserId], rng: &mut StdRng) -> Result<Credential> {
    let does = [
        "settlement",
        "payroll",
        "reporting",
        "onboarding",
        "statement",
        "rebalance",
    ];
    let is = [
        "worker", "job", "gateway", "importer", "notebook", "partner",
    ];
    let name = format!("{}-{}-{number}", pick(&does, rng), pick(&is, rng));
    let created_at = now() - TimeDelta::seconds(rng.random_range(0..60_000_000));
    let mark = || Mark {
        at: now(),
        by: "Mara Okafor".to_owned(),
        reason: None,
    };
    let standing = match rng.random_range(0..100) {
        0..2 => Standing::Disabled(mark()),
        2..12 => Standing::Revoked(mark()),
        _ => Standing::Active,
    };
    let expires_at = match rng.random_range(0..10) {
        0..4 => None,
        4 => Some(now() - TimeDelta::seconds(rng.random_range(0..10_000_000))),
        _ => Some(now() + TimeDelta::seconds(rng.random_range(0..30_000_000))),
    };
    let access = match rng.random_range(0..10) {
        0..3 => Access::ReadOnly,
        3..5 => Access::Full,
        _ => {
            let mut levels = Vec::<(ScopeName, AccessLevel)>::new();
            for scope in SCOPES {
                // `crypto` is for a few.
                let chance = if scope == "crypto" { 0.001 } else { 0.4 };
                let level = if rng.random_bool(chance) {
                    AccessLevel::Write
                } else {
                    AccessLevel::None
                };
                levels.push((scope.parse()?, level));
            }
            Access::Custom(levels.into_iter().collect())
        }
    };
    Ok(Credential {
        key_id: KeyId::generate(rng),
        name: name.parse()?,
        purpose: "Moves cash between accounts at the end of the day".parse()?,
        owner: pick(owners, rng),
        flow: pick(
            &[
                Flow::ClientSecret,
                Flow::ClientSecret,
                Flow::PrivateKeyJwt,
                Flow::Legacy,
            ],
            rng,
        ),
        access,
        limits: Limits::default(),
        expires_at,
        standing,
        created_at,
        created_by: "Mara Okafor".to_owned(),
        updated_at: created_at,
    })
}

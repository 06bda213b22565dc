//! The catalogue in force: putting another one in its place while requests go on, and telling what
//! changed from one to the next and whom that touches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use aws_lc_rs::digest;
use domain::Instant;
use domain::audit::{Action, ObjectKind, Outcome};
use domain::catalogue::{Catalogue, Change};
use domain::role::Permission;
use domain::scope::WireScope;
use serde_json::json;
use storage::CatalogueVersion;
use tokio::sync::Mutex;

use crate::Services;
use crate::actor::{Actor, Object};
use crate::error::{ServiceError, ServiceResult};

/// How many versions the history gives at once. All rights of so many catalogues are counted in one
/// statement.
const VERSIONS_AT_ONCE: u8 = 10;

/// The catalogue that decisions are made by, and why the file on disk is not it.
#[derive(Debug)]
pub(crate) struct InForce {
    current: ArcSwap<Current>,
    fault: ArcSwapOption<CatalogueFault>,
    /// Held while another one is taken up: of two at once the one that came last stays.
    taking_up: Mutex<()>,
}

#[derive(Debug)]
struct Current {
    catalogue: Arc<Catalogue>,
    since: Instant,
}

/// Why the file on disk can't take the place of the catalogue in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueFault {
    /// When that was found.
    pub at: Instant,
    /// What is wrong, a line for each problem.
    pub problems: Vec<String>,
}

/// How the catalogue in force stands to its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueStatus {
    /// Since when this process decides by it.
    pub since: Instant,
    /// What is wrong with the file now, for those who can mend it.
    pub fault: Option<CatalogueFault>,
}

/// A version of the catalogue, and what it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueStep {
    /// The API's name.
    pub name: String,
    /// What its file calls the version.
    pub version: String,
    /// When it was taken up.
    pub taken_up_at: Instant,
    /// What changed since the version before; nothing if that one is not known any more.
    pub changes: Option<Vec<Change>>,
}

/// Some versions of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueHistory {
    /// The versions, newest first.
    pub steps: Vec<CatalogueStep>,
    /// How many credentials are in use now that may do what the changes are about.
    pub in_use: BTreeMap<WireScope, u64>,
    /// Where the next older versions begin, if there are any.
    pub older: Option<i64>,
}

impl InForce {
    pub(crate) fn new(catalogue: Catalogue, since: Instant) -> Self {
        let catalogue = Arc::new(catalogue);
        Self {
            current: ArcSwap::from_pointee(Current { catalogue, since }),
            fault: ArcSwapOption::empty(),
            taking_up: Mutex::default(),
        }
    }

    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        self.current.load().catalogue.clone()
    }

    /// Whether this very catalogue is in force; cheaper than asking which one is.
    pub(crate) fn is(&self, catalogue: &Arc<Catalogue>) -> bool {
        Arc::ptr_eq(&self.current.load().catalogue, catalogue)
    }
}

impl Services {
    /// The catalogue in force. Ask once for each request: the next answer may be another.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.0.catalogue.catalogue()
    }

    /// Puts a catalogue in force from the next request on, and keeps it as a version; the first node
    /// to do so is audited. Whether this process decided by another one before.
    ///
    /// # Errors
    /// The store fails: then the catalogue is as it was.
    pub async fn take_up_catalogue(&self, catalogue: Catalogue) -> ServiceResult<bool> {
        let _taking_up = self.0.catalogue.taking_up.lock().await;
        let now = self.now();
        let file = serde_json::to_string(catalogue.file()).map_err(ServiceError::internal)?;
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, file.as_bytes()).as_ref());
        let before = self.store().list_catalogue_versions(i64::MAX, 1).await?;
        let detail = json!({
            "from": before.first().map(|(_, before)| &before.version),
            "to": catalogue.version(),
            "scopes": catalogue.scopes().len(),
            "endpoints": catalogue.endpoint_count(),
        });
        let object = Object::new(ObjectKind::Catalogue, catalogue.version(), catalogue.name());
        let action = Action::CatalogueReloaded;
        let event = Actor::system().event(now, action, Outcome::Done, object, detail);
        let version = CatalogueVersion {
            hash,
            name: catalogue.name().to_owned(),
            version: catalogue.version().to_owned(),
            file,
            taken_up_at: now,
        };
        // Without a write where none is needed: a database that is read-only can serve the gate.
        if before.first().is_none_or(|(_, newest)| newest.hash != hash) {
            self.store().take_up_catalogue(version, event).await?;
        }
        let in_force = &self.0.catalogue;
        in_force.fault.store(None);
        let is_other = *in_force.catalogue() != catalogue;
        if is_other {
            let catalogue = Arc::new(catalogue);
            in_force.current.store(Arc::new(Current {
                catalogue,
                since: now,
            }));
        }
        Ok(is_other)
    }

    /// Notes that the file on disk can't be used; the catalogue in force stays.
    pub fn note_catalogue_fault(&self, problems: Vec<String>) {
        let at = self.now();
        let fault = CatalogueFault { at, problems };
        self.0.catalogue.fault.store(Some(Arc::new(fault)));
    }

    /// How the catalogue in force stands to its file.
    pub fn catalogue_status(&self, actor: &Actor) -> ServiceResult<CatalogueStatus> {
        Self::see(actor)?;
        let in_force = &self.0.catalogue;
        let fault = in_force.fault.load_full();
        Ok(CatalogueStatus {
            since: in_force.current.load().since,
            fault: fault
                .filter(|_| actor.can(Permission::ManageSettings))
                .map(Arc::unwrap_or_clone),
        })
    }

    /// The versions below `before`, or the newest, with what each changed.
    pub async fn catalogue_history(
        &self,
        actor: &Actor,
        before: Option<i64>,
    ) -> ServiceResult<CatalogueHistory> {
        Self::see(actor)?;
        let shown = usize::from(VERSIONS_AT_ONCE);
        let limit = u32::from(VERSIONS_AT_ONCE) + 1;
        let before = before.unwrap_or(i64::MAX);
        let kept = self.store().list_catalogue_versions(before, limit).await?;
        // One that an earlier program kept may break a rule that came later.
        let catalogues: Vec<Option<Catalogue>> = kept
            .iter()
            .map(|(_, version)| serde_json::from_str(&version.file).ok())
            .collect();
        let older = (kept.len() > shown).then(|| kept[shown - 1].0);
        let steps: Vec<CatalogueStep> = kept
            .into_iter()
            .take(shown)
            .enumerate()
            .map(|(index, (_, version))| {
                let pair = catalogues[index].as_ref().zip(catalogues.get(index + 1));
                CatalogueStep {
                    name: version.name,
                    version: version.version,
                    taken_up_at: version.taken_up_at,
                    changes: pair
                        .and_then(|(now, before)| Some(now.changes_since(before.as_ref()?))),
                }
            })
            .collect();
        let changes = steps.iter().filter_map(|step| step.changes.as_ref());
        let touched = changes.flatten().flat_map(Change::touches);
        let rights: BTreeSet<WireScope> = touched.map(|right| right.scope).collect();
        let rights: Vec<WireScope> = rights.into_iter().collect();
        let counts = self
            .store()
            .count_in_use_with(rights.clone(), self.now())
            .await?;
        Ok(CatalogueHistory {
            steps,
            in_use: rights.into_iter().zip(counts).collect(),
            older,
        })
    }
}

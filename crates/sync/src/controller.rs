//! What keeps users in step: the sources, the destinations and the memory between them.

use std::collections::BTreeMap;

use entitlement::model::attributes::Fact;
use entitlement::model::catalog::Catalog;
use entitlement::model::clock::Clock;
use entitlement::model::mode::Mode;
use entitlement::model::reading::Scope;
use entitlement::status::Carried;
use source::sources::Sources;
use store::open::Store;

use crate::profile_cache::ProfileCache;
use crate::target::Target;

/// Everything a sync needs.
#[derive(Clone, Debug)]
pub struct Controller {
    pub store: Store,
    pub sources: Sources,
    /// The apps that are kept in step, at least one.
    pub apps: Vec<Target>,
    /// A destination that knows sales alone, if there is one.
    pub sales: Option<Target>,
    /// The mode of the source's key; `None` when it does not say: then that of what is billed.
    pub mode: Option<Mode>,
    pub policy_mode: PolicyMode,
    /// What our last requests left, which need not be read again at once.
    pub profile_cache: ProfileCache,
    pub clock: Clock,
}

/// Whether plans are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyMode {
    Enforce,
    /// Decide and log; write nothing to a destination.
    Observe,
}

impl PolicyMode {
    pub(crate) fn carried(self) -> Carried {
        match self {
            Self::Enforce => Carried::Out,
            Self::Observe => Carried::Not,
        }
    }
}

impl Controller {
    /// The same for work in bulk, which may use `percent` of the rate limits.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        Self {
            sources: self.sources.with_rate_share(percent),
            apps: self.apps.iter().map(|app| app.with_rate_share(percent)).collect(),
            sales: self.sales.as_ref().map(|target| target.with_rate_share(percent)),
            ..self.clone()
        }
    }

    /// The catalogs of all apps.
    pub(crate) fn catalogs(&self) -> impl Iterator<Item = &Catalog> {
        self.apps.iter().map(|app| &app.rules.catalog)
    }

    /// What a source says of somebody whom it does not know: nothing, wherever an app asks.
    pub(crate) fn nothing_known(&self) -> BTreeMap<String, Fact> {
        let asked = self.apps.iter().flat_map(|app| &app.rules.sourced_attributes);
        asked.map(|attribute| (attribute.from.clone(), Fact(String::new()))).collect()
    }

    /// What has to be read for the catalogs of all apps.
    pub(crate) fn scope(&self) -> Scope {
        Scope { one_time: self.catalogs().any(Catalog::sells_once) }
    }
}

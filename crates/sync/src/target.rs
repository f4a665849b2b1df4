//! A destination, and what holds for it.

use std::sync::Arc;

use destination::destination::Destination;
use entitlement::model::rules::Rules;
use entitlement::model::user::User;
use store::claim::Claim;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Syncs that may write to a slow destination at a time: every one that waits for it holds a worker.
const FRESH: usize = 8;
/// The same of work in bulk.
const BULK: usize = 2;

/// A destination that is kept in step, and its rules. Clones share its limits.
#[derive(Clone, Debug)]
pub struct Target {
    pub destination: Destination,
    /// All but the mode, when the key does not say it. `destination` is the name in keys and the ledger.
    pub rules: Rules,
    slots: Slots,
}

/// How many syncs may write to it at a time.
#[derive(Clone, Debug)]
enum Slots {
    Unlimited,
    /// One that finds no slot comes back later: somebody's grant wants its worker.
    Limited(Arc<Semaphore>),
    /// The same for work in bulk, which waits for its slot.
    Bulk(Arc<Semaphore>),
}

/// Whom steps are sent for, where to, and under which claim.
#[derive(Clone, Copy)]
pub(crate) struct Recipient<'a> {
    pub(crate) target: &'a Target,
    pub(crate) claim: &'a Claim,
    pub(crate) user: &'a User,
}

/// The right to write to a destination.
pub(crate) enum Slot<'a> {
    Unlimited,
    Taken { _permit: SemaphorePermit<'a> },
}

impl Target {
    #[must_use]
    pub fn new(destination: Destination, rules: Rules) -> Self {
        Self { destination, rules, slots: Slots::Unlimited }
    }

    /// A destination that is slow by its own limits: few syncs write to it at a time.
    #[must_use]
    pub fn slow(destination: Destination, rules: Rules) -> Self {
        Self { destination, rules, slots: Slots::Limited(Arc::new(Semaphore::new(FRESH))) }
    }

    /// The name in keys, the ledger, logs and lists: that of the app.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.rules.destination
    }

    /// The same for work in bulk, which may use `percent` of the rate.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        let slots = match &self.slots {
            Slots::Unlimited => Slots::Unlimited,
            Slots::Limited(_) | Slots::Bulk(_) => Slots::Bulk(Arc::new(Semaphore::new(BULK))),
        };
        Self { destination: self.destination.with_rate_share(percent), rules: self.rules.clone(), slots }
    }

    /// `None` when too many write to it now.
    pub(crate) async fn slot(&self) -> Option<Slot<'_>> {
        match &self.slots {
            Slots::Unlimited => Some(Slot::Unlimited),
            Slots::Limited(slots) => slots.try_acquire().ok().map(|permit| Slot::Taken { _permit: permit }),
            Slots::Bulk(slots) => slots.acquire().await.ok().map(|permit| Slot::Taken { _permit: permit }),
        }
    }
}

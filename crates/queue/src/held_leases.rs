//! The leases of this process that are to be renewed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entitlement::model::account::Account;
use store::claim::{Claim, Lease, LeaseDeadline, Urgency};

/// The leases of accounts that were claimed and whose sync has not ended. Only these are renewed: a lease whose sync
/// ended without settling it expires by itself.
#[derive(Clone, Debug, Default)]
pub struct HeldLeases(Arc<Mutex<Held>>);

type Held = HashMap<(Account, Lease), (LeaseDeadline, Urgency)>;

impl HeldLeases {
    /// A sync is to come.
    pub fn add(&self, claim: &Claim) {
        self.lock().insert((claim.account.clone(), claim.lease.clone()), (claim.deadline.clone(), claim.urgency));
    }

    /// The sync has ended, however it did.
    pub fn remove(&self, claim: &Claim) {
        self.lock().remove(&(claim.account.clone(), claim.lease.clone()));
    }

    /// All that are held now.
    #[must_use]
    pub fn all(&self) -> HashMap<(Account, Lease), LeaseDeadline> {
        self.lock().iter().map(|(lease, (deadline, _))| (lease.clone(), deadline.clone())).collect()
    }

    /// How many of them are of backfills and reconciliations.
    #[must_use]
    pub fn bulk(&self) -> usize {
        self.lock().values().filter(|(_, urgency)| *urgency == Urgency::Bulk).count()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

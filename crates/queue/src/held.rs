//! The leases that looks of this process live by.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entitlement::names::Account;
use store::claim::{Claim, Lease, LeaseDeadline, Urgency};

/// Accounts claimed and not yet looked at to the end. Only their leases are renewed: one that a look left behind
/// unsettled runs out by itself.
#[derive(Clone, Debug, Default)]
pub struct HeldLeases(Arc<Mutex<Looks>>);

/// Looks to come or under way.
type Looks = HashMap<(Account, Lease), (LeaseDeadline, Urgency)>;

impl HeldLeases {
    /// A look is to come.
    pub fn add(&self, claim: &Claim) {
        self.lock().insert((claim.account.clone(), claim.lease.clone()), (claim.deadline.clone(), claim.urgency));
    }

    /// The look has ended, whatever became of it.
    pub fn remove(&self, claim: &Claim) {
        self.lock().remove(&(claim.account.clone(), claim.lease.clone()));
    }

    /// All that are held now.
    #[must_use]
    pub fn all(&self) -> HashMap<(Account, Lease), LeaseDeadline> {
        self.lock().iter().map(|(lease, (deadline, _))| (lease.clone(), deadline.clone())).collect()
    }

    /// How many of them are looks of backfills and rounds.
    #[must_use]
    pub fn bulk(&self) -> usize {
        self.lock().values().filter(|(_, urgency)| *urgency == Urgency::Bulk).count()
    }

    fn lock(&self) -> MutexGuard<'_, Looks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
